/* At its peak a training step holds little more than it must: params and buffers, their gradients, the optimizers'
 * states, and what is live by last use when most of it is. By count of the allocator, from the context's first
 * allocation on. */
#include "core/params.h"
#include "core/tape.h"
#include "gan.h"
#include "support/check.h"

#include <string.h>

enum { BATCH = 64, STEPS = 5 };
static const double most = 1.05;

/* ---- What it must hold ---- */

static size_t bytes_of(const reel_array *a)
{
    return (size_t)a->numel * reel_dtype_size(a->dtype);
}

/* Params and buffers, gradients, and Adam's moments. */
static size_t held_by(const reel_params *params)
{
    size_t bytes = 0;
    for (int64_t i = 0; i < params->count; i++) {
        const reel_param *p = params->params[i];
        bytes += (p->kind == REEL_PARAM_TRAINED ? 4 : 1) * (size_t)p->numel * reel_dtype_size(p->dtype);
    }
    return bytes;
}

/* A step's moments, in order: each forward operation has the number of its first output; after those up to the root of
 * a backward pass come its rules, from the root down. What is live in each: an output from its operation to the last
 * one that reads it, rules included; a gradient from the first rule that adds to it to the rule that takes it. */
enum { MOST_VARS = 1024, MOST_PASSES = 4 };

struct pass {
    int64_t root; /* the pass runs when this var and all before it are there */
    const reel_params *params;
};

static size_t live[MOST_VARS * (1 + MOST_PASSES)];

static void add_live(size_t bytes, int64_t from, int64_t to)
{
    for (int64_t m = from; m <= to; m++)
        live[m] += bytes;
}

/* The var whose memory a var has: itself, or an earlier one; -1 when it is not the tape's. */
static int64_t owner(const reel_tape *tape, int64_t number)
{
    const struct reel_node *node = tape->nodes[number];
    for (int64_t i = 0; i < number; i++)
        if (tape->nodes[i]->array.data == node->array.data)
            return tape->nodes[i]->call ? i : -1;
    return node->call ? number : -1;
}

/* The moment of a forward operation, and that of var i's rule in a pass. */
static int64_t moment(const struct pass *passes, int n, int64_t number)
{
    int64_t m = number;
    for (int p = 0; p < n && passes[p].root < number; p++)
        m += passes[p].root + 1;
    return m;
}

static int64_t rule_moment(const struct pass *passes, int p, int64_t number)
{
    return moment(passes, p, passes[p].root) + 1 + passes[p].root - number;
}

static size_t largest_sum(const reel_tape *tape, const struct pass *passes, int n)
{
    static int64_t last_use[MOST_VARS];
    static bool needed[MOST_VARS], reached[MOST_VARS];
    CHECK(tape->count < MOST_VARS && n <= MOST_PASSES, "%lld vars", (long long)tape->count);
    memset(live, 0, sizeof live);
    for (int64_t i = 0; i < tape->count; i++) {
        last_use[i] = moment(passes, n, i);
        for (int k = 0; tape->nodes[i]->call && k < tape->nodes[i]->call->n_inputs; k++)
            if (owner(tape, tape->nodes[i]->call->inputs[k].number) >= 0)
                last_use[owner(tape, tape->nodes[i]->call->inputs[k].number)] = last_use[i];
    }
    for (int p = 0; p < n; p++) {
        memset(reached, 0, sizeof reached);
        reached[passes[p].root] = true;
        for (int64_t i = 0; i <= passes[p].root; i++) {
            const struct reel_node *node = tape->nodes[i];
            needed[i] = node->is_param && node->param->set == passes[p].params;
            for (int k = 0; node->call && k < node->call->n_inputs; k++)
                needed[i] = needed[i] || needed[node->call->inputs[k].number];
        }
        for (int64_t i = passes[p].root; i >= 0; i--) {
            const reel_call *call = tape->nodes[i]->call;
            if (!call || !needed[i] || !reached[i])
                continue;
            int64_t now = rule_moment(passes, p, i);
            if (owner(tape, i) >= 0)
                last_use[owner(tape, i)] = now;
            for (int k = 0; k < call->n_inputs; k++) {
                int64_t in = call->inputs[k].number;
                if (owner(tape, in) >= 0 && reel_op_says(call->op, call->op->reads_inputs, k))
                    last_use[owner(tape, in)] = now;
                if (needed[in] && !reached[in]) {
                    reached[in] = true;
                    if (!tape->nodes[in]->is_param)
                        add_live(bytes_of(&tape->nodes[in]->array), now, rule_moment(passes, p, in));
                }
            }
        }
    }
    for (int64_t i = 0; i < tape->count; i++)
        if (owner(tape, i) == i)
            add_live(bytes_of(&tape->nodes[i]->array), moment(passes, n, i), last_use[i]);
    size_t largest = 0;
    for (size_t m = 0; m < sizeof live / sizeof *live; m++)
        largest = live[m] > largest ? live[m] : largest;
    return largest;
}

static void report(const char *what, reel_context *c, size_t held, size_t largest)
{
    size_t peak = reel_memory(c).peak_bytes;
    double ratio = (double)peak / (double)(held + largest);
    printf("%s: params, gradients and states %zu bytes, most live at once %zu; peak %zu, %.3f times their sum\n", what,
           held, largest, peak, ratio);
    CHECK(ratio > 1 && ratio <= most, "%s: the peak is %.3f times what must be there, %g is the most", what, ratio,
          most);
}

/* ---- The step of bench/workloads/gan.cpp, the generator's in a scope ---- */

struct scene {
    reel_context *c;
    reel_tape *t;
    struct gan gan;
    reel_optim *generator_adam, *discriminator_adam;
    struct pass passes[2];
    reel_real x[BATCH * 784], z[BATCH * 100], ones[BATCH], zeros[BATCH];
    int64_t y[BATCH], wanted[BATCH];
};

static void start(struct scene *s, int threads)
{
    struct gan_sizes sizes = gan_image_sizes(1e-5, 0.4);
    reel_context_options options = reel_context_defaults();
    options.num_threads = threads;
    s->c = reel_context_new(&options);
    s->t = reel_tape_new(s->c);
    s->gan = gan_new(s->c, &sizes);
    reel_adam_options adam = reel_adam_defaults();
    adam.lr = 2e-4;
    adam.beta1 = 0.5;
    s->generator_adam = reel_adam_new(s->gan.generator, &adam);
    s->discriminator_adam = reel_adam_new(s->gan.discriminator, &adam);
    for (int i = 0; i < BATCH * 784; i++)
        s->x[i] = (reel_real)(i % 13) / 13;
    for (int i = 0; i < BATCH * 100; i++)
        s->z[i] = (reel_real)(i % 7) - 3;
    for (int i = 0; i < BATCH; i++) {
        s->ones[i] = 1;
        s->y[i] = i % 10;
        s->wanted[i] = i % 9;
    }
    CHECK(reel_context_status(s->c) == REEL_OK, "%s", reel_error(s->c));
}

/* Up to the reset. */
static void step(struct scene *s, bool scoped)
{
    reel_tape *t = s->t;
    struct gan *gan = &s->gan;
    reel_var x = reel_borrow(t, s->x, REEL_SHAPE(BATCH, 784)), z = reel_borrow(t, s->z, REEL_SHAPE(BATCH, 100));
    reel_var y = reel_borrow_of(t, REEL_INT64, s->y, REEL_SHAPE(BATCH));
    reel_var wanted = reel_borrow_of(t, REEL_INT64, s->wanted, REEL_SHAPE(BATCH));
    reel_var ones = reel_borrow(t, s->ones, REEL_SHAPE(BATCH, 1));
    reel_var zeros = reel_borrow(t, s->zeros, REEL_SHAPE(BATCH, 1));

    if (scoped)
        reel_scope_begin(t);
    reel_var made = gan_generate(t, gan, z, wanted);
    reel_var loss = reel_bce_with_logits_loss(t, gan_discriminate(t, gan, made, wanted), ones);
    reel_zero_grad(gan->generator);
    reel_backward(t, loss, gan->generator);
    s->passes[0] = (struct pass){loss.number, gan->generator};
    reel_optim_step(s->generator_adam);
    if (scoped)
        reel_scope_end(t, &made, 1);

    reel_var real = reel_bce_with_logits_loss(t, gan_discriminate(t, gan, x, y), ones);
    made = reel_detach(t, made);
    reel_var invented = reel_bce_with_logits_loss(t, gan_discriminate(t, gan, made, wanted), zeros);
    loss = reel_mul_scalar(t, reel_add(t, real, invented), 0.5);
    reel_zero_grad(gan->discriminator);
    reel_backward(t, loss, gan->discriminator);
    s->passes[1] = (struct pass){loss.number, gan->discriminator};
    reel_optim_step(s->discriminator_adam);
    CHECK(reel_context_status(s->c) == REEL_OK, "%s", reel_error(s->c));
}

static void stop(struct scene *s)
{
    reel_optim_free(s->generator_adam);
    reel_optim_free(s->discriminator_adam);
    gan_free(&s->gan);
    reel_tape_free(s->t);
    reel_context_free(s->c);
}

static void cgan(int threads)
{
    static struct scene s;
    start(&s, threads);
    step(&s, false);
    size_t largest = largest_sum(s.t, s.passes, 2);
    stop(&s);
    start(&s, threads);
    for (int i = 0; i < STEPS; i++) {
        step(&s, true);
        reel_tape_reset(s.t);
    }
    report(threads == 1 ? "cgan" : "cgan, 2 threads", s.c, held_by(s.gan.generator) + held_by(s.gan.discriminator),
           largest);
    stop(&s);
}

/* ---- 24 wide layers: nearly all is activations ---- */

static void mlp(void)
{
    enum { LAYERS = 24, ROWS = 4096, WIDTH = 256 };
    static reel_real x[ROWS * WIDTH];
    reel_context_options options = reel_context_defaults();
    options.num_threads = 1;
    reel_context *c = reel_context_new(&options);
    reel_tape *t = reel_tape_new(c);
    reel_params *params = reel_params_new(c);
    reel_module *layers[LAYERS];
    reel_linear_options linear = reel_linear_defaults();
    linear.activation = REEL_ACTIVATION_RELU;
    for (int i = 0; i < LAYERS; i++) {
        char name[16];
        snprintf(name, sizeof name, "fc%d", i);
        layers[i] = reel_linear_new(params, name, WIDTH, WIDTH, &linear);
    }
    for (int i = 0; i < ROWS * WIDTH; i++)
        x[i] = (reel_real)(i % 13) / 13;
    reel_optim *adam = reel_adam_new(params, NULL);
    size_t largest = 0;
    for (int i = 0; i < STEPS; i++) {
        reel_var h = reel_borrow(t, x, REEL_SHAPE(ROWS, WIDTH));
        for (int k = 0; k < LAYERS; k++)
            h = reel_forward(t, layers[k], h);
        reel_var loss = reel_mean_all(t, reel_square(t, h));
        reel_zero_grad(params);
        reel_backward(t, loss, params);
        reel_optim_step(adam);
        if (i == 0)
            largest = largest_sum(t, &(struct pass){loss.number, params}, 1);
        CHECK(reel_tape_reset(t) == REEL_OK, "the step of the 24 layers failed");
    }
    report("24 layers, 4,096 x 256", c, held_by(params), largest);
    reel_optim_free(adam);
    reel_params_free(params);
    reel_tape_free(t);
    reel_context_free(c);
}

int main(void)
{
    cgan(1);
    cgan(2);
    mlp();
    return 0;
}
