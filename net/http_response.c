/* The writing side of an answer, and the bytes between writer and reader. */
#include "net/http_response.h"

#include <strings.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/assert.h"
#include "base/clock.h"

/* Bytes that are gathered before they are compressed or passed on. */
#define RAW_BLOCK_SIZE ((size_t)64 << 10)

void http_response_init(struct http_response *response, struct arena *arena,
                        struct compressor_pool *compressors)
{
    *response = (struct http_response){
        .arena = arena,
        .compressors = compressors,
        .status = 200,
        .stall_ns = RESPONSE_STALL_NS,
    };
    mutex_init(&response->lock, LOCK_RANK_HTTP_CONNECTION);
    condition_init(&response->drained);
    /* writers look at the bound before they append */
    buf_init(&response->body, RESPONSE_QUICK_MAX);
    buf_init(&response->raw, RAW_BLOCK_SIZE);
    buf_init(&response->compressed, BUF_SIZE_ANY);
}

void http_response_release(struct http_response *response)
{
    ASSERT(response->stream == NULL);
    vec_release(&response->fields);
    buf_release(&response->body);
    buf_release(&response->raw);
    buf_release(&response->compressed);
    condition_release(&response->drained);
    mutex_release(&response->lock);
}

void http_response_status(struct http_response *response, unsigned status)
{
    if (!response->sealed)
        response->status = status;
}

void http_response_header(struct http_response *response, const char *name, const char *value)
{
    if (response->sealed)
        return;
    for (size_t i = 0; i < response->fields.len; i++) {
        if (strcasecmp(response->fields.items[i].name, name) == 0) {
            response->fields.items[i].value = arena_strdup(response->arena, value);
            return;
        }
    }
    vec_push(&response->fields, (struct http_response_field){
                                    arena_strdup(response->arena, name),
                                    arena_strdup(response->arena, value),
                                });
}

const char *http_response_field_value(const struct http_response *response, const char *name)
{
    for (size_t i = 0; i < response->fields.len; i++)
        if (strcasecmp(response->fields.items[i].name, name) == 0)
            return response->fields.items[i].value;
    return NULL;
}

enum http_response_encoding http_response_accepted(struct slice accept_encoding)
{
    while (accept_encoding.len > 0) {
        size_t comma = slice_index(accept_encoding, ',');
        struct slice item =
            comma == SLICE_NONE ? accept_encoding : slice_sub(accept_encoding, 0, comma);
        accept_encoding =
            comma == SLICE_NONE ? SLICE_EMPTY : slice_from_index(accept_encoding, comma + 1);
        size_t semicolon = slice_index(item, ';');
        struct slice quality =
            semicolon == SLICE_NONE ? SLICE_EMPTY : slice_from_index(item, semicolon + 1);
        quality = slice_trim(quality);
        if (slice_eq(quality, SLICE("q=0")) || slice_has_prefix(quality, SLICE("q=0.0")))
            continue;
        item = slice_trim(semicolon == SLICE_NONE ? item : slice_sub(item, 0, semicolon));
        if (slice_eq(item, SLICE("gzip")))
            return HTTP_ENCODING_GZIP;
        if (slice_eq(item, SLICE("deflate")))
            return HTTP_ENCODING_DEFLATE;
    }
    return HTTP_ENCODING_IDENTITY;
}

static enum compress_format stream_format(const struct http_response *response)
{
    return response->encoding == HTTP_ENCODING_GZIP ? COMPRESS_GZIP : COMPRESS_DEFLATE;
}

static void stream_give_back(struct http_response *response)
{
    compressor_pool_give(response->compressors, stream_format(response), TAKE(response->stream));
}

static void encoding_choose(struct http_response *response)
{
    /* a handler that compressed by itself says so in a header */
    if (http_response_field_value(response, "Content-Encoding") != NULL)
        return;
    response->encoding = response->encoding_accepted;
    if (response->encoding == HTTP_ENCODING_IDENTITY)
        return;
    response->stream = compressor_pool_take(response->compressors, stream_format(response));
    http_response_header(response, "Content-Encoding",
                         response->encoding == HTTP_ENCODING_GZIP ? "gzip" : "deflate");
}

/* From now on status and headers are read by the connection's thread and change no more. */
static void seal(struct http_response *response)
{
    if (response->sealed)
        return;
    if (response->raw_bytes > 0)
        encoding_choose(response);
    if (response->headers_complete != NULL)
        response->headers_complete(response->context);
    response->sealed = true;
}

static size_t unsent_locked(const struct http_response *response)
{
    return response->body.len - response->body_sent;
}

static void wake_locked(struct http_response *response)
{
    if (!response->waiting)
        return;
    response->waiting = false;
    response->wake(response->context);
}

/* Waits until the reader has made room. */
static enum err wait_for_room_locked(struct http_response *response)
{
    while (unsent_locked(response) >= RESPONSE_UNSENT_MAX && !response->gone) {
        response->started = true;
        wake_locked(response);
        size_t unsent_before = unsent_locked(response);
        int64_t deadline_ns = clock_monotonic_ns(clock_system) + response->stall_ns;
        bool in_time = condition_wait_until(&response->drained, &response->lock, deadline_ns);
        if (!in_time && unsent_locked(response) == unsent_before)
            response->gone = true;
    }
    return response->gone ? ERR_CANCELED : ERR_NONE;
}

/* Makes what was taken by the reader free again, when it is much or all. */
static void compact_locked(struct http_response *response)
{
    if (response->body_sent == response->body.len) {
        buf_truncate(&response->body, 0);
        response->body_sent = 0;
    } else if (response->body_sent >= RESPONSE_UNSENT_HALF) {
        buf_consume(&response->body, response->body_sent);
        response->body_sent = 0;
    }
}

/* Puts bytes as the client gets them into the body. */
static enum err pass_on(struct http_response *response, struct slice data)
{
    MUTEX_GUARD(&response->lock);
    while (data.len > 0) {
        size_t len = data.len;
        if (response->may_wait) {
            if (wait_for_room_locked(response) != ERR_NONE)
                return ERR_CANCELED;
            compact_locked(response);
            len = MIN(len, RESPONSE_UNSENT_MAX - unsent_locked(response));
        }
        if (!buf_append(&response->body, data.ptr, len)) {
            response->failed = true;
            return ERR_LIMIT;
        }
        response->body_bytes += len;
        data = slice_from_index(data, len);
        if (response->started && unsent_locked(response) >= RESPONSE_UNSENT_HALF)
            wake_locked(response);
    }
    return ERR_NONE;
}

static enum err compress(struct http_response *response, bool finish)
{
    buf_reset(&response->compressed);
    enum err failed = compress_stream_write(response->stream, buf_slice(&response->raw), finish,
                                            &response->compressed, NULL);
    if (failed != ERR_NONE)
        return failed;
    return pass_on(response, buf_slice(&response->compressed));
}

static enum err note_failure(struct http_response *response, enum err failed)
{
    if (failed != ERR_NONE) {
        MUTEX_GUARD(&response->lock);
        response->failed = true;
    }
    return failed;
}

/* Moves the gathered bytes towards the client. */
static enum err raw_flush(struct http_response *response, bool finish)
{
    seal(response);
    enum err failed = ERR_NONE;
    if (response->stream == NULL)
        failed = pass_on(response, buf_slice(&response->raw));
    else if (response->raw.len > 0 || finish)
        failed = compress(response, finish);
    buf_reset(&response->raw);
    return note_failure(response, failed);
}

/* A large piece that is not compressed need not be gathered. */
static bool goes_straight(struct http_response *response, size_t len)
{
    if (response->raw.len > 0 || len < RAW_BLOCK_SIZE)
        return false;
    seal(response);
    return response->stream == NULL;
}

enum err http_response_write(struct http_response *response, struct slice data)
{
    response->raw_bytes += data.len;
    if (goes_straight(response, data.len))
        return note_failure(response, pass_on(response, data));
    while (data.len > 0) {
        if (response->raw.len == RAW_BLOCK_SIZE) {
            enum err failed = raw_flush(response, false);
            if (failed != ERR_NONE)
                return failed;
        }
        size_t len = MIN(data.len, RAW_BLOCK_SIZE - response->raw.len);
        buf_append(&response->raw, data.ptr, len);
        data = slice_from_index(data, len);
    }
    return ERR_NONE;
}

enum err http_response_flush(struct http_response *response)
{
    if (!response->may_wait)
        return ERR_NONE;
    /* what a compressor holds back would not arrive */
    if (!response->sealed)
        response->encoding_accepted = HTTP_ENCODING_IDENTITY;
    enum err failed = raw_flush(response, false);
    if (failed != ERR_NONE)
        return failed;
    MUTEX_GUARD(&response->lock);
    response->started = true;
    wake_locked(response);
    return response->gone ? ERR_CANCELED : ERR_NONE;
}

void http_response_text(struct http_response *response, unsigned status, const char *content_type,
                        struct slice body)
{
    http_response_status(response, status);
    http_response_header(response, "Content-Type", content_type);
    /* a client that is gone shows at the end of the handler */
    enum err failed = http_response_write(response, body);
    (void)failed;
}

void http_response_redirect(struct http_response *response, unsigned status, const char *location)
{
    http_response_status(response, status);
    http_response_header(response, "Location", location);
}

void http_response_finish(struct http_response *response)
{
    /* a failure is kept in `failed` */
    if (response->raw_bytes > 0)
        raw_flush(response, true);
    else
        seal(response);
    stream_give_back(response);
    MUTEX_GUARD(&response->lock);
    response->done = true;
    wake_locked(response);
}

void http_response_abandon(struct http_response *response)
{
    MUTEX_GUARD(&response->lock);
    response->gone = true;
    condition_broadcast(&response->drained);
    wake_locked(response);
}

enum http_response_read http_response_read_locked(struct http_response *response, char *out,
                                                  size_t size, size_t *out_len)
{
    mutex_assert_held(&response->lock);
    if (response->gone)
        return HTTP_READ_FAILED;
    size_t len = MIN(size, unsent_locked(response));
    if (len > 0) {
        memcpy(out, response->body.data + response->body_sent, len);
        response->body_sent += len;
        *out_len = len;
        if (unsent_locked(response) <= RESPONSE_UNSENT_HALF)
            condition_signal(&response->drained);
        return HTTP_READ_DATA;
    }
    if (response->done)
        return response->failed ? HTTP_READ_FAILED : HTTP_READ_END;
    return HTTP_READ_WAIT;
}
