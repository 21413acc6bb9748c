/* Loops whose result is a bool, or chosen by one. */
#include "kern/compare.h"

#include "base/clones.h"

struct comparison {
    const void *a, *b;
    unsigned char *out;
};

/* As many elements at a time; of an operand that does not move so many copies are written out, so that there is one
 * loop for all. */
enum { LANES = 256 };

#define COMPARE(name, type, operator)                                                                                  \
    static void name(const struct reel_broadcast *plan, const struct reel_tile *tile, const void *arguments)           \
    {                                                                                                                  \
        const struct comparison *p = arguments;                                                                        \
        const type *a = (const type *)p->a + tile->offset[0], *b = (const type *)p->b + tile->offset[1];               \
        unsigned char *out = p->out + tile->first;                                                                     \
        /* Bytes that are written could be those of *tile, for all that gcc knows. */                                  \
        const int64_t rows = tile->rows, columns = tile->columns, step_a = tile->step[0], step_b = tile->step[1];      \
        const bool moves_a = plan->moves[0], moves_b = plan->moves[1];                                                 \
        type all_a[LANES], all_b[LANES];                                                                               \
        for (int64_t r = 0; r < rows; r++, a += step_a, b += step_b)                                                   \
            for (int64_t first = 0; first < columns; first += LANES) {                                                 \
                int64_t n = columns - first < LANES ? columns - first : LANES;                                         \
                for (int64_t i = 0; i < n && first == 0; i++) {                                                        \
                    all_a[i] = a[0];                                                                                   \
                    all_b[i] = b[0];                                                                                   \
                }                                                                                                      \
                const type *x = moves_a ? a + first : all_a, *y = moves_b ? b + first : all_b;                         \
                for (int64_t i = 0; i < n; i++)                                                                        \
                    out[i] = x[i] operator y[i];                                                                       \
                out += n;                                                                                              \
            }                                                                                                          \
    }
/* Clones for reals alone: what is compared in a loop that somebody waits for. */
#define COMPARE_ALL(name, operator)                                                                                    \
    REEL_CLONES                                                                                                        \
    COMPARE(name##_real, reel_real, operator)                                                                          \
    COMPARE(name##_int64, int64_t, operator)                                                                           \
    COMPARE(name##_int32, int32_t, operator)                                                                           \
    COMPARE(name##_bool, unsigned char, operator)

COMPARE_ALL(eq, ==)
COMPARE_ALL(ne, !=)
COMPARE_ALL(lt, <)
COMPARE_ALL(le, <=)
COMPARE(and_bool, unsigned char, &)
COMPARE(or_bool, unsigned char, |)

void reel_kern_compare(enum reel_comparison comparison, reel_dtype dtype, const struct reel_broadcast *plan,
                       const void *a, const void *b, unsigned char *out, int threads)
{
    static reel_tile_kernel *const kernels[][4] = {
        [REEL_COMPARE_EQ] = {eq_real, eq_int64, eq_int32, eq_bool},
        [REEL_COMPARE_NE] = {ne_real, ne_int64, ne_int32, ne_bool},
        [REEL_COMPARE_LT] = {lt_real, lt_int64, lt_int32, lt_bool},
        [REEL_COMPARE_LE] = {le_real, le_int64, le_int32, le_bool},
        [REEL_COMPARE_AND] = {NULL, NULL, NULL, and_bool},
        [REEL_COMPARE_OR] = {NULL, NULL, NULL, or_bool},
    };
    struct comparison p = {a, b, out};
    reel_broadcast_walk(plan, kernels[comparison][dtype], &p, threads);
}

static double integer_at(reel_dtype dtype, const void *x, int64_t i)
{
    switch (dtype) {
    case REEL_INT64:
        return (double)((const int64_t *)x)[i];
    case REEL_INT32:
        return ((const int32_t *)x)[i];
    default:
        return ((const unsigned char *)x)[i];
    }
}

void reel_kern_compare_integers(enum reel_comparison comparison, reel_dtype dtype, int64_t n, const void *x, double s,
                                bool swapped, unsigned char *out)
{
    for (int64_t i = 0; i < n; i++) {
        double element = integer_at(dtype, x, i), a = swapped ? s : element, b = swapped ? element : s;
        switch (comparison) {
        case REEL_COMPARE_EQ:
            out[i] = a == b;
            break;
        case REEL_COMPARE_NE:
            out[i] = a != b;
            break;
        case REEL_COMPARE_LT:
            out[i] = a < b;
            break;
        default:
            out[i] = a <= b;
            break;
        }
    }
}

void reel_kern_to_real(reel_dtype dtype, int64_t n, const void *x, reel_real *out)
{
    if (dtype == REEL_INT64)
        for (int64_t i = 0; i < n; i++)
            out[i] = (reel_real)((const int64_t *)x)[i];
    else if (dtype == REEL_INT32)
        for (int64_t i = 0; i < n; i++)
            out[i] = (reel_real)((const int32_t *)x)[i];
    else
        for (int64_t i = 0; i < n; i++)
            out[i] = ((const unsigned char *)x)[i];
}

int64_t reel_kern_to_int64(reel_dtype dtype, int64_t n, const void *x, int64_t *out)
{
    if (dtype == REEL_INT32) {
        for (int64_t i = 0; i < n; i++)
            out[i] = ((const int32_t *)x)[i];
    } else if (dtype == REEL_BOOL) {
        for (int64_t i = 0; i < n; i++)
            out[i] = ((const unsigned char *)x)[i];
    } else {
        const reel_real limit = 9223372036854775808.0; /* 2^63 */
        for (int64_t i = 0; i < n; i++) {
            reel_real element = ((const reel_real *)x)[i];
            if (!(element >= -limit && element < limit))
                return i;
            out[i] = (int64_t)element;
        }
    }
    return -1;
}
