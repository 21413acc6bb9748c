/* What every family of operations is written with: the list that puts rows into the registry, short forms for samples,
 * and checks that several shape functions share. */
#ifndef REEL_OPS_FAMILY_H
#define REEL_OPS_FAMILY_H

#include "base/shape.h"
#include "core/context.h"

#include <reel/op.h>
#include <reel/tape.h>

/* At the end of a file: the rows of the family. src/ops/registry.c lists the families. */
struct reel_op_family {
    const reel_op *const *ops;
    int count;
};
#define REEL_OP_FAMILY(family, ...)                                                                                    \
    static const reel_op *const family##_rows[] = {__VA_ARGS__};                                                       \
    const struct reel_op_family reel_##family##_family = {family##_rows, sizeof family##_rows / sizeof *family##_rows}

extern const struct reel_op_family reel_elementwise_family, reel_scalar_family, reel_unary_family, reel_compare_family,
    reel_view_family, reel_join_family, reel_permute_family, reel_gather_family, reel_reduce_family,
    reel_statistics_family, reel_softmax_family, reel_matmul_family, reel_linear_family, reel_normalize_family,
    reel_dropout_family, reel_loss_family, reel_cross_entropy_family, reel_embedding_bag_family;

/* Samples. REAL(2, 3) is a real input of that shape, SCALAR one without axes, WITHIN(low, high, ...) bounds the values,
 * APART(gap, ...) keeps them from 0 and from each other, INDEX(n, ...) draws int64 from 0..n-1. */
#define REEL_DIMS(...)                                                                                                 \
    .ndim = (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), .dim = (const int64_t[])                        \
    {                                                                                                                  \
        __VA_ARGS__                                                                                                    \
    }
#define SCALAR                                                                                                         \
    {                                                                                                                  \
        .dtype = REEL_REAL, .ndim = 0                                                                                  \
    }
#define REAL(...)                                                                                                      \
    {                                                                                                                  \
        .dtype = REEL_REAL, REEL_DIMS(__VA_ARGS__)                                                                     \
    }
#define WITHIN(from, to, ...)                                                                                          \
    {                                                                                                                  \
        .dtype = REEL_REAL, REEL_DIMS(__VA_ARGS__), .low = (float)(from), .high = (float)(to)                          \
    }
#define APART(distance, ...)                                                                                           \
    {                                                                                                                  \
        .dtype = REEL_REAL, REEL_DIMS(__VA_ARGS__), .gap = (float)(distance)                                           \
    }
#define INDEX(n, ...)                                                                                                  \
    {                                                                                                                  \
        .dtype = REEL_INT64, REEL_DIMS(__VA_ARGS__), .high = (n)                                                       \
    }
#define INDEX32(n, ...)                                                                                                \
    {                                                                                                                  \
        .dtype = REEL_INT32, REEL_DIMS(__VA_ARGS__), .high = (n)                                                       \
    }
#define BOOL(...)                                                                                                      \
    {                                                                                                                  \
        .dtype = REEL_BOOL, REEL_DIMS(__VA_ARGS__), .high = 2                                                          \
    }

#define REEL_COUNT_INPUTS(...) (int)(sizeof((reel_sample_input[]){__VA_ARGS__}) / sizeof(reel_sample_input))
/* GOOD("what it shows", attributes or NULL, inputs...) and REFUSED("what is wrong", status, attributes, inputs...). */
#define GOOD(about, attributes_, ...)                                                                                  \
    {                                                                                                                  \
        .what = (about), .refused = REEL_OK, .n_inputs = REEL_COUNT_INPUTS(__VA_ARGS__),                               \
        .inputs = (const reel_sample_input[]){__VA_ARGS__}, .attributes = (attributes_)                                \
    }
#define REFUSED(about, status, attributes_, ...)                                                                       \
    {                                                                                                                  \
        .what = (about), .refused = (status), .n_inputs = REEL_COUNT_INPUTS(__VA_ARGS__),                              \
        .inputs = (const reel_sample_input[]){__VA_ARGS__}, .attributes = (attributes_)                                \
    }
/* In a row: .samples and .n_samples from an array. */
#define SAMPLES(array) .samples = (array), .n_samples = (int)(sizeof(array) / sizeof *(array))

/* Input k must be real; the error names the operation and the argument. */
reel_status reel_expect_real(reel_call *call, int k, const char *argument);

/* *axis in -ndim..ndim-1 becomes 0..ndim-1; else REEL_ERROR_ARGUMENT naming axis and range. */
reel_status reel_normalize_axis(reel_context *context, const char *op, int ndim, int *axis);

/* The cost of an operation that only copies: every element of output 0 is read once and written once. */
reel_cost reel_cost_of_copy(const reel_call *call);

/* The shape that a and b broadcast to; REEL_ERROR_SHAPE naming both. */
reel_status reel_broadcast_shapes(reel_context *context, const char *op, const reel_shape *a, const reel_shape *b,
                                  reel_shape *out);

#endif
