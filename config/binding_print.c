/*
 * Objects back to YAML by the same tables that read them. Fields that are zero are left out unless
 * their row says otherwise, as the reference does.
 */
#include <math.h>
#include <stdlib.h>

#include "base/float_text.h"
#include "config/binding.h"
#include "model/duration.h"
#include "model/quote.h"

#define SECRET_SHOWN SLICE("<secret>")
/* Keys of parts that are kept as they came whose values are secrets. */
static const char *const secret_keys[] = {
    "password",      "credentials", "bearer_token",  "client_secret", "client_certificate_key",
    "token",         "auth_token",  "secret_key",    "access_key",    "key",
    "secrets",       "secret_id",   "adminpassword", "api_key",       "application_credential_secret",
    "authorization_key", NULL,
};

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

static int compare_pairs(const void *a, const void *b)
{
    return binding_compare_keys(((const struct config_label *)a)->name,
                                ((const struct config_label *)b)->name);
}

static struct yaml_tree_node *plain_text(const struct binding_printer *printer, const char *text)
{
    return yaml_tree_new_plain(printer->arena, slice_str(arena_strdup(printer->arena, text)));
}

static struct yaml_tree_node *print_number(const struct binding_printer *printer,
                                           const struct binding_field *field, const char *address)
{
    char text[FLOAT_TEXT_SIZE];
    if (field->kind == BINDING_FLOAT) {
        double value = *(const double *)address;
        if (isnan(value) || isinf(value))
            return plain_text(printer, isnan(value) ? ".nan" : value > 0 ? ".inf" : "-.inf");
        size_t len = float_text_g(value, text);
        return yaml_tree_new_plain(printer->arena,
                                   arena_slice(printer->arena, slice_from(text, len)));
    }
    if (field->kind == BINDING_INT)
        return yaml_tree_new_plain(
            printer->arena,
            slice_str(arena_printf(printer->arena, "%lld", (long long)*(const int64_t *)address)));
    return yaml_tree_new_plain(printer->arena,
                               slice_str(arena_printf(printer->arena, "%llu",
                                                      (unsigned long long)*(const uint64_t *)address)));
}

static struct yaml_tree_node *print_unit(const struct binding_printer *printer,
                                         const struct binding_field *field, const char *address)
{
    struct buf text;
    buf_init(&text, 256);
    if (field->kind == BINDING_DURATION)
        duration_print(*(const int64_t *)address, &text);
    else
        binding_print_size(*(const uint64_t *)address, &text);
    struct slice copy = arena_slice(printer->arena, buf_slice(&text));
    buf_release(&text);
    return yaml_tree_new_string(printer->arena, copy);
}

static struct yaml_tree_node *print_text_list(const struct binding_printer *printer,
                                              const struct binding_field *field,
                                              const struct slice *texts, size_t count)
{
    struct yaml_tree_node *list =
        yaml_tree_new_collection(printer->arena, YAML_TREE_SEQUENCE, count);
    list->flow = (field->flags & BINDING_FLOW) != 0;
    for (size_t i = 0; i < count; i++)
        yaml_tree_add(list, NULL,
                      field->kind == BINDING_SECRET_LIST
                          ? binding_print_secret(printer, texts[i])
                          : yaml_tree_new_string(printer->arena, texts[i]));
    return list;
}

struct yaml_tree_node *binding_print_pairs(const struct binding_printer *printer,
                                           const struct config_label *pairs, size_t count)
{
    struct yaml_tree_node *map =
        yaml_tree_new_collection(printer->arena, YAML_TREE_MAPPING, count);
    if (count == 0)
        return map;
    struct config_label *sorted = arena_alloc_array(printer->arena, count, sizeof(*sorted));
    memcpy(sorted, pairs, count * sizeof(*sorted));
    qsort(sorted, count, sizeof(*sorted), compare_pairs);
    for (size_t i = 0; i < count; i++)
        yaml_tree_add(map, yaml_tree_new_string(printer->arena, sorted[i].name),
                      yaml_tree_new_string(printer->arena, sorted[i].value));
    return map;
}

static bool is_secret_key(struct slice key)
{
    for (const char *const *word = secret_keys; *word != NULL; word++) {
        if (slice_eq_str(key, *word))
            return true;
    }
    return false;
}

/* A copy of what was kept as it came, without its secrets. */
static struct yaml_tree_node *print_opaque(const struct binding_printer *printer,
                                           const struct yaml_tree_node *node, bool secret)
{
    if (node->kind == YAML_TREE_NULL)
        return yaml_tree_new_plain(printer->arena, SLICE("null"));
    if (node->kind == YAML_TREE_SCALAR) {
        if (secret)
            return binding_print_secret(printer, node->text);
        struct slice text = printer->show_secrets
                                ? node->text
                                : binding_redact_url(printer->arena, node->text);
        return node->quoted ? yaml_tree_new_string(printer->arena, text)
                            : yaml_tree_new_plain(printer->arena, text);
    }
    struct yaml_tree_node *copy = yaml_tree_new_collection(printer->arena, node->kind, node->count);
    for (size_t i = 0; i < node->count; i++) {
        struct yaml_tree_node *key =
            node->kind == YAML_TREE_MAPPING
                ? yaml_tree_new_string(printer->arena, node->keys[i]->text)
                : NULL;
        bool hide = secret || (key != NULL && is_secret_key(key->text));
        yaml_tree_add(copy, key, print_opaque(printer, node->items[i], hide));
    }
    return copy;
}

static bool schema_is_zero(const struct binding_schema *schema, const char *object);

static bool field_is_zero(const struct binding_field *field, const char *object)
{
    const char *address = object + field->offset;
    switch (field->kind) {
    case BINDING_TEXT:
    case BINDING_SECRET:
    case BINDING_PATH:
    case BINDING_URL:
        return ((const struct slice *)address)->len == 0;
    case BINDING_BOOL:
        return !*(const bool *)address;
    case BINDING_INT:
    case BINDING_UINT:
    case BINDING_DURATION:
    case BINDING_SIZE:
        return *(const uint64_t *)address == 0;
    case BINDING_FLOAT:
        return *(const double *)address == 0;
    case BINDING_TEXT_LIST:
    case BINDING_SECRET_LIST:
    case BINDING_PATH_LIST:
    case BINDING_PAIRS:
    case BINDING_STRUCT_LIST:
        return *(const size_t *)(object + field->count_offset) == 0;
    case BINDING_STRUCT:
    case BINDING_INLINE:
        return schema_is_zero(field->schema, address);
    case BINDING_STRUCT_PRESENT:
        return !*(const bool *)(object + field->count_offset);
    case BINDING_STRUCT_POINTER:
    case BINDING_OPAQUE:
        return *(void *const *)address == NULL;
    case BINDING_CUSTOM:
        return false;
    case BINDING_REFUSED:
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

static struct yaml_tree_node *print_structs(const struct binding_printer *printer,
                                            const struct binding_field *field,
                                            const char *objects, size_t count)
{
    struct yaml_tree_node *list =
        yaml_tree_new_collection(printer->arena, YAML_TREE_SEQUENCE, count);
    for (size_t i = 0; i < count; i++)
        yaml_tree_add(list, NULL,
                      binding_print(printer, field->schema, objects + i * field->schema->size));
    return list;
}

static struct yaml_tree_node *print_text(const struct binding_printer *printer,
                                         const struct binding_field *field, struct slice text)
{
    if (field->kind == BINDING_SECRET)
        return binding_print_secret(printer, text);
    if (field->kind == BINDING_URL && !printer->show_secrets)
        text = binding_redact_url(printer->arena, text);
    return yaml_tree_new_string(printer->arena, text);
}

static struct yaml_tree_node *print_field(const struct binding_printer *printer,
                                          const struct binding_field *field, const char *object)
{
    const char *address = object + field->offset;
    const size_t *count = (const size_t *)(object + field->count_offset);
    switch (field->kind) {
    case BINDING_TEXT:
    case BINDING_SECRET:
    case BINDING_PATH:
    case BINDING_URL:
        return print_text(printer, field, *(const struct slice *)address);
    case BINDING_BOOL:
        return plain_text(printer, *(const bool *)address ? "true" : "false");
    case BINDING_INT:
    case BINDING_UINT:
    case BINDING_FLOAT:
        return print_number(printer, field, address);
    case BINDING_DURATION:
    case BINDING_SIZE:
        return print_unit(printer, field, address);
    case BINDING_TEXT_LIST:
    case BINDING_SECRET_LIST:
    case BINDING_PATH_LIST:
        return print_text_list(printer, field, *(const struct slice *const *)address, *count);
    case BINDING_PAIRS:
        return binding_print_pairs(printer, *(const struct config_label *const *)address, *count);
    case BINDING_STRUCT:
    case BINDING_STRUCT_PRESENT:
        return binding_print(printer, field->schema, address);
    case BINDING_STRUCT_POINTER:
        return binding_print(printer, field->schema, *(void *const *)address);
    case BINDING_STRUCT_LIST:
        return print_structs(printer, field, *(const char *const *)address, *count);
    case BINDING_CUSTOM:
        return field->print == NULL ? NULL : field->print(printer, field, object);
    case BINDING_OPAQUE:
        return print_opaque(printer, *(const struct yaml_tree_node *const *)address, false);
    case BINDING_INLINE:
    case BINDING_REFUSED:
        return NULL;
    }
    return NULL;
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
        struct yaml_tree_node *value = print_field(printer, field, object);
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
