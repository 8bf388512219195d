/*
 * The load generator for scrapes: one port, of which every address 127.0.0.1, 127.0.0.2, ... is a
 * target of its own. Answers with gzip when asked and told to, and at /stats with what it has served.
 *
 * usage: bench_targets PORT TARGET_COUNT INTERVAL_S plain|gzip
 */
#include "base/alloc.h"
#include "base/buf.h"
#include "base/compiler.h"
#include "base/compress.h"
#include "bench/node_shape.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define REQUEST_SIZE_MAX ((size_t)16 << 10)
#define ANSWER_SIZE_MAX ((size_t)4 << 20)

struct server {
    int epoll_fd;
    int listen_fd;
    bool gzip;
    double interval_s;
    size_t target_count;
    struct node_target *targets;
    uint64_t scrape_count;
    uint64_t body_bytes;
    struct buf text;
};

struct connection {
    int fd;
    size_t target;
    struct buf in;
    struct buf out;
    size_t sent;
};

static void die(const char *what)
{
    perror(what);
    exit(EXIT_FAILURE);
}

static void connection_free(struct connection *connection)
{
    close(connection->fd);
    buf_release(&connection->in);
    buf_release(&connection->out);
    mem_free(connection);
}

/* The last number of the address that was connected to, less one. */
static size_t target_of(int fd)
{
    struct sockaddr_in local;
    socklen_t len = sizeof(local);
    getsockname(fd, (struct sockaddr *)&local, &len);
    return (ntohl(local.sin_addr.s_addr) & 0xffffff) - 1;
}

static void server_accept(struct server *server)
{
    int fd = accept4(server->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return;
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    struct connection *connection = mem_zalloc(sizeof(*connection));
    connection->fd = fd;
    connection->target = target_of(fd) % server->target_count;
    buf_init(&connection->in, REQUEST_SIZE_MAX);
    buf_init(&connection->out, ANSWER_SIZE_MAX);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    epoll_ctl(server->epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

static void answer(struct connection *connection, const char *type, const char *extra,
                   struct slice body)
{
    buf_printf(&connection->out,
               "HTTP/1.1 200 OK\r\nContent-Type: %s\r\n%sContent-Length: %zu\r\n\r\n", type, extra,
               body.len);
    buf_append_slice(&connection->out, body);
}

static void answer_stats(struct server *server, struct connection *connection)
{
    char text[200];
    int len = snprintf(text, sizeof(text),
                       "{\"scrapes\":%llu,\"samples\":%llu,\"body_bytes\":%llu}\n",
                       (unsigned long long)server->scrape_count,
                       (unsigned long long)server->scrape_count * NODE_SERIES_COUNT,
                       (unsigned long long)server->body_bytes);
    answer(connection, "application/json", "", slice_from(text, (size_t)len));
}

static void answer_metrics(struct server *server, struct connection *connection, bool gzip)
{
    struct node_target *target = &server->targets[connection->target];
    buf_reset(&server->text);
    node_target_write(target, &server->text);
    node_target_advance(target, server->interval_s);
    server->scrape_count++;
    server->body_bytes += server->text.len;
    struct slice body = buf_slice(&server->text);
    struct buf packed CLEANUP(buf_release);
    buf_init(&packed, ANSWER_SIZE_MAX);
    if (gzip) {
        struct compress_stream *stream = compress_stream_new(COMPRESS_GZIP);
        if (compress_stream_write(stream, body, true, &packed, NULL) != ERR_NONE)
            abort();
        compress_stream_free(stream);
        body = buf_slice(&packed);
    }
    answer(connection, "text/plain; version=0.0.4; charset=utf-8",
           gzip ? "Content-Encoding: gzip\r\n" : "", body);
}

static bool head_accepts_gzip(const char *head)
{
    const char *field = strcasestr(head, "\naccept-encoding:");
    const char *gzip = field == NULL ? NULL : strstr(field, "gzip");
    return gzip != NULL && gzip < field + 1 + strcspn(field + 1, "\r");
}

/* Answers the request at the start of the input, if it is whole. */
static bool connection_answer(struct server *server, struct connection *connection)
{
    struct slice in = buf_slice(&connection->in);
    size_t end = slice_find(in, SLICE("\r\n\r\n"));
    if (end == SLICE_NONE)
        return false;
    struct slice head = slice_sub(in, 0, end);
    bool accepts_gzip = head_accepts_gzip(buf_cstr(&connection->in));
    if (slice_has_prefix(head, SLICE("GET /stats")))
        answer_stats(server, connection);
    else
        answer_metrics(server, connection, server->gzip && accepts_gzip);
    buf_consume(&connection->in, end + 4);
    return true;
}

/* false when the connection is done for. */
static bool connection_read(struct server *server, struct connection *connection)
{
    char *to = buf_reserve(&connection->in, 2048);
    if (to == NULL)
        return false;
    ssize_t count = recv(connection->fd, to, 2048, 0);
    if (count <= 0)
        return count < 0 && errno == EAGAIN;
    buf_commit(&connection->in, (size_t)count);
    while (connection_answer(server, connection)) {
    }
    return true;
}

static bool connection_write(struct server *server, struct connection *connection)
{
    size_t left = connection->out.len - connection->sent;
    if (left > 0) {
        ssize_t count =
            send(connection->fd, connection->out.data + connection->sent, left, MSG_NOSIGNAL);
        if (count < 0 && errno != EAGAIN)
            return false;
        connection->sent += count > 0 ? (size_t)count : 0;
    }
    bool done = connection->sent == connection->out.len;
    if (done) {
        buf_reset(&connection->out);
        connection->sent = 0;
    }
    struct epoll_event event = {.events = done ? EPOLLIN : EPOLLIN | EPOLLOUT,
                                .data.ptr = connection};
    epoll_ctl(server->epoll_fd, EPOLL_CTL_MOD, connection->fd, &event);
    return true;
}

static void server_serve(struct server *server)
{
    for (;;) {
        struct epoll_event events[64];
        int count = epoll_wait(server->epoll_fd, events, ARRAY_SIZE(events), -1);
        for (int i = 0; i < count; i++) {
            struct connection *connection = events[i].data.ptr;
            if (connection == NULL) {
                server_accept(server);
                continue;
            }
            bool alive = (events[i].events & EPOLLIN) == 0 || connection_read(server, connection);
            if (!alive || !connection_write(server, connection))
                connection_free(connection);
        }
    }
}

static void server_listen(struct server *server, uint16_t port)
{
    server->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int one = 1;
    setsockopt(server->listen_fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(port)};
    if (bind(server->listen_fd, (struct sockaddr *)&any, sizeof(any)) < 0)
        die("bind");
    if (listen(server->listen_fd, 1024) < 0)
        die("listen");
    server->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN};
    epoll_ctl(server->epoll_fd, EPOLL_CTL_ADD, server->listen_fd, &event);
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: %s PORT TARGET_COUNT INTERVAL_S plain|gzip\n", argv[0]);
        return EXIT_FAILURE;
    }
    struct server server = {
        .target_count = strtoul(argv[2], NULL, 10),
        .interval_s = strtod(argv[3], NULL),
        .gzip = strcmp(argv[4], "gzip") == 0,
    };
    struct node_shape *shape = node_shape_new();
    server.targets = mem_alloc_array(server.target_count, sizeof(*server.targets));
    for (size_t i = 0; i < server.target_count; i++)
        node_target_init(&server.targets[i], shape, i + 1);
    buf_init(&server.text, ANSWER_SIZE_MAX);
    server_listen(&server, (uint16_t)strtoul(argv[1], NULL, 10));
    server_serve(&server);
    return EXIT_SUCCESS;
}
