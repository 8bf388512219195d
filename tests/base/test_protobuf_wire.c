/* Fields come back as they were written, and wrong bytes end the reading. */
#include "base/protobuf_wire.h"

#include "base/compiler.h"

#include <check.h>
#include <stdlib.h>

START_TEST(protobuf_reads_what_it_wrote)
{
    struct buf out CLEANUP(buf_release);
    buf_init(&out, 1000);
    protobuf_write_varint(&out, 1, UINT64_MAX);
    protobuf_write_sint(&out, 2, -3);
    protobuf_write_double(&out, 3, -0.5);
    protobuf_write_bytes(&out, 536870911, SLICE("text"));
    protobuf_write_fixed64(&out, 5, 1);
    buf_append(&out, "\x35\x01\x02\x03\x04", 5); /* fixed32 */
    struct protobuf_reader reader = protobuf_reader(buf_slice(&out));
    struct protobuf_field field;
    ck_assert(protobuf_next(&reader, &field));
    ck_assert_uint_eq(field.number, 1);
    ck_assert_uint_eq(field.value, UINT64_MAX);
    ck_assert(protobuf_next(&reader, &field));
    ck_assert_int_eq(protobuf_field_sint64(&field), -3);
    ck_assert(protobuf_next(&reader, &field));
    ck_assert_int_eq(field.type, PROTOBUF_FIXED64);
    ck_assert_double_eq(protobuf_field_double(&field), -0.5);
    ck_assert(protobuf_next(&reader, &field));
    ck_assert_uint_eq(field.number, 536870911);
    ck_assert(slice_eq_str(field.bytes, "text"));
    ck_assert(protobuf_next(&reader, &field));
    ck_assert_uint_eq(field.value, 1);
    ck_assert(protobuf_next(&reader, &field));
    ck_assert_int_eq(field.type, PROTOBUF_FIXED32);
    ck_assert_uint_eq(field.value, 0x04030201);
    ck_assert(!protobuf_next(&reader, &field));
    ck_assert(!reader.failed);
}
END_TEST

START_TEST(protobuf_refuses_wrong_bytes)
{
    static const struct slice wrong[] = {
        {"\x08", 1},                                             /* no value */
        {"\x08\x80", 2},                                         /* cut varint */
        {"\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 12}, /* 11 bytes */
        {"\x00\x01", 2},                                         /* field 0 */
        {"\x0b", 1},                                             /* group */
        {"\x0c", 1},                                             /* end of group */
        {"\x0f\x01", 2},                                         /* type 7 */
        {"\x12\x05ok", 4},                                       /* longer than what is left */
        {"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11},    /* length 2^64-1 */
        {"\x09\x01\x02", 3},                                     /* cut fixed64 */
        {"\x0d\x01\x02\x03", 4},                                 /* cut fixed32 */
        {"\x80\x80\x80\x80\x10\x00", 6},                         /* number above 2^29-1 */
    };
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        struct protobuf_reader reader = protobuf_reader(wrong[i]);
        struct protobuf_field field;
        ck_assert_msg(!protobuf_next(&reader, &field), "case %zu", i);
        ck_assert_msg(reader.failed, "case %zu", i);
        ck_assert(!protobuf_next(&reader, &field));
    }
}
END_TEST

START_TEST(protobuf_an_empty_message_has_no_fields)
{
    struct protobuf_reader reader = protobuf_reader(SLICE_EMPTY);
    struct protobuf_field field;
    ck_assert(!protobuf_next(&reader, &field));
    ck_assert(!reader.failed);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("protobuf_wire");
    TCase *tcase = tcase_create("protobuf_wire");
    tcase_add_test(tcase, protobuf_reads_what_it_wrote);
    tcase_add_test(tcase, protobuf_refuses_wrong_bytes);
    tcase_add_test(tcase, protobuf_an_empty_message_has_no_fields);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
