#include "scrape/target.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/hash.h"
#include "base/utf8.h"
#include "model/duration.h"
#include "model/quote.h"
#include "model/relabel.h"
#include "scrape/target_url.h"

#define TARGET_URL_BYTES_MAX ((size_t)1 << 20)
/* Seeds of the identity; never change them: phases hang on them. */
#define TARGET_HASH_SEED 0

static const char *const flag_labels[] = {
    "__convert_classic_histograms_to_nhcb__",
    "__always_scrape_classic_histograms__",
    "__scrape_native_histograms__",
};
static const char *const flag_descriptions[] = {
    "convert classic histograms to nhcb",
    "always scrape classic histograms",
    "scrape native histograms",
};

/* Sets a label that has no value yet. */
static void target_default(struct labels_builder *builder, const char *name, struct slice value)
{
    if (!labels_builder_has(builder, slice_str(name)))
        labels_builder_set(builder, slice_str(name), value);
}

static void target_default_duration(struct labels_builder *builder, const char *name, int64_t ms)
{
    struct buf text CLEANUP(buf_release);
    buf_init(&text, 64);
    duration_print(ms, &text);
    target_default(builder, name, buf_slice(&text));
}

/* The labels before relabelling: the target's, the group's where the target has none, the job's
 * where neither has. */
static void target_discover(const struct config_scrape *scrape, const struct labels *labels,
                            const struct labels *group_labels, struct labels_builder *builder)
{
    labels_builder_start(builder, labels);
    for (uint32_t i = 0; i < group_labels->count; i++) {
        if (labels_value(labels, group_labels->pairs[i].name) == SYMBOL_EMPTY) {
            labels_builder_set_symbols(builder, group_labels->pairs[i].name,
                                       group_labels->pairs[i].value);
        }
    }
    const bool flags[] = {scrape->convert_classic_histograms_to_nhcb,
                          scrape->always_scrape_classic_histograms,
                          scrape->scrape_native_histograms};
    target_default(builder, "job", scrape->job_name);
    target_default_duration(builder, "__scrape_interval__", scrape->interval_ms);
    target_default_duration(builder, "__scrape_timeout__", scrape->timeout_ms);
    target_default(builder, "__metrics_path__", scrape->metrics_path);
    target_default(builder, "__scheme__", scrape->scheme);
    for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
        target_default(builder, flag_labels[i], slice_str(flags[i] ? "true" : "false"));
    for (size_t i = 0; i < scrape->parameter_count; i++) {
        const struct config_parameter *parameter = &scrape->parameters[i];
        if (parameter->value_count == 0)
            continue;
        struct buf name CLEANUP(buf_release);
        buf_init(&name, BUF_SIZE_ANY);
        buf_append_str(&name, "__param_");
        buf_append_slice(&name, parameter->name);
        target_default(builder, buf_cstr(&name), parameter->values[0]);
    }
}

/* As Go's strconv.ParseBool. */
static bool target_flag_valid(struct slice text)
{
    static const char *const accepted[] = {"1", "t", "T", "TRUE",  "true",  "True",
                                           "0", "f", "F", "FALSE", "false", "False"};
    for (size_t i = 0; i < ARRAY_SIZE(accepted); i++) {
        if (slice_eq_str(text, accepted[i]))
            return true;
    }
    return false;
}

static enum err target_check_flags(const struct labels_builder *builder, struct errbuf *err)
{
    for (size_t i = 0; i < ARRAY_SIZE(flag_labels); i++) {
        struct slice value = labels_builder_get(builder, slice_str(flag_labels[i]));
        if (value.len > 0 && !target_flag_valid(value)) {
            struct buf quoted CLEANUP(buf_release);
            buf_init(&quoted, ERRBUF_TEXT_SIZE);
            quote_go(value, &quoted);
            return errbuf_set(err, ERR_INVALID,
                              "error parsing %s: strconv.ParseBool: parsing %s: invalid syntax",
                              flag_descriptions[i], buf_cstr(&quoted));
        }
    }
    return ERR_NONE;
}

static enum err target_read_duration(const struct labels_builder *builder, const char *label,
                                     const char *what, int64_t *out_ms, struct errbuf *err)
{
    enum err code = duration_parse(labels_builder_get(builder, slice_str(label)), out_ms, err);
    if (code != ERR_NONE) {
        errbuf_prefix(err, "error parsing scrape %s: ", what);
        return code;
    }
    if (*out_ms == 0)
        return errbuf_set(err, ERR_INVALID, "scrape %s cannot be 0", what);
    return ERR_NONE;
}

static enum err target_read_times(const struct labels_builder *builder, int64_t *out_interval_ms,
                                  int64_t *out_timeout_ms, struct errbuf *err)
{
    enum err code =
        target_read_duration(builder, "__scrape_interval__", "interval", out_interval_ms, err);
    if (code == ERR_NONE)
        code = target_read_duration(builder, "__scrape_timeout__", "timeout", out_timeout_ms, err);
    if (code != ERR_NONE || *out_timeout_ms <= *out_interval_ms)
        return code;
    struct slice interval = labels_builder_get(builder, SLICE("__scrape_interval__"));
    struct slice timeout = labels_builder_get(builder, SLICE("__scrape_timeout__"));
    return errbuf_set(err, ERR_INVALID,
                      "scrape timeout cannot be greater than scrape interval "
                      "(\"%.*s\" > \"%.*s\")",
                      SLICE_ARG(timeout), SLICE_ARG(interval));
}

static enum err target_check_address(struct slice address, struct errbuf *err)
{
    if (address.len == 0)
        return errbuf_set(err, ERR_INVALID, "no address");
    if (slice_index(address, '/') == SLICE_NONE)
        return ERR_NONE;
    struct buf quoted CLEANUP(buf_release);
    buf_init(&quoted, ERRBUF_TEXT_SIZE);
    quote_go(address, &quoted);
    return errbuf_set(err, ERR_INVALID, "%s is not a valid hostname", buf_cstr(&quoted));
}

static enum err target_check_values(const struct labels *labels, struct errbuf *err)
{
    for (uint32_t i = 0; i < labels->count; i++) {
        struct slice value = symbols_text(labels->pairs[i].value);
        if (!utf8_valid(value)) {
            struct buf quoted CLEANUP(buf_release);
            buf_init(&quoted, ERRBUF_TEXT_SIZE);
            quote_go(value, &quoted);
            return errbuf_set(err, ERR_INVALID, "invalid label value for \"%.*s\": %s",
                              SLICE_ARG(symbols_text(labels->pairs[i].name)), buf_cstr(&quoted));
        }
    }
    return ERR_NONE;
}

/* The labels that do, or do not, begin with a prefix. */
static struct labels *target_labels_without(const struct labels *labels, struct slice prefix)
{
    VEC(struct label_pair) pairs = {0};
    for (uint32_t i = 0; i < labels->count; i++) {
        if (!slice_has_prefix(symbols_text(labels->pairs[i].name), prefix))
            vec_push(&pairs, labels->pairs[i]);
    }
    struct labels *kept = labels_new(pairs.items, pairs.len);
    vec_release(&pairs);
    return kept;
}

static uint64_t target_identity(const struct labels *labels, const char *url)
{
    uint64_t hash = hash_slice(slice_str(url), TARGET_HASH_SEED);
    for (uint32_t i = 0; i < labels->count; i++) {
        hash = hash_mix(hash, hash_slice(symbols_text(labels->pairs[i].name), TARGET_HASH_SEED));
        hash = hash_mix(hash, hash_slice(symbols_text(labels->pairs[i].value), TARGET_HASH_SEED));
    }
    return hash;
}

static struct target *target_new(const struct config_scrape *scrape, struct labels *all,
                                 int64_t interval_ms, int64_t timeout_ms)
{
    struct target *target = mem_zalloc(sizeof(*target));
    target->all = all;
    target->labels = target_labels_without(all, SLICE("__"));
    struct buf url CLEANUP(buf_release);
    buf_init(&url, TARGET_URL_BYTES_MAX);
    target_url_print(all, scrape, &url);
    target->url = mem_strndup(buf_cstr(&url), url.len);
    target->hash = target_identity(all, target->url);
    target->schedule.interval_ms = interval_ms;
    target->timeout_ms = timeout_ms;
    return target;
}

enum target_outcome target_make(const struct config_scrape *scrape, const struct labels *labels,
                                const struct labels *group_labels, struct labels_builder *builder,
                                const struct labels **out_discovered, struct target **out_target,
                                struct errbuf *err)
{
    *out_target = NULL;
    target_discover(scrape, labels, group_labels, builder);
    *out_discovered = labels_builder_build(builder);
    if (!relabel_apply(scrape->relabel_rules, scrape->relabel_rule_count, builder))
        return TARGET_DROPPED;
    struct slice address = labels_builder_get(builder, SLICE("__address__"));
    int64_t interval_ms = 0;
    int64_t timeout_ms = 0;
    if (target_check_address(address, err) != ERR_NONE ||
        target_read_times(builder, &interval_ms, &timeout_ms, err) != ERR_NONE ||
        target_check_flags(builder, err) != ERR_NONE)
        return TARGET_INVALID;
    target_default(builder, "instance", address);
    struct labels *with_meta = labels_builder_build(builder);
    struct labels *all = target_labels_without(with_meta, SLICE("__meta_"));
    labels_unref(with_meta);
    if (target_check_values(all, err) != ERR_NONE) {
        labels_unref(all);
        return TARGET_INVALID;
    }
    struct target *target = target_new(scrape, all, interval_ms, timeout_ms);
    target->discovered = labels_ref(*out_discovered);
    *out_target = target;
    return TARGET_KEPT;
}

void target_free(struct target *target)
{
    if (target == NULL)
        return;
    labels_unref(target->discovered);
    labels_unref(target->all);
    labels_unref(target->labels);
    mem_free(target->url);
    sample_group_free(target->group);
    series_cache_release(&target->cache);
    metadata_cache_release(&target->metadata);
    mem_free(target->state.last_error);
    mem_free(target);
}

bool target_same(const struct target *a, const struct target *b)
{
    return a->hash == b->hash && labels_equal(a->all, b->all) && strcmp(a->url, b->url) == 0;
}
