/* MD5 gives the digests of RFC 1321 and of every length around a block. */
#include "model/md5.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

static void assert_digest(struct slice message, const char *expected)
{
    uint8_t digest[MD5_SIZE];
    char text[2 * MD5_SIZE + 1];
    md5(message, digest);
    for (size_t i = 0; i < MD5_SIZE; i++)
        snprintf(text + 2 * i, 3, "%02x", digest[i]);
    ck_assert_str_eq(text, expected);
}

START_TEST(md5_gives_the_digests_of_the_rfc)
{
    assert_digest(SLICE_EMPTY, "d41d8cd98f00b204e9800998ecf8427e");
    assert_digest(SLICE("a"), "0cc175b9c0f1b6a831c399e269772661");
    assert_digest(SLICE("abc"), "900150983cd24fb0d6963f7d28e17f72");
    assert_digest(SLICE("message digest"), "f96b697d7cb7938d525a2f31aaf161d0");
    assert_digest(SLICE("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"),
                  "d174ab98d277d9f5a5611c2c9f419d9f");
    assert_digest(
        SLICE("123456789012345678901234567890123456789012345678901234567890123456789012345678"
              "90"),
        "57edf4a22be3c955ac49da2e2107b67a");
}
END_TEST

START_TEST(md5_pads_every_length_around_a_block)
{
    /* the digest of all digests of 0 to 200 bytes, as another implementation computes it */
    char message[200];
    memset(message, 'x', sizeof(message));
    char all[201 * MD5_SIZE];
    for (size_t len = 0; len <= sizeof(message); len++)
        md5(slice_from(message, len), (uint8_t *)all + len * MD5_SIZE);
    assert_digest(slice_from(all, sizeof(all)), "85a5e659ef84b20587f1e9a409ab70c7");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("md5");
    TCase *tcase = tcase_create("md5");
    tcase_add_test(tcase, md5_gives_the_digests_of_the_rfc);
    tcase_add_test(tcase, md5_pads_every_length_around_a_block);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
