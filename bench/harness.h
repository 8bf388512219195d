/*
 * The harness of the micro benchmarks: a warm-up, several runs, median and spread of CPU time a unit,
 * and a hash of the result, so that nobody speeds a thing up by changing what it answers. A hash that
 * differs between runs fails the benchmark.
 *
 *     micro_parse [--smoke] [--runs N] [NAME]
 *
 * prints one line of JSON a case. --smoke runs each once on little data: that is what the tests do.
 * Thread-safety: one thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct bench_case {
    const char *name;
    const char *unit; /* what is counted: "sample", "point" */
    size_t size;      /* of the data, in a measure of the case's own */
    size_t smoke_size;
    void *(*setup)(size_t size);
    /* Does the work once: returns a hash of the result and says how many units it did. */
    uint64_t (*run)(void *state, uint64_t *out_units);
    void (*teardown)(void *state);
};

/* The exit code of main. */
int bench_main(int argc, char **argv, const struct bench_case *cases, size_t count);
