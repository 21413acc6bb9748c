/* A program outside the project, in C and in C++: fits a line, and says with how many bits a number. Returns 0 when the
 * line is found. */
#include <reel/reel.h>
#include <stdio.h>

int main(void)
{
    reel_context *c = reel_context_new(NULL);
    if (!c) {
        puts(reel_context_new_error(NULL));
        return 2;
    }
    reel_tape *t = reel_tape_new(c);
    reel_params *p = reel_params_new(c);
    reel_module *line = reel_linear_new(p, "line", 1, 1, NULL);
    reel_adam_options o = reel_adam_defaults();
    o.lr = 0.05;
    reel_optim *adam = reel_adam_new(p, &o);
    double loss = 1;
    for (int step = 0; step < 500 && !reel_context_status(c); step++) {
        reel_var x = reel_rand(t, REEL_SHAPE(128, 1));
        reel_var y = reel_add_scalar(t, reel_mul_scalar(t, x, 2), 1);
        reel_var l = reel_mse_loss(t, reel_forward(t, line, x), y);
        reel_zero_grad(p);
        reel_backward(t, l, p);
        reel_optim_step(adam);
        loss = reel_item(t, l);
        reel_tape_reset(t);
    }
    printf("%d bits, loss %.1e%s%s\n", (int)(8 * sizeof(reel_real)), loss, *reel_error(c) ? ": " : "", reel_error(c));
    reel_optim_free(adam);
    reel_tape_free(t);
    reel_params_free(p);
    reel_context_free(c);
    return !(loss < 1e-3);
}
