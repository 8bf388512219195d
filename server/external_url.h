/*
 * The URL under which this server is reached from outside (--web.external-url), and the prefix of its
 * routes (--web.route-prefix): what is not given follows from the other and from the listen address.
 */
#pragma once

#include "base/buf.h"
#include "base/compiler.h"
#include "base/err.h"

/* `given` and `prefix` may be empty. out_url: http://host:9090/ or with a path, always ending as the
 * reference prints it; out_prefix: "/" or "/prometheus". */
enum err external_url_compute(const char *given, const char *prefix, const char *listen_address,
                              const char *hostname, struct buf *out_url, struct buf *out_prefix,
                              struct errbuf *err) MUST_CHECK;
/* The port of a listen address: "9090". Borrowed from it. */
const char *external_url_listen_port(const char *listen_address);
