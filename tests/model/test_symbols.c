/* Equal text is one symbol, whoever asks and whenever; what nobody holds is gone. */
#include "model/symbols.h"

#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

START_TEST(symbols_of_equal_text_are_equal_and_counted)
{
    uint32_t a = symbols_intern(SLICE("instance"));
    uint32_t b = symbols_intern(SLICE("instance"));
    uint32_t c = symbols_intern(SLICE("instanc"));
    ck_assert_uint_eq(a, b);
    ck_assert_uint_ne(a, c);
    ck_assert_uint_eq(symbols_find(SLICE("instance")), a);
    ck_assert_str_eq(symbols_text(a).ptr, "instance");
    symbols_unref(a);
    symbols_unref(b);
    /* what was found is held */
    ck_assert_uint_eq(symbols_find(SLICE("instance")), b);
    symbols_unref(b);
    symbols_unref(b);
    ck_assert_uint_eq(symbols_find(SLICE("instance")), SYMBOL_NONE);
    symbols_unref(c);
}
END_TEST

START_TEST(symbols_keep_zero_for_the_empty_text)
{
    ck_assert_uint_eq(symbols_intern(SLICE_EMPTY), SYMBOL_EMPTY);
    ck_assert_uint_eq(symbols_find(SLICE_EMPTY), SYMBOL_EMPTY);
    ck_assert_uint_eq(symbols_text(SYMBOL_EMPTY).len, 0);
    symbols_ref(SYMBOL_EMPTY);
    symbols_unref(SYMBOL_EMPTY);
    ck_assert_uint_eq(symbols_intern(SLICE_EMPTY), SYMBOL_EMPTY);
}
END_TEST

START_TEST(symbols_tell_texts_with_nul_bytes_apart)
{
    uint32_t a = symbols_intern(SLICE("x\0a"));
    uint32_t b = symbols_intern(SLICE("x\0b"));
    ck_assert_uint_ne(a, b);
    ck_assert(slice_eq(symbols_text(b), SLICE("x\0b")));
    symbols_unref(a);
    symbols_unref(b);
}
END_TEST

START_TEST(symbols_give_freed_ids_to_new_texts)
{
    enum { COUNT = 20000, ROUNDS = 5 };
    static uint32_t ids[COUNT];
    size_t before = symbols_count();
    uint32_t highest_first = 0;
    size_t bytes_first = 0;
    for (int round = 0; round < ROUNDS; round++) {
        uint32_t highest = 0;
        for (int i = 0; i < COUNT; i++) {
            char text[32];
            int len = snprintf(text, sizeof(text), "value-%d-%d", round, i);
            ids[i] = symbols_intern(slice_from(text, (size_t)len));
            highest = ids[i] > highest ? ids[i] : highest;
        }
        ck_assert_uint_eq(symbols_count(), before + COUNT);
        for (int i = 0; i < COUNT; i++) {
            char text[32];
            snprintf(text, sizeof(text), "value-%d-%d", round, i);
            ck_assert_str_eq(symbols_text(ids[i]).ptr, text);
        }
        if (round == 0) {
            highest_first = highest;
            bytes_first = symbols_bytes();
        }
        /* shards are not filled evenly, so a little more than the first time is in order */
        ck_assert_uint_lt(highest, highest_first + highest_first / 4);
        ck_assert_uint_lt(symbols_bytes(), bytes_first + bytes_first / 4);
        for (int i = 0; i < COUNT; i++)
            symbols_unref(ids[i]);
        ck_assert_uint_eq(symbols_count(), before);
    }
}
END_TEST

enum { WORKERS = 4, WORKER_ROUNDS = 20000, WORKER_TEXTS = 50 };

/* Interns and drops the same few texts, so that counts pass through 0 all the time. */
static void *worker_run(void *context)
{
    unsigned random = (unsigned)(uintptr_t)context * 7919u + 1u;
    for (int i = 0; i < WORKER_ROUNDS; i++) {
        random = random * 1103515245u + 12345u;
        char text[32];
        int len = snprintf(text, sizeof(text), "shared-%u", (random >> 16) % WORKER_TEXTS);
        uint32_t id = symbols_intern(slice_from(text, (size_t)len));
        symbols_ref(id);
        symbols_unref(id);
        if (!slice_eq(symbols_text(id), slice_from(text, (size_t)len)))
            return (void *)"wrong text";
        symbols_unref(symbols_find(slice_from(text, (size_t)len)));
        symbols_unref(id);
    }
    return NULL;
}

START_TEST(symbols_stay_right_when_threads_make_and_drop_the_same_texts)
{
    size_t before = symbols_count();
    pthread_t threads[WORKERS];
    for (size_t i = 0; i < WORKERS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, worker_run, (void *)i), 0);
    for (size_t i = 0; i < WORKERS; i++) {
        void *complaint;
        pthread_join(threads[i], &complaint);
        ck_assert_msg(complaint == NULL, "%s", (const char *)complaint);
    }
    ck_assert_uint_eq(symbols_count(), before);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("symbols");
    TCase *tcase = tcase_create("symbols");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, symbols_of_equal_text_are_equal_and_counted);
    tcase_add_test(tcase, symbols_keep_zero_for_the_empty_text);
    tcase_add_test(tcase, symbols_tell_texts_with_nul_bytes_apart);
    tcase_add_test(tcase, symbols_give_freed_ids_to_new_texts);
    tcase_add_test(tcase, symbols_stay_right_when_threads_make_and_drop_the_same_texts);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
