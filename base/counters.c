/*
 * The registry of the server's own metrics.
 *
 * One lock guards which families and metrics there are. The values are atomics, so that updating takes
 * no lock; only summaries keep windows of observations behind a lock of their own.
 */
#include "base/counters.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/codec.h"
#include "base/compiler.h"
#include "base/counters_summary.h"
#include "base/float_text.h"
#include "base/hash.h"
#include "base/mutex.h"
#include "base/table.h"
#include "base/vec.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct counters_family {
    /* immutable */
    struct counters_description description;
    char *name;
    char *help;
    char *label_names[COUNTERS_LABELS_MAX];
    size_t label_count;
    double *bounds;
    char (*bound_texts)[FLOAT_TEXT_SHORT_SIZE];
    /* guarded by the registry's lock: */
    struct table metrics; /* struct counter by label values */
};

struct counter {
    /* immutable */
    const struct counters_family *family;
    struct slice label_values[COUNTERS_LABELS_MAX];
    _Atomic uint64_t value_bits;     /* counter and gauge; sum of the others */
    _Atomic uint64_t *bucket_counts; /* histogram: one a bound, then +Inf */
    struct counters_summary *summary;
};

struct counters_hook {
    void (*update)(void *context);
    void *context;
};

static struct {
    pthread_once_t once;
    struct mutex lock;
    /* guarded by lock: */
    VEC(struct counters_family *) families; /* sorted by name */
    VEC(struct counters_hook) hooks;
} registry = {.once = PTHREAD_ONCE_INIT};

static const struct clock *_Atomic counters_clock;

static void counters_start(void)
{
    mutex_init(&registry.lock, LOCK_RANK_COUNTERS);
}

static struct mutex *counters_lock(void)
{
    pthread_once(&registry.once, counters_start);
    return &registry.lock;
}

void counters_set_clock(const struct clock *clock)
{
    atomic_store(&counters_clock, clock);
}

static int64_t counters_now_ns(void)
{
    const struct clock *clock = atomic_load(&counters_clock);
    return clock_monotonic_ns(clock == NULL ? clock_system : clock);
}

/* Where a family of that name is or would be. */
static size_t counters_place_locked(const char *name, bool *out_found)
{
    size_t low = 0;
    size_t high = registry.families.len;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(registry.families.items[middle]->name, name);
        if (order == 0) {
            *out_found = true;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *out_found = false;
    return low;
}

static struct counters_family *counters_family_new(const struct counters_description *description)
{
    struct counters_family *family = mem_zalloc(sizeof(*family));
    family->name = mem_strdup(description->name);
    family->help = mem_strdup(description->help);
    family->bounds =
        mem_dup(description->bounds, description->bound_count * sizeof(*family->bounds));
    family->bound_texts =
        mem_zalloc_array(description->bound_count, sizeof(*family->bound_texts));
    for (size_t i = 0; i < description->bound_count; i++) {
        size_t len = float_text_g(description->bounds[i], family->bound_texts[i]);
        family->bound_texts[i][len] = '\0';
    }
    family->description = *description;
    family->description.name = family->name;
    family->description.help = family->help;
    family->description.bounds = family->bounds;
    for (; description->label_names[family->label_count] != NULL; family->label_count++) {
        ASSERT(family->label_count < COUNTERS_LABELS_MAX);
        char *name = mem_strdup(description->label_names[family->label_count]);
        family->label_names[family->label_count] = name;
        family->description.label_names[family->label_count] = name;
    }
    table_init(&family->metrics);
    return family;
}

struct counters_family *counters_family(const struct counters_description *description)
{
    ASSERT(description->name != NULL && description->help != NULL);
    MUTEX_GUARD(counters_lock());
    bool found;
    size_t at = counters_place_locked(description->name, &found);
    if (found) {
        struct counters_family *family = registry.families.items[at];
        ASSERT(family->description.type == description->type);
        return family;
    }
    struct counters_family *family = counters_family_new(description);
    vec_push(&registry.families, family);
    struct counters_family **items = registry.families.items;
    memmove(items + at + 1, items + at, (registry.families.len - 1 - at) * sizeof(*items));
    items[at] = family;
    return family;
}

struct counters_key {
    const struct slice *label_values;
    size_t label_count;
};

static bool counter_has_values(const void *value, const void *key)
{
    const struct counter *counter = value;
    const struct counters_key *wanted = key;
    for (size_t i = 0; i < wanted->label_count; i++) {
        if (!slice_eq(counter->label_values[i], wanted->label_values[i]))
            return false;
    }
    return true;
}

static uint64_t counters_hash(const struct counters_key *key)
{
    uint64_t hash = key->label_count;
    for (size_t i = 0; i < key->label_count; i++)
        hash = hash_slice(key->label_values[i], hash);
    return hash;
}

static struct counter *counter_new(const struct counters_family *family,
                                   const struct slice *label_values)
{
    struct counter *counter = mem_zalloc(sizeof(*counter));
    counter->family = family;
    for (size_t i = 0; i < family->label_count; i++) {
        struct slice value = label_values[i];
        counter->label_values[i] = slice_from(mem_strndup(value.ptr, value.len), value.len);
    }
    if (family->description.type == COUNTERS_HISTOGRAM)
        counter->bucket_counts = mem_zalloc_array(family->description.bound_count + 1,
                                                  sizeof(*counter->bucket_counts));
    if (family->description.type == COUNTERS_SUMMARY)
        counter->summary = counters_summary_new();
    return counter;
}

static void counter_free(struct counter *counter)
{
    if (counter == NULL)
        return;
    for (size_t i = 0; i < counter->family->label_count; i++)
        mem_free((char *)(uintptr_t)counter->label_values[i].ptr);
    mem_free(counter->bucket_counts);
    counters_summary_free(counter->summary);
    mem_free(counter);
}

struct counter *counters_get(struct counters_family *family, const struct slice *label_values)
{
    struct counters_key key = {label_values, family->label_count};
    uint64_t hash = counters_hash(&key);
    MUTEX_GUARD(counters_lock());
    struct counter *counter = table_get(&family->metrics, hash, counter_has_values, &key);
    if (counter == NULL) {
        counter = counter_new(family, label_values);
        table_add(&family->metrics, hash, counter);
    }
    return counter;
}

struct counter *counters_single(struct counters_family *family)
{
    ASSERT(family->label_count == 0);
    return counters_get(family, NULL);
}

static struct counter *counters_plain(const char *name, const char *help, enum counters_type type)
{
    struct counters_description description = {.name = name, .help = help, .type = type};
    return counters_single(counters_family(&description));
}

struct counter *counters_counter(const char *name, const char *help)
{
    return counters_plain(name, help, COUNTERS_COUNTER);
}

struct counter *counters_gauge(const char *name, const char *help)
{
    return counters_plain(name, help, COUNTERS_GAUGE);
}

void counters_remove(struct counters_family *family, const struct slice *label_values)
{
    struct counters_key key = {label_values, family->label_count};
    MUTEX_GUARD(counters_lock());
    counter_free(
        table_remove(&family->metrics, counters_hash(&key), counter_has_values, &key));
}

void counter_add(struct counter *counter, double value)
{
    uint64_t old = atomic_load_explicit(&counter->value_bits, memory_order_relaxed);
    uint64_t new;
    do {
        new = codec_double_bits(codec_bits_double(old) + value);
    } while (!atomic_compare_exchange_weak_explicit(&counter->value_bits, &old, new,
                                                    memory_order_relaxed, memory_order_relaxed));
}

void counter_inc(struct counter *counter)
{
    counter_add(counter, 1);
}

void counter_set(struct counter *counter, double value)
{
    atomic_store_explicit(&counter->value_bits, codec_double_bits(value), memory_order_relaxed);
}

/* The first bucket whose bound is not below the value; NaN goes to +Inf, as everywhere. */
static size_t counters_bucket_of(const struct counters_description *description, double value)
{
    size_t low = 0;
    size_t high = description->bound_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (value <= description->bounds[middle])
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

void counter_observe(struct counter *counter, double value)
{
    if (counter->summary != NULL) {
        counters_summary_observe(counter->summary, value, counters_now_ns());
        return;
    }
    ASSERT(counter->bucket_counts != NULL);
    size_t bucket = counters_bucket_of(&counter->family->description, value);
    atomic_fetch_add_explicit(&counter->bucket_counts[bucket], 1, memory_order_relaxed);
    counter_add(counter, value);
}

static uint64_t counter_bucket(const struct counter *counter, size_t bucket)
{
    return atomic_load_explicit(&counter->bucket_counts[bucket], memory_order_relaxed);
}

double counter_value(const struct counter *counter)
{
    if (counter->summary != NULL)
        return (double)counters_summary_count(counter->summary);
    if (counter->bucket_counts != NULL) {
        uint64_t count = 0;
        for (size_t i = 0; i <= counter->family->description.bound_count; i++)
            count += counter_bucket(counter, i);
        return (double)count;
    }
    return codec_bits_double(atomic_load_explicit(&counter->value_bits, memory_order_relaxed));
}

void counters_on_collect(void (*update)(void *context), void *context)
{
    MUTEX_GUARD(counters_lock());
    vec_push(&registry.hooks, (struct counters_hook){update, context});
}

/* What a collection carries from family to family. */
struct counters_walk {
    void (*each)(const struct counters_sample *sample, void *context);
    void *context;
    int64_t now_ns;
    struct counters_sample sample;
};

static void counters_emit(struct counters_walk *walk, const char *suffix, const char *extra_name,
                          const char *extra_value, double value)
{
    walk->sample.suffix = suffix;
    walk->sample.extra_name = extra_name;
    walk->sample.extra_value = extra_value;
    walk->sample.value = value;
    walk->each(&walk->sample, walk->context);
}

static void counters_emit_histogram(struct counters_walk *walk, const struct counter *counter)
{
    const struct counters_family *family = counter->family;
    /* read once, so that the buckets and the count agree whatever happens meanwhile */
    uint64_t count = 0;
    for (size_t i = 0; i < family->description.bound_count; i++) {
        count += counter_bucket(counter, i);
        counters_emit(walk, "_bucket", "le", family->bound_texts[i], (double)count);
    }
    count += counter_bucket(counter, family->description.bound_count);
    counters_emit(walk, "_bucket", "le", "+Inf", (double)count);
    double sum =
        codec_bits_double(atomic_load_explicit(&counter->value_bits, memory_order_relaxed));
    counters_emit(walk, "_sum", NULL, NULL, sum);
    counters_emit(walk, "_count", NULL, NULL, (double)count);
}

static void counters_emit_summary(struct counters_walk *walk, const struct counter *counter)
{
    const struct counters_family *family = counter->family;
    struct counters_summary_view view;
    counters_summary_view_init(&view, counter->summary, walk->now_ns);
    for (size_t i = 0; i < family->description.bound_count; i++)
        counters_emit(walk, "", "quantile", family->bound_texts[i],
                      counters_summary_view_quantile(&view, family->bounds[i]));
    counters_emit(walk, "_sum", NULL, NULL, view.sum);
    counters_emit(walk, "_count", NULL, NULL, (double)view.count);
    counters_summary_view_release(&view);
}

static int counters_order(const void *a, const void *b)
{
    const struct counter *left = *(const struct counter *const *)a;
    const struct counter *right = *(const struct counter *const *)b;
    for (size_t i = 0; i < left->family->label_count; i++) {
        int order = slice_cmp(left->label_values[i], right->label_values[i]);
        if (order != 0)
            return order;
    }
    return 0;
}

static void counters_emit_family_locked(struct counters_walk *walk,
                                        const struct counters_family *family)
{
    VEC(const struct counter *) metrics = {0};
    size_t at = 0;
    const struct counter *counter;
    while ((counter = table_next(&family->metrics, &at)) != NULL)
        vec_push(&metrics, counter);
    if (metrics.len > 1)
        qsort(metrics.items, metrics.len, sizeof(*metrics.items), counters_order);
    walk->sample.description = &family->description;
    for (size_t i = 0; i < metrics.len; i++) {
        counter = metrics.items[i];
        walk->sample.label_values = counter->label_values;
        if (counter->summary != NULL)
            counters_emit_summary(walk, counter);
        else if (counter->bucket_counts != NULL)
            counters_emit_histogram(walk, counter);
        else
            counters_emit(walk, "", NULL, NULL, counter_value(counter));
    }
    vec_release(&metrics);
}

/* Hooks may look metrics up, so they run without the lock; none is ever removed. */
static void counters_run_hooks(void)
{
    for (size_t i = 0;; i++) {
        struct counters_hook hook = {0};
        mutex_lock(counters_lock());
        if (i < registry.hooks.len)
            hook = registry.hooks.items[i];
        mutex_unlock(counters_lock());
        if (hook.update == NULL)
            return;
        hook.update(hook.context);
    }
}

void counters_collect(void (*each)(const struct counters_sample *sample, void *context),
                      void *context)
{
    counters_run_hooks();
    struct counters_walk walk = {.each = each, .context = context, .now_ns = counters_now_ns()};
    MUTEX_GUARD(counters_lock());
    for (size_t i = 0; i < registry.families.len; i++)
        counters_emit_family_locked(&walk, registry.families.items[i]);
}

static void counters_family_free(struct counters_family *family)
{
    size_t at = 0;
    struct counter *counter;
    while ((counter = table_next(&family->metrics, &at)) != NULL)
        counter_free(counter);
    table_release(&family->metrics);
    for (size_t i = 0; i < family->label_count; i++)
        mem_free(family->label_names[i]);
    mem_free(family->bound_texts);
    mem_free(family->bounds);
    mem_free(family->help);
    mem_free(family->name);
    mem_free(family);
}

void counters_reset_all(void)
{
    MUTEX_GUARD(counters_lock());
    for (size_t i = 0; i < registry.families.len; i++)
        counters_family_free(registry.families.items[i]);
    vec_release(&registry.families);
    vec_release(&registry.hooks);
}
