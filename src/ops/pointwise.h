/* What the families of elementwise operations share. */
#ifndef REEL_OPS_POINTWISE_H
#define REEL_OPS_POINTWISE_H

#include "kern/unary.h"
#include "ops/family.h"

/* For operations with one real input, an output of its shape, and as attributes nothing or the two numbers of the
 * kernel (reel_real[2]). */
reel_status reel_unary_shape(reel_call *call);
reel_status reel_unary_apply(const reel_call *call, const struct reel_unary *kernel);
reel_status reel_unary_accumulate(const reel_call *call, const struct reel_unary *kernel, const reel_gradient *g,
                                  reel_sink *sink);

/* name_forward and name_accumulate from a kernel. */
#define UNARY_FORWARD(name, kernel)                                                                                    \
    static reel_status name##_forward(reel_call *call)                                                                 \
    {                                                                                                                  \
        return reel_unary_apply(call, &(kernel));                                                                      \
    }
#define UNARY_FUNCTIONS(name, kernel)                                                                                  \
    UNARY_FORWARD(name, kernel)                                                                                        \
    static reel_status name##_accumulate(const reel_call *call, const reel_gradient *g, reel_sink *const *sinks)       \
    {                                                                                                                  \
        return reel_unary_accumulate(call, &(kernel), g, sinks[0]);                                                    \
    }

/* The rules of relu and leaky_relu: g times the slope at x, or at the value there if it has the sign of x. */
reel_var reel_relu_slope(reel_tape *tape, reel_var g, reel_var x);
reel_var reel_leaky_relu_slope(reel_tape *tape, reel_var g, reel_var x, reel_real negative_slope);

/* The sigmoid of x for rules, whose derivatives keep their digits on both sides: those of reel_sigmoid are made of its
 * value y, and 1 - y has none where y is close to 1. */
reel_var reel_sigmoid_in_rules(reel_tape *tape, reel_var x);

/* A constant without axes. `number` must outlive the tape; make it static. */
reel_var reel_constant(reel_tape *tape, const reel_real *number);

/* The number as a constant of the type, without axes; null with REEL_ERROR_ARGUMENT, naming `who`, when integers have
 * no such number. */
reel_var reel_number(reel_tape *tape, const char *who, reel_dtype dtype, double value);

/* One operation an element; the inputs are read and the outputs written once. */
reel_cost reel_pointwise_cost(const reel_call *call);

#endif
