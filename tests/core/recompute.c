/* Segments that are computed again in a backward pass: the bits of the same steps without that, less memory, and what
 * is refused. */
#include "helpers.h"

TestSuite(recompute, .init = set_up, .fini = tear_down);

/* ---- The same bits ---- */

enum { ROWS = 60, FEATURES = 8, BATCH = 6, BLOCKS = 4, STEPS = 5 };

enum way { PLAIN, SEGMENTS, NESTED };

/* A network whose blocks draw masks and noise, move running statistics, use their input several times and a var from
 * outside, and look rows up. */
struct net {
    enum way way;
    reel_params *params;
    reel_module *table, *linear[BLOCKS], *norm[BLOCKS], *shared;
    reel_var indices, outside;
};

/* A block of a net, for a segment. */
static struct place {
    struct net *net;
    int block;
} places[BLOCKS];

static void block(reel_tape *tape, const reel_var *inputs, reel_var *outputs, void *user)
{
    const struct place *p = user;
    struct net *n = p->net;
    reel_var x = inputs[0];
    reel_var h = reel_relu(tape, reel_forward(tape, n->norm[p->block], reel_forward(tape, n->linear[p->block], x)));
    h = reel_dropout(tape, h, 0.4, true);
    reel_var noise = reel_randn(tape, REEL_SHAPE(BATCH, FEATURES));
    h = reel_add(tape, h, reel_mul(tape, x, reel_mul_scalar(tape, noise, 0.1)));
    h = reel_add(tape, h, reel_mul(tape, x, n->outside));
    /* Row-sparse gradients of a table that every block reads, by indices that are made here and gone afterwards. */
    reel_var moved = reel_add(tape, n->indices, reel_full_int64(tape, REEL_SHAPE(1), p->block));
    moved = reel_remainder(tape, moved, reel_full_int64(tape, REEL_SHAPE(1), ROWS));
    h = reel_add(tape, h, reel_forward(tape, n->table, moved));
    outputs[0] = reel_add(tape, x, reel_forward(tape, n->shared, h));
    outputs[1] = reel_mean_all(tape, reel_square(tape, h));
}

static void run_block(reel_tape *tape, enum way way, struct place *p, reel_var *x, reel_var *penalty)
{
    reel_var outputs[2] = {reel_null(), reel_null()};
    if (way == PLAIN)
        block(tape, x, outputs, p);
    else
        reel_recompute(tape, block, p, x, 1, outputs, 2);
    *x = outputs[0];
    *penalty = reel_is_null(*penalty) ? outputs[1] : reel_add(tape, *penalty, outputs[1]);
}

static void two_blocks(reel_tape *tape, const reel_var *inputs, reel_var *outputs, void *user)
{
    struct place *p = user;
    outputs[0] = inputs[0];
    run_block(tape, p->net->way, p, &outputs[0], &outputs[1]);
    run_block(tape, p->net->way, p + 1, &outputs[0], &outputs[1]);
}

static void net_new(struct net *n, reel_params *set, enum way way)
{
    REEL_OPTIONS(embedding, o, o.sparse = true);
    n->way = way;
    n->params = set;
    n->table = reel_embedding_new(set, "table", ROWS, FEATURES, &o);
    n->shared = reel_linear_new(set, "shared", FEATURES, FEATURES, NULL);
    for (int i = 0; i < BLOCKS; i++) {
        char name[16];
        snprintf(name, sizeof name, "fc%d", i);
        n->linear[i] = reel_linear_new(set, name, FEATURES, FEATURES, NULL);
        snprintf(name, sizeof name, "norm%d", i);
        n->norm[i] = reel_batch_norm1d_new(set, name, FEATURES, NULL);
        places[i] = (struct place){n, i};
    }
}

static reel_var net_loss(struct net *n, reel_tape *tape, reel_var *x)
{
    n->indices = reel_randint(tape, 0, ROWS, REEL_SHAPE(BATCH));
    n->outside = reel_randn(tape, REEL_SHAPE(BATCH, FEATURES));
    *x = reel_add(tape, reel_forward(tape, n->table, n->indices), reel_randn(tape, REEL_SHAPE(BATCH, FEATURES)));
    reel_var h = *x, penalty = reel_null();
    for (int i = 0; i < BLOCKS; i += n->way == NESTED ? 2 : 1) {
        if (n->way == NESTED) {
            reel_var outputs[2];
            reel_recompute(tape, two_blocks, &places[i], &h, 1, outputs, 2);
            h = outputs[0];
            penalty = reel_is_null(penalty) ? outputs[1] : reel_add(tape, penalty, outputs[1]);
        } else {
            run_block(tape, n->way, &places[i], &h, &penalty);
        }
    }
    reel_var after = reel_dropout(tape, h, 0.5, true);
    return reel_add(tape, reel_mean_all(tape, reel_square(tape, after)), reel_mul_scalar(tape, penalty, 0.1));
}

enum { MOST = 40000 };

/* All that a run leaves: losses, gradients of vars, params, buffers, and what is drawn next. */
struct trace {
    size_t size;
    unsigned char bytes[MOST];
};

static void note(struct trace *to, const void *data, size_t size)
{
    cr_assert(data && to->size + size <= MOST, "%s", reel_error(c));
    memcpy(to->bytes + to->size, data, size);
    to->size += size;
}

static void note_var(struct trace *to, reel_tape *tape, reel_var v)
{
    note(to, reel_data(tape, v), (size_t)reel_numel(tape, v) * sizeof(reel_real));
}

static void note_params(struct trace *to, reel_params *set)
{
    for (int i = 0; i < reel_params_count(set); i++) {
        reel_param *p = reel_params_at(set, i);
        note(to, reel_param_data(p), (size_t)p->numel * reel_dtype_size(p->dtype));
    }
}

static void note_draws(struct trace *to, reel_tape *tape)
{
    unsigned char state[REEL_RNG_STATE_SIZE];
    cr_assert_eq(reel_get_rng_state(reel_tape_context(tape), state), REEL_OK);
    note(to, state, sizeof state);
    note_var(to, tape, reel_dropout(tape, reel_ones(tape, REEL_SHAPE(100)), 0.5, true));
}

static void expect_same_trace(const struct trace *a, const struct trace *b, const char *what)
{
    cr_assert_eq(a->size, b->size);
    for (size_t i = 0; i < a->size; i++)
        cr_assert_eq(a->bytes[i], b->bytes[i], "%s: byte %d of %d", what, (int)i, (int)a->size);
}

static void train(enum way way, bool frozen, bool watched, struct trace *to)
{
    to->size = 0;
    reel_manual_seed(c, 7);
    reel_params *set = reel_params_new(c);
    struct net n;
    net_new(&n, set, way);
    if (frozen)
        for (int i = 0; i < reel_params_count(set); i += 3)
            if (reel_params_at(set, i)->kind == REEL_PARAM_TRAINED)
                reel_param_set_kind(reel_params_at(set, i), REEL_PARAM_FROZEN);
    reel_set_detect_anomaly(c, watched);
    reel_optim *adam = reel_adam_new(set, NULL);
    for (int step = 0; step < STEPS; step++) {
        reel_var x, loss = net_loss(&n, t, &x);
        reel_zero_grad(set);
        cr_assert_eq(reel_backward(t, loss, set), REEL_OK, "%s", reel_error(c));
        if (step == 2)
            cr_assert_eq(reel_backward(t, loss, set), REEL_OK, "%s", reel_error(c));
        cr_assert_eq(reel_optim_step(adam), REEL_OK, "%s", reel_error(c));
        note_var(to, t, loss);
        cr_assert_eq(reel_tape_reset(t), REEL_OK);
    }
    note_params(to, set);
    note_draws(to, t);
    reel_set_detect_anomaly(c, false);
    reel_tape_reset(t);
    reel_optim_free(adam);
    reel_params_free(set);
}

Test(recompute, a_training_has_the_bits_of_one_without)
{
    static struct trace want, got;
    for (int k = 0; k < 6; k++) {
        bool frozen = k % 2, watched = k / 2 == 1;
        cr_assert_eq(reel_set_num_threads(c, k / 2 == 2 ? 3 : 1), REEL_OK);
        train(PLAIN, frozen, watched, &want);
        train(SEGMENTS, frozen, watched, &got);
        expect_same_trace(&want, &got, "segments");
        train(NESTED, frozen, watched, &got);
        expect_same_trace(&want, &got, "nested segments");
    }
}

/* Gradients of the loss by x, a var from outside and params, and of the squares of those by the same. */
static void differentiate(enum way way, struct trace *first, struct trace *second)
{
    first->size = second->size = 0;
    reel_manual_seed(c, 8);
    reel_params *set = reel_params_new(c);
    struct net n;
    net_new(&n, set, way);
    reel_var x, loss = net_loss(&n, t, &x), grads[4];
    reel_var xs[] = {x, n.outside, reel_param_var(t, reel_params_find(set, "fc1.weight")),
                     reel_param_var(t, reel_params_find(set, "table.weight"))};
    for (unsigned flags = 0; flags < 2; flags++) {
        cr_assert_eq(reel_grad(t, loss, xs, 4, flags, grads), REEL_OK, "%s", reel_error(c));
        for (int i = 0; i < 4; i++)
            note_var(first, t, grads[i]);
    }
    reel_var sum = reel_sum_all(t, reel_square(t, grads[0]));
    for (int i = 1; i < 4; i++)
        sum = reel_add(t, sum, reel_sum_all(t, reel_square(t, grads[i])));
    cr_assert_eq(reel_grad(t, sum, xs, 4, REEL_GRAD_DEFAULT, grads), REEL_OK, "%s", reel_error(c));
    for (int i = 0; i < 4; i++)
        note_var(second, t, grads[i]);
    cr_assert_eq(reel_backward(t, sum, set), REEL_OK, "%s", reel_error(c));
    note(second, reel_param_grad(reel_params_find(set, "table.weight")), ROWS * FEATURES * sizeof(reel_real));
    note(second, reel_param_grad(reel_params_find(set, "shared.weight")), FEATURES * FEATURES * sizeof(reel_real));
    note_draws(first, t);
    reel_tape_reset(t);
    reel_params_free(set);
}

Test(recompute, gradients_of_vars_have_the_same_bits_and_higher_orders_the_same_values)
{
    static struct trace want[2], got[2];
    differentiate(PLAIN, &want[0], &want[1]);
    for (enum way way = SEGMENTS; way <= NESTED; way++) {
        differentiate(way, &got[0], &got[1]);
        expect_same_trace(&want[0], &got[0], way == NESTED ? "nested segments" : "segments");
        cr_assert_eq(want[1].size, got[1].size);
        const reel_real *w = (const void *)want[1].bytes, *g = (const void *)got[1].bytes;
        for (size_t i = 0; i < want[1].size / sizeof *w; i++)
            cr_assert(fabs((double)(w[i] - g[i])) <= 1e3 * epsilon * (1 + fabs((double)w[i])), "%d: %g, not %g", (int)i,
                      (double)g[i], (double)w[i]);
    }
}

/* ---- What a segment gives ---- */

struct given {
    reel_param *p;
    reel_var outside;
};

/* Itself, a var from outside, a param, and one that is computed from the others. */
static void hand_through(reel_tape *tape, const reel_var *inputs, reel_var *outputs, void *user)
{
    const struct given *g = user;
    outputs[0] = inputs[0];
    outputs[1] = g->outside;
    outputs[2] = reel_param_var(tape, g->p);
    outputs[3] = reel_mul(tape, reel_mul(tape, inputs[0], g->outside), outputs[2]);
}

Test(recompute, outputs_may_be_vars_from_outside)
{
    struct given g = {param_of(params, "p", 3), reel_full(t, REEL_SHAPE(3), 2)};
    reel_var x = reel_full(t, REEL_SHAPE(3), 3), out[4], sum, grads[2], xs[] = {x, g.outside};
    cr_assert_eq(reel_recompute(t, hand_through, &g, &x, 1, out, 4), REEL_OK, "%s", reel_error(c));
    cr_expect_eq(reel_data(t, out[2]), reel_param_data(g.p), "a param's elements are not copied");
    sum = out[3];
    for (int i = 0; i < 3; i++)
        sum = reel_add(t, sum, reel_mul_scalar(t, out[i], 10 * pow(10, i)));
    sum = reel_sum_all(t, sum);
    cr_assert_eq(reel_grad(t, sum, xs, 2, REEL_GRAD_DEFAULT, grads), REEL_OK, "%s", reel_error(c));
    cr_assert_eq(reel_backward(t, sum, params), REEL_OK, "%s", reel_error(c));
    for (int i = 0; i < 3; i++) {
        double p = 0.5 + 0.3 * i;
        expect_near((double)reel_data_real(t, grads[0])[i], 10 + 2 * p);
        expect_near((double)reel_data_real(t, grads[1])[i], 100 + 3 * p);
        expect_near(grad_at(g.p, i), 1000 + 6);
    }
}

/* Whether gradients flow is decided by what the segment uses. */
static void through_frozen(reel_tape *tape, const reel_var *inputs, reel_var *outputs, void *user)
{
    outputs[0] = reel_sum_all(tape, reel_mul(tape, reel_param_var(tape, user), reel_detach(tape, inputs[0])));
}

Test(recompute, reaches_what_the_segment_reaches)
{
    reel_param *p = param_of(params, "p", 3);
    reel_var x = reel_full(t, REEL_SHAPE(3), 3), y, grad;
    cr_assert_eq(reel_recompute(t, through_frozen, p, &x, 1, &y, 1), REEL_OK);
    cr_assert_eq(reel_backward(t, y, params), REEL_OK, "%s", reel_error(c));
    expect_near(grad_at(p, 2), 3);
    cr_expect_eq(reel_grad(t, y, &x, 1, REEL_GRAD_ALLOW_UNUSED, &grad), REEL_OK);
    cr_expect(reel_is_null(grad));
    cr_assert_eq(reel_param_set_kind(p, REEL_PARAM_FROZEN), REEL_OK);
    cr_expect_eq(reel_backward(t, y, params), REEL_ERROR_ARGUMENT);
    expect_error(REEL_ERROR_ARGUMENT, "\"p\" is frozen");
    reel_no_grad_begin(t);
    cr_assert_eq(reel_recompute(t, through_frozen, p, &x, 1, &y, 1), REEL_OK);
    reel_no_grad_end(t);
    cr_expect_eq(reel_backward(t, y, params), REEL_ERROR_ARGUMENT);
    expect_error(REEL_ERROR_ARGUMENT, "no_grad");
}

/* ---- Memory ---- */

enum { LAYERS = 32, WIDE = 2000 };

static void layers(reel_tape *tape, const reel_var *inputs, reel_var *outputs, void *user)
{
    (void)user;
    outputs[0] = inputs[0];
    for (int i = 0; i < 8; i++)
        outputs[0] = reel_tanh(tape, reel_mul(tape, outputs[0], inputs[0]));
}

/* What the context holds for a step of LAYERS segments of 16 operations, when steps are steady, and what those from the
 * third on allocate. */
static size_t held_by(bool again, int64_t *calls)
{
    struct counting a;
    reel_context *own = counting_context(&a, 1);
    reel_tape *tape = reel_tape_new(own);
    reel_params *set = reel_params_new(own);
    reel_param *p = param_of(set, "p", WIDE);
    for (int step = 0; step < 6; step++) {
        if (step == 3)
            *calls = a.calls;
        reel_var x = reel_param_var(tape, p);
        for (int i = 0; i < LAYERS; i++)
            if (again)
                cr_assert_eq(reel_recompute(tape, layers, NULL, &x, 1, &x, 1), REEL_OK);
            else
                layers(tape, &x, &x, NULL);
        reel_zero_grad(set);
        cr_assert_eq(reel_backward(tape, reel_sum_all(tape, x), set), REEL_OK, "%s", reel_error(own));
        cr_assert_eq(reel_tape_reset(tape), REEL_OK);
    }
    *calls = a.calls - *calls;
    size_t held = a.bytes;
    reel_tape_free(tape);
    reel_params_free(set);
    reel_context_free(own);
    return held;
}

Test(recompute, takes_the_memory_of_one_segment_and_allocates_nothing_in_steady_steps)
{
    int64_t calls = 0, calls_again = 0;
    size_t without = held_by(false, &calls), with = held_by(true, &calls_again);
    size_t one = WIDE * sizeof(reel_real);
    cr_expect_eq(calls, 0);
    cr_expect_eq(calls_again, 0);
    cr_expect_geq(without, LAYERS * 16 * one);
    /* The outputs of all segments, what one makes, its gradients; and chunks that are larger than their use. */
    cr_expect_leq(with, 2 * (LAYERS + 16 + 8) * one, "%zu bytes, without recompute %zu", with, without);
}

/* Every allocation fails once: an error that says so, and nothing leaks (tear_down of the context looks). */
Test(recompute, memory_that_runs_out_is_an_error)
{
    bool failed = true;
    for (int64_t k = 0; failed; k++) {
        struct counting a;
        reel_context *own = counting_context(&a, 1);
        reel_tape *tape = reel_tape_new(own);
        reel_params *set = reel_params_new(own);
        struct net n;
        net_new(&n, set, NESTED);
        a.fail_at = a.calls + k;
        for (int step = 0; step < 2 && reel_context_status(own) == REEL_OK; step++) {
            reel_var x, loss = net_loss(&n, tape, &x);
            reel_backward(tape, loss, set);
            failed = reel_context_status(own) != REEL_OK;
            reel_zero_grad(set);
            cr_expect_eq(reel_tape_reset(tape), failed ? REEL_ERROR_OUT_OF_MEMORY : REEL_OK, "%s", reel_error(own));
            if (failed)
                break;
        }
        cr_expect_eq(own->scratch.live, 0, "allocation %d: blocks are still held", (int)k);
        cr_expect(!tape->segment && !tape->scope && tape->recomputations == 0);
        reel_tape_free(tape);
        reel_params_free(set);
        reel_context_free(own);
        cr_expect_eq(a.live, 0, "allocation %d leaks", (int)k);
    }
}

/* ---- What is refused ---- */

static void nothing(reel_tape *tape, const reel_var *inputs, reel_var *outputs, void *user)
{
    (void)tape, (void)inputs, (void)outputs, (void)user;
}

static void copy(reel_tape *tape, const reel_var *inputs, reel_var *outputs, void *user)
{
    (void)user;
    outputs[0] = reel_mul_scalar(tape, inputs[0], 1);
}

Test(recompute, refuses_bad_arguments)
{
    reel_var x = reel_zeros(t, REEL_SHAPE(2)), null = reel_null(), out[REEL_MAX_OUTPUTS + 1];
    cr_expect_eq(reel_recompute(NULL, copy, NULL, &x, 1, out, 1), REEL_ERROR_ARGUMENT);
    const struct {
        reel_segment_function segment;
        const reel_var *inputs;
        int n_inputs;
        reel_var *outputs;
        int n_outputs;
    } bad[] = {{NULL, &x, 1, out, 1},
               {copy, NULL, 1, out, 1},
               {copy, &x, -1, out, 1},
               {copy, &x, 1, NULL, 1},
               {copy, &x, 1, out, 0},
               {copy, &x, 1, out, -3},
               {copy, &x, 1, out, REEL_MAX_OUTPUTS + 1}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cr_expect_eq(
            reel_recompute(t, bad[i].segment, NULL, bad[i].inputs, bad[i].n_inputs, bad[i].outputs, bad[i].n_outputs),
            REEL_ERROR_ARGUMENT, "%d", (int)i);
        expect_error(REEL_ERROR_ARGUMENT, "recompute");
    }
    cr_expect_neq(reel_recompute(t, copy, NULL, &null, 1, out, 1), REEL_OK);
    cr_expect(reel_is_null(out[0]));
    reel_clear_error(c);
    cr_expect_neq(reel_recompute(t, nothing, NULL, &x, 1, out, 1), REEL_OK);
    cr_expect(reel_is_null(out[0]));
    reel_clear_error(c);
    cr_expect(!reel_is_recomputing(t) && !reel_is_recomputing(NULL));
}

struct trouble {
    reel_param *p, *other;
    reel_module *table;
    reel_var outside, stray;
    int kind, times;
};

static reel_var keep(reel_tape *tape, reel_var grad, void *user)
{
    (void)tape, (void)user;
    return grad;
}

static void make_trouble(reel_tape *tape, const reel_var *inputs, reel_var *outputs, void *user)
{
    struct trouble *m = user;
    outputs[0] = reel_sum_all(tape, reel_mul(tape, inputs[0], reel_param_var(tape, m->p)));
    bool again = m->times++ > 0;
    cr_expect_eq(reel_is_recomputing(tape), again);
    switch (m->kind) {
    case 0:
        reel_backward(tape, outputs[0], params);
        break;
    case 1:
        reel_tape_reset(tape);
        break;
    case 2:
        reel_tape_free(tape);
        break;
    case 3:
        reel_register_hook(tape, inputs[0], keep, NULL);
        break;
    case 4:
        reel_scope_begin(tape);
        break;
    case 5:
        reel_scope_end(tape, NULL, 0);
        break;
    case 6:
        reel_no_grad_begin(tape);
        break;
    case 7:
        reel_forward(tape, m->table, reel_full_int64(tape, REEL_SHAPE(2), 1));
        break;
    case 8: /* from here on the second time */
        if (again)
            outputs[0] = reel_reshape(tape, outputs[0], REEL_SHAPE(1));
        break;
    case 9:
        if (again)
            outputs[0] = reel_add(tape, outputs[0], m->outside);
        break;
    case 10:
        if (again)
            outputs[0] = m->outside;
        break;
    case 11:
        if (again)
            outputs[0] = reel_add(tape, outputs[0], reel_sum_all(tape, reel_param_var(tape, m->other)));
        break;
    case 12:
        if (again)
            outputs[0] = reel_null();
        break;
    case 13:
        m->stray = reel_add_scalar(tape, outputs[0], 1);
        break;
    }
}

Test(recompute, refuses_segments_that_cannot_be_run_twice)
{
    static const char *const says[] = {
        "backward: not possible inside a segment",
        "tape_reset: not possible inside a segment",
        "tape_free: not possible inside a segment",
        "register_hook: not possible inside a segment",
        "a scope or no_grad",
        "scope_end: a backward pass walks the vars of the scope",
        "a scope or no_grad",
        "not possible inside a segment of recompute, which would scale rows of \"table.weight\" twice",
        "another shape or type the second time",
        "a var from outside the second time only",
        "a var from outside the second time only",
        "param \"other\" the second time only",
        "recompute"};
    REEL_OPTIONS(embedding, o, o.max_norm = 0.5);
    struct trouble m = {.p = param_of(params, "p", 2), .other = param_of(params, "other", 2)};
    m.table = reel_embedding_new(params, "table", 4, 3, &o);
    for (m.kind = 0; m.kind < 13; m.kind++) {
        reel_var x = reel_ones(t, REEL_SHAPE(2)), y;
        m.outside = reel_ones(t, REEL_SHAPE());
        m.times = 0;
        reel_status status = reel_recompute(t, make_trouble, &m, &x, 1, &y, 1);
        cr_expect_eq(reel_is_null(y), m.kind < 8, "%d", m.kind);
        cr_expect_eq(status == REEL_OK, m.kind >= 8, "%d: %s", m.kind, reel_error(c));
        if (status == REEL_OK)
            cr_expect_neq(reel_backward(t, y, params), REEL_OK, "%d", m.kind);
        expect_error(reel_context_status(c), says[m.kind]);
        cr_expect_null(t->segment);
        cr_expect_null(t->scope);
        cr_expect_eq(t->no_grad, 0);
        cr_expect_eq(t->recomputations, 0);
        reel_zero_grad(params);
        reel_tape_reset(t);
    }
    reel_var x = reel_ones(t, REEL_SHAPE(2)), y;
    m.times = 0;
    cr_assert_eq(reel_recompute(t, make_trouble, &m, &x, 1, &y, 1), REEL_OK);
    cr_expect(isnan(reel_item(t, m.stray)));
    expect_error(REEL_ERROR_STALE, "end of its scope");
}

/* A param that changes is refused, and found again if its old value was kept. */
Test(recompute, params_that_change_in_between)
{
    reel_param *p = param_of(params, "p", 2);
    struct trouble m = {.p = p, .kind = -1};
    reel_var x = reel_ones(t, REEL_SHAPE(2)), y;
    cr_assert_eq(reel_recompute(t, make_trouble, &m, &x, 1, &y, 1), REEL_OK);
    ((reel_real *)reel_param_write(p))[0] = 9;
    cr_expect_eq(reel_backward(t, y, params), REEL_ERROR_STATE);
    expect_error(REEL_ERROR_STATE, "the rule of recompute reads param \"p\", which changed");
    reel_zero_grad(params);
    reel_tape_reset(t);

    REEL_OPTIONS(embedding, o, o.max_norm = 0.5);
    reel_module *table = reel_embedding_new(params, "table", 2, 1, &o);
    m.p = reel_params_find(params, "table.weight");
    m.times = 0;
    reel_real *rows = reel_param_write(m.p);
    rows[0] = 3;
    rows[1] = 4;
    x = reel_ones(t, REEL_SHAPE(2, 1));
    cr_assert_eq(reel_recompute(t, make_trouble, &m, &x, 1, &y, 1), REEL_OK);
    reel_forward(t, table, reel_full_int64(t, REEL_SHAPE(1), 1)); /* scales row 1 */
    cr_expect_lt(fabs((double)rows[1]), 1);
    reel_var grad;
    cr_assert_eq(reel_grad(t, reel_square(t, y), &x, 1, REEL_GRAD_DEFAULT, &grad), REEL_OK, "%s", reel_error(c));
    expect_near((double)reel_data_real(t, grad)[1], 2 * 7 * 4);
    cr_expect_eq(m.p->leaf_version, m.p->version, "the var of the param is the one of its present value");
}
