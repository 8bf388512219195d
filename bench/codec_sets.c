#include "bench/codec_sets.h"

#include "base/alloc.h"
#include "base/compiler.h"
#include "base/rand.h"
#include "bench/capture.h"
#include "model/sample.h"

#include <math.h>

#define START_MS INT64_C(1767225600137)
#define STEP_MS 15000
#define BUCKET_COUNT 12

static struct codec_set *set_new(size_t series_count, size_t row_count)
{
    struct codec_set *set = mem_zalloc(sizeof(*set));
    set->series_count = series_count;
    set->row_count = row_count;
    set->times_ms = mem_alloc_array(row_count, sizeof(*set->times_ms));
    set->counts = mem_zalloc_array(series_count, sizeof(*set->counts));
    set->values = mem_zalloc_array(series_count, sizeof(double *));
    for (size_t i = 0; i < series_count; i++)
        set->values[i] = mem_alloc_array(row_count, sizeof(double));
    return set;
}

void codec_set_free(struct codec_set *set)
{
    for (size_t i = 0; i < set->series_count; i++)
        mem_free(set->values[i]);
    mem_free(set->values);
    mem_free(set->counts);
    mem_free(set->times_ms);
    mem_free(set);
}

static void take_series(struct codec_set *set, size_t series, const double *rows, size_t row_count,
                        size_t stride)
{
    double *out = set->values[series];
    size_t count = 0;
    bool present = false;
    for (size_t row = 0; row < row_count; row += stride) {
        if (!capture_absent(rows[row])) {
            out[count++] = rows[row];
            present = true;
        } else if (present) {
            out[count++] = sample_stale();
            present = false;
        }
    }
    set->counts[series] = count;
}

struct codec_set *codec_set_capture(const char *name, size_t stride, size_t series_max)
{
    struct capture *capture = capture_open(name, false);
    if (capture == NULL)
        return NULL;
    struct codec_set *set =
        set_new(MIN(capture->series_count, series_max), (capture->row_count + stride - 1) / stride);
    for (size_t i = 0; i < set->row_count; i++)
        set->times_ms[i] = capture->times_ms[i * stride];
    for (size_t i = 0; i < set->series_count; i++)
        take_series(set, i, capture->values + i * capture->row_count, capture->row_count, stride);
    capture_free(capture);
    return set;
}

static double gauss(struct rand *rand)
{
    return sqrt(-2 * log(1 - rand_double(rand))) * cos(2 * M_PI * rand_double(rand));
}

static void make_walk(struct rand *rand, double scale, size_t count, double *out)
{
    double at = rand_double(rand) * 100;
    for (size_t i = 0; i < count; i++) {
        at = fmin(100, fmax(0, at + gauss(rand)));
        out[i] = scale == 1 ? trunc(at) : round(at * scale) / scale;
    }
}

static void make_random(struct rand *rand, bool normal, size_t count, double *out)
{
    for (size_t i = 0; i < count; i++)
        out[i] = normal ? gauss(rand) * 1000 : rand_double(rand);
}

/* Twelve buckets, sum and count, of a service with a rate and log-normal latencies. */
static void make_histogram(struct rand *rand, size_t row_count, double **out)
{
    static const double bounds[BUCKET_COUNT] = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25,
                                                0.5,   1,    2.5,   5,    10,  INFINITY};
    double rate = exp(rand_double(rand) * 7 - 1);
    double mean = log(0.003 + rand_double(rand) * 0.297);
    double spread = 0.4 + rand_double(rand) * 0.8;
    double counts[BUCKET_COUNT] = {0};
    double sum = 0;
    for (size_t row = 0; row < row_count; row++) {
        double expected = rate * 15 * (1 + 0.5 * sin((double)row / 300));
        double seen = fmax(0, trunc(expected + gauss(rand) * sqrt(expected)));
        size_t drawn = (size_t)fmin(seen, 400);
        double weight = drawn == 0 ? 0 : seen / (double)drawn;
        for (size_t i = 0; i < drawn; i++) {
            double latency = exp(mean + spread * gauss(rand));
            sum += latency * weight;
            for (size_t b = 0; b < BUCKET_COUNT; b++)
                counts[b] += latency <= bounds[b] ? weight : 0;
        }
        for (size_t b = 0; b < BUCKET_COUNT; b++)
            out[b][row] = trunc(counts[b]);
        out[BUCKET_COUNT][row] = sum;
        out[BUCKET_COUNT + 1][row] = trunc(counts[BUCKET_COUNT - 1]);
    }
}

struct codec_set *codec_set_made(enum codec_shape shape, size_t series_count, size_t row_count)
{
    size_t group = shape == CODEC_HISTOGRAMS ? BUCKET_COUNT + 2 : 1;
    series_count = (series_count + group - 1) / group * group;
    struct codec_set *set = set_new(series_count, row_count);
    struct rand rand;
    rand_init(&rand, 42);
    for (size_t i = 0; i < row_count; i++)
        set->times_ms[i] = START_MS + STEP_MS * (int64_t)i + (int64_t)rand_below(&rand, 4);
    for (size_t i = 0; i < series_count; i += group) {
        if (shape == CODEC_HISTOGRAMS)
            make_histogram(&rand, row_count, set->values + i);
        else if (shape == CODEC_RANDOM)
            make_random(&rand, i % 2, row_count, set->values[i]);
        else
            make_walk(&rand, shape == CODEC_INTEGERS ? 1 : 100, row_count, set->values[i]);
        for (size_t k = i; k < i + group; k++)
            set->counts[k] = row_count;
    }
    return set;
}
