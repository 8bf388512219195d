/*
 * Listening sockets from addresses as users write them: ":9090" (both families), "0.0.0.0:9090",
 * "[::1]:9090", "localhost:9090". Errors are told in Go's words, since scripts wait for them.
 *
 * Ownership: the descriptor is the caller's. Thread-safety: no state.
 */
#pragma once

#include "base/compiler.h"
#include "base/err.h"

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* "listen tcp 0.0.0.0:9090: bind: address already in use" */
enum err listener_open(const char *address, int *out_descriptor, uint16_t *out_port,
                       struct errbuf *err) MUST_CHECK;

#define LISTENER_PEER_SIZE (INET6_ADDRSTRLEN + 8)
/* "127.0.0.1:4711", "[::1]:4711"; IPv4 on a socket of both families reads as IPv4. */
void listener_print_peer(const struct sockaddr *address, char *out, size_t size);
/* Connects to a listening socket and hangs up, to wake those who wait for connections. */
void listener_poke(int descriptor);
