/* Metrics are told apart by a hash of family and labels, but those that tell their own samples
 * apart. */
#include "exposition/created.h"

#include "base/hash.h"
#include "exposition/entry.h"

#define SUFFIX SLICE("_created")
#define ARENA_BYTES_MAX ((size_t)64 << 20)

void created_lines_init(struct created_lines *lines)
{
    *lines = (struct created_lines){0};
    arena_init(&lines->arena, ARENA_BYTES_MAX);
}

void created_lines_release(struct created_lines *lines)
{
    arena_release(&lines->arena);
}

static bool type_counts(enum metric_type type)
{
    return type == METRIC_COUNTER || type == METRIC_HISTOGRAM || type == METRIC_SUMMARY;
}

/* Name and labels; false where they are no good, which others will tell. */
static bool take_apart(struct created_lines *lines, const struct exposition_series *series,
                       struct slice *out_name, struct exposition_label **out_labels,
                       size_t *out_count)
{
    arena_reset(&lines->arena);
    return exposition_series_labels(series, &lines->arena, out_name, out_labels, out_count, NULL) ==
           ERR_NONE;
}

static bool has_suffix(struct created_lines *lines, const struct exposition_series *series)
{
    struct slice name = series->text;
    struct exposition_label *labels;
    size_t count;
    if (name.len > 0 && name.ptr[0] == '{' && !take_apart(lines, series, &name, &labels, &count))
        return false;
    size_t brace = slice_index(name, '{');
    if (series->text.ptr == name.ptr && brace != SLICE_NONE)
        name = slice_sub(name, 0, brace);
    return slice_has_suffix(name, SUFFIX);
}

bool created_lines_is(struct created_lines *lines, const struct exposition_series *series)
{
    struct slice name;
    struct exposition_label *labels;
    size_t count;
    /* one with broken labels goes on as a sample, so that it is told */
    return type_counts(series->type) && has_suffix(lines, series) &&
           take_apart(lines, series, &name, &labels, &count);
}

/* The metric that a sample belongs to: `cut` bytes of its name, and its labels. */
static bool metric_key(struct created_lines *lines, const struct exposition_series *series,
                       bool created, uint64_t *out)
{
    struct slice name;
    struct exposition_label *labels;
    size_t count;
    if (!take_apart(lines, series, &name, &labels, &count))
        return false;
    size_t len = created ? name.len - SUFFIX.len : lines->family.len;
    if (len > name.len)
        return false;
    uint64_t key = hash_slice(slice_sub(name, 0, len), 0);
    for (size_t i = 0; i < count; i++) {
        if ((series->type == METRIC_HISTOGRAM && slice_eq_str(labels[i].name, "le")) ||
            (series->type == METRIC_SUMMARY && slice_eq_str(labels[i].name, "quantile")))
            continue;
        key =
            hash_mix(hash_mix(key, hash_slice(labels[i].name, 1)), hash_slice(labels[i].value, 2));
    }
    *out = key;
    return true;
}

/* The next such line of this family, or none up to its end. */
static void look_ahead(struct created_lines *lines, const struct exposition_lexer *from,
                       enum metric_type type)
{
    struct exposition_lexer lexer = *from;
    struct entry entry;
    lines->found = false;
    do {
        lines->until = lexer.at;
        if (lexer.at >= lexer.body.len || entry_read(&lexer, &entry, NULL) != ERR_NONE ||
            entry.kind != ENTRY_SAMPLE)
            break;
        struct exposition_series series = {.text = entry.series, .type = type, .openmetrics = true};
        if (has_suffix(lines, &series)) {
            lines->found = metric_key(lines, &series, true, &lines->key);
            double ms = entry.value * 1000;
            lines->start_ms = ms > -0x1p63 && ms < 0x1p63 ? (int64_t)ms : 0;
            lines->until = lexer.at;
            break;
        }
    } while (true);
    lines->until = MAX(lines->until, from->at + 1);
}

int64_t created_lines_find(struct created_lines *lines, const struct exposition_lexer *lexer,
                           const struct exposition_series *series)
{
    if (!type_counts(series->type))
        return 0;
    if (lexer->at >= lines->until)
        look_ahead(lines, lexer, series->type);
    uint64_t key;
    return lines->found && metric_key(lines, series, false, &key) && key == lines->key
               ? lines->start_ms
               : 0;
}
