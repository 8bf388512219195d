/* A job's discovery: its providers in the order of the configuration. */
#include "discovery/discovery.h"

#include "base/alloc.h"
#include "discovery/provider.h"

struct discovery {
    VEC(struct provider *) providers;
    /* What a provider whose targets change calls. */
    void (*changed)(void *context);
    void *context;
};

struct discovery *discovery_new(const struct config_discovery *config,
                                void (*changed)(void *context), void *context)
{
    struct discovery *discovery = mem_zalloc(sizeof(*discovery));
    discovery->changed = changed;
    discovery->context = context;
    vec_push(&discovery->providers, static_provider_new(config));
    return discovery;
}

void discovery_free(struct discovery *discovery)
{
    if (discovery == NULL)
        return;
    for (size_t i = 0; i < discovery->providers.len; i++) {
        struct provider *provider = discovery->providers.items[i];
        provider->operations->free(provider);
    }
    vec_release(&discovery->providers);
    mem_free(discovery);
}

void discovery_groups(struct discovery *discovery, struct discovery_groups *out)
{
    *out = (struct discovery_groups){0};
    for (size_t i = 0; i < discovery->providers.len; i++) {
        struct provider *provider = discovery->providers.items[i];
        provider->operations->groups(provider, out);
    }
}

void discovery_groups_free(struct discovery_groups *groups)
{
    for (size_t i = 0; i < groups->items.len; i++)
        target_group_free(groups->items.items[i]);
    vec_release(&groups->items);
}
