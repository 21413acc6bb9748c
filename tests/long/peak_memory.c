/* At its peak the cgan step holds at most a tenth more than it must: params and buffers, their gradients, the
 * optimizers' states, every output recorded since the reset, and two gradients on their way down. By count of the
 * allocator, from the context's first allocation on. */
#include "core/params.h"
#include "core/tape.h"
#include "gan.h"
#include "support/check.h"

enum { BATCH = 64, STEPS = 5 };
static const double most = 1.1;

/* ---- What it must hold ---- */

struct need {
    size_t params, gradients, states, outputs, largest[2];
};

static void add_params(struct need *need, const reel_params *params)
{
    for (int64_t i = 0; i < params->count; i++) {
        const reel_param *p = params->params[i];
        size_t bytes = (size_t)p->numel * reel_dtype_size(p->dtype);
        need->params += bytes;
        if (p->kind == REEL_PARAM_TRAINED) {
            need->gradients += bytes;
            need->states += 2 * bytes; /* Adam's moments */
        }
    }
}

/* Whether the var's elements are those of an earlier one, or a param's. */
static bool is_alias(const reel_tape *tape, int64_t number)
{
    const struct reel_node *node = tape->nodes[number];
    for (int64_t i = 0; i < number; i++)
        if (tape->nodes[i]->array.data == node->array.data)
            return true;
    return node->param;
}

static void add_outputs(struct need *need, const reel_tape *tape)
{
    for (int64_t i = 0; i < tape->count; i++) {
        const reel_array *a = &tape->nodes[i]->array;
        size_t bytes = (size_t)a->numel * reel_dtype_size(a->dtype);
        if (!tape->nodes[i]->call || is_alias(tape, i))
            continue;
        need->outputs += bytes;
        size_t *largest = need->largest;
        if (bytes > largest[0]) {
            largest[1] = largest[0];
            largest[0] = bytes;
        } else if (bytes > largest[1]) {
            largest[1] = bytes;
        }
    }
}

/* ---- The step of bench/workloads/gan.cpp ---- */

struct scene {
    reel_context *c;
    reel_tape *t;
    struct gan gan;
    reel_optim *generator_adam, *discriminator_adam;
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
static void step(struct scene *s)
{
    reel_tape *t = s->t;
    struct gan *gan = &s->gan;
    reel_var x = reel_borrow(t, s->x, REEL_SHAPE(BATCH, 784)), z = reel_borrow(t, s->z, REEL_SHAPE(BATCH, 100));
    reel_var y = reel_borrow_of(t, REEL_INT64, s->y, REEL_SHAPE(BATCH));
    reel_var wanted = reel_borrow_of(t, REEL_INT64, s->wanted, REEL_SHAPE(BATCH));
    reel_var ones = reel_borrow(t, s->ones, REEL_SHAPE(BATCH, 1));
    reel_var zeros = reel_borrow(t, s->zeros, REEL_SHAPE(BATCH, 1));

    reel_var made = gan_generate(t, gan, z, wanted);
    reel_var loss = reel_bce_with_logits_loss(t, gan_discriminate(t, gan, made, wanted), ones);
    reel_zero_grad(gan->generator);
    reel_backward(t, loss, gan->generator);
    reel_optim_step(s->generator_adam);

    reel_var real = reel_bce_with_logits_loss(t, gan_discriminate(t, gan, x, y), ones);
    made = reel_detach(t, made);
    reel_var invented = reel_bce_with_logits_loss(t, gan_discriminate(t, gan, made, wanted), zeros);
    loss = reel_mul_scalar(t, reel_add(t, real, invented), 0.5);
    reel_zero_grad(gan->discriminator);
    reel_backward(t, loss, gan->discriminator);
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

static void run(int threads)
{
    static struct scene s;
    struct need need = {0};
    start(&s, threads);
    for (int i = 0; i < STEPS; i++) {
        step(&s);
        if (i == 0) {
            add_params(&need, s.gan.generator);
            add_params(&need, s.gan.discriminator);
            add_outputs(&need, s.t);
        }
        reel_tape_reset(s.t);
    }
    size_t gradients = need.largest[0] + need.largest[1];
    size_t must = need.params + need.gradients + need.states + need.outputs + gradients;
    size_t peak = reel_memory(s.c).peak_bytes;
    double ratio = (double)peak / (double)must;
    printf(
        "cgan, threads %d: params %zu, gradients %zu, optimizers %zu, outputs %zu, two gradients %zu: %zu bytes; peak "
        "%zu, %.3f times that\n",
        threads, need.params, need.gradients, need.states, need.outputs, gradients, must, peak, ratio);
    CHECK(ratio > 1 && ratio <= most, "the peak is %.3f times what must be there, %g is the most", ratio, most);
    stop(&s);
}

int main(void)
{
    run(1);
    run(2);
    return 0;
}
