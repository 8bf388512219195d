/*
 * What a request carries besides its path: parameters of URL and form, header fields.
 *
 * Threads: a request belongs to the thread that handles it.
 */
#pragma once

#include "base/slice.h"
#include "net/http_server.h"

/* As Go: a larger form is an error, not parameters. */
#define HTTP_FORM_BYTES_MAX ((size_t)10 << 20)

/* Fills parameters and parameters_error from query and, for methods with a form, body. */
void http_request_parse_parameters(struct http_request *request);
