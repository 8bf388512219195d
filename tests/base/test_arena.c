/* Arenas give aligned memory within their cap, and marks bring them back. */
#include "base/arena.h"

#include <check.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>

START_TEST(arena_memory_is_aligned_and_does_not_overlap)
{
    struct arena arena CLEANUP(arena_release);
    arena_init(&arena, 64 << 20);
    unsigned char *blocks[500];
    for (size_t i = 0; i < 500; i++) {
        blocks[i] = arena_alloc(&arena, i * 7);
        ck_assert_uint_eq((uintptr_t)blocks[i] % 16, 0);
        memset(blocks[i], (int)(i & 0xff), i * 7);
    }
    for (size_t i = 0; i < 500; i++) {
        for (size_t k = 0; k < i * 7; k++) {
            if (blocks[i][k] != (i & 0xff))
                ck_abort_msg("block %zu was written to", i);
        }
    }
    unsigned char *zeros = arena_zalloc_array(&arena, 300000, 10);
    for (size_t i = 0; i < 3000000; i++) {
        if (zeros[i] != 0)
            ck_abort_msg("byte %zu is not 0", i);
    }
}
END_TEST

START_TEST(arena_try_alloc_refuses_above_the_cap)
{
    struct arena arena CLEANUP(arena_release);
    arena_init(&arena, 1000);
    ck_assert_ptr_null(arena_try_alloc(&arena, 1001));
    ck_assert_ptr_null(arena_try_alloc(&arena, SIZE_MAX));
    ck_assert_ptr_nonnull(arena_try_alloc(&arena, 900));
    ck_assert_ptr_null(arena_try_alloc(&arena, 200));
    ck_assert_ptr_nonnull(arena_try_alloc(&arena, 50));
    arena_reset(&arena);
    ck_assert_ptr_nonnull(arena_try_alloc(&arena, 900));
}
END_TEST

START_TEST(arena_alloc_above_the_cap_ends_the_process)
{
    struct arena arena;
    arena_init(&arena, 1000);
    void *lost = arena_alloc_array(&arena, SIZE_MAX / 2, 3);
    (void)lost;
}
END_TEST

START_TEST(arena_rewind_gives_the_same_memory_again)
{
    struct arena arena CLEANUP(arena_release);
    arena_init(&arena, 64 << 20);
    struct arena_mark empty = arena_mark(&arena);
    char *kept = arena_strdup(&arena, "kept");
    struct arena_mark mark = arena_mark(&arena);
    void *first = arena_alloc(&arena, 100);
    for (int i = 0; i < 1000; i++)
        memset(arena_alloc(&arena, 5000), 1, 5000);
    arena_rewind(&arena, mark);
    ck_assert_uint_eq(arena.used, mark.used);
    ck_assert_ptr_eq(arena_alloc(&arena, 100), first);
    ck_assert_str_eq(kept, "kept");
    arena_rewind(&arena, empty);
    ck_assert_uint_eq(arena.used, 0);
    ck_assert_str_eq(arena_printf(&arena, "%05d", 42), "00042");
}
END_TEST

START_TEST(arena_texts_are_terminated_copies)
{
    struct arena arena CLEANUP(arena_release);
    arena_init(&arena, 1 << 20);
    struct slice copy = arena_slice(&arena, slice_from("abcdef", 3));
    ck_assert_str_eq(copy.ptr, "abc");
    ck_assert_uint_eq(copy.len, 3);
    ck_assert_str_eq(arena_slice(&arena, slice_from(NULL, 0)).ptr, "");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("arena");
    TCase *tcase = tcase_create("arena");
    tcase_add_test(tcase, arena_memory_is_aligned_and_does_not_overlap);
    tcase_add_test(tcase, arena_try_alloc_refuses_above_the_cap);
    tcase_add_test_raise_signal(tcase, arena_alloc_above_the_cap_ends_the_process, SIGABRT);
    tcase_add_test(tcase, arena_rewind_gives_the_same_memory_again);
    tcase_add_test(tcase, arena_texts_are_terminated_copies);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
