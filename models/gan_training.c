/* The loop of a training, what its rounds write, and how it ends. */
#include "gan_training.h"

#include "process.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

bool training_fail(struct training *t)
{
    snprintf(t->error, sizeof t->error, "%s", reel_error(t->context));
    return false;
}

/* ---- A step ---- */

void training_update(struct training *t, reel_params *params, reel_var loss)
{
    reel_zero_grad(params);
    if (reel_backward(t->tape, loss, params) == REEL_OK)
        reel_optim_step(params == t->generator ? t->g_optim : t->d_optim);
}

reel_var training_mean_sigmoid(reel_tape *t, reel_var scores)
{
    return reel_mean_all(t, reel_sigmoid(t, reel_detach(t, scores)));
}

/* Over the last eighth of the steps so far: a generator of long ago only blurs what is made. */
static void update_average(const struct training *t)
{
    double recent = (double)t->step / 8 + 1, decay = 1 - 1 / recent;
    reel_ema_set_decay(t->average, decay < t->decay ? decay : t->decay);
    reel_ema_update(t->average);
}

static void note_losses(struct training *t, const struct training_losses *losses)
{
    struct training_metrics *m = &t->metrics;
    m->g_loss += reel_item(t->tape, losses->g_loss);
    m->d_loss += reel_item(t->tape, losses->d_loss);
    m->d_real += reel_item(t->tape, losses->d_real);
    m->d_fake += reel_item(t->tape, losses->d_fake);
    m->steps++;
    if (!reel_is_null(losses->penalty)) {
        m->penalty += reel_item(t->tape, losses->penalty);
        m->penalties++;
    }
}

static bool run_step(struct training *t)
{
    struct training_losses losses = t->kind->step(t);
    if (t->average)
        update_average(t);
    note_losses(t, &losses);
    t->step++;
    if (reel_context_status(t->context) != REEL_OK)
        return training_fail(t);
    reel_tape_reset(t->tape);
    if (!isfinite(t->metrics.g_loss) || !isfinite(t->metrics.d_loss)) {
        snprintf(t->error, sizeof t->error,
                 "the loss is not a number after %lld steps: try a lower --lr, or see with --detect-anomaly where "
                 "it comes from",
                 (long long)t->step);
        return false;
    }
    return true;
}

/* ---- Files ---- */

void training_note_file(struct training *t, reel_status status)
{
    if (status != REEL_ERROR_IO)
        return;
    /* The first reason of a round is kept. */
    if (t->written)
        training_fail(t);
    t->written = false;
    reel_clear_error(t->context);
}

/* What the model is made of, before that draws anything: so a run that is resumed writes the model anew, and has then
 * drawn what one has that was never stopped. */
static bool write_checkpoint(struct training *t)
{
    char path[RUN_MAX_PATH];
    run_path(&t->run, path, RUN_CHECKPOINT);
    training_note_file(t, reel_checkpoint_save(t->checkpoint, path));
    return reel_context_status(t->context) == REEL_OK || training_fail(t);
}

static bool write_model(struct training *t)
{
    if (t->average) {
        reel_ema_swap(t->average);
        if (t->kind->average)
            t->kind->average(t);
    }
    reel_eval(t->generator);
    t->kind->show(t);
    bool ok = reel_context_status(t->context) == REEL_OK || training_fail(t);
    reel_train(t->generator);
    if (t->average)
        reel_ema_swap(t->average);
    return ok;
}

static void note_metrics(struct training *t, const char *judged)
{
    const struct training_metrics *m = &t->metrics;
    double steps = (double)(m->steps ? m->steps : 1), penalties = (double)(m->penalties ? m->penalties : 1);
    char line[384], name[64];
    snprintf(line, sizeof line, "%lld,%lld,%.3f,%.6g,%.6g,%.6g,%.6g,%.6g%s\n", (long long)t->round, (long long)t->step,
             t->seconds, m->d_loss / steps, m->g_loss / steps, m->d_real / steps, m->d_fake / steps,
             m->penalty / penalties, judged);
    run_note(&t->run, line);
    snprintf(name, sizeof name, "taken for real/real %s", t->kind->samples);
    reel_run_add_scalar(t->watched, "loss/discriminator", m->d_loss / steps, t->round);
    reel_run_add_scalar(t->watched, "loss/generator", m->g_loss / steps, t->round);
    reel_run_add_scalar(t->watched, name, m->d_real / steps, t->round);
    reel_run_add_scalar(t->watched, "taken for real/samples", m->d_fake / steps, t->round);
    if (m->penalties > 0)
        reel_run_add_scalar(t->watched, "penalty", m->penalty / penalties, t->round);
}

/* All that a round leaves. What cannot be written is tried again after the next one; a line says so once. */
static bool write_outputs(struct training *t, double seconds)
{
    bool complained = !t->written;
    char judged[TRAINING_COLUMNS] = "";
    t->written = true;
    t->seconds = seconds;
    if (!write_checkpoint(t) || !write_model(t) || (t->kind->judge && !t->kind->judge(t, judged)))
        return false;
    note_metrics(t, judged);
    training_note_file(t, run_write_metrics(&t->run, t->context, t->round));
    training_note_file(t, reel_run_flush(t->watched));
    training_note_file(t, run_animate(&t->run, t->context, t->round, t->kind->max_pictures));
    if (!t->written && !complained)
        fprintf(stderr, "%s: warning: %s; training goes on and tries again after every %s\n", t->kind->program,
                t->error, t->kind->round);
    return true;
}

/* ---- The loop ---- */

/* How far training is: by steps or by time, whichever ends it first. */
static double fraction_done(const struct training *t, double seconds)
{
    double by_steps = t->steps > 0 ? (double)t->step / (double)t->steps : 0;
    double by_time = t->settings->minutes > 0 ? seconds / (t->settings->minutes * 60) : 0;
    double done = by_steps > by_time ? by_steps : by_time;
    return done < 1 ? done : 1;
}

static void set_learning_rate(struct training *t, double fraction)
{
    double cool_down = t->cool_down, lr = t->settings->lr;
    if (cool_down > 0 && fraction > 1 - cool_down) {
        double part = (fraction - (1 - cool_down)) / cool_down, last = lr * t->final_lr;
        lr = last + (lr - last) * 0.5 * (1 + cos(acos(-1.0) * part));
    }
    reel_optim_set_lr(t->g_optim, 0, lr);
    reel_optim_set_lr(t->d_optim, 0, lr);
}

/* The bar is about the whole training, so its label is too: which round, and of how many when steps end it. */
static void show_round(const struct training *t, reel_progress *progress)
{
    char label[96];
    int length = snprintf(label, sizeof label, "%s %lld", t->kind->round, (long long)t->round);
    if (t->steps > 0 && t->settings->minutes <= 0)
        snprintf(label + length, sizeof label - (size_t)length, "/%lld",
                 (long long)((t->steps + t->every - 1) / t->every));
    reel_progress_set_label(progress, label);
}

static void show_metrics(const struct training_metrics *m, reel_progress *progress)
{
    double steps = (double)(m->steps ? m->steps : 1);
    reel_progress_set_metric(progress, "D", m->d_loss / steps);
    reel_progress_set_metric(progress, "G", m->g_loss / steps);
    reel_progress_set_metric(progress, "D(x)", m->d_real / steps);
    reel_progress_set_metric(progress, "D(G(z))", m->d_fake / steps);
}

static bool train(struct training *t, reel_progress *progress)
{
    const int64_t units = t->kind->counts_samples ? t->settings->batch : 1;
    double before = t->seconds, fraction = fraction_done(t, before);
    bool under_way = t->resumed;
    t->written = true;
    reel_progress_set_initial(progress, t->step * units);
    reel_progress_set_fraction(progress, fraction);
    for (; (fraction < 1 || under_way) && !process_stopping(); t->round++) {
        show_round(t, progress);
        if (!under_way) {
            t->metrics = (struct training_metrics){0};
            if (t->kind->begin_round && !t->kind->begin_round(t))
                return false;
        }
        under_way = false;
        while (t->step < t->round * t->every && fraction < 1 && !process_stopping()) {
            set_learning_rate(t, fraction);
            if (!run_step(t))
                return false;
            fraction = fraction_done(t, before + reel_progress_seconds(progress));
            show_metrics(&t->metrics, progress);
            reel_progress_set_fraction(progress, fraction);
            reel_progress_advance(progress, units);
            reel_run_count(t->watched, t->kind->unit, units);
        }
        reel_progress_line(progress);
        if (!write_outputs(t, before + reel_progress_seconds(progress)))
            return false;
    }
    return t->written;
}

bool training_run(struct training *t)
{
    process_catch_stop();
    reel_progress *progress = reel_progress_new(stderr, t->kind->unit, 0);
    bool ok = train(t, progress);
    reel_progress_free(progress);
    return ok;
}

/* ---- Setting up ---- */

void training_open_context(struct training *t)
{
    const struct training_settings *s = t->settings;
    REEL_OPTIONS(context, o, o.seed = (uint64_t)s->seed, o.num_threads = (int)s->threads);
    t->context = reel_context_new(&o);
    if (s->detect_anomaly)
        reel_set_detect_anomaly(t->context, true);
    t->tape = reel_tape_new(t->context);
}

void training_open_optims(struct training *t, double beta1, double beta2, double decay)
{
    REEL_OPTIONS(adam, o, o.lr = t->settings->lr, o.beta1 = beta1, o.beta2 = beta2);
    t->g_optim = reel_adam_new(t->generator, &o);
    t->d_optim = reel_adam_new(t->discriminator, &o);
    if (decay > 0)
        t->average = reel_ema_new(t->generator, decay);
    t->decay = decay;
}

bool training_draw_noise(struct training *t, int64_t n)
{
    const reel_real *noise = reel_data_real(t->tape, reel_randn(t->tape, REEL_SHAPE(n)));
    if (!noise)
        return training_fail(t);
    t->grid_noise = malloc((size_t)n * sizeof *noise);
    if (!t->grid_noise) {
        snprintf(t->error, sizeof t->error, "out of memory");
        return false;
    }
    memcpy(t->grid_noise, noise, (size_t)n * sizeof *noise);
    reel_tape_reset(t->tape);
    return true;
}

bool training_open_report(struct training *t)
{
    REEL_OPTIONS(run, o, o.csv = false, o.step_name = t->kind->round, o.max_kept = t->kind->max_pictures);
    o.overwrite = !t->settings->resume;
    o.resume = t->settings->resume != NULL;
    o.resume_step = t->round;
    /* Between the ends of rounds nothing is new. */
    o.seconds = 1e9;
    t->watched = reel_run_open(t->context, t->settings->out, &o);
    return t->watched || training_fail(t);
}

void training_say(struct training *t, const char *name, double value)
{
    char text[32];
    snprintf(text, sizeof text, "%.10g", value);
    reel_run_set_config(t->watched, name, text);
}

int training_end(struct training *t, bool ok)
{
    if (!ok)
        fprintf(stderr, "%s: %s\n", t->kind->program, t->error);
    else
        fprintf(stderr, "report.html, pictures, metrics.csv and model.safetensors are in %s\n", t->settings->out);
    reel_run_close(t->watched);
    run_close(&t->run);
    reel_checkpoint_free(t->checkpoint);
    reel_ema_free(t->average);
    reel_optim_free(t->g_optim);
    reel_optim_free(t->d_optim);
    reel_tape_free(t->tape);
    reel_context_free(t->context);
    free(t->grid_noise);
    return ok ? 0 : 1;
}
