#include "rules/template_functions.h"

#include "base/compiler.h"
#include "config/binding.h"
#include "rules/template_functions_internal.h"

/* Charged for each call of template_run_charge, whatever its size. */
#define BYTES_PER_STEP 64

static const struct template_function functions[] = {
    {"and", NULL, "rr", true},
    {"args", template_args, "v", true},
    {"call", template_call, "rr", true},
    {"eq", template_eq, "rr", true},
    {"externalURL", template_external_url, "", false},
    {"first", template_first, "q", false},
    {"ge", template_ge, "rr", false},
    {"graphLink", template_graph_link, "s", false},
    {"gt", template_gt, "rr", false},
    {"html", template_html, "v", true},
    {"humanize", template_humanize, "v", false},
    {"humanize1024", template_humanize_1024, "v", false},
    {"humanizeDuration", template_humanize_duration, "v", false},
    {"humanizePercentage", template_humanize_percentage, "v", false},
    {"humanizeTimestamp", template_humanize_timestamp, "v", false},
    {"index", template_index, "rr", true},
    {"js", template_js, "v", true},
    {"label", template_label, "sp", false},
    {"le", template_le, "rr", false},
    {"len", template_len, "r", false},
    {"lt", template_lt, "rr", false},
    {"match", template_match, "ss", false},
    {"ne", template_ne, "rr", false},
    {"not", template_not, "r", false},
    {"now", template_now, "", false},
    {"or", NULL, "rr", true},
    {"parseDuration", template_parse_duration, "s", false},
    {"pathPrefix", template_path_prefix, "", false},
    {"print", template_print, "v", true},
    {"printf", template_printf, "sv", true},
    {"println", template_println, "v", true},
    {"query", template_query, "s", false},
    {"reReplaceAll", template_replace_all, "sss", false},
    {"safeHtml", template_safe_html, "s", false},
    {"slice", template_slice, "rr", true},
    {"sortByLabel", template_sort_by_label, "sq", false},
    {"stripDomain", template_strip_domain, "s", false},
    {"stripPort", template_strip_port, "s", false},
    {"strvalue", template_strvalue, "p", false},
    {"tableLink", template_table_link, "s", false},
    {"title", template_title, "s", false},
    {"toDuration", template_to_duration, "v", false},
    {"toLower", template_lower, "s", false},
    {"toTime", template_to_time, "v", false},
    {"toUpper", template_upper, "s", false},
    {"urlQueryEscape", template_url_query_escape, "s", false},
    {"urlquery", template_urlquery, "v", true},
    {"value", template_value_of, "p", false},
};

const struct template_function *template_function_find(struct slice name)
{
    for (size_t i = 0; i < ARRAY_SIZE(functions); i++) {
        if (slice_eq_str(name, functions[i].name))
            return &functions[i];
    }
    return NULL;
}

const char *template_function_nearest(struct slice name)
{
    const char *names[ARRAY_SIZE(functions) + 1] = {0};
    for (size_t i = 0; i < ARRAY_SIZE(functions); i++)
        names[i] = functions[i].name;
    return binding_nearest(name, names);
}

bool template_run_fail(struct template_run *run, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    errbuf_set_va(run->call_error, ERR_EXECUTION, format, arguments);
    va_end(arguments);
    return false;
}

bool template_run_charge(struct template_run *run, size_t bytes)
{
    run->steps += 1 + bytes / BYTES_PER_STEP;
    if (run->steps <= TEMPLATE_STEPS_MAX)
        return true;
    return template_run_fail(run, "the template takes too many steps");
}

bool template_run_text(struct template_run *run, const struct buf *text, struct template_value *out)
{
    if (text->overflow) {
        return template_run_fail(run, "a text of more than %zu bytes", TEMPLATE_OUTPUT_SIZE_MAX);
    }
    char *copy = arena_try_alloc(run->arena, text->len + 1);
    if (copy == NULL)
        return template_run_fail(run, "the template takes too much memory");
    memcpy(copy, buf_cstr(text), text->len + 1);
    *out = template_value_text(slice_from(copy, text->len));
    return template_run_charge(run, text->len);
}
