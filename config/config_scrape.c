/*
 * scrape_configs: one job. What a job does not say it inherits from `global`, which is read before.
 */
#include <stdlib.h>
#include <string.h>

#include "config/config_internal.h"
#include "model/duration.h"

static void init_job(struct binding *binding, void *object)
{
    struct config_reading *reading = config_reading(binding);
    const struct config_global *global = &reading->config->global;
    struct config_scrape *job = object;
    job->honor_timestamps = true;
    job->enable_compression = true;
    job->metrics_path = SLICE("/metrics");
    job->scheme = SLICE("http");
    job->utf8_names = global->utf8_names;
    job->extra_scrape_metrics = global->extra_scrape_metrics;
    job->scrape_native_histograms = global->scrape_native_histograms;
    job->always_scrape_classic_histograms = global->always_scrape_classic_histograms;
    job->convert_classic_histograms_to_nhcb = global->convert_classic_histograms_to_nhcb;
    reading->utf8_names = global->utf8_names;
    reading->target_rule_count = &job->relabel_rule_count;
}

static int compare_parameters(const void *a, const void *b)
{
    return slice_cmp(((const struct config_parameter *)a)->name,
                     ((const struct config_parameter *)b)->name);
}

/* name: [value, value] */
static bool read_parameter(struct binding *binding, const struct yaml_tree_node *key,
                           const struct yaml_tree_node *node, struct config_parameter *out)
{
    *out = (struct config_parameter){.name = key->text};
    if (node->kind == YAML_TREE_NULL)
        return true;
    if (node->kind != YAML_TREE_SEQUENCE) {
        const char *hint = "write a list of values";
        if (node->kind == YAML_TREE_SCALAR)
            hint = arena_printf(binding->arena, "write a list of values: %.*s: ['%.*s']",
                                (int)MIN(key->text.len, (size_t)50), key->text.ptr,
                                (int)MIN(node->text.len, (size_t)50), node->text.ptr);
        binding_problem_type(binding, node, "[]string", hint);
        return false;
    }
    out->values = arena_alloc_array(binding->arena, node->count, sizeof(*out->values));
    for (size_t i = 0; i < node->count; i++) {
        if (!binding_read_text(binding, node->items[i], "write a text", &out->values[i]))
            return false;
        out->value_count++;
    }
    return true;
}

static void read_parameters(struct binding *binding, const struct binding_field *field,
                            const struct yaml_tree_node *node, void *object)
{
    struct config_scrape *job = object;
    if (node->kind == YAML_TREE_NULL)
        return;
    if (node->kind != YAML_TREE_MAPPING) {
        binding_problem_type(binding, node, "url.Values",
                             "write names, each with a list of values: module: [http_2xx]");
        return;
    }
    job->parameters = arena_alloc_array(binding->arena, node->count, sizeof(*job->parameters));
    for (size_t i = 0; i < node->count; i++) {
        if (node->keys[i]->duplicate)
            binding_problem(binding, node->keys[i], "key %s already set in map; remove one of them",
                            binding_quote(binding->arena, node->keys[i]->text));
        else if (read_parameter(binding, node->keys[i], node->items[i],
                                &job->parameters[job->parameter_count]))
            job->parameter_count++;
    }
    qsort(job->parameters, job->parameter_count, sizeof(*job->parameters), compare_parameters);
}

static struct yaml_tree_node *print_parameters(const struct binding_printer *printer,
                                               const struct binding_field *field,
                                               const void *object)
{
    const struct config_scrape *job = object;
    if (job->parameter_count == 0)
        return NULL;
    struct yaml_tree_node *map =
        yaml_tree_new_collection(printer->arena, YAML_TREE_MAPPING, job->parameter_count);
    for (size_t i = 0; i < job->parameter_count; i++) {
        const struct config_parameter *parameter = &job->parameters[i];
        struct yaml_tree_node *list = yaml_tree_new_collection(
            printer->arena, YAML_TREE_SEQUENCE, parameter->value_count);
        for (size_t j = 0; j < parameter->value_count; j++)
            yaml_tree_add(list, NULL, yaml_tree_new_string(printer->arena, parameter->values[j]));
        yaml_tree_add(map, yaml_tree_new_string(printer->arena, parameter->name), list);
    }
    return map;
}

static void read_fallback(struct binding *binding, const struct binding_field *field,
                          const struct yaml_tree_node *node, void *object)
{
    struct config_scrape *job = object;
    struct slice text;
    if (!binding_read_text(binding, node, "write the name of a protocol", &text) || text.len == 0)
        return;
    if (!config_protocol_parse(text, &job->fallback_protocol))
        config_problem_protocol(
            binding, node, text,
            arena_printf(binding->arena,
                         "invalid fallback_scrape_protocol for scrape config with job name %s",
                         binding_quote(binding->arena, job->job_name)));
}

static struct yaml_tree_node *print_fallback(const struct binding_printer *printer,
                                             const struct binding_field *field, const void *object)
{
    const struct config_scrape *job = object;
    if (job->fallback_protocol == SCRAPE_PROTOCOL_NONE)
        return NULL;
    return yaml_tree_new_string(printer->arena,
                                slice_str(config_scrape_protocol_name(job->fallback_protocol)));
}

static void inherit_limit(uint64_t *own, uint64_t global)
{
    if (*own == 0)
        *own = global;
}

static void inherit_limits(struct config_limits *own, const struct config_limits *global)
{
    inherit_limit(&own->body_size, global->body_size);
    inherit_limit(&own->samples, global->samples);
    inherit_limit(&own->labels, global->labels);
    inherit_limit(&own->label_name_length, global->label_name_length);
    inherit_limit(&own->label_value_length, global->label_value_length);
    inherit_limit(&own->targets, global->targets);
    inherit_limit(&own->keep_dropped_targets, global->keep_dropped_targets);
}

static void check_times(struct binding *binding, const struct yaml_tree_node *node,
                        const struct config_global *global, struct config_scrape *job)
{
    if (job->interval_ms == 0)
        job->interval_ms = global->scrape_interval_ms;
    if (job->timeout_ms > job->interval_ms) {
        struct buf interval;
        buf_init(&interval, 64);
        duration_print(job->interval_ms, &interval);
        binding_problem(binding, binding_at(node, "scrape_timeout"),
                        "scrape timeout greater than scrape interval for scrape config with job "
                        "name %s; the interval is %s, so write that or less",
                        binding_quote(binding->arena, job->job_name), buf_cstr(&interval));
        buf_release(&interval);
    }
    if (job->timeout_ms == 0)
        job->timeout_ms = MIN(global->scrape_timeout_ms, job->interval_ms);
}

/* How names are escaped, which follows from the scheme that was set nearest. */
static void check_escaping(struct binding *binding, const struct yaml_tree_node *node,
                           const struct config_global *global, struct config_scrape *job)
{
    const struct yaml_tree_node *own = yaml_tree_get(node, "metric_name_validation_scheme");
    bool inherited = own == NULL || own->text.len == 0;
    if (job->escaping_scheme.len == 0 && inherited && global->escaping_scheme.len > 0)
        job->escaping_scheme = global->escaping_scheme;
    if (job->escaping_scheme.len == 0)
        job->escaping_scheme = job->utf8_names ? SLICE("allow-utf-8") : SLICE("underscores");
    const struct yaml_tree_node *at = binding_at(node, "metric_name_escaping_scheme");
    if (!config_escaping_scheme_valid(job->escaping_scheme))
        binding_problem(binding, at,
                        "unknown scrape config name escaping method specified, must be one of "
                        "'allow-utf-8', 'underscores', 'dots', or 'values', got %s",
                        binding_quote(binding->arena, job->escaping_scheme));
    else if (slice_eq_str(job->escaping_scheme, "allow-utf-8") && !job->utf8_names)
        binding_problem(binding, at,
                        "utf8 metric names requested but validation scheme is not set to UTF8");
}

static void check_job(struct binding *binding, const struct yaml_tree_node *node, void *object)
{
    const struct config_global *global = &config_reading(binding)->config->global;
    struct config_scrape *job = object;
    if (job->job_name.len == 0)
        binding_problem(binding, binding_at(node, "job_name"),
                        "job_name is empty; give the job a name of its own: job_name: 'myjob'");
    config_claim_name(binding, node, CONFIG_NAME_JOB, "job_name", job->job_name);
    check_times(binding, node, global, job);
    inherit_limits(&job->limits, &global->limits);
    if (job->scrape_failure_log_file.len == 0)
        job->scrape_failure_log_file = global->scrape_failure_log_file;
    if (job->protocol_count == 0 && global->protocol_count > 0) {
        memcpy(job->protocols, global->protocols, sizeof(job->protocols));
        job->protocol_count = global->protocol_count;
    } else if (job->protocol_count == 0) {
        config_default_protocols(job->scrape_native_histograms, job->protocols,
                                 &job->protocol_count);
    }
    check_escaping(binding, node, global, job);
    if (!slice_eq_str(job->scheme, "http") && !slice_eq_str(job->scheme, "https") &&
        job->scheme.len > 0)
        binding_warn(binding, binding_at(node, "scheme"),
                     "scheme %s: only http and https can be scraped",
                     binding_quote(binding->arena, job->scheme));
}

static const struct binding_field scrape_fields[] = {
    {CONFIG_ROW("job_name", struct config_scrape, job_name, BINDING_TEXT),
     .flags = BINDING_ALWAYS},
    {CONFIG_ROW("honor_labels", struct config_scrape, honor_labels, BINDING_BOOL)},
    {CONFIG_ROW("honor_timestamps", struct config_scrape, honor_timestamps, BINDING_BOOL),
     .flags = BINDING_ALWAYS},
    {CONFIG_ROW("track_timestamps_staleness", struct config_scrape, track_timestamps_staleness,
                BINDING_BOOL),
     .flags = BINDING_ALWAYS},
    {CONFIG_LIST("params", struct config_scrape, parameters, parameter_count, BINDING_CUSTOM),
     .read = read_parameters, .print = print_parameters},
    {CONFIG_ROW("scrape_interval", struct config_scrape, interval_ms, BINDING_DURATION)},
    {CONFIG_ROW("scrape_timeout", struct config_scrape, timeout_ms, BINDING_DURATION)},
    {CONFIG_LIST("scrape_protocols", struct config_scrape, protocols, protocol_count,
                 BINDING_CUSTOM),
     .read = config_read_protocols, .print = config_print_protocols},
    {CONFIG_ROW("fallback_scrape_protocol", struct config_scrape, fallback_protocol,
                BINDING_CUSTOM),
     .read = read_fallback, .print = print_fallback},
    {CONFIG_ROW("scrape_native_histograms", struct config_scrape, scrape_native_histograms,
                BINDING_BOOL),
     .flags = BINDING_ALWAYS | BINDING_NULL_KEEPS},
    {CONFIG_ROW("always_scrape_classic_histograms", struct config_scrape,
                always_scrape_classic_histograms, BINDING_BOOL),
     .flags = BINDING_ALWAYS | BINDING_NULL_KEEPS},
    {CONFIG_ROW("convert_classic_histograms_to_nhcb", struct config_scrape,
                convert_classic_histograms_to_nhcb, BINDING_BOOL),
     .flags = BINDING_ALWAYS | BINDING_NULL_KEEPS | BINDING_NO_EFFECT},
    {CONFIG_ROW("scrape_failure_log_file", struct config_scrape, scrape_failure_log_file,
                BINDING_PATH)},
    {CONFIG_ROW("metrics_path", struct config_scrape, metrics_path, BINDING_TEXT)},
    {CONFIG_ROW("scheme", struct config_scrape, scheme, BINDING_TEXT)},
    {CONFIG_ROW("enable_compression", struct config_scrape, enable_compression, BINDING_BOOL),
     .flags = BINDING_ALWAYS},
    {CONFIG_ROW("body_size_limit", struct config_scrape, limits.body_size, BINDING_SIZE)},
    {CONFIG_ROW("sample_limit", struct config_scrape, limits.samples, BINDING_UINT)},
    {CONFIG_ROW("target_limit", struct config_scrape, limits.targets, BINDING_UINT)},
    {CONFIG_ROW("label_limit", struct config_scrape, limits.labels, BINDING_UINT)},
    {CONFIG_ROW("label_name_length_limit", struct config_scrape, limits.label_name_length,
                BINDING_UINT)},
    {CONFIG_ROW("label_value_length_limit", struct config_scrape, limits.label_value_length,
                BINDING_UINT)},
    {CONFIG_ROW("native_histogram_bucket_limit", struct config_scrape,
                native_histogram_bucket_limit, BINDING_UINT)},
    {CONFIG_ROW("native_histogram_min_bucket_factor", struct config_scrape,
                native_histogram_min_bucket_factor, BINDING_FLOAT)},
    {CONFIG_ROW("keep_dropped_targets", struct config_scrape, limits.keep_dropped_targets,
                BINDING_UINT)},
    {CONFIG_ROW("metric_name_validation_scheme", struct config_scrape, utf8_names, BINDING_CUSTOM),
     .read = config_read_name_scheme, .print = config_print_name_scheme},
    {CONFIG_ROW("metric_name_escaping_scheme", struct config_scrape, escaping_scheme,
                BINDING_TEXT)},
    {CONFIG_ROW("extra_scrape_metrics", struct config_scrape, extra_scrape_metrics, BINDING_BOOL),
     .flags = BINDING_ALWAYS | BINDING_NULL_KEEPS},
    {CONFIG_ROW("", struct config_scrape, http, BINDING_INLINE), .schema = &config_http_schema},
    {CONFIG_LIST("relabel_configs", struct config_scrape, relabel_rules, relabel_rule_count,
                 BINDING_STRUCT_LIST),
     .schema = &config_relabel_schema, .type = "[]*relabel.Config",
     .if_empty = "empty or null target relabeling rule in scrape config"},
    {CONFIG_LIST("metric_relabel_configs", struct config_scrape, metric_relabel_rules,
                 metric_relabel_rule_count, BINDING_STRUCT_LIST),
     .schema = &config_relabel_schema, .type = "[]*relabel.Config",
     .if_empty = "empty or null metric relabeling rule in scrape config"},
    {CONFIG_ROW("", struct config_scrape, discovery, BINDING_INLINE),
     .schema = &config_discovery_schema},
};
const struct binding_schema config_scrape_schema = {
    .type = "config.ScrapeConfig",
    .fields = scrape_fields,
    .field_count = ARRAY_SIZE(scrape_fields),
    .size = sizeof(struct config_scrape),
    .init = init_job,
    .check = check_job,
};
