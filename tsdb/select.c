/* See the header. */
#include "tsdb/select.h"

#include "base/assert.h"
#include "model/symbols.h"

#include <string.h>

/* Intersecting with a list this many times longer than what is left costs more than looking. */
#define SELECT_LIST_RATIO 16
#define SELECT_MEMO_SIZE 256

typedef VEC(uint32_t) symbol_list;

/* A matcher on its way. */
struct selector {
    const struct matcher *matcher;
    uint32_t name; /* SYMBOL_NONE: no series has the label */
    bool matches_empty;
    bool listed; /* `values` are all that match */
    symbol_list values;
    symbol_list held;    /* references to those that were found by text */
    size_t series_count; /* of the values */
    bool done;
};

/* A symbol that nobody holds may come to mean another text. */
static void selector_add(struct head *head, struct selector *selector, struct slice text)
{
    uint32_t value = symbols_find(text);
    if (value == SYMBOL_NONE || value == SYMBOL_EMPTY)
        return;
    vec_push(&selector->held, value);
    size_t count = postings_count(&head->postings, selector->name, value);
    if (count == 0)
        return;
    vec_push(&selector->values, value);
    selector->series_count += count;
}

static void selector_release(struct selector *selector)
{
    symbols_unref(selector->name);
    for (size_t i = 0; i < selector->held.len; i++)
        symbols_unref(selector->held.items[i]);
    vec_release(&selector->held);
    vec_release(&selector->values);
}

/* What can be said without running a regular expression. */
static void selector_init(struct head *head, struct selector *selector,
                          const struct matcher *matcher)
{
    *selector = (struct selector){.matcher = matcher};
    selector->name = symbols_find(matcher->name);
    selector->matches_empty = matcher_matches_empty(matcher);
    bool positive = matcher->type == MATCHER_EQUAL || matcher->type == MATCHER_REGEX;
    if (selector->matches_empty || !positive)
        return;
    if (selector->name == SYMBOL_NONE) {
        selector->listed = true;
        return;
    }
    if (matcher->type != MATCHER_EQUAL && matcher->shape != MATCHER_SHAPE_LITERALS)
        return;
    selector->listed = true;
    if (matcher->type == MATCHER_EQUAL) {
        selector_add(head, selector, matcher->value);
        return;
    }
    for (size_t i = 0; i < matcher->literal_count; i++)
        selector_add(head, selector, matcher->literals[i]);
}

/* Asks the matcher about every value of its label. */
static void selector_list(struct head *head, struct selector *selector)
{
    if (selector->listed)
        return;
    ASSERT(!selector->matches_empty);
    selector->listed = true;
    posting_values values = {0};
    postings_values(&head->postings, selector->name, &values);
    for (size_t i = 0; i < values.len; i++) {
        if (!matcher_matches(selector->matcher, symbols_text(values.items[i].symbol)))
            continue;
        vec_push(&selector->values, values.items[i].symbol);
        selector->series_count += values.items[i].series_count;
    }
    vec_release(&values);
}

/* The selector to start from: the shortest list, else any that a label must be there for. */
static struct selector *selector_first(struct head *head, struct selector *selectors, size_t count)
{
    struct selector *best = NULL;
    for (size_t i = 0; i < count; i++) {
        if (selectors[i].listed && (best == NULL || selectors[i].series_count < best->series_count))
            best = &selectors[i];
    }
    if (best != NULL)
        return best;
    for (size_t i = 0; i < count; i++) {
        if (selectors[i].matches_empty)
            continue;
        if (selectors[i].name == SYMBOL_NONE) {
            selectors[i].listed = true; /* nobody has the label */
            return &selectors[i];
        }
        selector_list(head, &selectors[i]);
        if (best == NULL || selectors[i].series_count < best->series_count)
            best = &selectors[i];
    }
    return best;
}

/* Answers of a matcher by value, since many series share few values. */
struct selector_memo {
    struct {
        uint32_t symbol;
        bool known;
        bool matches;
    } entries[SELECT_MEMO_SIZE];
};

static bool selector_matches(const struct selector *selector, struct selector_memo *memo,
                             const struct labels *labels)
{
    uint32_t value =
        selector->name == SYMBOL_NONE ? SYMBOL_EMPTY : labels_value(labels, selector->name);
    if (value == SYMBOL_EMPTY)
        return selector->matches_empty;
    __typeof__(memo->entries[0]) *entry = &memo->entries[value % SELECT_MEMO_SIZE];
    if (!entry->known || entry->symbol != value) {
        entry->symbol = value;
        entry->known = true;
        entry->matches = matcher_matches(selector->matcher, symbols_text(value));
    }
    return entry->matches;
}

static void selector_filter(struct head *head, const struct selector *selector, ref_list *refs)
{
    struct selector_memo memo;
    memset(&memo, 0, sizeof(memo));
    size_t kept = 0;
    for (size_t i = 0; i < refs->len; i++) {
        struct series *series = head_series(head, refs->items[i]);
        if (series != NULL && selector_matches(selector, &memo, series->labels))
            refs->items[kept++] = refs->items[i];
    }
    refs->len = kept;
}

static void selector_apply(struct head *head, struct selector *selector, ref_list *refs)
{
    if (!selector->listed || selector->series_count / SELECT_LIST_RATIO > refs->len) {
        selector_filter(head, selector, refs);
        return;
    }
    ref_list list = {0};
    postings_read(&head->postings, selector->name, selector->values.items, selector->values.len,
                  &list);
    ref_list_intersect(refs, &list);
    vec_release(&list);
}

static void select_all(struct head *head, ref_list *out)
{
    struct series *series;
    for (series_ref ref = 1; (series = refs_next(&head->refs, &ref)) != NULL;)
        vec_push(out, series->ref);
}

void select_refs(struct head *head, const struct matcher *const *matchers, size_t count,
                 ref_list *out)
{
    VEC(struct selector) selectors = {0};
    vec_reserve(&selectors, count);
    for (size_t i = 0; i < count; i++)
        selector_init(head, vec_add(&selectors), matchers[i]);
    struct selector *first = selector_first(head, selectors.items, count);
    if (first == NULL) {
        select_all(head, out);
    } else {
        first->done = true;
        postings_read(&head->postings, first->name, first->values.items, first->values.len, out);
    }
    for (size_t i = 0; i < count && out->len > 0; i++) {
        if (!selectors.items[i].done)
            selector_apply(head, &selectors.items[i], out);
    }
    for (size_t i = 0; i < count; i++)
        selector_release(&selectors.items[i]);
    vec_release(&selectors);
}
