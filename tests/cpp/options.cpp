// Options in one line, in C++17.
#include "support/check.h"

#include <reel/reel.h>

int main()
{
    reel_context *c = reel_context_new(nullptr);
    reel_params *p = reel_params_new(c);
    REEL_OPTIONS(adam, o, o.lr = 2e-4, o.beta1 = 0.5);
    CHECK(o.lr == 2e-4 && o.beta1 == 0.5 && o.beta2 == 0.999, "lr %g, betas %g and %g", o.lr, o.beta1, o.beta2);
    reel_optim *adam = reel_adam_new(p, &o);
    CHECK(adam, "%s", reel_error(c));
    reel_adam_options unmarked{};
    unmarked.lr = 2e-4;
    CHECK(!reel_adam_new(p, &unmarked) && reel_context_status(c) == REEL_ERROR_ARGUMENT, "%s", reel_error(c));
    reel_optim_free(adam);
    reel_params_free(p);
    reel_context_free(c);
    return 0;
}
