/* Short forms for the tests of src/nn. */
#ifndef TESTS_NN_HELPERS_H
#define TESTS_NN_HELPERS_H

#include "train/helpers.h"

#include <reel/reel.h>

/* The status and a piece of the text; then clears it. */
static inline void expect_error(reel_context *c, reel_status status, const char *piece)
{
    cr_assert_eq(reel_context_status(c), status, "\"%s\" should be %s", reel_error(c), reel_status_text(status));
    cr_assert(strstr(reel_error(c), piece), "\"%s\" should say: %s", reel_error(c), piece);
    reel_clear_error(c);
}

/* The next n numbers of a golden array, bit for bit. */
static inline void expect_bits(const char *what, const void *data, const reel_real **golden, int64_t n)
{
    const reel_real *got = data;
    for (int64_t i = 0; i < n; i++)
        cr_assert(memcmp(&got[i], &(*golden)[i], sizeof *got) == 0, "%s: element %lld is %a, PyTorch gives %a", what,
                  (long long)i, (double)got[i], (double)(*golden)[i]);
    *golden += n;
}

/* The next n numbers of a golden array, within `units` of the type's epsilon at their size or 1. */
static inline void expect_near(const char *what, const void *data, const reel_real **golden, int64_t n, double units)
{
    double epsilon = sizeof(reel_real) == sizeof(float) ? 0x1p-23 : 0x1p-52;
    const reel_real *got = data;
    for (int64_t i = 0; i < n; i++) {
        double want = (double)(*golden)[i], error = fabs((double)got[i] - want) / (fmax(1, fabs(want)) * epsilon);
        cr_assert(error <= units, "%s: element %lld is %.17g, PyTorch gives %.17g (%g units)", what, (long long)i,
                  (double)got[i], want, error);
    }
    *golden += n;
}

static inline const void *param_data(const reel_params *params, const char *name)
{
    const reel_param *p = reel_params_find(params, name);
    cr_assert_not_null(p, "there is no %s", name);
    return reel_param_data(p);
}

#endif
