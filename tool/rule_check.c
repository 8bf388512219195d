#include "tool/rule_check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/vec.h"
#include "rules/rule_file.h"

#define ERRORS_SIZE_MAX ((size_t)1 << 20)

typedef VEC(const struct rule_definition *) definitions;

static int rule_compare(const void *a, const void *b)
{
    const struct rule_definition *x = *(const struct rule_definition *const *)a;
    const struct rule_definition *y = *(const struct rule_definition *const *)b;
    int order = slice_cmp(rule_definition_name(x), rule_definition_name(y));
    for (size_t i = 0; order == 0 && i < x->label_count && i < y->label_count; i++) {
        order = slice_cmp(x->labels[i].name, y->labels[i].name);
        if (order == 0)
            order = slice_cmp(x->labels[i].value, y->labels[i].value);
    }
    if (order != 0)
        return order;
    return (x->label_count > y->label_count) - (x->label_count < y->label_count);
}

static void print_duplicates(const definitions *duplicates)
{
    fprintf(stderr, "  FAILED:\nlint error %zu duplicate rule(s) found.\n", duplicates->len);
    for (size_t i = 0; i < duplicates->len; i++) {
        const struct rule_definition *rule = duplicates->items[i];
        fprintf(stderr, "Metric: %.*s\nLabel(s):\n", SLICE_ARG(rule_definition_name(rule)));
        for (size_t k = 0; k < rule->label_count; k++)
            fprintf(stderr, "\t%.*s: %.*s\n", SLICE_ARG(rule->labels[k].name),
                    SLICE_ARG(rule->labels[k].value));
    }
    fprintf(stderr, "Might cause inconsistency while recording expressions\n");
}

/* Rules of one name with one set of labels write the same series. */
static bool has_duplicates(const struct rule_file *file)
{
    definitions rules = {0}, duplicates = {0};
    for (size_t i = 0; i < file->group_count; i++) {
        for (size_t k = 0; k < file->groups[i].rule_count; k++)
            vec_push(&rules, &file->groups[i].rules[k]);
    }
    if (rules.len > 1)
        qsort(rules.items, rules.len, sizeof(*rules.items), rule_compare);
    for (size_t i = 1; i < rules.len; i++) {
        if (rule_compare(&rules.items[i - 1], &rules.items[i]) == 0 &&
            (duplicates.len == 0 || rule_compare(vec_last(&duplicates), &rules.items[i]) != 0))
            vec_push(&duplicates, rules.items[i]);
    }
    bool found = duplicates.len > 0;
    if (found)
        print_duplicates(&duplicates);
    vec_release(&rules);
    vec_release(&duplicates);
    return found;
}

static size_t rule_count(const struct rule_file *file)
{
    size_t count = 0;
    for (size_t i = 0; i < file->group_count; i++)
        count += file->groups[i].rule_count;
    return count;
}

static enum err load(const char *path, struct rule_file **out, struct buf *errors)
{
    struct rule_file_options options = {.utf8_names = true};
    if (path != NULL)
        return rule_file_load(path, &options, out, errors, NULL);
    struct buf text CLEANUP(buf_release);
    buf_init(&text, RULE_FILE_BYTES_MAX);
    char part[65536];
    size_t len;
    while ((len = fread(part, 1, sizeof(part), stdin)) > 0)
        buf_append(&text, part, len);
    if (text.overflow) {
        buf_append_str(errors, "standard input: the rules are too long");
        return ERR_LIMIT;
    }
    return rule_file_parse(buf_slice(&text), "standard input", &options, out, errors, NULL);
}

void rule_check_file(const char *path, const struct check_lint *lint, struct check_outcome *outcome)
{
    struct rule_file *file;
    struct buf errors CLEANUP(buf_release);
    buf_init(&errors, ERRORS_SIZE_MAX);
    printf("Checking %s\n", path == NULL ? "standard input" : path);
    fflush(stdout);
    if (load(path, &file, &errors) != ERR_NONE) {
        fprintf(stderr, "  FAILED:\n%s\n", buf_cstr(&errors));
        outcome->has_errors = true;
        return;
    }
    if (lint->duplicate_rules && has_duplicates(file))
        outcome->has_lint = true;
    else
        printf("  SUCCESS: %zu rules found\n", rule_count(file));
    printf("\n");
    fflush(stdout);
    rule_file_unref(file);
}

static void read_option(struct slice name, struct check_lint *lint)
{
    bool all = slice_eq_str(name, "all");
    if (all || slice_eq_str(name, "duplicate-rules"))
        lint->duplicate_rules = true;
    if (all || slice_eq_str(name, "too-long-scrape-interval"))
        lint->long_intervals = true;
    if (!all && !lint->duplicate_rules && !lint->long_intervals && !slice_eq_str(name, "none"))
        fprintf(stderr, "WARNING: unknown lint option: \"%.*s\"\n", SLICE_ARG(name));
}

struct check_lint check_lint_read(const char *text, bool fatal)
{
    struct check_lint lint = {.fatal = fatal};
    struct slice left = slice_str(text);
    while (left.len > 0) {
        size_t comma = slice_index(left, ',');
        struct slice name = slice_sub(left, 0, comma == SLICE_NONE ? left.len : comma);
        read_option(slice_trim(name), &lint);
        left = slice_from_index(left, MIN(name.len + 1, left.len));
    }
    return lint;
}

int check_exit_code(const struct check_outcome *outcome, const struct check_lint *lint)
{
    if (outcome->has_errors)
        return CHECK_EXIT_FAILURE;
    return outcome->has_lint && lint->fatal ? CHECK_EXIT_LINT : EXIT_SUCCESS;
}
