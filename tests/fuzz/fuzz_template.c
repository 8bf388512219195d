/* Templates: whatever parses is executed, with queries that give two rows. */
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "model/labels_builder.h"
#include "rules/template.h"

#define OUTPUT_SIZE_MAX (4 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool give_rows(struct slice expression, int64_t time_ms, struct arena *arena,
                      struct template_sample **out, size_t *out_count, struct errbuf *err,
                      void *context)
{
    (void)time_ms;
    if (expression.len == 0) {
        errbuf_set(err, ERR_INVALID, "nothing to query");
        return false;
    }
    *out_count = 2;
    *out = arena_alloc_array(arena, 2, sizeof(**out));
    for (size_t i = 0; i < 2; i++)
        (*out)[i] = (struct template_sample){context, (double)expression.len};
    return true;
}

static const struct labels *make_labels(void)
{
    struct labels_builder builder;
    labels_builder_init(&builder);
    labels_builder_set(&builder, SLICE("instance"), SLICE("host.example.org:9100"));
    labels_builder_set(&builder, SLICE("job"), SLICE("node"));
    const struct labels *labels = labels_builder_take(&builder);
    labels_builder_release(&builder);
    return labels;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct template *template;
    struct errbuf err = ERRBUF_INIT;
    struct slice text = slice_from((const char *)data, size);
    if (template_parse(SLICE("__alert_X"), text, &template, &err) != ERR_NONE)
        return 0;
    const struct labels *labels = make_labels();
    struct template_data values = {
        .labels = labels,
        .value = (double)size / 3,
        .external_labels = labels,
        .external_url = SLICE("http://prom.example/base"),
        .now_ms = 1500000000250,
        .query = give_rows,
        .context = (void *)(uintptr_t)labels,
    };
    struct buf out;
    buf_init(&out, OUTPUT_SIZE_MAX);
    enum err code = template_execute(template, &values, &out, &err);
    if (code != ERR_NONE && out.len > 0)
        __builtin_trap();
    buf_release(&out);
    template_free(template);
    labels_unref(labels);
    return 0;
}
