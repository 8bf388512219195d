#include "tool/command_line.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/buf.h"
#include "base/vec.h"

#define EXIT_USAGE 1
#define WIDTH 80
#define HELP_COLUMN 29

struct given {
    const char *flag;
    const char *value; /* of a switch "" = on, NULL = off */
};

struct command_line {
    const struct command_table *table;
    const struct command *command; /* NULL until it is known */
    struct buf words;              /* those of the command that were read */
    VEC(struct given) flags;
    VEC(const char *) arguments;
    bool help;
    bool version;
};

static const struct command_flag common_flags[] = {
    {"help", 'h', COMMAND_SWITCH, NULL, NULL, "Show this text."},
    {"version", 0, COMMAND_SWITCH, NULL, NULL, "Show the version."},
};

static int fail(const struct command_line *line, const char *format, ...) PRINTF_LIKE(2, 3);
static int fail(const struct command_line *line, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "%s: error: ", line->table->program);
    vfprintf(stderr, format, arguments);
    fputs(", try --help\n", stderr);
    va_end(arguments);
    return EXIT_USAGE;
}

/* --- help --- */

/* Words broken at the width, each line but the first behind `left` blanks. */
static void print_wrapped(const char *text, size_t left)
{
    size_t used = 0;
    while (*text != '\0') {
        size_t word = strcspn(text, " ");
        if (used > 0 && left + used + 1 + word > WIDTH) {
            printf("\n%*s", (int)left, "");
            used = 0;
        }
        used += (size_t)printf("%s%.*s", used > 0 ? " " : "", (int)word, text);
        text += word;
        text += strspn(text, " ");
    }
    putchar('\n');
}

static void print_row(const char *left, const char *help)
{
    printf("%-*s", HELP_COLUMN, left);
    if (strlen(left) >= HELP_COLUMN)
        printf("\n%*s", HELP_COLUMN, "");
    print_wrapped(help, HELP_COLUMN);
}

static void print_flag(const struct command_flag *flag)
{
    struct buf text CLEANUP(buf_release);
    buf_init(&text, 4096);
    if (flag->letter != 0)
        buf_printf(&text, "  -%c, --%s", flag->letter, flag->name);
    else
        buf_printf(&text, "      --%s", flag->name);
    const char *shown = flag->placeholder != NULL ? flag->placeholder : flag->fallback;
    if (flag->kind != COMMAND_SWITCH)
        buf_printf(&text, "=%s%s", shown == NULL ? "..." : shown,
                   flag->kind == COMMAND_LIST ? " ..." : "");
    print_row(buf_cstr(&text), flag->help);
}

/* "tsdb list [<flags>] [<db path>]" */
static void print_usage(const struct command *command)
{
    printf("%s%s", command->words, command->flags[0].name != NULL ? " [<flags>]" : "");
    for (size_t i = 0; i < COMMAND_ARGUMENTS_MAX && command->arguments[i].name != NULL; i++)
        printf(command->arguments[i].required ? " <%s>%s" : " [<%s>]%s", command->arguments[i].name,
               command->arguments[i].many ? "..." : "");
    putchar('\n');
}

static void print_flags(const struct command *command)
{
    printf("\nFlags:\n");
    for (size_t i = 0; i < ARRAY_SIZE(common_flags); i++)
        print_flag(&common_flags[i]);
    for (size_t i = 0; command != NULL && i < COMMAND_FLAGS_MAX && command->flags[i].name; i++)
        print_flag(&command->flags[i]);
}

static void print_command_help(const struct command_line *line)
{
    const struct command *command = line->command;
    printf("usage: %s ", line->table->program);
    print_usage(command);
    putchar('\n');
    print_wrapped(command->help, 0);
    print_flags(command);
    if (command->arguments[0].name != NULL)
        printf("\nArgs:\n");
    for (size_t i = 0; i < COMMAND_ARGUMENTS_MAX && command->arguments[i].name != NULL; i++) {
        const struct command_argument *argument = &command->arguments[i];
        struct buf text CLEANUP(buf_release);
        buf_init(&text, 4096);
        buf_printf(&text, argument->required ? "  <%s>" : "  [<%s>]", argument->name);
        print_row(buf_cstr(&text), argument->help);
    }
    putchar('\n');
}

static const struct command_family *find_family(const struct command_table *table,
                                                const char *words)
{
    for (const struct command_family *family = table->families; family->words != NULL; family++) {
        if (strcmp(family->words, words) == 0)
            return family;
    }
    return NULL;
}

static bool is_below(const struct command *command, const char *words)
{
    size_t len = strlen(words);
    return len == 0 || (strncmp(command->words, words, len) == 0 && command->words[len] == ' ');
}

static void print_help(const struct command_line *line)
{
    if (line->command != NULL) {
        print_command_help(line);
        return;
    }
    const char *words = buf_cstr(&line->words);
    const struct command_family *family = find_family(line->table, words);
    printf("usage: %s %s%s<command> [<args> ...]\n\n", line->table->program,
           family == NULL ? "[<flags>]" : words, " ");
    print_wrapped(family == NULL ? line->table->help : family->help, 0);
    print_flags(NULL);
    printf("\n%s:\n", family == NULL ? "Commands" : "Subcommands");
    for (size_t i = 0; line->table->commands[i] != NULL; i++) {
        if (!is_below(line->table->commands[i], words))
            continue;
        print_usage(line->table->commands[i]);
        printf("    ");
        print_wrapped(line->table->commands[i]->help, 4);
        putchar('\n');
    }
}

/* --- reading --- */

static const struct command_flag *find_flag(const struct command_line *line, const char *name,
                                            size_t len, char letter)
{
    const struct command_flag *flags[] = {common_flags,
                                          line->command == NULL ? NULL : line->command->flags};
    size_t counts[] = {ARRAY_SIZE(common_flags), COMMAND_FLAGS_MAX};
    for (size_t k = 0; k < ARRAY_SIZE(flags); k++) {
        for (size_t i = 0; flags[k] != NULL && i < counts[k] && flags[k][i].name != NULL; i++) {
            const struct command_flag *flag = &flags[k][i];
            if (letter != 0 ? flag->letter == letter
                            : strlen(flag->name) == len && memcmp(flag->name, name, len) == 0)
                return flag;
        }
    }
    return NULL;
}

/* A flag may stand before the words of its command are complete. */
static const struct command_flag *find_flag_ahead(struct command_line *line, const char *name,
                                                  size_t len, char letter)
{
    const struct command_flag *flag = find_flag(line, name, len, letter);
    if (flag != NULL || line->command != NULL)
        return flag;
    for (size_t i = 0; line->table->commands[i] != NULL && flag == NULL; i++) {
        line->command = line->table->commands[i];
        if (is_below(line->command, buf_cstr(&line->words)))
            flag = find_flag(line, name, len, letter);
    }
    line->command = NULL;
    return flag;
}

static void give_flag(struct command_line *line, const struct command_flag *flag, const char *value)
{
    line->help |= strcmp(flag->name, "help") == 0;
    line->version |= strcmp(flag->name, "version") == 0;
    vec_push(&line->flags, (struct given){flag->name, value});
}

/* A flag as it was written: --name=value or -xvalue; the value may be missing. */
struct written_flag {
    const char *name;
    size_t len;
    bool is_long;
    bool is_off; /* --no-name */
    const char *value;
};

static const struct command_flag *look_up(struct command_line *line, const char *text,
                                          struct written_flag *out)
{
    struct written_flag written = {.is_long = text[1] == '-'};
    written.name = text + (written.is_long ? 2 : 1);
    written.len = written.is_long ? strcspn(written.name, "=") : 1;
    char behind = written.name[written.len];
    if (written.is_long && behind == '=')
        written.value = written.name + written.len + 1;
    else if (!written.is_long && behind != '\0')
        written.value = written.name + 1;
    const struct command_flag *flag =
        find_flag_ahead(line, written.name, written.len, written.is_long ? 0 : written.name[0]);
    if (flag == NULL && written.is_long && written.len > 3 && memcmp(written.name, "no-", 3) == 0) {
        flag = find_flag_ahead(line, written.name + 3, written.len - 3, 0);
        written.is_off = true;
        if (flag != NULL && flag->kind != COMMAND_SWITCH)
            flag = NULL;
    }
    *out = written;
    return flag;
}

static bool is_given(const struct command_line *line, const struct command_flag *flag)
{
    for (size_t i = 0; i < line->flags.len; i++) {
        if (strcmp(line->flags.items[i].flag, flag->name) == 0)
            return true;
    }
    return false;
}

/* 0 or the exit code. Moves *at over what was used. */
static int read_flag(struct command_line *line, int argc, char *const *argv, int *at)
{
    struct written_flag written;
    const struct command_flag *flag = look_up(line, argv[*at], &written);
    if (flag == NULL)
        return written.is_long
                   ? fail(line, "unknown long flag '--%.*s'", (int)written.len, written.name)
                   : fail(line, "unknown short flag '-%c'", written.name[0]);
    if (flag->kind == COMMAND_SWITCH) {
        if (written.value != NULL)
            return fail(line, "unexpected %s", written.value);
        give_flag(line, flag, written.is_off ? NULL : "");
        return 0;
    }
    if (written.value == NULL && *at + 1 < argc)
        written.value = argv[++*at];
    if (written.value == NULL)
        return fail(line, "expected argument for flag '--%s'", flag->name);
    if (flag->kind == COMMAND_TEXT && is_given(line, flag))
        return fail(line, "flag '%s' cannot be repeated", flag->name);
    give_flag(line, flag, written.value);
    return 0;
}

static int read_word(struct command_line *line, const char *word)
{
    if (line->command != NULL) {
        size_t count = 0;
        while (count < COMMAND_ARGUMENTS_MAX && line->command->arguments[count].name != NULL)
            count++;
        if (line->arguments.len >= count &&
            (count == 0 || !line->command->arguments[count - 1].many))
            return fail(line, "unexpected %s", word);
        vec_push(&line->arguments, word);
        return 0;
    }
    buf_printf(&line->words, "%s%s", line->words.len > 0 ? " " : "", word);
    const char *words = buf_cstr(&line->words);
    for (size_t i = 0; line->table->commands[i] != NULL; i++) {
        if (strcmp(line->table->commands[i]->words, words) == 0)
            line->command = line->table->commands[i];
    }
    if (line->command == NULL && find_family(line->table, words) == NULL)
        return fail(line, "expected command but got \"%s\"", word);
    return 0;
}

static int check_complete(const struct command_line *line)
{
    if (line->command == NULL)
        return fail(line, "must select a subcommand of '%s'", buf_cstr(&line->words));
    for (size_t i = line->arguments.len; i < COMMAND_ARGUMENTS_MAX; i++) {
        if (line->command->arguments[i].name != NULL && line->command->arguments[i].required)
            return fail(line, "required argument '%s' not provided",
                        line->command->arguments[i].name);
    }
    for (size_t i = 0; i < COMMAND_FLAGS_MAX && line->command->flags[i].name != NULL; i++) {
        const struct command_flag *flag = &line->command->flags[i];
        if (flag->required && !is_given(line, flag))
            return fail(line, "required flag(s) '--%s' not provided", flag->name);
    }
    for (size_t i = 0; i < line->flags.len; i++) {
        const char *name = line->flags.items[i].flag;
        if (find_flag(line, name, strlen(name), 0) == NULL)
            return fail(line, "unknown long flag '--%s'", name);
    }
    return 0;
}

static int run(struct command_line *line, int argc, char *const *argv)
{
    bool flags_end = false;
    int at = 1;
    if (argc > 1 && strcmp(argv[1], "help") == 0) {
        line->help = true;
        at = 2;
    }
    for (; at < argc; at++) {
        int code;
        if (!flags_end && strcmp(argv[at], "--") == 0) {
            flags_end = true;
            continue;
        }
        if (!flags_end && argv[at][0] == '-' && argv[at][1] != '\0')
            code = read_flag(line, argc, argv, &at);
        else
            code = read_word(line, argv[at]);
        if (code != 0)
            return code;
    }
    if (line->version) {
        line->table->print_version();
        return 0;
    }
    if (line->help || argc < 2) {
        print_help(line);
        return 0;
    }
    int code = check_complete(line);
    return code == 0 ? line->command->run(line) : code;
}

int command_line_run(const struct command_table *table, int argc, char *const *argv)
{
    struct command_line line = {.table = table};
    buf_init(&line.words, 4096);
    int code = run(&line, argc, argv);
    vec_release(&line.flags);
    vec_release(&line.arguments);
    buf_release(&line.words);
    return code;
}

/* --- what was given --- */

const char *command_line_item(const struct command_line *line, const char *flag, size_t i)
{
    size_t count = 0;
    for (size_t k = 0; k < line->flags.len; k++) {
        if (strcmp(line->flags.items[k].flag, flag) == 0 && count++ == i)
            return line->flags.items[k].value;
    }
    const struct command_flag *known = find_flag(line, flag, strlen(flag), 0);
    ASSERT(known != NULL);
    return count == 0 && i == 0 ? known->fallback : NULL;
}

const char *command_line_text(const struct command_line *line, const char *flag)
{
    return command_line_item(line, flag, 0);
}

bool command_line_switch(const struct command_line *line, const char *flag)
{
    for (size_t i = line->flags.len; i > 0; i--) {
        if (strcmp(line->flags.items[i - 1].flag, flag) == 0)
            return line->flags.items[i - 1].value != NULL;
    }
    return false;
}

const char *command_line_argument(const struct command_line *line, size_t i)
{
    ASSERT(i < COMMAND_ARGUMENTS_MAX);
    return i < line->arguments.len ? line->arguments.items[i]
                                   : line->command->arguments[i].fallback;
}

const char *command_line_word(const struct command_line *line, size_t i)
{
    return i < line->arguments.len ? line->arguments.items[i] : NULL;
}
