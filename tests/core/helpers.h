/* What the tests of backward passes start from: a context whose memory is counted, a tape and a param set, and short
 * forms for them. */
#ifndef TESTS_CORE_HELPERS_H
#define TESTS_CORE_HELPERS_H

#include "core/params.h"
#include "core/tape.h"
#include "support/allocator.h"

#include <reel/reel.h>

#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <string.h>

static const double epsilon = sizeof(reel_real) == sizeof(float) ? FLT_EPSILON : DBL_EPSILON;

static struct counting counted;
static reel_context *c;
static reel_tape *t;
static reel_params *params;

static inline void set_up(void)
{
    c = counting_context(&counted, 1);
    t = reel_tape_new(c);
    params = reel_params_new(c);
    cr_assert(c && t && params);
}

static inline void tear_down(void)
{
    cr_expect_eq(reel_context_status(c), REEL_OK, "%s", reel_error(c));
    cr_expect_eq(c->scratch.live, 0, "%lld blocks of scratch are still held", (long long)c->scratch.live);
    reel_params_free(params);
    reel_tape_free(t);
    reel_context_free(c);
    cr_expect_eq(counted.live, 0, "%lld blocks leak", (long long)counted.live);
    cr_expect_eq(counted.wrong_sizes, 0);
}

static inline void expect_error(reel_status status, const char *says)
{
    cr_expect_eq(reel_context_status(c), status, "\"%s\" is %s", reel_error(c),
                 reel_status_text(reel_context_status(c)));
    cr_expect(strstr(reel_error(c), says), "\"%s\" does not say \"%s\"", reel_error(c), says);
    reel_clear_error(c);
}

/* A param of n numbers 0.5, 0.8, 1.1, ... */
static inline reel_param *param_of(reel_params *set, const char *name, int64_t n)
{
    reel_param *p = reel_param_new(set, name, REEL_PARAM_TRAINED, REEL_REAL, REEL_SHAPE(n));
    cr_assert_not_null(p, "%s", reel_error(c));
    reel_real *data = reel_param_write(p);
    for (int64_t i = 0; i < n; i++)
        data[i] = (reel_real)(0.5 + 0.3 * (double)i);
    return p;
}

static inline reel_var pv(reel_param *p)
{
    return reel_param_var(t, p);
}

static inline double grad_at(reel_param *p, int64_t i)
{
    const reel_real *grad = reel_param_grad(p);
    cr_assert_not_null(grad, "\"%s\" has no gradient", reel_param_name(p));
    return (double)grad[i];
}

static inline void expect_near(double got, double want)
{
    cr_expect(fabs(got - want) <= 32 * epsilon * fmax(1, fabs(want)), "%.17g, not %.17g", got, want);
}

#endif
