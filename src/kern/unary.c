/* Functions of one element, and their gradients. */
#include "kern/unary.h"

#include "base/clones.h"
#include "kern/functions.h"
#include "kern/parallel.h"

static const reel_real no_numbers[2] = {0, 0};

#if defined(__GNUC__)
#define APART __attribute__((noinline)) /* keeps the arrays out of the frame of those who need none */
#else
#define APART
#endif

APART static void forward_rest(const struct reel_unary *f, int64_t n, const reel_real *x, const reel_real *p,
                               reel_real *out)
{
    reel_real xs[REEL_UNARY_GROUP] = {0}, to[REEL_UNARY_GROUP];
    memcpy(xs, x, (size_t)n * sizeof *x);
    f->forward(REEL_UNARY_GROUP, xs, p, to);
    memcpy(out, to, (size_t)n * sizeof *x);
}

static inline void forward(const struct reel_unary *f, int64_t n, const reel_real *x, const reel_real *p,
                           reel_real *out)
{
    int64_t whole = n & -REEL_UNARY_GROUP;
    if (whole > 0)
        f->forward(whole, x, p, out);
    if (n > whole)
        forward_rest(f, n - whole, x + whole, p, out + whole);
}

void reel_kern_unary_forward(const struct reel_unary *f, int64_t n, const reel_real *x, const reel_real *p,
                             reel_real *out, int threads)
{
    p = p ? p : no_numbers;
    REEL_PARALLEL_FOR(i, end, n, REEL_BLOCK, threads, forward(f, end - i, x + i, p, out + i));
}

APART static void backward_rest(const struct reel_unary *f, int64_t n, const reel_real *g, const reel_real *x,
                                const reel_real *y, const reel_real *p, reel_real *to, bool add)
{
    reel_real gs[REEL_UNARY_GROUP] = {0}, xs[REEL_UNARY_GROUP] = {0}, ys[REEL_UNARY_GROUP] = {0};
    reel_real sums[REEL_UNARY_GROUP] = {0};
    size_t size = (size_t)n * sizeof *g;
    memcpy(gs, g, size);
    memcpy(xs, x, size);
    memcpy(ys, y, size);
    if (add)
        memcpy(sums, to, size);
    f->backward(REEL_UNARY_GROUP, gs, xs, ys, p, sums, add);
    memcpy(to, sums, size);
}

static inline void backward(const struct reel_unary *f, int64_t n, const reel_real *g, const reel_real *x,
                            const reel_real *y, const reel_real *p, reel_real *to, bool add)
{
    int64_t whole = n & -REEL_UNARY_GROUP;
    if (whole > 0)
        f->backward(whole, g, x, y, p, to, add);
    if (n > whole)
        backward_rest(f, n - whole, g + whole, x + whole, y + whole, p, to + whole, add);
}

void reel_kern_unary_backward(const struct reel_unary_gradient *f, bool add, reel_real *to, int threads)
{
    const reel_real *p = f->p ? f->p : no_numbers;
    REEL_PARALLEL_FOR(i, end, f->n, REEL_BLOCK, threads,
                      backward(f->of, end - i, f->g + i, f->x + i, f->y + i, p, to + i, add));
}

/* UNARY(name, value, gradient): `value` is an expression of x and of the numbers a and b, `gradient` one of g, x, y, a
 * and b. */
#define R(constant) ((reel_real)(constant))

#define FORWARD(name, value)                                                                                           \
    REEL_CLONES                                                                                                        \
    static void name##_forward(int64_t n, const reel_real *restrict xs, const reel_real *p, reel_real *restrict out)   \
    {                                                                                                                  \
        const reel_real a = p[0], b = p[1];                                                                            \
        (void)a;                                                                                                       \
        (void)b;                                                                                                       \
        for (int64_t i = 0; i < (n & -REEL_UNARY_GROUP); i++) {                                                        \
            const reel_real x = xs[i];                                                                                 \
            out[i] = value;                                                                                            \
        }                                                                                                              \
    }
#define BACKWARD_LOOP(write, gradient)                                                                                 \
    for (int64_t i = 0; i < (n & -REEL_UNARY_GROUP); i++) {                                                            \
        const reel_real g = gs[i], x = xs[i], y = ys[i];                                                               \
        (void)x;                                                                                                       \
        (void)y;                                                                                                       \
        write gradient;                                                                                                \
    }
#define BACKWARD(name, gradient)                                                                                       \
    REEL_CLONES                                                                                                        \
    static void name##_backward(int64_t n, const reel_real *restrict gs, const reel_real *restrict xs,                 \
                                const reel_real *restrict ys, const reel_real *p, reel_real *restrict to, bool add)    \
    {                                                                                                                  \
        const reel_real a = p[0], b = p[1];                                                                            \
        (void)a;                                                                                                       \
        (void)b;                                                                                                       \
        if (add)                                                                                                       \
            BACKWARD_LOOP(to[i] +=, gradient)                                                                          \
        else                                                                                                           \
            BACKWARD_LOOP(to[i] =, gradient)                                                                           \
    }
#define ROW(name) const struct reel_unary reel_unary_##name = {name##_forward, name##_backward};
#define UNARY(name, value, gradient)                                                                                   \
    FORWARD(name, value)                                                                                               \
    BACKWARD(name, gradient)                                                                                           \
    ROW(name)

/* For those whose gradient is passed on as it is, or that have none. */
#define UNARY_FORWARD(name, value)                                                                                     \
    FORWARD(name, value)                                                                                               \
    const struct reel_unary reel_unary_##name = {name##_forward, NULL};

/* The formatter takes products in macro arguments for pointers. */
/* clang-format off */
UNARY(neg, -x, -g)
UNARY(abs, REEL_ABS(x), x > 0 ? g : x < 0 ? -g : 0)
UNARY_FORWARD(sign, R(x > 0) - R(x < 0))
UNARY_FORWARD(floor, REEL_FLOOR(x))
UNARY_FORWARD(ceil, REEL_CEIL(x))
UNARY_FORWARD(trunc, REEL_TRUNC(x))
UNARY_FORWARD(round, REEL_RINT(x))

UNARY(exp, reel_math_exp(x), g * y)
UNARY(expm1, reel_math_expm1(x), g * (y + 1))
UNARY(log, reel_math_log(x), g / x)
UNARY(log1p, reel_math_log1p(x), g / (x + 1))

UNARY(sqrt, REEL_SQRT(x), g / (y + y))
UNARY(rsqrt, 1 / REEL_SQRT(x), g * (y * y * y * R(-0.5)))
UNARY(square, x * x, g * (x + x))
UNARY(cube, x * x * x, g * (3 * (x * x)))
UNARY(reciprocal, 1 / x, -g * (y * y))

/* clang-format on */

/* A second pass, since a choice with a call in it would keep the first from being vectorised. */
#define LARGE_ANGLES(name)                                                                                             \
    for (int64_t i = 0; i < (n & -REEL_UNARY_GROUP); i++)                                                              \
        if (REEL_ABS(xs[i]) > REEL_MATH_ANGLE_MAX)                                                                     \
            out[i] = name(xs[i]);
REEL_CLONES
static void sin_forward(int64_t n, const reel_real *restrict xs, const reel_real *p, reel_real *restrict out)
{
    (void)p;
    for (int64_t i = 0; i < (n & -REEL_UNARY_GROUP); i++)
        out[i] = reel_math_sin(xs[i]);
    LARGE_ANGLES(REEL_SIN)
}

REEL_CLONES
static void cos_forward(int64_t n, const reel_real *restrict xs, const reel_real *p, reel_real *restrict out)
{
    (void)p;
    for (int64_t i = 0; i < (n & -REEL_UNARY_GROUP); i++)
        out[i] = reel_math_cos(xs[i]);
    LARGE_ANGLES(REEL_COS)
}

static void angle_backward(int64_t n, const reel_real *g, const reel_real *x, reel_real sign, reel_real *to, bool add,
                           void (*derivative)(int64_t, const reel_real *, const reel_real *, reel_real *))
{
    enum { PIECE = 256 };
    reel_real d[PIECE];
    for (int64_t first = 0; first < n; first += PIECE) {
        int64_t count = n - first < PIECE ? n - first : PIECE;
        derivative(count, x + first, NULL, d);
        for (int64_t i = 0; i < count; i++)
            to[first + i] = (add ? to[first + i] : 0) + g[first + i] * (sign * d[i]);
    }
}

static void sin_backward(int64_t n, const reel_real *g, const reel_real *x, const reel_real *y, const reel_real *p,
                         reel_real *to, bool add)
{
    (void)y;
    (void)p;
    angle_backward(n, g, x, 1, to, add, cos_forward);
}

static void cos_backward(int64_t n, const reel_real *g, const reel_real *x, const reel_real *y, const reel_real *p,
                         reel_real *to, bool add)
{
    (void)y;
    (void)p;
    angle_backward(n, g, x, -1, to, add, sin_forward);
}

ROW(sin)
ROW(cos)

/* clang-format off */

UNARY(tanh, reel_math_tanh(x), g * (1 - y * y))
UNARY(erf, reel_math_erf(x), g * (R(1.1283791670955126) * reel_math_exp(-(x * x))))
#define DENSITY_AT_0 R(0.39894228040143268) /* of the normal distribution: 1 / sqrt(2 pi) */
UNARY(sigmoid, reel_math_sigmoid(x), g * (y * (1 - y)))
UNARY(logsigmoid, -reel_math_softplus(-x), g * reel_math_sigmoid(-x))
UNARY(softplus, x * a > b ? x : reel_math_softplus(x * a) / a,
      x * a > b ? g : g * reel_math_sigmoid(x * a))

UNARY(relu, x <= 0 ? 0 : x, x <= 0 ? 0 : g)
UNARY(leaky_relu, x > 0 ? x : a * x, x > 0 ? g : a * g)
UNARY(ndtr, reel_math_ndtr(x, reel_math_bell(x)), g * (DENSITY_AT_0 * reel_math_bell(x)))
UNARY(elu, x > 0 ? x : a * reel_math_expm1(x), x > 0 ? g : g * (a * reel_math_exp(x)))

REEL_INLINE reel_real silu_slope(reel_real x)
{
    reel_real s = reel_math_sigmoid(x);
    return s * (1 + x * (1 - s));
}
UNARY(silu, x * reel_math_sigmoid(x), g * silu_slope(x))

REEL_INLINE reel_real bounded(reel_real x, reel_real low, reel_real high)
{
    reel_real raised = x < low ? low : x;
    return raised > high ? high : raised;
}
REEL_INLINE reel_real gelu_slope(reel_real x)
{
    reel_real bell = reel_math_bell(x);
    return reel_math_ndtr(x, bell) + x * (DENSITY_AT_0 * bell);
}
UNARY(gelu, x * reel_math_ndtr(x, reel_math_bell(x)), g * gelu_slope(x))

/* (1 + tanh(u)) / 2 is sigmoid(2 u), which keeps its digits far below 0. */
#define TWICE_ROOT_2_OVER_PI R(1.5957691216057308)
#define CUBIC R(0.044715)
REEL_INLINE reel_real gelu_tanh_inner(reel_real x)
{
    return TWICE_ROOT_2_OVER_PI * (x + CUBIC * (x * x * x));
}
REEL_INLINE reel_real gelu_tanh_slope(reel_real x)
{
    reel_real near = bounded(x, -30, 30); /* beyond, the sigmoid is 0 or 1, and its slope times the inner one inf * 0 */
    reel_real inner = gelu_tanh_inner(near), tail = reel_math_exp(-REEL_ABS(inner)), share = 1 / (1 + tail);
    reel_real inner_slope = TWICE_ROOT_2_OVER_PI * (1 + 3 * CUBIC * (near * near));
    return (inner < 0 ? tail * share : share) + near * (tail * share * share) * inner_slope;
}
UNARY(gelu_tanh, x * reel_math_sigmoid(gelu_tanh_inner(x)), g * gelu_tanh_slope(x))

FORWARD(clamp, bounded(x, a, b))
BACKWARD(strictly_within, ((x >= a) & (x <= b)) ? g : 0)

/* The roots as reel_pow_scalar computes them: pow makes another thing of -0 and -infinity. */
REEL_INLINE reel_real power(reel_real x, reel_real exponent)
{
    return exponent == R(0.5) ? REEL_SQRT(x) : exponent == R(-0.5) ? 1 / REEL_SQRT(x) : REEL_POW(x, exponent);
}
UNARY_FORWARD(add_scalar, x + a)
UNARY_FORWARD(sub_scalar, x - a)
UNARY(rsub_scalar, a - x, -g)
UNARY(mul_scalar, x * a, g * a)
UNARY(div_scalar, x / a, g / a)
UNARY(rdiv_scalar, a / x, -g * (y / x))
UNARY(pow_scalar, power(x, a), a == 0 ? 0 : g * (a * power(x, a - 1)))
UNARY(maximum_scalar, ((x >= a) | (x != x)) ? x : a, x == a ? g * R(0.5) : x < a ? 0 : g)
UNARY(minimum_scalar, ((x <= a) | (x != x)) ? x : a, x == a ? g * R(0.5) : x > a ? 0 : g)
/* clang-format on */

/* No gradient at a bound; an infinite one is none. */
static void clamp_backward(int64_t n, const reel_real *g, const reel_real *x, const reel_real *y, const reel_real *p,
                           reel_real *to, bool add)
{
    const reel_real inside[2] = {p[0] == -INFINITY ? p[0] : REEL_NEXTAFTER(p[0], INFINITY),
                                 p[1] == INFINITY ? p[1] : REEL_NEXTAFTER(p[1], -INFINITY)};
    strictly_within_backward(n, g, x, y, inside, to, add);
}
ROW(clamp)
