#include "tests/rules/rules_kit.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/sample.h"

static struct buf sent;
static int64_t sent_times[2 * 1000];
static struct buf sent_labels[1000];
static size_t sent_count;
/* of the last alert, for tests of the link */
char rules_kit_generator_url[512];

/* In the place of the notifier's. */
void notifier_send(struct notifier *notifier, const struct notifier_alert *alerts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        ck_assert_uint_lt(sent_count, ARRAY_SIZE(sent_labels));
        buf_init(&sent_labels[sent_count], BUF_SIZE_ANY);
        labels_print(alerts[i].labels, &sent_labels[sent_count]);
        labels_print(alerts[i].annotations, &sent_labels[sent_count]);
        sent_times[2 * sent_count] = alerts[i].starts_at_ms;
        sent_times[2 * sent_count + 1] = alerts[i].ends_at_ms;
        snprintf(rules_kit_generator_url, sizeof(rules_kit_generator_url), "%.*s",
                 SLICE_ARG(alerts[i].generator_url));
        sent_count++;
    }
}

const char *rules_kit_sent(int64_t origin_ms)
{
    buf_release(&sent);
    buf_init(&sent, BUF_SIZE_ANY);
    for (size_t i = 0; i < sent_count; i++) {
        buf_printf(&sent, "%s%s %g..%g", i == 0 ? "" : " ", buf_cstr(&sent_labels[i]),
                   (double)(sent_times[2 * i] - origin_ms) / 1000,
                   (double)(sent_times[2 * i + 1] - origin_ms) / 1000);
        buf_release(&sent_labels[i]);
    }
    sent_count = 0;
    return buf_cstr(&sent);
}

static void start_manager(struct rules_kit *kit)
{
    kit->manager = rule_manager_make(&(struct rule_manager_options){
        .db = kit->db,
        .engine = kit->engine,
        .clock = &kit->clock.clock,
        .notifier = (struct notifier *)kit, /* never looked into */
        .external_url = "http://here:9090/",
    });
}

void rules_kit_start(struct rules_kit *kit)
{
    memset(kit, 0, sizeof(*kit));
    snprintf(kit->directory, sizeof(kit->directory), "%s", kit_directory());
    clock_manual_init(&kit->clock, RULES_KIT_START_MS);
    char path[96];
    snprintf(path, sizeof(path), "%s/data", kit->directory);
    kit->db = kit_open(&(struct tsdb_options){.path = path, .clock = &kit->clock.clock});
    kit->engine =
        promql_engine_new(&(struct promql_engine_options){.clock = &kit->clock.clock});
    start_manager(kit);
}

void rules_kit_stop(struct rules_kit *kit)
{
    rule_manager_free(kit->manager);
    promql_engine_free(kit->engine);
    tsdb_close(kit->db);
    kit_remove(kit->directory);
    rules_kit_sent(0);
    buf_release(&sent);
}

void rules_kit_restart(struct rules_kit *kit, int64_t away_ms)
{
    rule_manager_free(kit->manager);
    clock_manual_advance_ms(&kit->clock, away_ms);
    start_manager(kit);
}

void rules_kit_write(struct rules_kit *kit, const char *file, const char *text)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", kit->directory, file);
    FILE *stream = fopen(path, "w");
    ck_assert_ptr_nonnull(stream);
    ck_assert(fputs(text, stream) >= 0);
    ck_assert_int_eq(fclose(stream), 0);
}

void rules_kit_rules(struct rules_kit *kit, const char *rules)
{
    struct buf text CLEANUP(buf_release);
    buf_init(&text, BUF_SIZE_ANY);
    buf_printf(&text, "groups:\n- name: g\n  rules:\n%s", rules);
    rules_kit_write(kit, "rules.yml", buf_cstr(&text));
}

struct config *rules_kit_config(const char *directory, const char *more)
{
    struct buf text CLEANUP(buf_release);
    struct buf errors CLEANUP(buf_release);
    struct config *config = NULL;
    char path[128];
    buf_init(&text, BUF_SIZE_ANY);
    buf_init(&errors, BUF_SIZE_ANY);
    snprintf(path, sizeof(path), "%s/prometheus.yml", directory);
    buf_printf(&text, "global:\n  evaluation_interval: 10s\n%srule_files: ['rules*.yml']\n", more);
    ck_assert_msg(config_parse(buf_slice(&text), path, &config, &errors, NULL) == ERR_NONE, "%s",
                  buf_cstr(&errors));
    return config;
}

const char *rules_kit_try_apply(struct rules_kit *kit)
{
    static char text[4096];
    struct buf errors CLEANUP(buf_release);
    struct errbuf err = ERRBUF_INIT;
    buf_init(&errors, BUF_SIZE_ANY);
    struct config *config = rules_kit_config(kit->directory, "");
    enum err code = rule_manager_apply(kit->manager, config, &errors, &err);
    ck_assert_int_eq(code == ERR_NONE, errors.len == 0);
    config_unref(config);
    snprintf(text, sizeof(text), "%s", buf_cstr(&errors));
    return text;
}

void rules_kit_apply(struct rules_kit *kit)
{
    ck_assert_str_eq(rules_kit_try_apply(kit), "");
}

void rules_kit_feed(struct rules_kit *kit, const char *labels, double value)
{
    kit_append(kit->db, labels, clock_now_ms(&kit->clock.clock),
               isnan(value) ? sample_stale() : value);
}

void rules_kit_tick(struct rules_kit *kit)
{
    clock_manual_advance_ms(&kit->clock, RULES_KIT_INTERVAL_MS);
    rule_manager_step(kit->manager);
    if (kit->manager->groups.len > 0)
        kit->slot_ms = kit->manager->groups.items[0]->due.key - RULES_KIT_INTERVAL_MS;
}

void rules_kit_ticks(struct rules_kit *kit, int count)
{
    for (int i = 0; i < count; i++)
        rules_kit_tick(kit);
}

const char *rules_kit_read(struct rules_kit *kit, const char *labels, int64_t origin_ms)
{
    static char text[8192];
    char copy[8192];
    size_t len = 0;
    snprintf(copy, sizeof(copy), "%s", kit_read(kit->db, labels));
    text[0] = '\0';
    char *save = NULL;
    for (char *item = strtok_r(copy, " ", &save); item != NULL; item = strtok_r(NULL, " ", &save)) {
        char *value;
        long long t_ms = strtoll(item, &value, 10);
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%g%s", len == 0 ? "" : " ",
                                (double)(t_ms - origin_ms) / 1000, value);
    }
    return text;
}

static void with_rule(struct rules_kit *kit, size_t rule,
                      void (*each)(const struct rule_state *state, struct buf *out),
                      struct buf *out)
{
    struct arena arena CLEANUP(arena_release);
    struct rule_snapshot snapshot;
    arena_init(&arena, (size_t)1 << 24);
    const struct rule_selection everything = {0};
    ck_assert(rule_manager_snapshot(kit->manager, &everything, &arena, NULL, &snapshot, NULL) ==
              ERR_NONE);
    ck_assert_uint_ge(snapshot.group_count, 1);
    ck_assert_uint_lt(rule, snapshot.groups[0].rule_count);
    each(&snapshot.groups[0].rules[rule], out);
    rule_snapshot_release(&snapshot);
}

static void print_alerts(const struct rule_state *state, struct buf *out)
{
    for (size_t i = 0; i < state->alert_count; i++) {
        buf_printf(out, "%s%s", i == 0 ? "" : " ", alert_state_name(state->alerts[i].state));
        labels_print(state->alerts[i].labels, out);
    }
}

const char *rules_kit_alerts(struct rules_kit *kit, size_t rule)
{
    static char text[4096];
    struct buf out CLEANUP(buf_release);
    buf_init(&out, BUF_SIZE_ANY);
    with_rule(kit, rule, print_alerts, &out);
    snprintf(text, sizeof(text), "%s", buf_cstr(&out));
    return text;
}

static void print_health(const struct rule_state *state, struct buf *out)
{
    if (state->health == RULE_HEALTH_ERROR)
        buf_printf(out, "err: %.*s", SLICE_ARG(state->last_error));
    else
        buf_append_str(out, state->health == RULE_HEALTH_OK ? "ok" : "unknown");
}

const char *rules_kit_health(struct rules_kit *kit, size_t rule)
{
    static char text[2048];
    struct buf out CLEANUP(buf_release);
    buf_init(&out, BUF_SIZE_ANY);
    with_rule(kit, rule, print_health, &out);
    snprintf(text, sizeof(text), "%s", buf_cstr(&out));
    return text;
}
