/* Arithmetic element by element. */
#include "kern/elementwise.h"

#include "base/clones.h"
#include "kern/functions.h"

/* The forms of a loop are copies of one function, because it is vectorised only when the compiler knows which operand
 * moves. `restrict` counts for the parameters of a function, not for the variables of a block. */
#define ROWS(a_moves, b_moves, row, ...)                                                                               \
    for (int64_t r = 0; r < tile->rows; r++, a += tile->step[0], b += tile->step[1], to += tile->columns)              \
    row(a_moves, b_moves, tile->columns, __VA_ARGS__)
#define FORMS(...)                                                                                                     \
    if (plan->moves[0] && plan->moves[1])                                                                              \
        ROWS(true, true, __VA_ARGS__);                                                                                 \
    else if (plan->moves[0])                                                                                           \
        ROWS(true, false, __VA_ARGS__);                                                                                \
    else                                                                                                               \
        ROWS(false, true, __VA_ARGS__)

struct binary {
    const reel_real *a, *b;
    reel_real *out;
};

/* BINARY(name, value): `value` is an expression of x and y, the elements of a and b. No clones are made where it calls
 * the C library. */
#define BINARY_FOR(clones, name, value)                                                                                \
    REEL_INLINE void name##_row(bool a_moves, bool b_moves, int64_t n, const reel_real *restrict a,                    \
                                const reel_real *restrict b, reel_real *restrict to)                                   \
    {                                                                                                                  \
        for (int64_t i = 0; i < n; i++) {                                                                              \
            const reel_real x = a[a_moves ? i : 0], y = b[b_moves ? i : 0];                                            \
            to[i] = value;                                                                                             \
        }                                                                                                              \
    }                                                                                                                  \
    clones static void name##_tile(const struct reel_broadcast *plan, const struct reel_tile *tile,                    \
                                   const void *arguments)                                                              \
    {                                                                                                                  \
        const struct binary *p = arguments;                                                                            \
        const reel_real *a = p->a + tile->offset[0], *b = p->b + tile->offset[1];                                      \
        reel_real *to = p->out + tile->first;                                                                          \
        FORMS(name##_row, a, b, to);                                                                                   \
    }                                                                                                                  \
    void reel_kern_##name(const struct reel_broadcast *plan, const reel_real *a, const reel_real *b, reel_real *out,   \
                          int threads)                                                                                 \
    {                                                                                                                  \
        struct binary p = {a, b, out};                                                                                 \
        reel_broadcast_walk(plan, name##_tile, &p, threads);                                                           \
    }

/* What is left of x by y, with the sign of y, and the quotient that goes with it. */
static inline reel_real remainder_of(reel_real x, reel_real y)
{
    reel_real rest = REEL_FMOD(x, y);
    return rest != 0 && (rest < 0) != (y < 0) ? rest + y : rest;
}

static inline reel_real floor_of_quotient(reel_real x, reel_real y)
{
    reel_real rest = REEL_FMOD(x, y);
    return REEL_RINT((x - rest) / y) - (rest != 0 && (rest < 0) != (y < 0));
}

/* The formatter takes products in macro arguments for pointers. */
/* clang-format off */
#define BINARY(name, value) BINARY_FOR(REEL_CLONES, name, value)
BINARY(add, x + y)
BINARY(sub, x - y)
BINARY(mul, x * y)
BINARY(div, x / y)
BINARY_FOR(, pow, REEL_POW(x, y))
BINARY(maximum, x > y || x != x ? x : y)
BINARY(minimum, x < y || x != x ? x : y)
BINARY_FOR(, remainder, remainder_of(x, y))
/* clang-format on */

struct rule {
    const reel_real *g, *a, *b;
    reel_real *to;
    bool add;
};

/* RULE(name, gradient): `gradient` is an expression of g, x and y. */
#define RULE_FOR(clones, name, gradient)                                                                               \
    REEL_INLINE void name##_row(bool a_moves, bool b_moves, int64_t n, const reel_real *restrict a,                    \
                                const reel_real *restrict b, reel_real *restrict to, const reel_real *restrict gs,     \
                                bool add)                                                                              \
    {                                                                                                                  \
        const int32_t mask = -(int32_t)add;                                                                            \
        for (int64_t i = 0; i < n; i++) {                                                                              \
            const reel_real g = gs[i], x = a[a_moves ? i : 0], y = b[b_moves ? i : 0];                                 \
            (void)x;                                                                                                   \
            (void)y;                                                                                                   \
            to[i] = reel_math_add_if(mask, to[i], gradient);                                                           \
        }                                                                                                              \
    }                                                                                                                  \
    clones static void name##_tile(const struct reel_broadcast *plan, const struct reel_tile *tile,                    \
                                   const void *arguments)                                                              \
    {                                                                                                                  \
        const struct rule *p = arguments;                                                                              \
        const reel_real *a = p->a + tile->offset[0], *b = p->b + tile->offset[1], *g = p->g + tile->first;             \
        reel_real *to = p->to + tile->first;                                                                           \
        FORMS(name##_row, a, b, to, g + r * tile->columns, p->add);                                                    \
    }                                                                                                                  \
    void reel_kern_##name(const struct reel_broadcast *plan, const reel_real *g, const reel_real *a,                   \
                          const reel_real *b, reel_real *to, bool add, int threads)                                    \
    {                                                                                                                  \
        struct rule p = {g, a, b, to, add};                                                                            \
        reel_broadcast_walk(plan, name##_tile, &p, threads);                                                           \
    }

static inline reel_real pow_by_base(reel_real g, reel_real base, reel_real exponent)
{
    return exponent == 0 ? 0 : g * (exponent * REEL_POW(base, exponent - 1));
}

static inline reel_real pow_by_exponent(reel_real g, reel_real base, reel_real exponent)
{
    return base == 0 && exponent >= 0 ? 0 : g * (REEL_POW(base, exponent) * REEL_LOG(base));
}

/* clang-format off */
#define RULE(name, gradient) RULE_FOR(REEL_CLONES, name, gradient)
RULE(sub_second, -g)
RULE(mul_first, g * y)
RULE(mul_second, g * x)
RULE(div_first, g / y)
RULE(div_second, -g * (x / y / y))
RULE_FOR(, pow_first, pow_by_base(g, x, y))
RULE_FOR(, pow_second, pow_by_exponent(g, x, y))
RULE(maximum_first, x == y ? g / 2 : x < y ? 0 : g)
RULE(maximum_second, x == y ? g / 2 : x > y ? 0 : g)
RULE(minimum_first, x == y ? g / 2 : x > y ? 0 : g)
RULE(minimum_second, x == y ? g / 2 : x < y ? 0 : g)
RULE_FOR(, remainder_second, -g * floor_of_quotient(x, y))
/* clang-format on */

struct where {
    const unsigned char *condition;
    const void *a, *b;
    void *out;
};

REEL_CLONES
static void where_row(int64_t n, const unsigned char *restrict c, const reel_real *restrict a,
                      const reel_real *restrict b, reel_real *restrict out)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = c[i] ? a[i] : b[i];
}

/* n times the same number, or the numbers themselves. */
static const reel_real *spread(const reel_real *x, bool moves, int64_t n, reel_real *copies)
{
    for (int64_t i = 0; !moves && i < n; i++)
        copies[i] = *x;
    return moves ? x : copies;
}

static void where_tile(const struct reel_broadcast *plan, const struct reel_tile *tile, const void *arguments)
{
    enum { PIECE = 256 };
    const struct where *p = arguments;
    const bool *moves = plan->moves;
    reel_real copies[2][PIECE];
    for (int64_t r = 0; r < tile->rows; r++) {
        const unsigned char *c = p->condition + tile->offset[0] + r * tile->step[0];
        const reel_real *a = (const reel_real *)p->a + tile->offset[1] + r * tile->step[1];
        const reel_real *b = (const reel_real *)p->b + tile->offset[2] + r * tile->step[2];
        reel_real *out = (reel_real *)p->out + tile->first + r * tile->columns;
        for (int64_t i = 0; i < tile->columns; i += PIECE) {
            int64_t n = tile->columns - i < PIECE ? tile->columns - i : PIECE;
            const reel_real *left = moves[0] || *c ? spread(moves[1] ? a + i : a, moves[1], n, copies[0]) : NULL;
            const reel_real *right = moves[0] || !*c ? spread(moves[2] ? b + i : b, moves[2], n, copies[1]) : NULL;
            if (moves[0])
                where_row(n, c + i, left, right, out + i);
            else
                memcpy(out + i, *c ? left : right, (size_t)n * sizeof *out);
        }
    }
}

/* Other types, by their size. */
#define WHERE(type)                                                                                                    \
    static void where_##type(const struct reel_broadcast *plan, const struct reel_tile *tile, const void *arguments)   \
    {                                                                                                                  \
        const struct where *p = arguments;                                                                             \
        const int64_t move[] = {plan->moves[0], plan->moves[1], plan->moves[2]};                                       \
        for (int64_t r = 0; r < tile->rows; r++) {                                                                     \
            const unsigned char *c = p->condition + tile->offset[0] + r * tile->step[0];                               \
            const type *a = (const type *)p->a + tile->offset[1] + r * tile->step[1];                                  \
            const type *b = (const type *)p->b + tile->offset[2] + r * tile->step[2];                                  \
            type *out = (type *)p->out + tile->first + r * tile->columns;                                              \
            for (int64_t i = 0; i < tile->columns; i++)                                                                \
                out[i] = c[i * move[0]] ? a[i * move[1]] : b[i * move[2]];                                             \
        }                                                                                                              \
    }
WHERE(int64_t)
WHERE(int32_t)
WHERE(uint8_t)

void reel_kern_where(reel_dtype dtype, const struct reel_broadcast *plan, const unsigned char *condition, const void *a,
                     const void *b, void *out, int threads)
{
    static reel_tile_kernel *const kernels[] = {where_tile, where_int64_t, where_int32_t, where_uint8_t};
    struct where p = {condition, a, b, out};
    reel_broadcast_walk(plan, kernels[dtype], &p, threads);
}

struct where_rule {
    const unsigned char *condition;
    const reel_real *g;
    reel_real *to;
    bool chosen, add;
};

REEL_CLONES
static void where_rule_row(int64_t n, const unsigned char *restrict c, unsigned char chosen,
                           const reel_real *restrict g, reel_real *restrict to, bool add)
{
    if (add)
        for (int64_t i = 0; i < n; i++)
            to[i] += c[i] == chosen ? g[i] : 0;
    else
        for (int64_t i = 0; i < n; i++)
            to[i] = c[i] == chosen ? g[i] : 0;
}

static void where_rule_tile(const struct reel_broadcast *plan, const struct reel_tile *tile, const void *arguments)
{
    enum { PIECE = 256 };
    const struct where_rule *p = arguments;
    unsigned char copies[PIECE];
    for (int64_t r = 0; r < tile->rows; r++) {
        const unsigned char *c = p->condition + tile->offset[0] + r * tile->step[0];
        const reel_real *g = p->g + tile->first + r * tile->columns;
        reel_real *to = p->to + tile->first + r * tile->columns;
        if (!plan->moves[0])
            memset(copies, *c, sizeof copies);
        for (int64_t i = 0; i < tile->columns; i += PIECE)
            where_rule_row(tile->columns - i < PIECE ? tile->columns - i : PIECE, plan->moves[0] ? c + i : copies,
                           p->chosen, g + i, to + i, p->add);
    }
}

void reel_kern_where_rule(const struct reel_broadcast *plan, const unsigned char *condition, bool chosen,
                          const reel_real *g, reel_real *to, bool add, int threads)
{
    struct where_rule p = {condition, g, to, chosen, add};
    reel_broadcast_walk(plan, where_rule_tile, &p, threads);
}
