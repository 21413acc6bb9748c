/* A layer of your own, made of others: a residual block, y = x + fc2(relu(fc1(norm(x)))). Two of them tell two spirals
 * apart. One sees the params that the blocks brought, by the names that state_dict would give them, the share of points
 * that are told apart, and a picture of which places the network gives to which spiral. */
#include <reel/reel.h>
#include <math.h>
#include <stdio.h>

/* ---- The layer ---- */

static void block_forward(reel_tape *t, reel_module *block, const reel_var *inputs, reel_var *outputs, void *user)
{
    (void)user;
    reel_var h = reel_forward(t, reel_module_at(block, 0), inputs[0]);
    h = reel_relu(t, reel_forward(t, reel_module_at(block, 1), h));
    outputs[0] = reel_add(t, inputs[0], reel_forward(t, reel_module_at(block, 2), h));
}

/* x [..., width] -> the same shape. Names of its params begin with `name`; freed with the set, like every module. */
static reel_module *block_new(reel_params *p, const char *name, int64_t width, int64_t hidden)
{
    reel_params_enter(p, name);
    reel_module *norm = reel_layer_norm_new(p, "norm", REEL_SHAPE(width), NULL);
    reel_module *fc1 = reel_linear_new(p, "fc1", width, hidden, NULL);
    reel_module *fc2 = reel_linear_new(p, "fc2", hidden, width, NULL);
    reel_params_leave(p, name);
    reel_module *parts[] = {norm, fc1, fc2};
    REEL_OPTIONS(module, o, o.modules = parts, o.n_modules = 3);
    return reel_module_new(p, name, block_forward, NULL, &o);
}

/* ---- The spirals ---- */

enum { POINTS = 200, WIDTH = 16, STEPS = 300, COLUMNS = 60, ROWS = 24 };
static const double size = 1.2;

static void make_spirals(reel_real *x, int64_t *spiral)
{
    for (int i = 0; i < POINTS; i++) {
        double turn = (double)(i / 2) / (POINTS / 2), angle = 9 * turn + (i % 2) * 3.14159265;
        spiral[i] = i % 2;
        x[2 * i] = (reel_real)((turn + 0.1) * cos(angle));
        x[2 * i + 1] = (reel_real)((turn + 0.1) * sin(angle));
    }
}

static void draw(reel_tape *t, reel_module *network)
{
    static reel_real at[ROWS * COLUMNS * 2];
    for (int i = 0; i < ROWS * COLUMNS; i++) {
        at[2 * i] = (reel_real)((2.0 * (i % COLUMNS) / (COLUMNS - 1) - 1) * size);
        at[2 * i + 1] = (reel_real)((1 - 2.0 * (i / COLUMNS) / (ROWS - 1)) * size);
    }
    reel_no_grad_begin(t);
    reel_var scores = reel_forward(t, network, reel_borrow(t, at, REEL_SHAPE(ROWS * COLUMNS, 2)));
    const int64_t *best = reel_data_int64(t, reel_argmax(t, scores, 1, false));
    for (int i = 0; i < ROWS * COLUMNS && best; i++)
        printf("%c%s", best[i] ? '#' : '.', i % COLUMNS == COLUMNS - 1 ? "\n" : "");
    reel_tape_reset(t);
}

int main(void)
{
    static reel_real x[POINTS * 2];
    static int64_t spiral[POINTS];
    make_spirals(x, spiral);

    reel_context *c = reel_context_new(NULL);
    reel_tape *t = reel_tape_new(c);
    reel_params *p = reel_params_new(c);
    reel_module *in = reel_linear_new(p, "in", 2, WIDTH, NULL);
    reel_module *block1 = block_new(p, "block1", WIDTH, 2 * WIDTH);
    reel_module *block2 = block_new(p, "block2", WIDTH, 2 * WIDTH);
    reel_module *out = reel_linear_new(p, "out", WIDTH, 2, NULL);
    reel_module *network = reel_sequential_new(p, REEL_MODULES(in, block1, block2, out));
    for (int i = 0; i < reel_params_count(p); i++)
        printf("%s%s", reel_param_name(reel_params_at(p, i)), i % 8 == 7 || i == reel_params_count(p) - 1 ? "\n" : " ");

    REEL_OPTIONS(adamw, o, o.lr = 3e-3);
    reel_optim *adamw = reel_adamw_new(p, &o);
    double accuracy = 0;
    for (int step = 1; step <= STEPS; step++) {
        reel_var target = reel_borrow_of(t, REEL_INT64, spiral, REEL_SHAPE(POINTS));
        reel_var scores = reel_forward(t, network, reel_borrow(t, x, REEL_SHAPE(POINTS, 2)));
        reel_var loss = reel_cross_entropy_loss(t, scores, target);
        reel_zero_grad(p);
        if (reel_backward(t, loss, p) || reel_optim_step(adamw))
            break;
        if (step % 100 == 0) {
            accuracy = reel_accuracy(t, reel_argmax(t, scores, 1, false), target);
            printf("step %4d  loss %.4f  told apart %.1f %%\n", step, reel_item(t, loss), 100 * accuracy);
        }
        reel_tape_reset(t);
    }
    if (!reel_context_status(c))
        draw(t, network);
    if (reel_context_status(c)) {
        fprintf(stderr, "own_layer: %s\n", reel_error(c));
        return 1;
    }
    reel_optim_free(adamw);
    reel_params_free(p);
    reel_tape_free(t);
    reel_context_free(c);
    return accuracy > 0.99 ? 0 : 1;
}
