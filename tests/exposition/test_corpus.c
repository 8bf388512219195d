/* Bodies of real exporters parse as a whole: every line that is no comment is a sample. The files
 * lie outside of the project, so the test is skipped where they are not. */
#include "tests/exposition/collected.h"

#include <check.h>
#include <dirent.h>
#include <stdio.h>

#define BODY_SIZE_MAX ((size_t)4 << 20)
#define EXIT_SKIPPED 77

static char folder[1024];

static struct slice read_body(const char *path)
{
    FILE *file = fopen(path, "rb");
    ck_assert_msg(file != NULL, "%s", path);
    char *body = malloc(BODY_SIZE_MAX);
    size_t len = fread(body, 1, BODY_SIZE_MAX, file);
    fclose(file);
    return slice_from(body, len);
}

static size_t count_sample_lines(struct slice body)
{
    size_t count = 0;
    while (body.len > 0) {
        size_t end = slice_index(body, '\n');
        size_t len = end == SLICE_NONE ? body.len : end;
        count += len > 0 && body.ptr[0] != '#';
        body = slice_from_index(body, end == SLICE_NONE ? body.len : end + 1);
    }
    return count;
}

START_TEST(bodies_of_real_exporters_parse_as_a_whole)
{
    DIR *directory = opendir(folder);
    ck_assert_ptr_nonnull(directory);
    size_t file_count = 0;
    struct dirent *entry;
    while ((entry = readdir(directory)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        char path[2048];
        snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        struct slice body = read_body(path);
        struct collected collected;
        collected_init(&collected);
        bool openmetrics = slice_has_suffix(slice_str(entry->d_name), SLICE(".om.txt"));
        enum err code = collected_parse(
            &collected, openmetrics ? EXPOSITION_OPENMETRICS : EXPOSITION_TEXT, body);
        ck_assert_msg(code == ERR_NONE, "%s:%u:%u: %s", entry->d_name, collected.err.line,
                      collected.err.column, collected.err.text);
        ck_assert_uint_eq(collected.sample_count, count_sample_lines(body));
        collected_release(&collected);
        free((char *)body.ptr);
        file_count++;
    }
    closedir(directory);
    ck_assert_uint_gt(file_count, 0);
}
END_TEST

/* The folder of test data: where the environment says, or beside the checkout, seen from it or from
 * the build folder in it or a folder of builds. */
static bool find_folder(void)
{
    const char *const candidates[] = {getenv("FERULA_SHARED"), "../shared", "../../shared",
                                      "../../../shared"};
    for (size_t i = 0; i < ARRAY_SIZE(candidates); i++) {
        if (candidates[i] == NULL)
            continue;
        snprintf(folder, sizeof(folder), "%s/corpus/expositions", candidates[i]);
        DIR *directory = opendir(folder);
        if (directory != NULL) {
            closedir(directory);
            return true;
        }
    }
    return false;
}

int main(void)
{
    if (!find_folder()) {
        printf("skipped: no corpus of expositions (set FERULA_SHARED)\n");
        return EXIT_SKIPPED;
    }
    Suite *suite = suite_create("corpus");
    TCase *tcase = tcase_create("corpus");
    tcase_add_test(tcase, bodies_of_real_exporters_parse_as_a_whole);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
