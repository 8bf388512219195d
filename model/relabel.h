/*
 * Relabelling: rules that rewrite label sets or drop them, as the reference's relabel_config
 * (https://prometheus.io/docs/prometheus/latest/configuration/configuration/#relabel_config).
 *
 * Rules are checked and compiled once by relabel_rule_compile and immutable from then on; any
 * thread may apply them.
 */
#pragma once

#include "base/compiler.h"
#include "base/err.h"
#include "base/slice.h"
#include "model/labels_builder.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum relabel_action {
    RELABEL_REPLACE,
    RELABEL_KEEP,
    RELABEL_DROP,
    RELABEL_KEEP_EQUAL,
    RELABEL_DROP_EQUAL,
    RELABEL_HASHMOD,
    RELABEL_LABELMAP,
    RELABEL_LABELDROP,
    RELABEL_LABELKEEP,
    RELABEL_LOWERCASE,
    RELABEL_UPPERCASE,
};

struct regex;

/* The texts are borrowed: they live as long as the configuration that they come from. */
struct relabel_rule {
    struct slice *source_labels;
    size_t source_label_count;
    struct slice separator;  /* default ; */
    struct slice regex_text; /* default (.*) */
    uint64_t modulus;
    struct slice target_label;
    struct slice replacement; /* default $1 */
    enum relabel_action action;
    bool utf8_names; /* validation scheme of target names; default true */
    /* private: */
    struct regex *regex;
};

void relabel_rule_init(struct relabel_rule *rule); /* the defaults */
/* Checks the combination of fields and compiles the regex; error texts are the reference's. */
enum err relabel_rule_compile(struct relabel_rule *rule, struct errbuf *err) MUST_CHECK;
void relabel_rule_release(struct relabel_rule *rule); /* frees the compiled regex */

/* The action of a name, in any case; false when there is none. */
bool relabel_action_parse(struct slice name, enum relabel_action *out);
const char *relabel_action_name(enum relabel_action action);

/* Applies the rules in order. false = the set is dropped. */
bool relabel_apply(const struct relabel_rule *rules, size_t rule_count,
                   struct labels_builder *labels);
