/* Loops over int64 and int32 that compute integers. */
#include "kern/integers.h"

struct integers {
    const void *a, *b;
    void *out;
};

/* What wraps is computed in unsigned numbers, where that is defined; int32 in int64, where nothing wraps before the
 * conversion back. */
static inline int64_t add(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a + (uint64_t)b);
}

static inline int64_t sub(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a - (uint64_t)b);
}

static inline int64_t mul(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a * (uint64_t)b);
}

/* Of the least number by -1 the quotient does not fit, and the processor would end the process. */
static inline int64_t remainder_of(int64_t a, int64_t b)
{
    int64_t rest = b == -1 ? 0 : a % b;
    return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}

static inline int64_t floor_divide(int64_t a, int64_t b)
{
    return b == -1 ? sub(0, a) : a / b - (a % b != 0 && (a % b < 0) != (b < 0));
}

#define LOOP(name, type, function)                                                                                     \
    static void name(const struct reel_broadcast *plan, const struct reel_tile *tile, const void *arguments)           \
    {                                                                                                                  \
        const struct integers *p = arguments;                                                                          \
        const type *a = (const type *)p->a + tile->offset[0], *b = (const type *)p->b + tile->offset[1];               \
        type *out = (type *)p->out + tile->first;                                                                      \
        int64_t move_a = plan->moves[0], move_b = plan->moves[1];                                                      \
        for (int64_t r = 0; r < tile->rows; r++, a += tile->step[0], b += tile->step[1], out += tile->columns)         \
            for (int64_t i = 0; i < tile->columns; i++)                                                                \
                out[i] = (type)function(a[i * move_a], b[i * move_b]);                                                 \
    }
#define LOOPS(function)                                                                                                \
    LOOP(function##_int64, int64_t, function)                                                                          \
    LOOP(function##_int32, int32_t, function)

LOOPS(add)
LOOPS(sub)
LOOPS(mul)
LOOPS(floor_divide)
LOOPS(remainder_of)

void reel_kern_integers(enum reel_integer_operation operation, reel_dtype dtype, const struct reel_broadcast *plan,
                        const void *a, const void *b, void *out, int threads)
{
    static reel_tile_kernel *const kernels[][2] = {
        [REEL_INTEGER_ADD] = {add_int64, add_int32},
        [REEL_INTEGER_SUB] = {sub_int64, sub_int32},
        [REEL_INTEGER_MUL] = {mul_int64, mul_int32},
        [REEL_INTEGER_FLOOR_DIVIDE] = {floor_divide_int64, floor_divide_int32},
        [REEL_INTEGER_REMAINDER] = {remainder_of_int64, remainder_of_int32},
    };
    struct integers p = {a, b, out};
    reel_broadcast_walk(plan, kernels[operation][dtype == REEL_INT32], &p, threads);
}

int64_t reel_kern_find_zero(reel_dtype dtype, int64_t n, const void *x)
{
    for (int64_t i = 0; i < n; i++)
        if (dtype == REEL_INT32 ? ((const int32_t *)x)[i] == 0 : ((const int64_t *)x)[i] == 0)
            return i;
    return -1;
}
