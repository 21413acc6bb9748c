/* Arithmetic of integers, element by element. */
#ifndef REEL_KERN_INTEGERS_H
#define REEL_KERN_INTEGERS_H

#include "kern/broadcast.h"

enum reel_integer_operation {
    REEL_INTEGER_ADD,
    REEL_INTEGER_SUB,
    REEL_INTEGER_MUL,
    REEL_INTEGER_FLOOR_DIVIDE,
    REEL_INTEGER_REMAINDER
};

/* out = a (operation) b for int64 or int32, which wrap. The plan has the operands a and b. No divisor is 0. */
void reel_kern_integers(enum reel_integer_operation operation, reel_dtype dtype, const struct reel_broadcast *plan,
                        const void *a, const void *b, void *out, int threads);

/* The first of n integers that is 0; -1: none is. */
int64_t reel_kern_find_zero(reel_dtype dtype, int64_t n, const void *x);

#endif
