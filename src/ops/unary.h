/* What operations with one real input have in common: their rows, and their samples. */
#ifndef REEL_OPS_UNARY_H
#define REEL_OPS_UNARY_H

#include "ops/pointwise.h"

#ifndef REEL_SAMPLES
#define UNARY_ROW(name_)                                                                                               \
    .name = #name_, .n_inputs = 1, .n_outputs = 1, .differentiable = 1, .shape = reel_unary_shape,                     \
    .forward = name_##_forward, .vjp = name_##_vjp, .accumulate = name_##_accumulate, .cost = reel_pointwise_cost
#define WITH_NUMBERS .attributes_size = sizeof(reel_real[2])
#else
#define SHAPE_SAMPLES(numbers, INPUT)                                                                                  \
    GOOD("two axes", numbers, INPUT(3, 4)), GOOD("one element", numbers, INPUT(1)),                                    \
        GOOD("more than a vector", numbers, INPUT(37)), GOOD("no elements", numbers, INPUT(2, 0)),                     \
        GOOD("8 axes", numbers, INPUT(1, 2, 1, 2, 1, 2, 1, 2)),                                                        \
        REFUSED("integers", REEL_ERROR_DTYPE, numbers, INDEX(4, 3)),                                                   \
        REFUSED("bools", REEL_ERROR_DTYPE, numbers, BOOL(3))

#define POSITIVE(...) WITHIN(0.3, 4, __VA_ARGS__)
#define OFF_ZERO(...) APART(0.01, __VA_ARGS__)
#define LARGE(...) WITHIN(-30, 30, __VA_ARGS__)
#endif

#endif
