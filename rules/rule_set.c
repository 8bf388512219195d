#include "rules/rule_set.h"

#include <glob.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"

#define RULE_FILES_MAX 10000

/* A star meets names that begin with a dot, as in the reference, but not these two. */
static bool path_is_dots(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash == NULL ? path : slash + 1;
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static bool path_is_folder(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

static enum err load_path(const char *path, const struct rule_file_options *options,
                          struct rule_file **out, struct buf *out_errors, struct errbuf *err)
{
    if (!path_is_folder(path))
        return rule_file_load(path, options, out, out_errors, err);
    buf_printf(out_errors,
               "%s%s:1:1: read %s: is a directory; a pattern such as %s/*.yml means the files in "
               "it",
               out_errors->len > 0 ? "\n" : "", path, path, path);
    return errbuf_set(err, ERR_INVALID, "read %s: is a directory", path);
}

static bool set_has_path(const struct rule_set *set, const char *path)
{
    for (size_t i = 0; i < set->files.len; i++) {
        if (slice_eq_str(set->files.items[i]->path, path))
            return true;
    }
    return false;
}

static enum err set_load_pattern(struct rule_set *set, const char *pattern,
                                 const struct rule_file_options *options, struct buf *out_errors,
                                 struct errbuf *err)
{
    glob_t found = {0};
    int status = glob(pattern, GLOB_PERIOD, NULL, &found);
    enum err result = ERR_NONE;
    size_t matched = 0;
    for (size_t i = 0; status == 0 && i < found.gl_pathc; i++) {
        const char *path = found.gl_pathv[i];
        if (path_is_dots(path))
            continue;
        matched++;
        if (set_has_path(set, path))
            continue;
        if (set->files.len >= RULE_FILES_MAX) {
            result = errbuf_set(err, ERR_LIMIT, "more than %d rule files", RULE_FILES_MAX);
            buf_printf(out_errors, "%s%s:1:1: more than %d rule files",
                       out_errors->len > 0 ? "\n" : "", path, RULE_FILES_MAX);
            break;
        }
        struct rule_file *file = NULL;
        enum err code = load_path(path, options, &file, out_errors, err);
        if (code == ERR_NONE)
            vec_push(&set->files, file);
        else
            result = code;
    }
    globfree(&found);
    if (matched == 0)
        vec_push(&set->unmatched, mem_strdup(pattern));
    return result;
}

enum err rule_set_load(const struct config *config, unsigned promql_features, struct rule_set *out,
                       struct buf *out_errors, struct errbuf *err)
{
    struct rule_set set = {0};
    struct rule_file_options options = {.promql_features = promql_features,
                                        .utf8_names = config->global.utf8_names};
    enum err result = ERR_NONE;
    for (size_t i = 0; i < config->rule_file_count; i++) {
        char *pattern CLEANUP(mem_cleanup) =
            mem_strndup(config->rule_files[i].ptr, config->rule_files[i].len);
        struct errbuf why = ERRBUF_INIT;
        enum err code = set_load_pattern(&set, pattern, &options, out_errors, &why);
        if (code == ERR_NONE)
            continue;
        if (result == ERR_NONE && err != NULL)
            *err = why;
        result = code;
    }
    if (result != ERR_NONE) {
        rule_set_release(&set);
        return ERR_INVALID;
    }
    *out = set;
    return ERR_NONE;
}

void rule_set_release(struct rule_set *set)
{
    for (size_t i = 0; i < set->files.len; i++)
        rule_file_unref(set->files.items[i]);
    for (size_t i = 0; i < set->unmatched.len; i++)
        mem_free(set->unmatched.items[i]);
    vec_release(&set->files);
    vec_release(&set->unmatched);
}

void rule_set_log_warnings(const struct rule_set *set)
{
    for (size_t i = 0; i < set->unmatched.len; i++)
        log_warn("An entry of rule_files matches no file, so its rules are not evaluated",
                 log_str("pattern", set->unmatched.items[i]));
    for (size_t i = 0; i < set->files.len; i++) {
        const struct rule_file *file = set->files.items[i];
        for (size_t j = 0; j < file->warning_count; j++)
            log_warn("A rule file has something to know", log_slice("what", file->warnings[j]));
    }
}
