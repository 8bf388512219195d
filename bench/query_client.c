/*
 * Times queries: every line of the input is "NAME<TAB>PATH". In turn mode each is asked once to warm up
 * and then COUNT times on one connection; in mix mode CLIENTS connections ask them in random order for
 * SECONDS. Answers are read whole. Prints one line of JSON a query, or one for the mix.
 *
 * usage: bench_query_client PORT turn COUNT < QUERIES
 *        bench_query_client PORT mix CLIENTS SECONDS < QUERIES
 */
#include "base/alloc.h"
#include "base/compiler.h"
#include "base/hash.h"
#include "base/rand.h"
#include "base/thread.h"
#include "base/vec.h"
#include "bench/http_wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CLIENTS_MAX 64

struct query {
    char *name;
    char *head;
};

struct query_list {
    VEC(struct query) queries;
};

struct times {
    VEC(double) ms;
    size_t failed_count;
};

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void read_queries(struct query_list *list)
{
    char *line = NULL;
    size_t size = 0;
    while (getline(&line, &size, stdin) > 0) {
        char *tab = strchr(line, '\t');
        if (tab == NULL)
            continue;
        tab[1 + strcspn(tab + 1, "\n")] = '\0';
        struct buf head;
        buf_init(&head, 1 << 20);
        buf_printf(&head, "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", tab + 1);
        struct query query = {mem_strndup(line, (size_t)(tab - line)), buf_take(&head)};
        vec_push(&list->queries, query);
    }
    free(line);
}

static bool ask(struct http_wire *wire, const struct query *query, struct times *times)
{
    int64_t start_ns = now_ns();
    bool good = http_wire_exchange(wire, slice_str(query->head), SLICE_EMPTY) && wire->status == 200;
    vec_push(&times->ms, (double)(now_ns() - start_ns) / 1e6);
    times->failed_count += !good;
    return good;
}

static int double_order(const void *a, const void *b)
{
    double left = *(const double *)a;
    double right = *(const double *)b;
    return left < right ? -1 : left > right;
}

static double at_share(struct times *times, double share)
{
    if (times->ms.len == 0)
        return 0;
    qsort(times->ms.items, times->ms.len, sizeof(double), double_order);
    return times->ms.items[(size_t)((double)(times->ms.len - 1) * share)];
}

static void in_turn(uint16_t port, const struct query_list *list, size_t count)
{
    struct http_wire wire;
    http_wire_open(&wire, port);
    for (size_t i = 0; i < list->queries.len; i++) {
        const struct query *query = &list->queries.items[i];
        struct times times = {0};
        wire.keep_body = true;
        bool good = ask(&wire, query, &times);
        uint64_t hash = hash_slice(buf_slice(&wire.body), 0);
        size_t body_len = wire.body_len;
        wire.keep_body = false;
        vec_reset(&times.ms);
        for (size_t k = 0; good && k < count; k++)
            ask(&wire, query, &times);
        printf("{\"name\":\"%s\",\"status\":%d,\"bytes\":%zu,\"hash\":\"%016llx\",\"failed\":%zu,"
               "\"median_ms\":%.4f,\"min_ms\":%.4f,\"max_ms\":%.4f}\n",
               query->name, wire.status, body_len, (unsigned long long)hash, times.failed_count,
               at_share(&times, 0.5), at_share(&times, 0), at_share(&times, 1));
        fflush(stdout);
        vec_release(&times.ms);
    }
    http_wire_close(&wire);
}

struct client {
    uint16_t port;
    uint64_t seed;
    int64_t end_ns;
    const struct query_list *list;
    struct times times;
};

static void client_run(void *context)
{
    struct client *client = context;
    struct rand rand;
    rand_init(&rand, client->seed);
    struct http_wire wire;
    http_wire_open(&wire, client->port);
    while (now_ns() < client->end_ns) {
        size_t at = (size_t)rand_below(&rand, client->list->queries.len);
        ask(&wire, &client->list->queries.items[at], &client->times);
    }
    http_wire_close(&wire);
}

static void mix(uint16_t port, const struct query_list *list, size_t client_count, double seconds)
{
    struct client clients[CLIENTS_MAX] = {0};
    struct thread threads[CLIENTS_MAX] = {0};
    client_count = MIN(client_count, (size_t)CLIENTS_MAX);
    int64_t end_ns = now_ns() + (int64_t)(seconds * 1e9);
    for (size_t i = 0; i < client_count; i++) {
        clients[i] = (struct client){.port = port, .seed = i, .end_ns = end_ns, .list = list};
        thread_start(&threads[i], "client", client_run, &clients[i]);
    }
    struct times all = {0};
    for (size_t i = 0; i < client_count; i++) {
        thread_join(&threads[i]);
        for (size_t k = 0; k < clients[i].times.ms.len; k++)
            vec_push(&all.ms, clients[i].times.ms.items[k]);
        all.failed_count += clients[i].times.failed_count;
        vec_release(&clients[i].times.ms);
    }
    printf("{\"queries\":%zu,\"failed\":%zu,\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"max_ms\":%.3f}\n",
           all.ms.len, all.failed_count, at_share(&all, 0.5), at_share(&all, 0.99),
           at_share(&all, 1));
    vec_release(&all.ms);
}

int main(int argc, char **argv)
{
    struct query_list list = {0};
    bool is_turn = argc == 4 && strcmp(argv[2], "turn") == 0;
    bool is_mix = argc == 5 && strcmp(argv[2], "mix") == 0;
    if (!is_turn && !is_mix) {
        fprintf(stderr, "usage: %s PORT turn COUNT | PORT mix CLIENTS SECONDS\n", argv[0]);
        return EXIT_FAILURE;
    }
    uint16_t port = (uint16_t)strtoul(argv[1], NULL, 10);
    read_queries(&list);
    if (is_turn)
        in_turn(port, &list, strtoul(argv[3], NULL, 10));
    else
        mix(port, &list, strtoul(argv[3], NULL, 10), strtod(argv[4], NULL));
    return EXIT_SUCCESS;
}
