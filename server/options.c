/*
 * The command line is read in three steps, as the reference's: words to flags with their texts; texts
 * to values; then what only several flags together can get wrong.
 */
#include "server/options.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/regex.h"
#include "base/vec.h"
#include "config/binding.h"
#include "model/duration.h"
#include "promql/promql.h"
#include "server/memory_limit.h"
#include "server/options_internal.h"

#define ARENA_SIZE_MAX ((size_t)64 << 20)
#define EXIT_USAGE 2
#define EXIT_MODE 3
#define DAY_MS ((int64_t)24 * 3600 * 1000)
#define RETENTION_DEFAULT_MS (15 * DAY_MS)
#define BLOCK_DURATION_MAX_MS (31 * DAY_MS)
#define WAL_SEGMENT_BYTES_MIN ((uint64_t)10 << 20)
#define WAL_SEGMENT_BYTES_MAX ((uint64_t)256 << 20)

static_assert(TSDB_FSYNC_INTERVAL == 0 && TSDB_FSYNC_ALWAYS == 1 && TSDB_FSYNC_OFF == 2,
              "the order of the choices of --storage.tsdb.wal-fsync");
static_assert(LOG_DEBUG == 0 && LOG_INFO == 1 && LOG_WARN == 2 && LOG_ERROR == 3,
              "the order of the choices of --log.level");

/* A flag on the command line. */
struct word {
    size_t flag;
    const char *value;
};

struct parsing {
    struct options *options;
    struct errbuf err;
    VEC(struct word) words;
    struct flag_given *given; /* one a flag */
    bool help;
    bool version;
};

size_t options_find_flag(struct slice name)
{
    for (size_t i = 0; i < flags_all_count; i++) {
        if (slice_eq_str(name, flags_all[i].name))
            return i;
    }
    return SIZE_MAX;
}

static enum err fail_unknown(struct parsing *parsing, struct slice name)
{
    const char **names = mem_alloc_array(flags_all_count + 1, sizeof(*names));
    for (size_t i = 0; i < flags_all_count; i++)
        names[i] = flags_all[i].name;
    names[flags_all_count] = NULL;
    const char *near = binding_nearest(name, names);
    mem_free(names);
    return errbuf_set(&parsing->err, ERR_INVALID, "unknown long flag '--%.*s'%s%s%s",
                      SLICE_ARG(name), near == NULL ? "" : "; did you mean --",
                      near == NULL ? "" : near, near == NULL ? "" : "?");
}

/* --name, --name=value, --name value, --no-name; moves `at` over what was used. */
static enum err read_long(struct parsing *parsing, int argc, char *const *argv, int *at)
{
    struct slice text = slice_str(argv[*at] + 2); /* behind the dashes */
    size_t equals = slice_index(text, '=');
    struct slice name = slice_sub(text, 0, equals == SLICE_NONE ? text.len : equals);
    const char *value = equals == SLICE_NONE ? NULL : text.ptr + equals + 1;
    if (slice_eq_str(name, "help") || slice_eq_str(name, "help-long") ||
        slice_eq_str(name, "version")) {
        parsing->version |= slice_eq_str(name, "version");
        parsing->help |= name.ptr[0] == 'h';
        if (value != NULL)
            return errbuf_set(&parsing->err, ERR_INVALID, "unexpected %s", value);
        return ERR_NONE;
    }
    size_t flag = options_find_flag(name);
    bool inverted = flag == SIZE_MAX && slice_has_prefix(name, SLICE("no-"));
    if (inverted)
        flag = options_find_flag(slice_from_index(name, 3));
    if (flag == SIZE_MAX || (inverted && flags_all[flag].kind != FLAG_BOOL))
        return fail_unknown(parsing, name);
    if (flags_all[flag].kind == FLAG_BOOL) {
        if (value != NULL)
            return errbuf_set(&parsing->err, ERR_INVALID, "unexpected %s; write --%s or --no-%s",
                              value, flags_all[flag].name, flags_all[flag].name);
        vec_push(&parsing->words, (struct word){flag, inverted ? "false" : "true"});
        return ERR_NONE;
    }
    if (value == NULL) {
        bool is_value = *at + 1 < argc && (argv[*at + 1][0] != '-' || argv[*at + 1][1] == '\0');
        if (!is_value)
            return errbuf_set(&parsing->err, ERR_INVALID, "expected argument for flag '--%.*s'",
                              SLICE_ARG(name));
        value = argv[++*at];
    }
    vec_push(&parsing->words, (struct word){flag, value});
    return ERR_NONE;
}

static enum err read_words(struct parsing *parsing, int argc, char *const *argv)
{
    for (int at = 1; at < argc; at++) {
        const char *text = argv[at];
        if (strcmp(text, "-h") == 0) {
            parsing->help = true;
        } else if (text[0] == '-' && text[1] == '-' && text[2] != '\0') {
            enum err error = read_long(parsing, argc, argv, &at);
            if (error != ERR_NONE)
                return error;
        } else if (text[0] == '-' && text[1] != '\0' && text[1] != '-') {
            struct slice name = slice_str(text + 1);
            name.len = strcspn(name.ptr, "=");
            bool is_long = options_find_flag(name) != SIZE_MAX;
            return errbuf_set(&parsing->err, ERR_INVALID, "unknown short flag '-%c'%s%.*s%s",
                              text[1], is_long ? "; write --" : "", is_long ? (int)name.len : 0,
                              name.ptr, is_long ? " with two dashes" : "");
        } else {
            return errbuf_set(&parsing->err, ERR_INVALID, "unexpected %s", text);
        }
    }
    return ERR_NONE;
}

static void give(struct options *options, struct flag_given *given, const char *value)
{
    const char **values =
        arena_alloc_array(&options->arena, given->value_count + 1, sizeof(*values));
    if (given->value_count > 0)
        memcpy(values, given->values, given->value_count * sizeof(*values));
    values[given->value_count++] = arena_strdup(&options->arena, value);
    given->values = values;
}

/* The values of a flag that was not given. */
static void give_fallback(struct options *options, struct flag_given *given)
{
    const struct flag *flag = given->flag;
    if (flag->fallback == NULL || (flag->kind == FLAG_TEXT_LIST && flag->fallback[0] == '\0'))
        return;
    if (flag->kind != FLAG_MESSAGES) {
        give(options, given, flag->fallback);
        return;
    }
    for (struct slice rest = slice_str(flag->fallback); rest.len > 0;) {
        size_t comma = slice_index(rest, ',');
        size_t len = comma == SLICE_NONE ? rest.len : comma;
        give(options, given, arena_printf(&options->arena, "%.*s", (int)len, rest.ptr));
        rest = slice_from_index(rest, comma == SLICE_NONE ? rest.len : comma + 1);
    }
}

static enum err read_values(struct parsing *parsing)
{
    struct options *options = parsing->options;
    for (size_t i = 0; i < flags_all_count; i++) {
        parsing->given[i].flag = &flags_all[i];
        /* fields whose flag has neither a default nor a value */
        if (flags_all[i].kind == FLAG_TEXT && flags_all[i].offset != FLAG_NO_FIELD)
            *(const char **)((char *)options + flags_all[i].offset) = "";
    }
    for (size_t i = 0; i < parsing->words.len; i++) {
        const struct word *word = &parsing->words.items[i];
        struct flag_given *given = &parsing->given[word->flag];
        if (given->is_given && !(given->flag->traits & FLAG_REPEATABLE))
            return errbuf_set(&parsing->err, ERR_INVALID, "flag '%s' cannot be repeated",
                              given->flag->name);
        given->is_given = true;
        give(options, given, word->value);
    }
    for (size_t i = 0; i < flags_all_count; i++) {
        struct flag_given *given = &parsing->given[i];
        if (!given->is_given)
            give_fallback(options, given);
        for (size_t j = 0; j < given->value_count; j++) {
            enum err error =
                options_read_value(given->flag, given->values[j], options, &parsing->err);
            if (error != ERR_NONE)
                return error;
        }
    }
    return ERR_NONE;
}

static struct flag_given *given_of(struct parsing *parsing, const char *name)
{
    size_t flag = options_find_flag(slice_str(name));
    ASSERT(flag != SIZE_MAX);
    return &parsing->given[flag];
}

static bool is_on(struct parsing *parsing, const char *name)
{
    const struct flag_given *given = given_of(parsing, name);
    return given->value_count > 0 && strcmp(given->values[0], "true") == 0;
}

struct warnings {
    VEC(struct options_warning) items;
};

static const char *nearest_feature(struct slice name)
{
    const char **names = mem_alloc_array(features_all_count + 1, sizeof(*names));
    for (size_t i = 0; i < features_all_count; i++)
        names[i] = features_all[i].name;
    names[features_all_count] = NULL;
    const char *near = binding_nearest(name, names);
    mem_free(names);
    return near;
}

static void read_feature(struct options *options, struct warnings *warnings, struct slice name)
{
    for (size_t i = 0; i < features_all_count; i++) {
        const struct feature *feature = &features_all[i];
        if (!slice_eq_str(name, feature->name))
            continue;
        options->promql_features |= feature->promql;
        if (feature->field != 0)
            *(bool *)((char *)options + feature->field) = true;
        if (feature->note != NULL)
            vec_push(&warnings->items, (struct options_warning){feature->note, feature->name});
        return;
    }
    const char *near = nearest_feature(name);
    vec_push(&warnings->items,
             (struct options_warning){"Unknown option for --enable-feature",
                                      arena_printf(&options->arena, "%.*s%s%s%s", SLICE_ARG(name),
                                                   near == NULL ? "" : "; did you mean ",
                                                   near == NULL ? "" : near,
                                                   near == NULL ? "" : "?")});
}

static void read_features(struct parsing *parsing, struct warnings *warnings)
{
    const struct flag_given *given = given_of(parsing, "enable-feature");
    /* expressions in durations are a part of the language by now */
    parsing->options->promql_features = PROMQL_DURATION_EXPRESSIONS;
    for (size_t i = 0; i < given->value_count; i++) {
        for (struct slice rest = slice_str(given->values[i]);;) {
            size_t comma = slice_index(rest, ',');
            read_feature(parsing->options, warnings,
                         slice_sub(rest, 0, comma == SLICE_NONE ? rest.len : comma));
            if (comma == SLICE_NONE)
                break;
            rest = slice_from_index(rest, comma + 1);
        }
    }
}

static bool feature_is_on(struct parsing *parsing, const char *name)
{
    const struct flag_given *given = given_of(parsing, "enable-feature");
    for (size_t i = 0; i < given->value_count; i++) {
        struct slice rest = slice_str(given->values[i]);
        size_t at = slice_find(rest, slice_str(name));
        if (at != SLICE_NONE && (at == 0 || rest.ptr[at - 1] == ',') &&
            (rest.ptr[at + strlen(name)] == '\0' || rest.ptr[at + strlen(name)] == ','))
            return true;
    }
    return false;
}

static void take_warnings(struct parsing *parsing)
{
    struct options *options = parsing->options;
    struct warnings warnings = {0};
    for (size_t i = 0; i < flags_all_count; i++) {
        const struct flag *flag = &flags_all[i];
        if (!parsing->given[i].is_given || !(flag->traits & (FLAG_NO_EFFECT | FLAG_MEANINGLESS)))
            continue;
        const char *message = flag->traits & FLAG_NO_EFFECT
                                  ? "This flag has no effect yet"
                                  : "This flag is accepted for compatibility and has no effect";
        vec_push(&warnings.items,
                 (struct options_warning){
                     message, arena_printf(&options->arena, "--%s", flag->name)});
    }
    read_features(parsing, &warnings);
    options->warning_count = warnings.items.len;
    options->warnings = arena_alloc_array(&options->arena, warnings.items.len,
                                          sizeof(*options->warnings));
    if (warnings.items.len > 0)
        memcpy(options->warnings, warnings.items.items,
               warnings.items.len * sizeof(*options->warnings));
    vec_release(&warnings.items);
}

/* ["--a" "--b"] of the flags with a trait that were given; false when there are none. */
static bool list_given(const struct parsing *parsing, unsigned trait, struct buf *out)
{
    size_t count = 0;
    for (size_t i = 0; i < parsing->words.len; i++) {
        const struct flag *flag = &flags_all[parsing->words.items[i].flag];
        if (flag->traits & trait)
            buf_printf(out, "%s\"--%s\"", count++ == 0 ? "[" : " ", flag->name);
    }
    if (count > 0)
        buf_append_str(out, "]");
    return count > 0;
}

/* Server and agent flags do not mix. */
static int check_mode(struct parsing *parsing, struct buf *out_text)
{
    bool agent = is_on(parsing, "agent");
    struct buf list;
    buf_init(&list, (size_t)64 << 10);
    int exit_code = 0;
    if (list_given(parsing, agent ? FLAG_SERVER_ONLY : FLAG_AGENT_ONLY, &list)) {
        buf_printf(out_text, "The following flag(s) can %s be used in agent mode: %s\n",
                   agent ? "not" : "only", buf_cstr(&list));
        exit_code = EXIT_MODE;
    } else if (agent) {
        buf_append_str(out_text, "--agent: this server has no agent mode; run it without the "
                                 "flag\n");
        exit_code = EXIT_FAILURE;
    }
    buf_release(&list);
    return exit_code;
}

static double number_of(struct parsing *parsing, const char *name)
{
    return strtod(given_of(parsing, name)->values[0], NULL);
}

/* What is wrong although each value is right: the exit code, or 0. */
static int check_numbers(struct parsing *parsing, struct buf *out_text)
{
    double ratio = number_of(parsing, "auto-gomemlimit.ratio");
    double search_limit = number_of(parsing, "web.search.max-limit");
    uint64_t segment = parsing->options->wal_segment_bytes;
    if (search_limit < 0)
        buf_printf(out_text,
                   "--web.search.max-limit must be non-negative; got %.0f (use 0 to disable the "
                   "cap)\n",
                   search_limit);
    else if (!(ratio > 0 && ratio <= 1))
        buf_append_str(out_text, "--auto-gomemlimit.ratio must be greater than 0 and less than or "
                                 "equal to 1.\n");
    else if (segment != 0 && (segment < WAL_SEGMENT_BYTES_MIN || segment > WAL_SEGMENT_BYTES_MAX))
        buf_append_str(out_text, "flag 'storage.tsdb.wal-segment-size' must be set between 10MB "
                                 "and 256MB\n");
    else
        return 0;
    return EXIT_FAILURE;
}

static int check_path(const struct options *options, struct buf *out_text)
{
    if (options->storage_path[0] != '\0')
        return 0;
    buf_append_str(out_text, "--storage.tsdb.path is empty: name the folder of the data\n");
    return EXIT_FAILURE;
}

static bool is_quote(char byte)
{
    return byte == '"' || byte == '\'';
}

static int check_web(const struct options *options, struct buf *out_text)
{
    const char *url = options->web_external_url;
    struct errbuf err = ERRBUF_INIT;
    struct regex *origin = NULL;
    if (options->web_config_file[0] != '\0') {
        buf_printf(out_text,
                   "--web.config.file=%s: TLS and passwords of the server are not supported yet; "
                   "without the flag it would listen unprotected, so put it behind a proxy that "
                   "has both\n",
                   options->web_config_file);
        return EXIT_FAILURE;
    }
    if (url[0] != '\0' && (is_quote(url[0]) || is_quote(url[strlen(url) - 1]))) {
        buf_printf(out_text, "parse external URL \"%s\": URL must not begin or end with quotes\n",
                   url);
        return EXIT_USAGE;
    }
    if (regex_new(slice_str(options->web_cors_origin), &origin, &err) != ERR_NONE) {
        buf_printf(out_text, "could not compile CORS regex string \"%s\": %s\n",
                   options->web_cors_origin, err.text);
        return EXIT_USAGE;
    }
    regex_free(origin);
    return 0;
}

static int check_features(struct parsing *parsing, struct buf *out_text)
{
    if (!feature_is_on(parsing, "otlp-deltatocumulative") ||
        !feature_is_on(parsing, "otlp-native-delta-ingestion"))
        return 0;
    buf_append_str(out_text, "Error parsing feature list: cannot enable otlp-deltatocumulative and "
                             "otlp-native-delta-ingestion features at the same time\n");
    return EXIT_FAILURE;
}

static int check_values(struct parsing *parsing, struct buf *out_text)
{
    int exit_code = check_features(parsing, out_text);
    if (exit_code == 0)
        exit_code = check_mode(parsing, out_text);
    if (exit_code == 0)
        exit_code = check_numbers(parsing, out_text);
    if (exit_code == 0)
        exit_code = check_path(parsing->options, out_text);
    if (exit_code == 0)
        exit_code = check_web(parsing->options, out_text);
    return exit_code;
}

/* Fields that follow from several flags, or that the text of a flag does not say. */
static void derive(struct parsing *parsing)
{
    struct options *options = parsing->options;
    const struct flag_given *addresses = given_of(parsing, "web.listen-address");
    options->listen_addresses = addresses->values;
    options->listen_address_count = addresses->value_count;
    options->has_retention_time =
        given_of(parsing, "storage.tsdb.retention.time")->is_given && options->retention_time_ms > 0;
    options->has_retention_size = given_of(parsing, "storage.tsdb.retention.size")->is_given &&
                                  options->retention_size_bytes > 0;
    if (options->config_auto_reload_interval_ms < 1000)
        options->config_auto_reload_interval_ms = 1000;
    if (options->maintenance_interval_ms < 1000)
        options->maintenance_interval_ms = 1000;
    if (options->memory_limit_bytes == 0 && is_on(parsing, "auto-gomemlimit")) {
        double ratio = number_of(parsing, "auto-gomemlimit.ratio");
        options->memory_limit_bytes = (uint64_t)((double)memory_limit_available() * ratio);
    }
}

static int compare_flags(const void *a, const void *b)
{
    return strcmp(((const struct api_flag *)a)->name, ((const struct api_flag *)b)->name);
}

/* A duration as text, for flags whose value follows from others. */
static const char *duration_text(struct arena *arena, int64_t duration_ms)
{
    struct buf text;
    buf_init(&text, 64);
    duration_print(duration_ms, &text);
    const char *copy = arena_strdup(arena, buf_cstr(&text));
    buf_release(&text);
    return copy;
}

static void list_flags(struct parsing *parsing)
{
    struct options *options = parsing->options;
    int64_t retention_ms = options->retention_time_ms;
    if (retention_ms == 0 && options->retention_size_bytes == 0)
        retention_ms = RETENTION_DEFAULT_MS;
    int64_t block_ms = retention_ms > 0 ? MIN(retention_ms / 10, (int64_t)BLOCK_DURATION_MAX_MS)
                                        : BLOCK_DURATION_MAX_MS;
    options->flags = arena_alloc_array(&options->arena, flags_all_count, sizeof(*options->flags));
    options->flag_count = flags_all_count;
    for (size_t i = 0; i < flags_all_count; i++) {
        const struct flag_given *given = &parsing->given[i];
        const char *value = options_show_value(given, &options->arena);
        if (strcmp(given->flag->name, "storage.tsdb.retention.time") == 0)
            value = duration_text(&options->arena, retention_ms);
        else if (strcmp(given->flag->name, "storage.tsdb.max-block-duration") == 0 &&
                 !given->is_given)
            value = duration_text(&options->arena, block_ms);
        options->flags[i] = (struct api_flag){given->flag->name, value};
    }
    qsort(options->flags, options->flag_count, sizeof(*options->flags), compare_flags);
}

static enum options_outcome finish(struct parsing *parsing, enum err syntax, const char *program,
                                   struct buf *out_text, int *out_exit_code)
{
    if (parsing->version) {
        options_print_version(out_text);
        return OPTIONS_EXIT;
    }
    if (syntax == ERR_NONE && parsing->help) {
        options_print_help(program, out_text);
        return OPTIONS_EXIT;
    }
    if (syntax == ERR_NONE)
        syntax = read_values(parsing);
    if (syntax != ERR_NONE) {
        buf_printf(out_text,
                   "Error parsing command line arguments: %s\nSee %s --help for all flags.\n",
                   parsing->err.text, program);
        *out_exit_code = EXIT_USAGE;
        return OPTIONS_FAIL;
    }
    *out_exit_code = check_values(parsing, out_text);
    if (*out_exit_code != 0)
        return OPTIONS_FAIL;
    take_warnings(parsing);
    derive(parsing);
    list_flags(parsing);
    return OPTIONS_RUN;
}

enum options_outcome options_parse(int argc, char *const *argv, struct options *out,
                                   struct buf *out_text, int *out_exit_code)
{
    const char *program = argc > 0 ? argv[0] : "ferula";
    const char *slash = strrchr(program, '/');
    *out = (struct options){0};
    *out_exit_code = 0;
    arena_init(&out->arena, ARENA_SIZE_MAX);
    struct parsing parsing = {.options = out};
    parsing.given = arena_zalloc(&out->arena, flags_all_count * sizeof(*parsing.given));
    enum err syntax = read_words(&parsing, argc, argv);
    enum options_outcome outcome = finish(&parsing, syntax, slash == NULL ? program : slash + 1,
                                          out_text, out_exit_code);
    vec_release(&parsing.words);
    if (outcome != OPTIONS_RUN)
        options_release(out);
    return outcome;
}

void options_release(struct options *options)
{
    arena_release(&options->arena);
}
