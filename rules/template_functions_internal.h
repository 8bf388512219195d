/* The functions by families; template_functions.c has the table. */
#pragma once

#include "rules/template_functions.h"

#define TEMPLATE_FUNCTION(name)                                                                    \
    bool name(struct template_run *run, const struct template_value *values, size_t count,         \
              struct template_value *out)

/* template_compare.c */
TEMPLATE_FUNCTION(template_not);
TEMPLATE_FUNCTION(template_eq);
TEMPLATE_FUNCTION(template_ne);
TEMPLATE_FUNCTION(template_lt);
TEMPLATE_FUNCTION(template_le);
TEMPLATE_FUNCTION(template_gt);
TEMPLATE_FUNCTION(template_ge);

/* template_builtins.c */
TEMPLATE_FUNCTION(template_call);
TEMPLATE_FUNCTION(template_html);
TEMPLATE_FUNCTION(template_index);
TEMPLATE_FUNCTION(template_js);
TEMPLATE_FUNCTION(template_len);
TEMPLATE_FUNCTION(template_print);
TEMPLATE_FUNCTION(template_printf);
TEMPLATE_FUNCTION(template_println);
TEMPLATE_FUNCTION(template_slice);
TEMPLATE_FUNCTION(template_urlquery);

/* template_humanize.c */
TEMPLATE_FUNCTION(template_humanize);
TEMPLATE_FUNCTION(template_humanize_1024);
TEMPLATE_FUNCTION(template_humanize_duration);
TEMPLATE_FUNCTION(template_humanize_percentage);
TEMPLATE_FUNCTION(template_humanize_timestamp);
TEMPLATE_FUNCTION(template_now);
TEMPLATE_FUNCTION(template_parse_duration);
TEMPLATE_FUNCTION(template_to_duration);
TEMPLATE_FUNCTION(template_to_time);

/* template_strings.c */
TEMPLATE_FUNCTION(template_external_url);
TEMPLATE_FUNCTION(template_graph_link);
TEMPLATE_FUNCTION(template_lower);
TEMPLATE_FUNCTION(template_match);
TEMPLATE_FUNCTION(template_path_prefix);
TEMPLATE_FUNCTION(template_replace_all);
TEMPLATE_FUNCTION(template_safe_html);
TEMPLATE_FUNCTION(template_strip_domain);
TEMPLATE_FUNCTION(template_strip_port);
TEMPLATE_FUNCTION(template_table_link);
TEMPLATE_FUNCTION(template_title);
TEMPLATE_FUNCTION(template_upper);
TEMPLATE_FUNCTION(template_url_query_escape);

/* template_query.c */
TEMPLATE_FUNCTION(template_args);
TEMPLATE_FUNCTION(template_first);
TEMPLATE_FUNCTION(template_label);
TEMPLATE_FUNCTION(template_query);
TEMPLATE_FUNCTION(template_sort_by_label);
TEMPLATE_FUNCTION(template_strvalue);
TEMPLATE_FUNCTION(template_value_of);
