/*
 * What the server answers by itself: errors, redirects, OPTIONS, and the headers that every answer
 * has.
 *
 * Threads: as the response, the thread of its handler.
 */
#pragma once

#include "base/buf.h"
#include "base/regex.h"
#include "net/http_response.h"
#include "net/http_server.h"

/* Answers under it may be read by scripts of other sites. */
#define CORS_PATH_PREFIX "/api/"

bool http_answer_is_cors_path(const struct http_request *request);
/* As Go's http.Error. */
void http_answer_plain(struct http_response *response, unsigned status, const char *text);
/* To another path with the same query. */
void http_answer_redirect(const struct http_request *request, struct http_response *response,
                          unsigned status, struct slice path);
/* 405 with Allow. */
void http_answer_not_allowed(struct http_response *response, unsigned methods);
/* 204: what a browser asks before it lets a script send something. */
void http_answer_options(const struct http_request *request, struct http_response *response,
                         unsigned methods);
/* Vary, and the CORS headers when the request names an origin; `origins` NULL = any. */
void http_answer_add_headers(const struct http_request *request, struct http_response *response,
                             const struct regex *origins);
