/* Names of value types, and the end of a result. */
#include "promql/value.h"

#include "base/alloc.h"
#include "base/assert.h"

static const char *const type_names[] = {
    [PROMQL_NONE] = "none",     [PROMQL_SCALAR] = "scalar", [PROMQL_VECTOR] = "vector",
    [PROMQL_MATRIX] = "matrix", [PROMQL_STRING] = "string",
};

static const char *const documented_names[] = {
    [PROMQL_NONE] = "none",
    [PROMQL_SCALAR] = "scalar",
    [PROMQL_VECTOR] = "instant vector",
    [PROMQL_MATRIX] = "range vector",
    [PROMQL_STRING] = "string",
};

const char *promql_type_name(enum promql_type type)
{
    ASSERT((size_t)type < ARRAY_SIZE(type_names));
    return type_names[type];
}

const char *promql_type_documented_name(enum promql_type type)
{
    ASSERT((size_t)type < ARRAY_SIZE(documented_names));
    return documented_names[type];
}

void promql_result_free(struct promql_result *result)
{
    if (result == NULL)
        return;
    if (result->keep_free != NULL)
        result->keep_free(result->keep);
    arena_release(&result->arena);
    mem_free(result);
}
