/* What every family of operations is written with: the list that puts rows into the registry, short forms for samples,
 * and checks that several shape functions share. */
#ifndef REEL_OPS_FAMILY_H
#define REEL_OPS_FAMILY_H

#include "base/shape.h"
#include "core/context.h"
#include "ops/samples.h"

#include <reel/onnx.h>
#include <reel/op.h>
#include <reel/tape.h>

/* A file of operations is compiled twice: into the library its code, without the samples; with REEL_SAMPLES, into what
 * tests and benchmarks link beside the library, the samples alone. In a block the one stands after #ifndef
 * REEL_SAMPLES, the other after #else; what both need, such as attributes, before them. */
#ifndef REEL_SAMPLES
typedef reel_op reel_row;
#define ROW(name) &name##_op
#define REEL_FAMILY(name) reel_##name##_family
#else
typedef reel_op_samples reel_row;
#define ROW(name) &name##_table
#define REEL_FAMILY(name) reel_##name##_samples
#endif

/* At the end of a file: the rows of the family, as ROW(add) for add_op and SAMPLES(add, ...). REEL_OP_FAMILIES lists
 * the families. */
struct reel_op_family {
    const reel_row *const *rows;
    int count;
};
#define REEL_OP_FAMILY(family, ...)                                                                                    \
    static const reel_row *const family##_rows[] = {__VA_ARGS__};                                                      \
    const struct reel_op_family REEL_FAMILY(family) = {family##_rows, sizeof family##_rows / sizeof *family##_rows}

/* The families, in the order of the registry. */
#define REEL_OP_FAMILIES(FAMILY)                                                                                       \
    FAMILY(elementwise)                                                                                                \
    FAMILY(scalar)                                                                                                     \
    FAMILY(unary)                                                                                                      \
    FAMILY(activation)                                                                                                 \
    FAMILY(compare)                                                                                                    \
    FAMILY(view)                                                                                                       \
    FAMILY(join)                                                                                                       \
    FAMILY(permute)                                                                                                    \
    FAMILY(gather)                                                                                                     \
    FAMILY(index)                                                                                                      \
    FAMILY(slice)                                                                                                      \
    FAMILY(interpolate)                                                                                                \
    FAMILY(reduce)                                                                                                     \
    FAMILY(scan)                                                                                                       \
    FAMILY(sort)                                                                                                       \
    FAMILY(statistics)                                                                                                 \
    FAMILY(softmax)                                                                                                    \
    FAMILY(matmul)                                                                                                     \
    FAMILY(linear)                                                                                                     \
    FAMILY(recurrent)                                                                                                  \
    FAMILY(sequence)                                                                                                   \
    FAMILY(sequence_backward)                                                                                          \
    FAMILY(convolution)                                                                                                \
    FAMILY(pool)                                                                                                       \
    FAMILY(normalize)                                                                                                  \
    FAMILY(dropout)                                                                                                    \
    FAMILY(loss)                                                                                                       \
    FAMILY(cross_entropy)                                                                                              \
    FAMILY(embedding_bag)                                                                                              \
    FAMILY(lookup)
#define REEL_DECLARE_FAMILY(family) extern const struct reel_op_family REEL_FAMILY(family);
REEL_OP_FAMILIES(REEL_DECLARE_FAMILY)

/* Samples. REAL(2, 3) is a real input of that shape, SCALAR one without axes, WITHIN(low, high, ...) bounds the values,
 * APART(gap, ...) keeps them from 0 and from each other, INDEX(n, ...) draws int64 from 0..n-1, SIGNED(n, ...)
 * from -n..n-1; INDEX32 and SIGNED32 draw int32. */
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
#define SIGNED(n, ...)                                                                                                 \
    {                                                                                                                  \
        .dtype = REEL_INT64, REEL_DIMS(__VA_ARGS__), .low = -(float)(n), .high = (float)(n)                            \
    }
#define SIGNED32(n, ...)                                                                                               \
    {                                                                                                                  \
        .dtype = REEL_INT32, REEL_DIMS(__VA_ARGS__), .low = -(float)(n), .high = (float)(n)                            \
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
/* The table of a row, from an array of samples, which several rows may share, and the other fields of reel_op_samples.
 */
#define SAMPLES(row, array, ...)                                                                                       \
    static const reel_op_samples row##_table = {                                                                       \
        .samples = (array), .count = (int)(sizeof(array) / sizeof *(array)), __VA_ARGS__}

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
