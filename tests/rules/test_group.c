/* Groups: recording rules, staleness, errors, slots, and taking over configurations. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "tests/rules/rules_kit.h"
#include "tests/support/kept_log.h"

#define X "__name__=x"
#define R "__name__=r"

static struct rules_kit kit;

static void setup(void)
{
    rules_kit_start(&kit);
}

static void teardown(void)
{
    rules_kit_stop(&kit);
}

static void begin(const char *rules)
{
    rules_kit_rules(&kit, rules);
    rules_kit_apply(&kit);
}

START_TEST(slots_lie_on_a_grid_that_depends_on_file_and_name)
{
    begin("  - record: r\n    expr: vector(1)\n");
    const struct rule_group *group = kit.manager->groups.items[0];
    rules_kit_tick(&kit);
    int64_t first_ms = kit.slot_ms;
    ck_assert_int_eq(first_ms % RULES_KIT_INTERVAL_MS, group->phase_ms);
    ck_assert_int_gt(first_ms, RULES_KIT_START_MS);
    ck_assert_int_le(first_ms, RULES_KIT_START_MS + RULES_KIT_INTERVAL_MS);
    rules_kit_ticks(&kit, 2);
    ck_assert_str_eq(rules_kit_read(&kit, R, first_ms), "0:1 10:1 20:1");
    rules_kit_restart(&kit, 12345);
    rules_kit_apply(&kit);
    rules_kit_tick(&kit);
    ck_assert_int_eq((kit.slot_ms - first_ms) % RULES_KIT_INTERVAL_MS, 0);
}
END_TEST

START_TEST(missed_slots_are_counted_and_left_out)
{
    begin("  - record: r\n    expr: vector(1)\n");
    rules_kit_tick(&kit);
    int64_t first_ms = kit.slot_ms;
    struct counter *missed = kit.manager->groups.items[0]->metrics.iterations_missed;
    struct counter *all = kit.manager->groups.items[0]->metrics.iterations;
    ck_assert_double_eq(counter_value(missed), 0);
    clock_manual_advance_ms(&kit.clock, first_ms + 35000 - clock_now_ms(&kit.clock.clock));
    rule_manager_step(kit.manager);
    ck_assert_str_eq(rules_kit_read(&kit, R, first_ms), "0:1 30:1");
    ck_assert_double_eq(counter_value(missed), 2);
    ck_assert_double_eq(counter_value(all), 4);
}
END_TEST

START_TEST(later_rules_see_the_results_of_earlier_ones_in_the_same_slot)
{
    begin("  - record: a\n    expr: x * 2\n  - record: b\n    expr: a + 1\n"
          "  - alert: C\n    expr: b > 4\n");
    rules_kit_feed(&kit, X, 2);
    rules_kit_tick(&kit);
    ck_assert_str_eq(rules_kit_read(&kit, "__name__=b", kit.slot_ms), "0:5");
    ck_assert_str_eq(rules_kit_alerts(&kit, 2), "firing{alertname=\"C\"}");
}
END_TEST

START_TEST(name_and_labels_of_the_rule_win)
{
    begin("  - record: r\n    expr: x\n    labels: {job: mine, gone: ''}\n");
    rules_kit_feed(&kit, "__name__=x,job=theirs,gone=1,stays=1", 3);
    rules_kit_tick(&kit);
    ck_assert_str_eq(kit_select(kit.db, "__name__=r"),
                     "{__name__=\"r\", job=\"mine\", stays=\"1\"}");
    ck_assert_str_eq(rules_kit_read(&kit, "__name__=r,job=mine,stays=1", kit.slot_ms), "0:3");
}
END_TEST

START_TEST(a_series_that_is_not_produced_any_more_ends)
{
    begin("  - record: r\n    expr: x\n");
    rules_kit_feed(&kit, X, 1);
    rules_kit_tick(&kit);
    int64_t first_ms = kit.slot_ms;
    rules_kit_feed(&kit, X, NAN);
    rules_kit_ticks(&kit, 2);
    rules_kit_feed(&kit, X, 2);
    rules_kit_tick(&kit);
    ck_assert_str_eq(rules_kit_read(&kit, R, first_ms), "0:1 10:stale 30:2");
}
END_TEST

START_TEST(many_series_are_written_and_ended_like_few)
{
    begin("  - record: r\n    expr: x\n");
    rules_kit_feed(&kit, "__name__=x,i=0", 1);
    rules_kit_tick(&kit);
    int64_t first_ms = kit.slot_ms;
    for (int i = 0; i < 40; i++) {
        char labels[64];
        snprintf(labels, sizeof(labels), "__name__=x,i=%d", i);
        rules_kit_feed(&kit, labels, 2);
    }
    rules_kit_tick(&kit);
    rules_kit_feed(&kit, "__name__=x,i=0", NAN);
    rules_kit_feed(&kit, "__name__=x,i=39", NAN);
    rules_kit_tick(&kit);
    rules_kit_feed(&kit, "__name__=x,i=39", 3);
    rules_kit_tick(&kit);
    ck_assert_str_eq(rules_kit_read(&kit, "__name__=r,i=0", first_ms), "0:1 10:2 20:stale");
    ck_assert_str_eq(rules_kit_read(&kit, "__name__=r,i=7", first_ms), "10:2 20:2 30:2");
    ck_assert_str_eq(rules_kit_read(&kit, "__name__=r,i=39", first_ms), "10:2 20:stale 30:3");
}
END_TEST

START_TEST(a_failing_rule_does_not_stop_the_next)
{
    begin("  - record: bad\n    expr: a * b\n  - record: r\n    expr: vector(1)\n");
    rules_kit_feed(&kit, "__name__=a,i=1", 1);
    rules_kit_feed(&kit, "__name__=a,i=1,k=2", 1);
    rules_kit_feed(&kit, "__name__=b,i=1", 1);
    ck_assert_str_eq(rules_kit_health(&kit, 0), "unknown");
    rules_kit_feed(&kit, "__name__=c,i=1", 1);
    begin("  - record: bad\n    expr: a * on(i) b\n  - record: r\n    expr: vector(1)\n");
    rules_kit_tick(&kit);
    ck_assert(strncmp(rules_kit_health(&kit, 0), "err: multiple matches for labels", 32) == 0);
    ck_assert_str_eq(rules_kit_health(&kit, 1), "ok");
    ck_assert_str_eq(rules_kit_read(&kit, R, kit.slot_ms), "0:1");
    ck_assert_double_eq(
        counter_value(kit.manager->groups.items[0]->metrics.evaluation_failures), 1);
    ck_assert_double_eq(counter_value(kit.manager->groups.items[0]->metrics.evaluations), 2);
}
END_TEST

START_TEST(scalars_are_recorded_and_other_types_are_errors)
{
    begin("  - record: r\n    expr: 1 + 2\n  - record: s\n    expr: '\"text\"'\n"
          "  - record: m\n    expr: x[1m]\n");
    rules_kit_tick(&kit);
    ck_assert_str_eq(rules_kit_read(&kit, R, kit.slot_ms), "0:3");
    ck_assert_str_eq(rules_kit_health(&kit, 1), "err: rule result is not a vector or scalar");
    ck_assert_str_eq(rules_kit_health(&kit, 2), "err: rule result is not a vector or scalar");
}
END_TEST

START_TEST(the_same_labels_twice_are_an_error)
{
    begin("  - record: r\n    expr: x\n    labels: {job: same}\n");
    rules_kit_feed(&kit, "__name__=x,job=a", 1);
    rules_kit_feed(&kit, "__name__=x,job=b", 1);
    rules_kit_tick(&kit);
    ck_assert_str_eq(rules_kit_health(&kit, 0),
                     "err: vector contains metrics with the same labelset after applying rule "
                     "labels");
}
END_TEST

START_TEST(more_series_than_the_limit_drop_all_and_end_none)
{
    rules_kit_write(&kit, "rules.yml",
                    "groups:\n- name: g\n  limit: 1\n  rules:\n  - record: r\n    expr: x\n");
    rules_kit_apply(&kit);
    rules_kit_feed(&kit, "__name__=x,job=a", 1);
    rules_kit_tick(&kit);
    int64_t first_ms = kit.slot_ms;
    rules_kit_feed(&kit, "__name__=x,job=b", 1);
    rules_kit_tick(&kit);
    ck_assert_str_eq(rules_kit_health(&kit, 0), "err: exceeded limit of 1 with 2 series");
    ck_assert_str_eq(rules_kit_read(&kit, "__name__=r,job=a", first_ms), "0:1");
    ck_assert_str_eq(rules_kit_read(&kit, "__name__=r,job=b", first_ms), "");
}
END_TEST

START_TEST(a_query_offset_moves_query_and_samples)
{
    rules_kit_write(&kit, "rules.yml",
                    "groups:\n- name: g\n  query_offset: 20s\n  rules:\n  - record: r\n"
                    "    expr: x\n");
    rules_kit_apply(&kit);
    rules_kit_feed(&kit, X, 1);
    rules_kit_tick(&kit);
    int64_t first_ms = kit.slot_ms;
    rules_kit_ticks(&kit, 2);
    /* at +20 s the query looks at the first slot, where the sample was there already */
    ck_assert_str_eq(rules_kit_read(&kit, R, first_ms), "0:1");
}
END_TEST

static int keep_name(const char *name, void *context)
{
    snprintf(context, 64, "%s", name);
    return 0;
}

/* What the only block has of samples. */
static void damage_block(void)
{
    char path[256], name[64] = "";
    snprintf(path, sizeof(path), "%s/data/blocks", kit.directory);
    ck_assert_int_eq(fs_system->list(fs_system, path, keep_name, name), 0);
    snprintf(path, sizeof(path), "%s/data/blocks/%s/chunks", kit.directory, name);
    int fd = fs_system->open(fs_system, path, FS_WRITE);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(fs_system->pwrite(fs_system, fd, "damaged!", 8, 40), 8);
    fs_system->close(fs_system, fd);
}

#define LEFT_OUT "A rule is evaluated without what storage cannot read"

#define LONG_AND_SHORT                                                                             \
    "  - record: r\n    expr: count_over_time(x[6h])\n"                                            \
    "  - record: s\n    expr: count_over_time(x[10m])\n"                                           \
    "  - alert: A\n    expr: vector(1)\n    annotations:\n"                                       \
    "      n: '{{ range query \"count_over_time(x[6h])\" }}{{ . | value }}{{ end }}'\n"

START_TEST(a_rule_over_damaged_samples_says_so_once)
{
    struct errbuf err = ERRBUF_INIT;
    begin(LONG_AND_SHORT);
    for (int i = 0; i < 250; i++) {
        rules_kit_feed(&kit, X, i);
        clock_manual_advance_ms(&kit.clock, 60000);
    }
    rules_kit_tick(&kit); /* catches up */
    ck_assert_msg(tsdb_maintain(kit.db, &err) == ERR_NONE, "%s", err.text);
    damage_block();
    kept_log_start();
    rules_kit_ticks(&kit, 3);
    ck_assert_uint_eq(kept_log_count(LEFT_OUT), 2);
    ck_assert(kept_log_has("name=r") && kept_log_has("name=A") && !kept_log_has("name=s"));
    ck_assert(kept_log_has("docs/backup.md"));
    ck_assert_str_eq(rules_kit_health(&kit, 0), "ok");
    begin(LONG_AND_SHORT "  - record: t\n    expr: vector(1)\n");
    rules_kit_tick(&kit);
    ck_assert_str_eq(rules_kit_health(&kit, 3), "ok");
    ck_assert_uint_eq(kept_log_count(LEFT_OUT), 2);
    kept_log_stop();
}
END_TEST

START_TEST(a_rule_that_is_removed_leaves_its_series_ended_at_the_next_slot)
{
    begin("  - record: r\n    expr: vector(1)\n  - record: other\n    expr: vector(2)\n");
    rules_kit_tick(&kit);
    int64_t first_ms = kit.slot_ms;
    begin("  - record: other\n    expr: vector(2)\n");
    rules_kit_tick(&kit);
    ck_assert_str_eq(rules_kit_read(&kit, R, first_ms), "0:1 10:stale");
    ck_assert_str_eq(rules_kit_read(&kit, "__name__=other", first_ms), "0:2 10:2");
}
END_TEST

START_TEST(a_group_that_is_removed_leaves_its_series_ended_two_intervals_later)
{
    begin("  - record: r\n    expr: vector(1)\n");
    rules_kit_tick(&kit);
    int64_t first_ms = kit.slot_ms;
    int64_t removed_ms = clock_now_ms(&kit.clock.clock);
    rules_kit_write(&kit, "rules.yml", "groups: []\n");
    rules_kit_apply(&kit);
    rules_kit_tick(&kit);
    ck_assert_str_eq(rules_kit_read(&kit, R, first_ms), "0:1");
    rules_kit_tick(&kit);
    char expected[64];
    snprintf(expected, sizeof(expected), "0:1 %g:stale", (double)(removed_ms - first_ms) / 1000);
    ck_assert_str_eq(rules_kit_read(&kit, R, first_ms), expected);
}
END_TEST

START_TEST(a_group_under_another_name_takes_the_series_over_without_a_gap)
{
    begin("  - record: r\n    expr: vector(1)\n");
    rules_kit_tick(&kit);
    rules_kit_write(&kit, "rules.yml",
                    "groups:\n- name: h\n  rules:\n  - record: r\n    expr: vector(1)\n");
    rules_kit_apply(&kit);
    rules_kit_ticks(&kit, 4);
    ck_assert_ptr_null(strstr(rules_kit_read(&kit, R, 0), "stale"));
}
END_TEST

START_TEST(a_group_that_did_not_change_runs_on)
{
    begin("  - record: r\n    expr: vector(1)\n");
    rules_kit_tick(&kit);
    const struct rule_group *group = kit.manager->groups.items[0];
    begin("  # a comment\n  - record: r\n    expr: vector( 1 )\n");
    ck_assert_ptr_eq(kit.manager->groups.items[0], group);
    begin("  - record: r\n    expr: vector(2)\n");
    ck_assert_ptr_ne(kit.manager->groups.items[0], group);
}
END_TEST

START_TEST(one_bad_file_changes_nothing)
{
    begin("  - record: r\n    expr: vector(1)\n");
    rules_kit_write(&kit, "rules-b.yml", "groups:\n- name: b\n  rules:\n  - record: s\n"
                                         "    expr: vector(1)\n");
    rules_kit_write(&kit, "rules-c.yml", "groups:\n- name: c\n  rules:\n  - record: s\n"
                                         "    expr: vector(\n  - expr: x\n");
    const char *problems = rules_kit_try_apply(&kit);
    ck_assert_ptr_nonnull(strstr(problems, "/rules-c.yml:5:18: group \"c\", rule 1, \"s\": could "
                                           "not parse expression"));
    ck_assert_ptr_nonnull(strstr(problems, "/rules-c.yml:6:5: group \"c\", rule 2, \"\": one of"));
    ck_assert_uint_eq(kit.manager->groups.len, 1);
    rules_kit_tick(&kit);
    ck_assert_str_eq(rules_kit_read(&kit, R, kit.slot_ms), "0:1");
    rules_kit_write(&kit, "rules-c.yml", "");
    rules_kit_apply(&kit);
    ck_assert_uint_eq(kit.manager->groups.len, 2);
}
END_TEST

START_TEST(a_folder_that_a_pattern_meets_is_an_error)
{
    char folder[128];
    begin("  - record: r\n    expr: vector(1)\n");
    snprintf(folder, sizeof(folder), "%s/rules.d", kit.directory);
    ck_assert_int_eq(mkdir(folder, 0700), 0);
    const char *problems = rules_kit_try_apply(&kit);
    ck_assert_str_eq(problems, "");
    snprintf(folder, sizeof(folder), "%s/rules.d.yml", kit.directory);
    ck_assert_int_eq(mkdir(folder, 0700), 0);
    problems = rules_kit_try_apply(&kit);
    ck_assert_msg(strstr(problems, "/rules.d.yml: is a directory; a pattern such as ") != NULL, "%s",
                  problems);
    ck_assert_uint_eq(kit.manager->groups.len, 1);
}
END_TEST

static void add_pattern(struct slice pattern, void *context)
{
    struct buf *out = context;
    buf_append_slice(out, pattern);
    buf_append_byte(out, '\n');
}

START_TEST(patterns_that_match_nothing_are_known)
{
    struct buf patterns CLEANUP(buf_release);
    buf_init(&patterns, 1 << 16);
    rules_kit_apply(&kit);
    rule_manager_visit_unmatched(kit.manager, add_pattern, &patterns);
    ck_assert(slice_has_suffix(buf_slice(&patterns), SLICE("/rules*.yml\n")));
}
END_TEST

static bool is_named_b(const struct rule_group_state *group, const struct rule_state *rule,
                       void *context)
{
    return slice_eq_str(rule->name, "b") && slice_eq_str(group->name, "g");
}

START_TEST(a_snapshot_has_the_rules_that_are_wanted_or_is_an_error)
{
    struct buf text CLEANUP(buf_release);
    buf_init(&text, 4 << 20);
    buf_append_str(&text, "groups:\n- name: g\n  rules:\n  - record: b\n    expr: '1'\n"
                          "  - record: a\n    expr: x{l=\"");
    for (int i = 0; i < 700000; i++)
        buf_append_byte(&text, 'v');
    buf_append_str(&text, "\"}\n");
    rules_kit_write(&kit, "rules.yml", buf_cstr(&text));
    rules_kit_apply(&kit);
    struct memory_budget budget;
    struct memory_hold memory;
    struct arena arena CLEANUP(arena_release);
    struct errbuf err = ERRBUF_INIT;
    struct rule_snapshot snapshot;
    struct rule_selection selection = {0};
    memory_budget_init(&budget, 1); /* and the first mebibyte is free */
    memory_hold_init(&memory, &budget, MEMORY_ANSWERS);
    arena_init(&arena, SIZE_MAX);
    ck_assert(rule_manager_snapshot(kit.manager, &selection, &arena, &memory, &snapshot, &err) ==
              ERR_NONE);
    ck_assert_uint_eq(snapshot.groups[0].rule_count, 2);
    rule_snapshot_release(&snapshot);
    ck_assert(rule_manager_snapshot(kit.manager, &selection, &arena, &memory, &snapshot, &err) ==
              ERR_LIMIT);
    ck_assert_ptr_nonnull(strstr(err.text, "--storage.memory-limit"));
    selection.wants = is_named_b;
    ck_assert(rule_manager_snapshot(kit.manager, &selection, &arena, &memory, &snapshot, &err) ==
              ERR_NONE);
    ck_assert_uint_eq(snapshot.groups[0].rule_count, 1);
    ck_assert(slice_eq_str(snapshot.groups[0].rules[0].name, "b"));
    rule_snapshot_release(&snapshot);
    memory_hold_release(&memory);
}
END_TEST

START_TEST(a_manager_with_threads_evaluates_and_stops)
{
    rules_kit_write(&kit, "rules.yml", "groups:\n- name: g\n  interval: 5ms\n  rules:\n"
                                       "  - record: r\n    expr: vector(1)\n");
    struct promql_engine *engine = promql_engine_new(&(struct promql_engine_options){0});
    char path[128];
    snprintf(path, sizeof(path), "%s/threads", kit.directory);
    struct tsdb *db = kit_open(&(struct tsdb_options){.path = path});
    struct rule_manager *manager =
        rule_manager_new(&(struct rule_manager_options){.db = db, .engine = engine});
    struct config *config = rules_kit_config(kit.directory, "");
    struct buf errors CLEANUP(buf_release);
    buf_init(&errors, BUF_SIZE_ANY);
    ck_assert_int_eq(rule_manager_apply(manager, config, &errors, NULL), ERR_NONE);
    const struct rule_group *group = manager->groups.items[0];
    /* as many evaluations as it takes: the test ends by its time limit if there are none */
    while (counter_value(group->metrics.evaluations) < 5)
        rule_manager_apply(manager, config, &errors, NULL) == ERR_NONE ? (void)0 : abort();
    config_unref(config);
    rule_manager_free(manager);
    ck_assert_str_ne(kit_read(db, R), "");
    promql_engine_free(engine);
    tsdb_close(db);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("group");
    TCase *cases = tcase_create("group");
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_set_timeout(cases, 60);
    tcase_add_test(cases, slots_lie_on_a_grid_that_depends_on_file_and_name);
    tcase_add_test(cases, missed_slots_are_counted_and_left_out);
    tcase_add_test(cases, later_rules_see_the_results_of_earlier_ones_in_the_same_slot);
    tcase_add_test(cases, name_and_labels_of_the_rule_win);
    tcase_add_test(cases, a_series_that_is_not_produced_any_more_ends);
    tcase_add_test(cases, many_series_are_written_and_ended_like_few);
    tcase_add_test(cases, a_failing_rule_does_not_stop_the_next);
    tcase_add_test(cases, scalars_are_recorded_and_other_types_are_errors);
    tcase_add_test(cases, the_same_labels_twice_are_an_error);
    tcase_add_test(cases, more_series_than_the_limit_drop_all_and_end_none);
    tcase_add_test(cases, a_query_offset_moves_query_and_samples);
    tcase_add_test(cases, a_rule_that_is_removed_leaves_its_series_ended_at_the_next_slot);
    tcase_add_test(cases, a_group_that_is_removed_leaves_its_series_ended_two_intervals_later);
    tcase_add_test(cases, a_group_under_another_name_takes_the_series_over_without_a_gap);
    tcase_add_test(cases, a_rule_over_damaged_samples_says_so_once);
    tcase_add_test(cases, a_group_that_did_not_change_runs_on);
    tcase_add_test(cases, one_bad_file_changes_nothing);
    tcase_add_test(cases, a_folder_that_a_pattern_meets_is_an_error);
    tcase_add_test(cases, patterns_that_match_nothing_are_known);
    tcase_add_test(cases, a_snapshot_has_the_rules_that_are_wanted_or_is_an_error);
    tcase_add_test(cases, a_manager_with_threads_evaluates_and_stops);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
