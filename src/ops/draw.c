/* Random numbers of given probabilities. */
#include "core/tape.h"
#include "ops/family.h"

#include <reel/compare.h>
#include <reel/create.h>
#include <reel/sort.h>

#include <math.h>
#include <string.h>

/* The elements of real v, once they are known to be numbers from 0 to `most`; else NULL with the
 * error recorded. */
static const reel_real *checked(reel_tape *tape, const char *who, reel_var v, double most)
{
    reel_dtype dtype = reel_dtype_of(tape, v);
    reel_shape shape = reel_shape_of(tape, v);
    if (shape.ndim < 0)
        return NULL;
    if (dtype != REEL_REAL) {
        reel_fail(tape->context, REEL_ERROR_DTYPE, "%s: the probabilities are %s, they must be real", who,
                  reel_dtype_name(dtype));
        return NULL;
    }
    const reel_real *p = reel_data(tape, v);
    for (int64_t i = 0; p && i < reel_shape_numel(&shape); i++)
        if (!(p[i] >= 0 && (double)p[i] <= most)) {
            char position[REEL_POSITION_TEXT];
            reel_fail(tape->context, REEL_ERROR_ARGUMENT, "%s: %g%s is no probability", who, (double)p[i],
                      reel_position_text(&shape, i, position));
            return NULL;
        }
    return p;
}

/* What failed after a draw leaves the generator as it was before. */
static reel_var drawn(reel_tape *tape, const struct reel_generator *before, reel_var v)
{
    if (tape->context->status == REEL_OK)
        return v;
    tape->context->generator = *before;
    return reel_null();
}

reel_var reel_bernoulli(reel_tape *tape, reel_var p)
{
    if (!tape || !checked(tape, "bernoulli", p, 1))
        return reel_null();
    const struct reel_generator before = tape->context->generator;
    reel_var uniform = reel_rand(tape, reel_shape_of(tape, p));
    return drawn(tape, &before, reel_to_real(tape, reel_lt(tape, uniform, p)));
}

/* The sums of the weights of 0..i divided by the last one, as PyTorch rounds them. */
static void accumulate_weights(const reel_real *weights, int64_t n, double *cumulative)
{
    reel_real sum = 0;
    for (int64_t i = 0; i < n; i++)
        cumulative[i] = (double)(sum += weights[i]);
    for (int64_t i = 0; i < n; i++)
        cumulative[i] = (double)((reel_real)cumulative[i] / sum);
}

static reel_var draw_with_replacement(reel_tape *tape, const reel_real *weights, int64_t rows, int64_t classes,
                                      const reel_shape *shape)
{
    const int64_t count = shape->dim[shape->ndim - 1];
    reel_var v;
    double *cumulative = reel_arena_allocate(&tape->arena, (size_t)classes * sizeof *cumulative);
    struct reel_node *node = cumulative ? reel_tape_add_array(tape, REEL_INT64, shape, "multinomial", &v) : NULL;
    if (!cumulative)
        reel_fail_memory(tape->context, "multinomial", (size_t)classes * sizeof *cumulative);
    if (!node)
        return reel_null();
    for (int64_t i = 0; i < rows; i++) {
        accumulate_weights(weights + i * classes, classes, cumulative);
        reel_generator_choose(&tape->context->generator, (int64_t *)node->array.data + i * count, count, cumulative,
                              classes);
    }
    return v;
}

/* The largest of weight / e, with an exponential e for each, are drawn without replacement. */
static reel_var draw_without_replacement(reel_tape *tape, reel_var probabilities, const reel_real *weights,
                                         int64_t count)
{
    const struct reel_generator before = tape->context->generator;
    reel_shape shape = reel_shape_of(tape, probabilities);
    reel_var scores, values, indices;
    struct reel_node *node = reel_tape_add_array(tape, REEL_REAL, &shape, "multinomial", &scores);
    if (!node)
        return reel_null();
    reel_real *score = node->array.data;
    reel_generator_exponential(&tape->context->generator, score, node->array.numel);
    for (int64_t i = 0; i < node->array.numel; i++)
        score[i] = weights[i] > 0 ? weights[i] / score[i] : 0;
    reel_topk(tape, scores, count, -1, true, &values, &indices);
    return drawn(tape, &before, indices);
}

/* Whether each row has weights for `count` draws; else the error is recorded. */
static bool can_draw(reel_context *c, const reel_real *weights, int64_t rows, int64_t classes, int64_t count,
                     bool replacement)
{
    for (int64_t i = 0; i < rows; i++) {
        int64_t positive = 0;
        double sum = 0;
        for (int64_t j = 0; j < classes; j++) {
            positive += weights[i * classes + j] > 0;
            sum += (double)weights[i * classes + j];
        }
        if (positive < (replacement ? 1 : count) || !((reel_real)sum < (reel_real)INFINITY)) {
            reel_fail(c, REEL_ERROR_ARGUMENT,
                      "multinomial: row %lld has %lld weights above 0, with a sum of %g, for %lld draws", (long long)i,
                      (long long)positive, sum, (long long)count);
            return false;
        }
    }
    return true;
}

reel_var reel_multinomial(reel_tape *tape, reel_var weights, int64_t num_samples, bool replacement)
{
    const reel_real *w = tape ? checked(tape, "multinomial", weights, (double)(reel_real)INFINITY) : NULL;
    if (!w)
        return reel_null();
    reel_shape shape = reel_shape_of(tape, weights);
    reel_context *c = tape->context;
    if (shape.ndim < 1 || shape.ndim > 2 || num_samples < 1) {
        char text[REEL_SHAPE_TEXT];
        reel_fail(c, num_samples < 1 ? REEL_ERROR_ARGUMENT : REEL_ERROR_SHAPE,
                  "multinomial: %lld draws of weights %s; it takes at least one draw, of one or two axes",
                  (long long)num_samples, reel_shape_text(&shape, text));
        return reel_null();
    }
    int64_t classes = shape.dim[shape.ndim - 1], rows = shape.ndim == 2 ? shape.dim[0] : 1;
    if (!can_draw(c, w, rows, classes, num_samples, replacement))
        return reel_null();
    shape.dim[shape.ndim - 1] = num_samples;
    return replacement && num_samples > 1 ? draw_with_replacement(tape, w, rows, classes, &shape)
                                          : draw_without_replacement(tape, weights, w, num_samples);
}
