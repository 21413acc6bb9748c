/* Dropout. */
#include "core/sink.h"
#include "kern/dropout.h"
#include "ops/family.h"
#include "ops/pointwise.h"

#include <reel/dropout.h>

struct dropout_attributes {
    double p;
    struct reel_philox_key key;
};

#ifndef REEL_SAMPLES
static reel_status dropout_shape(reel_call *call)
{
    const struct dropout_attributes *a = call->attributes;
    if (reel_expect_real(call, 0, "x") != REEL_OK)
        return call->context->status;
    if (!(a->p >= 0 && a->p <= 1))
        return reel_fail(call->context, REEL_ERROR_ARGUMENT, "dropout: p %g is outside 0..1", a->p);
    call->out[0]->shape = call->in[0]->shape;
    call->out[0]->dtype = REEL_REAL;
    return REEL_OK;
}

static reel_status dropout_forward(reel_call *call)
{
    const struct dropout_attributes *a = call->attributes;
    reel_kern_dropout(call->in[0]->numel, call->in[0]->data, a->p, a->key, false, call->out[0]->data,
                      reel_get_num_threads(call->context));
    return REEL_OK;
}

static reel_var dropout_with(reel_tape *tape, reel_var x, const struct dropout_attributes *attributes);

/* Drawing a mask again is as cheap as reading it back. */
static void dropout_vjp(const reel_call *call, const reel_var *grad_outputs, reel_var *grad_inputs)
{
    grad_inputs[0] = dropout_with(call->tape, grad_outputs[0], call->attributes);
}

static reel_status dropout_accumulate(const reel_call *call, const reel_gradient *grad_outputs, reel_sink *const *sinks)
{
    const struct dropout_attributes *a = call->attributes;
    bool add;
    const reel_real *grad = reel_gradient_contiguous(call, &grad_outputs[0]);
    reel_real *target = grad ? reel_sink_target(sinks[0], &add) : NULL;
    if (!target)
        return call->context->status;
    reel_kern_dropout(call->in[0]->numel, grad, a->p, a->key, add, target, reel_get_num_threads(call->context));
    return REEL_OK;
}

static const reel_op dropout_op = {
    .name = "dropout",
    .n_inputs = 1,
    .n_outputs = 1,
    .differentiable = 1,
    .attributes_size = sizeof(struct dropout_attributes),
    .shape = dropout_shape,
    .forward = dropout_forward,
    .vjp = dropout_vjp,
    .accumulate = dropout_accumulate,
    .cost = reel_pointwise_cost,
};

static reel_var dropout_with(reel_tape *tape, reel_var x, const struct dropout_attributes *attributes)
{
    return reel_apply1(tape, &dropout_op, &x, 1, attributes);
}

reel_var reel_dropout(reel_tape *tape, reel_var x, double p, bool training)
{
    reel_context *c = reel_tape_context(tape);
    if (!c)
        return reel_null();
    if (p == 0 || (!training && p > 0 && p <= 1))
        return x;
    const struct dropout_attributes a = {p, {c->generator.seed, c->philox_draws}};
    reel_var y = dropout_with(tape, x, &a);
    if (!reel_is_null(y))
        c->philox_draws++;
    return y;
}
#else
static const struct dropout_attributes half = {0.5, {1, 2}}, tenth = {0.1, {3, 4}}, everything = {1, {5, 6}},
                                       nothing = {0, {7, 8}}, just_kept = {2477508051 * 0x1p-32, {9, 10}},
                                       too_much = {1.5, {0, 0}}, too_little = {-0.1, {0, 0}};
static const reel_sample dropout_samples[] = {
    GOOD("half", &half, REAL(4, 20)),
    GOOD("a tenth", &tenth, REAL(3, 2, 30)),
    GOOD("one element", &half, SCALAR),
    GOOD("everything", &everything, REAL(5)),
    GOOD("nothing", &nothing, REAL(5)),
    GOOD("the largest draw that stays", &just_kept, REAL(20)),
    GOOD("no elements", &half, REAL(0, 3)),
    REFUSED("p above 1", REEL_ERROR_ARGUMENT, &too_much, REAL(5)),
    REFUSED("p below 0", REEL_ERROR_ARGUMENT, &too_little, REAL(5)),
    REFUSED("integers", REEL_ERROR_DTYPE, &half, INDEX(3, 5)),
};

/* Philox 4x32-10 as in the paper (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"). */
static uint32_t philox_word(uint64_t counter, struct reel_philox_key key, int word)
{
    uint32_t x[4] = {(uint32_t)counter, (uint32_t)(counter >> 32), (uint32_t)key.draw, (uint32_t)(key.draw >> 32)};
    uint32_t k[2] = {(uint32_t)key.seed, (uint32_t)(key.seed >> 32)};
    for (int round = 0; round < 10; round++) {
        uint64_t first = UINT64_C(0xd2511f53) * x[0], second = UINT64_C(0xcd9e8d57) * x[2];
        x[0] = (uint32_t)(second >> 32) ^ x[1] ^ k[0];
        x[1] = (uint32_t)second;
        x[2] = (uint32_t)(first >> 32) ^ x[3] ^ k[1];
        x[3] = (uint32_t)first;
        k[0] += 0x9e3779b9;
        k[1] += 0xbb67ae85;
    }
    return x[word];
}

/* Groups of 64 elements have 16 counters: the first words of all belong to the first 16 elements, and so on. An element
 * stays when its number, as one of 2^32 in [0, 1), is below 1 - p. */
static void dropout_reference(const reel_call *call, const double *const *in, double *const *out)
{
    const struct dropout_attributes *a = call->attributes;
    for (int64_t i = 0; i < call->in[0]->numel; i++) {
        uint32_t number = philox_word((uint64_t)(i / 64 * 16 + i % 16), a->key, (int)(i % 64 / 16));
        if (number * 0x1p-32 < 1 - a->p)
            out[0][i] = in[0][i] / (1 - a->p);
    }
}

SAMPLES(dropout, dropout_samples, .reference = dropout_reference);
#endif

REEL_OP_FAMILY(dropout, ROW(dropout));
