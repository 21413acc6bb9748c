/* Checkpoints: a resumed run has the bits of one that was never stopped, saving changes none, and what does not fit is
 * refused as a whole. */
#include "files/safetensors.h"
#include "helpers.h"
#include "support/allocator.h"

#include <reel/reel.h>

#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROWS = 31, COLUMNS = 3, BATCH = 4, HALF = 41, SAMPLES = 50, N = 3 };

/* A model with all that a run can hold: a sparse table and dense layers, dropout, batch norm, two optimizers' worth of
 * groups, a schedule, an average, a loader in the middle of an epoch, and numbers of the user. */
struct run {
    reel_context *c;
    reel_tape *t;
    reel_params *params;
    reel_module *table, *linear, *norm;
    reel_optim *optim;
    reel_schedule *schedule;
    reel_ema *ema;
    reel_loader *loader;
    reel_checkpoint *checkpoint;
    double loss; /* running */
    int64_t steps;
    int64_t labels[SAMPLES];
    reel_real x[SAMPLES * N];
};

struct kind {
    const char *optim;
    reel_sparse_update mode;
    int schedule, threads;
    bool other_rates; /* other learning rates, which a file replaces */
};

static double shrink(int64_t step, void *user)
{
    (void)user;
    return 1 / (1 + 0.01 * (double)step);
}

enum { SCHEDULES = 10 };
static reel_schedule *schedule_of(reel_optim *optim, int which)
{
    static const int64_t milestones[] = {10, 30, 60};
    reel_reduce_lr_on_plateau_options plateau = reel_reduce_lr_on_plateau_defaults();
    reel_one_cycle_lr_options cycle = reel_one_cycle_lr_defaults();
    plateau.patience = 2;
    reel_schedule *s = NULL;
    switch (which) {
    case 0:
        return reel_step_lr_new(optim, 7, 0.9);
    case 1:
        return reel_multi_step_lr_new(optim, milestones, 3, 0.5);
    case 2:
        return reel_exponential_lr_new(optim, 0.99);
    case 3:
        s = reel_cosine_annealing_lr_new(optim, 2 * HALF, 1e-4);
        reel_schedule_warm_up(s, 9, 0.1);
        return s;
    case 4:
        s = reel_linear_lr_new(optim, 0.5, 1, 60);
        reel_schedule_chain(s, reel_multi_step_lr_new(optim, milestones, 2, 0.7));
        return s;
    case 5:
        return reel_polynomial_lr_new(optim, 3 * HALF, 2);
    case 6:
        return reel_cosine_annealing_warm_restarts_lr_new(optim, 11, 2, 1e-5);
    case 7:
        return reel_reduce_lr_on_plateau_new(optim, &plateau);
    case 8:
        cycle.cycle_momentum =
            !isnan(reel_optim_get_option(optim, 0, "beta1")) || !isnan(reel_optim_get_option(optim, 0, "momentum"));
        return reel_one_cycle_lr_new(optim, 2 * HALF, &cycle);
    default:
        return reel_lambda_lr_new(optim, shrink, NULL);
    }
}

static void start(struct run *r, const struct kind *kind)
{
    memset(r, 0, sizeof *r);
    REEL_OPTIONS(context, o, o.num_threads = kind->threads, o.seed = 5);
    r->c = reel_context_new(&o);
    r->t = reel_tape_new(r->c);
    r->params = reel_params_new(r->c);
    REEL_OPTIONS(embedding, e, e.sparse = takes_rows(kind->optim), e.max_norm = 2);
    r->table = reel_embedding_new(r->params, "table", ROWS, COLUMNS, &e);
    r->linear = reel_linear_new(r->params, "linear", COLUMNS + N, COLUMNS, NULL);
    r->norm = reel_batch_norm1d_new(r->params, "norm", COLUMNS, NULL);
    r->optim = optim_of(r->params, kind->optim, kind->mode);
    struct subject other = subject_of(kind->optim);
    reel_optim_add_group(r->optim, other.algorithm, "*.bias", &other.options);
    reel_optim_set_lr(r->optim, 1, kind->other_rates ? 0.5 : 0.003);
    r->schedule = schedule_of(r->optim, kind->schedule);
    r->ema = reel_ema_new(r->params, 0.9);
    REEL_OPTIONS(loader, l, l.batch_size = BATCH, l.shuffle = true);
    r->loader = reel_loader_new(r->c, SAMPLES, &l);
    fill(r->x, SAMPLES * N, 3);
    for (int i = 0; i < SAMPLES; i++)
        r->labels[i] = i < SAMPLES / 2 ? i % 5 : i % ROWS;
    reel_loader_add(r->loader, REEL_REAL, r->x, REEL_SHAPE(N));
    reel_loader_add(r->loader, REEL_INT64, r->labels, REEL_SCALAR);
    r->checkpoint = reel_checkpoint_new(r->c);
    reel_checkpoint_add_params(r->checkpoint, "model", r->params);
    reel_checkpoint_add_optim(r->checkpoint, "main", r->optim);
    reel_checkpoint_add_schedule(r->checkpoint, "lr", r->schedule);
    reel_checkpoint_add_ema(r->checkpoint, "smooth", r->ema);
    reel_checkpoint_add_loader(r->checkpoint, "train", r->loader);
    reel_checkpoint_add_number(r->checkpoint, "loss", &r->loss);
    reel_checkpoint_add_array(r->checkpoint, "steps", REEL_INT64, &r->steps, REEL_SCALAR);
    OK(r->c);
}

static void end(struct run *r)
{
    reel_checkpoint_free(r->checkpoint);
    reel_loader_free(r->loader);
    reel_ema_free(r->ema);
    reel_schedule_free(r->schedule);
    reel_optim_free(r->optim);
    reel_tape_free(r->t);
    reel_params_free(r->params);
    reel_context_free(r->c);
}

static void step(struct run *r)
{
    reel_tape *t = r->t;
    reel_var batch[2];
    while (reel_loader_next(r->loader, t, batch) < BATCH)
        reel_tape_reset(t);
    reel_var rows = reel_forward(t, r->table, batch[1]);
    reel_var h = reel_forward(t, r->linear, reel_cat(t, REEL_VARS(rows, batch[0]), 1));
    h = reel_dropout(t, reel_forward(t, r->norm, h), 0.3, true);
    reel_var loss = reel_mean_all(t, reel_square(t, reel_sub(t, h, reel_randn(t, REEL_SHAPE(BATCH, COLUMNS)))));
    reel_zero_grad(r->params);
    reel_backward(t, loss, r->params);
    reel_optim_step(r->optim);
    double value = reel_item(t, loss);
    r->loss = 0.9 * r->loss + 0.1 * value;
    r->steps++;
    reel_schedule_step_with(r->schedule, value);
    /* A decay that changes, and at times none: averages of rows fall behind. */
    if (r->steps % 16 == 7)
        reel_ema_set_decay(r->ema, r->steps % 32 < 16 ? 0.97 : 0.8);
    if (r->steps % 5)
        reel_ema_update(r->ema);
    OK(r->c);
    cr_assert_eq(reel_tape_reset(t), REEL_OK);
}

static void steps(struct run *r, int n)
{
    for (int i = 0; i < n; i++)
        step(r);
}

/* All that can be seen of two runs is the same. */
static void expect_same(const char *what, struct run *a, struct run *b)
{
    unsigned char rng[2][REEL_RNG_STATE_SIZE];
    reel_get_rng_state(a->c, rng[0]);
    reel_get_rng_state(b->c, rng[1]);
    cr_assert_arr_eq(rng[0], rng[1], sizeof rng[0], "%s: generator", what);
    cr_assert_eq(a->c->philox_draws, b->c->philox_draws, "%s", what);
    cr_assert(memcmp(&a->loss, &b->loss, sizeof a->loss) == 0 && a->steps == b->steps, "%s: %.17g, %.17g", what,
              a->loss, b->loss);
    for (int averaged = 0; averaged < 2; averaged++) {
        for (int i = 0; i < reel_params_count(a->params); i++) {
            const reel_param *x = reel_params_at(a->params, i), *y = reel_params_at(b->params, i);
            cr_assert_arr_eq(reel_param_data(x), reel_param_data(y),
                             (size_t)x->numel * reel_dtype_size(reel_param_dtype(x)), "%s: %s%s", what,
                             averaged ? "average of " : "", reel_param_name(x));
            if (reel_param_kind_of(x) == REEL_PARAM_BUFFER || averaged)
                continue;
            int n = reel_optim_states(a->optim, x);
            cr_assert_eq(reel_optim_states(b->optim, y), n);
            for (int k = 0; k < n; k++) {
                reel_optim_state s[2];
                reel_optim_state_at(a->optim, x, k, &s[0]);
                reel_optim_state_at(b->optim, y, k, &s[1]);
                cr_assert_arr_eq(s[0].data, s[1].data,
                                 (size_t)reel_shape_numel(&s[0].shape) * reel_dtype_size(s[0].dtype), "%s: %s of %s",
                                 what, s[0].name, reel_param_name(x));
            }
        }
        reel_ema_swap(a->ema);
        reel_ema_swap(b->ema);
    }
    for (int g = 0; g < reel_optim_groups(a->optim); g++) {
        double lr[] = {reel_optim_lr(a->optim, g), reel_optim_lr(b->optim, g)};
        cr_assert(memcmp(&lr[0], &lr[1], sizeof lr[0]) == 0, "%s: lr %.17g and %.17g", what, lr[0], lr[1]);
    }
}

static const char *path_of(const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "/tmp/reel-checkpoint-%ld-%s", (long)getpid(), name);
    return path;
}

/* The same run four times: never stopped; saved in the middle, and gone on with; resumed in another context, with
 * another number of threads; loaded over a run that has gone another way. */
static void resume(const struct kind *kind)
{
    struct run whole, saved, resumed, other;
    struct kind threads = *kind;
    threads.threads = 3 - kind->threads;
    threads.other_rates = true;
    const char *path = path_of("run");
    start(&whole, kind);
    start(&saved, kind);
    start(&resumed, &threads);
    start(&other, kind);
    steps(&whole, 2 * HALF);
    steps(&saved, HALF);
    cr_assert_eq(reel_checkpoint_save(saved.checkpoint, path), REEL_OK, "%s", reel_error(saved.c));
    steps(&saved, HALF);
    expect_same(kind->optim, &whole, &saved);

    steps(&other, HALF + 7);
    struct run *loaded[] = {&resumed, &other};
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(reel_checkpoint_load(loaded[i]->checkpoint, path), REEL_OK, "%s: %s", kind->optim,
                     reel_checkpoint_differences(loaded[i]->checkpoint));
        cr_assert_eq(loaded[i]->steps, HALF);
        steps(loaded[i], HALF);
        expect_same(kind->optim, &whole, loaded[i]);
    }
    unlink(path);
    end(&whole);
    end(&saved);
    end(&resumed);
    end(&other);
}

/* Options that turn each state on, beside every algorithm as it comes. */
static const char *const subjects[] = {
    "sgd lr=0.05 momentum=0.9 dampening=0.3", "sgd lr=0.05 momentum=0.9 nesterov=1",   "adam amsgrad=1",
    "rmsprop momentum=0.9 centered=1",        "adagrad lr_decay=0.1 weight_decay=0.1", "radam lr=0.02 weight_decay=0.1",
};

static void resume_with(const char *optim, int schedule)
{
    for (int threads = 1; threads <= 2; threads++)
        for (int mode = REEL_LAZY; mode <= REEL_EXACT; mode++)
            resume(&(struct kind){optim, (reel_sparse_update)mode, schedule, threads, false});
}

Test(checkpoint, a_resumed_run_has_the_bits_of_one_that_never_stopped)
{
    int n = 0;
    const reel_optim_algorithm *algorithm;
    for (; (algorithm = reel_optim_algorithm_at(n)) != NULL; n++)
        resume_with(algorithm->name, n % SCHEDULES);
    for (size_t k = 0; k < COUNT(subjects); k++)
        resume_with(subjects[k], (n + (int)k) % SCHEDULES);
    for (int schedule = 0; schedule < SCHEDULES; schedule++)
        resume_with("adam", schedule);
}

/* A file of the beginning has none of the states that a run holds later. */
Test(checkpoint, a_run_begins_again)
{
    const char *path = path_of("begin");
    for (int mode = REEL_LAZY; mode <= REEL_EXACT; mode++)
        for (size_t k = 0; k < COUNT(subjects); k++) {
            const struct kind kind = {subjects[k], (reel_sparse_update)mode, 0, 1, false};
            struct run whole, again;
            start(&whole, &kind);
            start(&again, &kind);
            cr_assert_eq(reel_checkpoint_save(again.checkpoint, path), REEL_OK);
            steps(&again, HALF);
            cr_assert_eq(reel_checkpoint_load(again.checkpoint, path), REEL_OK, "%s", reel_error(again.c));
            steps(&whole, HALF);
            steps(&again, HALF);
            expect_same(kind.optim, &whole, &again);
            end(&whole);
            end(&again);
        }
    unlink(path);
}

Test(checkpoint, another_process_goes_on)
{
    const struct kind kind = {"adam amsgrad=1", REEL_EXACT, 3, 1, false};
    struct run whole;
    char first[128], second[128];
    strcpy(first, path_of("first"));
    strcpy(second, path_of("second"));
    /* Each half in a child of its own, before this process has made a context. */
    for (int half = 0; half < 2; half++) {
        pid_t child = fork();
        if (child == 0) {
            struct run r;
            start(&r, &kind);
            if (half == 1 && reel_checkpoint_load(r.checkpoint, first) != REEL_OK)
                _exit(1);
            steps(&r, HALF);
            _exit(reel_checkpoint_save(r.checkpoint, half ? second : first) != REEL_OK);
        }
        int status;
        waitpid(child, &status, 0);
        cr_assert_eq(status, 0);
    }
    start(&whole, &kind);
    steps(&whole, 2 * HALF);
    struct run resumed;
    start(&resumed, &kind);
    cr_assert_eq(reel_checkpoint_load(resumed.checkpoint, second), REEL_OK, "%s", reel_error(resumed.c));
    expect_same("another process", &whole, &resumed);
    unlink(first);
    unlink(second);
    end(&whole);
    end(&resumed);
}

Test(checkpoint, what_does_not_fit_is_refused_as_a_whole)
{
    const struct kind kind = {"adam", REEL_EXACT, 1, 1, false};
    struct run saved, r, untouched;
    start(&saved, &kind);
    steps(&saved, HALF);
    const char *path = path_of("refused");
    cr_assert_eq(reel_checkpoint_save(saved.checkpoint, path), REEL_OK);

    /* Another algorithm, a schedule of another length, a part too many, and a number of the file that nobody wants. */
    start(&r, &kind);
    start(&untouched, &kind);
    reel_checkpoint *k = reel_checkpoint_new(r.c);
    double number = 3;
    reel_optim *sgd = reel_sgd_new(r.params, NULL);
    reel_schedule *longer = reel_step_lr_new(sgd, 8, 0.9);
    reel_checkpoint_add_params(k, "model", r.params);
    reel_checkpoint_add_optim(k, "main", sgd);
    reel_checkpoint_add_schedule(k, "lr", longer);
    reel_checkpoint_add_ema(k, "smooth", r.ema);
    reel_checkpoint_add_loader(k, "train", r.loader);
    reel_checkpoint_add_number(k, "other", &number);
    cr_assert_eq(reel_checkpoint_load(k, path), REEL_ERROR_FORMAT);
    const char *text = reel_checkpoint_differences(k);
    cr_assert_not_null(strstr(text, "\"optim/main\" is \"sgd\" here and \"adam\" in the file\n"), "%s", text);
    cr_assert_not_null(strstr(text, "\"schedule/lr\" is \"step_lr, step_size 8, gamma 0.9"), "%s", text);
    cr_assert_not_null(strstr(text, "\"user/other\" is not in the file\n"), "%s", text);
    cr_assert_not_null(strstr(text, "\"user/loss\" is only in the file\n"), "%s", text);
    cr_assert_not_null(strstr(text, "\"optim/main/state/linear.weight/exp_avg\" is only in the file\n"), "%s", text);
    cr_assert_null(strstr(text, "\"linear.weight\""), "%s", text);
    reel_clear_error(r.c);
    expect_same("refused", &r, &untouched);
    cr_assert_eq(number, 3);

    /* Groups and lengths that differ are found when the names agree. */
    reel_optim_move(r.optim, 0, "norm.bias");
    cr_assert_eq(reel_checkpoint_load(r.checkpoint, path), REEL_ERROR_FORMAT);
    cr_assert_str_eq(reel_checkpoint_differences(r.checkpoint),
                     "optim \"main\": \"norm.bias\" is in group 0 here and in group 1 in the file\n");
    reel_clear_error(r.c);
    reel_optim_move(r.optim, 1, "norm.bias");
    expect_same("refused again", &r, &untouched);
    cr_assert_eq(reel_checkpoint_load(r.checkpoint, path), REEL_OK);
    cr_assert_str_empty(reel_checkpoint_differences(r.checkpoint));
    expect_same("loaded", &r, &saved);

    reel_ema_swap(r.ema);
    cr_assert_eq(reel_checkpoint_save(r.checkpoint, path), REEL_ERROR_STATE);
    reel_clear_error(r.c);
    reel_ema_swap(r.ema);
    cr_assert_eq(reel_save_safetensors(r.params, path), REEL_OK);
    cr_assert_eq(reel_checkpoint_load(r.checkpoint, path), REEL_ERROR_FORMAT);
    cr_assert_not_null(strstr(reel_error(r.c), "it is no checkpoint of reel"));
    reel_clear_error(r.c);
    cr_assert_eq(reel_checkpoint_save(saved.checkpoint, path), REEL_OK);
    reel_eval(r.params);
    cr_assert_eq(reel_params_share(r.params), REEL_OK);
    cr_assert_eq(reel_checkpoint_load(r.checkpoint, path), REEL_ERROR_STATE);
    reel_clear_error(r.c);
    unlink(path);
    reel_schedule_free(longer);
    reel_checkpoint_free(k);
    reel_optim_free(sgd);
    end(&saved);
    end(&r);
    end(&untouched);
}

/* Makes the first bool of a tensor, or of any whose name ends so, a byte that is none. */
static void spoil_bool(const char *path, const char *end_of_name)
{
    FILE *file = fopen(path, "r+b");
    cr_assert_not_null(file);
    uint64_t length;
    cr_assert_eq(fread(&length, sizeof length, 1, file), 1);
    char *header = calloc(1, length + 1);
    cr_assert_eq(fread(header, 1, length, file), length);
    const char *at = strstr(header, end_of_name);
    cr_assert_not_null(at, "%s", header);
    at = strstr(at, "data_offsets\":[");
    cr_assert_not_null(at);
    fseek(file, (long)(sizeof length + length) + atol(at + strlen("data_offsets\":[")), SEEK_SET);
    fputc(116, file);
    cr_assert_eq(fclose(file), 0);
    free(header);
}

Test(checkpoint, a_bool_is_0_or_1)
{
    static const char *const bools[] = {"/updated\"", "/one_by_one\""};
    const struct kind kind = {"adam", REEL_EXACT, 1, 1, false};
    struct run saved, r, untouched;
    start(&saved, &kind);
    steps(&saved, HALF);
    start(&r, &kind);
    start(&untouched, &kind);
    const char *path = path_of("bools");
    for (size_t i = 0; i < sizeof bools / sizeof *bools; i++) {
        cr_assert_eq(reel_checkpoint_save(saved.checkpoint, path), REEL_OK);
        spoil_bool(path, bools[i]);
        cr_assert_eq(reel_checkpoint_load(r.checkpoint, path), REEL_ERROR_FORMAT);
        cr_assert_not_null(strstr(reel_error(r.c), "holds bools that are neither 0 nor 1"), "%s", reel_error(r.c));
        reel_clear_error(r.c);
        expect_same("refused", &r, &untouched);
    }
    unlink(path);
    end(&saved);
    end(&r);
    end(&untouched);
}

/* What a loader gives next depends on more than where it is: each of these changes it, and is refused by name. */
Test(checkpoint, a_loader_with_other_options_is_refused)
{
    static const struct {
        int64_t samples, batch_size;
        bool shuffle, weighted, drop_last;
        const char *differences;
    } loaders[] = {
        {SAMPLES, BATCH, true, false, false, ""},
        {SAMPLES, BATCH + 1, true, false, false, "loader \"train\": batch_size is 5 here and 4 in the file\n"},
        {SAMPLES, BATCH, true, false, true, "loader \"train\": drop_last is 1 here and 0 in the file\n"},
        {SAMPLES, BATCH, false, false, false, "loader \"train\": shuffle is 0 here and 1 in the file\n"},
        {SAMPLES, BATCH, false, true, false,
         "loader \"train\": shuffle is 0 here and 1 in the file\n"
         "loader \"train\": weighted is 1 here and 0 in the file\n"},
        /* An epoch of as many samples, which are others. */
        {SAMPLES / 2, BATCH, false, true, false,
         "loader \"train\": samples_taking_part is 25 here and 50 in the file\n"
         "loader \"train\": shuffle is 0 here and 1 in the file\n"
         "loader \"train\": weighted is 1 here and 0 in the file\n"},
    };
    const char *path = path_of("options");
    reel_context *c = reel_context_new(NULL);
    reel_tape *t = reel_tape_new(c);
    reel_var batch;
    int64_t labels[SAMPLES];
    double weights[SAMPLES];
    for (int i = 0; i < SAMPLES; i++) {
        labels[i] = i;
        weights[i] = i + 1;
    }
    for (size_t i = 0; i < COUNT(loaders); i++) {
        REEL_OPTIONS(loader, o, o.batch_size = loaders[i].batch_size, o.shuffle = loaders[i].shuffle,
                     o.drop_last = loaders[i].drop_last);
        reel_loader *loader = reel_loader_new(c, loaders[i].samples, &o);
        reel_loader_add(loader, REEL_INT64, labels, REEL_SCALAR);
        if (loaders[i].weighted)
            reel_loader_set_weights(loader, weights, SAMPLES);
        reel_checkpoint *k = reel_checkpoint_new(c);
        reel_checkpoint_add_loader(k, "train", loader);
        if (i == 0) {
            cr_assert_eq(reel_loader_next(loader, t, &batch), BATCH);
            cr_assert_eq(reel_checkpoint_save(k, path), REEL_OK, "%s", reel_error(c));
        }
        reel_loader_position before, after;
        reel_loader_position_of(loader, &before);
        reel_status want = *loaders[i].differences ? REEL_ERROR_FORMAT : REEL_OK;
        cr_assert_eq(reel_checkpoint_load(k, path), want, "loader %zu", i);
        cr_assert_str_eq(reel_checkpoint_differences(k), loaders[i].differences);
        reel_clear_error(c);
        reel_loader_position_of(loader, &after);
        cr_assert_arr_eq(&before, &after, sizeof before, "loader %zu", i);
        reel_checkpoint_free(k);
        reel_loader_free(loader);
    }
    unlink(path);
    reel_tape_free(t);
    reel_context_free(c);
}

#ifndef REEL_F64
/* What version 1 did not save at first. */
static const char *const newer[] = {"loader/train/samples_taking_part", "loader/train/batch_size",
                                    "loader/train/shuffle", "loader/train/weighted", "loader/train/drop_last"};

static void expect_same_tensor(const reel_safetensors *a, const reel_safetensors *b, const reel_tensor_info *info)
{
    enum { SIZE = 1 << 13 };
    static unsigned char bytes[2][SIZE];
    const reel_tensor_info *other = reel_safetensors_find(b, info->name);
    cr_assert_not_null(other, "%s", info->name);
    cr_assert(reel_shape_equal(&info->shape, &other->shape) && strcmp(info->dtype, other->dtype) == 0, "%s",
              info->name);
    int64_t size = info->numel * (int64_t)reel_tensor_element_size(info->dtype);
    cr_assert_leq(size, SIZE);
    cr_assert_eq(reel_tensor_read_bytes(a, info->name, 0, size, bytes[0]), REEL_OK);
    cr_assert_eq(reel_tensor_read_bytes(b, info->name, 0, size, bytes[1]), REEL_OK);
    cr_assert_arr_eq(bytes[0], bytes[1], (size_t)size, "%s", info->name);
}

/* A file that version 1 wrote: this run after HALF steps. It is never written again. */
Test(checkpoint, files_of_version_1_load)
{
    const struct kind kind = {"adam amsgrad=1", REEL_LAZY, 4, 1, false};
    static const char golden[] = REEL_GOLDEN_FOLDER "/checkpoint-1.safetensors";
    struct run r;
    start(&r, &kind);
    cr_assert_eq(reel_checkpoint_load(r.checkpoint, golden), REEL_OK, "%s", reel_checkpoint_differences(r.checkpoint));
    cr_assert_eq(r.steps, HALF);
    cr_assert_eq(reel_schedule_last_step(r.schedule), HALF);
    reel_optim_state s;
    cr_assert_eq(reel_optim_get_state(r.optim, reel_params_at(r.params, 0), "step", &s), REEL_OK);
    cr_assert_eq(*(const int64_t *)s.data, HALF);
    /* As long as 1 is the version that is written, nothing got lost on the way, and nothing else was added. */
    cr_assert_eq(reel_checkpoint_save(r.checkpoint, path_of("golden")), REEL_OK);
    reel_safetensors *old = reel_safetensors_open(r.c, golden), *new = reel_safetensors_open(r.c, path_of("golden"));
    OK(r.c);
    for (int64_t i = 0; i < reel_safetensors_count(old); i++)
        expect_same_tensor(old, new, reel_safetensors_at(old, i));
    for (size_t i = 0; i < COUNT(newer); i++)
        cr_assert(!reel_safetensors_find(old, newer[i]) && reel_safetensors_find(new, newer[i]), "%s", newer[i]);
    cr_assert_eq(reel_safetensors_count(new), reel_safetensors_count(old) + (int64_t)COUNT(newer));
    static const char *const keys[] = {"reel_checkpoint", "optim/main", "schedule/lr"};
    for (size_t i = 0; i < COUNT(keys); i++)
        cr_assert_str_eq(reel_safetensors_metadata(old, keys[i]), reel_safetensors_metadata(new, keys[i]));
    reel_safetensors_close(old);
    reel_safetensors_close(new);
    unlink(path_of("golden"));
    step(&r);
    end(&r);
}
#endif

Test(checkpoint, params_have_the_names_of_a_state_dict)
{
    reel_context *c = reel_context_new(NULL);
    reel_params *a = reel_params_new(c), *b = reel_params_new(c);
    reel_linear_new(a, "fc", 2, 3, NULL);
    reel_linear_new(b, "fc", 3, 2, NULL);
    reel_checkpoint *k = reel_checkpoint_new(c);
    const char *path = path_of("names");
    for (int sets = 1; sets <= 2; sets++) {
        reel_checkpoint_add_params(k, sets == 1 ? "one" : "two", sets == 1 ? a : b);
        cr_assert_eq(reel_checkpoint_save(k, path), REEL_OK);
        reel_safetensors *file = reel_safetensors_open(c, path);
        cr_assert_eq(reel_safetensors_count(file), 2 * sets + 2);
        cr_assert_not_null(reel_safetensors_find(file, sets == 1 ? "fc.weight" : "one.fc.weight"));
        cr_assert(sets == 1 || reel_safetensors_find(file, "two.fc.bias") != NULL);
        const reel_tensor_info *rng = reel_safetensors_find(file, "rng/state");
        cr_assert_str_eq(rng->dtype, "U8");
        cr_assert_eq(rng->numel, REEL_RNG_STATE_SIZE);
        cr_assert_str_eq(reel_safetensors_metadata(file, "reel_checkpoint"), "1");
        reel_safetensors_close(file);
    }
    cr_assert_eq(reel_checkpoint_add_params(k, "one", a), REEL_ERROR_ARGUMENT);
    reel_clear_error(c);
    cr_assert_eq(reel_checkpoint_add_params(k, "a/b", a), REEL_ERROR_ARGUMENT);
    reel_clear_error(c);
    cr_assert_eq(reel_checkpoint_add_params(k, "", a), REEL_ERROR_ARGUMENT);
    reel_clear_error(c);
    cr_assert_eq(reel_checkpoint_add_ema(k, "none", NULL), REEL_ERROR_ARGUMENT);
    reel_clear_error(c);
    unlink(path);
    reel_checkpoint_free(k);
    reel_params_free(a);
    reel_params_free(b);
    reel_context_free(c);
}

/* Whatever allocation fails, a load has changed nothing, and a save has left the old file. */
Test(checkpoint, out_of_memory_leaves_everything)
{
    struct failing f;
    reel_context *c = failing_context(&f);
    reel_params *params = reel_params_new(c);
    REEL_OPTIONS(embedding, e, e.sparse = true);
    reel_module *table = reel_embedding_new(params, "table", ROWS, COLUMNS, &e);
    reel_optim *adam = reel_adam_new(params, NULL);
    reel_ema *ema = reel_ema_new(params, 0.9);
    reel_checkpoint *k = reel_checkpoint_new(c);
    reel_checkpoint_add_params(k, "model", params);
    reel_checkpoint_add_optim(k, "adam", adam);
    reel_checkpoint_add_ema(k, "ema", ema);
    cr_assert_not_null(table);
    const char *path = path_of("memory");
    const int64_t index[] = {1, 2, 1, 5};
    reel_real values[BATCH * COLUMNS], before[ROWS * COLUMNS];
    fill(values, BATCH * COLUMNS, 1);
    reel_param_set_row_grad(reel_params_at(params, 0), BATCH, index, values);
    cr_assert_eq(reel_optim_step(adam), REEL_OK);
    cr_assert_eq(reel_ema_update(ema), REEL_OK);
    cr_assert_eq(reel_checkpoint_save(k, path), REEL_OK);
    cr_assert_eq(reel_optim_step(adam), REEL_OK);
    memcpy(before, reel_param_data(reel_params_at(params, 0)), sizeof before);
    int failures = 0;
    for (int saving = 0; saving < 2; saving++) {
        reel_status status = REEL_ERROR_OUT_OF_MEMORY;
        for (int64_t at = 0; status != REEL_OK; at++) {
            int64_t live = f.live;
            f.fail_at = f.count + at;
            status = saving ? reel_checkpoint_save(k, path_of("new")) : reel_checkpoint_load(k, path);
            f.fail_at = -1;
            if (status == REEL_OK)
                break;
            failures++;
            cr_assert_eq(status, REEL_ERROR_OUT_OF_MEMORY, "%s", reel_error(c));
            cr_assert_eq(f.live, live);
            cr_assert(saving ? access(path_of("new"), F_OK) != 0 : true);
            reel_clear_error(c);
            if (!saving)
                cr_assert_arr_eq(reel_param_data(reel_params_at(params, 0)), before, sizeof before);
        }
    }
    cr_assert_gt(failures, 8);
    unlink(path_of("new"));
    unlink(path_of("memory"));
    reel_checkpoint_free(k);
    reel_ema_free(ema);
    reel_optim_free(adam);
    reel_params_free(params);
    reel_context_free(c);
    cr_assert_eq(f.live, 0);
}

/* A table goes between file and memory without a second copy. */
Test(checkpoint, large_tables_stream)
{
    enum { MANY = 1 << 16, WIDE = 32, SOME = 1 << 20 };
    struct counting a;
    reel_context *c = counting_context(&a, 1);
    reel_params *params = reel_params_new(c);
    reel_param_new(params, "table", REEL_PARAM_TRAINED, REEL_REAL, REEL_SHAPE(MANY, WIDE));
    reel_ema *ema = reel_ema_new(params, 0.9);
    reel_checkpoint *k = reel_checkpoint_new(c);
    reel_checkpoint_add_params(k, "model", params);
    reel_checkpoint_add_ema(k, "ema", ema);
    OK(c);
    reel_memory_statistics before = reel_memory(c);
    size_t most = before.bytes + SOME > before.peak_bytes ? before.bytes + SOME : before.peak_bytes;
    cr_assert_lt(most, before.bytes + (size_t)MANY * WIDE * sizeof(reel_real), "a copy would not be noticed");
    cr_assert_eq(reel_checkpoint_save(k, path_of("large")), REEL_OK, "%s", reel_error(c));
    cr_assert_eq(reel_checkpoint_load(k, path_of("large")), REEL_OK, "%s", reel_error(c));
    cr_assert_leq(reel_memory(c).peak_bytes, most);
    unlink(path_of("large"));
    reel_checkpoint_free(k);
    reel_ema_free(ema);
    reel_params_free(params);
    reel_context_free(c);
    cr_assert_eq(a.live, 0);
}

Test(checkpoint, a_folder_keeps_the_last_ones)
{
    reel_context *c = reel_context_new(NULL);
    reel_checkpoint *k = reel_checkpoint_new(c);
    int64_t step = 0;
    char folder[128], path[192];
    strcpy(folder, path_of("folder"));
    reel_checkpoint_add_array(k, "step", REEL_INT64, &step, REEL_SCALAR);
    for (step = 8; step <= 12; step++) {
        cr_assert_eq(reel_checkpoint_save_in(k, folder, step, 3), REEL_OK, "%s", reel_error(c));
        snprintf(path, sizeof path, "%s/latest", folder);
        int64_t now = step;
        step = 0;
        cr_assert_eq(reel_checkpoint_load(k, path), REEL_OK, "%s", reel_error(c));
        cr_assert_eq(step, now);
    }
    /* A file that was on its way, and one that is not ours. */
    snprintf(path, sizeof path, "%s/checkpoint-9.safetensors.1-2.tmp", folder);
    fclose(fopen(path, "w"));
    snprintf(path, sizeof path, "%s/checkpoint-other.safetensors", folder);
    fclose(fopen(path, "w"));
    /* Going on from an earlier step leaves later ones. */
    step = 11;
    cr_assert_eq(reel_checkpoint_save_in(k, folder, step, 1), REEL_OK);
    static const struct {
        const char *name;
        bool there;
    } files[] = {{"checkpoint-8.safetensors", false},    {"checkpoint-9.safetensors", false},
                 {"checkpoint-10.safetensors", false},   {"checkpoint-11.safetensors", true},
                 {"checkpoint-12.safetensors", true},    {"checkpoint-9.safetensors.1-2.tmp", false},
                 {"checkpoint-other.safetensors", true}, {"latest", true}};
    for (size_t i = 0; i < COUNT(files); i++) {
        snprintf(path, sizeof path, "%s/%s", folder, files[i].name);
        cr_assert_eq(access(path, F_OK) == 0, files[i].there, "%s", files[i].name);
    }
    for (size_t i = 0; i < COUNT(files); i++) {
        snprintf(path, sizeof path, "%s/%s", folder, files[i].name);
        unlink(path);
    }
    cr_assert_eq(rmdir(folder), 0);
    cr_assert_eq(reel_checkpoint_save_in(k, folder, -1, 1), REEL_ERROR_ARGUMENT);
    reel_clear_error(c);
    cr_assert_eq(reel_checkpoint_save_in(k, folder, 1, 0), REEL_ERROR_ARGUMENT);
    reel_clear_error(c);
    cr_assert_eq(reel_checkpoint_save_in(k, "/dev/null/x", 1, 1), REEL_ERROR_IO);
    reel_clear_error(c);
    reel_checkpoint_free(k);
    reel_context_free(c);
}
