/* A chain of a million operations, forward and backward and to second order, in a thread with a stack of 256 KiB. */
#include "support/check.h"

#include <reel/reel.h>

#include <math.h>
#include <pthread.h>

enum { LENGTH = 1000000, STACK = 256 * 1024 };

static void *run(void *user)
{
    (void)user;
    reel_context *c = reel_context_new(NULL);
    reel_tape *t = reel_tape_new(c);
    reel_params *params = reel_params_new(c);
    reel_param *p = reel_param_new(params, "p", REEL_PARAM_TRAINED, REEL_REAL, REEL_SHAPE(16));
    reel_real *data = reel_param_write(p);
    for (int i = 0; i < 16; i++)
        data[i] = (reel_real)(i + 1);

    reel_var x = reel_param_var(t, p);
    for (int i = 0; i < LENGTH; i++)
        x = reel_mul_scalar(t, x, i % 2 ? 0.5 : 2);
    reel_var loss = reel_sum_all(t, x);
    CHECK(fabs(reel_item(t, loss) - 136) < 1e-3, "the sum is %g: %s", reel_item(t, loss), reel_error(c));
    CHECK(reel_backward(t, loss, params) == REEL_OK, "%s", reel_error(c));
    for (int i = 0; i < 16; i++)
        CHECK(reel_param_grad(p)[i] == 1, "gradient %d is %g", i, (double)reel_param_grad(p)[i]);
    printf("chain: %d operations forward and backward on %d KiB of stack\n", LENGTH, STACK / 1024);

    /* The rules recorded as well, and those rules walked back over. */
    reel_tape_reset(t);
    reel_var first = reel_param_var(t, p), grad, second;
    x = reel_square(t, first);
    for (int i = 0; i < LENGTH; i++)
        x = reel_mul_scalar(t, x, i % 2 ? 0.5 : 2);
    CHECK(reel_grad(t, reel_sum_all(t, x), &first, 1, REEL_GRAD_CREATE_GRAPH, &grad) == REEL_OK, "%s", reel_error(c));
    CHECK(reel_grad(t, reel_sum_all(t, grad), &first, 1, 0, &second) == REEL_OK, "%s", reel_error(c));
    CHECK(reel_data_real(t, second)[7] == 2, "the second derivative is %g", (double)reel_data_real(t, second)[7]);
    printf("chain: %d operations to second order on the same\n", LENGTH);

    reel_params_free(params);
    reel_tape_free(t);
    reel_context_free(c);
    return NULL;
}

int main(void)
{
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    CHECK(pthread_attr_setstacksize(&attributes, STACK) == 0, "a stack of %d bytes is not possible", STACK);
    CHECK(pthread_create(&thread, &attributes, run, NULL) == 0, "no thread");
    pthread_join(thread, NULL);
    return 0;
}
