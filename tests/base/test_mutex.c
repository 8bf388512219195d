/* Locks are taken in the order of their ranks, or a debug build says so. */
#include "base/mutex.h"

#include "base/clock.h"
#include "base/thread.h"

#include <check.h>
#include <signal.h>
#include <stdlib.h>

static struct mutex low;
static struct mutex high;
static struct rwlock shared;

static void setup(void)
{
    mutex_init(&low, LOCK_RANK_SERVER);
    mutex_init(&high, LOCK_RANK_LOG);
    rwlock_init(&shared, LOCK_RANK_TSDB_HEAD);
}

static void teardown(void)
{
    rwlock_release(&shared);
    mutex_release(&high);
    mutex_release(&low);
}

START_TEST(mutex_ranks_rise_and_any_order_releases)
{
    for (int i = 0; i < 3; i++) {
        mutex_lock(&low);
        rwlock_read_lock(&shared);
        mutex_lock(&high);
        mutex_assert_held(&high);
        mutex_unlock(&low);
        rwlock_unlock(&shared);
        mutex_unlock(&high);
        rwlock_write_lock(&shared);
        rwlock_unlock(&shared);
    }
    {
        MUTEX_GUARD(&low);
        MUTEX_GUARD(&high);
        mutex_assert_held(&low);
    }
    mutex_lock(&low);
    mutex_unlock(&low);
}
END_TEST

#ifndef NDEBUG
START_TEST(mutex_of_a_lower_rank_ends_the_process)
{
    mutex_lock(&high);
    mutex_lock(&low);
}
END_TEST

START_TEST(mutex_of_an_equal_rank_ends_the_process)
{
    struct mutex other;
    mutex_init(&other, LOCK_RANK_LOG);
    mutex_lock(&high);
    mutex_lock(&other);
}
END_TEST

START_TEST(mutex_assert_held_ends_the_process_where_it_is_not)
{
    mutex_assert_held(&low);
}
END_TEST
#endif

struct signal_state {
    struct condition changed;
    bool ready;
};

static void make_ready(void *context)
{
    struct signal_state *state = context;
    MUTEX_GUARD(&low);
    state->ready = true;
    condition_signal(&state->changed);
}

START_TEST(condition_wakes_and_times_out)
{
    struct signal_state state = {0};
    condition_init(&state.changed);
    struct thread thread = {0};
    mutex_lock(&low);
    int64_t now_ns = clock_monotonic_ns(clock_system);
    /* it may also wake for nothing */
    while (condition_wait_until(&state.changed, &low, now_ns + 1000000))
        ;
    ck_assert_int_ge(clock_monotonic_ns(clock_system), now_ns + 1000000);
    while (condition_wait_until(&state.changed, &low, now_ns))
        ;
    thread_start(&thread, "waker", make_ready, &state);
    bool woken = true;
    while (!state.ready && woken)
        woken = condition_wait_until(&state.changed, &low, now_ns + 60000000000);
    ck_assert(state.ready);
    mutex_assert_held(&low);
    mutex_unlock(&low);
    thread_join(&thread);
    condition_release(&state.changed);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("mutex");
    TCase *tcase = tcase_create("mutex");
    tcase_add_test(tcase, mutex_ranks_rise_and_any_order_releases);
#ifndef NDEBUG
    tcase_add_test_raise_signal(tcase, mutex_of_a_lower_rank_ends_the_process, SIGABRT);
    tcase_add_test_raise_signal(tcase, mutex_of_an_equal_rank_ends_the_process, SIGABRT);
    tcase_add_test_raise_signal(tcase, mutex_assert_held_ends_the_process_where_it_is_not, SIGABRT);
#endif
    tcase_add_test(tcase, condition_wakes_and_times_out);
    tcase_add_checked_fixture(tcase, setup, teardown);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
