/* What most tests of operations and modules start from: a context, a tape and a param set. An error that a test expects
 * is cleared by it; another one fails the test. */
#ifndef TESTS_SUPPORT_FIXTURE_H
#define TESTS_SUPPORT_FIXTURE_H

#include <reel/reel.h>

#include <criterion/criterion.h>

static reel_context *c;
static reel_tape *t;
static reel_params *p;

static inline void set_up(void)
{
    c = reel_context_new(NULL);
    t = reel_tape_new(c);
    p = reel_params_new(c);
}

static inline void tear_down(void)
{
    reel_tape_free(t);
    reel_params_free(p);
    cr_assert_eq(reel_context_status(c), REEL_OK, "%s", reel_error(c));
    reel_context_free(c);
}

/* The call gave the null var, and the error was this one; text NULL: whatever it says. */
static inline void expect_refused(reel_var result, reel_status status, const char *text)
{
    cr_assert(reel_is_null(result));
    cr_assert_eq(reel_context_status(c), status, "%s", reel_error(c));
    if (text)
        cr_assert_str_eq(reel_error(c), text);
    reel_clear_error(c);
}

#endif
