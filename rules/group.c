#include "rules/group.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/log.h"
#include "model/labels_builder.h"
#include "rules/recording.h"
#include "rules/restore.h"


static const struct labels *labels_of_pairs(const struct config_label *pairs, size_t count)
{
    struct labels_builder builder;
    labels_builder_init(&builder);
    for (size_t i = 0; i < count; i++)
        labels_builder_set(&builder, pairs[i].name, pairs[i].value);
    const struct labels *labels = labels_builder_take(&builder);
    labels_builder_release(&builder);
    return labels;
}

static void rule_init(struct rule *rule, const struct rule_definition *definition, struct tsdb *db,
                      bool restored)
{
    *rule = (struct rule){
        .definition = definition,
        .labels = labels_of_pairs(definition->labels, definition->label_count),
        .annotations = labels_of_pairs(definition->annotations, definition->annotation_count),
    };
    outputs_init(&rule->outputs, db);
    alerting_init(&rule->alerting, restored);
}

static void rule_release(struct rule *rule)
{
    labels_unref(rule->labels);
    labels_unref(rule->annotations);
    outputs_release(&rule->outputs);
    alerting_release(&rule->alerting);
    mem_free(rule->last_error);
}

struct rule_group *rule_group_new(const struct rule_environment *environment,
                                  struct rule_file *file,
                                  const struct rule_group_definition *definition,
                                  int64_t default_interval_ms, bool restore)
{
    struct rule_group *group = mem_zalloc(sizeof(*group));
    group->file = rule_file_ref(file);
    group->definition = definition;
    group->environment = environment;
    group->interval_ms =
        definition->interval_ms > 0 ? definition->interval_ms : default_interval_ms;
    ASSERT(group->interval_ms > 0);
    struct buf text;
    buf_init(&text, BUF_SIZE_ANY);
    buf_printf(&text, "%.*s;%.*s", SLICE_ARG(file->path), SLICE_ARG(definition->name));
    group->key = buf_take(&text);
    buf_init(&text, BUF_SIZE_ANY);
    rule_group_definition_print(definition, group->interval_ms, &text);
    group->canonical = buf_take(&text);
    group->phase_ms = rule_group_definition_phase_ms(file, definition, group->interval_ms);
    group->rule_count = definition->rule_count;
    group->rules = mem_zalloc_array(group->rule_count + 1, sizeof(*group->rules));
    for (size_t i = 0; i < group->rule_count; i++)
        rule_init(&group->rules[i], &definition->rules[i], environment->db, !restore);
    group->evaluations_until_restore = restore ? GROUP_RESTORE_AFTER : 0;
    mutex_init(&group->lock, LOCK_RANK_RULE_GROUP);
    return group;
}

void rule_group_free(struct rule_group *group)
{
    if (group == NULL)
        return;
    for (size_t i = 0; i < group->rule_count; i++)
        rule_release(&group->rules[i]);
    mem_free(group->rules);
    output_series_release(&group->stale);
    labels_unref(group->external_labels);
    mutex_release(&group->lock);
    rule_file_unref(group->file);
    mem_free(group->key);
    mem_free(group->canonical);
    mem_free(group);
}

void rule_group_configure(struct rule_group *group, const struct labels *external_labels,
                          int64_t default_query_offset_ms)
{
    const struct labels *fresh = external_labels == NULL ? NULL : labels_ref(external_labels);
    int64_t offset_ms = group->definition->query_offset_ms;
    MUTEX_GUARD(&group->lock);
    const struct labels *old = group->external_labels;
    group->external_labels = fresh;
    group->query_offset_ms = offset_ms >= 0 ? offset_ms : default_query_offset_ms;
    labels_unref(old);
}

static bool rules_alike(const struct rule *a, const struct rule *b)
{
    return slice_eq(rule_definition_name(a->definition), rule_definition_name(b->definition)) &&
           labels_equal(a->labels, b->labels);
}

/* Swaps what has to live on; the old rule is freed with what the new one had. */
static void rule_inherit(struct rule *rule, struct rule *from)
{
    struct outputs outputs = rule->outputs;
    rule->outputs = from->outputs;
    from->outputs = outputs;
    rule->is_incomplete = from->is_incomplete;
    if (!rule_definition_is_alerting(rule->definition) ||
        !rule_definition_is_alerting(from->definition))
        return;
    struct alerting alerting = rule->alerting;
    rule->alerting = from->alerting;
    from->alerting = alerting;
}

void rule_group_inherit(struct rule_group *group, struct rule_group *from)
{
    bool *taken CLEANUP(mem_cleanup) = mem_zalloc_array(from->rule_count + 1, sizeof(*taken));
    group->last_evaluation_ms = from->last_evaluation_ms;
    group->evaluation_duration_s = from->evaluation_duration_s;
    group->evaluations_until_restore = from->evaluations_until_restore;
    for (size_t i = 0; i < group->rule_count; i++) {
        struct rule *rule = &group->rules[i];
        rule->alerting.restored = group->evaluations_until_restore == 0;
        for (size_t j = 0; j < from->rule_count; j++) {
            if (taken[j] || !rules_alike(rule, &from->rules[j]))
                continue;
            taken[j] = true;
            rule_inherit(rule, &from->rules[j]);
            break;
        }
    }
    struct output_series stale = group->stale;
    group->stale = from->stale;
    from->stale = stale;
    for (size_t j = 0; j < from->rule_count; j++) {
        if (!taken[j])
            outputs_take_series(&from->rules[j].outputs, &group->stale);
    }
}

void rule_group_take_series(struct rule_group *group, struct output_series *out)
{
    for (size_t i = 0; i < group->rule_count; i++)
        outputs_take_series(&group->rules[i].outputs, out);
    for (size_t i = 0; i < group->stale.items.len; i++)
        vec_push(&out->items, group->stale.items.items[i]);
    vec_release(&group->stale.items);
}

int64_t rule_group_slot_after(const struct rule_group *group, int64_t now_ms)
{
    int64_t since_ms = (now_ms - group->phase_ms) % group->interval_ms;
    if (since_ms < 0)
        since_ms += group->interval_ms;
    return now_ms - since_ms + group->interval_ms;
}

/* One evaluation of one rule. */
struct evaluation {
    struct rule_group *group;
    struct rule *rule;
    size_t index;
    struct alerting_scope scope;
    struct errbuf left_out; /* what storage could not read */
    struct output_samples samples;
    struct alerting_notices notices;
    size_t sample_count;
};

static void rule_set_health(struct rule_group *group, struct rule *rule, enum rule_health health,
                            const char *error)
{
    char *text = error == NULL ? NULL : mem_strdup(error);
    MUTEX_GUARD(&group->lock);
    rule->health = health;
    mem_free(rule->last_error);
    rule->last_error = text;
}

static void rule_failed(const struct evaluation *evaluation, const char *message,
                        const struct errbuf *err)
{
    struct rule_group *group = evaluation->group;
    rule_set_health(group, evaluation->rule, RULE_HEALTH_ERROR, err->text);
    counter_inc(group->metrics.evaluation_failures);
    if (err->code == ERR_CANCELED)
        return; /* we are stopping */
    const struct rule_definition *definition = evaluation->rule->definition;
    log_warn("Evaluating rule failed", log_slice("file", group->file->path),
             log_slice("group", group->definition->name),
             log_slice("name", rule_definition_name(definition)),
             log_uint("index", evaluation->index), log_str("what", message),
             log_slice("rule", definition->query), log_err(err));
}

/* Alerts of the result: what is to be written and sent. */
static enum err evaluate_alerting(struct evaluation *evaluation, const struct rule_vector *vector,
                                  struct errbuf *err)
{
    struct rule_group *group = evaluation->group;
    struct rule *rule = evaluation->rule;
    struct alerting_result result;
    enum err code =
        alerting_expand(rule->definition, vector, &evaluation->scope, &result, err);
    if (code != ERR_NONE)
        return code;
    if (result.failed_template_count > 0)
        log_warn("Expanding alert template failed",
                 log_slice("alert", rule->definition->alert),
                 log_uint("count", result.failed_template_count), log_err(&result.template_error));
    if (result.left_out.code != ERR_NONE)
        evaluation->left_out = result.left_out;
    MUTEX_GUARD(&group->lock);
    code = alerting_advance(&rule->alerting, rule->definition, &result, &evaluation->scope,
                            group->definition->limit, &evaluation->samples, err);
    if (code == ERR_NONE)
        alerting_take_due(&rule->alerting, evaluation->scope.t_ms, group->interval_ms,
                          group->environment->resend_delay_ms, &evaluation->notices);
    return code;
}

static void send_notices(struct evaluation *evaluation)
{
    const struct rule_environment *environment = evaluation->group->environment;
    size_t count = evaluation->notices.items.len;
    if (environment->notifier == NULL || count == 0)
        return;
    struct buf url CLEANUP(buf_release);
    buf_init(&url, BUF_SIZE_ANY);
    alerting_generator_url(environment->external_url, evaluation->rule->definition->query, &url);
    for (size_t i = 0; i < count; i++)
        evaluation->notices.items.items[i].generator_url = buf_slice(&url);
    notifier_send(environment->notifier, evaluation->notices.items.items, count);
}

static void log_refused(const struct evaluation *evaluation, const struct outputs_report *report)
{
    struct log_field rule = log_slice("name", rule_definition_name(evaluation->rule->definition));
    struct log_field group = log_str("rule_group", evaluation->group->key);
    if (report->out_of_order > 0)
        log_warn("Error on ingesting out-of-order result from rule evaluation", rule, group,
                 log_uint("num_dropped", report->out_of_order));
    if (report->too_old > 0)
        log_warn("Error on ingesting too old result from rule evaluation", rule, group,
                 log_uint("num_dropped", report->too_old));
    if (report->duplicates > 0)
        log_warn("Error on ingesting results from rule evaluation with different value but same "
                 "timestamp",
                 rule, group, log_uint("num_dropped", report->duplicates));
}

static void write_samples(struct evaluation *evaluation)
{
    struct errbuf err = ERRBUF_INIT;
    struct errbuf refused = ERRBUF_INIT;
    struct outputs_report report;
    int64_t t_ms = evaluation->scope.t_ms - evaluation->scope.query_offset_ms;
    enum err code = outputs_write(&evaluation->rule->outputs, t_ms, &evaluation->samples, &report,
                                  &refused, &err);
    if (code != ERR_NONE) {
        rule_failed(evaluation, "Rule sample appending failed", &err);
        return;
    }
    if (refused.code != ERR_NONE)
        rule_set_health(evaluation->group, evaluation->rule, RULE_HEALTH_ERROR, refused.text);
    log_refused(evaluation, &report);
}

static enum err query_and_apply(struct evaluation *evaluation, struct errbuf *err)
{
    const struct rule_definition *definition = evaluation->rule->definition;
    const struct rule_group *group = evaluation->group;
    struct rule_vector vector;
    int64_t t_ms = evaluation->scope.t_ms - evaluation->scope.query_offset_ms;
    enum err code =
        rule_vector_query(group->environment, definition->expression, t_ms, &vector, err);
    if (code != ERR_NONE)
        return code;
    if (vector.left_out.len > 0)
        (void)errbuf_set(&evaluation->left_out, ERR_CORRUPT, "%.*s", SLICE_ARG(vector.left_out));
    if (rule_definition_is_alerting(definition))
        code = evaluate_alerting(evaluation, &vector, err);
    else
        code = recording_samples(definition, &vector, group->definition->limit,
                                 &evaluation->samples, err);
    if (code == ERR_NONE) {
        rule_set_health(evaluation->group, evaluation->rule, RULE_HEALTH_OK, NULL);
        evaluation->sample_count = evaluation->samples.items.len;
        send_notices(evaluation);
        /* histograms are the vector's, so it lives until they are written */
        write_samples(evaluation);
    }
    rule_vector_release(&vector);
    return code;
}

/* Said when it begins: the damage stays, and storage repeats it. */
static void log_left_out(const struct evaluation *evaluation)
{
    struct rule *rule = evaluation->rule;
    bool was_incomplete = rule->is_incomplete;
    rule->is_incomplete = evaluation->left_out.code != ERR_NONE;
    if (!rule->is_incomplete || was_incomplete)
        return;
    log_warn("A rule is evaluated without what storage cannot read",
             log_slice("file", evaluation->group->file->path),
             log_slice("group", evaluation->group->definition->name),
             log_slice("name", rule_definition_name(rule->definition)),
             log_uint("index", evaluation->index), log_err(&evaluation->left_out));
}

static double rule_evaluate(struct evaluation *evaluation)
{
    struct rule_group *group = evaluation->group;
    struct rule *rule = evaluation->rule;
    const struct clock *clock = group->environment->clock;
    struct errbuf err = ERRBUF_INIT;
    int64_t started_ms = clock_now_ms(clock);
    int64_t started_ns = clock_monotonic_ns(clock);
    counter_inc(group->metrics.evaluations);
    if (query_and_apply(evaluation, &err) != ERR_NONE)
        rule_failed(evaluation, "query", &err);
    else
        log_left_out(evaluation);
    output_samples_release(&evaluation->samples);
    alerting_notices_release(&evaluation->notices);
    double duration_s = (double)(clock_monotonic_ns(clock) - started_ns) / 1e9;
    counter_observe(group->metrics.evaluation_duration, duration_s);
    counter_observe(group->metrics.evaluation_duration_histogram, duration_s);
    MUTEX_GUARD(&group->lock);
    rule->duration_s = duration_s;
    rule->last_evaluation_ms = started_ms;
    return duration_s;
}

/* Ends the series of rules that an edit has removed. */
static void end_stale_series(struct rule_group *group, int64_t t_ms)
{
    struct errbuf err = ERRBUF_INIT;
    if (group->stale.items.len == 0)
        return;
    if (output_series_end(group->environment->db, &group->stale, t_ms, &err) != ERR_NONE) {
        log_warn("Stale sample appending for previous configuration failed",
                 log_str("rule_group", group->key), log_err(&err));
        return;
    }
    output_series_release(&group->stale);
}

static void evaluate_rules(struct rule_group *group, int64_t slot_ms)
{
    struct alerting_scope scope = {.environment = group->environment, .t_ms = slot_ms};
    double rule_duration_s = 0;
    size_t sample_count = 0;
    mutex_lock(&group->lock);
    scope.external_labels =
        group->external_labels == NULL ? NULL : labels_ref(group->external_labels);
    scope.query_offset_ms = group->query_offset_ms;
    mutex_unlock(&group->lock);
    for (size_t i = 0; i < group->rule_count && !group->stopping; i++) {
        struct evaluation evaluation = {
            .group = group, .rule = &group->rules[i], .index = i, .scope = scope};
        rule_duration_s += rule_evaluate(&evaluation);
        sample_count += evaluation.sample_count;
    }
    labels_unref(scope.external_labels);
    counter_set(group->metrics.last_rule_duration_sum_s, rule_duration_s);
    if (group->stopping)
        return;
    counter_set(group->metrics.last_samples, (double)sample_count);
    end_stale_series(group, slot_ms - scope.query_offset_ms);
}

void rule_group_evaluate(struct rule_group *group, int64_t slot_ms, int64_t missed)
{
    const struct clock *clock = group->environment->clock;
    int64_t started_ms = clock_now_ms(clock);
    int64_t started_ns = clock_monotonic_ns(clock);
    counter_add(group->metrics.iterations, (double)missed + 1);
    counter_add(group->metrics.iterations_missed, (double)missed);
    evaluate_rules(group, slot_ms);
    double duration_s = (double)(clock_monotonic_ns(clock) - started_ns) / 1e9;
    counter_observe(group->metrics.iteration_duration, duration_s);
    counter_observe(group->metrics.iteration_duration_histogram, duration_s);
    counter_set(group->metrics.last_duration_s, duration_s);
    counter_set(group->metrics.last_evaluation_s, (double)started_ms / 1000);
    {
        MUTEX_GUARD(&group->lock);
        group->last_evaluation_ms = started_ms;
        group->evaluation_duration_s = duration_s;
    }
    if (group->evaluations_until_restore > 0 && --group->evaluations_until_restore == 0 &&
        !group->stopping)
        restore_alerts(group, clock_now_ms(clock));
}
