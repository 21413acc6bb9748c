/* Functions of one real and of numbers that are the same for all elements. */
#ifndef REEL_KERN_UNARY_H
#define REEL_KERN_UNARY_H

#include <reel/types.h>

/* Loops over functions get a multiple of this many elements, the widest vector: none then needs a copy of itself for
 * the elements that are left over, which was half of the code. */
enum { REEL_UNARY_GROUP = 16 };

/* y = f(x), and its first-order rule, for n a multiple of REEL_UNARY_GROUP. `p` are two numbers, also where the
 * function has none or one. */
struct reel_unary {
    /* out[i] = f(x[i]) */
    void (*forward)(int64_t n, const reel_real *x, const reel_real *p, reel_real *out);
    /* to[i] = (add ? to[i] : 0) + g[i] * f'(x[i]). x and y must be readable, also where the rule
     * does not look at them. */
    void (*backward)(int64_t n, const reel_real *g, const reel_real *x, const reel_real *y, const reel_real *p,
                     reel_real *to, bool add);
};

/* Without numbers. */
extern const struct reel_unary reel_unary_neg, reel_unary_abs, reel_unary_sign, reel_unary_floor, reel_unary_ceil,
    reel_unary_trunc, reel_unary_round, reel_unary_exp, reel_unary_expm1, reel_unary_log, reel_unary_log1p,
    reel_unary_sqrt, reel_unary_rsqrt, reel_unary_square, reel_unary_cube, reel_unary_reciprocal, reel_unary_sin,
    reel_unary_cos, reel_unary_tanh, reel_unary_erf, reel_unary_ndtr, reel_unary_sigmoid, reel_unary_logsigmoid,
    reel_unary_silu, reel_unary_gelu, reel_unary_gelu_tanh, reel_unary_relu;
/* With numbers: the slope; alpha; beta and threshold; the two bounds; the operand. */
extern const struct reel_unary reel_unary_leaky_relu, reel_unary_elu, reel_unary_softplus, reel_unary_clamp,
    reel_unary_add_scalar, reel_unary_sub_scalar, reel_unary_rsub_scalar, reel_unary_mul_scalar, reel_unary_div_scalar,
    reel_unary_rdiv_scalar, reel_unary_pow_scalar, reel_unary_maximum_scalar, reel_unary_minimum_scalar;

/* Runs them over blocks, the rest in padded arrays. p NULL: the function has no numbers. */
void reel_kern_unary_forward(const struct reel_unary *f, int64_t n, const reel_real *x, const reel_real *p,
                             reel_real *out, int threads);

struct reel_unary_gradient {
    const struct reel_unary *of;
    int64_t n;
    const reel_real *g, *x, *y, *p;
};

void reel_kern_unary_backward(const struct reel_unary_gradient *f, bool add, reel_real *to, int threads);

#endif
