/* Tables of the alias method, and vars drawn by them. */
#include <reel/alias.h>

#include "base/checked.h"
#include "core/tape.h"
#include "kern/alias.h"

#include <math.h>

struct reel_alias {
    reel_context *context;
    int64_t n;
    struct reel_alias_column columns[];
};

/* Where the weight of a number comes from. */
struct weights {
    const double *weights;
    const int64_t *counts; /* or these, to the power */
    double power;
};

static double weight(const struct weights *w, int64_t i)
{
    if (w->weights)
        return w->weights[i];
    return w->counts[i] == 0 ? 0 : w->counts[i] < 0 ? NAN : pow((double)w->counts[i], w->power);
}

/* Columns of the same height: one that a number does not fill is filled up by another, which has more than one.
 * `height` has the heights of the numbers, 1 on average, and `stack` room for n. */
static void fill_columns(struct reel_alias_column *columns, int64_t n, double *height, uint32_t *stack, int64_t highest)
{
    /* The stack of low ones grows from the front, that of high ones from the back. */
    int64_t low = 0, high = n;
    for (int64_t i = 0; i < n; i++)
        stack[height[i] < 1 ? low++ : --high] = (uint32_t)i;
    while (low > 0 && high < n) {
        uint32_t filled = stack[--low], filler = stack[high];
        columns[filled] = (struct reel_alias_column){(uint32_t)(height[filled] * 0x1p32), filler};
        height[filler] -= 1 - height[filled];
        if (height[filler] < 1) {
            high++;
            stack[low++] = filler;
        }
    }
    /* What is left is full, but for roundings. */
    while (high < n) {
        uint32_t i = stack[high++];
        columns[i] = (struct reel_alias_column){0, i};
    }
    while (low > 0) {
        uint32_t i = stack[--low];
        columns[i] = (struct reel_alias_column){0, height[i] > 0 ? i : (uint32_t)highest};
    }
}

static reel_alias *make(reel_context *c, const struct weights *w, int64_t n)
{
    if (!c || c->status != REEL_OK)
        return NULL;
    if ((!w->weights && !w->counts) || n < 1 || n > INT64_C(1) << 32 || isnan(w->power)) {
        reel_fail(c, REEL_ERROR_ARGUMENT, "alias: %lld numbers, to the power %g, or a NULL pointer", (long long)n,
                  w->power);
        return NULL;
    }
    double sum = 0, most = 0;
    int64_t highest = 0;
    for (int64_t i = 0; i < n; i++) {
        double one = weight(w, i);
        if (!(one >= 0) || isinf(one)) {
            reel_fail(c, REEL_ERROR_ARGUMENT, "alias: weight %g at position [%lld] must be finite and 0 or more", one,
                      (long long)i);
            return NULL;
        }
        sum += one;
        if (one > most) {
            most = one;
            highest = i;
        }
    }
    if (!(sum > 0) || isinf(sum)) {
        reel_fail(c, REEL_ERROR_ARGUMENT, "alias: the sum of the weights is %g", sum);
        return NULL;
    }
    size_t bytes = sizeof(reel_alias) + (size_t)n * sizeof(struct reel_alias_column);
    reel_alias *alias = reel_allocate(&c->memory, bytes);
    double *height = alias ? reel_allocate(&c->memory, (size_t)n * sizeof *height) : NULL;
    uint32_t *stack = height ? reel_allocate(&c->memory, (size_t)n * sizeof *stack) : NULL;
    if (stack) {
        alias->context = c;
        alias->n = n;
        for (int64_t i = 0; i < n; i++)
            height[i] = weight(w, i) / sum * (double)n;
        fill_columns(alias->columns, n, height, stack, highest);
    } else {
        reel_fail_memory(c, "alias", bytes + (size_t)n * (sizeof *height + sizeof *stack));
        reel_free(&c->memory, alias);
        alias = NULL;
    }
    reel_free(&c->memory, height);
    reel_free(&c->memory, stack);
    return alias;
}

reel_alias *reel_alias_new(reel_context *context, const double *weights, int64_t n)
{
    return make(context, &(struct weights){.weights = weights}, n);
}

reel_alias *reel_alias_new_of_counts(reel_context *context, const int64_t *counts, int64_t n, double power)
{
    return make(context, &(struct weights){.counts = counts, .power = power}, n);
}

void reel_alias_free(reel_alias *alias)
{
    if (alias)
        reel_free(&alias->context->memory, alias);
}

reel_var reel_alias_draw(reel_tape *tape, const reel_alias *alias, reel_shape shape)
{
    reel_var v = reel_null();
    if (!tape || tape->context->status != REEL_OK)
        return v;
    if (!alias) {
        reel_fail(tape->context, REEL_ERROR_ARGUMENT, "alias_draw: alias is NULL");
        return v;
    }
    struct reel_node *node = reel_tape_add_array(tape, REEL_INT64, &shape, "alias_draw", &v);
    if (!node)
        return v;
    node->drawn_by = REEL_DRAW_ALIAS;
    reel_context *c = tape->context;
    const struct reel_philox_key key = {c->generator.seed, c->philox_draws++};
    reel_kern_draw_alias(node->array.numel, alias->columns, alias->n, key, node->array.data, c->num_threads);
    return v;
}
