/* The heap gives the smallest key, whatever was moved or removed meanwhile. */
#include "base/heap.h"

#include "base/rand.h"

#include <check.h>
#include <stdlib.h>

enum { COUNT = 500 };

START_TEST(heap_gives_keys_in_order_after_random_changes)
{
    struct rand rand;
    rand_init(&rand, 9);
    static struct heap_item items[COUNT];
    struct heap heap;
    heap_init(&heap);
    size_t inside = 0;
    for (int round = 0; round < 20000; round++) {
        struct heap_item *item = &items[rand_below(&rand, COUNT)];
        int64_t key = (int64_t)rand_below(&rand, 1000) - 500;
        if (item->index == 0) {
            heap_push(&heap, item, key);
            inside++;
        } else if (rand_below(&rand, 3) == 0) {
            heap_remove(&heap, item);
            inside--;
        } else {
            heap_update(&heap, item, key);
        }
        if (heap.len != inside)
            ck_abort_msg("round %d", round);
        for (size_t i = 0; i < heap.len; i++) {
            if (heap_peek(&heap)->key > heap.items[i]->key)
                ck_abort_msg("round %d: the top is not the smallest", round);
        }
    }
    int64_t last = INT64_MIN;
    for (; inside > 0; inside--) {
        struct heap_item *item = heap_pop(&heap);
        ck_assert_int_ge(item->key, last);
        ck_assert_uint_eq(item->index, 0);
        last = item->key;
    }
    ck_assert_ptr_null(heap_pop(&heap));
    ck_assert_ptr_null(heap_peek(&heap));
    heap_remove(&heap, &items[0]);
    heap_release(&heap);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("heap");
    TCase *tcase = tcase_create("heap");
    tcase_add_test(tcase, heap_gives_keys_in_order_after_random_changes);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
