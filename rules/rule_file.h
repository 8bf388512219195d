/*
 * A rule file as checked structs: groups of rules, expressions and templates parsed, every problem with
 * its place in the file. Reading is strict, by the scalars of go-yaml v3, in the reference's words.
 *
 * Ownership: a file is counted; everything in it lives as long as the file. Thread-safety: immutable
 * after loading. Limits: RULE_FILE_BYTES_MAX; BINDING_PROBLEMS_MAX problems of a file are reported.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/slice.h"
#include "config/binding.h"
#include "config/yaml_tree.h"
#include "promql/promql.h"
#include "rules/template.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RULE_FILE_BYTES_MAX ((size_t)16 << 20)

struct rule_definition {
    struct slice record; /* one of the two is set */
    struct slice alert;
    struct slice expression_text;
    int64_t for_ms;
    int64_t keep_firing_for_ms;
    /* sorted by name; after the check with the group's labels where the rule has none of that name */
    struct config_label *labels;
    size_t label_count;
    struct config_label *annotations;
    size_t annotation_count;
    /* set by the check: */
    struct promql_expression *expression;
    struct slice query;                     /* as printed */
    struct template **label_templates;      /* of alerting rules, one a label; NULL = plain text */
    struct template **annotation_templates; /* one an annotation */
    /* private */
    const struct yaml_tree_node *node; /* NULL where reading it met a problem */
};

static inline bool rule_definition_is_alerting(const struct rule_definition *definition)
{
    return definition->alert.len > 0;
}

static inline struct slice rule_definition_name(const struct rule_definition *definition)
{
    return definition->alert.len > 0 ? definition->alert : definition->record;
}

struct rule_group_definition {
    struct slice name;
    int64_t interval_ms;     /* 0 = global.evaluation_interval */
    int64_t query_offset_ms; /* -1 = global.rule_query_offset */
    int64_t limit;           /* 0 = none */
    struct config_label *labels;
    size_t label_count;
    struct rule_definition *rules;
    size_t rule_count;
};

struct rule_file {
    _Atomic uint32_t reference_count;
    struct arena arena;
    struct slice path; /* as named by the configuration */
    struct rule_group_definition *groups;
    size_t group_count;
    struct slice *warnings; /* each with its place */
    size_t warning_count;
    /* private */
    struct yaml_tree tree;
};

struct rule_file_options {
    unsigned promql_features;
    bool utf8_names;
};

/* On failure `out_errors` has one problem a line, "path:line:column: text", added to what is there. */
enum err rule_file_load(const char *path, const struct rule_file_options *options,
                        struct rule_file **out, struct buf *out_errors,
                        struct errbuf *err) MUST_CHECK;
enum err rule_file_parse(struct slice text, const char *path,
                         const struct rule_file_options *options, struct rule_file **out,
                         struct buf *out_errors, struct errbuf *err) MUST_CHECK;
struct rule_file *rule_file_ref(struct rule_file *file);
void rule_file_unref(struct rule_file *file);

/* What makes a group what it is, as text: groups of equal text behave the same. */
void rule_group_definition_print(const struct rule_group_definition *group, int64_t interval_ms,
                                 struct buf *out);
/* Where in its interval a group is evaluated. */
int64_t rule_group_definition_phase_ms(const struct rule_file *file,
                                       const struct rule_group_definition *group,
                                       int64_t interval_ms);
