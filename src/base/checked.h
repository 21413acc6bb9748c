/* Sizes are multiplied and added here, so that an overflow is an answer and not a surprise. */
#ifndef REEL_BASE_CHECKED_H
#define REEL_BASE_CHECKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Steps, epochs and the like are counted up to here: exact as a double, and far from where a sum overflows. */
#define REEL_LARGEST_COUNT ((int64_t)1 << 53)

/* *out = a * b for a, b >= 0; false when it does not fit. */
static inline bool reel_multiply_int64(int64_t a, int64_t b, int64_t *out)
{
    return a >= 0 && b >= 0 && !__builtin_mul_overflow(a, b, out);
}

/* *bytes = count * size; false when count is negative or the product does not fit. */
static inline bool reel_multiply_size(int64_t count, size_t size, size_t *bytes)
{
    return count >= 0 && !__builtin_mul_overflow((size_t)count, size, bytes);
}

#endif
