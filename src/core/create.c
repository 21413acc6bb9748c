/* Vars that no operation computes: constants, borrowed arrays, random numbers. */
#include "core/tape.h"

#include <reel/create.h>

#include <math.h>
#include <string.h>

static reel_var filled(reel_tape *tape, const char *who, const reel_shape *shape, reel_real value)
{
    reel_var v;
    struct reel_node *node = reel_tape_add_array(tape, REEL_REAL, shape, who, &v);
    if (!node)
        return v;
    reel_real *data = node->array.data;
    for (int64_t i = 0; i < node->array.numel; i++)
        data[i] = value;
    return v;
}

reel_var reel_zeros(reel_tape *tape, reel_shape shape)
{
    return filled(tape, "zeros", &shape, 0);
}

reel_var reel_ones(reel_tape *tape, reel_shape shape)
{
    return filled(tape, "ones", &shape, 1);
}

reel_var reel_full(reel_tape *tape, reel_shape shape, double value)
{
    return filled(tape, "full", &shape, (reel_real)value);
}

static void fill(reel_array *array, int64_t value)
{
    for (int64_t i = 0; i < array->numel; i++) {
        switch (array->dtype) {
        case REEL_REAL:
            ((reel_real *)array->data)[i] = (reel_real)value;
            break;
        case REEL_INT64:
            ((int64_t *)array->data)[i] = value;
            break;
        case REEL_INT32:
            ((int32_t *)array->data)[i] = (int32_t)value;
            break;
        case REEL_BOOL:
            ((bool *)array->data)[i] = value != 0;
            break;
        case REEL_BFLOAT16: /* no var that is made has it */
            break;
        }
    }
}

reel_var reel_full_int64(reel_tape *tape, reel_shape shape, int64_t value)
{
    reel_var v;
    struct reel_node *node = reel_tape_add_array(tape, REEL_INT64, &shape, "full_int64", &v);
    if (node)
        fill(&node->array, value);
    return v;
}

static reel_var filled_like(reel_tape *tape, const char *who, reel_var x, int64_t value)
{
    struct reel_node *like = reel_tape_node(tape, x, who);
    if (!like)
        return reel_null();
    reel_var v;
    struct reel_node *node = reel_tape_add_array(tape, like->array.dtype, &like->array.shape, who, &v);
    if (node)
        fill(&node->array, value);
    return v;
}

reel_var reel_zeros_like(reel_tape *tape, reel_var x)
{
    return filled_like(tape, "zeros_like", x, 0);
}

reel_var reel_ones_like(reel_tape *tape, reel_var x)
{
    return filled_like(tape, "ones_like", x, 1);
}

/* ---- The caller's elements ---- */

static bool check_caller(reel_tape *tape, const char *who, reel_dtype dtype, const void *data, const reel_shape *shape)
{
    if (!tape || tape->context->status != REEL_OK)
        return false;
    if (reel_dtype_size(dtype) == 0)
        reel_fail(tape->context, REEL_ERROR_DTYPE, "%s: there is no element type %d", who, (int)dtype);
    else if (!data && reel_shape_numel(shape) > 0)
        reel_fail(tape->context, REEL_ERROR_ARGUMENT, "%s: data is NULL, the shape has %lld elements", who,
                  (long long)reel_shape_numel(shape));
    return tape->context->status == REEL_OK;
}

static reel_var copied(reel_tape *tape, const char *who, reel_dtype dtype, const void *data, const reel_shape *shape)
{
    if (!check_caller(tape, who, dtype, data, shape))
        return reel_null();
    reel_var v;
    struct reel_node *node = reel_tape_add_array(tape, dtype, shape, who, &v);
    if (!node || node->array.numel == 0)
        return v;
    if (dtype == REEL_BOOL) {
        const unsigned char *from = data;
        bool *to = node->array.data;
        for (int64_t i = 0; i < node->array.numel; i++)
            to[i] = from[i] != 0;
    } else {
        memcpy(node->array.data, data, (size_t)node->array.numel * reel_dtype_size(dtype));
    }
    return v;
}

reel_var reel_tensor(reel_tape *tape, const reel_real *data, reel_shape shape)
{
    return copied(tape, "tensor", REEL_REAL, data, &shape);
}

reel_var reel_tensor_of(reel_tape *tape, reel_dtype dtype, const void *data, reel_shape shape)
{
    return copied(tape, "tensor_of", dtype, data, &shape);
}

static reel_var borrowed(reel_tape *tape, const char *who, reel_dtype dtype, const void *data, const reel_shape *shape)
{
    /* A NULL would look like an operation's result that is still to be computed. */
    static const int64_t no_elements[1];
    if (!check_caller(tape, who, dtype, data, shape))
        return reel_null();
    if ((uintptr_t)data % reel_dtype_size(dtype) != 0) {
        reel_fail(tape->context, REEL_ERROR_ARGUMENT, "%s: data at %p is not aligned for %s", who, data,
                  reel_dtype_name(dtype));
        return reel_null();
    }
    reel_var v;
    struct reel_node *node = reel_tape_add(tape, dtype, shape, who, &v);
    if (node) {
        node->array.data = (void *)(uintptr_t)(data ? data : no_elements);
        reel_node_note_borrowed(node);
    }
    return v;
}

reel_var reel_borrow(reel_tape *tape, const reel_real *data, reel_shape shape)
{
    return borrowed(tape, "borrow", REEL_REAL, data, &shape);
}

reel_var reel_borrow_of(reel_tape *tape, reel_dtype dtype, const void *data, reel_shape shape)
{
    return borrowed(tape, "borrow_of", dtype, data, &shape);
}

/* ---- Ranges ---- */

reel_var reel_arange(reel_tape *tape, double start, double end, double step)
{
    if (!tape || tape->context->status != REEL_OK)
        return reel_null();
    double size = ceil((end - start) / step);
    /* Written so that NaN fails, which infinite bounds and 0 / 0 give. */
    if (step == 0 || !(size >= 0) || !isfinite(start) || !isfinite(end) || !isfinite(step)) {
        reel_fail(tape->context, REEL_ERROR_ARGUMENT, "arange: steps of %g do not lead from %g to %g", step, start,
                  end);
        return reel_null();
    }
    reel_shape shape = {.ndim = 1, .dim = {size < 0x1p62 ? (int64_t)size : INT64_MAX}};
    reel_var v;
    struct reel_node *node = reel_tape_add_array(tape, REEL_REAL, &shape, "arange", &v);
    if (!node)
        return v;
    reel_real *data = node->array.data;
    for (int64_t i = 0; i < node->array.numel; i++)
        data[i] = (reel_real)(start + (double)i * step);
    return v;
}

reel_var reel_arange_int64(reel_tape *tape, int64_t start, int64_t end, int64_t step)
{
    if (!tape || tape->context->status != REEL_OK)
        return reel_null();
    if (step == 0 || (start < end && step < 0) || (start > end && step > 0)) {
        reel_fail(tape->context, REEL_ERROR_ARGUMENT, "arange_int64: steps of %lld do not lead from %lld to %lld",
                  (long long)step, (long long)start, (long long)end);
        return reel_null();
    }
    /* Unsigned, because neither the distance nor the size of the smallest step need fit an int64. */
    uint64_t distance = start < end ? (uint64_t)end - (uint64_t)start : (uint64_t)start - (uint64_t)end;
    uint64_t stride = step > 0 ? (uint64_t)step : 0 - (uint64_t)step;
    uint64_t size = distance / stride + (distance % stride != 0);
    reel_shape shape = {.ndim = 1, .dim = {size < (uint64_t)INT64_MAX ? (int64_t)size : INT64_MAX}};
    reel_var v;
    struct reel_node *node = reel_tape_add_array(tape, REEL_INT64, &shape, "arange_int64", &v);
    if (!node)
        return v;
    int64_t *data = node->array.data;
    for (int64_t i = 0; i < node->array.numel; i++)
        data[i] = (int64_t)((uint64_t)start + (uint64_t)i * (uint64_t)step);
    return v;
}

reel_var reel_linspace(reel_tape *tape, double start, double end, int64_t steps)
{
    if (!tape || tape->context->status != REEL_OK)
        return reel_null();
    if (steps < 0 || !isfinite(start) || !isfinite(end)) {
        reel_fail(tape->context, REEL_ERROR_ARGUMENT, "linspace: %lld numbers from %g to %g", (long long)steps, start,
                  end);
        return reel_null();
    }
    reel_shape shape = {.ndim = 1, .dim = {steps}};
    reel_var v;
    struct reel_node *node = reel_tape_add_array(tape, REEL_REAL, &shape, "linspace", &v);
    if (!node)
        return v;
    reel_real *data = node->array.data;
    const double step = steps > 1 ? (end - start) / (double)(steps - 1) : 0;
    for (int64_t i = 0; i < steps; i++) /* from both ends, so that both are exact */
        data[i] = (reel_real)(i < (steps + 1) / 2 ? start + (double)i * step : end - (double)(steps - 1 - i) * step);
    return v;
}

reel_var reel_eye(reel_tape *tape, int64_t rows, int64_t columns)
{
    reel_var v;
    reel_shape shape = {.ndim = 2, .dim = {rows, columns}};
    struct reel_node *node = reel_tape_add_array(tape, REEL_REAL, &shape, "eye", &v);
    if (!node)
        return v;
    fill(&node->array, 0);
    for (int64_t i = 0; i < rows && i < columns; i++)
        ((reel_real *)node->array.data)[i * columns + i] = 1;
    return v;
}

/* ---- Random numbers: what can fail comes before the draw ---- */

reel_var reel_rand(reel_tape *tape, reel_shape shape)
{
    reel_var v;
    struct reel_node *node = reel_tape_add_array(tape, REEL_REAL, &shape, "rand", &v);
    if (node) {
        node->drawn_by = REEL_DRAW_RAND;
        reel_generator_uniform(&tape->context->generator, node->array.data, node->array.numel, 0, 1);
    }
    return v;
}

reel_var reel_randn(reel_tape *tape, reel_shape shape)
{
    reel_var v;
    struct reel_node *node = reel_tape_add_array(tape, REEL_REAL, &shape, "randn", &v);
    if (node) {
        node->drawn_by = REEL_DRAW_RANDN;
        reel_generator_normal(&tape->context->generator, node->array.data, node->array.numel, 0, 1);
    }
    return v;
}

reel_var reel_exponential(reel_tape *tape, reel_shape shape)
{
    reel_var v;
    struct reel_node *node = reel_tape_add_array(tape, REEL_REAL, &shape, "exponential", &v);
    if (node) {
        node->drawn_by = REEL_DRAW_EXPONENTIAL;
        reel_generator_exponential(&tape->context->generator, node->array.data, node->array.numel);
    }
    return v;
}

reel_var reel_randint(reel_tape *tape, int64_t low, int64_t high, reel_shape shape)
{
    if (!tape || tape->context->status != REEL_OK)
        return reel_null();
    if (low >= high) {
        reel_fail(tape->context, REEL_ERROR_ARGUMENT, "randint: low %lld is not below high %lld", (long long)low,
                  (long long)high);
        return reel_null();
    }
    reel_var v;
    struct reel_node *node = reel_tape_add_array(tape, REEL_INT64, &shape, "randint", &v);
    if (node) {
        node->drawn_by = REEL_DRAW_RANDINT;
        reel_generator_integers(&tape->context->generator, node->array.data, node->array.numel, low, high);
    }
    return v;
}

reel_var reel_randperm(reel_tape *tape, int64_t n)
{
    if (!tape || tape->context->status != REEL_OK)
        return reel_null();
    if (n < 0) {
        reel_fail(tape->context, REEL_ERROR_ARGUMENT, "randperm: n %lld is negative", (long long)n);
        return reel_null();
    }
    reel_shape shape = {.ndim = 1, .dim = {n}};
    reel_var v;
    struct reel_node *node = reel_tape_add_array(tape, REEL_INT64, &shape, "randperm", &v);
    if (node) {
        node->drawn_by = REEL_DRAW_RANDPERM;
        reel_generator_permutation(&tape->context->generator, node->array.data, n);
    }
    return v;
}
