/*
 * The rule files that a configuration names: patterns expanded, every file loaded, all problems
 * together.
 *
 * Ownership: the set has a reference to each file. Thread-safety: a value of its owner.
 */
#pragma once

#include "base/buf.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/vec.h"
#include "config/config.h"
#include "rules/rule_file.h"

struct rule_set {
    VEC(struct rule_file *) files;
    VEC(char *) unmatched; /* patterns that match no file */
};

/* All or nothing: ERR_INVALID with the problems of all files in `out_errors`, one a line. */
enum err rule_set_load(const struct config *config, unsigned promql_features, struct rule_set *out,
                       struct buf *out_errors, struct errbuf *err) MUST_CHECK;
void rule_set_release(struct rule_set *set);
/* Logs what is to be known of the set: patterns without files, warnings of files. */
void rule_set_log_warnings(const struct rule_set *set);
