/*
 * Objects back to YAML by the same tables that read them. Fields that are zero are left out unless
 * their row says otherwise, as the reference does.
 */
#include "config/binding_internal.h"
#include "model/quote.h"

#define SECRET_SHOWN SLICE("<secret>")

struct yaml_tree_node *binding_print_secret(const struct binding_printer *printer,
                                            struct slice secret)
{
    return yaml_tree_new_string(printer->arena, printer->show_secrets ? secret : SECRET_SHOWN);
}

struct slice binding_redact_url(struct arena *arena, struct slice url)
{
    size_t scheme_end = slice_find(url, SLICE("://"));
    if (scheme_end == SLICE_NONE)
        return url;
    struct slice rest = slice_from_index(url, scheme_end + 3);
    size_t authority_len = 0;
    size_t at = SLICE_NONE;
    size_t colon = SLICE_NONE;
    for (; authority_len < rest.len; authority_len++) {
        char byte = rest.ptr[authority_len];
        if (byte == '/' || byte == '?' || byte == '#')
            break;
        if (byte == '@')
            at = authority_len;
        if (byte == ':' && colon == SLICE_NONE)
            colon = authority_len;
    }
    if (at == SLICE_NONE || colon == SLICE_NONE || colon > at)
        return url;
    return slice_str(arena_printf(arena, "%.*s://%.*s:xxxxx%.*s", (int)scheme_end, url.ptr,
                                  (int)colon, rest.ptr, (int)(rest.len - at), rest.ptr + at));
}

const char *binding_quote(struct arena *arena, struct slice text)
{
    struct buf quoted;
    buf_init(&quoted, BUF_SIZE_ANY);
    quote_go(text, &quoted);
    char *copy = arena_strdup(arena, buf_cstr(&quoted));
    buf_release(&quoted);
    return copy;
}

static bool is_letter(uint32_t rune)
{
    return rune >= 0x80 || (rune >= 'a' && rune <= 'z') || (rune >= 'A' && rune <= 'Z');
}

static bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

/* Where two keys differ first: letters go behind other characters, numbers compare by value. */
static int compare_difference(struct slice a, struct slice b, size_t at)
{
    bool a_letter = is_letter((unsigned char)a.ptr[at]);
    bool b_letter = is_letter((unsigned char)b.ptr[at]);
    if (a_letter != b_letter)
        return a_letter ? 1 : -1;
    int order = (unsigned char)a.ptr[at] < (unsigned char)b.ptr[at] ? -1 : 1;
    if (a_letter)
        return order;
    uint64_t a_number = 0;
    uint64_t b_number = 0;
    if (a.ptr[at] == '0' || b.ptr[at] == '0') {
        /* a 0 behind other digits of a number counts as a digit, not as padding */
        for (size_t i = at; i-- > 0 && is_digit(a.ptr[i]);) {
            if (a.ptr[i] != '0') {
                a_number = b_number = 1;
                break;
            }
        }
    }
    size_t a_end = at;
    size_t b_end = at;
    for (; a_end < a.len && is_digit(a.ptr[a_end]); a_end++)
        a_number = a_number * 10 + (uint64_t)(a.ptr[a_end] - '0');
    for (; b_end < b.len && is_digit(b.ptr[b_end]); b_end++)
        b_number = b_number * 10 + (uint64_t)(b.ptr[b_end] - '0');
    if (a_number != b_number)
        return a_number < b_number ? -1 : 1;
    if (a_end != b_end)
        return a_end < b_end ? -1 : 1;
    return order;
}

int binding_compare_keys(struct slice a, struct slice b)
{
    for (size_t i = 0; i < a.len && i < b.len; i++) {
        if (a.ptr[i] != b.ptr[i])
            return compare_difference(a, b, i);
    }
    return a.len < b.len ? -1 : a.len > b.len;
}

static bool schema_is_zero(const struct binding_schema *schema, const char *object);

static bool field_is_zero(const struct binding_field *field, const char *object)
{
    static const char zeros[sizeof(uint64_t)];
    const struct binding_operations *operations = &binding_operations[field->kind];
    const void *address = binding_address(field, object);
    switch (operations->zero) {
    case BINDING_ZERO_TEXT:
        return ((const struct slice *)address)->len == 0;
    case BINDING_ZERO_BYTES:
        return memcmp(address, zeros, operations->size) == 0;
    case BINDING_ZERO_COUNT:
        return *binding_count(field, object) == 0;
    case BINDING_ZERO_PRESENT:
        return !*(const bool *)(object + field->count_offset);
    case BINDING_ZERO_STRUCT:
        return schema_is_zero(field->schema, address);
    case BINDING_ZERO_NEVER:
        return false;
    case BINDING_ZERO_ALWAYS:
        return true;
    }
    return true;
}

static bool schema_is_zero(const struct binding_schema *schema, const char *object)
{
    for (size_t i = 0; i < schema->field_count; i++) {
        if (!field_is_zero(&schema->fields[i], object))
            return false;
    }
    return true;
}

static size_t row_count(const struct binding_schema *schema)
{
    size_t count = 0;
    for (size_t i = 0; i < schema->field_count; i++)
        count += schema->fields[i].kind == BINDING_INLINE ? row_count(schema->fields[i].schema) : 1;
    return count;
}

static void print_fields(const struct binding_printer *printer,
                         const struct binding_schema *schema, const char *object,
                         struct yaml_tree_node *map)
{
    for (size_t i = 0; i < schema->field_count; i++) {
        const struct binding_field *field = &schema->fields[i];
        if (field->kind == BINDING_INLINE) {
            print_fields(printer, field->schema, object + field->offset, map);
            continue;
        }
        if ((field->flags & BINDING_NOT_PRINTED) ||
            (!(field->flags & BINDING_ALWAYS) && field_is_zero(field, object)))
            continue;
        const struct binding_operations *operations = &binding_operations[field->kind];
        if (operations->print == NULL)
            continue;
        struct yaml_tree_node *value = operations->print(printer, field, object);
        if (value != NULL)
            yaml_tree_add(map, yaml_tree_new_string(printer->arena, slice_str(field->key)), value);
    }
}

struct yaml_tree_node *binding_print(const struct binding_printer *printer,
                                     const struct binding_schema *schema, const void *object)
{
    struct yaml_tree_node *map =
        yaml_tree_new_collection(printer->arena, YAML_TREE_MAPPING, row_count(schema));
    print_fields(printer, schema, object, map);
    return map;
}
