/* YAML texts become trees with positions, limits hold, and scalars mean what the reference says. */
#include "config/yaml_tree.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>

static struct yaml_tree parse(const char *text)
{
    struct yaml_tree tree;
    struct errbuf err = ERRBUF_INIT;
    enum err error = yaml_tree_parse(slice_str(text), &tree, &err);
    ck_assert_msg(error == ERR_NONE, "%s: %s", text, err.text);
    return tree;
}

static void refuse(const char *text, const char *message, uint32_t line, uint32_t column)
{
    struct yaml_tree tree;
    struct errbuf err = ERRBUF_INIT;
    ck_assert_msg(yaml_tree_parse(slice_str(text), &tree, &err) == ERR_INVALID, "%s", text);
    ck_assert_msg(strstr(err.text, message) != NULL, "%s: %s", text, err.text);
    ck_assert_msg(err.line == line && err.column == column, "%s: %u:%u", text, err.line,
                  err.column);
}

static bool text_is(const struct yaml_tree_node *node, const char *text)
{
    return node != NULL && node->kind == YAML_TREE_SCALAR && slice_eq_str(node->text, text);
}

START_TEST(nodes_know_where_they_stand)
{
    struct yaml_tree tree = parse("a: 1\nlist:\n  - x\n  - {k: v}\n");
    const struct yaml_tree_node *list = yaml_tree_get(tree.root, "list");
    ck_assert_uint_eq(tree.root->count, 2);
    ck_assert_uint_eq(tree.root->keys[1]->line, 2);
    ck_assert_uint_eq(tree.root->keys[1]->column, 1);
    ck_assert_uint_eq(list->count, 2);
    ck_assert_uint_eq(list->items[0]->line, 3);
    ck_assert_uint_eq(list->items[0]->column, 5);
    ck_assert(text_is(yaml_tree_get(list->items[1], "k"), "v"));
    ck_assert_uint_eq(yaml_tree_get(list->items[1], "k")->column, 9);
    ck_assert_ptr_null(yaml_tree_get(tree.root, "none"));
    ck_assert_ptr_null(yaml_tree_get(list, "a"));
    yaml_tree_release(&tree);
}
END_TEST

START_TEST(an_empty_document_has_no_root)
{
    static const char *const texts[] = {"", "\n\n", "# nothing\n"};
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        struct yaml_tree tree = parse(texts[i]);
        ck_assert_ptr_null(tree.root);
        yaml_tree_release(&tree);
    }
    struct yaml_tree tree = parse("---\n...\n");
    ck_assert_int_eq(tree.root->kind, YAML_TREE_NULL);
    yaml_tree_release(&tree);
}
END_TEST

START_TEST(only_the_first_document_counts)
{
    struct yaml_tree tree = parse("a: 1\n---\nb: 2\n");
    ck_assert(text_is(yaml_tree_get(tree.root, "a"), "1"));
    ck_assert_ptr_null(yaml_tree_get(tree.root, "b"));
    yaml_tree_release(&tree);
}
END_TEST

START_TEST(syntax_errors_have_line_and_column)
{
    refuse("a: [\n", "did not find expected node content", 2, 1);
    refuse("a:\n\tb: 1\n", "found character that cannot start any token", 2, 1);
    refuse("a: b: c\n", "mapping values are not allowed in this context", 1, 5);
    refuse("a: 'x\n", "found unexpected end of stream", 2, 1);
    refuse("a: x\n b: y\n", "mapping values are not allowed", 2, 3);
    refuse("a: 1\nb: \"\x01\"\n", "control characters are not allowed", 2, 5);
    refuse("ok: 1\n\xff\n", "UTF-8", 2, 1);
    refuse("a: *b\n", "unknown anchor 'b' referenced", 1, 4);
    refuse("a: &b [*b]\n", "anchor 'b' value contains itself", 1, 8);
    refuse("? [a]\n: b\n", "a key must be a plain text", 1, 3);
    refuse("a:\n  <<: b\n", "map merge requires map or sequence of maps", 2, 7);
    refuse("a: !!binary aGk=\n", "!!binary is not supported", 1, 4);
}
END_TEST

/* a: with `depth` lists inside each other */
static void nest(struct buf *out, int depth)
{
    buf_append_str(out, "a: ");
    for (int i = 0; i < depth; i++)
        buf_append_byte(out, '[');
    for (int i = 0; i < depth; i++)
        buf_append_byte(out, ']');
}

START_TEST(depth_is_limited_also_through_aliases)
{
    struct yaml_tree tree;
    struct errbuf err = ERRBUF_INIT;
    struct buf text;
    buf_init(&text, 1 << 16);
    nest(&text, YAML_DEPTH_MAX - 1); /* the mapping is level 1 */
    tree = parse(buf_cstr(&text));
    yaml_tree_release(&tree);
    buf_reset(&text);
    nest(&text, YAML_DEPTH_MAX);
    ck_assert_int_eq(yaml_tree_parse(buf_slice(&text), &tree, &err), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(err.text, "nested too deeply"));
    buf_reset(&text);
    buf_append_str(&text, "a0: &a0 [x]\n");
    for (int i = 1; i < YAML_DEPTH_MAX; i++)
        buf_printf(&text, "a%d: &a%d [*a%d]\n", i, i, i - 1);
    ck_assert_int_eq(yaml_tree_parse(buf_slice(&text), &tree, &err), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(err.text, "nested too deeply"));
    buf_release(&text);
}
END_TEST

START_TEST(growth_by_aliases_is_limited)
{
    struct yaml_tree tree;
    struct errbuf err = ERRBUF_INIT;
    struct buf text;
    buf_init(&text, 1 << 16);
    buf_append_str(&text, "a: &a [x,x,x,x,x,x,x,x,x,x]\n");
    for (char name = 'b'; name <= 'i'; name++) {
        buf_printf(&text, "%c: &%c [", name, name);
        for (int i = 0; i < 10; i++)
            buf_printf(&text, "%s*%c", i == 0 ? "" : ",", name - 1);
        buf_append_str(&text, "]\n");
    }
    ck_assert_int_eq(yaml_tree_parse(buf_slice(&text), &tree, &err), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(err.text, "excessive aliasing"));
    buf_release(&text);
}
END_TEST

/* A long text and so many aliases to it that the copies would be more than YAML_BYTES_MAX. */
START_TEST(growth_of_text_by_aliases_is_limited)
{
    struct buf text CLEANUP(buf_release);
    buf_init(&text, 2 << 20);
    buf_append_str(&text, "a: &a {b: ");
    for (int i = 0; i < 1 << 20; i++)
        buf_append_byte(&text, 'b');
    buf_append_str(&text, "}\nc:\n");
    for (int i = 0; i < 60; i++)
        buf_append_str(&text, "- *a\n");
    struct yaml_tree tree;
    struct errbuf err = ERRBUF_INIT;
    ck_assert_msg(yaml_tree_parse(buf_slice(&text), &tree, &err) == ERR_NONE, "%s", err.text);
    yaml_tree_release(&tree);
    for (int i = 0; i < 10; i++)
        buf_append_str(&text, "- {<<: *a}\n");
    ck_assert(yaml_tree_parse(buf_slice(&text), &tree, &err) == ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(err.text, "excessive aliasing"));
}
END_TEST

START_TEST(duplicate_keys_are_marked_in_small_and_large_mappings)
{
    struct yaml_tree tree = parse("a: 1\nb: {x: 1, y: 2, x: 3}\n");
    const struct yaml_tree_node *inner = yaml_tree_get(tree.root, "b");
    ck_assert(!inner->keys[0]->duplicate && !inner->keys[1]->duplicate);
    ck_assert(inner->keys[2]->duplicate);
    ck_assert(text_is(yaml_tree_get(inner, "x"), "1"));
    ck_assert_ptr_eq(yaml_tree_find_duplicate(tree.root), inner->keys[2]);
    yaml_tree_release(&tree);
    tree = parse("a: 1\nb: 1\nc: 1\nd: 1\ne: 1\nf: 1\ng: 1\nh: 1\ni: 1\nj: 1\nc: 2\nj: 2\nk: 1\n");
    ck_assert(tree.root->keys[10]->duplicate && tree.root->keys[11]->duplicate);
    ck_assert(!tree.root->keys[12]->duplicate);
    yaml_tree_release(&tree);
    tree = parse("a: &k x\nb: {*k : 1, x: 2}\n");
    ck_assert_ptr_nonnull(yaml_tree_find_duplicate(tree.root));
    ck_assert(!tree.root->keys[0]->duplicate);
    yaml_tree_release(&tree);
}
END_TEST

START_TEST(merge_keys_add_what_is_not_there)
{
    struct yaml_tree tree = parse("base: &base {a: 1, b: 2}\n"
                                  "one: {<<: *base, b: 3}\n"
                                  "two: {b: 4, <<: *base}\n"
                                  "list: {<<: [{c: 5}, {c: 6, d: 7}, *base]}\n"
                                  "text: {\"<<\": x}\n");
    ck_assert(text_is(yaml_tree_get(yaml_tree_get(tree.root, "one"), "a"), "1"));
    ck_assert(text_is(yaml_tree_get(yaml_tree_get(tree.root, "one"), "b"), "3"));
    ck_assert(text_is(yaml_tree_get(yaml_tree_get(tree.root, "two"), "b"), "4"));
    const struct yaml_tree_node *list = yaml_tree_get(tree.root, "list");
    ck_assert_uint_eq(list->count, 4);
    ck_assert(text_is(yaml_tree_get(list, "c"), "5"));
    ck_assert(text_is(yaml_tree_get(list, "d"), "7"));
    ck_assert_ptr_null(yaml_tree_find_duplicate(tree.root));
    ck_assert(text_is(yaml_tree_get(yaml_tree_get(tree.root, "text"), "<<"), "x"));
    yaml_tree_release(&tree);
}
END_TEST

static struct yaml_tree_value resolve(const char *text, enum yaml_tree_dialect dialect)
{
    struct yaml_tree_node node = {.kind = YAML_TREE_SCALAR, .text = slice_str(text)};
    return yaml_tree_resolve(&node, dialect);
}

START_TEST(plain_scalars_mean_what_the_reference_says)
{
    static const struct {
        const char *text;
        enum yaml_tree_type type;
        double number;
    } cases[] = {
        {"", YAML_TYPE_NULL, 0},           {"~", YAML_TYPE_NULL, 0},
        {"null", YAML_TYPE_NULL, 0},       {"nULL", YAML_TYPE_STRING, 0},
        {"0", YAML_TYPE_INT, 0},           {"-0", YAML_TYPE_INT, 0},
        {"12", YAML_TYPE_INT, 12},         {"+12", YAML_TYPE_INT, 12},
        {"-12", YAML_TYPE_INT, -12},       {"010", YAML_TYPE_INT, 8},
        {"0o10", YAML_TYPE_INT, 8},        {"0x1F", YAML_TYPE_INT, 31},
        {"0b101", YAML_TYPE_INT, 5},       {"-0b11", YAML_TYPE_INT, -3},
        {"1_000", YAML_TYPE_INT, 1000},    {"9223372036854775807", YAML_TYPE_INT, 0x1p63},
        {"18446744073709551615", YAML_TYPE_INT, 0x1p64},
        {"-9223372036854775808", YAML_TYPE_INT, -0x1p63},
        {"18446744073709551616", YAML_TYPE_FLOAT, 0x1p64},
        {"-9223372036854775809", YAML_TYPE_FLOAT, -0x1p63},
        {"089", YAML_TYPE_FLOAT, 89},      {"1.", YAML_TYPE_FLOAT, 1},
        {".5", YAML_TYPE_FLOAT, 0.5},      {"1e3", YAML_TYPE_FLOAT, 1000},
        {"-1.5E-2", YAML_TYPE_FLOAT, -0.015}, {".", YAML_TYPE_STRING, 0},
        {"-", YAML_TYPE_STRING, 0},        {"1e", YAML_TYPE_STRING, 0},
        {"0x", YAML_TYPE_STRING, 0},       {"0b2", YAML_TYPE_STRING, 0},
        {"1s", YAML_TYPE_STRING, 0},       {"1:30", YAML_TYPE_STRING, 0},
        {"0x1p3", YAML_TYPE_STRING, 0},    {"nan", YAML_TYPE_STRING, 0},
        {".inf", YAML_TYPE_FLOAT, INFINITY}, {"-.INF", YAML_TYPE_FLOAT, -INFINITY},
        {"2001-01-01", YAML_TYPE_TIMESTAMP, 0}, {"2001-1-1", YAML_TYPE_TIMESTAMP, 0},
        {"2001-01-01T10:20:30Z", YAML_TYPE_TIMESTAMP, 0},
        {"2001-01-01 10:20:30.5", YAML_TYPE_TIMESTAMP, 0},
        {"2001-01-01T10:20:30+02:00", YAML_TYPE_TIMESTAMP, 0},
        {"2001-01", YAML_TYPE_STRING, 0},  {"2001-01-01x", YAML_TYPE_STRING, 0},
        {"true", YAML_TYPE_BOOL, 0},       {"False", YAML_TYPE_BOOL, 0},
        {"tRUE", YAML_TYPE_STRING, 0},     {"text", YAML_TYPE_STRING, 0},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct yaml_tree_value value = resolve(cases[i].text, YAML_DIALECT_2);
        ck_assert_msg(value.type == cases[i].type, "%s is %s", cases[i].text,
                      yaml_tree_type_tag(value.type));
        if (value.type == YAML_TYPE_INT || value.type == YAML_TYPE_FLOAT)
            ck_assert_msg(value.number == cases[i].number, "%s is %g", cases[i].text,
                          value.number);
    }
    ck_assert(isnan(resolve(".NaN", YAML_DIALECT_2).number));
}
END_TEST

START_TEST(the_words_of_booleans_depend_on_the_dialect)
{
    static const char *const yes[] = {"y", "Y", "yes", "Yes", "YES", "on", "On", "ON"};
    static const char *const no[] = {"n", "N", "no", "No", "NO", "off", "Off", "OFF"};
    for (size_t i = 0; i < ARRAY_SIZE(yes); i++) {
        ck_assert(resolve(yes[i], YAML_DIALECT_2).boolean);
        ck_assert_int_eq(resolve(no[i], YAML_DIALECT_2).type, YAML_TYPE_BOOL);
        ck_assert(!resolve(no[i], YAML_DIALECT_2).boolean);
        ck_assert_int_eq(resolve(yes[i], YAML_DIALECT_3).type, YAML_TYPE_STRING);
        ck_assert_int_eq(resolve(no[i], YAML_DIALECT_3).type, YAML_TYPE_STRING);
    }
    ck_assert(resolve("true", YAML_DIALECT_3).boolean);
}
END_TEST

START_TEST(quotes_blocks_and_tags_make_texts)
{
    struct yaml_tree tree = parse("a: '1'\nb: \"true\"\nc: |\n  1\nd: !!str 1\ne: !!int '1'\nf: ! 1\n"
                                  "g: !mine 1\nh: ''\n");
    static const char *const texts[] = {"a", "b", "c", "d", "f", "g", "h"};
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        ck_assert_msg(yaml_tree_resolve(yaml_tree_get(tree.root, texts[i]), YAML_DIALECT_2).type ==
                          YAML_TYPE_STRING,
                      "%s", texts[i]);
    ck_assert_int_eq(yaml_tree_resolve(yaml_tree_get(tree.root, "e"), YAML_DIALECT_2).type,
                     YAML_TYPE_INT);
    yaml_tree_release(&tree);
}
END_TEST

START_TEST(printing_and_reading_give_the_same_text)
{
    static const char *const texts[] = {
        "x", "yes", "10", "", " a", "a ", "a: b", "a #", "- a", "*a", "&a", "!a", "%a", "@a", "`a",
        "[a", "{a", "a,b", "'", "\"", "a'b", "a\"b", "\\", "a\nb", "a\nb\n", "\n", " \n a", "\t", "a\tb",
        "\xc3\xa9", "\xf0\x9f\x98\x80", "~", "null", "1:30", "0x1", "<<", "=", "...", "---", "-", "?",
        "a:", ":a", "\x7f", "\xc2\xa0", "\xef\xbb\xbf" "a", "\xe2\x80\xa8",
        "a very long text that has so many words in it that it is broken at the eightieth column "
        "and goes on in the next line",
    };
    struct arena arena;
    struct buf printed;
    arena_init(&arena, 1 << 20);
    buf_init(&printed, 1 << 20);
    struct yaml_tree_node *list =
        yaml_tree_new_collection(&arena, YAML_TREE_SEQUENCE, ARRAY_SIZE(texts));
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        yaml_tree_add(list, NULL, yaml_tree_new_string(&arena, slice_str(texts[i])));
    ck_assert_int_eq(yaml_tree_print(list, &printed), ERR_NONE);
    struct yaml_tree tree = parse(buf_cstr(&printed));
    ck_assert_uint_eq(tree.root->count, ARRAY_SIZE(texts));
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        const struct yaml_tree_node *item = tree.root->items[i];
        ck_assert_msg(yaml_tree_resolve(item, YAML_DIALECT_2).type == YAML_TYPE_STRING &&
                          slice_eq_str(item->text, texts[i]),
                      "\"%s\" is \"%.*s\"", texts[i], SLICE_ARG(item->text));
    }
    yaml_tree_release(&tree);
    buf_release(&printed);
    arena_release(&arena);
}
END_TEST

START_TEST(printing_stops_where_the_buffer_is_full)
{
    struct arena arena;
    struct buf printed;
    arena_init(&arena, 1 << 20);
    buf_init(&printed, 8);
    struct yaml_tree_node *text = yaml_tree_new_string(&arena, SLICE("longer than eight bytes"));
    ck_assert_int_eq(yaml_tree_print(text, &printed), ERR_LIMIT);
    buf_release(&printed);
    arena_release(&arena);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("yaml_tree");
    TCase *cases = tcase_create("yaml_tree");
    tcase_add_test(cases, nodes_know_where_they_stand);
    tcase_add_test(cases, an_empty_document_has_no_root);
    tcase_add_test(cases, only_the_first_document_counts);
    tcase_add_test(cases, syntax_errors_have_line_and_column);
    tcase_add_test(cases, depth_is_limited_also_through_aliases);
    tcase_add_test(cases, growth_by_aliases_is_limited);
    tcase_add_test(cases, growth_of_text_by_aliases_is_limited);
    tcase_add_test(cases, duplicate_keys_are_marked_in_small_and_large_mappings);
    tcase_add_test(cases, merge_keys_add_what_is_not_there);
    tcase_add_test(cases, plain_scalars_mean_what_the_reference_says);
    tcase_add_test(cases, the_words_of_booleans_depend_on_the_dialect);
    tcase_add_test(cases, quotes_blocks_and_tags_make_texts);
    tcase_add_test(cases, printing_and_reading_give_the_same_text);
    tcase_add_test(cases, printing_stops_where_the_buffer_is_full);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
