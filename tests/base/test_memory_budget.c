/* Queries share what storage leaves; storage is never refused. */
#include "base/memory_budget.h"

#include <check.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define MIB ((uint64_t)1 << 20)

START_TEST(queries_take_what_storage_leaves)
{
    struct memory_budget budget;
    memory_budget_init(&budget, 100 * MIB);
    memory_budget_note(&budget, MEMORY_STORAGE, 60 * MIB);
    ck_assert(memory_budget_take(&budget, MEMORY_QUERIES, 30 * MIB));
    ck_assert(!memory_budget_take(&budget, MEMORY_QUERIES, 11 * MIB));
    ck_assert(memory_budget_take(&budget, MEMORY_QUERIES, 10 * MIB));
    ck_assert(!memory_budget_take(&budget, MEMORY_QUERIES, 1));
    memory_budget_give(&budget, MEMORY_QUERIES, 30 * MIB);
    ck_assert(memory_budget_take(&budget, MEMORY_QUERIES, 29 * MIB));
    memory_budget_give(&budget, MEMORY_QUERIES, 39 * MIB);
    ck_assert_uint_eq(budget.taken_bytes, 0);
}
END_TEST

START_TEST(storage_may_go_beyond_and_then_queries_get_nothing)
{
    struct memory_budget budget;
    memory_budget_init(&budget, 100 * MIB);
    ck_assert(memory_budget_take(&budget, MEMORY_QUERIES, 50 * MIB));
    memory_budget_note(&budget, MEMORY_STORAGE, 200 * MIB);
    ck_assert(!memory_budget_take(&budget, MEMORY_QUERIES, 1));
    ck_assert(!memory_budget_take(&budget, MEMORY_QUERIES, UINT64_MAX));
    memory_budget_note(&budget, MEMORY_STORAGE, 10 * MIB);
    ck_assert(memory_budget_take(&budget, MEMORY_QUERIES, 40 * MIB));
    memory_budget_give(&budget, MEMORY_QUERIES, 90 * MIB);
}
END_TEST

START_TEST(a_refusal_says_who_has_the_memory)
{
    struct memory_budget budget;
    memory_budget_init(&budget, 100 * MIB);
    memory_budget_note(&budget, MEMORY_STORAGE, 70 * MIB);
    ck_assert(memory_budget_take(&budget, MEMORY_QUERIES, 20 * MIB));
    struct buf text;
    buf_init(&text, 1024);
    memory_budget_refuse(&budget, 15 * MIB, &text);
    ck_assert_str_eq(buf_cstr(&text),
                     "query needs 15.0 MiB of memory more than is free: of the 100 MiB of "
                     "--storage.memory-limit, storage holds 70.0 MiB, running queries hold "
                     "20.0 MiB and what comes in 0.0 MiB");
    ck_assert_uint_eq(budget.refused_count, 1);
    buf_release(&text);
    memory_budget_give(&budget, MEMORY_QUERIES, 20 * MIB);
}
END_TEST

START_TEST(what_comes_in_has_a_share_that_no_query_takes)
{
    struct memory_budget budget;
    memory_budget_init(&budget, 400 * MIB);
    memory_budget_note(&budget, MEMORY_STORAGE, 300 * MIB);
    memory_budget_note(&budget, MEMORY_BLOCKS, 40 * MIB);
    ck_assert(memory_budget_take(&budget, MEMORY_QUERIES, 60 * MIB));
    ck_assert(memory_budget_take(&budget, MEMORY_SCRAPES, 100 * MIB));
    ck_assert(!memory_budget_take(&budget, MEMORY_SCRAPES, 1));
    ck_assert(memory_budget_take(&budget, MEMORY_REQUESTS, 100 * MIB));
    /* queries see what it holds */
    memory_budget_give(&budget, MEMORY_QUERIES, 60 * MIB);
    ck_assert(!memory_budget_take(&budget, MEMORY_ANSWERS, 1));
    memory_budget_give(&budget, MEMORY_REQUESTS, 100 * MIB);
    memory_budget_give(&budget, MEMORY_SCRAPES, 60 * MIB);
    ck_assert(memory_budget_take(&budget, MEMORY_ANSWERS, 20 * MIB));
    ck_assert(!memory_budget_take(&budget, MEMORY_ANSWERS, 1));
    memory_budget_give(&budget, MEMORY_SCRAPES, 40 * MIB);
    memory_budget_give(&budget, MEMORY_ANSWERS, 20 * MIB);
    ck_assert_uint_eq(budget.taken_bytes, 0);
    /* a small limit leaves room for a request all the same */
    memory_budget_init(&budget, 1 * MIB);
    ck_assert(memory_budget_take(&budget, MEMORY_REQUESTS, 64 * MIB));
    ck_assert(!memory_budget_take(&budget, MEMORY_REQUESTS, 1));
    memory_budget_give(&budget, MEMORY_REQUESTS, 64 * MIB);
}
END_TEST

START_TEST(a_hold_grows_by_steps_and_its_first_mebibyte_is_free)
{
    struct memory_budget budget;
    struct memory_hold hold;
    struct errbuf err = ERRBUF_INIT;
    memory_budget_init(&budget, 10 * MIB);
    memory_hold_init(&hold, &budget, MEMORY_ANSWERS);
    ck_assert(memory_hold_take(&hold, MIB, &err) == ERR_NONE);
    ck_assert_uint_eq(budget.taken_bytes, 0);
    ck_assert(memory_hold_take(&hold, 1, &err) == ERR_NONE);
    ck_assert_uint_eq(budget.bytes[MEMORY_ANSWERS], MIB);
    ck_assert(memory_hold_take(&hold, 9 * MIB + MIB / 2, &err) == ERR_NONE);
    ck_assert(memory_hold_take(&hold, MIB, &err) == ERR_LIMIT);
    ck_assert_ptr_nonnull(strstr(err.text, "--storage.memory-limit"));
    ck_assert_uint_eq(budget.refused_count, 1);
    memory_hold_release(&hold);
    ck_assert_uint_eq(budget.taken_bytes, 0);
    ck_assert(memory_hold_take(NULL, UINT64_MAX, &err) == ERR_NONE);
    struct memory_hold without = {0};
    ck_assert(memory_hold_take(&without, UINT64_MAX, &err) == ERR_NONE);
    memory_hold_release(&without);
}
END_TEST

START_TEST(without_a_limit_or_a_budget_all_is_granted)
{
    struct memory_budget budget;
    memory_budget_init(&budget, 0);
    memory_budget_note(&budget, MEMORY_STORAGE, UINT64_MAX);
    ck_assert(memory_budget_take(&budget, MEMORY_QUERIES, UINT64_MAX / 2));
    memory_budget_give(&budget, MEMORY_QUERIES, UINT64_MAX / 2);
    memory_budget_note(NULL, MEMORY_STORAGE, 1);
    ck_assert(memory_budget_take(NULL, MEMORY_QUERIES, UINT64_MAX));
    memory_budget_give(NULL, MEMORY_QUERIES, UINT64_MAX);
}
END_TEST

static void *take_and_give(void *context)
{
    struct memory_budget *budget = context;
    size_t granted = 0;
    for (int i = 0; i < 20000; i++) {
        if (!memory_budget_take(budget, MEMORY_QUERIES, 40 * MIB))
            continue;
        granted++;
        ck_assert_uint_le(budget->taken_bytes, 100 * MIB);
        memory_budget_give(budget, MEMORY_QUERIES, 40 * MIB);
    }
    return (void *)granted;
}

START_TEST(threads_never_take_more_than_there_is)
{
    struct memory_budget budget;
    memory_budget_init(&budget, 100 * MIB);
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, take_and_give, &budget), 0);
    size_t granted_sum = 0;
    for (size_t i = 0; i < 4; i++) {
        void *granted;
        pthread_join(threads[i], &granted);
        granted_sum += (size_t)granted;
    }
    ck_assert_uint_gt(granted_sum, 0);
    ck_assert_uint_eq(budget.taken_bytes, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("memory_budget");
    TCase *cases = tcase_create("memory_budget");
    tcase_add_test(cases, queries_take_what_storage_leaves);
    tcase_add_test(cases, storage_may_go_beyond_and_then_queries_get_nothing);
    tcase_add_test(cases, a_refusal_says_who_has_the_memory);
    tcase_add_test(cases, what_comes_in_has_a_share_that_no_query_takes);
    tcase_add_test(cases, a_hold_grows_by_steps_and_its_first_mebibyte_is_free);
    tcase_add_test(cases, without_a_limit_or_a_budget_all_is_granted);
    tcase_add_test(cases, threads_never_take_more_than_there_is);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
