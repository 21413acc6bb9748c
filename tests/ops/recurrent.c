/* The third order of sequences, whose gradients are operations of their own with rules in plain operations. */
#include "support/fixture.h"

TestSuite(recurrent, .init = set_up, .fini = tear_down);

enum { MOST_INPUTS = 5, MOST_ELEMENTS = 32 };

/* Gradients of a sequence, so that their second derivatives are of the third and fourth order. */
static reel_var gradients_of_tanh(reel_tape *tape, const reel_var *inputs, int n, void *user)
{
    reel_var cells = reel_null(), g[MOST_INPUTS], y;
    (void)user;
    if (n == 4)
        y = reel_gru(tape, inputs[0], inputs[1], inputs[2], inputs[3]);
    else
        y = reel_lstm(tape, inputs[0], inputs[1], inputs[2], inputs[3], inputs[4], &cells);
    reel_var sum = reel_sum_all(tape, reel_tanh(tape, y));
    if (n == 5)
        sum = reel_add(tape, sum, reel_sum_all(tape, reel_sin(tape, cells)));
    if (reel_grad(tape, sum, inputs, n, REEL_GRAD_CREATE_GRAPH, g) != REEL_OK)
        return reel_null();
    for (int i = 0; i < n; i++)
        g[i] = reel_flatten(tape, g[i], 0, -1);
    return reel_cat(tape, g, n, 0);
}

Test(recurrent, third_order)
{
    if (sizeof(reel_real) < sizeof(double))
        cr_skip("differences of this order need double");
    const reel_shape of_gru[] = {REEL_SHAPE(2, 2, 6), REEL_SHAPE(2, 2), REEL_SHAPE(6, 2), REEL_SHAPE(6)},
                     of_lstm[] = {REEL_SHAPE(2, 2, 8), REEL_SHAPE(2, 2), REEL_SHAPE(2, 2), REEL_SHAPE(8, 2),
                                  REEL_SHAPE(8)};
    for (int n = 4; n <= 5; n++) {
        reel_real values[MOST_INPUTS][MOST_ELEMENTS];
        reel_gradcheck_input inputs[MOST_INPUTS];
        for (int k = 0; k < n; k++) {
            inputs[k] = (reel_gradcheck_input){values[k], REEL_REAL, n == 4 ? of_gru[k] : of_lstm[k], false};
            for (int i = 0; i < MOST_ELEMENTS; i++)
                values[k][i] = (reel_real)((37 * i + 19 * k + 5) % 64) / 32 - 1;
        }
        cr_expect_eq(reel_gradcheck(c, gradients_of_tanh, NULL, inputs, n, NULL), REEL_OK, "%s", reel_error(c));
        cr_expect_eq(reel_gradgradcheck(c, gradients_of_tanh, NULL, inputs, n, NULL), REEL_OK, "%s", reel_error(c));
    }
}
