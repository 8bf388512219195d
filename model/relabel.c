#include "model/relabel.h"

#include <locale.h>
#include <stdatomic.h>
#include <string.h>
#include <wctype.h>

#include "base/assert.h"
#include "base/buf.h"
#include "base/digest.h"
#include "base/regex.h"
#include "base/utf8.h"
#include "model/quote.h"

#define DEFAULT_SEPARATOR ";"
#define DEFAULT_REGEX "(.*)"
#define DEFAULT_REPLACEMENT "$1"
/* Values are bounded by the limits of their sources; an expansion repeats them a few times. */
#define VALUE_BYTES_MAX ((size_t)64 << 20)

static const char *const action_names[] = {
    [RELABEL_REPLACE] = "replace",
    [RELABEL_KEEP] = "keep",
    [RELABEL_DROP] = "drop",
    [RELABEL_KEEP_EQUAL] = "keepequal",
    [RELABEL_DROP_EQUAL] = "dropequal",
    [RELABEL_HASHMOD] = "hashmod",
    [RELABEL_LABELMAP] = "labelmap",
    [RELABEL_LABELDROP] = "labeldrop",
    [RELABEL_LABELKEEP] = "labelkeep",
    [RELABEL_LOWERCASE] = "lowercase",
    [RELABEL_UPPERCASE] = "uppercase",
};

const char *relabel_action_name(enum relabel_action action)
{
    ASSERT((size_t)action < ARRAY_SIZE(action_names));
    return action_names[action];
}

bool relabel_action_parse(struct slice name, enum relabel_action *out)
{
    for (size_t i = 0; i < ARRAY_SIZE(action_names); i++) {
        if (name.len == strlen(action_names[i]) &&
            strncasecmp(name.ptr, action_names[i], name.len) == 0) {
            *out = (enum relabel_action)i;
            return true;
        }
    }
    return false;
}

void relabel_rule_init(struct relabel_rule *rule)
{
    *rule = (struct relabel_rule){
        .separator = SLICE(DEFAULT_SEPARATOR),
        .regex_text = SLICE(DEFAULT_REGEX),
        .target_label = SLICE_EMPTY,
        .replacement = SLICE(DEFAULT_REPLACEMENT),
        .action = RELABEL_REPLACE,
        .utf8_names = true,
    };
}

static bool has_variable(struct slice text)
{
    return slice_index(text, '$') != SLICE_NONE;
}

static bool name_valid(const struct relabel_rule *rule, struct slice name)
{
    return rule->utf8_names ? labels_name_valid_utf8(name) : labels_name_valid_legacy(name);
}

static bool is_word_byte(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || byte == '_';
}

static size_t word_length(struct slice text, size_t at)
{
    size_t end = at;
    while (end < text.len && is_word_byte(text.ptr[end]))
        end++;
    return end - at;
}

/* A name of the legacy scheme in which $word or ${word} stand for parts. */
static bool template_valid_legacy(struct slice text)
{
    size_t at = 0;
    while (at < text.len) {
        char byte = text.ptr[at];
        if (byte != '$') {
            if (!is_word_byte(byte) || (at == 0 && byte >= '0' && byte <= '9'))
                return false;
            at++;
            continue;
        }
        bool braces = at + 1 < text.len && text.ptr[at + 1] == '{';
        size_t len = word_length(text, at + 1 + braces);
        at += 1 + braces + len;
        if (len == 0 || (braces && (at == text.len || text.ptr[at] != '}')))
            return false;
        at += braces;
    }
    return text.len > 0;
}

/* A name in which variables of the regex may stand. */
static bool template_valid(const struct relabel_rule *rule, struct slice text)
{
    return rule->utf8_names ? labels_name_valid_utf8(text) : template_valid_legacy(text);
}

static enum err refuse_name(const struct relabel_rule *rule, struct slice name, const char *field,
                            struct errbuf *err)
{
    struct buf quoted;
    buf_init(&quoted, ERRBUF_TEXT_SIZE);
    quote_go(name, &quoted);
    errbuf_set(err, ERR_INVALID, "%s is invalid '%s' for %s action", buf_cstr(&quoted), field,
               relabel_action_name(rule->action));
    buf_release(&quoted);
    return ERR_INVALID;
}

static bool needs_target(enum relabel_action action)
{
    return action == RELABEL_REPLACE || action == RELABEL_HASHMOD || action == RELABEL_LOWERCASE ||
           action == RELABEL_UPPERCASE || action == RELABEL_KEEP_EQUAL ||
           action == RELABEL_DROP_EQUAL;
}

static enum err check_names(const struct relabel_rule *rule, struct errbuf *err)
{
    enum relabel_action action = rule->action;
    if (needs_target(action)) {
        bool template = action == RELABEL_REPLACE && has_variable(rule->target_label);
        bool valid = template ? template_valid(rule, rule->target_label)
                              : name_valid(rule, rule->target_label);
        if (!valid)
            return refuse_name(rule, rule->target_label, "target_label", err);
    }
    bool fixed_replacement =
        needs_target(action) && action != RELABEL_REPLACE && action != RELABEL_HASHMOD;
    if (fixed_replacement && !slice_eq_str(rule->replacement, DEFAULT_REPLACEMENT))
        return errbuf_set(err, ERR_INVALID, "'replacement' can not be set for %s action",
                          relabel_action_name(action));
    if (action == RELABEL_LABELMAP && !template_valid(rule, rule->replacement))
        return refuse_name(rule, rule->replacement, "replacement", err);
    return ERR_NONE;
}

/* Fields that the action does not take must have their defaults. */
static enum err check_unused(const struct relabel_rule *rule, struct errbuf *err)
{
    enum relabel_action action = rule->action;
    bool others_set = rule->modulus != 0 || !slice_eq_str(rule->separator, DEFAULT_SEPARATOR) ||
                      !slice_eq_str(rule->replacement, DEFAULT_REPLACEMENT);
    if (action == RELABEL_DROP_EQUAL || action == RELABEL_KEEP_EQUAL) {
        if (others_set || !slice_eq_str(rule->regex_text, DEFAULT_REGEX))
            return errbuf_set(err, ERR_INVALID,
                              "%s action requires only 'source_labels' and `target_label`, and no "
                              "other fields",
                              relabel_action_name(action));
    }
    if (action == RELABEL_LABELDROP || action == RELABEL_LABELKEEP) {
        if (others_set || rule->source_label_count > 0 || rule->target_label.len > 0)
            return errbuf_set(err, ERR_INVALID,
                              "%s action requires only 'regex', and no other fields",
                              relabel_action_name(action));
    }
    return ERR_NONE;
}

enum err relabel_rule_compile(struct relabel_rule *rule, struct errbuf *err)
{
    ASSERT(rule->regex == NULL);
    if (rule->modulus == 0 && rule->action == RELABEL_HASHMOD)
        return errbuf_set(err, ERR_INVALID,
                          "relabel configuration for hashmod requires non-zero modulus");
    if (needs_target(rule->action) && rule->target_label.len == 0)
        return errbuf_set(err, ERR_INVALID,
                          "relabel configuration for %s action requires 'target_label' value",
                          relabel_action_name(rule->action));
    enum err code = check_names(rule, err);
    if (code == ERR_NONE)
        code = check_unused(rule, err);
    if (code == ERR_NONE)
        code = regex_new(rule->regex_text, &rule->regex, err);
    return code;
}

void relabel_rule_release(struct relabel_rule *rule)
{
    regex_free(rule->regex);
    rule->regex = NULL;
}

/* The values of the source labels, joined; in `memory` where there are several. */
static struct slice source_value(const struct relabel_rule *rule,
                                 const struct labels_builder *labels, struct buf *memory)
{
    if (rule->source_label_count == 0)
        return SLICE_EMPTY;
    if (rule->source_label_count == 1)
        return labels_builder_get(labels, rule->source_labels[0]);
    for (size_t i = 0; i < rule->source_label_count; i++) {
        if (i > 0)
            buf_append_slice(memory, rule->separator);
        buf_append_slice(memory, labels_builder_get(labels, rule->source_labels[i]));
    }
    return buf_slice(memory);
}

static void apply_replace(const struct relabel_rule *rule, struct slice value,
                          struct labels_builder *labels)
{
    /* most rules copy a label: the default regex matches always and $1 is the value */
    bool copies =
        slice_eq_str(rule->regex_text, DEFAULT_REGEX) && !has_variable(rule->target_label);
    if (copies && !has_variable(rule->replacement)) {
        labels_builder_set(labels, rule->target_label, rule->replacement);
        return;
    }
    if (copies && slice_eq_str(rule->replacement, DEFAULT_REPLACEMENT)) {
        labels_builder_set(labels, rule->target_label, value);
        return;
    }
    struct regex_match match;
    if (!regex_match_groups(rule->regex, value, &match))
        return;
    struct buf target;
    struct buf result;
    buf_init(&target, VALUE_BYTES_MAX);
    buf_init(&result, VALUE_BYTES_MAX);
    regex_expand(rule->regex, rule->target_label, &match, &target);
    if (name_valid(rule, buf_slice(&target))) {
        regex_expand(rule->regex, rule->replacement, &match, &result);
        labels_builder_set(labels, buf_slice(&target), buf_slice(&result));
    }
    buf_release(&target);
    buf_release(&result);
}

/* The locale of letters; NULL where the system has none, then only ASCII letters change. */
static locale_t case_locale(void)
{
    static _Atomic(locale_t) shared = NULL;
    locale_t locale = atomic_load(&shared);
    if (locale != NULL)
        return locale;
    locale_t fresh = newlocale(LC_CTYPE_MASK, "C.UTF-8", NULL);
    if (fresh == NULL)
        return NULL;
    if (atomic_compare_exchange_strong(&shared, &locale, fresh))
        return fresh;
    freelocale(fresh);
    return locale;
}

static uint32_t change_case(uint32_t rune, bool upper, locale_t locale)
{
    if (rune < 0x80) {
        bool letter = upper ? rune >= 'a' && rune <= 'z' : rune >= 'A' && rune <= 'Z';
        return letter ? rune ^ 0x20 : rune;
    }
    if (locale == NULL)
        return rune;
    return (uint32_t)(upper ? towupper_l((wint_t)rune, locale) : towlower_l((wint_t)rune, locale));
}

static void apply_case(const struct relabel_rule *rule, struct slice value,
                       struct labels_builder *labels)
{
    struct buf result;
    buf_init(&result, VALUE_BYTES_MAX);
    bool upper = rule->action == RELABEL_UPPERCASE;
    locale_t locale = case_locale();
    while (value.len > 0) {
        uint32_t rune;
        char encoded[4];
        value = slice_from_index(value, utf8_decode(value, &rune));
        buf_append(&result, encoded, utf8_encode(change_case(rune, upper, locale), encoded));
    }
    labels_builder_set(labels, rule->target_label, buf_slice(&result));
    buf_release(&result);
}

static void apply_hashmod(const struct relabel_rule *rule, struct slice value,
                          struct labels_builder *labels)
{
    uint8_t digest[DIGEST_MD5_BYTES];
    digest_md5(value, digest);
    uint64_t hash = 0;
    for (size_t i = DIGEST_MD5_BYTES / 2; i < DIGEST_MD5_BYTES; i++)
        hash = hash << 8 | digest[i];
    struct buf number;
    buf_init(&number, 32);
    buf_append_uint(&number, hash % rule->modulus);
    labels_builder_set(labels, rule->target_label, buf_slice(&number));
    buf_release(&number);
}

static void apply_labelmap(const struct relabel_rule *rule, struct labels_builder *labels)
{
    /* the labels as they were before the rule, since it may overwrite what it has yet to read */
    struct labels *before = labels_builder_build(labels);
    struct buf name;
    buf_init(&name, VALUE_BYTES_MAX);
    for (size_t i = 0; i < before->count; i++) {
        struct regex_match match;
        if (!regex_match_groups(rule->regex, symbols_text(before->pairs[i].name), &match))
            continue;
        buf_reset(&name);
        regex_expand(rule->regex, rule->replacement, &match, &name);
        if (name.len > 0)
            labels_builder_set(labels, buf_slice(&name), symbols_text(before->pairs[i].value));
    }
    buf_release(&name);
    labels_unref(before);
}

static void apply_label_filter(const struct relabel_rule *rule, struct labels_builder *labels)
{
    bool drop_matching = rule->action == RELABEL_LABELDROP;
    for (size_t i = labels_builder_count(labels); i > 0; i--) {
        struct slice name = symbols_text(labels->pairs.items[i - 1].name);
        if (regex_match(rule->regex, name) == drop_matching)
            labels_builder_delete(labels, name);
    }
}

static bool apply_rule(const struct relabel_rule *rule, struct slice value,
                       struct labels_builder *labels)
{
    switch (rule->action) {
    case RELABEL_KEEP:
        return regex_match(rule->regex, value);
    case RELABEL_DROP:
        return !regex_match(rule->regex, value);
    case RELABEL_KEEP_EQUAL:
        return slice_eq(labels_builder_get(labels, rule->target_label), value);
    case RELABEL_DROP_EQUAL:
        return !slice_eq(labels_builder_get(labels, rule->target_label), value);
    case RELABEL_REPLACE:
        apply_replace(rule, value, labels);
        break;
    case RELABEL_LOWERCASE:
    case RELABEL_UPPERCASE:
        apply_case(rule, value, labels);
        break;
    case RELABEL_HASHMOD:
        apply_hashmod(rule, value, labels);
        break;
    case RELABEL_LABELMAP:
        apply_labelmap(rule, labels);
        break;
    case RELABEL_LABELDROP:
    case RELABEL_LABELKEEP:
        apply_label_filter(rule, labels);
        break;
    }
    return true;
}

bool relabel_apply(const struct relabel_rule *rules, size_t rule_count,
                   struct labels_builder *labels)
{
    struct buf joined;
    buf_init(&joined, VALUE_BYTES_MAX);
    bool kept = true;
    for (size_t i = 0; i < rule_count && kept; i++) {
        buf_reset(&joined);
        kept = apply_rule(&rules[i], source_value(&rules[i], labels, &joined), labels);
    }
    buf_release(&joined);
    return kept;
}
