/*
 * Templates for tests of rules: text with {{ $labels.name }} and {{ $value }}, nothing else. {{ fail }}
 * is an error when executed; a brace that is not closed and an unknown word are errors when parsed.
 */
#include "rules/template.h"

#include "base/alloc.h"
#include "base/float_text.h"

struct template {
    char *text;
};

static bool word_known(struct slice word)
{
    return slice_has_prefix(word, SLICE("$labels.")) || slice_eq_str(word, "$value") ||
           slice_eq_str(word, "fail");
}

enum err template_parse(struct slice name, struct slice text, struct template **out,
                        struct errbuf *err)
{
    struct slice rest = text;
    size_t open;
    while ((open = slice_find(rest, SLICE("{{"))) != SLICE_NONE) {
        rest = slice_from_index(rest, open + 2);
        size_t close = slice_find(rest, SLICE("}}"));
        if (close == SLICE_NONE)
            return errbuf_set(err, ERR_INVALID, "template: %.*s:1: unclosed action",
                              SLICE_ARG(name));
        struct slice word = slice_trim(slice_sub(rest, 0, close));
        if (!word_known(word))
            return errbuf_set(err, ERR_INVALID, "template: %.*s:1: function \"%.*s\" not defined",
                              SLICE_ARG(name), SLICE_ARG(word));
        rest = slice_from_index(rest, close + 2);
    }
    *out = mem_alloc(sizeof(**out));
    (*out)->text = mem_strndup(text.ptr, text.len);
    return ERR_NONE;
}

void template_free(struct template *template)
{
    if (template == NULL)
        return;
    mem_free(template->text);
    mem_free(template);
}

enum err template_execute(const struct template *template, const struct template_data *data,
                          struct buf *out, struct errbuf *err)
{
    struct slice rest = slice_str(template->text);
    size_t open;
    while ((open = slice_find(rest, SLICE("{{"))) != SLICE_NONE) {
        buf_append_slice(out, slice_sub(rest, 0, open));
        rest = slice_from_index(rest, open + 2);
        size_t close = slice_find(rest, SLICE("}}"));
        struct slice word = slice_trim(slice_sub(rest, 0, close));
        rest = slice_from_index(rest, close + 2);
        char number[FLOAT_TEXT_SHORT_SIZE];
        if (slice_eq_str(word, "fail"))
            return errbuf_set(err, ERR_EXECUTION, "it failed");
        if (slice_eq_str(word, "$value"))
            buf_append(out, number, float_text_g(data->value, number));
        else
            buf_append_slice(out, labels_get(data->labels, slice_from_index(word, 8)));
    }
    buf_append_slice(out, rest);
    return ERR_NONE;
}
