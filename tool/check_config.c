/*
 * ferulatool check config: the configuration, the files that it names, and its rule files, as
 * promtool checks them before a server is started or told to reload.
 */
#include "tool/check_commands.h"

#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/vec.h"
#include "config/config.h"
#include "model/duration.h"
#include "tool/rule_check.h"

#define ERRORS_SIZE_MAX ((size_t)1 << 20)
#define LOOKBACK_MS 300000

struct check {
    struct config *config;
    bool syntax_only;
    VEC(char *) rule_files;
    struct errbuf err;
};

static bool exists(struct slice path)
{
    char *text CLEANUP(mem_cleanup) = mem_strndup(path.ptr, path.len);
    return access(text, F_OK) == 0;
}

static enum err check_file(struct check *check, const char *what, struct slice path)
{
    if (path.len == 0 || check->syntax_only || exists(path))
        return ERR_NONE;
    return errbuf_set(&check->err, ERR_NOT_FOUND,
                      "error checking %s \"%.*s\": no such file or directory", what,
                      SLICE_ARG(path));
}

static enum err check_http(struct check *check, const struct config_http_client *http)
{
    enum err code = check_file(check, "authorization credentials or bearer token file",
                               http->authorization.credentials.file);
    if (code == ERR_NONE)
        code = check_file(check, "client cert file", http->tls.cert_file);
    return code == ERR_NONE ? check_file(check, "client key file", http->tls.key_file) : code;
}

/* A pattern that matches nothing is worth a word: the file may come later. */
static void check_discovery(const struct check *check, const struct config_discovery *discovery,
                            const char *of)
{
    for (size_t i = 0; i < discovery->file_count && !check->syntax_only; i++) {
        for (size_t k = 0; k < discovery->files[i].file_count; k++) {
            struct slice pattern = discovery->files[i].files[k];
            char *text CLEANUP(mem_cleanup) = mem_strndup(pattern.ptr, pattern.len);
            glob_t found = {0};
            if (glob(text, 0, NULL, &found) != 0)
                printf("  WARNING: file \"%s\" for file_sd in %s does not exist\n", text, of);
            globfree(&found);
        }
    }
}

/* An empty address makes no target; rules could make one of it, so then it is left to the server. */
static enum err check_addresses(struct check *check, const struct config_scrape *scrape)
{
    for (size_t i = 0; i < scrape->discovery.static_count && !check->syntax_only; i++) {
        const struct config_static *group = &scrape->discovery.statics[i];
        for (size_t k = 0; k < group->target_count && scrape->relabel_rule_count == 0; k++) {
            if (group->targets[k].len == 0)
                return errbuf_set(&check->err, ERR_INVALID,
                                  "instance %zu in group %zu: no address; job \"%.*s\" has an "
                                  "empty target, write 'host:port'",
                                  k, i, SLICE_ARG(scrape->job_name));
        }
    }
    return ERR_NONE;
}

static enum err find_rule_files(struct check *check)
{
    for (size_t i = 0; i < check->config->rule_file_count && !check->syntax_only; i++) {
        struct slice pattern = check->config->rule_files[i];
        char *text CLEANUP(mem_cleanup) = mem_strndup(pattern.ptr, pattern.len);
        glob_t found = {0};
        if (glob(text, 0, NULL, &found) != 0 && strchr(text, '*') == NULL) {
            globfree(&found);
            return errbuf_set(&check->err, ERR_NOT_FOUND,
                              "\"%s\" does not point to an existing file", text);
        }
        for (size_t k = 0; k < found.gl_pathc; k++)
            vec_push(&check->rule_files, mem_strdup(found.gl_pathv[k]));
        globfree(&found);
    }
    return ERR_NONE;
}

static enum err check_parts(struct check *check)
{
    const struct config *config = check->config;
    enum err code = find_rule_files(check);
    for (size_t i = 0; i < config->scrape_count && code == ERR_NONE; i++) {
        const struct config_scrape *scrape = &config->scrapes[i];
        struct buf of CLEANUP(buf_release);
        buf_init(&of, BUF_SIZE_ANY);
        buf_printf(&of, "scrape job \"%.*s\"", SLICE_ARG(scrape->job_name));
        code = check_http(check, &scrape->http);
        if (code == ERR_NONE)
            code = check_addresses(check, scrape);
        if (code == ERR_NONE)
            check_discovery(check, &scrape->discovery, buf_cstr(&of));
    }
    for (size_t i = 0; i < config->alerting.alertmanager_count && code == ERR_NONE; i++)
        check_discovery(check, &config->alerting.alertmanagers[i].discovery, "alertmanager config");
    return code;
}

static bool has_long_interval(const struct config *config)
{
    for (size_t i = 0; i < config->scrape_count; i++) {
        const struct config_scrape *scrape = &config->scrapes[i];
        if (scrape->interval_ms < LOOKBACK_MS)
            continue;
        struct buf interval CLEANUP(buf_release);
        buf_init(&interval, 256);
        duration_print(scrape->interval_ms, &interval);
        fprintf(stderr,
                "  FAILED: too long scrape interval found, data point will be marked as stale - "
                "job: %.*s, interval: %s\n",
                SLICE_ARG(scrape->job_name), buf_cstr(&interval));
        return true;
    }
    return false;
}

static void tell(const struct check *check, const char *path, enum err code,
                 const struct buf *errors)
{
    if (code != ERR_NONE)
        fprintf(stderr, "  FAILED: %s\n", errors->len > 0 ? buf_cstr(errors) : check->err.text);
    else {
        if (check->rule_files.len > 0)
            printf("  SUCCESS: %zu rule files found\n", check->rule_files.len);
        printf(" SUCCESS: %s is valid prometheus config file syntax\n", path);
    }
    printf("\n");
    fflush(stdout);
}

static void check_one(const char *path, bool syntax_only, const struct check_lint *lint,
                      struct check_outcome *outcome)
{
    struct check check = {.syntax_only = syntax_only};
    struct buf errors CLEANUP(buf_release);
    buf_init(&errors, ERRORS_SIZE_MAX);
    printf("Checking %s\n", path);
    fflush(stdout);
    enum err code = config_load(path, &check.config, &errors, &check.err);
    bool is_loaded = code == ERR_NONE;
    /* what the server says of it at its start: keys that have no effect yet, for one */
    for (size_t i = 0; is_loaded && i < check.config->warning_count; i++)
        printf("  WARNING: %.*s\n", SLICE_ARG(check.config->warnings[i]));
    if (is_loaded)
        code = check_parts(&check);
    tell(&check, path, code, &errors);
    outcome->has_errors |= code != ERR_NONE;
    if (is_loaded && !syntax_only && lint->long_intervals)
        outcome->has_lint |= has_long_interval(check.config);
    for (size_t i = 0; i < check.rule_files.len; i++) {
        if (code == ERR_NONE)
            rule_check_file(check.rule_files.items[i], lint, outcome);
        mem_free(check.rule_files.items[i]);
    }
    vec_release(&check.rule_files);
    if (is_loaded)
        config_unref(check.config);
}

static int run(const struct command_line *line)
{
    struct check_lint lint =
        check_lint_read(command_line_text(line, "lint"), command_line_switch(line, "lint-fatal"));
    struct check_outcome outcome = {0};
    const char *path;
    for (size_t i = 0; (path = command_line_word(line, i)) != NULL; i++)
        check_one(path, command_line_switch(line, "syntax-only"), &lint, &outcome);
    return check_exit_code(&outcome, &lint);
}

const struct command check_config_command = {
    .words = "check config",
    .help = "Check if the config files are valid or not.",
    .flags = {{"syntax-only", 0, COMMAND_SWITCH, NULL, NULL,
               "Only check the config file syntax, ignoring file and content validation referenced "
               "in the config",
               false},
              {"lint", 0, COMMAND_TEXT, "duplicate-rules", NULL,
               "Linting checks to apply to the rules/scrape configs specified in the config. "
               "Available options are: all, duplicate-rules, none, too-long-scrape-interval. Use "
               "--lint=none to disable linting",
               false},
              {"lint-fatal", 0, COMMAND_SWITCH, NULL, NULL,
               "Make lint errors exit with exit code 3.", false}},
    .arguments = {{"config-files", true, NULL, "The config files to check.", true}},
    .run = run,
};
