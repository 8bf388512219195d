#include "rules/template_value.h"

#include "base/compiler.h"

static const struct {
    const char *name;
    enum template_kind kind;
} types[] = {
    [TEMPLATE_TYPE_NONE] = {"<nil>", TEMPLATE_KIND_OTHER},
    [TEMPLATE_TYPE_BOOL] = {"bool", TEMPLATE_KIND_BOOL},
    [TEMPLATE_TYPE_INT] = {"int", TEMPLATE_KIND_INT},
    [TEMPLATE_TYPE_INT64] = {"int64", TEMPLATE_KIND_INT},
    [TEMPLATE_TYPE_UINT8] = {"uint8", TEMPLATE_KIND_UINT},
    [TEMPLATE_TYPE_FLOAT] = {"float64", TEMPLATE_KIND_FLOAT},
    [TEMPLATE_TYPE_STRING] = {"string", TEMPLATE_KIND_STRING},
    [TEMPLATE_TYPE_HTML] = {"template.HTML", TEMPLATE_KIND_STRING},
    [TEMPLATE_TYPE_LABELS] = {"map[string]string", TEMPLATE_KIND_OTHER},
    [TEMPLATE_TYPE_ARGUMENTS] = {"map[string]interface {}", TEMPLATE_KIND_OTHER},
    [TEMPLATE_TYPE_VECTOR] = {"template.queryResult", TEMPLATE_KIND_OTHER},
    [TEMPLATE_TYPE_SAMPLE] = {"*template.sample", TEMPLATE_KIND_OTHER},
    [TEMPLATE_TYPE_TIME_POINTER] = {"*time.Time", TEMPLATE_KIND_OTHER},
    [TEMPLATE_TYPE_TIME] = {"time.Time", TEMPLATE_KIND_OTHER},
    [TEMPLATE_TYPE_DURATION_POINTER] = {"*time.Duration", TEMPLATE_KIND_OTHER},
    [TEMPLATE_TYPE_DURATION] = {"time.Duration", TEMPLATE_KIND_INT},
    [TEMPLATE_TYPE_MONTH] = {"time.Month", TEMPLATE_KIND_INT},
    [TEMPLATE_TYPE_WEEKDAY] = {"time.Weekday", TEMPLATE_KIND_INT},
    [TEMPLATE_TYPE_DATA] = {"struct { Labels map[string]string; ExternalLabels "
                            "map[string]string; ExternalURL string; Value interface {} }",
                            TEMPLATE_KIND_OTHER},
};

const char *template_type_name(enum template_type type)
{
    return types[type].name;
}

enum template_kind template_kind_of(enum template_type type)
{
    return types[type].kind;
}

bool template_value_is_true(const struct template_value *value)
{
    switch (value->type) {
    case TEMPLATE_TYPE_NONE:
        return false;
    case TEMPLATE_TYPE_BOOL:
        return value->boolean;
    case TEMPLATE_TYPE_FLOAT:
        return value->number != 0;
    case TEMPLATE_TYPE_STRING:
    case TEMPLATE_TYPE_HTML:
        return value->text.len > 0;
    case TEMPLATE_TYPE_LABELS:
        return value->labels != NULL && value->labels->count > 0;
    case TEMPLATE_TYPE_ARGUMENTS:
        return value->arguments.count > 0;
    case TEMPLATE_TYPE_VECTOR:
        return value->vector.count > 0;
    default:
        return template_kind_of(value->type) == TEMPLATE_KIND_OTHER || value->integer != 0;
    }
}

struct template_value template_value_indirect(struct template_value value)
{
    if (value.type == TEMPLATE_TYPE_TIME_POINTER)
        value.type = TEMPLATE_TYPE_TIME;
    else if (value.type == TEMPLATE_TYPE_DURATION_POINTER)
        value.type = TEMPLATE_TYPE_DURATION;
    return value;
}

bool template_argument_at(const struct template_value *arguments, size_t at,
                          struct template_value *out_name, struct template_value *out_value)
{
    if (at >= arguments->arguments.count)
        return false;
    const struct template_argument *argument = &arguments->arguments.sorted[at];
    *out_name = template_value_text(argument->name);
    *out_value = arguments->arguments.items[argument->index];
    return true;
}

bool template_argument_index(struct slice name, size_t *out)
{
    if (!slice_has_prefix(name, SLICE("arg")))
        return false;
    struct slice digits = slice_from_index(name, 3);
    if (digits.len == 0 || digits.len > 6 || (digits.ptr[0] == '0' && digits.len > 1))
        return false;
    size_t index = 0;
    for (size_t i = 0; i < digits.len; i++) {
        if (digits.ptr[i] < '0' || digits.ptr[i] > '9')
            return false;
        index = index * 10 + (size_t)(digits.ptr[i] - '0');
    }
    *out = index;
    return true;
}
