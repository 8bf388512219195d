/*
 * Listening sockets from addresses as users write them: ":9090" (both families), "0.0.0.0:9090",
 * "[::1]:9090", "localhost:9090". Errors are told in Go's words, since scripts wait for them.
 *
 * Ownership: the descriptor is the caller's. Thread-safety: no state.
 */
#pragma once

#include "base/compiler.h"
#include "base/err.h"

#include <stdint.h>

/* "listen tcp 0.0.0.0:9090: bind: address already in use" */
enum err listener_open(const char *address, int *out_descriptor, uint16_t *out_port,
                       struct errbuf *err) MUST_CHECK;
