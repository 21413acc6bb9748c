/* exp, log and their kin for loops.
 *
 * In float they are straight-line code, without calls, tables or branches, so that every compiler vectorises a loop
 * over them. A value therefore depends on its argument alone: not on its place in the array, nor on the instruction
 * set, as it would with vector libraries whose wide and narrow forms differ in the last bit. Errors are below 3 ulp
 * (tests/kern/functions.c compares them with the C library in double). In double they are the C library's.
 *
 * The polynomials are minimax fits for these intervals (Lawson's iteration in the Chebyshev basis), rounded to float.
 */
#ifndef REEL_KERN_FUNCTIONS_H
#define REEL_KERN_FUNCTIONS_H

#include "kern/real.h"

#include <string.h>

#if defined(__GNUC__)
#define REEL_INLINE static inline __attribute__((always_inline))
#else
#define REEL_INLINE static inline
#endif

#ifdef REEL_F64

REEL_INLINE double reel_math_exp(double x)
{
    return exp(x);
}

REEL_INLINE double reel_math_expm1(double x)
{
    return expm1(x);
}

REEL_INLINE double reel_math_log(double x)
{
    return log(x);
}

REEL_INLINE double reel_math_log1p(double x)
{
    return log1p(x);
}

REEL_INLINE double reel_math_tanh(double x)
{
    return tanh(x);
}

REEL_INLINE double reel_math_erf(double x)
{
    return erf(x);
}

REEL_INLINE double reel_math_sin(double x)
{
    return sin(x);
}

REEL_INLINE double reel_math_cos(double x)
{
    return cos(x);
}

/* The sine and cosine of an angle given as a fraction of the full turn, turn / 2^32. */
REEL_INLINE void reel_math_sine_cosine(uint32_t turn, double *sine, double *cosine)
{
    double angle = (double)turn * (6.283185307179586 * 0x1p-32);
    *sine = sin(angle);
    *cosine = cos(angle);
}

#define REEL_MATH_ANGLE_MAX INFINITY

#else

REEL_INLINE int32_t reel_math_bits(float x)
{
    int32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

REEL_INLINE float reel_math_from_bits(int32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* 2^n for n in -126..127. */
REEL_INLINE float reel_math_power_of_two(int32_t n)
{
    return reel_math_from_bits((int32_t)((uint32_t)(n + 127) << 23));
}

/* x = n log 2 + r with |r| <= log(2) / 2, for |x| < 2^20. */
REEL_INLINE float reel_math_reduce(float x, int32_t *n)
{
    const float round = 12582912; /* 1.5 * 2^23: adding it leaves no bits below the point */
    float shifted = x * 1.44269504F + round, whole = shifted - round;
    *n = (int32_t)((uint32_t)reel_math_bits(shifted) - (uint32_t)reel_math_bits(round));
    return (x - whole * 0.693359375F) + whole * 2.12194440e-4F; /* log 2 in two parts; the first has 9 bits */
}

/* exp(r) - 1 for |r| <= log(2) / 2. */
REEL_INLINE float reel_math_expm1_reduced(float r)
{
    float p = 1.99156202e-4F;
    p = p * r + 1.39420456e-3F;
    p = p * r + 8.33327044e-3F;
    p = p * r + 4.16663438e-2F;
    p = p * r + 0.166666672F;
    p = p * r + 0.5F;
    return p * (r * r) + r;
}

REEL_INLINE float reel_math_exp(float x)
{
    int32_t n;
    float bounded = x < -104 ? -104 : x; /* exp(-104) rounds to 0, exp(89) to infinity */
    bounded = bounded > 89 ? 89 : bounded;
    float e = 1 + reel_math_expm1_reduced(reel_math_reduce(bounded, &n));
    int32_t half = n >> 1; /* in two steps, since 2^n may not be a normal number where the result is */
    return e * reel_math_power_of_two(half) * reel_math_power_of_two(n - half);
}

REEL_INLINE float reel_math_expm1(float x)
{
    int32_t n;
    float bounded = x < -18 ? -18 : x;
    bounded = bounded > 89 ? 89 : bounded;
    float p = reel_math_expm1_reduced(reel_math_reduce(bounded, &n));
    float half = reel_math_power_of_two(n - 1); /* half of 2^n, which overflows for the largest results */
    float e = 2 * (half * p + (half - 0.5F));
    return REEL_ABS(x) < 1e-9F ? x : e;
}

/* log(1 + f) + e log 2 for f from sqrt(1/2) - 1 to sqrt(2) - 1. */
REEL_INLINE float reel_math_log_reduced(float f, float e, float correction)
{
    float p = -7.85961673e-2F;
    p = p * f + 0.128816500F;
    p = p * f - 0.131287545F;
    p = p * f + 0.141811922F;
    p = p * f - 0.166245535F;
    p = p * f + 0.200022861F;
    p = p * f - 0.250008106F;
    p = p * f + 0.333333164F;
    float square = f * f, small = p * f * square - e * 2.12194440e-4F;
    return (small - 0.5F * square + correction) + f + e * 0.693359375F;
}

/* x = 2^e (1 + f) with f from sqrt(1/2) - 1 to sqrt(2) - 1, for normal x > 0. */
REEL_INLINE float reel_math_split(float x, float *e)
{
    const int32_t root = 0x3f3504f3; /* the bits of sqrt(1/2) */
    int32_t bits = (int32_t)((uint32_t)reel_math_bits(x) - (uint32_t)root);
    *e = (float)(bits >> 23);
    return reel_math_from_bits((bits & 0x7fffff) + root) - 1;
}

REEL_INLINE float reel_math_log(float x)
{
    float e;
    bool subnormal = x < FLT_MIN;
    float f = reel_math_split(subnormal ? x * 8388608 : x, &e);
    float y = reel_math_log_reduced(f, subnormal ? e - 23 : e, 0);
    y = x < INFINITY ? y : x; /* infinity and NaN */
    y = x == 0 ? -INFINITY : y;
    return x < 0 ? NAN : y;
}

REEL_INLINE float reel_math_log1p(float x)
{
    float e, sum = 1 + x;
    float f = reel_math_split(sum, &e);
    float lost = (x - (sum - 1)) / sum; /* what rounding 1 + x left out; exact in the middle, harmless elsewhere */
    float y = reel_math_log_reduced(f, e, lost);
    y = sum == 1 ? x : y;
    y = x < INFINITY ? y : x;
    y = x == -1 ? -INFINITY : y;
    return x < -1 ? NAN : y;
}

REEL_INLINE float reel_math_tanh(float x)
{
    float size = REEL_ABS(x), bounded = size > 10 ? 10 : size; /* tanh(10) rounds to 1 */
    int32_t n;
    float p = reel_math_expm1_reduced(reel_math_reduce(2 * bounded, &n));
    float half = reel_math_power_of_two(n - 1);
    float e = half * p + (half - 0.5F); /* (exp(2|x|) - 1) / 2 */
    float y = e / (e + 1);
    return REEL_COPYSIGN(size < 1e-5F ? size : y, x);
}

REEL_INLINE float reel_math_erf(float x)
{
    float size = REEL_ABS(x), bounded = size > 4 ? 4 : size, square = x * x; /* erf(4) rounds to 1 */
    float p = 7.85386146e-5F;
    p = p * square - 8.01019371e-4F;
    p = p * square + 5.18832775e-3F;
    p = p * square - 2.68538129e-2F;
    p = p * square + 0.112835854F;
    p = p * square - 0.376126260F;
    p = p * square + 1.12837911F;
    float q = 2.16976241e-5F; /* -log(1 - erf(x)) */
    q = q * bounded - 4.41472774e-4F;
    q = q * bounded + 4.20528557e-3F;
    q = q * bounded - 2.52103414e-2F;
    q = q * bounded + 0.108422101F;
    q = q * bounded + 0.633216381F;
    q = q * bounded + 1.12958026F;
    q = q * bounded - 1.88468461e-4F;
    float y = 1 - reel_math_exp(-q);
    return size < 1 ? x * p : REEL_COPYSIGN(y, x);
}

/* sin(r) and cos(r) for |r| <= pi / 4. */
REEL_INLINE float reel_math_sine_reduced(float r)
{
    float square = r * r;
    float p = 2.71756448e-6F;
    p = p * square - 1.98392561e-4F;
    p = p * square + 8.33332911e-3F;
    p = p * square - 0.166666672F;
    return p * (square * r) + r;
}

REEL_INLINE float reel_math_cosine_reduced(float r)
{
    float square = r * r;
    float p = -2.72033049e-7F;
    p = p * square + 2.47994358e-5F;
    p = p * square - 1.38888834e-3F;
    p = p * square + 4.16666679e-2F;
    return p * (square * square) - 0.5F * square + 1;
}

/* sin and cos are good up to this angle; beyond, two doubles do not hold enough of pi / 2. */
#define REEL_MATH_ANGLE_MAX 1e8F

/* The sine of x + quarters * pi / 2. */
REEL_INLINE float reel_math_sin_from(float x, uint32_t quarters)
{
    const double round = 6755399441055744; /* 1.5 * 2^52 */
    double shifted = x * 0.63661977236758134 + round, whole = shifted - round;
    float r = (float)(x - whole * 1.570796325802803 - whole * 9.9209357968054043e-10);
    uint64_t bits;
    memcpy(&bits, &shifted, sizeof bits);
    quarters += (uint32_t)bits;
    float sine = reel_math_sine_reduced(r), cosine = reel_math_cosine_reduced(r);
    float y = quarters & 1 ? cosine : sine;
    return quarters & 2 ? -y : y;
}

REEL_INLINE float reel_math_sin(float x)
{
    return reel_math_sin_from(x, 0);
}

REEL_INLINE float reel_math_cos(float x)
{
    return reel_math_sin_from(x, 1);
}

/* The sine and cosine of an angle given as a fraction of the full turn, turn / 2^32. */
REEL_INLINE void reel_math_sine_cosine(uint32_t turn, float *sine, float *cosine)
{
    uint32_t quarters =
        (turn + (UINT32_C(1) << 29)) >> 30; /* the nearest; what is left is within an eighth of a turn */
    float r = (float)(int32_t)(turn - (quarters << 30)) * (6.28318531F * 0x1p-32F);
    float s = reel_math_sine_reduced(r), c = reel_math_cosine_reduced(r);
    float y = quarters & 1 ? c : s, x = quarters & 1 ? s : c;
    *sine = quarters & 2 ? -y : y;
    *cosine = (quarters + 1) & 2 ? -x : x;
}

#endif

/* old + value, or value when mask is 0 and not -1. By bits, since a choice that is the same in every round of a loop
 * keeps it from being vectorised; and with -0, since x + -0 is x for every x. */
REEL_INLINE reel_real reel_math_add_if(int32_t mask, reel_real old, reel_real value)
{
#ifdef REEL_F64
    return mask ? old + value : value;
#else
    return reel_math_from_bits((reel_math_bits(old) & mask) | (~mask & INT32_MIN)) + value;
#endif
}

/* 1 / (1 + exp(-x)). */
REEL_INLINE reel_real reel_math_sigmoid(reel_real x)
{
    return 1 / (1 + reel_math_exp(-x));
}

/* log(1 + exp(x)), without overflow. */
REEL_INLINE reel_real reel_math_softplus(reel_real x)
{
    reel_real positive = x < 0 ? 0 : x; /* x when it is NaN */
    return positive + reel_math_log1p(reel_math_exp(-REEL_ABS(x)));
}

#endif
