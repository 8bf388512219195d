/*
 * The configurations of the users' documents load, and the job fragments of these documents, pasted
 * below scrape_configs with 0, 2 or 4 spaces, give a valid file or an error with line and column.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "config/config.h"
#include "tests/support/shared_data.h"

#define FOLDER "users/configs"

struct parsed {
    enum err error;
    size_t scrape_count;
    struct buf problems;
};

static struct parsed parse(struct slice text)
{
    struct parsed parsed = {0};
    struct errbuf err = ERRBUF_INIT;
    struct config *config = NULL;
    buf_init(&parsed.problems, 1 << 20);
    parsed.error = config_parse(text, "prometheus.yml", &config, &parsed.problems, &err);
    if (parsed.error == ERR_NONE)
        parsed.scrape_count = config->scrape_count;
    config_unref(config);
    return parsed;
}

static void check_whole(const char *name, struct slice content, void *context)
{
    if (slice_find(slice_str(name), SLICE("prometheus.yml")) == SLICE_NONE)
        return;
    struct parsed parsed = parse(content);
    ck_assert_msg(parsed.error == ERR_NONE, "%s: %s", name, buf_cstr(&parsed.problems));
    ck_assert_uint_ge(parsed.scrape_count, 1);
    buf_release(&parsed.problems);
    ++*(size_t *)context;
}

START_TEST(configs_of_the_documents_load)
{
    size_t count = 0;
    if (shared_data_each(FOLDER, ".yml", check_whole, &count) > 0)
        ck_assert_uint_ge(count, 4);
}
END_TEST

/* `jobs` indented by `base` and the fragment by `indent`, below scrape_configs. */
static void paste(struct slice fragment, unsigned base, unsigned indent, struct buf *out)
{
    buf_printf(out, "scrape_configs:\n%*s- job_name: first\n%*s  static_configs:\n%*s    - targets: ['a:1']\n",
               (int)base, "", (int)base, "", (int)base, "");
    while (fragment.len > 0) {
        size_t end = slice_index(fragment, '\n');
        size_t len = end == SLICE_NONE ? fragment.len : end;
        buf_printf(out, "%*s%.*s\n", (int)indent, "", (int)len, fragment.ptr);
        fragment = slice_from_index(fragment, end == SLICE_NONE ? fragment.len : end + 1);
    }
}

static void check_fragment(const char *name, struct slice content, void *context)
{
    if (slice_find(content, SLICE("job_name")) == SLICE_NONE)
        return;
    for (unsigned base = 0; base <= 4; base += 2) {
        for (unsigned indent = 0; indent <= 4; indent += 2) {
            struct buf text;
            buf_init(&text, 1 << 20);
            paste(content, base, indent, &text);
            struct parsed parsed = parse(buf_slice(&text));
            unsigned line = 0;
            unsigned column = 0;
            if (base == indent) {
                ck_assert_msg(parsed.error == ERR_NONE, "%s: %s", name,
                              buf_cstr(&parsed.problems));
                ck_assert_uint_eq(parsed.scrape_count, 2);
            } else {
                ck_assert_int_eq(parsed.error, ERR_INVALID);
                ck_assert_msg(sscanf(buf_cstr(&parsed.problems), "prometheus.yml:%u:%u: ", &line,
                                     &column) == 2,
                              "%s at %u under %u: %s", name, indent, base,
                              buf_cstr(&parsed.problems));
                /* the pasted part begins in line 5 */
                ck_assert_uint_ge(line, 4);
            }
            buf_release(&parsed.problems);
            buf_release(&text);
        }
    }
    ++*(size_t *)context;
}

START_TEST(job_fragments_fit_or_are_refused_with_their_place)
{
    size_t count = 0;
    if (shared_data_each(FOLDER, ".fragment.yml", check_fragment, &count) > 0)
        ck_assert_uint_ge(count, 2);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("shared_configs");
    TCase *cases = tcase_create("shared_configs");
    tcase_add_test(cases, configs_of_the_documents_load);
    tcase_add_test(cases, job_fragments_fit_or_are_refused_with_their_place);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
