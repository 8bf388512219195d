#include "promql/deep_call.h"

#include <stddef.h>

#include "base/assert.h"
#include "base/thread.h"
#include "promql/promql.h"

/* What all functions of a walk that call each other take for one level: below 1 KiB, but ten times that
 * with sanitizers. */
#define LEVEL_STACK_BYTES ((size_t)16 << 10)

bool deep_call(const struct node *root, void (*run)(void *context), void *context)
{
    ASSERT(root->height <= PROMQL_HEIGHT_MAX);
    if (root->height > PROMQL_DEPTH_MAX)
        return thread_call_on_stack(root->height * LEVEL_STACK_BYTES, run, context);
    run(context);
    return true;
}
