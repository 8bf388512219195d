/* Errors have code, text and place, and reporting cannot fail. */
#include "base/err.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

START_TEST(errbuf_set_returns_the_code_and_forgets_the_old_place)
{
    struct errbuf err = ERRBUF_INIT;
    ck_assert_int_eq(errbuf_set_at(&err, ERR_INVALID, 3, 7, "bad %s", "thing"), ERR_INVALID);
    ck_assert_str_eq(err.text, "bad thing");
    ck_assert_uint_eq(err.line, 3);
    ck_assert_uint_eq(err.column, 7);
    errbuf_prefix(&err, "parsing %s: ", "f.yml");
    ck_assert_str_eq(err.text, "parsing f.yml: bad thing");
    ck_assert_uint_eq(err.line, 3);
    ck_assert_int_eq(errbuf_set(&err, ERR_LIMIT, "too much"), ERR_LIMIT);
    ck_assert_uint_eq(err.line, 0);
    ck_assert_int_eq(err.code, ERR_LIMIT);
    ck_assert_int_eq(errbuf_set(NULL, ERR_IO, "nobody listens"), ERR_IO);
    errbuf_prefix(NULL, "x");
}
END_TEST

START_TEST(errbuf_cuts_texts_that_are_too_long)
{
    static char text[ERRBUF_TEXT_SIZE * 2];
    memset(text, 'x', sizeof(text) - 1);
    struct errbuf err = ERRBUF_INIT;
    errbuf_set(&err, ERR_INVALID, "%s", text);
    ck_assert_uint_eq(strlen(err.text), ERRBUF_TEXT_SIZE - 1);
    errbuf_prefix(&err, "before: ");
    ck_assert_uint_eq(strlen(err.text), ERRBUF_TEXT_SIZE - 1);
    ck_assert_int_eq(strncmp(err.text, "before: xxx", 11), 0);
    errbuf_prefix(&err, "%s", text);
    ck_assert_int_eq(strncmp(err.text, "before: ", 8), 0);
}
END_TEST

START_TEST(errbuf_set_errno_tells_full_disks_and_missing_files_apart)
{
    struct errbuf err = ERRBUF_INIT;
    ck_assert_int_eq(errbuf_set_errno(&err, ENOSPC, "write %s", "f"), ERR_NO_SPACE);
    ck_assert_str_eq(err.text, "write f: no space left on device");
    ck_assert_int_eq(errbuf_set_errno(&err, EDQUOT, "x"), ERR_NO_SPACE);
    ck_assert_int_eq(errbuf_set_errno(&err, ENOENT, "x"), ERR_NOT_FOUND);
    ck_assert_int_eq(errbuf_set_errno(&err, EEXIST, "x"), ERR_EXISTS);
    ck_assert_int_eq(errbuf_set_errno(&err, EIO, "x"), ERR_IO);
    ck_assert_int_eq(err.code, ERR_IO);
    ck_assert_int_eq(errbuf_set_errno(NULL, EIO, "x"), ERR_IO);
    ck_assert_str_eq(err_name(ERR_NO_SPACE), "no_space");
    ck_assert_str_eq(err_name((enum err)99), "unknown");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("err");
    TCase *tcase = tcase_create("err");
    tcase_add_test(tcase, errbuf_set_returns_the_code_and_forgets_the_old_place);
    tcase_add_test(tcase, errbuf_cuts_texts_that_are_too_long);
    tcase_add_test(tcase, errbuf_set_errno_tells_full_disks_and_missing_files_apart);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
