/* What is merged next, as tables: blocks by begin and end in hours. */
#include "tsdb/compaction_plan.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

#define HOUR_MS INT64_C(3600000)
#define BLOCKS_MAX 32

static struct block_meta blocks[BLOCKS_MAX];
static size_t block_count;
static struct compaction_ranges ranges;

static void setup(void)
{
    memset(blocks, 0, sizeof(blocks));
    block_count = 0;
    compaction_ranges_init(&ranges, 2 * HOUR_MS, 54 * HOUR_MS);
}

static struct block_meta *add(int64_t begin_hours, int64_t end_hours)
{
    struct block_meta *block = &blocks[block_count];
    snprintf(block->ulid.text, sizeof(block->ulid.text), "%026zu", block_count++);
    block->min_ms = begin_hours * HOUR_MS;
    block->max_ms = end_hours * HOUR_MS;
    block->level = 1;
    block->stats.series = 100;
    return block;
}

/* The choice as text: "0-2 2-4". */
static const char *plan(void)
{
    static char text[512];
    const struct block_meta *metas[BLOCKS_MAX];
    /* given in the wrong order */
    for (size_t i = 0; i < block_count; i++)
        metas[i] = &blocks[block_count - 1 - i];
    size_t chosen = compaction_plan(&ranges, metas, block_count);
    size_t len = 0;
    text[0] = '\0';
    for (size_t i = 0; i < chosen; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%lld-%lld", i == 0 ? "" : " ",
                                (long long)(metas[i]->min_ms / HOUR_MS),
                                (long long)(metas[i]->max_ms / HOUR_MS));
    return text;
}

START_TEST(ranges_triple_up_to_the_largest_block)
{
    ck_assert_uint_eq(ranges.count, 4);
    ck_assert_int_eq(ranges.lengths_ms[0], 2 * HOUR_MS);
    ck_assert_int_eq(ranges.lengths_ms[3], 54 * HOUR_MS);
    compaction_ranges_init(&ranges, 2 * HOUR_MS, 53 * HOUR_MS);
    ck_assert_uint_eq(ranges.count, 3);
    compaction_ranges_init(&ranges, 2 * HOUR_MS, 1);
    ck_assert_uint_eq(ranges.count, 1);
    compaction_ranges_init(&ranges, INT64_MAX / 2, INT64_MAX);
    ck_assert_uint_eq(ranges.count, 1);
    compaction_ranges_init(&ranges, 1, INT64_MAX);
    ck_assert_uint_eq(ranges.count, COMPACTION_LEVELS_MAX);
}
END_TEST

START_TEST(the_largest_block_is_a_tenth_of_the_retention_and_at_most_31_days)
{
    ck_assert_int_eq(compaction_default_max_ms(15 * 24 * HOUR_MS), 36 * HOUR_MS);
    ck_assert_int_eq(compaction_default_max_ms(0), 31 * 24 * HOUR_MS);
    ck_assert_int_eq(compaction_default_max_ms(3650 * 24 * HOUR_MS), 31 * 24 * HOUR_MS);
}
END_TEST

START_TEST(nothing_is_merged_where_there_is_nothing)
{
    ck_assert_str_eq(plan(), "");
    add(0, 2);
    ck_assert_str_eq(plan(), "");
    add(2, 4);
    ck_assert_str_eq(plan(), "");
}
END_TEST

START_TEST(a_full_range_waits_for_a_block_behind_it)
{
    add(0, 2);
    add(2, 4);
    add(4, 6);
    ck_assert_str_eq(plan(), "");
    add(6, 8);
    ck_assert_str_eq(plan(), "0-2 2-4 4-6");
}
END_TEST

START_TEST(a_range_with_a_gap_is_taken_once_a_newer_block_begins_behind_it)
{
    add(0, 2);
    add(4, 6);
    ck_assert_str_eq(plan(), "");
    add(6, 8);
    /* its begin and end lie apart as far as the range is long */
    ck_assert_str_eq(plan(), "0-2 4-6");
    setup();
    add(2, 4);
    add(4, 6);
    add(6, 8);
    ck_assert_str_eq(plan(), "");
    add(8, 10);
    ck_assert_str_eq(plan(), "2-4 4-6");
}
END_TEST

START_TEST(a_block_alone_in_its_range_stays)
{
    add(0, 2);
    add(6, 8);
    add(12, 14);
    add(18, 20);
    ck_assert_str_eq(plan(), "");
    add(24, 26);
    /* alone in six hours, but three of eighteen */
    ck_assert_str_eq(plan(), "0-2 6-8 12-14");
    compaction_ranges_init(&ranges, 2 * HOUR_MS, 6 * HOUR_MS);
    ck_assert_str_eq(plan(), "");
}
END_TEST

START_TEST(the_smallest_level_comes_first_and_the_oldest_range_of_it)
{
    add(0, 6);
    add(6, 12);
    add(12, 18);
    add(18, 20);
    add(20, 22);
    add(22, 24);
    add(24, 26);
    ck_assert_str_eq(plan(), "18-20 20-22 22-24");
    blocks[3] = blocks[6];
    block_count = 4;
    ck_assert_str_eq(plan(), "0-6 6-12 12-18");
}
END_TEST

START_TEST(ranges_before_1970_are_aligned_too)
{
    add(-6, -4);
    add(-4, -2);
    add(-2, 0);
    add(0, 2);
    add(2, 4);
    ck_assert_str_eq(plan(), "-6--4 -4--2 -2-0");
}
END_TEST

START_TEST(times_may_lie_anywhere)
{
    ck_assert_int_eq(block_range_end_ms(0, 10), 10);
    ck_assert_int_eq(block_range_end_ms(9, 10), 10);
    ck_assert_int_eq(block_range_end_ms(10, 10), 20);
    ck_assert_int_eq(block_range_end_ms(-1, 10), 0);
    ck_assert_int_eq(block_range_end_ms(-10, 10), 0);
    ck_assert_int_eq(block_range_end_ms(-11, 10), -10);
    ck_assert_int_eq(block_range_end_ms(INT64_MAX, 10), INT64_MAX);
    ck_assert_int_eq(block_range_end_ms(INT64_MAX - 7, 10), INT64_MAX);
    ck_assert_int_eq(block_range_end_ms(INT64_MIN, 10), INT64_MIN + 10);
    ck_assert_int_eq(block_range_end_ms(INT64_MIN + 9, 10), INT64_MIN + 10);
    add(0, 2)->min_ms = INT64_MIN;
    add(2, 4);
    add(4, 6);
    add(6, 8)->max_ms = INT64_MAX;
    ck_assert_str_eq(plan(), ""); /* the first sticks out, the second and third are no full range */
    add(8, 10);
    ck_assert_uint_gt(strlen(plan()), 0); /* overlaps */
}
END_TEST

START_TEST(a_block_that_sticks_out_of_its_range_is_left)
{
    add(0, 2);
    add(2, 4);
    add(5, 7);
    add(7, 8);
    add(8, 10);
    add(12, 14);
    ck_assert_str_eq(plan(), "0-2 2-4");
}
END_TEST

START_TEST(overlapping_blocks_come_before_all_else)
{
    add(0, 2);
    add(2, 4);
    add(4, 6);
    add(6, 8);
    add(7, 9);
    ck_assert_str_eq(plan(), "6-8 7-9");
}
END_TEST

START_TEST(overlaps_are_followed_through_the_longest_block)
{
    add(0, 10);
    add(2, 4);
    add(5, 6);
    add(10, 12);
    add(11, 14);
    ck_assert_str_eq(plan(), "0-10 2-4 5-6");
}
END_TEST

START_TEST(blocks_that_touch_do_not_overlap)
{
    add(0, 2);
    add(2, 4);
    ck_assert_str_eq(plan(), "");
    add(0, 2);
    ck_assert_str_eq(plan(), "0-2 0-2");
}
END_TEST

START_TEST(a_range_with_a_block_that_could_not_be_merged_is_passed_over)
{
    add(0, 2);
    add(2, 4)->failed = true;
    add(4, 6);
    add(6, 8);
    add(8, 10);
    add(10, 12);
    add(12, 14);
    ck_assert_str_eq(plan(), "6-8 8-10 10-12");
    block_count = 4;
    ck_assert_str_eq(plan(), "");
    add(7, 8)->failed = true;
    ck_assert_str_eq(plan(), "");
}
END_TEST

START_TEST(large_blocks_are_rewritten_when_a_twentieth_is_deleted)
{
    /* the middle of 2, 6, 18, 54 hours is 18 */
    struct block_meta *old = add(0, 54), *large = add(54, 108);
    add(108, 110);
    old->stats.tombstones = 6;
    large->stats.tombstones = 5;
    ck_assert_str_eq(plan(), "0-54");
    old->stats.tombstones = 5;
    ck_assert_str_eq(plan(), "");
    old->stats.tombstones = large->stats.tombstones = 50;
    ck_assert_str_eq(plan(), "54-108");
    large->failed = true;
    ck_assert_str_eq(plan(), "0-54");
}
END_TEST

START_TEST(small_blocks_are_rewritten_only_when_all_is_deleted)
{
    struct block_meta *small = add(0, 2);
    add(2, 4)->stats.tombstones = 100;
    small->stats.tombstones = 99;
    ck_assert_str_eq(plan(), "");
    small->stats.tombstones = 100;
    ck_assert_str_eq(plan(), "0-2");
    small->stats.tombstones = small->stats.series = 0;
    ck_assert_str_eq(plan(), "");
}
END_TEST

START_TEST(repeated_merging_ends_in_blocks_of_the_highest_level)
{
    /* 81 blocks of two hours, one after the other: after each, all that is due is merged */
    struct block_meta live[BLOCKS_MAX];
    size_t count = 0;
    for (int64_t i = 0; i < 82; i++) {
        struct block_meta *next = &live[count++];
        *next = (struct block_meta){.min_ms = 2 * i * HOUR_MS, .max_ms = 2 * (i + 1) * HOUR_MS};
        snprintf(next->ulid.text, sizeof(next->ulid.text), "%026lld", (long long)i);
        for (;;) {
            const struct block_meta *metas[BLOCKS_MAX];
            for (size_t k = 0; k < count; k++)
                metas[k] = &live[k];
            size_t chosen = compaction_plan(&ranges, metas, count);
            if (chosen == 0)
                break;
            struct block_meta merged = *metas[0];
            merged.max_ms = metas[chosen - 1]->max_ms;
            size_t kept = 0;
            for (size_t k = 0; k < count; k++) {
                if (live[k].max_ms <= merged.min_ms || live[k].min_ms >= merged.max_ms)
                    live[kept++] = live[k];
            }
            live[kept++] = merged;
            count = kept;
        }
        ck_assert_uint_lt(count, 13);
    }
    ck_assert_uint_eq(count, 4);
    size_t large = 0;
    for (size_t i = 0; i < count; i++)
        large += live[i].max_ms - live[i].min_ms == 54 * HOUR_MS;
    ck_assert_uint_eq(large, 3);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("compaction_plan");
    TCase *tests = tcase_create("compaction_plan");
    tcase_add_checked_fixture(tests, setup, NULL);
    tcase_add_test(tests, ranges_triple_up_to_the_largest_block);
    tcase_add_test(tests, the_largest_block_is_a_tenth_of_the_retention_and_at_most_31_days);
    tcase_add_test(tests, nothing_is_merged_where_there_is_nothing);
    tcase_add_test(tests, a_full_range_waits_for_a_block_behind_it);
    tcase_add_test(tests, a_range_with_a_gap_is_taken_once_a_newer_block_begins_behind_it);
    tcase_add_test(tests, a_block_alone_in_its_range_stays);
    tcase_add_test(tests, the_smallest_level_comes_first_and_the_oldest_range_of_it);
    tcase_add_test(tests, ranges_before_1970_are_aligned_too);
    tcase_add_test(tests, times_may_lie_anywhere);
    tcase_add_test(tests, a_block_that_sticks_out_of_its_range_is_left);
    tcase_add_test(tests, overlapping_blocks_come_before_all_else);
    tcase_add_test(tests, overlaps_are_followed_through_the_longest_block);
    tcase_add_test(tests, blocks_that_touch_do_not_overlap);
    tcase_add_test(tests, a_range_with_a_block_that_could_not_be_merged_is_passed_over);
    tcase_add_test(tests, large_blocks_are_rewritten_when_a_twentieth_is_deleted);
    tcase_add_test(tests, small_blocks_are_rewritten_only_when_all_is_deleted);
    tcase_add_test(tests, repeated_merging_ends_in_blocks_of_the_highest_level);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
