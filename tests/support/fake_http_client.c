#include "tests/support/fake_http_client.h"

#include "base/alloc.h"
#include "base/vec.h"

struct http_transfer {
    struct http_client_request request;
    char *url;
    struct http_client_header *headers;
    int64_t started_ns;
};

struct http_client {
    VEC(struct http_transfer *) transfers;
};

static struct clock_manual *manual;
static fake_http_handler handle;
static void *handle_context;
static int64_t latency_ns;

#define NS_PER_MS INT64_C(1000000)

void fake_http_set(struct clock_manual *clock, fake_http_handler handler, void *context,
                   int64_t latency_ms)
{
    manual = clock;
    handle = handler;
    handle_context = context;
    latency_ns = latency_ms * NS_PER_MS;
}

struct slice fake_http_header(const struct http_client_request *request, const char *name)
{
    for (size_t i = 0; i < request->header_count; i++) {
        if (slice_eq_str(request->headers[i].name, name))
            return request->headers[i].value;
    }
    return SLICE_EMPTY;
}

struct http_client *http_client_new(void)
{
    return mem_zalloc(sizeof(struct http_client));
}

static void transfer_free(struct http_transfer *transfer)
{
    for (size_t i = 0; i < transfer->request.header_count; i++) {
        mem_free((void *)(uintptr_t)transfer->headers[i].name.ptr);
        mem_free((void *)(uintptr_t)transfer->headers[i].value.ptr);
    }
    mem_free(transfer->headers);
    mem_free(transfer->url);
    mem_free(transfer);
}

void http_client_set_memory(struct http_client *client, struct memory_budget *memory)
{
}

void http_client_free(struct http_client *client)
{
    for (size_t i = 0; i < client->transfers.len; i++)
        transfer_free(client->transfers.items[i]);
    vec_release(&client->transfers);
    mem_free(client);
}

static struct slice copy_of(struct slice text)
{
    return slice_from(mem_strndup(text.ptr, text.len), text.len);
}

struct http_transfer *http_client_start(struct http_client *client,
                                        const struct http_client_request *request)
{
    struct http_transfer *transfer = mem_zalloc(sizeof(*transfer));
    transfer->request = *request;
    transfer->url = mem_strdup(request->url);
    transfer->request.url = transfer->url;
    transfer->headers = mem_alloc_array(request->header_count, sizeof(*transfer->headers));
    for (size_t i = 0; i < request->header_count; i++) {
        transfer->headers[i] = (struct http_client_header){
            .name = copy_of(request->headers[i].name), .value = copy_of(request->headers[i].value)};
    }
    transfer->request.headers = transfer->headers;
    transfer->started_ns = clock_monotonic_ns(&manual->clock);
    vec_push(&client->transfers, transfer);
    return transfer;
}

void http_client_cancel(struct http_client *client, struct http_transfer *transfer)
{
    for (size_t i = 0; i < client->transfers.len; i++) {
        if (client->transfers.items[i] != transfer)
            continue;
        client->transfers.items[i] = client->transfers.items[--client->transfers.len];
        transfer_free(transfer);
        return;
    }
}

/* Ends a transfer whose time has come; false if there is none. */
static bool client_end_one(struct http_client *client, int64_t now_ns)
{
    for (size_t i = 0; i < client->transfers.len; i++) {
        struct http_transfer *transfer = client->transfers.items[i];
        int64_t age_ns = now_ns - transfer->started_ns;
        struct http_client_response response = {
            .status = 200,
            .status_text = "200 OK",
            .content_type = SLICE("text/plain; version=0.0.4"),
            .content_encoding = SLICE_EMPTY,
            .retry_after = SLICE_EMPTY,
            .body = SLICE_EMPTY,
            .duration_ns = age_ns,
        };
        if (age_ns < latency_ns)
            continue;
        if (!handle(&transfer->request, &response, handle_context)) {
            if (age_ns < transfer->request.timeout_ms * NS_PER_MS)
                continue;
            response.status = 0;
            response.error = ERR_TIMEOUT;
            response.error_text = "context deadline exceeded";
        }
        client->transfers.items[i] = client->transfers.items[--client->transfers.len];
        transfer->request.done(&response, transfer->request.context);
        transfer_free(transfer);
        return true;
    }
    return false;
}

void http_client_run(struct http_client *client, int wait_ms)
{
    bool any = false;
    while (client_end_one(client, clock_monotonic_ns(&manual->clock)))
        any = true;
    if (any || wait_ms == 0)
        return;
    /* with requests under way time passes a millisecond at a time */
    clock_manual_advance_ms(manual, client->transfers.len > 0 ? 1 : wait_ms);
}

void http_client_wake(struct http_client *client)
{
    (void)client;
}

size_t http_client_active(const struct http_client *client)
{
    return client->transfers.len;
}
