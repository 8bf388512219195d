/* The envelope of answers: {"status":...,"data":...,"warnings":[...]}. */
#include "api/api_internal.h"

#include <stdio.h>

#define ANSWER_FLUSH_BYTES ((size_t)64 * 1024)

struct answer_error_kind {
    const char *name;
    unsigned status;
};

static const struct answer_error_kind answer_error_kinds[] = {
    [API_ERROR_BAD_DATA] = {"bad_data", 400},
    [API_ERROR_EXECUTION] = {"execution", 422},
    [API_ERROR_CANCELED] = {"canceled", 499},
    [API_ERROR_TIMEOUT] = {"timeout", 503},
    [API_ERROR_INTERNAL] = {"internal", 500},
    [API_ERROR_UNAVAILABLE] = {"unavailable", 500},
    [API_ERROR_NOT_FOUND] = {"not_found", 404},
};

void answer_begin(struct answer *answer, struct http_response *response)
{
    *answer = (struct answer){.response = response};
    buf_init(&answer->buf, BUF_SIZE_ANY);
    json_writer_init(&answer->json, &answer->buf);
    http_response_status(response, 200);
    http_response_header(response, "Content-Type", "application/json");
    json_object_begin(&answer->json);
    json_key_cstring(&answer->json, "status", "success");
    json_key(&answer->json, "data");
}

static void answer_hand_on(struct answer *answer)
{
    if (!answer->client_gone && answer->buf.len > 0)
        answer->client_gone =
            http_response_write(answer->response, buf_slice(&answer->buf)) != ERR_NONE;
    buf_reset(&answer->buf);
}

bool answer_flush(struct answer *answer)
{
    if (UNLIKELY(answer->buf.len >= ANSWER_FLUSH_BYTES))
        answer_hand_on(answer);
    return !answer->client_gone;
}

void answer_warn(struct answer *answer, struct slice text)
{
    vec_push(&answer->warnings, text);
}

static void answer_annotations(struct answer *answer, const char *key, const char *kind,
                               const struct slice *texts, size_t count)
{
    if (count == 0)
        return;
    json_key(&answer->json, key);
    json_array_begin(&answer->json);
    for (size_t i = 0; i < count && i < ANSWER_ANNOTATIONS_MAX; i++)
        json_string(&answer->json, texts[i]);
    if (count > ANSWER_ANNOTATIONS_MAX) {
        char text[80];
        snprintf(text, sizeof(text), "%zu more %s annotations omitted",
                 count - ANSWER_ANNOTATIONS_MAX, kind);
        json_cstring(&answer->json, text);
    }
    json_array_end(&answer->json);
}

void answer_end(struct answer *answer)
{
    answer_annotations(answer, "warnings", "warning", answer->warnings.items,
                       answer->warnings.len);
    answer_annotations(answer, "infos", "info", answer->infos.items, answer->infos.len);
    json_object_end(&answer->json);
    answer_hand_on(answer);
    vec_release(&answer->warnings);
    vec_release(&answer->infos);
    buf_release(&answer->buf);
}

static void answer_error_text(struct http_response *response, enum api_error type,
                              struct slice text)
{
    struct buf body CLEANUP(buf_release);
    buf_init(&body, BUF_SIZE_ANY);
    struct json_writer json;
    json_writer_init(&json, &body);
    json_object_begin(&json);
    json_key_cstring(&json, "status", "error");
    json_key_cstring(&json, "errorType", answer_error_kinds[type].name);
    json_key_string(&json, "error", text);
    json_object_end(&json);
    http_response_text(response, answer_error_kinds[type].status, "application/json",
                       buf_slice(&body));
}

void answer_error(struct http_response *response, enum api_error type, const char *format, ...)
{
    struct buf text CLEANUP(buf_release);
    buf_init(&text, (size_t)1 << 20);
    va_list arguments;
    va_start(arguments, format);
    buf_vprintf(&text, format, arguments);
    va_end(arguments);
    answer_error_text(response, type, buf_slice(&text));
}

static enum api_error error_type(enum err code)
{
    enum api_error type = API_ERROR_INTERNAL;
    switch (code) {
    case ERR_INVALID:
        type = API_ERROR_BAD_DATA;
        break;
    case ERR_EXECUTION:
    case ERR_LIMIT:
    case ERR_UNSUPPORTED:
        type = API_ERROR_EXECUTION;
        break;
    case ERR_TIMEOUT:
        type = API_ERROR_TIMEOUT;
        break;
    case ERR_CANCELED:
        type = API_ERROR_CANCELED;
        break;
    case ERR_UNAVAILABLE:
        type = API_ERROR_UNAVAILABLE;
        break;
    default:
        break;
    }
    return type;
}

void answer_error_from(struct http_response *response, const struct errbuf *err)
{
    answer_error_text(response, error_type(err->code), slice_str(err->text));
}

void answer_error_narrow(struct http_response *response, const struct errbuf *err,
                         const char *advice)
{
    if (err->code == ERR_LIMIT)
        answer_error(response, error_type(err->code), "%s; %s", err->text, advice);
    else
        answer_error_from(response, err);
}

void answer_room_init(struct answer_room *room, struct api *api)
{
    arena_init(&room->arena, SIZE_MAX);
    memory_hold_init(&room->memory, api->options.memory, MEMORY_ANSWERS);
}

void answer_room_release(struct answer_room *room)
{
    arena_release(&room->arena);
    memory_hold_release(&room->memory);
}
