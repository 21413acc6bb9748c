/* A small run with all that a checkpoint can hold, and all that can be seen of it as one number. */
#ifndef TESTS_SUPPORT_CHECKPOINT_RUN_H
#define TESTS_SUPPORT_CHECKPOINT_RUN_H

#include "core/context.h"

#include <reel/reel.h>

#include <string.h>

enum { CHECKPOINT_ROWS = 5, CHECKPOINT_COLUMNS = 2, CHECKPOINT_SAMPLES = 6 };

struct checkpoint_run {
    reel_context *c;
    reel_tape *t;
    reel_params *params, *averages;
    reel_module *table, *norm, *linear;
    reel_optim *optim;
    reel_schedule *schedule;
    reel_ema *ema;
    reel_loader *loader;
    reel_checkpoint *checkpoint;
    double number;
    bool flags[3];
    int64_t index[CHECKPOINT_SAMPLES];
};

static inline reel_params *checkpoint_params_new(struct checkpoint_run *r)
{
    reel_params *params = reel_params_new(r->c);
    REEL_OPTIONS(embedding, e, e.sparse = true);
    r->table = reel_embedding_new(params, "table", CHECKPOINT_ROWS, CHECKPOINT_COLUMNS, &e);
    r->norm = reel_batch_norm1d_new(params, "norm", CHECKPOINT_COLUMNS, NULL);
    r->linear = reel_linear_new(params, "linear", CHECKPOINT_COLUMNS, 1, NULL);
    return params;
}

/* One step; the batch size of 4 leaves the loader in the middle of an epoch. */
static inline void checkpoint_run_step(struct checkpoint_run *r)
{
    reel_tape *t = r->t;
    reel_var batch;
    if (reel_loader_next(r->loader, t, &batch) == 0)
        reel_loader_next(r->loader, t, &batch);
    reel_var h = reel_forward(t, r->norm, reel_forward(t, r->table, batch));
    h = reel_dropout(t, reel_forward(t, r->linear, h), 0.25, true);
    reel_zero_grad(r->params);
    reel_backward(t, reel_mean_all(t, reel_square(t, reel_add_scalar(t, h, 1))), r->params);
    reel_optim_step(r->optim);
    reel_schedule_step(r->schedule);
    reel_ema_update(r->ema);
    reel_tape_reset(t);
}

/* After a step, whatever failed on the way: the context has the error. Its address is kept. */
static inline void checkpoint_run_begin(struct checkpoint_run *r, reel_context *c)
{
    static const int64_t milestones[] = {1, 3};
    memset(r, 0, sizeof *r);
    r->c = c;
    r->t = reel_tape_new(c);
    r->averages = checkpoint_params_new(r);
    r->params = checkpoint_params_new(r);
    REEL_OPTIONS(adam, a, a.amsgrad = true, a.sparse_update = REEL_EXACT);
    r->optim = reel_adam_new(r->params, &a);
    reel_adam_add_group(r->optim, "*.bias", &a);
    r->schedule = reel_multi_step_lr_new(r->optim, milestones, 2, 0.5);
    r->ema = reel_ema_new(r->params, 0.9);
    REEL_OPTIONS(loader, l, l.batch_size = 4, l.shuffle = true);
    r->loader = reel_loader_new(c, CHECKPOINT_SAMPLES, &l);
    for (int i = 0; i < CHECKPOINT_SAMPLES; i++)
        r->index[i] = i % 3;
    reel_loader_add(r->loader, REEL_INT64, r->index, REEL_SCALAR);
    r->number = 0.5;
    r->flags[1] = true;
    r->checkpoint = reel_checkpoint_new(c);
    reel_checkpoint_add_params(r->checkpoint, "model", r->params);
    reel_checkpoint_add_optim(r->checkpoint, "adam", r->optim);
    reel_checkpoint_add_schedule(r->checkpoint, "lr", r->schedule);
    reel_checkpoint_add_ema(r->checkpoint, "ema", r->ema);
    reel_checkpoint_add_loader(r->checkpoint, "train", r->loader);
    reel_checkpoint_add_number(r->checkpoint, "number", &r->number);
    reel_checkpoint_add_array(r->checkpoint, "flags", REEL_BOOL, r->flags, REEL_SHAPE(3));
    checkpoint_run_step(r);
}

static inline void checkpoint_run_end(struct checkpoint_run *r)
{
    reel_checkpoint_free(r->checkpoint);
    reel_loader_free(r->loader);
    reel_ema_free(r->ema);
    reel_schedule_free(r->schedule);
    reel_optim_free(r->optim);
    reel_params_free(r->params);
    reel_params_free(r->averages);
    reel_tape_free(r->t);
}

/* ---- What is seen of it ---- */

static inline uint64_t checkpoint_mix(uint64_t hash, const void *bytes, size_t size)
{
    const unsigned char *from = bytes;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ from[i]) * 0x100000001b3;
    return hash;
}

static inline uint64_t checkpoint_mix_params(uint64_t hash, const reel_params *params)
{
    for (int i = 0; i < reel_params_count(params); i++) {
        const reel_param *p = reel_params_at(params, i);
        size_t size = (size_t)reel_shape_numel(reel_param_shape(p)) * reel_dtype_size(reel_param_dtype(p));
        hash = checkpoint_mix(hash, reel_param_data(p), size);
    }
    return hash;
}

static inline uint64_t checkpoint_mix_optim(uint64_t hash, const struct checkpoint_run *r)
{
    const reel_optim_algorithm *algorithm = reel_optim_algorithm_of(r->optim);
    for (int g = 0; g < reel_optim_groups(r->optim); g++)
        for (int k = 0; k <= algorithm->n_options; k++) {
            const char *name = k < algorithm->n_options ? algorithm->options[k].name : "initial_lr";
            double value = reel_optim_get_option(r->optim, g, name);
            hash = checkpoint_mix(hash, &value, sizeof value);
        }
    for (int i = 0; i < reel_params_count(r->params); i++) {
        const reel_param *p = reel_params_at(r->params, i);
        int n = reel_param_kind_of(p) == REEL_PARAM_BUFFER ? 0 : reel_optim_states(r->optim, p);
        for (int k = 0; k < n; k++) {
            reel_optim_state state;
            reel_optim_state_at(r->optim, p, k, &state);
            hash =
                checkpoint_mix(hash, state.data, (size_t)reel_shape_numel(&state.shape) * reel_dtype_size(state.dtype));
        }
    }
    return hash;
}

/* Needs the context without an error, and leaves it so. */
static inline uint64_t checkpoint_run_hash(struct checkpoint_run *r)
{
    static unsigned char rng[REEL_RNG_STATE_SIZE];
    reel_loader_position position;
    memset(&position, 0, sizeof position);
    reel_get_rng_state(r->c, rng);
    uint64_t hash = checkpoint_mix(1, rng, sizeof rng);
    hash = checkpoint_mix(hash, &r->c->philox_draws, sizeof r->c->philox_draws);
    hash = checkpoint_mix_optim(checkpoint_mix_params(hash, r->params), r);
    for (int i = 0; i < reel_schedule_states(r->schedule); i++) {
        reel_schedule_state state;
        reel_schedule_state_at(r->schedule, i, &state);
        hash = checkpoint_mix(hash, &state.value, sizeof state.value);
    }
    reel_ema_copy_to(r->ema, r->averages);
    hash = checkpoint_mix_params(hash, r->averages);
    reel_loader_position_of(r->loader, &position);
    hash = checkpoint_mix(hash, &position, sizeof position);
    hash = checkpoint_mix(hash, &r->number, sizeof r->number);
    return checkpoint_mix(hash, r->flags, sizeof r->flags);
}

/* ---- Files that may be anything ---- */

enum checkpoint_verdict { CHECKPOINT_REFUSED, CHECKPOINT_TAKEN, CHECKPOINT_BROKEN };

/* Loads the file, which must be refused and change nothing, or be taken, so that the run can go on from it and `good`
 * brings back what was. `broken` is the promise that did not hold. Saves what was taken to `copy`, unless it is NULL.
 */
static inline enum checkpoint_verdict checkpoint_run_try(struct checkpoint_run *r, const char *path, const char *good,
                                                         const char *copy, const char **broken)
{
    uint64_t before = checkpoint_run_hash(r);
    reel_status status = reel_checkpoint_load(r->checkpoint, path);
    bool explained = *reel_error(r->c) && (status == REEL_ERROR_FORMAT || status == REEL_ERROR_OUT_OF_MEMORY);
    reel_clear_error(r->c);
    *broken = "it is refused without a reason, or taken with differences";
    if (status == REEL_OK ? *reel_checkpoint_differences(r->checkpoint) != 0 : !explained)
        return CHECKPOINT_BROKEN;
    if (status == REEL_OK) {
        *broken = "what was loaded cannot be saved";
        if (copy && reel_checkpoint_save(r->checkpoint, copy) != REEL_OK)
            return CHECKPOINT_BROKEN;
        checkpoint_run_step(r);
        reel_clear_error(r->c);
        *broken = "the good file cannot be loaded any more";
        if (reel_checkpoint_load(r->checkpoint, good) != REEL_OK)
            return CHECKPOINT_BROKEN;
    }
    *broken = status == REEL_OK ? "the good file does not bring the run back" : "it is refused, and something changed";
    if (checkpoint_run_hash(r) != before)
        return CHECKPOINT_BROKEN;
    return status == REEL_OK ? CHECKPOINT_TAKEN : CHECKPOINT_REFUSED;
}

#endif
