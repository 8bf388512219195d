/*
 * Reading works on libyaml's events, not on its documents: so depth and growth are checked while the
 * text comes in. An alias shares the node that it names; what it adds is counted as if it were
 * copied, because whoever walks the tree meets all of it.
 */
#include "config/yaml_tree.h"

#include <stdio.h>

#include <yaml.h>

#include "base/hash.h"
#include "base/table.h"
#include "base/vec.h"

/* Nodes and member arrays of YAML_NODES_MAX nodes, and the text once. */
#define ARENA_SIZE_MAX ((size_t)1 << 30)
/* Below this number of members a mapping is searched member by member. */
#define MAPPING_LINEAR_MAX 8

/* A node while it is read, with what the limits need to know. */
struct reading {
    struct yaml_tree_node node;
    uint64_t size;   /* nodes from here down, with aliases as if they were copied */
    uint64_t bytes;  /* their texts, the same way */
    uint32_t height; /* levels from here down */
    bool open;       /* not complete: an alias to it would be a loop */
};

struct anchor {
    struct slice name;
    struct reading *node;
};

struct loader {
    yaml_parser_t parser;
    struct arena *arena;
    struct errbuf *err;
    struct slice text;
    struct table anchors;
    uint64_t size;          /* of all that was read so far */
    uint64_t aliased_bytes; /* texts that aliases stand for */
};

/* The members of a collection while it is read. */
struct members {
    VEC(struct yaml_tree_node *) keys;
    VEC(struct yaml_tree_node *) items;
};

static void members_release(struct members *members)
{
    vec_release(&members->keys);
    vec_release(&members->items);
}

static enum err fail_at(struct loader *loader, const yaml_mark_t *mark, const char *text)
{
    return errbuf_set_at(loader->err, ERR_INVALID, (uint32_t)mark->line + 1,
                         (uint32_t)mark->column + 1, "yaml: line %zu: %s", mark->line + 1, text);
}

static enum err fail_node(struct loader *loader, const struct yaml_tree_node *node,
                          const char *text)
{
    return errbuf_set_at(loader->err, ERR_INVALID, node->line, node->column, "yaml: line %u: %s",
                         node->line, text);
}

/* Line and column of a byte: the reader's errors have an offset only. */
static yaml_mark_t mark_of_offset(struct slice text, size_t offset)
{
    yaml_mark_t mark = {.index = offset};
    for (size_t i = 0; i < offset && i < text.len; i++) {
        if (text.ptr[i] == '\n') {
            mark.line++;
            mark.column = 0;
        } else {
            mark.column++;
        }
    }
    return mark;
}

static enum err fail_parser(struct loader *loader)
{
    const yaml_parser_t *parser = &loader->parser;
    const char *problem = parser->problem == NULL ? "unknown problem" : parser->problem;
    if (parser->error == YAML_READER_ERROR) {
        yaml_mark_t mark = mark_of_offset(loader->text, parser->problem_offset);
        return fail_at(loader, &mark, problem);
    }
    const yaml_mark_t *mark = &parser->problem_mark;
    char text[256];
    /* libyaml says where it stands and, often more telling, which construct it was in */
    if (parser->context != NULL && parser->context_mark.line != mark->line)
        snprintf(text, sizeof(text), "%s (%s that starts on line %zu)", problem, parser->context,
                 parser->context_mark.line + 1);
    else
        snprintf(text, sizeof(text), "%s", problem);
    return fail_at(loader, mark, text);
}

static void event_cleanup(yaml_event_t *event)
{
    yaml_event_delete(event);
}

static enum err next_event(struct loader *loader, yaml_event_t *event)
{
    if (!yaml_parser_parse(&loader->parser, event)) {
        memset(event, 0, sizeof(*event));
        return fail_parser(loader);
    }
    return ERR_NONE;
}

/* A node of `mark` that is charged to the limit. */
static enum err new_node(struct loader *loader, enum yaml_tree_kind kind, const yaml_mark_t *mark,
                         struct reading **out)
{
    if (++loader->size > YAML_NODES_MAX)
        return fail_at(loader, mark, "the document has too many nodes");
    struct reading *reading = arena_zalloc(loader->arena, sizeof(*reading));
    reading->node.kind = kind;
    reading->node.line = (uint32_t)mark->line + 1;
    reading->node.column = (uint32_t)mark->column + 1;
    reading->size = 1;
    reading->height = 1;
    *out = reading;
    return ERR_NONE;
}

static bool anchor_equal(const void *value, const void *key)
{
    const struct anchor *anchor = value;
    return slice_eq(anchor->name, *(const struct slice *)key);
}

/* A later anchor of the same name replaces the earlier one. */
static void set_anchor(struct loader *loader, const yaml_char_t *name, struct reading *node)
{
    if (name == NULL)
        return;
    struct slice text = slice_str((const char *)name);
    uint64_t hash = hash_slice(text, 0);
    struct anchor *anchor = table_get(&loader->anchors, hash, anchor_equal, &text);
    if (anchor == NULL) {
        anchor = arena_zalloc(loader->arena, sizeof(*anchor));
        anchor->name = arena_slice(loader->arena, text);
        table_add(&loader->anchors, hash, anchor);
    }
    anchor->node = node;
}

static enum err load_alias(struct loader *loader, const yaml_event_t *event, uint32_t depth,
                           struct reading **out)
{
    struct slice name = slice_str((const char *)event->data.alias.anchor);
    struct anchor *anchor =
        table_get(&loader->anchors, hash_slice(name, 0), anchor_equal, &name);
    char text[128];
    if (anchor == NULL) {
        snprintf(text, sizeof(text), "unknown anchor '%.64s' referenced", name.ptr);
        return fail_at(loader, &event->start_mark, text);
    }
    if (anchor->node->open) {
        snprintf(text, sizeof(text), "anchor '%.64s' value contains itself", name.ptr);
        return fail_at(loader, &event->start_mark, text);
    }
    loader->size += anchor->node->size;
    loader->aliased_bytes += anchor->node->bytes;
    if (loader->size > YAML_NODES_MAX || loader->aliased_bytes > YAML_BYTES_MAX)
        return fail_at(loader, &event->start_mark, "document contains excessive aliasing");
    if (depth + anchor->node->height > YAML_DEPTH_MAX)
        return fail_at(loader, &event->start_mark, "nested too deeply");
    *out = anchor->node;
    return ERR_NONE;
}

static bool text_is_null(struct slice text)
{
    return text.len == 0 || slice_eq_str(text, "~") || slice_eq_str(text, "null") ||
           slice_eq_str(text, "Null") || slice_eq_str(text, "NULL");
}

static enum err load_scalar(struct loader *loader, const yaml_event_t *event, struct reading **out)
{
    struct slice text = slice_from((const char *)event->data.scalar.value,
                                   event->data.scalar.length);
    const char *tag = (const char *)event->data.scalar.tag;
    bool quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    if (tag != NULL && strcmp(tag, "tag:yaml.org,2002:binary") == 0)
        return fail_at(loader, &event->start_mark, "the tag !!binary is not supported");
    if (tag != NULL && strncmp(tag, "tag:yaml.org,2002:", 18) == 0)
        quoted = strcmp(tag + 18, "str") == 0;
    else if (tag != NULL)
        quoted = true; /* a tag of one's own, or "!": no resolution, so text */
    enum err error = new_node(loader, YAML_TREE_SCALAR, &event->start_mark, out);
    if (error != ERR_NONE)
        return error;
    struct reading *reading = *out;
    if (!quoted && text_is_null(text))
        reading->node.kind = YAML_TREE_NULL;
    reading->node.text = arena_slice(loader->arena, text);
    reading->bytes = text.len;
    reading->node.quoted = quoted;
    set_anchor(loader, event->data.scalar.anchor, reading);
    return ERR_NONE;
}

static enum err load_node(struct loader *loader, yaml_event_t *event, uint32_t depth,
                          struct reading **out);

/* Counts a child into its collection. */
static void adopt(struct reading *parent, const struct reading *child)
{
    parent->size += child->size;
    parent->bytes += child->bytes;
    if (child->height + 1 > parent->height)
        parent->height = child->height + 1;
}

static void set_members(struct loader *loader, struct reading *reading,
                        const struct members *members)
{
    struct yaml_tree_node *node = &reading->node;
    node->count = members->items.len;
    if (node->count == 0)
        return;
    size_t size = node->count * sizeof(*node->items);
    node->items = arena_alloc(loader->arena, size);
    memcpy(node->items, members->items.items, size);
    if (node->kind != YAML_TREE_MAPPING)
        return;
    node->keys = arena_alloc(loader->arena, size);
    memcpy(node->keys, members->keys.items, size);
}

static enum err load_sequence(struct loader *loader, yaml_event_t *start, uint32_t depth,
                              struct reading **out)
{
    struct reading *reading = NULL;
    enum err error = new_node(loader, YAML_TREE_SEQUENCE, &start->start_mark, &reading);
    if (error != ERR_NONE)
        return error;
    reading->open = true;
    reading->node.flow = start->data.sequence_start.style == YAML_FLOW_SEQUENCE_STYLE;
    set_anchor(loader, start->data.sequence_start.anchor, reading);
    CLEANUP(members_release) struct members members = {0};
    for (;;) {
        CLEANUP(event_cleanup) yaml_event_t event = {0};
        if ((error = next_event(loader, &event)) != ERR_NONE)
            return error;
        if (event.type == YAML_SEQUENCE_END_EVENT)
            break;
        struct reading *item = NULL;
        if ((error = load_node(loader, &event, depth + 1, &item)) != ERR_NONE)
            return error;
        adopt(reading, item);
        vec_push(&members.items, &item->node);
    }
    set_members(loader, reading, &members);
    reading->open = false;
    *out = reading;
    return ERR_NONE;
}

static bool is_merge_key(const yaml_event_t *event)
{
    return event->type == YAML_SCALAR_EVENT && event->data.scalar.length == 2 &&
           memcmp(event->data.scalar.value, "<<", 2) == 0 && event->data.scalar.plain_implicit &&
           event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

/* A key is a text; its node is the mapping's own, since it may be marked as a duplicate. */
static enum err load_key(struct loader *loader, yaml_event_t *event, uint32_t depth,
                         struct yaml_tree_node **out)
{
    struct reading *key = NULL;
    enum err error = load_node(loader, event, depth, &key);
    if (error != ERR_NONE)
        return error;
    if (key->node.kind != YAML_TREE_SCALAR && key->node.kind != YAML_TREE_NULL)
        return fail_at(loader, &event->start_mark, "a key must be a plain text");
    if (event->type == YAML_ALIAS_EVENT) {
        struct yaml_tree_node *copy = arena_alloc(loader->arena, sizeof(*copy));
        *copy = key->node;
        copy->line = (uint32_t)event->start_mark.line + 1;
        copy->column = (uint32_t)event->start_mark.column + 1;
        *out = copy;
        return ERR_NONE;
    }
    *out = &key->node;
    return ERR_NONE;
}

/* The keys of one mapping, to tell which were there before. */
struct key_set {
    struct table table;
    const struct members *members;
};

static bool key_equal(const void *value, const void *key)
{
    return slice_eq(((const struct yaml_tree_node *)value)->text, *(const struct slice *)key);
}

/* False when it is there already. */
static bool key_set_add(struct key_set *set, struct yaml_tree_node *key)
{
    const struct members *members = set->members;
    if (members->keys.len < MAPPING_LINEAR_MAX) {
        for (size_t i = 0; i < members->keys.len; i++) {
            if (slice_eq(members->keys.items[i]->text, key->text))
                return false;
        }
        return true;
    }
    if (set->table.len == 0) {
        for (size_t i = 0; i < members->keys.len; i++) {
            struct yaml_tree_node *earlier = members->keys.items[i];
            uint64_t hash = hash_slice(earlier->text, 0);
            if (table_get(&set->table, hash, key_equal, &earlier->text) == NULL)
                table_add(&set->table, hash, earlier);
        }
    }
    uint64_t hash = hash_slice(key->text, 0);
    if (table_get(&set->table, hash, key_equal, &key->text) != NULL)
        return false;
    table_add(&set->table, hash, key);
    return true;
}

static void key_set_release(struct key_set *set)
{
    table_release(&set->table);
}

/* Adds the members of `source` that are not there yet. */
static enum err merge_mapping(struct loader *loader, struct reading *reading,
                              const struct yaml_tree_node *source, struct key_set *set,
                              struct members *members)
{
    if (source->kind != YAML_TREE_MAPPING)
        return fail_node(loader, source,
                         "map merge requires map or sequence of maps as the value");
    for (size_t i = 0; i < source->count; i++) {
        if (source->keys[i]->duplicate || !key_set_add(set, source->keys[i]))
            continue;
        vec_push(&members->keys, source->keys[i]);
        vec_push(&members->items, source->items[i]);
        adopt(reading, CONTAINER_OF(source->items[i], struct reading, node));
        reading->bytes += source->keys[i]->text.len;
    }
    return ERR_NONE;
}

/* Explicit members go before merged ones, wherever the << stands (the library of the reference lets a
 * later << win), and of several merged mappings the first wins. */
static enum err merge_all(struct loader *loader, struct reading *reading,
                          struct yaml_tree_node *const *sources, size_t source_count,
                          struct key_set *set, struct members *members)
{
    enum err error = ERR_NONE;
    for (size_t i = 0; i < source_count && error == ERR_NONE; i++) {
        const struct yaml_tree_node *source = sources[i];
        if (source->kind != YAML_TREE_SEQUENCE) {
            error = merge_mapping(loader, reading, source, set, members);
            continue;
        }
        for (size_t j = 0; j < source->count && error == ERR_NONE; j++)
            error = merge_mapping(loader, reading, source->items[j], set, members);
    }
    return error;
}

/* What << refers to; kept apart from the members until these are all read. */
struct merge_sources {
    VEC(struct yaml_tree_node *) items;
};

static void merge_sources_release(struct merge_sources *sources)
{
    vec_release(&sources->items);
}

static enum err load_mapping(struct loader *loader, yaml_event_t *start, uint32_t depth,
                             struct reading **out)
{
    struct reading *reading = NULL;
    enum err error = new_node(loader, YAML_TREE_MAPPING, &start->start_mark, &reading);
    if (error != ERR_NONE)
        return error;
    reading->open = true;
    reading->node.flow = start->data.mapping_start.style == YAML_FLOW_MAPPING_STYLE;
    set_anchor(loader, start->data.mapping_start.anchor, reading);
    CLEANUP(members_release) struct members members = {0};
    CLEANUP(key_set_release) struct key_set set = {.members = &members};
    CLEANUP(merge_sources_release) struct merge_sources sources = {0};
    for (;;) {
        CLEANUP(event_cleanup) yaml_event_t key_event = {0};
        CLEANUP(event_cleanup) yaml_event_t value_event = {0};
        if ((error = next_event(loader, &key_event)) != ERR_NONE)
            return error;
        if (key_event.type == YAML_MAPPING_END_EVENT)
            break;
        struct yaml_tree_node *key = NULL;
        struct reading *value = NULL;
        if ((error = load_key(loader, &key_event, depth + 1, &key)) != ERR_NONE ||
            (error = next_event(loader, &value_event)) != ERR_NONE ||
            (error = load_node(loader, &value_event, depth + 1, &value)) != ERR_NONE)
            return error;
        if (is_merge_key(&key_event)) {
            vec_push(&sources.items, &value->node);
            continue;
        }
        key->duplicate = !key_set_add(&set, key);
        adopt(reading, value);
        reading->bytes += key->text.len;
        vec_push(&members.keys, key);
        vec_push(&members.items, &value->node);
    }
    error = merge_all(loader, reading, sources.items.items, sources.items.len, &set, &members);
    if (error != ERR_NONE)
        return error;
    set_members(loader, reading, &members);
    reading->open = false;
    *out = reading;
    return ERR_NONE;
}

static enum err load_node(struct loader *loader, yaml_event_t *event, uint32_t depth,
                          struct reading **out)
{
    if (depth > YAML_DEPTH_MAX)
        return fail_at(loader, &event->start_mark, "nested too deeply");
    switch (event->type) {
    case YAML_ALIAS_EVENT:
        return load_alias(loader, event, depth, out);
    case YAML_SCALAR_EVENT:
        return load_scalar(loader, event, out);
    case YAML_SEQUENCE_START_EVENT:
        return load_sequence(loader, event, depth, out);
    case YAML_MAPPING_START_EVENT:
        return load_mapping(loader, event, depth, out);
    default:
        return fail_at(loader, &event->start_mark, "unexpected end of the document");
    }
}

static enum err load_document(struct loader *loader, struct yaml_tree_node **out_root)
{
    for (;;) {
        CLEANUP(event_cleanup) yaml_event_t event = {0};
        enum err error = next_event(loader, &event);
        if (error != ERR_NONE)
            return error;
        if (event.type == YAML_STREAM_START_EVENT || event.type == YAML_DOCUMENT_START_EVENT)
            continue;
        if (event.type == YAML_STREAM_END_EVENT) {
            *out_root = NULL;
            return ERR_NONE;
        }
        struct reading *root = NULL;
        error = load_node(loader, &event, 1, &root);
        if (error != ERR_NONE)
            return error;
        *out_root = &root->node;
        break;
    }
    /* the end of the document may bring a syntax error */
    CLEANUP(event_cleanup) yaml_event_t end = {0};
    return next_event(loader, &end);
}

enum err yaml_tree_parse(struct slice text, struct yaml_tree *out, struct errbuf *err)
{
    if (text.len > YAML_BYTES_MAX)
        return errbuf_set(err, ERR_LIMIT, "yaml: the text has %zu bytes, more than %d", text.len,
                          YAML_BYTES_MAX);
    struct loader loader = {.arena = &out->arena, .err = err, .text = text};
    if (!yaml_parser_initialize(&loader.parser))
        return errbuf_set(err, ERR_LIMIT, "yaml: out of memory");
    yaml_parser_set_input_string(&loader.parser, (const unsigned char *)text.ptr, text.len);
    arena_init(&out->arena, ARENA_SIZE_MAX);
    table_init(&loader.anchors);
    enum err error = load_document(&loader, &out->root);
    table_release(&loader.anchors);
    yaml_parser_delete(&loader.parser);
    if (error != ERR_NONE)
        yaml_tree_release(out);
    return error;
}

void yaml_tree_release(struct yaml_tree *tree)
{
    arena_release(&tree->arena);
    tree->root = NULL;
}

const struct yaml_tree_node *yaml_tree_get(const struct yaml_tree_node *mapping, const char *key)
{
    if (mapping == NULL || mapping->kind != YAML_TREE_MAPPING)
        return NULL;
    for (size_t i = 0; i < mapping->count; i++) {
        if (slice_eq_str(mapping->keys[i]->text, key))
            return mapping->items[i];
    }
    return NULL;
}

const struct yaml_tree_node *yaml_tree_find_duplicate(const struct yaml_tree_node *node)
{
    if (node == NULL)
        return NULL;
    for (size_t i = 0; i < node->count; i++) {
        if (node->kind == YAML_TREE_MAPPING && node->keys[i]->duplicate)
            return node->keys[i];
        const struct yaml_tree_node *found = yaml_tree_find_duplicate(node->items[i]);
        if (found != NULL)
            return found;
    }
    return NULL;
}

struct yaml_tree_node *yaml_tree_new_plain(struct arena *arena, struct slice text)
{
    struct yaml_tree_node *node = arena_zalloc(arena, sizeof(*node));
    node->kind = YAML_TREE_SCALAR;
    node->text = text;
    return node;
}

struct yaml_tree_node *yaml_tree_new_string(struct arena *arena, struct slice text)
{
    struct yaml_tree_node *node = yaml_tree_new_plain(arena, text);
    node->quoted = true;
    return node;
}

struct yaml_tree_node *yaml_tree_new_collection(struct arena *arena, enum yaml_tree_kind kind,
                                                size_t capacity)
{
    struct yaml_tree_node *node = arena_zalloc(arena, sizeof(*node));
    node->kind = kind;
    node->items = arena_alloc_array(arena, capacity, sizeof(*node->items));
    if (kind == YAML_TREE_MAPPING)
        node->keys = arena_alloc_array(arena, capacity, sizeof(*node->keys));
    return node;
}

void yaml_tree_add(struct yaml_tree_node *collection, struct yaml_tree_node *key,
                   struct yaml_tree_node *value)
{
    if (collection->kind == YAML_TREE_MAPPING)
        collection->keys[collection->count] = key;
    collection->items[collection->count++] = value;
}

static int write_output(void *context, unsigned char *data, size_t size)
{
    return buf_append((struct buf *)context, data, size);
}

/* Hands an event over; the emitter frees it, also when it fails. */
static bool emit(yaml_emitter_t *emitter, yaml_event_t *event, int initialized)
{
    return initialized && yaml_emitter_emit(emitter, event);
}

static bool emit_scalar(yaml_emitter_t *emitter, const struct yaml_tree_node *node)
{
    yaml_scalar_style_t style = YAML_PLAIN_SCALAR_STYLE;
    if (node->quoted && slice_index(node->text, '\n') != SLICE_NONE)
        style = YAML_LITERAL_SCALAR_STYLE;
    else if (node->quoted && yaml_tree_needs_quotes(node->text))
        style = YAML_DOUBLE_QUOTED_SCALAR_STYLE;
    yaml_event_t event;
    return emit(emitter, &event,
                yaml_scalar_event_initialize(&event, NULL, NULL,
                                             (const yaml_char_t *)node->text.ptr,
                                             (int)node->text.len, 1, 1, style));
}

static bool emit_node(yaml_emitter_t *emitter, const struct yaml_tree_node *node)
{
    yaml_event_t event;
    if (node->kind == YAML_TREE_NULL || node->kind == YAML_TREE_SCALAR)
        return emit_scalar(emitter, node);
    bool mapping = node->kind == YAML_TREE_MAPPING;
    int made = mapping ? yaml_mapping_start_event_initialize(&event, NULL, NULL, 1,
                                                             node->flow ? YAML_FLOW_MAPPING_STYLE
                                                                        : YAML_BLOCK_MAPPING_STYLE)
                       : yaml_sequence_start_event_initialize(
                             &event, NULL, NULL, 1,
                             node->flow ? YAML_FLOW_SEQUENCE_STYLE : YAML_BLOCK_SEQUENCE_STYLE);
    if (!emit(emitter, &event, made))
        return false;
    for (size_t i = 0; i < node->count; i++) {
        if ((mapping && !emit_node(emitter, node->keys[i])) || !emit_node(emitter, node->items[i]))
            return false;
    }
    return emit(emitter, &event,
                mapping ? yaml_mapping_end_event_initialize(&event)
                        : yaml_sequence_end_event_initialize(&event));
}

enum err yaml_tree_print(const struct yaml_tree_node *root, struct buf *out)
{
    yaml_emitter_t emitter;
    if (!yaml_emitter_initialize(&emitter))
        return ERR_LIMIT;
    yaml_emitter_set_output(&emitter, write_output, out);
    yaml_emitter_set_unicode(&emitter, 1);
    yaml_event_t event;
    bool done =
        emit(&emitter, &event, yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING)) &&
        emit(&emitter, &event, yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1)) &&
        emit_node(&emitter, root) &&
        emit(&emitter, &event, yaml_document_end_event_initialize(&event, 1)) &&
        emit(&emitter, &event, yaml_stream_end_event_initialize(&event)) &&
        yaml_emitter_flush(&emitter);
    yaml_emitter_delete(&emitter);
    return done ? ERR_NONE : ERR_LIMIT;
}
