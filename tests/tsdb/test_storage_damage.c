/*
 * Damage to every kind of file: bits flipped, pages zeroed, ends cut off, files gone. Storage opens
 * (the format file alone may keep it from that, and is named), shows no wrong value, serves what
 * the damage did not hit, and names the file where anything is missing.
 *
 * FERULA_DAMAGES says how many (150), FERULA_SEED which, FERULA_DAMAGE_AT=number does one alone.
 */
#include "tests/support/directory_image.h"
#include "tests/support/kept_log.h"
#include "tests/support/storage_scenario.h"
#include "tests/support/tsdb_kit.h"
#include "tsdb/block.h"

#include "base/alloc.h"
#include "base/log.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DAMAGES_DEFAULT 150
#define BLOCKS_MAX 64

enum file_kind {
    FILE_FORMAT,
    FILE_LOCK,
    FILE_LOG,
    FILE_LOG_LIST,
    FILE_SNAPSHOT,
    FILE_HEAD_CHUNKS,
    FILE_META,
    FILE_INDEX,
    FILE_CHUNKS,
    FILE_TIMES,
    FILE_TOMBSTONES,
    FILE_OTHER,
    FILE_KIND_COUNT,
};

static const char *const kind_names[] = {"FERULA",   "lock",        "wal",        "wal list",
                                         "snapshot", "head chunks", "meta",       "index",
                                         "chunks",   "times",       "tombstones", "other"};

/* What is damaged: what a kill leaves, and what a clean stop does. */
struct subject {
    const char *name;
    bool is_killed;
    struct storage_scenario scenario;
    struct directory_image image;
    struct {
        char name[64];
        int64_t min_ms;
        int64_t max_ms;
    } blocks[BLOCKS_MAX];
    size_t block_count;
};

static struct subject subjects[2] = {{.name = "killed", .is_killed = true}, {.name = "stopped"}};
static size_t kind_counts[FILE_KIND_COUNT];
static size_t kind_losses[FILE_KIND_COUNT];
static size_t kind_names_given[FILE_KIND_COUNT];

static bool is_under(const char *name, const char *directory)
{
    return strncmp(name, directory, strlen(directory)) == 0;
}

static bool ends_with(const char *name, const char *end)
{
    size_t len = strlen(name);
    return len >= strlen(end) && strcmp(name + len - strlen(end), end) == 0;
}

static enum file_kind kind_of(const char *name)
{
    static const struct {
        const char *directory;
        const char *end;
        enum file_kind kind;
    } kinds[] = {
        {"FERULA", "FERULA", FILE_FORMAT},           {"lock", "lock", FILE_LOCK},
        {"wal/", "/segments", FILE_LOG_LIST},        {"wal/", "", FILE_LOG},
        {"head/snapshot", "", FILE_SNAPSHOT},        {"head/chunks.", "", FILE_HEAD_CHUNKS},
        {"blocks/", "/meta.json", FILE_META},        {"blocks/", "/index", FILE_INDEX},
        {"blocks/", "/chunks", FILE_CHUNKS},         {"blocks/", "/times", FILE_TIMES},
        {"blocks/", "/tombstones", FILE_TOMBSTONES},
    };
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (is_under(name, kinds[i].directory) && ends_with(name, kinds[i].end))
            return kinds[i].kind;
    }
    return FILE_OTHER;
}

/* The time of every block, while they are whole. */
static void find_blocks(const char *directory, struct subject *subject)
{
    for (size_t i = 0; i < subject->image.files.len; i++) {
        const char *name = subject->image.files.items[i].name;
        if (kind_of(name) != FILE_META)
            continue;
        char path[512];
        int len = (int)(strlen(name) - strlen("/meta.json"));
        snprintf(path, sizeof(path), "%s/%.*s", directory, len, name);
        struct block *block;
        ck_assert(block_open(fs_system, path, &block, NULL) == ERR_NONE);
        size_t at = subject->block_count++;
        ck_assert_uint_lt(at, BLOCKS_MAX);
        snprintf(subject->blocks[at].name, sizeof(subject->blocks[at].name), "%.*s", len, name);
        subject->blocks[at].min_ms = block_meta(block)->min_ms;
        subject->blocks[at].max_ms = block_meta(block)->max_ms;
        block_unref(block);
    }
}

static void make_image(struct subject *subject)
{
    char *directory = mem_strdup(kit_directory());
    scenario_init(&subject->scenario, directory, NULL);
    subject->scenario.no_restart = subject->is_killed;
    ck_assert(scenario_run(&subject->scenario));
    if (subject->is_killed)
        directory_image_take(&subject->image, directory);
    scenario_close(&subject->scenario);
    if (!subject->is_killed)
        directory_image_take(&subject->image, directory);
    find_blocks(directory, subject);
    kit_remove(directory);
    mem_free(directory);
}

/* May this sample be missing after that damage? */
static bool is_excused(const struct subject *subject, const char *name, size_t slot,
                       const struct scenario_slot *sample)
{
    enum file_kind kind = kind_of(name);
    if (kind == FILE_LOG)
        return subject->is_killed && subject->scenario.segments[sample->commit] ==
                                         strtoull(name + strlen("wal/"), NULL, 10);
    if (kind < FILE_META || kind > FILE_TOMBSTONES)
        return false;
    int64_t t_ms = scenario_slot_ms(slot);
    for (size_t i = 0; i < subject->block_count; i++) {
        if (is_under(name, subject->blocks[i].name) && t_ms >= subject->blocks[i].min_ms &&
            t_ms < subject->blocks[i].max_ms)
            return true;
    }
    return false;
}

static void check_missing(const struct subject *subject, const char *name, const char *what)
{
    for (size_t series = 0; series < SCENARIO_SERIES; series++) {
        for (size_t slot = 0; slot < SCENARIO_SLOTS; slot++) {
            const struct scenario_slot *sample = &subject->scenario.slots[series][slot];
            ck_assert_msg(!sample->missing || is_excused(subject, name, slot, sample),
                          "%s: series %zu, slot %zu is missing, which the damage does not explain\n"
                          "%s",
                          what, series, slot, kept_log_text());
        }
    }
}

/* The name of the block that the file is of; valid until the next call. */
static const char *block_of(const char *name)
{
    static char block[27];
    snprintf(block, sizeof(block), "%s", name + strlen("blocks/"));
    return block;
}

/* The file's name, or that of its block, in the log or the errors. */
static bool is_named(const char *name, const struct scenario_findings *findings)
{
    const char *wanted = is_under(name, "blocks/") ? block_of(name) : name;
    return kept_log_has(wanted) ||
           strstr(buf_cstr(&findings->text), wanted) != NULL;
}

static void check_open(struct subject *subject, const char *name, const char *what)
{
    struct scenario_findings findings;
    scenario_check(&subject->scenario, subject->scenario.db, &findings);
    ck_assert_msg(findings.wrong == 0, "%s: %zu wrong\n%s%s", what, findings.wrong,
                  buf_cstr(&findings.text), kept_log_text());
    check_missing(subject, name, what);
    bool lost = findings.missing + findings.unreadable > 0;
    ck_assert_msg(!lost || is_named(name, &findings), "%s: %zu missing, not named\n%s%s", what,
                  findings.missing, buf_cstr(&findings.text), kept_log_text());
    kind_losses[kind_of(name)] += lost;
    kind_names_given[kind_of(name)] += is_named(name, &findings);
    scenario_findings_release(&findings);
}

/* It goes on: a new sample is stored and there after a restart. */
static void check_goes_on(struct storage_scenario *scenario, const char *name, const char *what)
{
    int64_t t_ms = SCENARIO_FIRST_MS + (int64_t)(SCENARIO_STEPS + 1) * SCENARIO_STEP_MS;
    struct errbuf err = ERRBUF_INIT;
    /* a damaged block cannot be merged: it stays, and is named */
    enum err result = tsdb_maintain(scenario->db, &err);
    ck_assert_msg(result == ERR_NONE ||
                      (is_under(name, "blocks/") && strstr(err.text, block_of(name)) != NULL),
                  "%s: maintenance: %s", what, err.text);
    kit_append(scenario->db, "new=1", t_ms, 42);
    scenario_close(scenario);
    scenario_open(scenario);
    char expected[64];
    snprintf(expected, sizeof(expected), "%ld:42", (long)t_ms);
    ck_assert_msg(strcmp(kit_read(scenario->db, "new=1"), expected) == 0,
                  "%s: a new sample is lost", what);
    struct scenario_findings findings;
    scenario_check(scenario, scenario->db, &findings);
    ck_assert_msg(findings.wrong == 0, "%s, after a restart: %s", what, buf_cstr(&findings.text));
    scenario_findings_release(&findings);
}

/* A lost record of the deletion brings back what it deleted; a lost commit cannot be half there. */
static void expect_losses(struct storage_scenario *scenario, const char *name)
{
    for (size_t i = 0; i < SCENARIO_DELETIONS && kind_of(name) == FILE_LOG; i++) {
        if (scenario->deletions[i].segment == strtoull(name + strlen("wal/"), NULL, 10))
            scenario->deletions[i].fate = SCENARIO_EITHER;
    }
}

static void run_damage(struct subject *subject, const struct damage *damage, uint64_t number,
                       struct rand *rand)
{
    struct storage_scenario *scenario = &subject->scenario;
    const struct directory_image *image = &subject->image;
    const char *name = image->files.items[damage->file].name;
    char what[256];
    snprintf(what, sizeof(what), "damage %lu: %s of %s %s at %zu", (unsigned long)number,
             damage_name(damage->type), subject->name, name, damage->offset);
    if (getenv("VERBOSE") != NULL)
        fprintf(stderr, "%s\n", what);
    char *directory = mem_strdup(kit_directory());
    directory_image_write(image, directory);
    damage_do(image, damage, directory, rand);
    kept_log_clear();
    scenario->options.path = directory;
    struct scenario_deletion deletions[SCENARIO_DELETIONS];
    memcpy(deletions, scenario->deletions, sizeof(deletions));
    expect_losses(scenario, name);
    struct errbuf err = ERRBUF_INIT;
    if (tsdb_open(&scenario->options, &scenario->db, &err) == ERR_NONE) {
        scenario->group = sample_group_new(scenario->db);
        check_open(subject, name, what);
        check_goes_on(scenario, name, what);
        scenario_close(scenario);
    } else {
        ck_assert_msg(kind_of(name) == FILE_FORMAT && strstr(err.text, "FERULA") != NULL,
                      "%s: does not open: %s", what, err.text);
        kind_losses[FILE_FORMAT]++;
    }
    memcpy(scenario->deletions, deletions, sizeof(deletions));
    kit_remove(directory);
    mem_free(directory);
}

/* A file of the kind; false when there is none. */
static bool choose_file(const struct directory_image *image, enum file_kind kind, struct rand *rand,
                        size_t *out)
{
    size_t count = 0;
    for (size_t i = 0; i < image->files.len; i++) {
        if (kind_of(image->files.items[i].name) == kind && rand_below(rand, ++count) == 0)
            *out = i;
    }
    return count > 0;
}

static void damage_number(uint64_t seed, uint64_t number)
{
    struct rand rand;
    rand_init(&rand, seed + number);
    struct subject *subject = &subjects[number / FILE_KIND_COUNT % 2];
    size_t file = 0;
    enum file_kind kind = (enum file_kind)(number % FILE_KIND_COUNT);
    if (!choose_file(&subject->image, kind, &rand, &file))
        return;
    struct damage damage = damage_random(&subject->image, file, &rand);
    kind_counts[kind]++;
    run_damage(subject, &damage, number, &rand);
}

static uint64_t number_of(const char *name, uint64_t fallback)
{
    const char *text = getenv(name);
    return text == NULL ? fallback : strtoull(text, NULL, 10);
}

START_TEST(damage_costs_what_it_hits_and_is_named)
{
    log_set_level(LOG_WARN);
    kept_log_start();
    make_image(&subjects[0]);
    make_image(&subjects[1]);
    uint64_t seed = number_of("FERULA_SEED", 1);
    uint64_t count = number_of("FERULA_DAMAGES", DAMAGES_DEFAULT);
    if (getenv("FERULA_DAMAGE_AT") != NULL)
        damage_number(seed, number_of("FERULA_DAMAGE_AT", 0));
    for (uint64_t i = 0; i < count && getenv("FERULA_DAMAGE_AT") == NULL; i++)
        damage_number(seed, i);
    size_t done = 0;
    for (size_t kind = 0; kind < FILE_KIND_COUNT; kind++) {
        done += kind_counts[kind];
        printf("%s: %zu damages, %zu cost something, %zu named\n", kind_names[kind],
               kind_counts[kind], kind_losses[kind], kind_names_given[kind]);
    }
    printf("%zu damages, %zu and %zu blocks, seed %lu\n", done, subjects[0].block_count,
           subjects[1].block_count, (unsigned long)seed);
    directory_image_release(&subjects[0].image);
    directory_image_release(&subjects[1].image);
    kept_log_stop();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("storage_damage");
    TCase *tcase = tcase_create("storage_damage");
    tcase_set_timeout(tcase, 3600);
    tcase_add_test(tcase, damage_costs_what_it_hits_and_is_named);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
