/* Names are resolved by the system; the first address that can be bound is taken. */
#include "net/listener.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/slice.h"

/* The kernel cuts it to net.core.somaxconn. */
#define LISTEN_BACKLOG 4096
#define HOST_SIZE 256
#define PORT_SIZE 32

struct address_parts {
    char host[HOST_SIZE];
    char port[PORT_SIZE];
};

static enum err address_split(const char *address, struct address_parts *out, struct errbuf *err)
{
    struct slice text = slice_str(address);
    const char *colon = text.len == 0 ? NULL : memrchr(text.ptr, ':', text.len);
    if (colon == NULL || (text.ptr[0] == '[' && memchr(colon, ']', strlen(colon)) != NULL))
        return errbuf_set(err, ERR_INVALID,
                          "listen tcp: address %s: missing port in address; write it "
                          "behind a colon, as in 0.0.0.0:9090",
                          address);
    struct slice host = slice_sub(text, 0, (size_t)(colon - text.ptr));
    if (host.len >= 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']')
        host = slice_sub(host, 1, host.len - 2);
    else if (slice_index(host, ':') != SLICE_NONE)
        return errbuf_set(err, ERR_INVALID, "listen tcp: address %s: too many colons in address",
                          address);
    if (host.len >= HOST_SIZE || strlen(colon + 1) >= PORT_SIZE)
        return errbuf_set(err, ERR_INVALID, "listen tcp: address %s: too long", address);
    snprintf(out->host, sizeof(out->host), "%.*s", SLICE_ARG(host));
    snprintf(out->port, sizeof(out->port), "%s", colon + 1);
    return ERR_NONE;
}

/* A name of a service or a number; the system takes signs and cuts numbers that are too large. */
static enum err port_check(const char *port, struct errbuf *err)
{
    size_t digits = strspn(port, "0123456789");
    if (port[digits] == '\0' && (digits > 5 || strtoul(port, NULL, 10) > UINT16_MAX))
        return errbuf_set(err, ERR_INVALID,
                          "listen tcp: address %s: invalid port; the highest is 65535", port);
    if (port[0] == '+' || port[0] == '-')
        return errbuf_set(err, ERR_INVALID, "listen tcp: lookup tcp/%s: unknown port", port);
    return ERR_NONE;
}

/* As Go prints an address: "0.0.0.0:9090", "[::1]:9090"; the wildcard of both families is ":9090".
 */
static void address_text(const struct sockaddr *address, socklen_t len, bool wildcard, char *out,
                         size_t size)
{
    char host[HOST_SIZE];
    char port[PORT_SIZE];
    if (getnameinfo(address, len, host, sizeof(host), port, sizeof(port),
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        snprintf(out, size, "?");
    else if (wildcard)
        snprintf(out, size, ":%s", port);
    else if (address->sa_family == AF_INET6)
        snprintf(out, size, "[%s]:%s", host, port);
    else
        snprintf(out, size, "%s:%s", host, port);
}

/* strerror with a small first letter, as Go has them. */
static enum err set_failure(struct errbuf *err, const char *address, const char *call, int number)
{
    char reason[128];
    snprintf(reason, sizeof(reason), "%s", strerror(number));
    reason[0] = (char)tolower((unsigned char)reason[0]);
    return errbuf_set(err, ERR_IO, "listen tcp %s: %s: %s", address, call, reason);
}

/* The number of the system's error is left in `out_number`. */
static enum err bind_and_listen(const struct addrinfo *info, bool wildcard, int *out_descriptor,
                                int *out_number, struct errbuf *err)
{
    char text[HOST_SIZE + PORT_SIZE];
    address_text(info->ai_addr, info->ai_addrlen, wildcard, text, sizeof(text));
    int descriptor = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (descriptor < 0) {
        *out_number = errno;
        return set_failure(err, text, "socket", *out_number);
    }
    int on = 1;
    int off = 0;
    setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (info->ai_family == AF_INET6)
        setsockopt(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, wildcard ? &off : &on, sizeof(int));
    const char *call = "bind";
    int failed = bind(descriptor, info->ai_addr, info->ai_addrlen);
    if (failed == 0) {
        call = "listen";
        failed = listen(descriptor, LISTEN_BACKLOG);
    }
    if (failed != 0) {
        *out_number = errno;
        close(descriptor);
        return set_failure(err, text, call, *out_number);
    }
    *out_descriptor = descriptor;
    return ERR_NONE;
}

static uint16_t bound_port(int descriptor)
{
    struct sockaddr_storage address = {0};
    socklen_t len = sizeof(address);
    if (getsockname(descriptor, (struct sockaddr *)&address, &len) != 0)
        return 0;
    if (address.ss_family == AF_INET6)
        return ntohs(((struct sockaddr_in6 *)&address)->sin6_port);
    return ntohs(((struct sockaddr_in *)&address)->sin_port);
}

static enum err resolve(const char *address, const struct address_parts *parts, int family,
                        struct addrinfo **out, struct errbuf *err)
{
    struct addrinfo hints = {
        .ai_family = family,
        .ai_socktype = SOCK_STREAM,
        .ai_flags = AI_PASSIVE,
    };
    const char *port = parts->port[0] == '\0' ? "0" : parts->port;
    int failed = getaddrinfo(parts->host[0] == '\0' ? NULL : parts->host, port, &hints, out);
    /* the name of the loopback needs nobody who knows it (RFC 6761): small images have no hosts file */
    if (failed == EAI_NONAME || failed == EAI_AGAIN) {
        if (strcmp(parts->host, "localhost") == 0)
            failed = getaddrinfo("127.0.0.1", port, &hints, out);
    }
    if (failed == 0)
        return ERR_NONE;
    if (failed == EAI_SERVICE)
        return errbuf_set(err, ERR_INVALID, "listen tcp: lookup tcp/%s: unknown port", parts->port);
    if (parts->host[0] == '\0')
        return errbuf_set(err, ERR_IO, "listen tcp %s: %s", address, gai_strerror(failed));
    return errbuf_set(err, ERR_INVALID, "listen tcp: lookup %s: no such host", parts->host);
}

enum err listener_open(const char *address, int *out_descriptor, uint16_t *out_port,
                       struct errbuf *err)
{
    struct address_parts parts;
    enum err failed = address_split(address, &parts, err);
    if (failed == ERR_NONE)
        failed = port_check(parts.port, err);
    if (failed != ERR_NONE)
        return failed;
    /* Go listens on both families for "" and for "::"; where there is no IPv6, IPv4 has to do. */
    bool wildcard = parts.host[0] == '\0' || strcmp(parts.host, "::") == 0;
    int families[] = {wildcard ? AF_INET6 : AF_UNSPEC, wildcard ? AF_INET : AF_UNSPEC};
    for (size_t i = 0; i < (wildcard ? 2 : 1); i++) {
        struct addrinfo *found = NULL;
        int number = EAFNOSUPPORT;
        failed = resolve(address, &parts, families[i], &found, err);
        if (failed != ERR_NONE && !wildcard)
            return failed;
        for (struct addrinfo *info = found; info != NULL; info = info->ai_next) {
            failed = bind_and_listen(info, wildcard, out_descriptor, &number, err);
            if (failed == ERR_NONE) {
                freeaddrinfo(found);
                *out_port = bound_port(*out_descriptor);
                return ERR_NONE;
            }
        }
        if (found != NULL)
            freeaddrinfo(found);
        /* a port in use is final; only a missing family sends us to the next */
        if (number != EAFNOSUPPORT && number != EADDRNOTAVAIL)
            break;
    }
    return failed;
}

void listener_print_peer(const struct sockaddr *address, char *out, size_t size)
{
    char host[INET6_ADDRSTRLEN] = "";
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)address;
        inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
        snprintf(out, size, "%s:%u", host, ntohs(in->sin_port));
    } else if (address->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)address;
        bool mapped = IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr);
        inet_ntop(mapped ? AF_INET : AF_INET6, (const char *)&in6->sin6_addr + (mapped ? 12 : 0),
                  host, sizeof(host));
        snprintf(out, size, mapped ? "%s:%u" : "[%s]:%u", host, ntohs(in6->sin6_port));
    }
}

void listener_poke(int descriptor)
{
    struct sockaddr_storage address = {0};
    socklen_t len = sizeof(address);
    if (getsockname(descriptor, (struct sockaddr *)&address, &len) != 0)
        return;
    int poke = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (poke < 0)
        return;
    /* whether it comes through at once does not matter */
    int result = connect(poke, (struct sockaddr *)&address, len);
    (void)result;
    close(poke);
}
