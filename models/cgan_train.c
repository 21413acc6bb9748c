/* cgan train: the training, what it writes on the way, and how it ends. */
#include "cgan_training.h"

#include "arguments.h"
#include "process.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- Files ---- */

/* The running statistics of batch norm belong to the weights of the last step. For the averaged weights they are taken
 * anew, by passes in training mode (torch.optim.swa_utils.update_bn). */
static void update_statistics(struct cgan_training *tr)
{
    enum { PASSES = 60, BATCH = 256 };
    reel_tape *t = tr->tape;
    for (int i = 0; i < PASSES && reel_context_status(tr->context) == REEL_OK; i++) {
        reel_no_grad_begin(t);
        reel_var z = reel_randn(t, REEL_SHAPE(BATCH, tr->gan.sizes.noise));
        reel_var y = reel_randint(t, 0, tr->classes, REEL_SHAPE(BATCH));
        gan_generate(t, &tr->gan, z, y);
        reel_no_grad_end(t);
        if (reel_context_status(tr->context) == REEL_OK)
            reel_tape_reset(t);
    }
}

static reel_shape picture_shape(const struct cgan_training *tr)
{
    return REEL_SHAPE(tr->classes * GRID_COLUMNS, tr->image.rows, tr->image.columns);
}

static reel_picture_options picture_of_classes(const struct cgan_training *tr)
{
    REEL_OPTIONS(picture, o, o.columns = GRID_COLUMNS, o.scale = 2);
    o.labels = tr->lines.line;
    o.n_labels = tr->lines.count;
    return o;
}

/* A file could not be written. The first reason of an epoch is kept. */
static void missing(struct cgan_training *tr, bool *written, const char *error)
{
    if (*written)
        snprintf(tr->error, sizeof tr->error, "%s", error);
    *written = false;
}

/* What the model is made of, before that draws anything: so a run that is resumed writes the model anew, and has then
 * drawn what one has that was never stopped. */
static bool write_checkpoint(struct cgan_training *tr, bool *written)
{
    char path[RUN_MAX_PATH];
    run_path(&tr->run, path, RUN_CHECKPOINT);
    reel_status status = reel_checkpoint_save(tr->checkpoint, path);
    if (status != REEL_OK)
        snprintf(tr->error, sizeof tr->error, "%s", reel_error(tr->context));
    if (status != REEL_ERROR_IO)
        return status == REEL_OK;
    missing(tr, written, reel_error(tr->context));
    reel_clear_error(tr->context);
    return true;
}

/* Writes the model, then a picture. A disk that is full does not end a training: false is for other errors, *written
 * becomes false when a file could not be written, and tr->error says why. */
static bool write_model(struct cgan_training *tr, int64_t epoch, bool *written)
{
    if (tr->average) {
        reel_ema_swap(tr->average);
        update_statistics(tr);
    }
    reel_eval(tr->gan.generator);
    reel_tape *t = tr->tape;
    int64_t n = tr->classes * GRID_COLUMNS;
    reel_no_grad_begin(t);
    reel_var z = reel_borrow(t, tr->grid_noise, REEL_SHAPE(n, tr->gan.sizes.noise));
    reel_var y = reel_borrow_of(t, REEL_INT64, tr->grid_labels, REEL_SHAPE(n));
    const reel_real *made = reel_data_real(t, gan_generate(t, &tr->gan, z, y));
    reel_no_grad_end(t);
    const reel_picture_options grid = picture_of_classes(tr);
    char path[RUN_MAX_PATH];
    if (made) {
        run_path(&tr->run, path, RUN_MODEL);
        if (cgan_save(&tr->gan, &tr->image, path) == REEL_ERROR_IO) {
            missing(tr, written, reel_error(tr->context));
            reel_clear_error(tr->context);
        }
        reel_run_add_images(tr->watched, "samples", made, picture_shape(tr), &grid, epoch);
    }
    bool ok = reel_context_status(tr->context) == REEL_OK;
    if (!ok)
        snprintf(tr->error, sizeof tr->error, "%s", reel_error(tr->context));
    reel_tape_reset(t);
    reel_train(tr->gan.generator);
    if (tr->average)
        reel_ema_swap(tr->average);
    return ok;
}

/* Whoever judges knows neither the training's images nor its seed (cgan eval). */
enum { JUDGE_SEED = 1000, JUDGE_SAMPLES = 2000, JUDGE_REAL = 10000 };

static bool start_judging(struct cgan_training *tr)
{
    if (tr->settings->eval_every == 0)
        return true;
    REEL_OPTIONS(context, o, o.seed = JUDGE_SEED, o.num_threads = (int)tr->settings->threads);
    tr->judge_context = reel_context_new(&o);
    reel_progress *progress = reel_progress_new(stderr, "steps", JUDGE_STEPS);
    reel_progress_set_label(progress, "the judge learns");
    bool ok = judge_learn(&tr->judge, tr->judge_context, tr->settings->data, &tr->image, tr->classes, JUDGE_REAL,
                          progress, tr->error);
    reel_progress_free(progress);
    return ok;
}

/* The model that was written, in every so many epochs: three columns of the metrics, which are empty else. */
static bool judge_epoch(struct cgan_training *tr, int64_t epoch, bool written, char text[96])
{
    int64_t every = tr->settings->eval_every;
    strcpy(text, ",,");
    if (every == 0 || epoch % every != 0 || !written)
        return true;
    struct verdict v;
    char path[RUN_MAX_PATH];
    run_path(&tr->run, path, RUN_MODEL);
    if (!judge_model(&tr->judge, path, JUDGE_SAMPLES, JUDGE_SEED, &v, tr->error))
        return false;
    snprintf(text, 96, "%.6g,%.6g,%.6g", v.label_accuracy, v.frechet, v.diversity);
    reel_run_add_scalar(tr->watched, "quality/label accuracy", v.label_accuracy, epoch);
    reel_run_add_scalar(tr->watched, "quality/diversity", v.diversity, epoch);
    reel_run_add_scalar(tr->watched, "frechet", v.frechet, epoch);
    return true;
}

static void note_metrics(struct cgan_training *tr, int64_t epoch, double seconds, const char *judged)
{
    const struct cgan_metrics *m = &tr->metrics;
    double steps = (double)(m->steps ? m->steps : 1), penalties = (double)(m->penalties ? m->penalties : 1);
    char line[384];
    snprintf(line, sizeof line, "%lld,%lld,%.3f,%.6g,%.6g,%.6g,%.6g,%.6g,%s\n", (long long)epoch, (long long)tr->step,
             seconds, m->d_loss / steps, m->g_loss / steps, m->d_real / steps, m->d_fake / steps,
             m->penalty / penalties, judged);
    run_note(&tr->run, line);
    reel_run_add_scalar(tr->watched, "loss/discriminator", m->d_loss / steps, epoch);
    reel_run_add_scalar(tr->watched, "loss/generator", m->g_loss / steps, epoch);
    reel_run_add_scalar(tr->watched, "taken for real/real images", m->d_real / steps, epoch);
    reel_run_add_scalar(tr->watched, "taken for real/samples", m->d_fake / steps, epoch);
    if (m->penalties > 0)
        reel_run_add_scalar(tr->watched, "penalty", m->penalty / penalties, epoch);
}

/* All that an epoch leaves. What cannot be written is tried again after the next epoch; a line says so once. */
static bool write_outputs(struct cgan_training *tr, int64_t epoch, double seconds, bool *written)
{
    bool complained = !*written;
    *written = true;
    tr->seconds = seconds;
    char judged[96];
    if (!write_checkpoint(tr, written) || !write_model(tr, epoch, written) || !judge_epoch(tr, epoch, *written, judged))
        return false;
    note_metrics(tr, epoch, seconds, judged);
    if (run_write_metrics(&tr->run, tr->context, epoch) != REEL_OK) {
        missing(tr, written, reel_error(tr->context));
        reel_clear_error(tr->context);
    }
    if (reel_run_flush(tr->watched) != REEL_OK) {
        missing(tr, written, reel_error(tr->context));
        reel_clear_error(tr->context);
    }
    if (!*written && !complained)
        fprintf(stderr, "cgan train: warning: %s; training goes on and tries again after every epoch\n", tr->error);
    return true;
}

static void show_metrics(const struct cgan_metrics *m, reel_progress *progress)
{
    double steps = (double)(m->steps ? m->steps : 1);
    reel_progress_set_metric(progress, "D", m->d_loss / steps);
    reel_progress_set_metric(progress, "G", m->g_loss / steps);
    reel_progress_set_metric(progress, "D(x)", m->d_real / steps);
    reel_progress_set_metric(progress, "D(G(z))", m->d_fake / steps);
}

/* ---- The loop ---- */

/* How far training is: by epochs or by time, whichever ends it first. */
static double fraction_done(const struct cgan_training *tr, int64_t batches, double seconds)
{
    const struct cgan_settings *s = tr->settings;
    double by_steps = s->epochs > 0 ? (double)tr->step / (double)(s->epochs * batches) : 0;
    double by_time = s->minutes > 0 ? seconds / (s->minutes * 60) : 0;
    double done = by_steps > by_time ? by_steps : by_time;
    return done < 1 ? done : 1;
}

/* The bar is about the whole training, so its label is too: which epoch, and of how many when they end it. */
static void epoch_text(const struct cgan_settings *s, int64_t epoch, char text[96])
{
    if (s->epochs > 0 && s->minutes <= 0)
        snprintf(text, 96, "epoch %lld/%lld", (long long)epoch, (long long)s->epochs);
    else
        snprintf(text, 96, "epoch %lld", (long long)epoch);
}

static void set_learning_rate(struct cgan_training *tr, double fraction)
{
    double cool_down = tr->recipe->cool_down, lr = tr->settings->lr;
    if (cool_down > 0 && fraction > 1 - cool_down) {
        double part = (fraction - (1 - cool_down)) / cool_down, last = lr * tr->recipe->final_lr;
        lr = last + (lr - last) * 0.5 * (1 + cos(acos(-1.0) * part));
    }
    reel_optim_set_lr(tr->g_optim, 0, lr);
    reel_optim_set_lr(tr->d_optim, 0, lr);
}

static bool shuffle(struct cgan_training *tr)
{
    const int64_t *order = reel_data_int64(tr->tape, reel_randperm(tr->tape, tr->data.count));
    if (!order) {
        snprintf(tr->error, sizeof tr->error, "%s", reel_error(tr->context));
        return false;
    }
    memcpy(tr->order, order, (size_t)tr->data.count * sizeof *tr->order);
    reel_tape_reset(tr->tape);
    return true;
}

static bool train_on(struct cgan_training *tr, reel_progress *progress)
{
    const struct cgan_settings *s = tr->settings;
    int64_t batches = tr->data.count / s->batch;
    char label[96];
    double before = tr->seconds, fraction = fraction_done(tr, batches, before);
    bool written = true, under_way = tr->resumed;
    reel_progress_set_initial(progress, tr->step * s->batch);
    reel_progress_set_fraction(progress, fraction);
    for (; (fraction < 1 || under_way) && !process_stopping(); tr->epoch++) {
        epoch_text(s, tr->epoch, label);
        reel_progress_set_label(progress, label);
        if (!under_way) {
            tr->metrics = (struct cgan_metrics){0};
            tr->next_batch = 0;
            if (!shuffle(tr))
                return false;
        }
        under_way = false;
        for (; tr->next_batch < batches && fraction < 1 && !process_stopping(); tr->next_batch++) {
            set_learning_rate(tr, fraction);
            if (!cgan_run_step(tr, tr->order + tr->next_batch * s->batch))
                return false;
            fraction = fraction_done(tr, batches, before + reel_progress_seconds(progress));
            show_metrics(&tr->metrics, progress);
            reel_progress_set_fraction(progress, fraction);
            reel_progress_advance(progress, s->batch);
            reel_run_count(tr->watched, "img", s->batch);
        }
        reel_progress_line(progress);
        if (!write_outputs(tr, tr->epoch, before + reel_progress_seconds(progress), &written))
            return false;
    }
    return written;
}

static bool train(struct cgan_training *tr)
{
    reel_progress *progress = reel_progress_new(stderr, "img", 0);
    bool ok = train_on(tr, progress);
    reel_progress_free(progress);
    return ok;
}

/* ---- Setting up ---- */

static bool load_data(struct cgan_training *tr)
{
    if (!dataset_load(&tr->data, tr->settings->data, true, 256, tr->error, sizeof tr->error))
        return false;
    struct dataset *d = &tr->data;
    tr->image = (struct cgan_image){.rows = d->rows, .columns = d->columns};
    tr->pixels = d->rows * d->columns;
    for (int64_t i = 0; i < d->count; i++)
        tr->classes = d->labels[i] >= tr->classes ? d->labels[i] + 1 : tr->classes;
    if (!class_names_load(&tr->image.names, tr->settings->data, tr->classes, tr->error, sizeof tr->error))
        return false;
    class_names_split(&tr->image.names, &tr->lines);
    if (tr->settings->batch > d->count) {
        snprintf(tr->error, sizeof tr->error, "--batch %lld is more than the %lld images in %s",
                 (long long)tr->settings->batch, (long long)d->count, tr->settings->data);
        return false;
    }
    if (d->rows > CGAN_MAX_SIDE || d->columns > CGAN_MAX_SIDE) {
        snprintf(tr->error, sizeof tr->error, "%s: its images are %lld x %lld, at most %d x %d are taken",
                 tr->settings->data, (long long)d->columns, (long long)d->rows, CGAN_MAX_SIDE, CGAN_MAX_SIDE);
        return false;
    }
    if (tr->settings->network == GAN_CONV && (d->rows % GAN_CONV_SIDES || d->columns % GAN_CONV_SIDES)) {
        snprintf(tr->error, sizeof tr->error,
                 "%s: its images are %lld x %lld, --network conv wants multiples of %d; --network mlp takes them",
                 tr->settings->data, (long long)d->columns, (long long)d->rows, GAN_CONV_SIDES);
        return false;
    }
    return true;
}

static bool allocate(struct cgan_training *tr)
{
    size_t pixels = (size_t)tr->pixels, batch = (size_t)tr->settings->batch, count = (size_t)tr->data.count;
    size_t n = (size_t)tr->classes * GRID_COLUMNS;
    tr->pixel_table = malloc(count * pixels * sizeof(float));
    tr->x = malloc(batch * pixels * sizeof(float));
    tr->y = malloc(batch * sizeof(int64_t));
    tr->order = malloc(count * sizeof(int64_t));
    tr->grid_labels = malloc(n * sizeof(int64_t));
    tr->grid_noise = malloc(n * (size_t)tr->gan.sizes.noise * sizeof(float));
    if (!tr->pixel_table || !tr->x || !tr->y || !tr->order || !tr->grid_labels || !tr->grid_noise) {
        snprintf(tr->error, sizeof tr->error, "out of memory");
        return false;
    }
    cgan_pixels(tr->data.images, tr->data.count * tr->pixels, tr->pixel_table);
    for (size_t i = 0; i < n; i++)
        tr->grid_labels[i] = (int64_t)(i / GRID_COLUMNS);
    return true;
}

static bool build(struct cgan_training *tr)
{
    const struct cgan_settings *s = tr->settings;
    reel_context_options o = reel_context_defaults();
    o.seed = (uint64_t)s->seed;
    o.num_threads = (int)s->threads;
    tr->context = reel_context_new(&o);
    if (s->detect_anomaly)
        reel_set_detect_anomaly(tr->context, true);
    tr->tape = reel_tape_new(tr->context);
    struct gan_sizes sizes = cgan_recipe_sizes(tr->recipe, tr->image.rows, tr->image.columns, tr->classes);
    tr->gan = gan_new(tr->context, &sizes);
    reel_adam_options adam = reel_adam_defaults();
    adam.lr = s->lr;
    adam.beta1 = tr->recipe->beta1;
    adam.beta2 = tr->recipe->beta2;
    tr->g_optim = reel_adam_new(tr->gan.generator, &adam);
    tr->d_optim = reel_adam_new(tr->gan.discriminator, &adam);
    if (tr->recipe->average > 0)
        tr->average = reel_ema_new(tr->gan.generator, tr->recipe->average);
    int64_t n = tr->classes * GRID_COLUMNS * sizes.noise;
    if (!allocate(tr))
        return false;
    const reel_picture_options grid = picture_of_classes(tr);
    reel_picture_size(tr->context, picture_shape(tr), &grid, NULL, NULL);
    const reel_real *noise = reel_data_real(tr->tape, reel_randn(tr->tape, REEL_SHAPE(n)));
    if (!noise) {
        snprintf(tr->error, sizeof tr->error, "%s", reel_error(tr->context));
        return false;
    }
    memcpy(tr->grid_noise, noise, (size_t)n * sizeof *noise);
    reel_tape_reset(tr->tape);
    return true;
}

static void release(struct cgan_training *tr)
{
    reel_run_close(tr->watched);
    run_close(&tr->run);
    reel_checkpoint_free(tr->checkpoint);
    reel_ema_free(tr->average);
    reel_optim_free(tr->g_optim);
    reel_optim_free(tr->d_optim);
    reel_tape_free(tr->tape);
    gan_free(&tr->gan);
    reel_context_free(tr->context);
    judge_free(&tr->judge);
    reel_context_free(tr->judge_context);
    free(tr->pixel_table);
    free(tr->x);
    free(tr->y);
    free(tr->order);
    free(tr->grid_labels);
    free(tr->grid_noise);
    dataset_free(&tr->data);
}

/* What the report says of the run, and that of an earlier part of it. */
static bool open_watched(struct cgan_training *tr)
{
    const struct cgan_settings *s = tr->settings;
    REEL_OPTIONS(run, o, o.csv = false, o.step_name = "epoch");
    o.overwrite = !s->resume;
    o.resume = s->resume != NULL;
    o.resume_step = tr->epoch;
    /* Between the ends of epochs nothing is new. */
    o.seconds = 1e9;
    tr->watched = reel_run_open(tr->context, s->out, &o);
    const struct {
        const char *name;
        double value;
    } numbers[] = {{"batch", (double)s->batch},
                   {"learning rate", s->lr},
                   {"seed", (double)s->seed},
                   {"epochs", (double)s->epochs},
                   {"minutes", s->minutes},
                   {"images", (double)tr->data.count},
                   {"threads", (double)reel_get_num_threads(tr->context)}};
    reel_run_set_config(tr->watched, "data", s->data);
    reel_run_set_config(tr->watched, "network", cgan_network_names[s->network]);
    reel_run_set_config(tr->watched, "recipe", cgan_recipe_names[s->recipe]);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        char text[32];
        snprintf(text, sizeof text, "%.10g", numbers[i].value);
        reel_run_set_config(tr->watched, numbers[i].name, text);
    }
    if (!tr->watched)
        snprintf(tr->error, sizeof tr->error, "%s", reel_error(tr->context));
    return tr->watched != NULL;
}

int cgan_train(int argc, char **argv)
{
    struct cgan_settings s = {.network = GAN_CONV,
                              .recipe = RECIPE_PROJECTION,
                              .data = DATASET_FASHION_MNIST,
                              .out = "cgan-out",
                              .minutes = 10};
    const struct option options[] = {
        OPTION_TEXT("data", &s.data, "DIR", "folder with MNIST-style idx or idx.gz files"),
        OPTION_TEXT("out", &s.out, "DIR", "folder for the report, pictures, metrics.csv, the model and the checkpoint"),
        OPTION_INTEGER("epochs", &s.epochs, 0, 1000000, "N", "end after N passes over the images; 0: no limit"),
        OPTION_NUMBER("minutes", &s.minutes, 0, 1e6, "M", "end after M minutes; 0: no limit"),
        OPTION_INTEGER("batch", &s.batch, 0, 65536, "N", "images a step; 0: the recipe's"),
        OPTION_NUMBER("lr", &s.lr, 0, 10, "X", "learning rate; 0: the recipe's"),
        OPTION_INTEGER("eval-every", &s.eval_every, 0, 1000000, "N",
                       "judge the samples after every N epochs; 0: never"),
        OPTION_INTEGER("seed", &s.seed, 0, INT64_MAX, "N", "seed of everything drawn"),
        OPTION_INTEGER("threads", &s.threads, 0, 256, "N", "threads; 0: one a core"),
        OPTION_FLAG("overwrite", &s.overwrite, "replace the run that --out holds"),
        OPTION_TEXT("resume", &s.resume, "DIR", "go on with the run that DIR holds, with its settings"),
        OPTION_FLAG("extend", &s.extend, "with --resume: another --epochs or --minutes is meant"),
        OPTION_FLAG("detect-anomaly", &s.detect_anomaly, "end at the first number that is not finite and say where"),
        OPTION_CHOICE("network", &s.network, cgan_network_names, "NAME", "of linear layers, or of convolutions"),
        OPTION_CHOICE("recipe", &s.recipe, cgan_recipe_names, "NAME",
                      "short: for a few minutes; mlp also has concatenation, and reference: PyTorch-GAN's script"),
    };
    const struct arguments arguments = {
        .usage = "cgan train",
        .summary = "Trains the conditional GAN; after every epoch writes a grid of samples (one row a\n"
                   "class), a line of metrics, and the model. Ctrl-C, TERM and HUP end it and keep\n"
                   "what was learned; --resume DIR goes on from there, to the same bits. "
                   "With --minutes 0 and --epochs N the same seed gives the same model.",
        .options = options,
        .count = sizeof options / sizeof *options};
    int exit_code;
    if (!arguments_parse(&arguments, argc, argv, &exit_code))
        return exit_code;
    if (s.extend && !s.resume)
        return fputs("cgan train: --extend is for --resume\n", stderr), ARGUMENTS_WRONG;
    struct cgan_training tr = {.settings = &s, .epoch = 1};
    struct cgan_settings saved = s;
    if (s.resume) {
        if (!cgan_read_settings(s.resume, &saved, tr.error, sizeof tr.error))
            return cgan_fail("train", tr.error);
        /* Once more, over what the run has: only what the command line names differs. */
        s = saved;
        arguments_parse(&arguments, argc, argv, &exit_code);
        s.out = s.resume;
    }
    if (s.epochs == 0 && s.minutes == 0)
        return fputs("cgan train: --epochs 0 with --minutes 0 would never end\n", stderr), ARGUMENTS_WRONG;

    tr.recipe = cgan_recipe_find(s.network, s.recipe);
    if (!tr.recipe)
        return fprintf(stderr, "cgan train: --network %s has no --recipe %s; add --network %s\n",
                       cgan_network_names[s.network], cgan_recipe_names[s.recipe], cgan_network_names[GAN_MLP]),
               ARGUMENTS_WRONG;
    if (s.batch == 0)
        s.batch = tr.recipe->batch;
    if (s.lr <= 0)
        s.lr = tr.recipe->lr;
    if (s.batch == 1)
        return fputs("cgan train: --batch 1: batch norm needs at least 2 images a step\n", stderr), ARGUMENTS_WRONG;
    if (s.resume && !cgan_expect_same_run(&s, &saved, tr.error, sizeof tr.error))
        return cgan_fail("train", tr.error);
    bool replaces = s.overwrite || s.resume;
    bool ok = run_check(s.out, replaces, tr.error, sizeof tr.error) && load_data(&tr) && build(&tr) &&
              cgan_make_checkpoint(&tr) && run_open(&tr.run, s.out, replaces, tr.error, sizeof tr.error);
    if (ok && s.resume)
        ok = cgan_load_checkpoint(&tr);
    else if (ok)
        run_note(&tr.run, "epoch,step,seconds,d_loss,g_loss,d_real,d_fake,r1,label_accuracy,frechet,diversity\n");
    ok = ok && start_judging(&tr);
    ok = ok && open_watched(&tr);
    if (ok) {
        process_catch_stop();
        fprintf(stderr,
                "%lld images of %lld x %lld in %lld classes from %s; network %s, recipe %s, batch %lld, %d thread%s\n",
                (long long)tr.data.count, (long long)tr.image.columns, (long long)tr.image.rows, (long long)tr.classes,
                s.data, cgan_network_names[s.network], cgan_recipe_names[s.recipe], (long long)s.batch,
                reel_get_num_threads(tr.context), reel_get_num_threads(tr.context) == 1 ? "" : "s");
        ok = train(&tr);
    }
    if (!ok)
        cgan_fail("train", tr.error);
    else
        fprintf(stderr, "report.html, pictures, metrics.csv and model.safetensors are in %s\n", s.out);
    release(&tr);
    return ok ? 0 : 1;
}
