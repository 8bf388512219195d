/* The digests of the standards, and of every length around a block. */
#include "base/digest.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

static void assert_digest(struct slice message, const char *expected)
{
    uint8_t digest[DIGEST_MD5_BYTES];
    char text[2 * DIGEST_MD5_BYTES + 1];
    digest_md5(message, digest);
    for (size_t i = 0; i < DIGEST_MD5_BYTES; i++)
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
    char all[201 * DIGEST_MD5_BYTES];
    for (size_t len = 0; len <= sizeof(message); len++)
        digest_md5(slice_from(message, len), (uint8_t *)all + len * DIGEST_MD5_BYTES);
    assert_digest(slice_from(all, sizeof(all)), "85a5e659ef84b20587f1e9a409ab70c7");
}
END_TEST

START_TEST(sha256_gives_the_digest_of_the_standard)
{
    uint8_t digest[DIGEST_SHA256_BYTES];
    char text[2 * DIGEST_SHA256_BYTES + 1];
    digest_sha256(SLICE("abc"), digest);
    for (size_t i = 0; i < DIGEST_SHA256_BYTES; i++)
        snprintf(text + 2 * i, 3, "%02x", digest[i]);
    ck_assert_str_eq(text, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("digest");
    TCase *tcase = tcase_create("digest");
    tcase_add_test(tcase, md5_gives_the_digests_of_the_rfc);
    tcase_add_test(tcase, sha256_gives_the_digest_of_the_standard);
    tcase_add_test(tcase, md5_pads_every_length_around_a_block);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
