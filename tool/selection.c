#include "tool/selection.h"

#include <stdlib.h>

#include "base/buf.h"
#include "promql/promql.h"

static int entry_compare(const void *a, const void *b)
{
    const struct series_entry *x = a, *y = b;
    return labels_compare(x->labels, y->labels);
}

static void add_entries(struct series_list *list, const struct series_list *added)
{
    for (size_t i = 0; i < added->entries.len; i++)
        vec_push(&list->entries, added->entries.items[i]);
    if (list->entries.len > 1)
        qsort(list->entries.items, list->entries.len, sizeof(*list->entries.items), entry_compare);
    size_t kept = 0;
    for (size_t i = 0; i < list->entries.len; i++) {
        if (kept == 0 ||
            !labels_equal(list->entries.items[kept - 1].labels, list->entries.items[i].labels))
            list->entries.items[kept++] = list->entries.items[i];
    }
    list->entries.len = kept;
}

enum err selection_add(struct series_view *view, const char *selector, int64_t min_ms,
                       int64_t max_ms, struct series_list *list, struct errbuf *err)
{
    struct promql_matchers matchers;
    enum err code = promql_parse_selector(slice_str(selector), &matchers, err);
    if (code != ERR_NONE) {
        struct buf text CLEANUP(buf_release);
        buf_init(&text, 4096);
        if (err != NULL) {
            promql_error_text(err, &text);
            errbuf_set(err, code, "%s", buf_cstr(&text));
        }
        return code;
    }
    struct series_list CLEANUP(series_list_release) found = {0};
    struct series_query query = {.matchers = (const struct matcher *const *)matchers.items,
                                 .matcher_count = matchers.count,
                                 .min_ms = min_ms,
                                 .max_ms = max_ms,
                                 .sorted = true};
    code = series_view_select(view, &query, &found, err);
    if (code == ERR_NONE)
        add_entries(list, &found);
    promql_matchers_free(&matchers);
    return code;
}
