/*
 * The load generator for remote write. Every connection has its share of the series and sends them in
 * the order of time, so that no server sees samples out of order.
 *
 * usage: bench_remote_writer PORT PATH SHAPE UNITS START_MS STEP_MS FIRST_ROUND ROUND_COUNT MODE
 *   SHAPE  node (UNITS targets of 1,026 series) or tsbs (UNITS hosts of 29 series)
 *   MODE   encoded   all bodies are made before the first is sent
 *          stream    bodies are made on the way, with up to 20 samples a series: for loading
 *          live      one round every STEP_MS, in real time
 *
 * Rounds before FIRST_ROUND are skipped, but the values move through them, so that a second run goes on
 * where the first ended. Prints one line of JSON.
 */
#include "base/alloc.h"
#include "base/compiler.h"
#include "base/compress.h"
#include "base/protobuf_wire.h"
#include "base/thread.h"
#include "base/vec.h"
#include "bench/feed.h"
#include "bench/http_wire.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CONNECTION_COUNT 4
#define SAMPLES_PER_REQUEST 2000
#define STREAM_ROUNDS 20
#define BODY_SIZE_MAX ((size_t)16 << 20)

enum mode {
    MODE_ENCODED,
    MODE_STREAM,
    MODE_LIVE,
};

struct settings {
    uint16_t port;
    const char *path;
    int64_t start_ms;
    int64_t step_ms;
    size_t first_round;
    size_t round_count;
    enum mode mode;
    /* MODE_STREAM: no connection runs ahead in data time, which would make those of the others too old */
    pthread_barrier_t *together;
};

struct request {
    struct slice head;
    struct slice body;
    size_t sample_count;
};

struct sender {
    const struct settings *settings;
    const struct feed *feed;
    struct feed_series *series;
    size_t series_count;
    struct http_wire wire;
    struct buf message;
    struct buf entry;
    struct buf packed;
    VEC(struct request) requests;
    uint64_t sample_count;
    uint64_t request_count;
    uint64_t failed_count;
    uint64_t body_bytes;
    VEC(double) latencies_ms;
};

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Adds a TimeSeries with the samples of some rounds to the message. */
static void add_series(struct sender *sender, struct feed_series *series, size_t round,
                       size_t round_count)
{
    buf_reset(&sender->entry);
    buf_append_slice(&sender->entry, feed_labels(sender->feed, series));
    for (size_t i = 0; i < round_count; i++) {
        char bytes[32];
        struct buf sample;
        buf_init(&sample, sizeof(bytes));
        protobuf_write_double(&sample, 1, feed_next(sender->feed, series));
        int64_t time_ms = sender->settings->start_ms + (int64_t)(round + i) * sender->settings->step_ms;
        protobuf_write_varint(&sample, 2, (uint64_t)time_ms);
        protobuf_write_bytes(&sender->entry, 2, buf_slice(&sample));
        buf_release(&sample);
    }
    protobuf_write_bytes(&sender->message, 1, buf_slice(&sender->entry));
}

static struct request make_request(struct sender *sender, size_t sample_count)
{
    struct errbuf err = ERRBUF_INIT;
    buf_reset(&sender->packed);
    if (compress_snappy(buf_slice(&sender->message), &sender->packed, &err) != ERR_NONE) {
        fprintf(stderr, "%s\n", err.text);
        exit(EXIT_FAILURE);
    }
    buf_reset(&sender->message);
    struct slice body = buf_slice(&sender->packed);
    char head[512];
    int len = snprintf(head, sizeof(head),
                       "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-protobuf\r\n"
                       "Content-Encoding: snappy\r\nX-Prometheus-Remote-Write-Version: 0.1.0\r\n"
                       "User-Agent: ferula-bench\r\nContent-Length: %zu\r\n\r\n",
                       sender->settings->path, body.len);
    return (struct request){
        .head = slice_from(mem_strndup(head, (size_t)len), (size_t)len),
        .body = slice_from(mem_dup(body.ptr, body.len), body.len),
        .sample_count = sample_count,
    };
}

static void send_request(struct sender *sender, struct request *request)
{
    int64_t start_ns = now_ns();
    bool answered = http_wire_exchange(&sender->wire, request->head, request->body);
    vec_push(&sender->latencies_ms, (double)(now_ns() - start_ns) / 1e6);
    sender->request_count++;
    sender->body_bytes += request->body.len;
    if (answered && sender->wire.status / 100 == 2)
        sender->sample_count += request->sample_count;
    else
        sender->failed_count++;
    mem_free((char *)(uintptr_t)request->head.ptr);
    mem_free((char *)(uintptr_t)request->body.ptr);
}

static void finish_request(struct sender *sender, size_t *sample_count)
{
    if (*sample_count == 0)
        return;
    struct request request = make_request(sender, *sample_count);
    *sample_count = 0;
    if (sender->settings->mode == MODE_ENCODED)
        vec_push(&sender->requests, request);
    else
        send_request(sender, &request);
}

/* The requests of some rounds, for all series of the sender. */
static void make_rounds(struct sender *sender, size_t round, size_t round_count)
{
    size_t sample_count = 0;
    for (size_t i = 0; i < sender->series_count; i++) {
        add_series(sender, &sender->series[i], round, round_count);
        sample_count += round_count;
        if (sample_count >= SAMPLES_PER_REQUEST)
            finish_request(sender, &sample_count);
    }
    finish_request(sender, &sample_count);
}

static void skip_rounds(struct sender *sender)
{
    for (size_t i = 0; i < sender->series_count; i++) {
        for (size_t round = 0; round < sender->settings->first_round; round++)
            feed_next(sender->feed, &sender->series[i]);
    }
}

static void wait_until(int64_t wall_ms)
{
    struct timespec until = {wall_ms / 1000, wall_ms % 1000 * 1000000};
    clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &until, NULL);
}

static void prepare(void *context)
{
    struct sender *sender = context;
    skip_rounds(sender);
    const struct settings *settings = sender->settings;
    for (size_t i = 0; settings->mode == MODE_ENCODED && i < settings->round_count; i++)
        make_rounds(sender, settings->first_round + i, 1);
}

static void run(void *context)
{
    struct sender *sender = context;
    const struct settings *settings = sender->settings;
    for (size_t i = 0; i < sender->requests.len; i++)
        send_request(sender, &sender->requests.items[i]);
    size_t step = settings->mode == MODE_STREAM ? STREAM_ROUNDS : 1;
    size_t end = settings->first_round + settings->round_count;
    for (size_t round = settings->first_round; settings->mode != MODE_ENCODED && round < end;
         round += step) {
        if (settings->mode == MODE_LIVE)
            wait_until(settings->start_ms + (int64_t)round * settings->step_ms);
        else
            pthread_barrier_wait(settings->together);
        make_rounds(sender, round, MIN(step, end - round));
    }
}

static void on_all(struct sender *senders, void (*work)(void *context))
{
    struct thread threads[CONNECTION_COUNT] = {0};
    for (size_t i = 0; i < CONNECTION_COUNT; i++)
        thread_start(&threads[i], "sender", work, &senders[i]);
    for (size_t i = 0; i < CONNECTION_COUNT; i++)
        thread_join(&threads[i]);
}

static int double_order(const void *a, const void *b)
{
    double left = *(const double *)a;
    double right = *(const double *)b;
    return left < right ? -1 : left > right;
}

static void report(struct sender *senders, double seconds)
{
    struct sender all = {0};
    for (size_t i = 0; i < CONNECTION_COUNT; i++) {
        all.sample_count += senders[i].sample_count;
        all.request_count += senders[i].request_count;
        all.failed_count += senders[i].failed_count;
        all.body_bytes += senders[i].body_bytes;
        for (size_t k = 0; k < senders[i].latencies_ms.len; k++)
            vec_push(&all.latencies_ms, senders[i].latencies_ms.items[k]);
    }
    size_t count = all.latencies_ms.len;
    if (count > 0)
        qsort(all.latencies_ms.items, count, sizeof(double), double_order);
    printf("{\"samples\":%llu,\"requests\":%llu,\"failed\":%llu,\"body_bytes\":%llu,"
           "\"seconds\":%.3f,\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"last_status\":%d}\n",
           (unsigned long long)all.sample_count, (unsigned long long)all.request_count,
           (unsigned long long)all.failed_count, (unsigned long long)all.body_bytes, seconds,
           count == 0 ? 0 : all.latencies_ms.items[count / 2],
           count == 0 ? 0 : all.latencies_ms.items[count * 99 / 100], senders[0].wire.status);
    vec_release(&all.latencies_ms);
}

static void share_out(struct sender *senders, const struct settings *settings, struct feed *feed)
{
    size_t start = 0;
    for (size_t i = 0; i < CONNECTION_COUNT; i++) {
        struct sender *sender = &senders[i];
        size_t end = feed->series_count * (i + 1) / CONNECTION_COUNT;
        *sender = (struct sender){.settings = settings, .feed = feed};
        sender->series = feed->series + start;
        sender->series_count = end - start;
        start = end;
        buf_init(&sender->message, BODY_SIZE_MAX);
        buf_init(&sender->entry, BODY_SIZE_MAX);
        buf_init(&sender->packed, BODY_SIZE_MAX);
        http_wire_open(&sender->wire, settings->port);
    }
}

int main(int argc, char **argv)
{
    if (argc != 10) {
        fprintf(stderr, "usage: %s PORT PATH node|tsbs UNITS START_MS STEP_MS FIRST_ROUND "
                        "ROUND_COUNT encoded|stream|live\n",
                argv[0]);
        return EXIT_FAILURE;
    }
    struct settings settings = {
        .port = (uint16_t)strtoul(argv[1], NULL, 10),
        .path = argv[2],
        .start_ms = strtoll(argv[5], NULL, 10),
        .step_ms = strtoll(argv[6], NULL, 10),
        .first_round = strtoul(argv[7], NULL, 10),
        .round_count = strtoul(argv[8], NULL, 10),
        .mode = strcmp(argv[9], "stream") == 0 ? MODE_STREAM
                : strcmp(argv[9], "live") == 0 ? MODE_LIVE
                                               : MODE_ENCODED,
    };
    struct feed feed;
    size_t units = strtoul(argv[4], NULL, 10);
    double interval_s = (double)settings.step_ms / 1000;
    if (strcmp(argv[3], "tsbs") == 0)
        feed_init_tsbs(&feed, units, interval_s);
    else
        feed_init_node(&feed, units, interval_s);
    struct sender senders[CONNECTION_COUNT];
    share_out(senders, &settings, &feed);
    pthread_barrier_t together;
    pthread_barrier_init(&together, NULL, CONNECTION_COUNT);
    settings.together = &together;
    on_all(senders, prepare);
    int64_t start_ns = now_ns();
    on_all(senders, run);
    report(senders, (double)(now_ns() - start_ns) / 1e9);
    return EXIT_SUCCESS;
}
