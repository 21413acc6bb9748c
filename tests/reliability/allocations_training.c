/* Configurations about steps: models, backward passes, optimizers, averages, schedules, checkpoints. */
#include "reliability/allocations.h"

#include "train/ema.h"

#include <string.h>
#include <unistd.h>

/* ---- A GAN ---- */

enum { STEPS = 2, BATCH = 64, NOISE = 10, CLASSES = 10, DATA = 32 };

struct gan {
    bool full; /* with batch norm, dropout, sparse gradients, a gradient penalty, clipping and a moving average */
    reel_module *g_label, *g_layers[3], *g_norm, *d_label, *d_layers[3], *d_dropout;
};

static void construct(struct scene *s, struct gan *gan)
{
    REEL_OPTIONS(embedding, embedding, embedding.sparse = gan->full);
    embedding.max_norm = gan->full ? 1.5 : embedding.max_norm;
    REEL_OPTIONS(adam, o, o.beta1 = 0.5, o.sparse_update = gan->full ? REEL_EXACT : REEL_LAZY);
    CALL(s->params[0] = reel_params_new(s->c));
    reel_params *g = s->params[0];
    CALL(gan->g_label = reel_embedding_new(g, "label", CLASSES, 3, &embedding));
    CALL(gan->g_layers[0] = reel_linear_new(g, "fc1", NOISE + 3, 64, NULL));
    CALL(gan->g_layers[1] = reel_linear_new(g, "fc2", 64, 64, NULL));
    CALL(gan->g_layers[2] = reel_linear_new(g, "fc3", 64, DATA, NULL));
    if (gan->full) {
        CALL(gan->g_norm = reel_batch_norm1d_new(g, "norm", 64, NULL));
    }
    CALL(s->params[1] = reel_params_new(s->c));
    reel_params *d = s->params[1];
    CALL(gan->d_label = reel_embedding_new(d, "label", CLASSES, 3, &embedding));
    CALL(gan->d_layers[0] = reel_linear_new(d, "fc1", DATA + 3, 64, NULL));
    CALL(gan->d_layers[1] = reel_linear_new(d, "fc2", 64, 64, NULL));
    CALL(gan->d_layers[2] = reel_linear_new(d, "fc3", 64, 1, NULL));
    if (gan->full) {
        CALL(gan->d_dropout = reel_dropout_new(d, 0.4));
    }
    CALL(s->optims[0] = reel_adam_new(g, &o));
    CALL(s->optims[1] = reel_adam_new(d, &o));
    if (gan->full) {
        CALL(s->ema = reel_ema_new(g, 0.99));
    }
}

static void generate(struct scene *s, const struct gan *gan, reel_var noise, reel_var labels, reel_var *out)
{
    reel_var h;
    CALL(h = reel_forward(s->t, gan->g_label, labels));
    STEP(h, reel_cat(s->t, REEL_VARS(noise, h), 1));
    for (int i = 0; i < 2; i++) {
        STEP(h, reel_forward(s->t, gan->g_layers[i], h));
        if (i == 1 && gan->g_norm)
            STEP(h, reel_forward(s->t, gan->g_norm, h));
        STEP(h, reel_leaky_relu(s->t, h, 0.2));
    }
    STEP(h, reel_forward(s->t, gan->g_layers[2], h));
    CALL(*out = reel_tanh(s->t, h));
}

static void discriminate(struct scene *s, const struct gan *gan, reel_var x, reel_var labels, reel_var *out)
{
    reel_var h;
    CALL(h = reel_forward(s->t, gan->d_label, labels));
    STEP(h, reel_cat(s->t, REEL_VARS(x, h), 1));
    for (int i = 0; i < 2; i++) {
        STEP(h, reel_forward(s->t, gan->d_layers[i], h));
        if (i == 1 && gan->d_dropout)
            STEP(h, reel_forward(s->t, gan->d_dropout, h));
        STEP(h, reel_leaky_relu(s->t, h, 0.2));
    }
    CALL(*out = reel_forward(s->t, gan->d_layers[2], h));
}

static void gan_step(struct scene *s, const struct gan *gan)
{
    reel_tape *t = s->t;
    reel_params *g = s->params[0], *d = s->params[1];
    reel_var y, z, x, wanted, fake, score, ones, zeros, g_loss, real, made, d_loss;
    CALL(x = reel_randn(t, REEL_SHAPE(BATCH, DATA)));
    CALL(y = reel_randint(t, 0, CLASSES, REEL_SHAPE(BATCH)));
    CALL(z = reel_randn(t, REEL_SHAPE(BATCH, NOISE)));
    CALL(wanted = reel_randint(t, 0, CLASSES, REEL_SHAPE(BATCH)));
    CALL(ones = reel_ones(t, REEL_SHAPE(BATCH, 1)));
    CALL(zeros = reel_zeros(t, REEL_SHAPE(BATCH, 1)));

    PART(generate(s, gan, z, wanted, &fake));
    PART(discriminate(s, gan, fake, wanted, &score));
    CALL(g_loss = reel_bce_with_logits_loss(t, score, ones));
    CALL(reel_zero_grad(g); reel_backward(t, g_loss, g));
    if (gan->full) {
        CALL(reel_clip_grad_norm(g, 0.5, 2, NULL));
    }
    CALL(reel_optim_step(s->optims[0]));
    if (gan->full) {
        CALL(reel_ema_update(s->ema));
    }

    PART(discriminate(s, gan, x, y, &real));
    STEP(fake, reel_detach(t, fake));
    PART(discriminate(s, gan, fake, wanted, &made));
    CALL(d_loss = reel_add(t, reel_bce_with_logits_loss(t, real, ones), reel_bce_with_logits_loss(t, made, zeros)));
    if (gan->full) {
        reel_var grad;
        CALL(reel_grad(t, reel_sum_all(t, real), &x, 1, REEL_GRAD_CREATE_GRAPH, &grad));
        STEP(d_loss, reel_add(t, d_loss, reel_mean_all(t, reel_square(t, grad))));
    }
    CALL(reel_zero_grad(d); reel_backward(t, d_loss, d));
    CALL(reel_clip_grad_value(d, 0.1));
    CALL(reel_optim_step(s->optims[1]));
    CALL(reel_tape_reset(t));
}

static void train_gan(struct scene *s, bool full)
{
    struct gan gan = {.full = full};
    PART(construct(s, &gan));
    for (int i = 0; i < STEPS; i++) {
        PART(gan_step(s, &gan));
    }
}

void notebook(struct scene *s)
{
    train_gan(s, false);
}

void gan_with_everything(struct scene *s)
{
    train_gan(s, true);
}

/* ---- A small model ---- */

enum { ROWS = 40, COLUMNS = 3, SAMPLES = 6 };

struct small {
    reel_module *table, *linear;
};

static void small_new(struct scene *s, struct small *small, reel_dtype dtype, bool sparse)
{
    REEL_OPTIONS(embedding, e, e.sparse = sparse, e.dtype = dtype);
    CALL(s->params[0] = reel_params_new(s->c));
    CALL(small->table = reel_embedding_new(s->params[0], "table", ROWS, COLUMNS, &e));
    CALL(small->linear = reel_linear_new(s->params[0], "linear", COLUMNS, 2, NULL));
}

/* A backward pass over rows that differ from step to step. */
static void small_pass(struct scene *s, const struct small *small, int step)
{
    reel_var index, h;
    CALL(index = reel_arange_int64(s->t, step * 3 % (ROWS - SAMPLES), step * 3 % (ROWS - SAMPLES) + SAMPLES, 1));
    CALL(h = reel_forward(s->t, small->table, index));
    STEP(h, reel_forward(s->t, small->linear, h));
    STEP(h, reel_mean_all(s->t, reel_square(s->t, h)));
    CALL(reel_zero_grad(s->params[0]); reel_backward(s->t, h, s->params[0]));
}

static void note_params(struct scene *s, const reel_params *params)
{
    for (int i = 0; i < reel_params_count(params); i++) {
        const reel_param *p = reel_params_at(params, i);
        note(s, reel_param_data(p),
             (size_t)reel_shape_numel(reel_param_shape(p)) * reel_dtype_size(reel_param_dtype(p)));
    }
}

/* ---- Optimizers ---- */

/* Options that turn every state on. */
static void fill_options(const reel_optim_algorithm *a, reel_sparse_update mode, reel_optim *optim)
{
    static const struct {
        const char *name;
        double value;
    } wanted[] = {{"momentum", 0.5}, {"amsgrad", 1}, {"centered", 1}, {"weight_decay", 0.1}, {"dampening", 0.2}};
    for (int group = 0; group < reel_optim_groups(optim); group++) {
        for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
            for (int k = 0; k < a->n_options; k++)
                if (strcmp(a->options[k].name, wanted[i].name) == 0)
                    reel_optim_set_option(optim, group, wanted[i].name, wanted[i].value);
        for (int k = 0; k < a->n_options; k++)
            if (strcmp(a->options[k].name, "sparse_update") == 0)
                reel_optim_set_option(optim, group, "sparse_update", mode);
    }
}

static void note_states(struct scene *s, reel_optim *optim)
{
    for (int i = 0; i < reel_params_count(s->params[0]); i++) {
        const reel_param *p = reel_params_at(s->params[0], i);
        int n;
        CALL(n = reel_optim_states(optim, p));
        for (int k = 0; k < n; k++) {
            reel_optim_state state;
            CALL(reel_optim_state_at(optim, p, k, &state));
            note(s, state.data, (size_t)reel_shape_numel(&state.shape) * reel_dtype_size(state.dtype));
        }
    }
}

/* A state that holds nothing yet is made by whoever sets it. */
static void set_first_states(struct scene *s, const reel_optim_algorithm *a, reel_optim *optim)
{
    static const reel_real ones[ROWS * COLUMNS] = {1, 1, 1};
    for (int k = 0; k < a->n_states; k++) {
        reel_optim_state state;
        CALL(reel_optim_get_state(optim, reel_params_at(s->params[0], 0), a->states[k].name, &state));
        state.data = ones;
        CALL(reel_optim_set_state(optim, reel_params_at(s->params[0], 0), &state));
    }
}

static void use_optimizer(struct scene *s, const reel_optim_algorithm *a, reel_sparse_update mode)
{
    struct small small;
    int group;
    PART(small_new(s, &small, REEL_REAL, a->scope != REEL_PER_PARAM));
    CALL(s->optims[0] = reel_optim_new(s->params[0], a, NULL));
    reel_optim *optim = s->optims[0];
    CALL(group = reel_optim_add_group(optim, a, "*.bias", NULL));
    CALL(fill_options(a, mode, optim));
    PART(set_first_states(s, a, optim));
    for (int step = 0; step < 4; step++) {
        PART(small_pass(s, &small, step));
        CALL(reel_optim_set_lr(optim, 0, 0.01 * (step + 1)));
        CALL(reel_optim_step(optim));
        CALL(reel_tape_reset(s->t));
    }
    CALL(reel_optim_move(optim, 0, "linear.bias"));
    PART(note_states(s, optim));
    note(s, &group, sizeof group);
    note_params(s, s->params[0]);
    free_objects(s);
}

static void use_optimizers(struct scene *s, reel_sparse_update mode)
{
    const reel_optim_algorithm *a;
    for (int i = 0; (a = reel_optim_algorithm_at(i)) != NULL; i++) {
        PART(use_optimizer(s, a, mode));
    }
}

/* A table in bfloat16, which is moved in room of its own. */
static void use_narrow(struct scene *s)
{
    struct small small;
    PART(small_new(s, &small, REEL_BFLOAT16, true));
    CALL(s->optims[0] = reel_adam_new(s->params[0], NULL));
    for (int step = 0; step < 3; step++) {
        PART(small_pass(s, &small, step));
        CALL(reel_optim_step(s->optims[0]));
        CALL(reel_tape_reset(s->t));
    }
    PART(note_states(s, s->optims[0]));
    note_params(s, s->params[0]);
    free_objects(s);
}

void lazy_optimizers(struct scene *s)
{
    PART(use_optimizers(s, REEL_LAZY));
    use_narrow(s);
}

void exact_optimizers(struct scene *s)
{
    use_optimizers(s, REEL_EXACT);
}

/* ---- Averages ---- */

static void use_average(struct scene *s, reel_sparse_update mode)
{
    struct small small;
    PART(small_new(s, &small, REEL_REAL, true));
    REEL_OPTIONS(adam, a, a.sparse_update = mode);
    CALL(s->optims[0] = reel_adam_new(s->params[0], &a));
    CALL(s->ema = reel_ema_new(s->params[0], 0.9));
    for (int step = 0; step < 5; step++) {
        PART(small_pass(s, &small, step));
        CALL(reel_optim_step(s->optims[0]));
        CALL(reel_ema_update(s->ema));
        CALL(reel_ema_set_decay(s->ema, 0.5 + 0.1 * step));
        CALL(reel_tape_reset(s->t));
        if (step == 2) {
            reel_param *late;
            CALL(late = reel_param_new(s->params[0], "late", REEL_PARAM_FROZEN, REEL_REAL, REEL_SHAPE(7)));
            CALL(reel_init_normal(late, 0, 1));
        }
    }
    CALL(s->params[1] = reel_params_new(s->c));
    for (int i = 0; i < reel_params_count(s->params[0]); i++) {
        const reel_param *p = reel_params_at(s->params[0], i);
        CALL(reel_param_new(s->params[1], reel_param_name(p), reel_param_kind_of(p), reel_param_dtype(p),
                            *reel_param_shape(p)));
    }
    CALL(reel_ema_copy_to(s->ema, s->params[1]));
    note_params(s, s->params[1]);
    CALL(reel_ema_swap(s->ema));
    note_params(s, s->params[0]);
    CALL(reel_ema_swap(s->ema));
    CALL(reel_params_copy(s->params[1], s->params[0]));
    note_params(s, s->params[1]);
    free_objects(s);
}

void averages(struct scene *s)
{
    PART(use_average(s, REEL_LAZY));
    use_average(s, REEL_EXACT);
}

/* ---- Schedules ---- */

static double shrink(int64_t step, void *user)
{
    (void)user;
    return 1 / (1 + 0.1 * (double)step);
}

enum { SCHEDULES = 9 };
static reel_schedule *schedule_of(reel_optim *optim, int which)
{
    static const int64_t milestones[] = {2, 3};
    switch (which) {
    case 0:
        return reel_step_lr_new(optim, 2, 0.9);
    case 1:
        return reel_multi_step_lr_new(optim, milestones, 2, 0.5);
    case 2:
        return reel_exponential_lr_new(optim, 0.99);
    case 3:
        return reel_cosine_annealing_lr_new(optim, 4, 0);
    case 4:
        return reel_linear_lr_new(optim, 0.5, 1, 3);
    case 5:
        return reel_polynomial_lr_new(optim, 5, 2);
    case 6:
        return reel_cosine_annealing_warm_restarts_lr_new(optim, 2, 2, 1e-5);
    case 7:
        return reel_one_cycle_lr_new(optim, 6, NULL);
    default:
        return reel_lambda_lr_new(optim, shrink, NULL);
    }
}

static void follow(struct scene *s)
{
    for (int step = 0; step < 4; step++) {
        CALL(reel_schedule_step_with(s->schedule, 1));
        double lr = reel_optim_lr(s->optims[0], 0);
        note(s, &lr, sizeof lr);
    }
}

void schedules(struct scene *s)
{
    REEL_OPTIONS(sgd, o, o.momentum = 0.9);
    CALL(s->params[0] = reel_params_new(s->c));
    CALL(reel_param_new(s->params[0], "p", REEL_PARAM_TRAINED, REEL_REAL, REEL_SHAPE(3)));
    for (int which = 0; which < SCHEDULES; which++) {
        CALL(s->optims[0] = reel_sgd_new(s->params[0], &o));
        CALL(s->schedule = schedule_of(s->optims[0], which));
        if (which < 3) {
            CALL(s->factors = schedule_of(s->optims[0], which + 3));
            CALL(reel_schedule_chain(s->schedule, s->factors));
            s->factors = NULL;
        } else if (which < 5) {
            CALL(reel_schedule_warm_up(s->schedule, 2, 0.1));
        }
        CALL(reel_sgd_add_group(s->optims[0], NULL, &o));
        PART(follow(s));
        CALL(reel_schedule_set_last_step(s->schedule, 1));
        PART(follow(s));
        reel_schedule_free(s->schedule);
        s->schedule = NULL;
        CALL(s->schedule = reel_reduce_lr_on_plateau_new(s->optims[0], NULL));
        PART(follow(s));
        reel_schedule_free(s->schedule);
        s->schedule = NULL;
        reel_optim_free(s->optims[0]);
        s->optims[0] = NULL;
    }
}

/* ---- Checkpoints ---- */

static void step_and_follow(struct scene *s, const struct small *small, int step)
{
    reel_var batch;
    PART(small_pass(s, small, step));
    CALL(reel_optim_step(s->optims[0]));
    CALL(reel_schedule_step(s->schedule));
    CALL(reel_ema_update(s->ema));
    CALL(reel_loader_next(s->loader, s->t, &batch));
    CALL(reel_tape_reset(s->t));
}

/* Reading brings up to date what was put off, which may be seen in the elements even where the call fails. */
static void bring_up_to_date(struct scene *s)
{
    for (int i = 0; i < reel_params_count(s->params[0]); i++)
        reel_param_data(reel_params_at(s->params[0], i));
    for (int64_t i = 0; i < s->ema->count; i++)
        if (s->ema->averages[i].by_row)
            reel_row_average_settle(s->ema->averages[i].by_row);
}

static void use_checkpoint(struct scene *s, reel_sparse_update mode)
{
    static const int64_t milestones[] = {1, 2}, numbers[SAMPLES] = {1, 2, 3};
    struct small small;
    double number = 3;
    int64_t array[2] = {4, 5};
    PART(small_new(s, &small, REEL_REAL, true));
    REEL_OPTIONS(adam, a, a.sparse_update = mode, a.amsgrad = true);
    REEL_OPTIONS(loader, l, l.shuffle = true, l.batch_size = 2);
    CALL(s->optims[0] = reel_adam_new(s->params[0], &a));
    CALL(s->schedule = reel_multi_step_lr_new(s->optims[0], milestones, 2, 0.5));
    CALL(s->ema = reel_ema_new(s->params[0], 0.9));
    CALL(s->loader = reel_loader_new(s->c, SAMPLES, &l));
    CALL(reel_loader_add(s->loader, REEL_INT64, numbers, REEL_SCALAR));
    CALL(s->checkpoint = reel_checkpoint_new(s->c));
    CALL(reel_checkpoint_add_params(s->checkpoint, "model", s->params[0]));
    CALL(reel_checkpoint_add_optim(s->checkpoint, "adam", s->optims[0]));
    CALL(reel_checkpoint_add_schedule(s->checkpoint, "lr", s->schedule));
    CALL(reel_checkpoint_add_ema(s->checkpoint, "ema", s->ema));
    CALL(reel_checkpoint_add_loader(s->checkpoint, "train", s->loader));
    CALL(reel_checkpoint_add_number(s->checkpoint, "number", &number));
    CALL(reel_checkpoint_add_array(s->checkpoint, "array", REEL_INT64, array, REEL_SHAPE(2)));
    bring_up_to_date(s);
    CALL(reel_checkpoint_save(s->checkpoint, s->path));
    PART(step_and_follow(s, &small, 0));
    /* The file has none of the states yet. */
    bring_up_to_date(s);
    CALL(reel_checkpoint_load(s->checkpoint, s->path));
    PART(step_and_follow(s, &small, 1));
    bring_up_to_date(s);
    CALL(reel_checkpoint_save(s->checkpoint, s->path));
    number = 7;
    PART(step_and_follow(s, &small, 2));
    bring_up_to_date(s);
    CALL(reel_checkpoint_load(s->checkpoint, s->path));
    note(s, &number, sizeof number);
    PART(step_and_follow(s, &small, 3));
    PART(note_states(s, s->optims[0]));
    CALL(reel_ema_swap(s->ema));
    note_params(s, s->params[0]);
    CALL(reel_ema_swap(s->ema));
    free_objects(s);
}

void checkpoints(struct scene *s)
{
    PART(use_checkpoint(s, REEL_LAZY));
    use_checkpoint(s, REEL_EXACT);
}

/* ---- Passes ---- */

static void note_var(struct scene *s, reel_var v)
{
    const void *data;
    CALL(data = reel_data(s->t, v));
    note(s, data, (size_t)reel_numel(s->t, v) * reel_dtype_size(reel_dtype_of(s->t, v)));
}

/* To the third order, through what has rules of its own. */
void second_order(struct scene *s)
{
    reel_tape *t = s->t;
    reel_var x, w, index, h, g, gg, ggg;
    CALL(x = reel_randn(t, REEL_SHAPE(6, 8)));
    CALL(w = reel_randn(t, REEL_SHAPE(8, 5)));
    CALL(index = reel_arange_int64(t, 0, 6, 2));
    CALL(h = reel_matmul(t, x, w));
    STEP(h, reel_cat(t, REEL_VARS(h, reel_index_select(t, h, 0, index)), 0));
    STEP(h, reel_layer_norm(t, h, 1, reel_null(), reel_null(), 1e-5));
    STEP(h, reel_mul(t, reel_softmax(t, h, 1), reel_sigmoid(t, h)));
    STEP(h, reel_norm(t, h, 2, REEL_AXES(1), false));
    STEP(h, reel_sum_all(t, reel_log(t, h)));
    CALL(reel_grad(t, h, &x, 1, REEL_GRAD_CREATE_GRAPH, &g));
    STEP(g, reel_sum_all(t, reel_square(t, g)));
    CALL(reel_grad(t, g, &w, 1, REEL_GRAD_CREATE_GRAPH, &gg));
    PART(note_var(s, gg));
    STEP(gg, reel_mean_all(t, reel_square(t, gg)));
    CALL(reel_grad(t, gg, &x, 1, REEL_GRAD_DEFAULT, &ggg));
    note_var(s, ggg);
}

static reel_var halve(reel_tape *t, reel_var grad, void *user)
{
    (void)user;
    return reel_mul_scalar(t, grad, 0.5);
}

static reel_var halve_rows(reel_tape *t, reel_var rows, reel_var values, void *user)
{
    (void)rows;
    return halve(t, values, user);
}

static reel_status look(reel_param *param, void *user)
{
    (void)user;
    return reel_param_grad(param) ? REEL_OK : reel_context_status(reel_params_context(param ? user : NULL));
}

void hooks_and_scopes(struct scene *s)
{
    reel_tape *t = s->t;
    struct small small;
    PART(small_new(s, &small, REEL_REAL, true));
    reel_params *p = s->params[0];
    reel_param *table = reel_params_at(p, 0);
    reel_params_set_post_accumulate_grad_hook(p, look, p);
    REEL_OPTIONS(embedding, limited, limited.max_norm = 0.5);
    reel_module *other;
    CALL(other = reel_embedding_new(p, "limited", 6, 4, &limited));
    for (int step = 0; step < 3; step++) {
        reel_var v, index, h, product, kept;
        CALL(v = reel_param_var(t, table));
        CALL(index = reel_arange_int64(t, step, step + 4, 1));
        CALL(reel_register_row_hook(t, v, halve_rows, NULL));
        CALL(h = reel_forward(t, small.table, index));
        CALL(reel_register_hook(t, h, halve, NULL));
        STEP(h, reel_forward(t, small.linear, h));
        /* A table that a rule reads before max_norm changes it. */
        CALL(product = reel_sum_all(t, reel_square(t, reel_param_var(t, reel_params_find(p, "limited.weight")))));
        CALL(kept = reel_forward(t, other, reel_remainder(t, index, reel_full_int64(t, REEL_SCALAR, 6))));
        STEP(h, reel_add(t, reel_sum_all(t, h), reel_add(t, product, reel_sum_all(t, kept))));
        CALL(reel_zero_grad(p); reel_backward(t, h, p));
        const reel_real *grad;
        CALL(grad = reel_param_grad(table));
        note(s, grad, ROWS * COLUMNS * sizeof *grad);
        reel_row_grad rows;
        CALL(reel_param_row_grad(table, &rows));
        CALL(reel_param_set_row_grad(table, 2, (const int64_t[]){3, 1}, (const reel_real[2 * COLUMNS]){1, 2, 3}));
        CALL(reel_scope_begin(t));
        reel_var inside;
        CALL(inside = reel_randn(t, REEL_SHAPE(300, 20)));
        STEP(inside, reel_sum(t, inside, REEL_AXES(1), false));
        CALL(reel_scope_end(t, &inside, 1));
        PART(note_var(s, inside));
        CALL(reel_tape_reset(t));
    }
}
