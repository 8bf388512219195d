#include "discovery/client_profile.h"

#include "base/alloc.h"

/* One header a value: as many as the configuration has values of all kinds. Heap memory. */
static struct http_client_header *client_headers(const struct config_header *headers,
                                                 size_t header_count, size_t *out_count)
{
    size_t count = 0;
    for (size_t i = 0; i < header_count; i++)
        count += headers[i].value_count + headers[i].secret_count + headers[i].file_count;
    *out_count = count;
    struct http_client_header *made = mem_zalloc_array(count + 1, sizeof(*made));
    struct http_client_header *next = made;
    for (size_t i = 0; i < header_count; i++) {
        const struct config_header *header = &headers[i];
        for (size_t j = 0; j < header->value_count; j++)
            *next++ = (struct http_client_header){.name = header->name, .value = header->values[j]};
        for (size_t j = 0; j < header->secret_count; j++)
            *next++ =
                (struct http_client_header){.name = header->name, .value = header->secrets[j]};
        for (size_t j = 0; j < header->file_count; j++)
            *next++ =
                (struct http_client_header){.name = header->name, .value_file = header->files[j]};
    }
    return made;
}

static void client_profile_auth(struct http_client_profile *http,
                                const struct config_http_client *client)
{
    if (client->basic_auth.present) {
        http->username = client->basic_auth.username;
        http->username_file = client->basic_auth.username_file;
        http->password = client->basic_auth.password.text;
        http->password_file = client->basic_auth.password.file;
    }
    if (client->authorization.present) {
        http->authorization_type = client->authorization.type;
        http->credentials = client->authorization.credentials.text;
        http->credentials_file = client->authorization.credentials.file;
    }
}

static void client_profile_tls(struct http_client_profile *http, const struct config_tls *tls)
{
    if (!tls->present)
        return;
    http->ca = tls->ca;
    http->ca_file = tls->ca_file;
    http->cert = tls->cert;
    http->cert_file = tls->cert_file;
    http->key = tls->key;
    http->key_file = tls->key_file;
    http->server_name = tls->server_name;
    http->tls_min_version = tls->min_version;
    http->tls_max_version = tls->max_version;
    http->insecure_skip_verify = tls->insecure_skip_verify;
}

struct client_profile *client_profile_new(struct config *config,
                                          const struct config_http_client *client)
{
    struct client_profile *profile = mem_zalloc(sizeof(*profile));
    profile->reference_count = 1;
    profile->config = config_ref(config);
    struct http_client_profile *http = &profile->http;
    http->follow_redirects = client->follow_redirects;
    http->enable_http2 = client->enable_http2;
    http->proxy_url = client->proxy_url;
    http->no_proxy = client->no_proxy;
    http->proxy_from_environment = client->proxy_from_environment;
    client_profile_auth(http, client);
    client_profile_tls(http, &client->tls);
    profile->headers = client_headers(client->headers, client->header_count, &http->header_count);
    http->headers = profile->headers;
    profile->proxy_headers =
        client_headers(client->proxy_connect_headers, client->proxy_connect_header_count,
                       &http->proxy_header_count);
    http->proxy_headers = profile->proxy_headers;
    return profile;
}

struct client_profile *client_profile_ref(struct client_profile *profile)
{
    profile->reference_count++;
    return profile;
}

void client_profile_unref(struct client_profile *profile)
{
    if (profile == NULL || --profile->reference_count > 0)
        return;
    config_unref(profile->config);
    mem_free(profile->headers);
    mem_free(profile->proxy_headers);
    mem_free(profile);
}
