/* A first loop: a small network learns the sine from noisy points. One sees the loss fall, and then what was learned
 * (*) over the true curve (.), which it covers. */
#include <reel/reel.h>
#include <stdio.h>
#include <string.h>

static const double pi = 3.14159265358979323846;

static reel_var network(reel_tape *t, reel_module *hidden, reel_module *out, reel_var x)
{
    return reel_forward(t, out, reel_tanh(t, reel_forward(t, hidden, x)));
}

/* Marks the values of y, which lie in -1..1, in columns of a picture. */
enum { COLUMNS = 61, ROWS = 17 };
static void mark(char picture[ROWS][COLUMNS + 1], const reel_real *y, char with)
{
    for (int i = 0; i < COLUMNS; i++) {
        int row = (int)((1 - y[i] / 1.1) / 2 * (ROWS - 1) + 0.5);
        picture[row < 0 ? 0 : row >= ROWS ? ROWS - 1 : row][i] = with;
    }
}

int main(void)
{
    reel_context *c = reel_context_new(NULL);
    reel_tape *t = reel_tape_new(c);
    reel_params *p = reel_params_new(c);
    reel_module *hidden = reel_linear_new(p, "hidden", 1, 32, NULL);
    reel_module *out = reel_linear_new(p, "out", 32, 1, NULL);
    REEL_OPTIONS(adam, o, o.lr = 0.01);
    reel_optim *adam = reel_adam_new(p, &o);

    for (int step = 0; step <= 2000; step++) {
        reel_var x = reel_mul_scalar(t, reel_sub_scalar(t, reel_rand(t, REEL_SHAPE(64, 1)), 0.5), 2 * pi);
        reel_var noise = reel_mul_scalar(t, reel_randn(t, REEL_SHAPE(64, 1)), 0.1);
        reel_var loss = reel_mse_loss(t, network(t, hidden, out, x), reel_add(t, reel_sin(t, x), noise));
        reel_zero_grad(p);
        if (reel_backward(t, loss, p) || reel_optim_step(adam))
            break;
        if (step % 500 == 0)
            printf("step %4d  loss %.4f\n", step, reel_item(t, loss));
        reel_tape_reset(t); /* everything made in the step is gone; params stay */
    }

    char picture[ROWS][COLUMNS + 1];
    memset(picture, ' ', sizeof picture);
    reel_var x = reel_reshape(t, reel_arange(t, -pi, pi + 0.01, 2 * pi / (COLUMNS - 1)), REEL_SHAPE(COLUMNS, 1));
    reel_var truth = reel_sin(t, x), learned = network(t, hidden, out, x);
    double distance = reel_item(t, reel_mse_loss(t, learned, truth));
    if (reel_context_status(c)) { /* the first error of all the calls above */
        fprintf(stderr, "first_loop: %s\n", reel_error(c));
        return 1;
    }
    mark(picture, reel_data_real(t, truth), '.');
    mark(picture, reel_data_real(t, learned), '*');
    for (int row = 0; row < ROWS; row++)
        printf("%.*s\n", COLUMNS, picture[row]);
    printf("mean squared distance to the sine %.5f\n", distance);

    reel_optim_free(adam);
    reel_params_free(p);
    reel_tape_free(t);
    reel_context_free(c);
    return distance < 0.005 ? 0 : 1;
}
