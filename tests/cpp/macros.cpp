// The macros of shapes, lists and options mean in C++17 what they mean in C.
#include "support/check.h"

#include <reel/reel.h>

int main()
{
    reel_context *c = reel_context_new(nullptr);
    reel_tape *t = reel_tape_new(c);
    reel_params *p = reel_params_new(c);

    int rows = 2;
    size_t columns = 3;
    reel_shape shape = REEL_SHAPE(rows, columns, 1);
    CHECK(shape.ndim == 3 && shape.dim[0] == 2 && shape.dim[1] == 3 && shape.dim[2] == 1, "a shape of %d axes",
          shape.ndim);
    CHECK(REEL_SCALAR.ndim == 0, "a scalar of %d axes", REEL_SCALAR.ndim);
    reel_var a = reel_ones(t, shape), b = reel_ones(t, REEL_SHAPE(2, 4, 1));
    CHECK(reel_numel(t, reel_cat(t, REEL_VARS(a, b), 1)) == 14, "%s", reel_error(c));
    reel_var sums = reel_sum(t, a, REEL_AXES(0, 2), false);
    CHECK(reel_numel(t, sums) == 3 && reel_data_real(t, sums)[2] == 2, "%s", reel_error(c));
    reel_module *first = reel_linear_new(p, "first", 1, 5, nullptr), *second = reel_tanh_new(p);
    reel_module *line = reel_sequential_new(p, REEL_MODULES(first, second));
    CHECK(reel_numel(t, reel_forward(t, line, a)) == 30, "%s", reel_error(c));

    REEL_OPTIONS(adam, o, o.lr = 2e-4, o.beta1 = 0.5);
    CHECK(o.lr == 2e-4 && o.beta1 == 0.5 && o.beta2 == 0.999, "lr %g, betas %g and %g", o.lr, o.beta1, o.beta2);
    reel_optim *adam = reel_adam_new(p, &o);
    CHECK(adam, "%s", reel_error(c));
    reel_adam_options unmarked{};
    unmarked.lr = 2e-4;
    CHECK(!reel_adam_new(p, &unmarked) && reel_context_status(c) == REEL_ERROR_ARGUMENT, "%s", reel_error(c));

    reel_optim_free(adam);
    reel_tape_free(t);
    reel_params_free(p);
    reel_context_free(c);
    return 0;
}
