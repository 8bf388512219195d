#include "tests/support/fake_alertmanager.h"

#include <arpa/inet.h>
#include <check.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"

#define REQUEST_SIZE_MAX (4 << 20)
#define WAIT_NS INT64_C(30000000000)

static bool read_exactly(int descriptor, struct buf *out, size_t len)
{
    for (char byte; len > 0; len--) {
        if (recv(descriptor, &byte, 1, 0) != 1)
            return false;
        buf_append_byte(out, byte);
    }
    return true;
}

static bool read_head(int descriptor, struct buf *out)
{
    while (!slice_has_suffix(buf_slice(out), SLICE("\r\n\r\n"))) {
        if (!read_exactly(descriptor, out, 1))
            return false;
    }
    return true;
}

static size_t content_length(const char *head)
{
    const char *found = strcasestr(head, "content-length: ");
    return found == NULL ? 0 : strtoul(found + 16, NULL, 10);
}

/* Keeps the request and waits until it may be answered. */
static int keep(struct fake_alertmanager *fake, struct buf *head, struct buf *body)
{
    MUTEX_GUARD(&fake->lock);
    buf_append_str(body, "");
    vec_push(&fake->requests, (struct fake_request){buf_take(head), mem_strdup(buf_cstr(body))});
    condition_broadcast(&fake->changed);
    while (fake->holds && !fake->stops)
        condition_wait(&fake->changed, &fake->lock);
    return fake->status;
}

static bool serve_one(struct fake_alertmanager *fake, int descriptor)
{
    CLEANUP(buf_release) struct buf head;
    CLEANUP(buf_release) struct buf body;
    buf_init(&head, REQUEST_SIZE_MAX);
    buf_init(&body, REQUEST_SIZE_MAX);
    if (!read_head(descriptor, &head) ||
        !read_exactly(descriptor, &body, content_length(buf_cstr(&head))))
        return false;
    char answer[128];
    int len =
        snprintf(answer, sizeof(answer), "HTTP/1.1 %d Some Words\r\nContent-Length: 0\r\n\r\n",
                 keep(fake, &head, &body));
    return send(descriptor, answer, (size_t)len, MSG_NOSIGNAL) == len;
}

static void serve_ready(struct fake_alertmanager *fake, const struct pollfd *polled, size_t count)
{
    for (size_t i = count; i > 0; i--) {
        if (polled[i - 1].revents == 0 || serve_one(fake, fake->connections[i - 1]))
            continue;
        close(fake->connections[i - 1]);
        fake->connections[i - 1] = fake->connections[--fake->connection_count];
    }
}

static void fake_run(void *context)
{
    struct fake_alertmanager *fake = context;
    for (;;) {
        struct pollfd polled[FAKE_CONNECTIONS_MAX + 2];
        size_t count = fake->connection_count;
        for (size_t i = 0; i < count; i++)
            polled[i] = (struct pollfd){.fd = fake->connections[i], .events = POLLIN};
        polled[count] = (struct pollfd){.fd = fake->listener, .events = POLLIN};
        polled[count + 1] = (struct pollfd){.fd = fake->wakeup[0], .events = POLLIN};
        if (poll(polled, count + 2, -1) < 0 || polled[count + 1].revents != 0)
            return;
        serve_ready(fake, polled, count);
        if (polled[count].revents != 0 && fake->connection_count < FAKE_CONNECTIONS_MAX)
            fake->connections[fake->connection_count++] = accept(fake->listener, NULL, NULL);
    }
}

void fake_alertmanager_start(struct fake_alertmanager *fake)
{
    *fake = (struct fake_alertmanager){.status = 200};
    mutex_init(&fake->lock, LOCK_RANK_SERVER);
    condition_init(&fake->changed);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    fake->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(fake->listener, (struct sockaddr *)&address, size), 0);
    ck_assert_int_eq(listen(fake->listener, 16), 0);
    ck_assert_int_eq(getsockname(fake->listener, (struct sockaddr *)&address, &size), 0);
    fake->port = ntohs(address.sin_port);
    ck_assert_int_eq(pipe(fake->wakeup), 0);
    thread_start(&fake->thread, "fake", fake_run, fake);
}

void fake_alertmanager_stop(struct fake_alertmanager *fake)
{
    mutex_lock(&fake->lock);
    fake->stops = true;
    condition_broadcast(&fake->changed);
    mutex_unlock(&fake->lock);
    ck_assert_int_eq(write(fake->wakeup[1], "x", 1), 1);
    thread_join(&fake->thread);
    for (size_t i = 0; i < fake->connection_count; i++)
        close(fake->connections[i]);
    close(fake->listener);
    close(fake->wakeup[0]);
    close(fake->wakeup[1]);
    for (size_t i = 0; i < fake->requests.len; i++) {
        mem_free(fake->requests.items[i].head);
        mem_free(fake->requests.items[i].body);
    }
    vec_release(&fake->requests);
    condition_release(&fake->changed);
    mutex_release(&fake->lock);
}

void fake_alertmanager_answer(struct fake_alertmanager *fake, int status)
{
    MUTEX_GUARD(&fake->lock);
    fake->status = status;
}

void fake_alertmanager_hold(struct fake_alertmanager *fake, bool holds)
{
    MUTEX_GUARD(&fake->lock);
    fake->holds = holds;
    condition_broadcast(&fake->changed);
}

struct fake_request fake_alertmanager_wait(struct fake_alertmanager *fake, size_t count)
{
    MUTEX_GUARD(&fake->lock);
    int64_t end_ns = clock_monotonic_ns(clock_system) + WAIT_NS;
    while (fake->requests.len < count) {
        if (!condition_wait_until(&fake->changed, &fake->lock, end_ns))
            ck_abort_msg("%zu requests came, not %zu", fake->requests.len, count);
    }
    return fake->requests.items[count - 1];
}

size_t fake_alertmanager_count(struct fake_alertmanager *fake)
{
    MUTEX_GUARD(&fake->lock);
    return fake->requests.len;
}
