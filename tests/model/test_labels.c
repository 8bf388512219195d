/* Label sets: order, equality, printing, lifetime; and the builder that makes them. */
#include "model/labels_builder.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

static struct labels_builder builder;

static void setup(void)
{
    labels_builder_init(&builder);
}

static void teardown(void)
{
    labels_builder_release(&builder);
}

static void set(const char *name, const char *value)
{
    labels_builder_set(&builder, slice_str(name), slice_str(value));
}

/* name, value, ..., NULL */
static struct labels *make(const char *const *texts)
{
    labels_builder_reset(&builder);
    for (; *texts != NULL; texts += 2)
        set(texts[0], texts[1]);
    return labels_builder_build(&builder);
}
#define MAKE(...) make((const char *const[]){__VA_ARGS__, NULL})

static void assert_print(const struct labels *labels, const char *expected,
                         const char *expected_metric)
{
    struct buf out;
    buf_init(&out, 4096);
    labels_print(labels, &out);
    ck_assert_str_eq(buf_cstr(&out), expected);
    buf_reset(&out);
    labels_print_metric(labels, &out);
    ck_assert_str_eq(buf_cstr(&out), expected_metric);
    buf_release(&out);
}

START_TEST(labels_are_equal_whatever_the_order_of_setting)
{
    struct labels *a = MAKE("__name__", "up", "job", "api", "instance", "a:1");
    struct labels *b = MAKE("instance", "a:1", "job", "api", "__name__", "up");
    struct labels *c = MAKE("instance", "a:2", "job", "api", "__name__", "up");
    ck_assert(labels_equal(a, b));
    ck_assert_uint_eq(a->hash, b->hash);
    ck_assert(!labels_equal(a, c));
    ck_assert_uint_eq(labels_builder_hash(&builder), c->hash);
    ck_assert(slice_eq_str(labels_get(a, SLICE("job")), "api"));
    ck_assert_uint_eq(labels_get(a, SLICE("jo")).len, 0);
    ck_assert(slice_eq_str(labels_metric_name(a), "up"));
    ck_assert_uint_eq(labels_value(a, symbols_find(SLICE("nothing"))), SYMBOL_EMPTY);
    labels_unref(a);
    labels_unref(b);
    labels_unref(c);
}
END_TEST

START_TEST(labels_compare_by_text_then_by_length)
{
    struct labels *sets[] = {
        MAKE("a", "1"),           MAKE("a", "1", "b", "1"), MAKE("a", "1", "b", "2"),
        MAKE("a", "1", "c", "0"), MAKE("a", "10"),          MAKE("a", "2"),
        MAKE("aa", "0"),
    };
    for (size_t i = 0; i < ARRAY_SIZE(sets); i++) {
        for (size_t k = 0; k < ARRAY_SIZE(sets); k++) {
            int order = labels_compare(sets[i], sets[k]);
            ck_assert_int_eq((order > 0) - (order < 0), (i > k) - (i < k));
        }
    }
    ck_assert_int_lt(labels_compare(labels_empty(), sets[0]), 0);
    for (size_t i = 0; i < ARRAY_SIZE(sets); i++)
        labels_unref(sets[i]);
}
END_TEST

START_TEST(labels_print_as_the_reference_does)
{
    struct labels *a = MAKE("__name__", "up", "job", "a\"b\\c\nd", "x", "\xc3\xbc\xff");
    assert_print(a, "{__name__=\"up\", job=\"a\\\"b\\\\c\\nd\", x=\"\xc3\xbc\\xff\"}",
                 "up{job=\"a\\\"b\\\\c\\nd\", x=\"\xc3\xbc\\xff\"}");
    labels_unref(a);
    a = MAKE("__name__", "up");
    assert_print(a, "{__name__=\"up\"}", "up");
    labels_unref(a);
    a = MAKE("__name__", "my.metric", "a.b", "c");
    assert_print(a, "{__name__=\"my.metric\", \"a.b\"=\"c\"}", "{\"my.metric\", \"a.b\"=\"c\"}");
    labels_unref(a);
    a = MAKE("job", "x", "le", "0.5");
    assert_print(a, "{job=\"x\", le=\"0.5\"}", "{job=\"x\", le=\"0.5\"}");
    labels_unref(a);
    assert_print(labels_empty(), "{}", "{}");
}
END_TEST

START_TEST(labels_release_their_symbols_with_the_last_reference)
{
    struct labels *a = MAKE("only_here", "and_here");
    labels_builder_reset(&builder);
    struct arena arena;
    arena_init(&arena, 1 << 20);
    const struct labels *borrowed = labels_borrow(&arena, a->pairs, a->count);
    ck_assert(labels_equal(a, borrowed));
    const struct labels *second = labels_ref(a);
    struct labels *copy = labels_copy(borrowed);
    labels_unref(a);
    labels_unref(second);
    uint32_t found = symbols_find(SLICE("and_here"));
    ck_assert_uint_ne(found, SYMBOL_NONE);
    symbols_unref(found);
    labels_unref(copy);
    ck_assert_uint_eq(symbols_find(SLICE("and_here")), SYMBOL_NONE);
    ck_assert_uint_eq(symbols_find(SLICE("only_here")), SYMBOL_NONE);
    arena_release(&arena);
    labels_unref(NULL);
}
END_TEST

START_TEST(labels_names_follow_the_scheme)
{
    ck_assert(labels_name_valid_legacy(SLICE("_a9")));
    ck_assert(!labels_name_valid_legacy(SLICE("9a")));
    ck_assert(!labels_name_valid_legacy(SLICE("a:b")));
    ck_assert(labels_metric_name_valid_legacy(SLICE(":a:b9")));
    ck_assert(!labels_metric_name_valid_legacy(SLICE("a.b")));
    ck_assert(!labels_name_valid_legacy(SLICE_EMPTY));
    ck_assert(labels_name_valid_utf8(SLICE("a.b \xc3\xbc")));
    ck_assert(!labels_name_valid_utf8(SLICE("\xff")));
    ck_assert(!labels_name_valid_utf8(SLICE_EMPTY));
}
END_TEST

START_TEST(builder_deletes_by_empty_value_and_overwrites)
{
    set("b", "1");
    set("a", "1");
    set("c", "1");
    set("b", "2");
    set("a", "");
    set("nothing", "");
    ck_assert_uint_eq(labels_builder_count(&builder), 2);
    ck_assert(slice_eq_str(labels_builder_get(&builder, SLICE("b")), "2"));
    ck_assert(!labels_builder_has(&builder, SLICE("a")));
    labels_builder_delete(&builder, SLICE("c"));
    labels_builder_delete(&builder, SLICE("c"));
    struct labels *labels = labels_builder_build(&builder);
    assert_print(labels, "{b=\"2\"}", "{b=\"2\"}");
    labels_builder_set_symbols(&builder, labels->pairs[0].value, labels->pairs[0].name);
    labels_builder_set_symbols(&builder, labels->pairs[0].name, SYMBOL_EMPTY);
    struct labels *swapped = labels_builder_build(&builder);
    assert_print(swapped, "{\"2\"=\"b\"}", "{\"2\"=\"b\"}");
    labels_unref(labels);
    labels_unref(swapped);
}
END_TEST

START_TEST(builder_may_set_a_value_from_its_own_label)
{
    set("a", "prefix-value");
    struct slice own = labels_builder_get(&builder, SLICE("a"));
    labels_builder_set(&builder, SLICE("a"), slice_from_index(own, 7));
    ck_assert(slice_eq_str(labels_builder_get(&builder, SLICE("a")), "value"));
}
END_TEST

START_TEST(builder_starts_from_a_set_that_nobody_else_holds)
{
    struct labels *labels = MAKE("x_unique", "y_unique");
    labels_builder_start(&builder, labels);
    labels_unref(labels);
    set("z", "1");
    struct labels *more = labels_builder_build(&builder);
    assert_print(more, "{x_unique=\"y_unique\", z=\"1\"}", "{x_unique=\"y_unique\", z=\"1\"}");
    labels_builder_start(&builder, more);
    ck_assert_uint_eq(labels_builder_count(&builder), 2);
    labels_unref(more);
}
END_TEST

START_TEST(builder_hands_its_references_over_when_the_set_is_taken)
{
    set("x_taken", "y_taken");
    struct labels *labels = labels_builder_take(&builder);
    ck_assert_uint_eq(labels_builder_count(&builder), 0);
    assert_print(labels, "{x_taken=\"y_taken\"}", "{x_taken=\"y_taken\"}");
    labels_unref(labels);
    ck_assert_uint_eq(symbols_find(SLICE("y_taken")), SYMBOL_NONE);
    struct labels *none = labels_builder_take(&builder);
    ck_assert(labels_equal(none, labels_empty()));
    labels_unref(none);
}
END_TEST

START_TEST(builder_keeps_many_labels_sorted)
{
    unsigned random = 1;
    for (int i = 0; i < 500; i++) {
        random = random * 1103515245u + 12345u;
        char name[16];
        snprintf(name, sizeof(name), "n%u", (random >> 16) % 300);
        set(name, "v");
    }
    for (size_t i = 1; i < builder.pairs.len; i++)
        ck_assert_int_lt(slice_cmp(symbols_text(builder.pairs.items[i - 1].name),
                                   symbols_text(builder.pairs.items[i].name)),
                         0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("labels");
    TCase *tcase = tcase_create("labels");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, labels_are_equal_whatever_the_order_of_setting);
    tcase_add_test(tcase, labels_compare_by_text_then_by_length);
    tcase_add_test(tcase, labels_print_as_the_reference_does);
    tcase_add_test(tcase, labels_release_their_symbols_with_the_last_reference);
    tcase_add_test(tcase, labels_names_follow_the_scheme);
    tcase_add_test(tcase, builder_deletes_by_empty_value_and_overwrites);
    tcase_add_test(tcase, builder_may_set_a_value_from_its_own_label);
    tcase_add_test(tcase, builder_starts_from_a_set_that_nobody_else_holds);
    tcase_add_test(tcase, builder_hands_its_references_over_when_the_set_is_taken);
    tcase_add_test(tcase, builder_keeps_many_labels_sorted);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
