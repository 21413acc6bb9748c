/* Lookups that are not written out: training has the bits of the operations that they stand for, whatever happens to
 * the tables between a backward pass and the step. */
#include <criterion/criterion.h>

#include <reel/reel.h>

#include <string.h>

enum { WORDS = 23, COLUMNS = 70, BATCH = 40, PARTNERS = 3, STEPS = 4 };
#define OK(c) cr_assert_eq(reel_context_status(c), REEL_OK, "%s", reel_error(c))

/* Two tables of words, a dense matrix, what trains them, and a tape. */
struct side {
    reel_context *c;
    reel_tape *t;
    reel_params *p, *q;
    reel_param *in, *out, *dense;
    reel_optim *of_p, *of_q;
    bool fused; /* by the operations of lookup.h, or by those that they stand for */
};

static uint64_t seed_of(int i, int salt)
{
    return ((uint64_t)i * 2654435761u + (uint64_t)salt * 40503u) >> 7;
}

static void fill(reel_param *param, int salt)
{
    reel_real *data = reel_param_write(param);
    for (int i = 0; i < (int)reel_shape_numel(reel_param_shape(param)); i++)
        data[i] = (reel_real)((double)(seed_of(i, salt) % 1999) / 1000 - 1);
}

static reel_param *table(reel_params *p, const char *name, int64_t rows, bool sparse, int salt)
{
    reel_param *param = reel_param_new(p, name, REEL_PARAM_TRAINED, REEL_REAL, REEL_SHAPE(rows, COLUMNS));
    reel_param_set_sparse(param, sparse);
    fill(param, salt);
    return param;
}

/* How a model is trained. */
struct way {
    const char *what;
    bool sparse;
    reel_optim *(*optim)(reel_params *p);
    int threads;
    bool two_sets; /* `out` in a set and under an optimizer of its own, which steps first */
};

static reel_optim *sgd(reel_params *p)
{
    REEL_OPTIONS(sgd, o, o.lr = 0.5);
    return reel_sgd_new(p, &o);
}

static reel_optim *exact_momentum(reel_params *p)
{
    REEL_OPTIONS(sgd, o, o.lr = 0.5, o.momentum = 0.9, o.sparse_update = REEL_EXACT);
    return reel_sgd_new(p, &o);
}

static reel_optim *rowwise_adagrad(reel_params *p)
{
    return reel_rowwise_adagrad_new(p, NULL);
}

static reel_optim *lazy_adam(reel_params *p)
{
    return reel_adam_new(p, NULL);
}

static reel_optim *exact_adam(reel_params *p)
{
    REEL_OPTIONS(adam, o, o.sparse_update = REEL_EXACT);
    return reel_adam_new(p, &o);
}

static const struct way ways[] = {
    {"dense, sgd", false, sgd, 1, false},
    {"rows, sgd", true, sgd, 1, false},
    {"rows, three threads", true, sgd, 3, false},
    {"rows, exact momentum", true, exact_momentum, 1, false},
    {"rows, rowwise_adagrad", true, rowwise_adagrad, 1, false},
    {"rows, lazy adam", true, lazy_adam, 1, false},
    {"rows, exact adam, three threads", true, exact_adam, 3, false},
    {"rows, two optimizers", true, lazy_adam, 1, true},
};

static struct side side_new(const struct way *way, bool fused)
{
    reel_context_options o = reel_context_defaults();
    o.num_threads = way->threads;
    struct side s = {.c = reel_context_new(&o), .fused = fused};
    s.t = reel_tape_new(s.c);
    s.p = reel_params_new(s.c);
    s.q = way->two_sets ? reel_params_new(s.c) : s.p;
    s.in = table(s.p, "in", WORDS, way->sparse, 1);
    s.out = table(s.q, "out", WORDS, way->sparse, 2);
    s.dense = table(s.p, "dense", BATCH, false, 3);
    s.of_p = way->optim(s.p);
    s.of_q = way->two_sets ? way->optim(s.q) : NULL;
    OK(s.c);
    return s;
}

static void side_free(struct side *s)
{
    reel_optim_free(s->of_p);
    reel_optim_free(s->of_q);
    reel_tape_free(s->t);
    reel_params_free(s->p);
    if (s->q != s->p)
        reel_params_free(s->q);
    reel_context_free(s->c);
}

/* Words of a step; a few are frequent, and one of them fills a block of occurrences. */
static reel_var words(const struct side *s, int step, int salt, reel_shape shape)
{
    static int64_t index[8][4096];
    int64_t *to = index[(step * 2 + salt) % 8];
    for (int i = 0; i < (int)reel_shape_numel(&shape); i++)
        to[i] = (int64_t)(seed_of(i + 1000 * step, salt) % (i % 3 ? 4 : WORDS));
    return reel_tensor_of(s->t, REEL_INT64, to, shape);
}

/* ---- What is computed, in both ways ---- */

static reel_var mse(const struct side *s, reel_var weight, reel_var index, reel_var target)
{
    if (s->fused)
        return reel_embedding_mse_loss(s->t, weight, index, target, NULL);
    return reel_mse_loss(s->t, reel_embedding(s->t, weight, index, NULL), target);
}

/* index has one axis, and other_index one or two. */
static reel_var dot(const struct side *s, reel_var weight, reel_var index, reel_var other, reel_var other_index)
{
    if (s->fused)
        return reel_embedding_dot(s->t, weight, index, other, other_index);
    reel_var a = reel_embedding(s->t, weight, index, NULL), b = reel_embedding(s->t, other, other_index, NULL);
    bool several = reel_shape_of(s->t, other_index).ndim > 1;
    if (several)
        a = reel_unsqueeze(s->t, a, 1);
    return reel_sum(s->t, reel_mul(s->t, a, b), REEL_AXES(several ? 2 : 1), false);
}

static reel_var score_loss(const struct side *s, reel_var score)
{
    return reel_mean_all(s->t, reel_neg(s->t, reel_logsigmoid(s->t, reel_mul_scalar(s->t, score, 0.25))));
}

static reel_var distance(const struct side *s, int step)
{
    reel_var target = reel_tensor(s->t, reel_param_data(s->dense), REEL_SHAPE(BATCH, COLUMNS));
    return mse(s, reel_param_var(s->t, s->in), words(s, step, 0, REEL_SHAPE(BATCH)), target);
}

static reel_var scaled_distance_to_param(const struct side *s, int step)
{
    reel_var loss =
        mse(s, reel_param_var(s->t, s->in), words(s, step, 0, REEL_SHAPE(BATCH)), reel_param_var(s->t, s->dense));
    return reel_mul_scalar(s->t, loss, 0.3);
}

static reel_var pairs(const struct side *s, int step)
{
    reel_var user = words(s, step, 0, REEL_SHAPE(900)), item = words(s, step, 1, REEL_SHAPE(900));
    return score_loss(s, dot(s, reel_param_var(s->t, s->in), user, reel_param_var(s->t, s->out), item));
}

static reel_var skip_gram(const struct side *s, int step)
{
    reel_var word = words(s, step, 0, REEL_SHAPE(BATCH)), others = words(s, step, 1, REEL_SHAPE(BATCH, PARTNERS));
    return score_loss(s, dot(s, reel_param_var(s->t, s->in), word, reel_param_var(s->t, s->out), others));
}

/* The table that is made later, and moved later, is the one that is looked up once. */
static reel_var reversed_skip_gram(const struct side *s, int step)
{
    reel_var word = words(s, step, 0, REEL_SHAPE(BATCH)), others = words(s, step, 1, REEL_SHAPE(BATCH, 80));
    return score_loss(s, dot(s, reel_param_var(s->t, s->out), word, reel_param_var(s->t, s->in), others));
}

static reel_var tied(const struct side *s, int step)
{
    reel_var weight = reel_param_var(s->t, s->in);
    reel_var word = words(s, step, 0, REEL_SHAPE(BATCH)), others = words(s, step, 1, REEL_SHAPE(BATCH, PARTNERS));
    return score_loss(s, dot(s, weight, word, weight, others));
}

/* One list of rows that are formed of the same table, others than those that they belong to. */
static reel_var against_itself(const struct side *s, int step)
{
    reel_var weight = reel_param_var(s->t, s->in), still = reel_detach(s->t, weight);
    reel_var word = words(s, step, 0, REEL_SHAPE(BATCH)), others = words(s, step, 1, REEL_SHAPE(BATCH, PARTNERS));
    return score_loss(s, dot(s, weight, word, still, others));
}

/* A tower of a network, and rows of a table. */
static reel_var two_towers(const struct side *s, int step)
{
    reel_var tower = reel_tanh(s->t, reel_param_var(s->t, s->dense)), each = reel_arange_int64(s->t, 0, BATCH, 1);
    reel_var others = words(s, step, 1, REEL_SHAPE(BATCH, PARTNERS));
    return score_loss(s, dot(s, tower, each, reel_param_var(s->t, s->out), others));
}

/* Rows from several places in one pass, some of them written out. */
static reel_var everything(const struct side *s, int step)
{
    reel_var in = reel_param_var(s->t, s->in);
    reel_var plain =
        reel_mean_all(s->t, reel_square(s->t, reel_embedding(s->t, in, words(s, step, 1, REEL_SHAPE(9)), NULL)));
    reel_var loss = reel_add(s->t, distance(s, step), reel_add(s->t, plain, skip_gram(s, step)));
    return reel_add(s->t, loss, tied(s, step));
}

static void in_segment(reel_tape *tape, const reel_var *inputs, reel_var *outputs, void *user)
{
    (void)tape, (void)inputs;
    const struct side *s = user;
    outputs[0] = reel_add(s->t, skip_gram(s, 0), distance(s, 0));
}

static reel_var recomputed(const struct side *s, int step)
{
    (void)step;
    reel_var loss;
    reel_recompute(s->t, in_segment, (void *)(uintptr_t)s, NULL, 0, &loss, 1);
    return loss;
}

static const struct model {
    const char *what;
    reel_var (*loss)(const struct side *s, int step);
} models[] = {{"distance", distance},
              {"scaled distance to a param", scaled_distance_to_param},
              {"pairs", pairs},
              {"skip-gram", skip_gram},
              {"reversed skip-gram", reversed_skip_gram},
              {"tied", tied},
              {"against itself", against_itself},
              {"two towers", two_towers},
              {"everything", everything},
              {"recomputed", recomputed}};

/* ---- The same bits ---- */

static void forget(const struct side *s)
{
    reel_zero_grad(s->p);
    if (s->q != s->p)
        reel_zero_grad(s->q);
}

static void backward(const struct side *s, const struct model *model, int step)
{
    forget(s);
    reel_backward(s->t, model->loss(s, step), NULL);
    OK(s->c);
}

static void move(const struct side *s, const struct model *model)
{
    bool out = model->loss != distance && model->loss != scaled_distance_to_param && model->loss != tied &&
               model->loss != against_itself;
    if (s->of_q && out)
        reel_optim_step(s->of_q);
    reel_optim_step(s->of_p);
    reel_tape_reset(s->t);
    OK(s->c);
}

static void expect_same(const struct side *a, const struct side *b, const char *model, const char *way)
{
    const reel_param *of_a[] = {a->in, a->out, a->dense}, *of_b[] = {b->in, b->out, b->dense};
    for (int i = 0; i < 3; i++) {
        size_t bytes = (size_t)reel_shape_numel(reel_param_shape(of_a[i])) * sizeof(reel_real);
        cr_assert(memcmp(reel_param_data(of_a[i]), reel_param_data(of_b[i]), bytes) == 0,
                  "%s, %s: other bits in \"%s\"", model, way, reel_param_name(of_a[i]));
    }
}

Test(lookup, training_has_the_bits_of_lookups_that_are_written_out)
{
    for (size_t w = 0; w < sizeof ways / sizeof *ways; w++)
        for (size_t m = 0; m < sizeof models / sizeof *models; m++) {
            struct side sides[] = {side_new(&ways[w], false), side_new(&ways[w], true)};
            reel_real before = ((const reel_real *)reel_param_data(sides[0].in))[0];
            for (int step = 0; step < STEPS; step++)
                for (int i = 0; i < 2; i++) {
                    backward(&sides[i], &models[m], step);
                    move(&sides[i], &models[m]);
                }
            expect_same(&sides[0], &sides[1], models[m].what, ways[w].what);
            cr_assert(before != ((const reel_real *)reel_param_data(sides[1].in))[0] || models[m].loss == two_towers,
                      "%s, %s: nothing moved", models[m].what, ways[w].what);
            side_free(&sides[0]);
            side_free(&sides[1]);
        }
}

Test(lookup, rows_of_more_than_a_block)
{
    static reel_real elements[2 * 2200];
    for (int columns = 2048; columns <= 2200; columns += 76) {
        reel_real loss[2], score[2][2], grad[2][2 * 2200];
        for (int i = 0; i < 2; i++) {
            struct side s = side_new(&ways[0], i == 1);
            for (int k = 0; k < 2 * columns; k++)
                elements[k] = (reel_real)(seed_of(k, 6) % 977) / 977;
            reel_var weight = reel_tensor(s.t, elements, REEL_SHAPE(2, columns));
            reel_var index = reel_arange_int64(s.t, 0, 2, 1), other = reel_full_int64(s.t, REEL_SHAPE(2), 1), of_weight;
            reel_var distances = mse(&s, weight, index, reel_full(s.t, REEL_SHAPE(2, columns), 0.1));
            reel_var scores = dot(&s, weight, index, weight, other);
            reel_grad(s.t, reel_add(s.t, distances, score_loss(&s, scores)), &weight, 1, 0, &of_weight);
            OK(s.c);
            loss[i] = (reel_real)reel_item(s.t, distances);
            memcpy(score[i], reel_data_real(s.t, scores), sizeof score[i]);
            memcpy(grad[i], reel_data_real(s.t, of_weight), (size_t)(2 * columns) * sizeof(reel_real));
            reel_tape_reset(s.t);
            side_free(&s);
        }
        cr_assert_eq(loss[0], loss[1], "%d columns", columns);
        cr_assert(memcmp(score[0], score[1], sizeof score[0]) == 0, "%d columns", columns);
        cr_assert(memcmp(grad[0], grad[1], (size_t)(2 * columns) * sizeof(reel_real)) == 0, "%d columns", columns);
    }
}

/* ---- Between a pass and the step ---- */

static void change_other_table(struct side *s)
{
    fill(s->out, 7);
}

static void change_own_table(struct side *s)
{
    fill(s->in, 8);
}

static void change_both(struct side *s)
{
    change_other_table(s);
    change_own_table(s);
}

static void change_target(struct side *s)
{
    fill(s->dense, 9);
}

static void reset(struct side *s)
{
    reel_tape_reset(s->t);
}

static void look(struct side *s)
{
    reel_row_grad grad;
    cr_assert_eq(reel_param_row_grad(s->in, &grad), REEL_OK);
    cr_assert_not_null(reel_param_grad(s->in));
}

static void clip(struct side *s)
{
    reel_clip_grad_norm(s->p, 0.01, 2, NULL);
}

static void second_pass(struct side *s)
{
    reel_backward(s->t, everything(s, 1), NULL);
    OK(s->c);
}

static void pass_on_another_tape(struct side *s)
{
    reel_tape *own = s->t, *other = reel_tape_new(s->c);
    s->t = other;
    second_pass(s);
    s->t = own;
    reel_optim_step(s->of_p);
    reel_tape_free(other);
}

static void move_twice(struct side *s)
{
    reel_optim_step(s->of_p);
    OK(s->c);
}

Test(lookup, what_happens_before_the_step_changes_no_bit)
{
    static const struct {
        const char *what;
        void (*happens)(struct side *s);
    } events[] = {{"the other table changes", change_other_table},
                  {"the own table changes", change_own_table},
                  {"both change", change_both},
                  {"the target changes", change_target},
                  {"the tape is reset", reset},
                  {"the gradient is looked at", look},
                  {"the norm is clipped", clip},
                  {"a second pass", second_pass},
                  {"a pass on another tape", pass_on_another_tape},
                  {"two steps", move_twice}};
    for (size_t w = 0; w < sizeof ways / sizeof *ways; w++)
        for (size_t m = 0; m < sizeof models / sizeof *models; m++)
            for (size_t e = 0; e < sizeof events / sizeof *events; e++) {
                const struct model *model = &models[m];
                if (ways[w].two_sets || model->loss == two_towers || (events[e].happens == look && !ways[w].sparse))
                    continue;
                struct side sides[] = {side_new(&ways[w], false), side_new(&ways[w], true)};
                for (int step = 0; step < 2; step++)
                    for (int i = 0; i < 2; i++) {
                        backward(&sides[i], model, step);
                        events[e].happens(&sides[i]);
                        move(&sides[i], model);
                    }
                expect_same(&sides[0], &sides[1], model->what, events[e].what);
                side_free(&sides[0]);
                side_free(&sides[1]);
            }
}

Test(lookup, a_table_may_go_before_a_gradient_that_is_formed_of_it_is_used)
{
    const struct way way = {"rows", true, sgd, 1, true};
    const struct model *model = &models[3];
    struct side sides[] = {side_new(&way, false), side_new(&way, true)};
    reel_real expected[WORDS * COLUMNS];
    for (int i = 0; i < 2; i++) {
        struct side *s = &sides[i];
        backward(s, model, 0);
        reel_optim_free(s->of_q);
        s->of_q = NULL;
        reel_params_free(s->q);
        s->q = s->p;
        reel_optim_step(s->of_p);
        OK(s->c);
        if (i == 0)
            memcpy(expected, reel_param_data(s->in), sizeof expected);
        else
            cr_assert(memcmp(expected, reel_param_data(s->in), sizeof expected) == 0, "other bits");
        side_free(s);
    }
}

/* ---- Before the pass ---- */

Test(lookup, a_pass_after_the_table_changed_is_refused)
{
    for (int changed = 0; changed < 2; changed++) {
        struct side s = side_new(&ways[1], true);
        reel_var loss = skip_gram(&s, 0);
        fill(changed ? s.out : s.in, 5);
        cr_assert_eq(reel_backward(s.t, loss, NULL), REEL_ERROR_STATE);
        cr_assert(strstr(reel_error(s.c), changed ? "\"out\"" : "\"in\""), "%s", reel_error(s.c));
        reel_tape_reset(s.t);
        side_free(&s);
    }
}

Test(lookup, from_the_third_step_nothing_is_allocated)
{
    for (size_t m = 0; m < sizeof models / sizeof *models; m++) {
        struct side s = side_new(&ways[5], true);
        uint64_t before = 0;
        for (int step = 0; step < 6; step++) {
            backward(&s, &models[m], 0);
            move(&s, &models[m]);
            if (step == 2)
                before = reel_memory(s.c).allocations;
        }
        cr_assert_eq(reel_memory(s.c).allocations, before, "%s", models[m].what);
        side_free(&s);
    }
}
