/*
 * What the files of the configuration share: the schemas, one a section, and what reading carries
 * along. Private to config/.
 */
#pragma once

#include <stddef.h>

#include "base/table.h"
#include "config/binding.h"
#include "config/config.h"

/* Rows of schemas. */
#define CONFIG_ROW(name, struct_type, member, value_kind)                                          \
    .key = (name), .kind = (value_kind), .offset = offsetof(struct_type, member)
#define CONFIG_LIST(name, struct_type, member, member_count, value_kind)                           \
    .key = (name), .kind = (value_kind), .offset = offsetof(struct_type, member),                  \
    .count_offset = offsetof(struct_type, member_count)

/* The binding's context. */
struct config_reading {
    struct config *config;
    const struct config_defaults *defaults;
    /* of the section that is read: the scheme of names, and how many target rules it has */
    bool utf8_names;
    const size_t *target_rule_count;
    struct table names; /* of struct config_name */
    bool in_included_file;
};

/* What has to have a name of its own. */
enum config_name_kind {
    CONFIG_NAME_JOB,
    CONFIG_NAME_REMOTE_WRITE,
    CONFIG_NAME_REMOTE_READ,
};
/* Takes a name, or reports at `key` that it is taken. An empty name is not taken. */
void config_claim_name(struct binding *binding, const struct yaml_tree_node *node,
                       enum config_name_kind kind, const char *key, struct slice name);

static inline struct config_reading *config_reading(struct binding *binding)
{
    return binding->context;
}

extern const struct binding_schema config_schema; /* the whole file */
extern const struct binding_schema config_global_schema;
extern const struct binding_schema config_scrape_schema;
extern const struct binding_schema config_http_schema; /* for BINDING_INLINE */
extern const struct binding_schema config_tls_schema;
extern const struct binding_schema config_discovery_schema; /* for BINDING_INLINE */
extern const struct binding_schema config_relabel_schema;
extern const struct binding_schema config_alerting_schema;
extern const struct binding_schema config_storage_schema;
extern const struct binding_schema config_remote_write_schema;
extern const struct binding_schema config_remote_read_schema;
extern const struct binding_schema config_tracing_schema;
extern const struct binding_schema config_otlp_schema;

/* Rows of custom kinds that two sections share: the field is at `offset`, counts at `count_offset`. */
void config_read_name_scheme(struct binding *binding, const struct binding_field *field,
                             const struct yaml_tree_node *node, void *object);
struct yaml_tree_node *config_print_name_scheme(const struct binding_printer *printer,
                                                const struct binding_field *field,
                                                const void *object);
void config_read_protocols(struct binding *binding, const struct binding_field *field,
                           const struct yaml_tree_node *node, void *object);
struct yaml_tree_node *config_print_protocols(const struct binding_printer *printer,
                                              const struct binding_field *field,
                                              const void *object);
bool config_protocol_parse(struct slice name, enum config_scrape_protocol *out);
/* "<where>: unknown scrape protocol X, supported: [...]" */
void config_problem_protocol(struct binding *binding, const struct yaml_tree_node *node,
                             struct slice name, const char *where);
/* Fills the order of preference that applies where nothing is configured. */
void config_default_protocols(bool protobuf_first, enum config_scrape_protocol *out,
                              size_t *out_count);
bool config_escaping_scheme_valid(struct slice scheme);
/* A map of text whose names are labels. */
void config_read_labels(struct binding *binding, const struct binding_field *field,
                        const struct yaml_tree_node *node, void *object);
struct yaml_tree_node *config_print_labels(const struct binding_printer *printer,
                                           const struct binding_field *field, const void *object);
/* Reports a URL that is none, without the password in it. An empty one is fine. */
void config_check_url(struct binding *binding, const struct yaml_tree_node *node, const char *key,
                      struct slice text);
/* Reserved headers of a map of headers; `authorization` is the text for that one. */
void config_check_headers(struct binding *binding, const struct yaml_tree_node *node,
                          const char *key, const struct config_label *headers, size_t count,
                          const char *authorization);

/* Prints a configuration that is complete. ERR_LIMIT when it is too large. */
enum err config_print(struct config *config, struct errbuf *err) MUST_CHECK;
/* job->canonical, with secrets. */
enum err config_print_job(struct arena *arena, struct config_scrape *job,
                          struct errbuf *err) MUST_CHECK;
