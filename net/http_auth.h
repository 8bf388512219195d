/*
 * Credentials of a client profile. Secrets in files are read at each use, so that a change needs no
 * reload.
 *
 * Ownership: text is appended to the caller's buffer. Thread-safety: no state. Limits:
 * HTTP_SECRET_SIZE_MAX.
 */
#pragma once

#include "base/buf.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/slice.h"
#include "net/http_client.h"

#define HTTP_SECRET_SIZE_MAX ((size_t)1 << 20)

/* The content of a file without white space around it: "unable to read file F: open F: no such file
 * or directory". */
enum err http_auth_read_file(struct slice path, struct buf *out, struct errbuf *err) MUST_CHECK;
/* Appends the value of the Authorization header: "Basic dTpw", "Bearer token"; nothing when the
 * profile has no credentials. */
enum err http_auth_header(const struct http_client_profile *profile, struct buf *out,
                          struct errbuf *err) MUST_CHECK;
/* RFC 4648 with padding. */
void http_auth_base64(struct slice data, struct buf *out);
