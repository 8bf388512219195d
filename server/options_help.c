/*
 * --help and --version, in the layout of the reference: tools read both.
 */
#include <ctype.h>
#include <string.h>
#include <sys/utsname.h>

#include "server/options_internal.h"

#define WIDTH 80
#define LEFT_MAX 30
#define INDENT 2
#define PADDING 2

/* The shown value: a placeholder, the default, or the name in capitals. */
static void print_value(const struct flag *flag, struct buf *out)
{
    buf_append_byte(out, '=');
    if (flag->placeholder != NULL) {
        buf_append_str(out, flag->placeholder);
    } else if (flag->fallback != NULL && flag->kind == FLAG_TEXT) {
        buf_printf(out, "\"%s\"", flag->fallback);
    } else if (flag->fallback != NULL && flag->fallback[0] != '\0') {
        size_t first = strcspn(flag->fallback, ",");
        buf_append(out, flag->fallback, first);
        if (flag->fallback[first] != '\0')
            buf_append_str(out, "...");
    } else {
        for (const char *at = flag->name; *at != '\0'; at++)
            buf_append_byte(out, (char)toupper((unsigned char)*at));
    }
    if (flag->traits & FLAG_REPEATABLE)
        buf_append_str(out, " ...");
}

static void print_left(const struct flag *flag, struct buf *out)
{
    buf_printf(out, "    --%s%s", flag->kind == FLAG_BOOL ? "[no-]" : "", flag->name);
    if (flag->kind != FLAG_BOOL)
        print_value(flag, out);
}

/* Words broken at the width of the right column. */
static void print_wrapped(const char *text, size_t left, struct buf *out)
{
    size_t width = WIDTH - left - PADDING - INDENT;
    size_t used = 0;
    while (*text != '\0') {
        size_t word = strcspn(text, " ");
        if (used > 0 && used + 1 + word > width) {
            buf_printf(out, "\n%*s", (int)(INDENT + left + PADDING), "");
            used = 0;
        }
        if (used > 0) {
            buf_append_byte(out, ' ');
            used++;
        }
        buf_append(out, text, word);
        used += word;
        text += word;
        text += strspn(text, " ");
    }
    buf_append_byte(out, '\n');
}

static void print_row(const char *left_text, const char *right_text, size_t left, struct buf *out)
{
    buf_printf(out, "%*s%-*s%*s", INDENT, "", (int)left, left_text, PADDING, "");
    if (strlen(left_text) >= LEFT_MAX)
        buf_printf(out, "\n%*s", (int)(INDENT + left + PADDING), "");
    print_wrapped(right_text, left, out);
}

/* What the table of flags and that of features say besides the text. */
static void print_help_text(const struct flag *flag, struct buf *out)
{
    buf_append_str(out, flag->help);
    if (strcmp(flag->name, "enable-feature") == 0) {
        const char *before = " ";
        for (size_t i = 0; i < features_all_count; i++) {
            if (features_all[i].note != NULL)
                continue;
            buf_printf(out, "%s%s", before, features_all[i].name);
            before = ", ";
        }
        buf_append_byte(out, '.');
    }
    if (flag->traits & FLAG_NO_EFFECT)
        buf_append_str(out, " No effect yet.");
    if (flag->traits & FLAG_SERVER_ONLY)
        buf_append_str(out, " Use with server mode only.");
    else if (flag->traits & FLAG_AGENT_ONLY)
        buf_append_str(out, " Use with agent mode only.");
}

void options_print_help(const char *program, struct buf *out)
{
    size_t left = strlen("-h, --[no-]help");
    struct buf text;
    buf_init(&text, 4096);
    for (size_t i = 0; i < flags_all_count; i++) {
        buf_reset(&text);
        print_left(&flags_all[i], &text);
        if (!(flags_all[i].traits & FLAG_HIDDEN) && text.len < LEFT_MAX && text.len > left)
            left = text.len;
    }
    buf_printf(out,
               "usage: %s [<flags>]\n\nferula, a monitoring server that stands in for "
               "Prometheus\n\n\nFlags:\n",
               program);
    print_row("-h, --[no-]help", "Show this text.", left, out);
    print_row("    --[no-]version", "Show the version.", left, out);
    for (size_t i = 0; i < flags_all_count; i++) {
        const struct flag *flag = &flags_all[i];
        if (flag->traits & FLAG_HIDDEN)
            continue;
        buf_reset(&text);
        print_left(flag, &text);
        struct buf help;
        buf_init(&help, 4096);
        print_help_text(flag, &help);
        print_row(buf_cstr(&text), buf_cstr(&help), left, out);
        buf_release(&help);
    }
    buf_append_byte(out, '\n');
    buf_release(&text);
}

/* Scripts read the version from the first line, and take it for the reference's. */
void options_print_version(struct buf *out)
{
    struct utsname host = {0};
    (void)uname(&host);
    buf_printf(out, "prometheus, version %s (branch: ferula, revision: %s)\n",
               FERULA_COMPATIBLE_VERSION, ferula_revision);
    buf_printf(out, "  ferula:           %s\n", ferula_version);
    buf_printf(out, "  build user:       ferula\n");
    buf_printf(out, "  build date:       %s\n", ferula_build_date);
    buf_printf(out, "  go version:       none, written in C\n");
    buf_printf(out, "  platform:         linux/%s\n",
               strcmp(host.machine, "x86_64") == 0    ? "amd64"
               : strcmp(host.machine, "aarch64") == 0 ? "arm64"
                                                      : host.machine);
    buf_printf(out, "  tags:             ferula\n");
}
