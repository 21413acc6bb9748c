/* One number as bfloat16, the upper half of a float32, and back. */
#ifndef REEL_BASE_BFLOAT16_H
#define REEL_BASE_BFLOAT16_H

#include <stdint.h>
#include <string.h>

static inline float reel_bfloat16_value(uint16_t x)
{
    const uint32_t bits = (uint32_t)x << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* The magnitude grows by `up` 65536ths of the distance to the next larger bfloat16, and is cut. With a number drawn
 * from 0..65535 that is the right value on the average. A NaN stays one, and an infinity. */
static inline uint16_t reel_bfloat16_raised(float value, uint32_t up)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    const uint32_t is_nan = (bits & 0x7fffffff) > 0x7f800000;
    return (uint16_t)(is_nan ? bits >> 16 | 0x40 : (bits + up) >> 16);
}

/* The nearest one, of two as near the even one. */
static inline uint16_t reel_bfloat16_nearest(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return reel_bfloat16_raised(value, 0x7fff + (bits >> 16 & 1));
}

#endif
