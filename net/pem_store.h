/*
 * Certificates and keys that stand as text in the configuration, as files: libcurl with GnuTLS
 * takes paths only. A text gets a file in memory, and the same path as long as the store lives,
 * because curl takes connections with equal paths for equal.
 *
 * Thread-safety: none. Limits: PEM_STORE_COUNT_MAX texts.
 */
#pragma once

#include "base/compiler.h"
#include "base/err.h"
#include "base/slice.h"

#define PEM_STORE_COUNT_MAX 1024

struct pem_store;

struct pem_store *pem_store_new(void) MUST_CHECK;
void pem_store_free(struct pem_store *store);
/* A path that is valid as long as the store. */
enum err pem_store_path(struct pem_store *store, struct slice pem, const char **out,
                        struct errbuf *err) MUST_CHECK;
