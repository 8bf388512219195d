/* From the result of an expression to alerts: labels and annotations are templates. */
#include "base/alloc.h"
#include "base/log.h"
#include "model/labels_builder.h"
#include "rules/alerting_internal.h"

#define EXPANDED_BYTES_MAX ((size_t)1 << 20)

struct expansion {
    const struct rule_definition *definition;
    const struct alerting_scope *scope;
    struct template_data data;
    struct buf text;
    struct alerting_result *result;
    VEC(struct rule_vector) queried; /* what query() of the present template has asked for */
};

/* query() of templates: an instant query. Its labels live until the template is done. */
static bool expand_query(struct slice expression, int64_t time_ms, struct arena *arena,
                         struct template_sample **out, size_t *out_count, struct errbuf *err,
                         void *context)
{
    struct expansion *expansion = context;
    const struct rule_environment *environment = expansion->scope->environment;
    struct promql_expression *parsed = NULL;
    struct rule_vector vector;
    if (promql_parse(expression, environment->promql_features, &parsed, err) != ERR_NONE) {
        struct buf text CLEANUP(buf_release);
        buf_init(&text, ERRBUF_TEXT_SIZE);
        promql_error_text(err, &text);
        errbuf_set(err, ERR_INVALID, "%s", buf_cstr(&text));
        return false;
    }
    enum err code = rule_vector_query(environment, parsed, time_ms, &vector, err);
    promql_expression_free(parsed);
    if (code != ERR_NONE)
        return false;
    vec_push(&expansion->queried, vector);
    if (vector.left_out.len > 0)
        (void)errbuf_set(&expansion->result->left_out, ERR_CORRUPT, "%.*s",
                         SLICE_ARG(vector.left_out));
    struct template_sample *samples = arena_alloc_array(arena, vector.count, sizeof(*samples));
    for (size_t i = 0; i < vector.count; i++)
        samples[i] = (struct template_sample){vector.items[i].labels, vector.items[i].value};
    *out = samples;
    *out_count = vector.count;
    return true;
}

/* An error becomes the text, and the alert fires all the same. Valid until the next call. */
static struct slice expand(struct expansion *expansion, const struct template *template,
                           struct slice text)
{
    if (template == NULL)
        return text;
    struct errbuf err = ERRBUF_INIT;
    buf_reset(&expansion->text);
    if (template_execute(template, &expansion->data, &expansion->text, &err) != ERR_NONE) {
        buf_reset(&expansion->text);
        buf_printf(&expansion->text, "<error expanding template: %s>", err.text);
        expansion->result->failed_template_count++;
        expansion->result->template_error = err;
    }
    for (size_t i = 0; i < expansion->queried.len; i++)
        rule_vector_release(&expansion->queried.items[i]);
    expansion->queried.len = 0;
    return buf_slice(&expansion->text);
}

static struct alert *expand_alert(struct expansion *expansion,
                                  const struct rule_vector_sample *sample,
                                  struct labels_builder *builder)
{
    const struct rule_definition *definition = expansion->definition;
    expansion->data.labels = sample->labels;
    expansion->data.value = sample->value;
    struct alert *alert = mem_zalloc(sizeof(*alert));
    labels_builder_start(builder, sample->labels);
    labels_builder_delete(builder, SLICE(LABEL_METRIC_NAME));
    for (size_t i = 0; i < definition->label_count; i++)
        labels_builder_set(builder, definition->labels[i].name,
                           expand(expansion, definition->label_templates[i],
                                  definition->labels[i].value));
    labels_builder_set(builder, SLICE(LABEL_ALERT_NAME), definition->alert);
    alert->labels = labels_builder_take(builder);
    for (size_t i = 0; i < definition->annotation_count; i++)
        labels_builder_set(builder, definition->annotations[i].name,
                           expand(expansion, definition->annotation_templates[i],
                                  definition->annotations[i].value));
    alert->annotations = labels_builder_take(builder);
    alert->state = ALERT_PENDING;
    alert->active_at_ms = expansion->scope->t_ms;
    alert->value = sample->histogram == NULL ? sample->value : 0;
    return alert;
}

enum err alerting_expand(const struct rule_definition *definition,
                         const struct rule_vector *vector, const struct alerting_scope *scope,
                         struct alerting_result *out, struct errbuf *err)
{
    struct expansion expansion = {
        .definition = definition,
        .scope = scope,
        .data =
            {
                .external_labels = scope->external_labels == NULL ? labels_empty()
                                                                  : scope->external_labels,
                .external_url = scope->environment->external_url,
                .now_ms = scope->t_ms,
                .query = expand_query,
            },
        .result = out,
    };
    expansion.data.context = &expansion;
    *out = (struct alerting_result){0};
    buf_init(&expansion.text, EXPANDED_BYTES_MAX);
    struct labels_builder builder;
    labels_builder_init(&builder);
    struct table seen;
    table_init(&seen);
    enum err result = ERR_NONE;
    for (size_t i = 0; i < vector->count && result == ERR_NONE; i++) {
        struct alert *alert = expand_alert(&expansion, &vector->items[i], &builder);
        vec_push(&out->alerts, alert);
        if (table_get(&seen, alert->labels->hash, alert_has_labels, alert->labels) != NULL)
            result = errbuf_set(err, ERR_EXECUTION,
                                "vector contains metrics with the same labelset after applying "
                                "alert labels");
        else
            table_add(&seen, alert->labels->hash, alert);
    }
    table_release(&seen);
    labels_builder_release(&builder);
    buf_release(&expansion.text);
    vec_release(&expansion.queried);
    if (result == ERR_NONE)
        return ERR_NONE;
    for (size_t i = 0; i < out->alerts.len; i++)
        alert_free(out->alerts.items[i]);
    vec_release(&out->alerts);
    return result;
}
