/*
 * What the schema of a rule file cannot say: names, which fields go together, expressions, templates.
 *
 * Thread-safety: one owner, as the binding's.
 */
#pragma once

#include "config/binding.h"
#include "rules/rule_file.h"

/* Looks at everything that was read and parses expressions and templates; problems go to the binding.
 * `text` is the file's, to find places inside of expressions. */
void rule_file_check(struct rule_file *file, const struct rule_file_options *options,
                     struct slice text, struct binding *binding);
