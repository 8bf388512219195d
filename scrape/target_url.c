#include "scrape/target_url.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/vec.h"
#include "net/url.h"

#define PARAMETER_PREFIX "__param_"

struct url_pair {
    struct slice name;
    struct slice value;
    size_t order; /* of the values of one name */
};

static int url_pair_compare(const void *a, const void *b)
{
    const struct url_pair *left = a;
    const struct url_pair *right = b;
    int order = slice_cmp(left->name, right->name);
    if (order != 0)
        return order;
    return left->order < right->order ? -1 : left->order > right->order;
}

/* The parameter's label stands for the first value; the others come from the configuration. */
static void url_print_query(const struct labels *labels, const struct config_scrape *scrape,
                            struct buf *out)
{
    VEC(struct url_pair) pairs = {0};
    const struct slice prefix = SLICE(PARAMETER_PREFIX);
    for (uint32_t i = 0; i < labels->count; i++) {
        struct slice name = symbols_text(labels->pairs[i].name);
        if (slice_has_prefix(name, prefix)) {
            vec_push(&pairs, (struct url_pair){.name = slice_from_index(name, prefix.len),
                                               .value = symbols_text(labels->pairs[i].value)});
        }
    }
    size_t label_count = pairs.len;
    for (size_t i = 0; i < scrape->parameter_count; i++) {
        const struct config_parameter *parameter = &scrape->parameters[i];
        size_t first = 0;
        for (size_t j = 0; j < label_count; j++) {
            if (slice_eq(pairs.items[j].name, parameter->name))
                first = 1;
        }
        for (size_t j = first; j < parameter->value_count; j++) {
            vec_push(&pairs, (struct url_pair){.name = parameter->name,
                                               .value = parameter->values[j],
                                               .order = j});
        }
    }
    if (pairs.len > 1)
        qsort(pairs.items, pairs.len, sizeof(*pairs.items), url_pair_compare);
    for (size_t i = 0; i < pairs.len; i++) {
        buf_append_byte(out, i == 0 ? '?' : '&');
        url_query_escape(pairs.items[i].name, out);
        buf_append_byte(out, '=');
        url_query_escape(pairs.items[i].value, out);
    }
    vec_release(&pairs);
}

void target_url_print(const struct labels *labels, const struct config_scrape *scrape,
                      struct buf *out)
{
    struct slice scheme = labels_get(labels, SLICE("__scheme__"));
    struct slice host = labels_get(labels, SLICE("__address__"));
    struct slice path = labels_get(labels, SLICE("__metrics_path__"));
    if (host.len == 0 && labels_get(labels, SLICE("__unix_socket__")).len > 0)
        host = SLICE("localhost");
    url_print(scheme, host, path, out);
    url_print_query(labels, scrape, out);
}
