/* exp, log and their kin for loops.
 *
 * In float they are straight-line code, without calls, tables or branches, so that every compiler vectorises a loop
 * over them. A value therefore depends on its argument alone: not on its place in the array, nor on the instruction
 * set, as it would with vector libraries whose wide and narrow forms differ in the last bit. Errors are below
 * 3 ulp, of tanh, erf, sin and cos below 1.5, and some 6 in the tail of the normal distribution
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

/* exp(-x^2 / 2), to the last digits also far out. */
REEL_INLINE double reel_math_bell(double x)
{
    return exp(x * x * -0.5);
}

/* The standard normal distribution function, given reel_math_bell(x). */
REEL_INLINE double reel_math_ndtr(double x, double bell)
{
    (void)bell;
    return 0.5 * erfc(x * -0.70710678118654752);
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

/* 2^n p, where adding 1.5 * 2^23 left n in the low bits of `shifted`, for p and results that are normal. */
REEL_INLINE float reel_math_scale(float p, float shifted)
{
    return reel_math_from_bits((int32_t)((uint32_t)reel_math_bits(p) + ((uint32_t)reel_math_bits(shifted) << 23)));
}

/* Near 0 the argument less what a polynomial says that is too much; from there 1 - 2 / (exp(2 |x|) + 1). The
 * exponential has a fit of its own, with weights for how much of it is seen in the result. */
REEL_INLINE float reel_math_tanh(float x)
{
    const float round = 12582912;
    float size = REEL_ABS(x), bounded = size > 10 ? 10 : size; /* tanh(10) rounds to 1 */
    float shifted = bounded * 2.88539008F + round, r = bounded - (shifted - round) * 0.346573591F;
    float p = 0.265862197F; /* exp(2 r) */
    p = p * r + 0.670365572F;
    p = p * r + 1.33338356F;
    p = p * r + 1.99996603F;
    p = p * r + 1.99999976F;
    p = p * r + 1;
    float large = 1 - 2 / (reel_math_scale(p, shifted) + 1), square = size * size;
    float q = -4.78907628e-3F;
    q = q * square + 1.96918268e-2F;
    q = q * square - 5.34030162e-2F;
    q = q * square + 0.133267596F;
    q = q * square - 0.33333081F;
    return REEL_COPYSIGN(size >= 0.75F ? large : q * square * size + size, x);
}

REEL_INLINE float reel_math_erf(float x)
{
    const float round = 12582912;
    float size = REEL_ABS(x), bounded = size > 4 ? 4 : size, square = x * x; /* erf(4) rounds to 1 */
    float p = 7.52098786e-05F;
    p = p * square - 0.000791291823F;
    p = p * square + 0.00517772231F;
    p = p * square - 0.0268485155F;
    p = p * square + 0.112834662F;
    p = p * square - 0.37612617F;
    p = p * square + 0.128379166F;
    /* The logarithm of 1 - erf(x) to base 2, from 1 on, over x. */
    float q = 0.000303228677F;
    q = q * bounded - 0.0045922678F;
    q = q * bounded + 0.0328733735F;
    q = q * bounded - 0.151622444F;
    q = q * bounded - 0.91733247F;
    q = q * bounded - 1.62804615F;
    float logarithm = q * bounded, shifted = logarithm + round, r = logarithm - (shifted - round);
    float e = 1.32764678e-3F; /* 2^r */
    e = e * r + 9.67554096e-3F;
    e = e * r + 5.55071346e-2F;
    e = e * r + 0.240221202F;
    e = e * r + 0.693146944F;
    e = e * r + 1.00000012F;
    return size >= 1 ? REEL_COPYSIGN(1 - reel_math_scale(e, shifted), x) : x * p + x; /* which keeps NaN */
}

/* exp(-x^2 / 2), to the last digits also far out: x^2 is rounded, and where it is large the exponential shows that, so
 * the square of x without its low bits, which is exact, is split off. */
REEL_INLINE float reel_math_bell(float x)
{
    int32_t n;
    float size = REEL_ABS(x), bounded = size > 14.5F ? 14.5F : size; /* beyond it rounds to 0 */
    float high = reel_math_from_bits(reel_math_bits(bounded) & ~0xfff);
    float r = reel_math_reduce(high * high * -0.5F, &n) - (bounded - high) * (bounded + high) * 0.5F;
    float e = 1 + reel_math_expm1_reduced(r);
    int32_t half = n >> 1; /* as in reel_math_exp */
    return e * reel_math_power_of_two(half) * reel_math_power_of_two(n - half);
}

/* The standard normal distribution function, given reel_math_bell(x): that times a function of |x| which is smooth in
 * 3 / (3 + |x|) is the smaller of both tails, which keeps its digits. From 0 to 1 a
 * polynomial has more of them. */
REEL_INLINE float reel_math_ndtr(float x, float bell)
{
    float t = 3 / (3 + REEL_ABS(x)), u = t - 0.625F;
    float p = -0.0224417355F;
    p = p * u + 0.0158624463F;
    p = p * u + 0.0466255099F;
    p = p * u - 0.0465037003F;
    p = p * u - 0.0944186226F;
    p = p * u + 0.0877183974F;
    p = p * u + 0.347372204F;
    p = p * u + 0.421613276F;
    p = p * u + 0.290494651F;
    float tail = p * t * bell, square = x * x;
    float q = 9.28426962e-05F;
    q = q * square - 0.00116621132F;
    q = q * square + 0.0099648321F;
    q = q * square - 0.0664889216F;
    q = q * square + 0.398942202F;
    float half = q * x + 0.5F;
    float above = x < 1 ? half : 1 - tail;
    return x < 0 ? tail : above;
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
