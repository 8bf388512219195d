/*
 * Any bytes as a rule file: no crash, every problem with a place, and what loads is complete: each rule
 * has a name, an expression and its templates, and prints as the same group when it is loaded again.
 */
#include <stdlib.h>

#include "base/assert.h"
#include "rules/rule_file.h"

/* Larger inputs only repeat. */
#define INPUT_BYTES_MAX 65536
#define PATH "rules.yml"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_template(const struct template *template, struct slice text)
{
    ASSERT((template != NULL) == (slice_find(text, SLICE("{{")) != SLICE_NONE));
}

static void check_group(const struct rule_group_definition *group, struct buf *out)
{
    ASSERT(group->name.len > 0);
    for (size_t i = 0; i < group->rule_count; i++) {
        const struct rule_definition *rule = &group->rules[i];
        ASSERT((rule->record.len > 0) != (rule->alert.len > 0));
        ASSERT(rule->expression != NULL && rule->query.len > 0);
        for (size_t j = 0; rule->alert.len > 0 && j < rule->label_count; j++)
            check_template(rule->label_templates[j], rule->labels[j].value);
        for (size_t j = 1; j < rule->label_count; j++)
            ASSERT(slice_cmp(rule->labels[j - 1].name, rule->labels[j].name) < 0);
        for (size_t j = 0; rule->alert.len > 0 && j < rule->annotation_count; j++)
            check_template(rule->annotation_templates[j], rule->annotations[j].value);
    }
    rule_group_definition_print(group, 1, out);
}

/* The file's groups as text; false when it is refused. */
static bool load(struct slice text, struct buf *out)
{
    const struct rule_file_options options = {.utf8_names = true};
    struct rule_file *file = NULL;
    struct errbuf err = ERRBUF_INIT;
    struct buf problems;
    buf_init(&problems, 1 << 20);
    enum err code = rule_file_parse(text, PATH, &options, &file, &problems, &err);
    if (code == ERR_NONE) {
        ASSERT(problems.len == 0);
        for (size_t i = 0; i < file->group_count; i++)
            check_group(&file->groups[i], out);
    } else {
        ASSERT(slice_has_prefix(buf_slice(&problems), SLICE(PATH ":")));
    }
    rule_file_unref(file);
    buf_release(&problems);
    return code == ERR_NONE;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = slice_from((const char *)data, size);
    struct buf first;
    struct buf second;
    if (size > INPUT_BYTES_MAX)
        return 0;
    buf_init(&first, BUF_SIZE_ANY);
    buf_init(&second, BUF_SIZE_ANY);
    if (load(text, &first)) {
        bool again = load(text, &second);
        ASSERT(again && slice_eq(buf_slice(&first), buf_slice(&second)));
    }
    buf_release(&first);
    buf_release(&second);
    return 0;
}
