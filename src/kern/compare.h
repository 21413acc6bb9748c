/* Comparisons, and conversions between element types. */
#ifndef REEL_KERN_COMPARE_H
#define REEL_KERN_COMPARE_H

#include "kern/broadcast.h"

enum reel_comparison {
    REEL_COMPARE_EQ,
    REEL_COMPARE_NE,
    REEL_COMPARE_LT,
    REEL_COMPARE_LE,
    REEL_COMPARE_AND, /* this and the next: of bools */
    REEL_COMPARE_OR
};

/* out = a (comparison) b, of elements of one type. The plan has the operands a and b in this order. */
void reel_kern_compare(enum reel_comparison comparison, reel_dtype dtype, const struct reel_broadcast *plan,
                       const void *a, const void *b, unsigned char *out, int threads);

/* out = x as real; x is int64, int32 or bool. */
void reel_kern_to_real(reel_dtype dtype, int64_t n, const void *x, reel_real *out);

/* out = x (comparison) s, or s (comparison) x when swapped, compared as doubles; x is int64, int32 or bool. */
void reel_kern_compare_integers(enum reel_comparison comparison, reel_dtype dtype, int64_t n, const void *x, double s,
                                bool swapped, unsigned char *out);

/* out = x as int64, reals cut off towards 0. The flat position of the first real that has no such value, or -1. */
int64_t reel_kern_to_int64(reel_dtype dtype, int64_t n, const void *x, int64_t *out);

#endif
