/* A blocking HTTP/1.1 client. */
#include "bench/http_wire.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define ANSWER_SIZE_MAX ((size_t)1 << 30)
#define READ_SIZE ((size_t)1 << 20)

static void http_wire_connect(struct http_wire *wire)
{
    wire->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(wire->port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(wire->fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
        perror("connect");
        exit(EXIT_FAILURE);
    }
    int one = 1;
    setsockopt(wire->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

void http_wire_open(struct http_wire *wire, uint16_t port)
{
    *wire = (struct http_wire){.port = port};
    buf_init(&wire->in, ANSWER_SIZE_MAX);
    buf_init(&wire->body, ANSWER_SIZE_MAX);
    http_wire_connect(wire);
}

void http_wire_close(struct http_wire *wire)
{
    close(wire->fd);
    buf_release(&wire->in);
    buf_release(&wire->body);
}

static bool http_wire_send(struct http_wire *wire, struct slice head, struct slice body)
{
    while (head.len + body.len > 0) {
        struct iovec parts[2] = {{(void *)(uintptr_t)head.ptr, head.len},
                                 {(void *)(uintptr_t)body.ptr, body.len}};
        struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
        ssize_t count = sendmsg(wire->fd, &message, MSG_NOSIGNAL);
        if (count <= 0)
            return false;
        size_t of_head = (size_t)count < head.len ? (size_t)count : head.len;
        head = slice_from_index(head, of_head);
        body = slice_from_index(body, (size_t)count - of_head);
    }
    return true;
}

static bool http_wire_more(struct http_wire *wire)
{
    char *to = buf_reserve(&wire->in, READ_SIZE);
    if (to == NULL)
        return false;
    ssize_t count = recv(wire->fd, to, READ_SIZE, 0);
    if (count <= 0)
        return false;
    buf_commit(&wire->in, (size_t)count);
    return true;
}

static void http_wire_take(struct http_wire *wire, size_t at, size_t len)
{
    wire->body_len += len;
    if (wire->keep_body)
        buf_append(&wire->body, wire->in.data + at, len);
}

static bool http_wire_read_length(struct http_wire *wire, size_t at, size_t len)
{
    while (wire->in.len < at + len) {
        if (!http_wire_more(wire))
            return false;
    }
    http_wire_take(wire, at, len);
    return true;
}

static bool http_wire_read_chunks(struct http_wire *wire, size_t at)
{
    for (;;) {
        char *end;
        while (wire->in.len <= at || (end = memmem(wire->in.data + at, wire->in.len - at, "\r\n", 2)) == NULL) {
            if (!http_wire_more(wire))
                return false;
        }
        size_t len = strtoul(wire->in.data + at, NULL, 16);
        at = (size_t)(end - wire->in.data) + 2;
        while (wire->in.len < at + len + 2) {
            if (!http_wire_more(wire))
                return false;
        }
        if (len == 0)
            return true;
        http_wire_take(wire, at, len);
        at += len + 2;
    }
}

static bool http_wire_read(struct http_wire *wire)
{
    buf_reset(&wire->in);
    buf_reset(&wire->body);
    wire->body_len = 0;
    size_t end;
    while ((end = slice_find(buf_slice(&wire->in), SLICE("\r\n\r\n"))) == SLICE_NONE) {
        if (!http_wire_more(wire))
            return false;
    }
    wire->in.data[end] = '\0';
    wire->status = (int)strtol(wire->in.data + strlen("HTTP/1.1 "), NULL, 10);
    const char *length = strcasestr(wire->in.data, "\ncontent-length:");
    if (length != NULL)
        return http_wire_read_length(wire, end + 4,
                                     strtoul(length + strlen("\ncontent-length:"), NULL, 10));
    if (strcasestr(wire->in.data, "\ntransfer-encoding: chunked") != NULL)
        return http_wire_read_chunks(wire, end + 4);
    return true; /* 204 */
}

bool http_wire_exchange(struct http_wire *wire, struct slice head, struct slice body)
{
    if (http_wire_send(wire, head, body) && http_wire_read(wire))
        return true;
    close(wire->fd);
    http_wire_connect(wire);
    return false;
}
