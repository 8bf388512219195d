/*
 * How to talk HTTP: authentication, TLS, proxies, headers. The same keys stand in scrape jobs,
 * Alertmanagers, remote ends and HTTP discovery, always inline.
 */
#include <ctype.h>
#include <stdlib.h>
#include <strings.h>

#include "config/config_internal.h"
#include "net/url.h"

#define NO_SECRET_MANAGER(instead)                                                                 \
    "secret managers are not supported by this server; use " instead " in its place"

static const char *const reserved_headers[] = {
    "Host", "Content-Encoding", "Content-Length", "Content-Type", "User-Agent", "Connection",
    "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Www-Authenticate",
    "Accept-Encoding", "X-Prometheus-Remote-Write-Version", "X-Prometheus-Remote-Read-Version",
    "X-Prometheus-Scrape-Timeout-Seconds", "X-Amz-Date", "X-Amz-Security-Token",
    "X-Amz-Content-Sha256", NULL,
};

static bool header_reserved(struct slice name)
{
    for (const char *const *word = reserved_headers; *word != NULL; word++) {
        if (strlen(*word) == name.len && strncasecmp(*word, name.ptr, name.len) == 0)
            return true;
    }
    return false;
}

static bool header_is_authorization(struct slice name)
{
    return name.len == 13 && strncasecmp(name.ptr, "authorization", 13) == 0;
}

/* Content-Type for content-type */
static const char *canonical_header(struct arena *arena, struct slice name)
{
    char *text = arena_printf(arena, "%.*s", SLICE_ARG(name));
    bool start = true;
    for (char *at = text; *at != '\0'; at++) {
        *at = (char)(start ? toupper((unsigned char)*at) : tolower((unsigned char)*at));
        start = *at == '-';
    }
    return text;
}

void config_check_headers(struct binding *binding, const struct yaml_tree_node *node,
                          const char *key, const struct config_label *headers, size_t count,
                          const char *authorization)
{
    for (size_t i = 0; i < count; i++) {
        const char *name = arena_printf(binding->arena, "%.*s", SLICE_ARG(headers[i].name));
        const struct yaml_tree_node *at = binding_at(binding_at(node, key), name);
        if (header_is_authorization(headers[i].name))
            binding_problem(binding, at, "%s", authorization);
        else if (header_reserved(headers[i].name))
            binding_problem(binding, at,
                            "%s is a reserved header. It must not be changed; remove it", name);
    }
}

static const struct binding_field basic_auth_fields[] = {
    {CONFIG_ROW("username", struct config_basic_auth, username, BINDING_TEXT)},
    {CONFIG_ROW("username_file", struct config_basic_auth, username_file, BINDING_PATH)},
    {.key = "username_ref", .kind = BINDING_REFUSED, .hint = NO_SECRET_MANAGER("username_file")},
    {CONFIG_ROW("password", struct config_basic_auth, password.text, BINDING_SECRET)},
    {CONFIG_ROW("password_file", struct config_basic_auth, password.file, BINDING_PATH)},
    {.key = "password_ref", .kind = BINDING_REFUSED, .hint = NO_SECRET_MANAGER("password_file")},
};
static const struct binding_schema basic_auth_schema = {
    .type = "config.plain",
    .fields = basic_auth_fields,
    .field_count = ARRAY_SIZE(basic_auth_fields),
    .size = sizeof(struct config_basic_auth),
};

static const struct binding_field authorization_fields[] = {
    {CONFIG_ROW("type", struct config_authorization, type, BINDING_TEXT)},
    {CONFIG_ROW("credentials", struct config_authorization, credentials.text, BINDING_SECRET)},
    {CONFIG_ROW("credentials_file", struct config_authorization, credentials.file, BINDING_PATH)},
    {.key = "credentials_ref",
     .kind = BINDING_REFUSED,
     .hint = NO_SECRET_MANAGER("credentials_file")},
};
static const struct binding_schema authorization_schema = {
    .type = "config.Authorization",
    .fields = authorization_fields,
    .field_count = ARRAY_SIZE(authorization_fields),
    .size = sizeof(struct config_authorization),
};

static void check_tls_version(struct binding *binding, const struct yaml_tree_node *node,
                              const char *key, struct slice version)
{
    static const char *const versions[] = {"", "TLS10", "TLS11", "TLS12", "TLS13", NULL};
    for (const char *const *word = versions; *word != NULL; word++) {
        if (slice_eq_str(version, *word))
            return;
    }
    binding_problem(binding, binding_at(node, key),
                    "unknown TLS version: %.*s; write TLS10, TLS11, TLS12 or TLS13",
                    SLICE_ARG(version));
}

static void check_tls(struct binding *binding, const struct yaml_tree_node *node, void *object)
{
    struct config_tls *tls = object;
    if (tls->ca.len > 0 && tls->ca_file.len > 0)
        binding_problem(binding, binding_at(node, "ca_file"),
                        "at most one of ca, ca_file & ca_ref must be configured");
    if (tls->cert.len > 0 && tls->cert_file.len > 0)
        binding_problem(binding, binding_at(node, "cert_file"),
                        "at most one of cert, cert_file & cert_ref must be configured");
    if (tls->key.len > 0 && tls->key_file.len > 0)
        binding_problem(binding, binding_at(node, "key_file"),
                        "at most one of key and key_file must be configured");
    bool has_cert = tls->cert.len + tls->cert_file.len > 0;
    bool has_key = tls->key.len + tls->key_file.len > 0;
    if (has_cert && !has_key)
        binding_problem(binding, node,
                        "exactly one of key or key_file must be configured when a client "
                        "certificate is configured");
    if (has_key && !has_cert)
        binding_problem(binding, node,
                        "exactly one of cert or cert_file must be configured when a client key is "
                        "configured");
    check_tls_version(binding, node, "min_version", tls->min_version);
    check_tls_version(binding, node, "max_version", tls->max_version);
    tls->present = true;
}

static const struct binding_field tls_fields[] = {
    {CONFIG_ROW("ca", struct config_tls, ca, BINDING_TEXT)},
    {CONFIG_ROW("cert", struct config_tls, cert, BINDING_TEXT)},
    {CONFIG_ROW("key", struct config_tls, key, BINDING_SECRET)},
    {CONFIG_ROW("ca_file", struct config_tls, ca_file, BINDING_PATH)},
    {CONFIG_ROW("cert_file", struct config_tls, cert_file, BINDING_PATH)},
    {CONFIG_ROW("key_file", struct config_tls, key_file, BINDING_PATH)},
    {.key = "ca_ref", .kind = BINDING_REFUSED, .hint = NO_SECRET_MANAGER("ca_file")},
    {.key = "cert_ref", .kind = BINDING_REFUSED, .hint = NO_SECRET_MANAGER("cert_file")},
    {.key = "key_ref", .kind = BINDING_REFUSED, .hint = NO_SECRET_MANAGER("key_file")},
    {CONFIG_ROW("server_name", struct config_tls, server_name, BINDING_TEXT)},
    {CONFIG_ROW("insecure_skip_verify", struct config_tls, insecure_skip_verify, BINDING_BOOL),
     .flags = BINDING_ALWAYS},
    {CONFIG_ROW("min_version", struct config_tls, min_version, BINDING_TEXT)},
    {CONFIG_ROW("max_version", struct config_tls, max_version, BINDING_TEXT)},
};
const struct binding_schema config_tls_schema = {
    .type = "config.plain",
    .fields = tls_fields,
    .field_count = ARRAY_SIZE(tls_fields),
    .size = sizeof(struct config_tls),
    .check = check_tls,
};

static const struct binding_field header_fields[] = {
    {CONFIG_LIST("values", struct config_header, values, value_count, BINDING_TEXT_LIST)},
    {CONFIG_LIST("secrets", struct config_header, secrets, secret_count, BINDING_SECRET_LIST)},
    {CONFIG_LIST("files", struct config_header, files, file_count, BINDING_PATH_LIST)},
};
static const struct binding_schema header_schema = {
    .type = "config.Header",
    .fields = header_fields,
    .field_count = ARRAY_SIZE(header_fields),
    .size = sizeof(struct config_header),
};

/* The headers at a field, and how many. */
static struct config_header **headers_at(const struct binding_field *field, const void *object,
                                         size_t **out_count)
{
    *out_count = (size_t *)((char *)object + field->count_offset);
    return (struct config_header **)((char *)object + field->offset);
}

static int compare_headers(const void *a, const void *b)
{
    return binding_compare_keys(((const struct config_header *)a)->name,
                                ((const struct config_header *)b)->name);
}

/* A mapping whose keys are header names; each value is read by `read_one`. */
static void read_header_map(struct binding *binding, const struct binding_field *field,
                            const struct yaml_tree_node *node, void *object,
                            void (*read_one)(struct binding *binding,
                                             const struct yaml_tree_node *node,
                                             struct config_header *out))
{
    size_t *count;
    struct config_header **out = headers_at(field, object, &count);
    if (node->kind == YAML_TREE_NULL)
        return;
    if (node->kind != YAML_TREE_MAPPING) {
        binding_problem_type(binding, node, field->type, field->hint);
        return;
    }
    struct config_header *headers =
        arena_zalloc(binding->arena, node->count * sizeof(*headers));
    for (size_t i = 0; i < node->count; i++) {
        if (node->keys[i]->duplicate) {
            binding_problem(binding, node->keys[i], "key %s already set in map; remove one of them",
                            binding_quote(binding->arena, node->keys[i]->text));
            continue;
        }
        headers[*count].name = node->keys[i]->text;
        read_one(binding, node->items[i], &headers[(*count)++]);
    }
    qsort(headers, *count, sizeof(*headers), compare_headers);
    *out = headers;
}

static void read_http_header(struct binding *binding, const struct yaml_tree_node *node,
                             struct config_header *out)
{
    if (header_is_authorization(out->name) || header_reserved(out->name))
        binding_problem(binding, node, "setting header %s is not allowed; remove it",
                        binding_quote(binding->arena,
                                      slice_str(canonical_header(binding->arena, out->name))));
    struct slice name = out->name;
    binding_read(binding, &header_schema, node, out);
    out->name = name;
}

static void read_http_headers(struct binding *binding, const struct binding_field *field,
                              const struct yaml_tree_node *node, void *object)
{
    read_header_map(binding, field, node, object, read_http_header);
}

static struct yaml_tree_node *print_http_headers(const struct binding_printer *printer,
                                                 const struct binding_field *field,
                                                 const void *object)
{
    size_t *count;
    struct config_header *headers = *headers_at(field, object, &count);
    if (*count == 0)
        return NULL;
    struct yaml_tree_node *map =
        yaml_tree_new_collection(printer->arena, YAML_TREE_MAPPING, *count);
    for (size_t i = 0; i < *count; i++)
        yaml_tree_add(map, yaml_tree_new_string(printer->arena, headers[i].name),
                      binding_print(printer, &header_schema, &headers[i]));
    return map;
}

static void read_connect_header(struct binding *binding, const struct yaml_tree_node *node,
                                struct config_header *out)
{
    if (node->kind == YAML_TREE_NULL)
        return;
    if (node->kind != YAML_TREE_SEQUENCE) {
        struct yaml_tree_node hidden = binding_hide(node);
        binding_problem_type(binding, &hidden, "[]config.Secret", "write a list of values");
        return;
    }
    out->secrets = arena_alloc_array(binding->arena, node->count, sizeof(*out->secrets));
    for (size_t i = 0; i < node->count; i++) {
        if (binding_read_text(binding, node->items[i], "write a text",
                              &out->secrets[out->secret_count]))
            out->secret_count++;
    }
}

static void read_connect_headers(struct binding *binding, const struct binding_field *field,
                                 const struct yaml_tree_node *node, void *object)
{
    read_header_map(binding, field, node, object, read_connect_header);
}

static struct yaml_tree_node *print_connect_headers(const struct binding_printer *printer,
                                                    const struct binding_field *field,
                                                    const void *object)
{
    size_t *count;
    struct config_header *headers = *headers_at(field, object, &count);
    if (*count == 0)
        return NULL;
    struct yaml_tree_node *map =
        yaml_tree_new_collection(printer->arena, YAML_TREE_MAPPING, *count);
    for (size_t i = 0; i < *count; i++) {
        struct yaml_tree_node *list = yaml_tree_new_collection(
            printer->arena, YAML_TREE_SEQUENCE, headers[i].secret_count);
        for (size_t j = 0; j < headers[i].secret_count; j++)
            yaml_tree_add(list, NULL, binding_print_secret(printer, headers[i].secrets[j]));
        yaml_tree_add(map, yaml_tree_new_string(printer->arena, headers[i].name), list);
    }
    return map;
}

#define PROXY_ROWS(struct_type)                                                                    \
    {CONFIG_ROW("proxy_url", struct_type, proxy_url, BINDING_URL)},                                \
        {CONFIG_ROW("no_proxy", struct_type, no_proxy, BINDING_TEXT)},                             \
        {CONFIG_ROW("proxy_from_environment", struct_type, proxy_from_environment, BINDING_BOOL)}, \
    {                                                                                              \
        CONFIG_LIST("proxy_connect_header", struct_type, proxy_connect_headers,                    \
                    proxy_connect_header_count, BINDING_CUSTOM),                                   \
            .type = "config.ProxyHeader",                                                          \
            .hint = "write header names, each with a list of values", .read = read_connect_headers, \
            .print = print_connect_headers                                                         \
    }

void config_check_url(struct binding *binding, const struct yaml_tree_node *node, const char *key,
                      struct slice text)
{
    struct url url;
    struct errbuf err = ERRBUF_INIT;
    if (text.len == 0 || url_parse(text, &url, NULL) == ERR_NONE)
        return;
    /* the message repeats the URL, so it is made from one without the password */
    if (url_parse(binding_redact_url(binding->arena, text), &url, &err) == ERR_NONE)
        errbuf_set(&err, ERR_INVALID, "the user or password in the URL is not valid");
    binding_problem(binding, binding_at(node, key), "%s; write %s: http://host:port/path", err.text,
                    key);
}

static void check_proxy(struct binding *binding, const struct yaml_tree_node *node,
                        struct slice url, struct slice no_proxy, bool from_environment,
                        size_t header_count)
{
    config_check_url(binding, node, "proxy_url", url);
    if (header_count > 0 && !from_environment && url.len == 0)
        binding_problem(binding, binding_at(node, "proxy_connect_header"),
                        "if proxy_connect_header is configured, proxy_url or "
                        "proxy_from_environment must also be configured");
    if (from_environment && url.len > 0)
        binding_problem(binding, binding_at(node, "proxy_url"),
                        "if proxy_from_environment is configured, proxy_url must not be "
                        "configured");
    if (from_environment && no_proxy.len > 0)
        binding_problem(binding, binding_at(node, "no_proxy"),
                        "if proxy_from_environment is configured, no_proxy must not be "
                        "configured");
    if (!from_environment && url.len == 0 && no_proxy.len > 0)
        binding_problem(binding, binding_at(node, "no_proxy"),
                        "if no_proxy is configured, proxy_url must also be configured");
}

static void check_oauth2(struct binding *binding, const struct yaml_tree_node *node, void *object)
{
    struct config_oauth2 *oauth2 = object;
    if (oauth2->client_id.len == 0)
        binding_problem(binding, node, "oauth2 client_id must be configured");
    if (oauth2->token_url.len == 0)
        binding_problem(binding, node, "oauth2 token_url must be configured");
    if (slice_eq_str(oauth2->grant_type, "urn:ietf:params:oauth:grant-type:jwt-bearer")) {
        if (oauth2->certificate_key.text.len > 0 && oauth2->certificate_key.file.len > 0)
            binding_problem(binding, node,
                            "at most one of oauth2 client_certificate_key, "
                            "client_certificate_key_file & client_certificate_key_ref must be "
                            "configured using "
                            "grant-type=urn:ietf:params:oauth:grant-type:jwt-bearer");
        struct slice algorithm = oauth2->signature_algorithm;
        if (algorithm.len > 0 && !slice_eq_str(algorithm, "RS256") &&
            !slice_eq_str(algorithm, "RS384") && !slice_eq_str(algorithm, "RS512"))
            binding_problem(binding, binding_at(node, "signature_algorithm"),
                            "valid signature algorithms are RS256, RS384 and RS512");
    } else if (oauth2->client_secret.text.len > 0 && oauth2->client_secret.file.len > 0) {
        binding_problem(binding, node,
                        "at most one of oauth2 client_secret, client_secret_file & "
                        "client_secret_ref must be configured using "
                        "grant-type=client_credentials");
    }
    check_proxy(binding, node, oauth2->proxy_url, oauth2->no_proxy, oauth2->proxy_from_environment,
                oauth2->proxy_connect_header_count);
}

static const struct binding_field oauth2_fields[] = {
    {CONFIG_ROW("client_id", struct config_oauth2, client_id, BINDING_TEXT)},
    {CONFIG_ROW("client_secret", struct config_oauth2, client_secret.text, BINDING_SECRET)},
    {CONFIG_ROW("client_secret_file", struct config_oauth2, client_secret.file, BINDING_PATH)},
    {.key = "client_secret_ref",
     .kind = BINDING_REFUSED,
     .hint = NO_SECRET_MANAGER("client_secret_file")},
    {CONFIG_ROW("client_certificate_key_id", struct config_oauth2, certificate_key_id,
                BINDING_TEXT)},
    {CONFIG_ROW("client_certificate_key", struct config_oauth2, certificate_key.text,
                BINDING_SECRET)},
    {CONFIG_ROW("client_certificate_key_file", struct config_oauth2, certificate_key.file,
                BINDING_PATH)},
    {.key = "client_certificate_key_ref",
     .kind = BINDING_REFUSED,
     .hint = NO_SECRET_MANAGER("client_certificate_key_file")},
    {CONFIG_ROW("grant_type", struct config_oauth2, grant_type, BINDING_TEXT)},
    {CONFIG_ROW("signature_algorithm", struct config_oauth2, signature_algorithm, BINDING_TEXT)},
    {CONFIG_ROW("iss", struct config_oauth2, issuer, BINDING_TEXT)},
    {CONFIG_ROW("audience", struct config_oauth2, audience, BINDING_TEXT)},
    {CONFIG_ROW("claims", struct config_oauth2, claims, BINDING_OPAQUE)},
    {CONFIG_LIST("scopes", struct config_oauth2, scopes, scope_count, BINDING_TEXT_LIST)},
    {CONFIG_ROW("token_url", struct config_oauth2, token_url, BINDING_TEXT)},
    {CONFIG_LIST("endpoint_params", struct config_oauth2, endpoint_parameters,
                 endpoint_parameter_count, BINDING_PAIRS)},
    {CONFIG_ROW("tls_config", struct config_oauth2, tls, BINDING_STRUCT),
     .schema = &config_tls_schema},
    PROXY_ROWS(struct config_oauth2),
};
static const struct binding_schema oauth2_schema = {
    .type = "config.plain",
    .fields = oauth2_fields,
    .field_count = ARRAY_SIZE(oauth2_fields),
    .size = sizeof(struct config_oauth2),
    .check = check_oauth2,
};

static void init_http(struct binding *binding, void *object)
{
    struct config_http_client *http = object;
    http->follow_redirects = true;
    http->enable_http2 = true;
}

static void check_basic_auth(struct binding *binding, const struct yaml_tree_node *node,
                             const struct config_basic_auth *auth)
{
    const struct yaml_tree_node *at = binding_at(node, "basic_auth");
    if (auth->username.len > 0 && auth->username_file.len > 0)
        binding_problem(binding, at,
                        "at most one of basic_auth username, username_file & username_ref must be "
                        "configured");
    if (auth->password.text.len > 0 && auth->password.file.len > 0)
        binding_problem(binding, at,
                        "at most one of basic_auth password, password_file & password_ref must be "
                        "configured");
}

static void check_authorization(struct binding *binding, const struct yaml_tree_node *node,
                                struct config_http_client *http, bool has_bearer)
{
    struct config_authorization *authorization = &http->authorization;
    const struct yaml_tree_node *at = binding_at(node, "authorization");
    if (has_bearer)
        binding_problem(binding, at,
                        "authorization is not compatible with bearer_token & bearer_token_file");
    if (authorization->credentials.text.len > 0 && authorization->credentials.file.len > 0)
        binding_problem(binding, at,
                        "at most one of authorization credentials & credentials_file must be "
                        "configured");
    authorization->type = slice_trim(authorization->type);
    if (authorization->type.len == 0)
        authorization->type = SLICE("Bearer");
    if (authorization->type.len == 5 && strncasecmp(authorization->type.ptr, "basic", 5) == 0)
        binding_problem(binding, binding_at(at, "type"),
                        "authorization type cannot be set to \"basic\", use \"basic_auth\" "
                        "instead");
    if (http->basic_auth.present || http->oauth2 != NULL)
        binding_problem(binding, at,
                        "at most one of basic_auth, oauth2 & authorization must be configured");
}

static void check_http(struct binding *binding, const struct yaml_tree_node *node, void *object)
{
    struct config_http_client *http = object;
    bool token = http->bearer_token.text.len > 0;
    bool token_file = http->bearer_token.file.len > 0;
    if (token && token_file)
        binding_problem(binding, binding_at(node, "bearer_token_file"),
                        "at most one of bearer_token & bearer_token_file must be configured");
    if ((http->basic_auth.present || http->oauth2 != NULL) && (token || token_file))
        binding_problem(binding, binding_at(node, token ? "bearer_token" : "bearer_token_file"),
                        "at most one of basic_auth, oauth2, bearer_token & bearer_token_file must "
                        "be configured");
    if (http->basic_auth.present)
        check_basic_auth(binding, node, &http->basic_auth);
    if (http->authorization.present) {
        check_authorization(binding, node, http, token || token_file);
    } else if (token || token_file) {
        http->authorization.present = true;
        http->authorization.type = SLICE("Bearer");
        http->authorization.credentials = http->bearer_token;
        http->bearer_token = (struct config_secret_file_or_text){0};
    }
    if (http->oauth2 != NULL && http->basic_auth.present)
        binding_problem(binding, binding_at(node, "oauth2"),
                        "at most one of basic_auth, oauth2 & authorization must be configured");
    check_proxy(binding, node, http->proxy_url, http->no_proxy, http->proxy_from_environment,
                http->proxy_connect_header_count);
}

static const struct binding_field http_fields[] = {
    {CONFIG_ROW("basic_auth", struct config_http_client, basic_auth, BINDING_STRUCT_PRESENT),
     .count_offset = offsetof(struct config_http_client, basic_auth.present),
     .schema = &basic_auth_schema},
    {CONFIG_ROW("authorization", struct config_http_client, authorization, BINDING_STRUCT_PRESENT),
     .count_offset = offsetof(struct config_http_client, authorization.present),
     .schema = &authorization_schema},
    {CONFIG_ROW("oauth2", struct config_http_client, oauth2, BINDING_STRUCT_POINTER),
     .flags = BINDING_NO_EFFECT, .schema = &oauth2_schema},
    {CONFIG_ROW("bearer_token", struct config_http_client, bearer_token.text, BINDING_SECRET)},
    {CONFIG_ROW("bearer_token_file", struct config_http_client, bearer_token.file, BINDING_PATH)},
    {CONFIG_ROW("tls_config", struct config_http_client, tls, BINDING_STRUCT),
     .schema = &config_tls_schema},
    {CONFIG_ROW("follow_redirects", struct config_http_client, follow_redirects, BINDING_BOOL),
     .flags = BINDING_ALWAYS},
    {CONFIG_ROW("enable_http2", struct config_http_client, enable_http2, BINDING_BOOL),
     .flags = BINDING_ALWAYS},
    PROXY_ROWS(struct config_http_client),
    {CONFIG_LIST("http_headers", struct config_http_client, headers, header_count, BINDING_CUSTOM),
     .type = "config.Headers",
     .hint = "write header names, each with values: [...], secrets: [...] or files: [...]",
     .read = read_http_headers, .print = print_http_headers},
};
const struct binding_schema config_http_schema = {
    .type = "config.HTTPClientConfig",
    .fields = http_fields,
    .field_count = ARRAY_SIZE(http_fields),
    .size = sizeof(struct config_http_client),
    .init = init_http,
    .check = check_http,
};
