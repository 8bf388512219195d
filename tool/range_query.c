#include "tool/range_query.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/float_text.h"
#include "base/json_reader.h"
#include "model/timestamp.h"
#include "net/http_client.h"
#include "net/url.h"

#define PATH "api/v1/query_range"
#define TIMEOUT_MS (10 * 60 * 1000)
#define WAIT_MS 1000
#define URL_SIZE_MAX 65536

struct range_query_client {
    struct http_client *http;
    struct http_client_profile profile;
    char *url; /* of the query */
    char *user;
    char *password;
    struct labels_builder labels;
};

static char *decode(struct slice text)
{
    struct buf out;
    buf_init(&out, URL_SIZE_MAX);
    return url_path_unescape(text, &out) ? buf_take(&out) : (buf_release(&out), NULL);
}

/* user:password@ is sent as basic authentication. */
static void take_user(struct range_query_client *client, struct slice user_info)
{
    size_t colon = slice_index(user_info, ':');
    client->user = decode(slice_sub(user_info, 0, colon == SLICE_NONE ? user_info.len : colon));
    if (colon != SLICE_NONE)
        client->password = decode(slice_from_index(user_info, colon + 1));
    client->profile.username = slice_str(client->user);
    client->profile.password = slice_str(client->password);
}

enum err range_query_open(const char *url, struct range_query_client **out, struct errbuf *err)
{
    struct url parts;
    enum err code = url_parse(slice_str(url), &parts, err);
    if (code == ERR_NONE && !slice_eq_str(parts.scheme, "http") &&
        !slice_eq_str(parts.scheme, "https"))
        code =
            errbuf_set(err, ERR_INVALID, "%s: expected a URL such as http://localhost:9090", url);
    if (code != ERR_NONE)
        return code;
    struct range_query_client *client = mem_zalloc(sizeof(*client));
    client->http = http_client_new();
    client->profile.follow_redirects = true;
    take_user(client, parts.user_info);
    struct buf full;
    buf_init(&full, URL_SIZE_MAX);
    buf_printf(&full, "%.*s://%.*s", SLICE_ARG(parts.scheme), SLICE_ARG(parts.host));
    if (parts.port.len > 0)
        buf_printf(&full, ":%.*s", SLICE_ARG(parts.port));
    buf_append_slice(&full, parts.path);
    bool slash = slice_has_suffix(parts.path, SLICE("/"));
    buf_printf(&full, "%s" PATH, slash ? "" : "/");
    client->url = buf_take(&full);
    labels_builder_init(&client->labels);
    *out = client;
    return ERR_NONE;
}

void range_query_close(struct range_query_client *client)
{
    if (client == NULL)
        return;
    http_client_free(client->http);
    labels_builder_release(&client->labels);
    mem_free(client->url);
    mem_free(client->user);
    mem_free(client->password);
    mem_free(client);
}

/* --- the answer --- */

/* What is not there is empty: an answer may come from anything. */
static struct slice text_of(const struct json_value *value)
{
    return value == NULL ? SLICE_EMPTY : json_value_string(value);
}

static const struct json_value *member(const struct json_value *object, const char *name)
{
    return object == NULL ? NULL : json_object_get(object, name);
}

static size_t count_of(const struct json_value *array)
{
    return array == NULL ? 0 : json_array_size(array);
}

static bool add_label(struct slice name, const struct json_value *value, void *context)
{
    labels_builder_set(context, name, json_value_string(value));
    return true;
}

/* [seconds, "value"] */
static enum err read_pair(const struct json_value *pair, const struct range_query_sink *sink,
                          struct errbuf *err)
{
    double value = 0;
    if (count_of(pair) != 2 || !float_text_parse(text_of(json_array_at(pair, 1)), &value, NULL))
        return errbuf_set(err, ERR_INVALID, "a sample of the answer is no pair of time and value");
    double seconds = json_value_number(json_array_at(pair, 0));
    sink->sample(sink->context, (int64_t)llround(seconds * 1000), value);
    return ERR_NONE;
}

static enum err read_result(struct range_query_client *client, const struct json_value *data,
                            const struct range_query_sink *sink, struct errbuf *err)
{
    struct slice type = text_of(member(data, "resultType"));
    const struct json_value *result = member(data, "result");
    if (!slice_eq_str(type, "matrix"))
        return errbuf_set(err, ERR_INVALID, "rule result is wrong type %.*s", SLICE_ARG(type));
    enum err code = ERR_NONE;
    for (size_t i = 0; i < count_of(result) && code == ERR_NONE; i++) {
        const struct json_value *series = json_array_at(result, i);
        const struct json_value *values = member(series, "values");
        labels_builder_reset(&client->labels);
        if (member(series, "metric") != NULL)
            json_object_each(member(series, "metric"), add_label, &client->labels);
        sink->series(sink->context, &client->labels);
        for (size_t k = 0; k < count_of(values) && code == ERR_NONE; k++)
            code = read_pair(json_array_at(values, k), sink, err);
    }
    return code;
}

static enum err read_answer(struct range_query_client *client,
                            const struct http_client_response *response,
                            const struct range_query_sink *sink, struct errbuf *err)
{
    struct json_value *root = NULL;
    struct errbuf own = ERRBUF_INIT;
    if (json_parse(response->body, &root, &own) != ERR_NONE)
        return errbuf_set(err, ERR_INVALID, "%s answered %s, which is not the API of a Prometheus",
                          client->url, response->status_text);
    enum err code = ERR_NONE;
    if (!slice_eq_str(text_of(member(root, "status")), "success")) {
        struct slice type = text_of(member(root, "errorType"));
        struct slice text = text_of(member(root, "error"));
        code = errbuf_set(err, ERR_EXECUTION, "%.*s: %.*s", SLICE_ARG(type), SLICE_ARG(text));
    }
    const struct json_value *warnings = member(root, "warnings");
    for (size_t i = 0; code == ERR_NONE && i < count_of(warnings); i++)
        sink->warning(sink->context, text_of(json_array_at(warnings, i)));
    if (code == ERR_NONE)
        code = read_result(client, member(root, "data"), sink, err);
    json_value_free(root);
    return code;
}

/* --- the request --- */

struct exchange {
    struct range_query_client *client;
    const struct range_query_sink *sink;
    struct errbuf *err;
    enum err code;
    bool is_done;
};

static void take_response(const struct http_client_response *response, void *context)
{
    struct exchange *exchange = context;
    exchange->is_done = true;
    if (response->error != ERR_NONE)
        exchange->code = errbuf_set(exchange->err, response->error, "Post \"%s\": %s",
                                    exchange->client->url, response->error_text);
    else
        exchange->code = read_answer(exchange->client, response, exchange->sink, exchange->err);
}

static void print_time(const char *name, int64_t time_ms, struct buf *out)
{
    buf_printf(out, "&%s=", name);
    timestamp_print_seconds(time_ms, out);
}

enum err range_query_run(struct range_query_client *client, const struct range_query *query,
                         const struct range_query_sink *sink, struct errbuf *err)
{
    struct buf body CLEANUP(buf_release);
    struct exchange exchange = {.client = client, .sink = sink, .err = err};
    buf_init(&body, BUF_SIZE_ANY);
    buf_append_str(&body, "query=");
    url_query_escape(query->expression, &body);
    print_time("start", query->start_ms, &body);
    print_time("end", query->end_ms, &body);
    print_time("step", query->step_ms, &body);
    struct http_client_header type = {.name = SLICE("Content-Type"),
                                      .value = SLICE("application/x-www-form-urlencoded")};
    http_client_start(client->http,
                      &(struct http_client_request){.method = "POST",
                                                    .url = client->url,
                                                    .profile = &client->profile,
                                                    .headers = &type,
                                                    .header_count = 1,
                                                    .body = buf_slice(&body),
                                                    .timeout_ms = TIMEOUT_MS,
                                                    .body_size_max = JSON_READER_SIZE_MAX,
                                                    .done = take_response,
                                                    .context = &exchange});
    while (!exchange.is_done)
        http_client_run(client->http, WAIT_MS);
    return exchange.code;
}
