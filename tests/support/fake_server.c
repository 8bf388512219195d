#include "support/fake_server.h"

#include <check.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/compiler.h"

/* Reads up to the end of a header. */
static bool fake_server_read(int descriptor, char *out, size_t size)
{
    size_t len = 0;
    while (len < size - 1 && recv(descriptor, out + len, 1, 0) == 1) {
        len++;
        out[len] = '\0';
        if (len >= 4 && memcmp(out + len - 4, "\r\n\r\n", 4) == 0)
            return true;
    }
    return false;
}

static void fake_server_serve(struct fake_server *fake, int descriptor)
{
    char request[8192];
    while (fake_server_read(descriptor, request, sizeof(request))) {
        MUTEX_GUARD(&fake->lock);
        memcpy(fake->last_request, request, sizeof(request));
        atomic_fetch_add(&fake->requests, 1);
        send(descriptor, fake->answer, strlen(fake->answer), MSG_NOSIGNAL);
        if (fake->end != FAKE_KEEP)
            break;
    }
    if (fake->end == FAKE_HOLD) {
        fake->held[atomic_load(&fake->connections) % 64] = descriptor;
        return;
    }
    struct linger linger = {.l_onoff = 1};
    if (fake->end == FAKE_RESET)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    close(descriptor);
}

void fake_server_run(void *context)
{
    struct fake_server *fake = context;
    for (;;) {
        int descriptor = accept(fake->listener, NULL, NULL);
        if (descriptor < 0 || atomic_load(&fake->stopping))
            return;
        atomic_fetch_add(&fake->connections, 1);
        fake_server_serve(fake, descriptor);
    }
}

void fake_server_start(struct fake_server *fake, const char *answer, enum fake_server_end end)
{
    *fake = (struct fake_server){.answer = answer, .end = end};
    mutex_init(&fake->lock, LOCK_RANK_SYMBOLS);
    fake->listener = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    ck_assert_int_eq(bind(fake->listener, (struct sockaddr *)&address, len), 0);
    ck_assert_int_eq(listen(fake->listener, 100), 0);
    ck_assert_int_eq(getsockname(fake->listener, (struct sockaddr *)&address, &len), 0);
    fake->port = ntohs(address.sin_port);
    thread_start(&fake->thread, "fake", fake_server_run, fake);
}

void fake_server_stop(struct fake_server *fake)
{
    atomic_store(&fake->stopping, true);
    shutdown(fake->listener, SHUT_RDWR);
    thread_join(&fake->thread);
    close(fake->listener);
    for (size_t i = 0; i < ARRAY_SIZE(fake->held); i++)
        if (fake->held[i] != 0)
            close(fake->held[i]);
}
