/* Queues and worker pools lose nothing, keep their bounds, and end. */
#include "base/queue.h"

#include "base/compiler.h"

#include <check.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

START_TEST(queue_keeps_order_and_bound)
{
    struct queue queue;
    queue_init(&queue, 3);
    int items[4];
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < 3; i++)
            ck_assert(queue_try_push(&queue, &items[i]));
        ck_assert(!queue_try_push(&queue, &items[3]));
        ck_assert_uint_eq(queue_count(&queue), 3);
        ck_assert_ptr_eq(queue_pop(&queue), &items[0]);
        ck_assert(queue_push(&queue, &items[3]));
        ck_assert_ptr_eq(queue_try_pop(&queue), &items[1]);
        ck_assert_ptr_eq(queue_try_pop(&queue), &items[2]);
        ck_assert_ptr_eq(queue_try_pop(&queue), &items[3]);
        ck_assert_ptr_null(queue_try_pop(&queue));
    }
    queue_release(&queue);
}
END_TEST

START_TEST(queue_closed_drains_and_refuses)
{
    struct queue queue;
    queue_init(&queue, 2);
    int item;
    ck_assert(queue_push(&queue, &item));
    queue_close(&queue);
    ck_assert(!queue_push(&queue, &item));
    ck_assert(!queue_try_push(&queue, &item));
    ck_assert_ptr_eq(queue_pop(&queue), &item);
    ck_assert_ptr_null(queue_pop(&queue));
    queue_release(&queue);
}
END_TEST

enum { ITEMS = 20000, PRODUCERS = 3, CONSUMERS = 3 };

struct traffic {
    struct queue queue;
    char items[ITEMS];
    atomic_int next;
    atomic_int seen[ITEMS];
};

static void produce(void *context)
{
    struct traffic *traffic = context;
    int i;
    while ((i = atomic_fetch_add(&traffic->next, 1)) < ITEMS) {
        if (!queue_push(&traffic->queue, &traffic->items[i]))
            abort();
    }
}

static void consume(void *context)
{
    struct traffic *traffic = context;
    char *item;
    while ((item = queue_pop(&traffic->queue)) != NULL)
        atomic_fetch_add(&traffic->seen[item - traffic->items], 1);
}

START_TEST(queue_hands_every_item_over_once)
{
    static struct traffic traffic;
    queue_init(&traffic.queue, 7);
    struct thread producers[PRODUCERS];
    struct thread consumers[CONSUMERS];
    for (int i = 0; i < CONSUMERS; i++)
        thread_start(&consumers[i], "consumer", consume, &traffic);
    for (int i = 0; i < PRODUCERS; i++)
        thread_start(&producers[i], "producer", produce, &traffic);
    for (int i = 0; i < PRODUCERS; i++)
        thread_join(&producers[i]);
    queue_close(&traffic.queue);
    for (int i = 0; i < CONSUMERS; i++)
        thread_join(&consumers[i]);
    for (int i = 0; i < ITEMS; i++) {
        if (atomic_load(&traffic.seen[i]) != 1)
            ck_abort_msg("item %d was seen %d times", i, atomic_load(&traffic.seen[i]));
    }
    queue_release(&traffic.queue);
}
END_TEST

struct gate {
    struct mutex lock;
    struct condition changed;
    int running;
    int running_max;
    int done;
    bool open;
};

static void gate_init(struct gate *gate)
{
    *gate = (struct gate){0};
    mutex_init(&gate->lock, LOCK_RANK_SERVER);
    condition_init(&gate->changed);
}

static void pass_gate(void *context)
{
    struct gate *gate = context;
    MUTEX_GUARD(&gate->lock);
    gate->running++;
    gate->running_max = MAX(gate->running_max, gate->running);
    condition_broadcast(&gate->changed);
    while (!gate->open)
        condition_wait(&gate->changed, &gate->lock);
    gate->running--;
    gate->done++;
    condition_broadcast(&gate->changed);
}

static void wait_running(struct gate *gate, int count)
{
    MUTEX_GUARD(&gate->lock);
    while (gate->running < count)
        condition_wait(&gate->changed, &gate->lock);
}

START_TEST(worker_pool_runs_tasks_side_by_side_up_to_its_bound)
{
    struct gate gate;
    gate_init(&gate);
    struct worker_pool *pool = worker_pool_new("worker", 3, 4);
    for (int i = 0; i < 3; i++) {
        ck_assert(worker_pool_submit(pool, pass_gate, &gate));
        wait_running(&gate, i + 1);
    }
    for (int i = 0; i < 4; i++)
        ck_assert(worker_pool_submit(pool, pass_gate, &gate));
    ck_assert(!worker_pool_submit(pool, pass_gate, &gate));
    mutex_lock(&gate.lock);
    gate.open = true;
    condition_broadcast(&gate.changed);
    mutex_unlock(&gate.lock);
    worker_pool_free(pool);
    ck_assert_int_eq(gate.done, 7);
    ck_assert_int_eq(gate.running_max, 3);
    condition_release(&gate.changed);
    mutex_release(&gate.lock);
}
END_TEST

static void count_up(void *context)
{
    atomic_fetch_add((atomic_int *)context, 1);
}

START_TEST(worker_pool_drops_no_accepted_task_when_freed)
{
    for (int round = 0; round < 50; round++) {
        atomic_int count = 0;
        int accepted = 0;
        struct worker_pool *pool = worker_pool_new("worker", 4, 64);
        for (int i = 0; i < 200; i++)
            accepted += worker_pool_submit(pool, count_up, &count);
        worker_pool_free(pool);
        ck_assert_int_eq(atomic_load(&count), accepted);
        ck_assert_int_ge(accepted, 64);
    }
    worker_pool_free(worker_pool_new("unused", 1, 1));
    worker_pool_free(NULL);
}
END_TEST

struct thread_look {
    char name[16];
    bool term_blocked;
    bool segv_blocked;
};

static void look(void *context)
{
    struct thread_look *seen = context;
    pthread_getname_np(pthread_self(), seen->name, sizeof(seen->name));
    sigset_t set;
    pthread_sigmask(SIG_SETMASK, NULL, &set);
    seen->term_blocked = sigismember(&set, SIGTERM) == 1;
    seen->segv_blocked = sigismember(&set, SIGSEGV) == 1;
}

START_TEST(thread_has_its_name_and_takes_no_signals)
{
    struct thread thread = {0};
    struct thread_look seen = {0};
    thread_join(&thread);
    thread_start(&thread, "a-name-that-is-too-long", look, &seen);
    thread_join(&thread);
    thread_join(&thread);
    ck_assert_str_eq(seen.name, "a-name-that-is-");
    ck_assert(seen.term_blocked);
    ck_assert(!seen.segv_blocked);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("queue");
    TCase *tcase = tcase_create("queue");
    tcase_add_test(tcase, queue_keeps_order_and_bound);
    tcase_add_test(tcase, queue_closed_drains_and_refuses);
    tcase_add_test(tcase, queue_hands_every_item_over_once);
    tcase_add_test(tcase, worker_pool_runs_tasks_side_by_side_up_to_its_bound);
    tcase_add_test(tcase, worker_pool_drops_no_accepted_task_when_freed);
    tcase_add_test(tcase, thread_has_its_name_and_takes_no_signals);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
