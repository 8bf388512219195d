/* Who computes when: in order, newcomers and long queries in turn, and nobody waits for ever. */
#include <check.h>
#include <sched.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/thread.h"
#include "promql/turns.h"

#define NEVER_NS INT64_MAX
#define RUNS_MAX 16

static struct turns turns;
static struct mutex record_lock;
static char record[RUNS_MAX + 1];
static size_t record_len;

static void setup(void)
{
    turns_init(&turns, 1);
    turns.wait_max_ns = INT64_C(100000000000);
    mutex_init(&record_lock, LOCK_RANK_QUEUE);
    record_len = 0;
    record[0] = '\0';
}

static void teardown(void)
{
    turns_release(&turns);
    mutex_release(&record_lock);
}

static void note(char name)
{
    MUTEX_GUARD(&record_lock);
    ck_assert_uint_lt(record_len, RUNS_MAX);
    record[record_len++] = name;
    record[record_len] = '\0';
}

struct query {
    struct thread thread;
    char name;
    int passes;
};

/* Computes one slice, and as many more as it passes its turn on. */
static void query_run(void *context)
{
    struct query *query = context;
    struct turn turn;
    turn_begin(&turn, &turns, NEVER_NS, NULL);
    note(query->name);
    for (int i = 0; i < query->passes; i++) {
        turn_pass(&turn, NEVER_NS);
        note(query->name);
    }
    turn_end(&turn);
}

static size_t waiting(void)
{
    MUTEX_GUARD(&turns.lock);
    size_t count = 0;
    for (const struct turn *turn = turns.fresh.first; turn != NULL; turn = turn->next)
        count++;
    for (const struct turn *turn = turns.old.first; turn != NULL; turn = turn->next)
        count++;
    return count;
}

static void query_start(struct query *query, char name, int passes)
{
    size_t before = waiting();
    *query = (struct query){.name = name, .passes = passes};
    thread_start(&query->thread, "query", query_run, query);
    while (waiting() == before)
        sched_yield();
}

START_TEST(queries_take_turns_in_the_order_in_which_they_come)
{
    struct turn turn;
    struct query queries[3];
    turn_begin(&turn, &turns, NEVER_NS, NULL);
    for (int i = 0; i < 3; i++)
        query_start(&queries[i], (char)('a' + i), 0);
    note('-');
    turn_end(&turn);
    for (int i = 0; i < 3; i++)
        thread_join(&queries[i].thread);
    ck_assert_str_eq(record, "-abc");
}
END_TEST

START_TEST(long_queries_and_newcomers_alternate)
{
    struct turn turn;
    struct query queries[4];
    turn_begin(&turn, &turns, NEVER_NS, NULL);
    query_start(&queries[0], 'L', 2);
    query_start(&queries[1], 'a', 0);
    query_start(&queries[2], 'b', 0);
    query_start(&queries[3], 'c', 0);
    turn_end(&turn);
    for (int i = 0; i < 4; i++)
        thread_join(&queries[i].thread);
    ck_assert_str_eq(record, "LaLbLc");
}
END_TEST

START_TEST(a_slice_that_is_not_over_is_kept)
{
    struct turn turn;
    struct query query;
    turn_begin(&turn, &turns, NEVER_NS, NULL);
    query_start(&query, 'a', 0);
    ck_assert(!turn_pass(&turn, turn.slice_end_ns - 1));
    note('-');
    ck_assert(turn_pass(&turn, turn.slice_end_ns));
    note('+');
    turn_end(&turn);
    thread_join(&query.thread);
    ck_assert_str_eq(record, "-a+");
}
END_TEST

START_TEST(who_is_canceled_or_late_does_not_wait)
{
    struct turn turn, canceled, late;
    atomic_bool flag = true;
    turn_begin(&turn, &turns, NEVER_NS, NULL);
    turn_begin(&canceled, &turns, NEVER_NS, &flag);
    turn_begin(&late, &turns, clock_monotonic_ns(clock_system), NULL);
    ck_assert_uint_eq(turns.running, 3);
    turn_end(&turn);
    turn_end(&canceled);
    turn_end(&late);
    ck_assert_uint_eq(turns.running, 0);
}
END_TEST

START_TEST(who_waits_too_long_for_a_holder_that_stands_still_goes_on)
{
    struct turn turn, other;
    turns.wait_max_ns = 1000000;
    turn_begin(&turn, &turns, NEVER_NS, NULL);
    int64_t start_ns = clock_monotonic_ns(clock_system);
    turn_begin(&other, &turns, NEVER_NS, NULL);
    ck_assert_int_ge(clock_monotonic_ns(clock_system) - start_ns, turns.wait_max_ns);
    turn_end(&other);
    turn_end(&turn);
}
END_TEST

START_TEST(as_many_compute_as_there_are_turns)
{
    turns.count_max = 2;
    struct turn first, second;
    struct query query;
    turn_begin(&first, &turns, NEVER_NS, NULL);
    turn_begin(&second, &turns, NEVER_NS, NULL);
    query_start(&query, 'a', 0);
    turn_end(&second);
    thread_join(&query.thread);
    ck_assert_str_eq(record, "a");
    turn_end(&first);
}
END_TEST

START_TEST(a_spare_turn_is_there_only_while_nobody_needs_it)
{
    struct turn turn;
    struct query query;
    turns.count_max = 2;
    turn_begin(&turn, &turns, NEVER_NS, NULL);
    ck_assert(turns_take_spare(&turns));
    ck_assert(!turns_take_spare(&turns));
    ck_assert(!turns_are_wanted(&turns));
    query_start(&query, 'a', 0); /* it waits, since two compute */
    ck_assert(turns_are_wanted(&turns));
    note('-');
    turns_return_spare(&turns);
    thread_join(&query.thread);
    ck_assert_str_eq(record, "-a");
    ck_assert(turns_take_spare(&turns));
    turns_return_spare(&turns);
    turn_end(&turn);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("promql/turns");
    TCase *tests = tcase_create("turns");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, queries_take_turns_in_the_order_in_which_they_come);
    tcase_add_test(tests, long_queries_and_newcomers_alternate);
    tcase_add_test(tests, a_slice_that_is_not_over_is_kept);
    tcase_add_test(tests, who_is_canceled_or_late_does_not_wait);
    tcase_add_test(tests, who_waits_too_long_for_a_holder_that_stands_still_goes_on);
    tcase_add_test(tests, as_many_compute_as_there_are_turns);
    tcase_add_test(tests, a_spare_turn_is_there_only_while_nobody_needs_it);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
