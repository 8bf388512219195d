/* Buffers keep their maximum, are always terminated, and refuse without changing. */
#include "base/buf.h"

#include "base/alloc.h"

#include <check.h>
#include <stdint.h>
#include <stdlib.h>

START_TEST(buf_refuses_what_is_above_its_maximum_and_stays_as_it_was)
{
    struct buf buf CLEANUP(buf_release);
    buf_init(&buf, 5);
    ck_assert(buf_append_str(&buf, "abc"));
    ck_assert(!buf_append_str(&buf, "def"));
    ck_assert(buf.overflow);
    ck_assert_str_eq(buf_cstr(&buf), "abc");
    ck_assert(buf_append_str(&buf, "de"));
    ck_assert(!buf_append_byte(&buf, 'f'));
    ck_assert(!buf_printf(&buf, "%d", 1));
    ck_assert(buf_append(&buf, NULL, 0));
    ck_assert_ptr_null(buf_reserve(&buf, SIZE_MAX));
    ck_assert_str_eq(buf_cstr(&buf), "abcde");
    buf_reset(&buf);
    ck_assert(!buf.overflow);
    ck_assert_str_eq(buf_cstr(&buf), "");
    ck_assert(buf_printf(&buf, "%s-%d", "x", 42));
    ck_assert_str_eq(buf_cstr(&buf), "x-42");
}
END_TEST

START_TEST(buf_that_was_never_written_is_an_empty_text)
{
    struct buf buf CLEANUP(buf_release);
    buf_init(&buf, 0);
    ck_assert_str_eq(buf_cstr(&buf), "");
    ck_assert_uint_eq(buf_slice(&buf).len, 0);
    ck_assert_ptr_nonnull(buf_slice(&buf).ptr);
    ck_assert(!buf_append_byte(&buf, 'a'));
    char *taken = buf_take(&buf);
    ck_assert_str_eq(taken, "");
    mem_free(taken);
}
END_TEST

START_TEST(buf_writes_integers_to_their_limits)
{
    struct buf buf CLEANUP(buf_release);
    buf_init(&buf, 1000);
    buf_append_uint(&buf, 0);
    buf_append_byte(&buf, ' ');
    buf_append_uint(&buf, UINT64_MAX);
    buf_append_byte(&buf, ' ');
    buf_append_int(&buf, INT64_MIN);
    buf_append_byte(&buf, ' ');
    buf_append_int(&buf, INT64_MAX);
    ck_assert_str_eq(buf_cstr(&buf),
                     "0 18446744073709551615 -9223372036854775808 9223372036854775807");
}
END_TEST

START_TEST(buf_reserve_consume_truncate_and_take)
{
    struct buf buf CLEANUP(buf_release);
    buf_init(&buf, 100000);
    for (int i = 0; i < 1000; i++) {
        char *to = buf_reserve(&buf, 50);
        memcpy(to, "0123456789", 10);
        buf_commit(&buf, 10);
    }
    ck_assert_uint_eq(buf.len, 10000);
    ck_assert_uint_eq(strlen(buf_cstr(&buf)), 10000);
    buf_consume(&buf, 9995);
    ck_assert_str_eq(buf_cstr(&buf), "56789");
    buf_consume(&buf, 0);
    buf_truncate(&buf, 2);
    ck_assert_str_eq(buf_cstr(&buf), "56");
    char *taken = buf_take(&buf);
    ck_assert_str_eq(taken, "56");
    mem_free(taken);
    ck_assert_uint_eq(buf.len, 0);
    ck_assert(buf_append_str(&buf, "again"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("buf");
    TCase *tcase = tcase_create("buf");
    tcase_add_test(tcase, buf_refuses_what_is_above_its_maximum_and_stays_as_it_was);
    tcase_add_test(tcase, buf_that_was_never_written_is_an_empty_text);
    tcase_add_test(tcase, buf_writes_integers_to_their_limits);
    tcase_add_test(tcase, buf_reserve_consume_truncate_and_take);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
