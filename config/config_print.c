/*
 * The configuration in force as YAML: for people and /api/v1/status/config without its secrets, and
 * each job with them, to tell whether it has changed.
 */
#include "config/config_internal.h"

/* What a printed configuration may take. */
#define PRINTED_BYTES_MAX ((size_t)64 << 20)

static enum err print_into(struct arena *arena, const struct yaml_tree_node *root,
                           struct slice *out, struct errbuf *err)
{
    struct buf text;
    buf_init(&text, PRINTED_BYTES_MAX);
    enum err error = yaml_tree_print(root, &text);
    if (error == ERR_NONE)
        *out = arena_slice(arena, buf_slice(&text));
    else
        errbuf_set(err, error, "the configuration takes more than %zu bytes when printed",
                   PRINTED_BYTES_MAX);
    buf_release(&text);
    return error;
}

enum err config_print(struct config *config, struct errbuf *err)
{
    struct arena scratch;
    arena_init(&scratch, (size_t)1 << 30);
    struct binding_printer printer = {.arena = &scratch};
    struct yaml_tree_node *root = binding_print(&printer, &config_schema, config);
    enum err error = print_into(&config->arena, root, &config->printed, err);
    arena_release(&scratch);
    return error;
}

enum err config_print_job(struct arena *arena, struct config_scrape *job, struct errbuf *err)
{
    struct arena scratch;
    arena_init(&scratch, (size_t)1 << 30);
    struct binding_printer printer = {.arena = &scratch, .show_secrets = true};
    struct yaml_tree_node *root = binding_print(&printer, &config_scrape_schema, job);
    enum err error = print_into(arena, root, &job->canonical, err);
    arena_release(&scratch);
    return error;
}
