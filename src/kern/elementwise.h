/* Elementwise kernels of two operands, and their first-order rules. */
#ifndef REEL_KERN_ELEMENTWISE_H
#define REEL_KERN_ELEMENTWISE_H

#include "kern/broadcast.h"

/* out = f(a, b). The plan has the operands a and b in this order. */
typedef void reel_kern_binary(const struct reel_broadcast *plan, const reel_real *a, const reel_real *b, reel_real *out,
                              int threads);
reel_kern_binary reel_kern_add, reel_kern_sub, reel_kern_mul, reel_kern_div, reel_kern_pow, reel_kern_maximum,
    reel_kern_minimum, reel_kern_remainder;

/* to = (add ? to : 0) + g times the derivative of f by its first or second operand; g and to have the result's shape.
 */
typedef void reel_kern_binary_rule(const struct reel_broadcast *plan, const reel_real *g, const reel_real *a,
                                   const reel_real *b, reel_real *to, bool add, int threads);
reel_kern_binary_rule reel_kern_sub_second, reel_kern_mul_first, reel_kern_mul_second, reel_kern_div_first,
    reel_kern_div_second, reel_kern_pow_first, reel_kern_pow_second, reel_kern_maximum_first, reel_kern_maximum_second,
    reel_kern_minimum_first, reel_kern_minimum_second, reel_kern_remainder_second;

/* out = condition ? a : b, of the type. The plan has the operands condition, a and b. */
void reel_kern_where(reel_dtype dtype, const struct reel_broadcast *plan, const unsigned char *condition, const void *a,
                     const void *b, void *out, int threads);

/* to = (add ? to : 0) + (condition == chosen ? g : 0). The plan has the operand condition. */
void reel_kern_where_rule(const struct reel_broadcast *plan, const unsigned char *condition, bool chosen,
                          const reel_real *g, reel_real *to, bool add, int threads);

#endif
