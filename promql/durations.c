#include "promql/durations.h"

#include <math.h>

#include "base/assert.h"
#include "promql/exponential.h"

static enum err duration_fail(const struct node *node, struct errbuf *err, const char *text)
{
    return errbuf_set(err, ERR_INVALID, "%u:%u: %s", node->start, node->end, text);
}

static enum err duration_value(const struct node *node, const struct duration_context *context,
                               double *out_s, struct errbuf *err);

static enum err duration_divide(const struct node *node, double left, double right, double *out_s,
                                struct errbuf *err)
{
    bool is_modulo = node->duration.op == DURATION_MOD;
    if (right == 0)
        return duration_fail(node, err, is_modulo ? "modulo by zero" : "division by zero");
    *out_s = is_modulo ? fmod(left, right) : left / right;
    return ERR_NONE;
}

/* Go's math.Min and math.Max pass NaN on, unless an infinity decides. */
static double duration_extreme(double left, double right, bool largest)
{
    double decides = largest ? INFINITY : -INFINITY;
    if (left == decides || right == decides)
        return decides;
    if (isnan(left) || isnan(right))
        return NAN;
    return largest ? fmax(left, right) : fmin(left, right);
}

static enum err duration_combine(const struct node *node, double left, double right, double *out_s,
                                 struct errbuf *err)
{
    switch (node->duration.op) {
    case DURATION_ADD:
        *out_s = left + right;
        return ERR_NONE;
    case DURATION_SUB:
        *out_s = left - right;
        return ERR_NONE;
    case DURATION_MUL:
        *out_s = left * right;
        return ERR_NONE;
    case DURATION_POW:
        *out_s = power(left, right);
        return ERR_NONE;
    case DURATION_MIN_OF:
    case DURATION_MAX_OF:
        *out_s = duration_extreme(left, right, node->duration.op == DURATION_MAX_OF);
        return ERR_NONE;
    default:
        return duration_divide(node, left, right, out_s, err);
    }
}

static enum err duration_value(const struct node *node, const struct duration_context *context,
                               double *out_s, struct errbuf *err)
{
    ASSERT(node->kind == NODE_DURATION);
    double operands[2] = {0, 0};
    ASSERT(node->child_count <= ARRAY_SIZE(operands));
    for (size_t i = 0; i < node->child_count; i++) {
        enum err code = duration_value(node->children[i], context, &operands[i], err);
        if (code != ERR_NONE)
            return code;
    }
    switch (node->duration.op) {
    case DURATION_NUMBER:
        *out_s = node->duration.value_s;
        return ERR_NONE;
    case DURATION_STEP:
        *out_s = (double)context->step_ms / 1000;
        return ERR_NONE;
    case DURATION_RANGE:
        *out_s = (double)context->range_ms / 1000;
        return ERR_NONE;
    case DURATION_PAREN:
        *out_s = operands[0];
        return ERR_NONE;
    case DURATION_NEGATE:
        *out_s = -operands[0];
        return ERR_NONE;
    default:
        return duration_combine(node, operands[0], operands[1], out_s, err);
    }
}

enum err duration_evaluate(const struct node *node, const struct duration_context *context,
                           bool allow_negative, int64_t *out_ms, struct errbuf *err)
{
    double seconds = 0;
    enum err code = duration_value(node, context, &seconds, err);
    if (code != ERR_NONE)
        return code;
    if (!isfinite(seconds))
        return duration_fail(node, err, "duration is NaN or infinite");
    if (seconds <= 0 && !allow_negative)
        return duration_fail(node, err, "duration must be greater than 0");
    /* as nanoseconds in 64 bits */
    if (seconds > 9223372036.854775807 || seconds < -9223372036.854775807)
        return duration_fail(node, err, "duration is out of range");
    *out_ms = (int64_t)(seconds * 1000);
    return ERR_NONE;
}
