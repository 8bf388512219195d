/* Reading is byte by byte where lines are wanted: tests have time, and nothing of the next answer
 * is taken. */
#include "support/raw_socket.h"

#include <check.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define WAIT_MS 30000

int raw_connect(uint16_t port)
{
    int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    ck_assert_int_eq(connect(descriptor, (struct sockaddr *)&address, sizeof(address)), 0);
    return descriptor;
}

void raw_send(int descriptor, const void *data, size_t len)
{
    const char *at = data;
    while (len > 0) {
        ssize_t sent = send(descriptor, at, len, MSG_NOSIGNAL);
        if (sent <= 0)
            return; /* the answer will show what happened */
        at += sent;
        len -= (size_t)sent;
    }
}

void raw_send_text(int descriptor, const char *text)
{
    raw_send(descriptor, text, strlen(text));
}

/* Up to `size` bytes; 0 at the end of the connection or of the time. */
static size_t read_some(int descriptor, char *out, size_t size)
{
    struct pollfd readable = {.fd = descriptor, .events = POLLIN};
    if (poll(&readable, 1, WAIT_MS) != 1)
        return 0;
    ssize_t got = recv(descriptor, out, size, 0);
    return got < 0 ? 0 : (size_t)got;
}

static bool read_line(int descriptor, struct buf *out)
{
    char byte;
    while (read_some(descriptor, &byte, 1) == 1) {
        buf_append_byte(out, byte);
        if (byte == '\n')
            return true;
    }
    return false;
}

static bool read_exactly(int descriptor, size_t len, struct buf *out)
{
    while (len > 0) {
        char piece[65536];
        size_t got = read_some(descriptor, piece, MIN(len, sizeof(piece)));
        if (got == 0)
            return false;
        buf_append(out, piece, got);
        len -= got;
    }
    return true;
}

static bool read_chunked(int descriptor, struct buf *out)
{
    struct buf line CLEANUP(buf_release);
    buf_init(&line, 1000);
    for (;;) {
        buf_reset(&line);
        if (!read_line(descriptor, &line))
            return false;
        size_t len = strtoul(buf_cstr(&line), NULL, 16);
        if (len > 0 && !read_exactly(descriptor, len, out))
            return false;
        buf_reset(&line);
        if (!read_line(descriptor, &line))
            return false;
        if (len == 0)
            return true;
    }
}

void raw_read_answer(int descriptor, bool is_head, struct raw_answer *out)
{
    *out = (struct raw_answer){0};
    buf_init(&out->head, 1 << 20);
    buf_init(&out->body, (size_t)1 << 30);
    size_t line_start;
    do {
        line_start = out->head.len;
        if (!read_line(descriptor, &out->head))
            return;
    } while (out->head.len - line_start > 2);
    out->status = (int)strtol(buf_cstr(&out->head) + strcspn(buf_cstr(&out->head), " "), NULL, 10);
    if (out->status == 100) {
        raw_answer_release(out);
        raw_read_answer(descriptor, is_head, out);
        return;
    }
    const char *coding = raw_answer_header(out, "Transfer-Encoding");
    out->chunked = coding != NULL && strcmp(coding, "chunked") == 0;
    if (is_head || out->status == 204 || out->status == 304) {
        out->whole = true;
    } else if (out->chunked) {
        out->whole = read_chunked(descriptor, &out->body);
    } else if (raw_answer_header(out, "Content-Length") != NULL) {
        size_t len = strtoul(raw_answer_header(out, "Content-Length"), NULL, 10);
        out->whole = read_exactly(descriptor, len, &out->body);
    } else {
        out->whole = !read_exactly(descriptor, SIZE_MAX, &out->body);
    }
}

void raw_answer_release(struct raw_answer *answer)
{
    buf_release(&answer->head);
    buf_release(&answer->body);
}

const char *raw_answer_header(const struct raw_answer *answer, const char *name)
{
    static char value[4096];
    size_t len = strlen(name);
    const char *line = buf_cstr(&answer->head);
    while ((line = strchr(line, '\n')) != NULL) {
        line++;
        if (strncasecmp(line, name, len) != 0 || line[len] != ':')
            continue;
        const char *start = line + len + 1;
        start += strspn(start, " ");
        snprintf(value, sizeof(value), "%.*s", (int)strcspn(start, "\r\n"), start);
        return value;
    }
    return NULL;
}

bool raw_is_closed(int descriptor, int wait_ms)
{
    struct pollfd readable = {.fd = descriptor, .events = POLLIN};
    while (poll(&readable, 1, wait_ms) == 1) {
        char piece[65536];
        if (recv(descriptor, piece, sizeof(piece), 0) <= 0)
            return true;
    }
    return false;
}

void raw_exchange(uint16_t port, const char *request, bool is_head, struct raw_answer *out)
{
    int descriptor = raw_connect(port);
    raw_send_text(descriptor, request);
    raw_read_answer(descriptor, is_head, out);
    close(descriptor);
}
