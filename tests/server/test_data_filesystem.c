/* File systems over a network are told from local ones. */
#include "server/data_filesystem.h"

#include <check.h>
#include <linux/magic.h>
#include <stdlib.h>

START_TEST(network_file_systems_are_known_as_such)
{
    static const uint32_t remote[] = {0x6969, 0xFF534D42, 0xFE534D42, 0x00C36400};
    for (size_t i = 0; i < sizeof(remote) / sizeof(*remote); i++) {
        const struct filesystem_kind *kind = filesystem_kind_find(remote[i]);
        ck_assert_ptr_nonnull(kind);
        ck_assert(kind->is_remote);
    }
    ck_assert_str_eq(filesystem_kind_find(0x6969)->name, "NFS_SUPER_MAGIC");
}
END_TEST

START_TEST(local_file_systems_are_no_reason_to_warn)
{
    const struct filesystem_kind *kind = filesystem_kind_find(TMPFS_MAGIC);
    ck_assert_ptr_nonnull(kind);
    ck_assert_str_eq(kind->name, "TMPFS_MAGIC");
    ck_assert(!kind->is_remote);
    ck_assert(!filesystem_kind_find(0xEF53)->is_remote);
    ck_assert_ptr_null(filesystem_kind_find(0x12345678));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("data_filesystem");
    TCase *tcase = tcase_create("kinds");
    tcase_add_test(tcase, network_file_systems_are_known_as_such);
    tcase_add_test(tcase, local_file_systems_are_no_reason_to_warn);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
