/* cgan train: what is trained on which images, and how it is shown and judged. */
#include "cgan_training.h"

#include <stdlib.h>
#include <string.h>

/* ---- What an epoch leaves ---- */

/* The running statistics of batch norm belong to the weights of the last step. For the averaged weights they are taken
 * anew, by passes in training mode (torch.optim.swa_utils.update_bn). */
static void update_statistics(struct training *t)
{
    enum { PASSES = 60, BATCH = 256 };
    const struct cgan_training *cgan = t->user;
    for (int i = 0; i < PASSES && reel_context_status(t->context) == REEL_OK; i++) {
        reel_no_grad_begin(t->tape);
        reel_var z = reel_randn(t->tape, REEL_SHAPE(BATCH, cgan->gan.sizes.noise));
        reel_var y = reel_randint(t->tape, 0, cgan->classes, REEL_SHAPE(BATCH));
        gan_generate(t->tape, &cgan->gan, z, y);
        reel_no_grad_end(t->tape);
        if (reel_context_status(t->context) == REEL_OK)
            reel_tape_reset(t->tape);
    }
}

static reel_shape picture_shape(const struct cgan_training *cgan)
{
    return REEL_SHAPE(cgan->classes * GRID_COLUMNS, cgan->image.rows, cgan->image.columns);
}

static reel_picture_options picture_of_classes(const struct cgan_training *cgan)
{
    REEL_OPTIONS(picture, o, o.columns = GRID_COLUMNS, o.scale = 2);
    o.labels = cgan->lines.line;
    o.n_labels = cgan->lines.count;
    return o;
}

static void show(struct training *t)
{
    struct cgan_training *cgan = t->user;
    int64_t n = cgan->classes * GRID_COLUMNS;
    reel_no_grad_begin(t->tape);
    reel_var z = reel_borrow(t->tape, t->grid_noise, REEL_SHAPE(n, cgan->gan.sizes.noise));
    reel_var y = reel_borrow_of(t->tape, REEL_INT64, cgan->grid_labels, REEL_SHAPE(n));
    const reel_real *made = reel_data_real(t->tape, gan_generate(t->tape, &cgan->gan, z, y));
    reel_no_grad_end(t->tape);
    const reel_picture_options grid = picture_of_classes(cgan);
    char path[RUN_MAX_PATH];
    if (made) {
        run_path(&t->run, path, RUN_MODEL);
        training_note_file(t, cgan_save(&cgan->gan, &cgan->image, path));
        reel_run_add_images(t->watched, "samples", made, picture_shape(cgan), &grid, t->round);
    }
    if (reel_context_status(t->context) == REEL_OK)
        reel_tape_reset(t->tape);
}

/* Whoever judges knows neither the training's images nor its seed (cgan eval). */
enum { JUDGE_SEED = 1000, JUDGE_SAMPLES = 2000, JUDGE_REAL = 10000 };

static bool start_judging(struct cgan_training *cgan)
{
    const struct cgan_settings *s = cgan->settings;
    if (s->eval_every == 0)
        return true;
    REEL_OPTIONS(context, o, o.seed = JUDGE_SEED, o.num_threads = (int)s->shared.threads);
    cgan->judge_context = reel_context_new(&o);
    reel_progress *progress = reel_progress_new(stderr, "steps", JUDGE_STEPS);
    reel_progress_set_label(progress, "the judge learns");
    bool ok = judge_learn(&cgan->judge, cgan->judge_context, s->data, &cgan->image, cgan->classes, JUDGE_REAL, progress,
                          cgan->training.error);
    reel_progress_free(progress);
    return ok;
}

/* The model that was written, in every so many epochs. */
static bool judge_epoch(struct training *t, char columns[TRAINING_COLUMNS])
{
    struct cgan_training *cgan = t->user;
    int64_t every = cgan->settings->eval_every;
    strcpy(columns, ",,,");
    if (every == 0 || t->round % every != 0 || !t->written)
        return true;
    struct verdict v;
    char path[RUN_MAX_PATH];
    run_path(&t->run, path, RUN_MODEL);
    if (!judge_model(&cgan->judge, path, JUDGE_SAMPLES, JUDGE_SEED, &v, t->error))
        return false;
    snprintf(columns, TRAINING_COLUMNS, ",%.6g,%.6g,%.6g", v.label_accuracy, v.frechet, v.diversity);
    reel_run_add_scalar(t->watched, "quality/label accuracy", v.label_accuracy, t->round);
    reel_run_add_scalar(t->watched, "quality/diversity", v.diversity, t->round);
    reel_run_add_scalar(t->watched, "frechet", v.frechet, t->round);
    return true;
}

static bool shuffle(struct training *t)
{
    struct cgan_training *cgan = t->user;
    const int64_t *order = reel_data_int64(t->tape, reel_randperm(t->tape, cgan->data.count));
    if (!order)
        return training_fail(t);
    memcpy(cgan->order, order, (size_t)cgan->data.count * sizeof *cgan->order);
    cgan->next_batch = 0;
    reel_tape_reset(t->tape);
    return true;
}

/* ---- Setting up ---- */

static bool load_data(struct cgan_training *cgan)
{
    const char *folder = cgan->settings->data;
    int64_t batch = cgan->settings->shared.batch;
    char *error = cgan->training.error;
    if (!dataset_load(&cgan->data, folder, true, 256, error, TRAINING_ERROR_SIZE))
        return false;
    struct dataset *d = &cgan->data;
    cgan->image = (struct cgan_image){.rows = d->rows, .columns = d->columns};
    cgan->pixels = d->rows * d->columns;
    for (int64_t i = 0; i < d->count; i++)
        cgan->classes = d->labels[i] >= cgan->classes ? d->labels[i] + 1 : cgan->classes;
    if (!class_names_load(&cgan->image.names, folder, cgan->classes, error, TRAINING_ERROR_SIZE))
        return false;
    class_names_split(&cgan->image.names, &cgan->lines);
    if (batch > d->count) {
        snprintf(error, TRAINING_ERROR_SIZE, "--batch %lld is more than the %lld images in %s", (long long)batch,
                 (long long)d->count, folder);
        return false;
    }
    if (d->rows > CGAN_MAX_SIDE || d->columns > CGAN_MAX_SIDE) {
        snprintf(error, TRAINING_ERROR_SIZE, "%s: its images are %lld x %lld, at most %d x %d are taken", folder,
                 (long long)d->columns, (long long)d->rows, CGAN_MAX_SIDE, CGAN_MAX_SIDE);
        return false;
    }
    if (cgan->settings->network == GAN_CONV && (d->rows % GAN_CONV_SIDES || d->columns % GAN_CONV_SIDES)) {
        snprintf(error, TRAINING_ERROR_SIZE,
                 "%s: its images are %lld x %lld, --network conv wants multiples of %d; --network mlp takes them",
                 folder, (long long)d->columns, (long long)d->rows, GAN_CONV_SIDES);
        return false;
    }
    return true;
}

static bool allocate(struct cgan_training *cgan)
{
    size_t pixels = (size_t)cgan->pixels, batch = (size_t)cgan->settings->shared.batch;
    size_t count = (size_t)cgan->data.count, n = (size_t)cgan->classes * GRID_COLUMNS;
    cgan->pixel_table = malloc(count * pixels * sizeof(float));
    cgan->x = malloc(batch * pixels * sizeof(float));
    cgan->y = malloc(batch * sizeof(int64_t));
    cgan->order = malloc(count * sizeof(int64_t));
    cgan->grid_labels = malloc(n * sizeof(int64_t));
    if (!cgan->pixel_table || !cgan->x || !cgan->y || !cgan->order || !cgan->grid_labels) {
        snprintf(cgan->training.error, TRAINING_ERROR_SIZE, "out of memory");
        return false;
    }
    cgan_pixels(cgan->data.images, cgan->data.count * cgan->pixels, cgan->pixel_table);
    for (size_t i = 0; i < n; i++)
        cgan->grid_labels[i] = (int64_t)(i / GRID_COLUMNS);
    return true;
}

static bool build(struct cgan_training *cgan)
{
    struct training *t = &cgan->training;
    const struct cgan_recipe *recipe = cgan->recipe;
    const struct gan_sizes sizes = cgan_recipe_sizes(recipe, cgan->image.rows, cgan->image.columns, cgan->classes);
    training_open_context(t);
    cgan->gan = gan_new(t->context, &sizes);
    t->generator = cgan->gan.generator;
    t->discriminator = cgan->gan.discriminator;
    t->cool_down = recipe->cool_down;
    t->final_lr = recipe->final_lr;
    t->every = cgan->data.count / cgan->settings->shared.batch;
    t->steps = cgan->settings->epochs * t->every;
    training_open_optims(t, recipe->beta1, recipe->beta2, recipe->average);
    const reel_picture_options grid = picture_of_classes(cgan);
    reel_picture_size(t->context, picture_shape(cgan), &grid, NULL, NULL);
    return allocate(cgan) && training_draw_noise(t, cgan->classes * GRID_COLUMNS * sizes.noise);
}

static bool make_checkpoint(struct cgan_training *cgan)
{
    struct training *t = &cgan->training;
    uint64_t hash = training_hash(cgan->data.labels, (size_t)cgan->data.count, TRAINING_NO_HASH);
    hash = training_hash(cgan->data.images, (size_t)(cgan->data.count * cgan->pixels), hash);
    if (!training_make_checkpoint(t, REEL_SHAPE(cgan->classes * GRID_COLUMNS, cgan->gan.sizes.noise), hash))
        return false;
    reel_checkpoint_add_array(t->checkpoint, "next_batch", REEL_INT64, &cgan->next_batch, REEL_SCALAR);
    reel_checkpoint_add_array(t->checkpoint, "order", REEL_INT64, cgan->order, REEL_SHAPE(cgan->data.count));
    return reel_context_status(t->context) == REEL_OK || training_fail(t);
}

/* Whether what was read can be gone on with. */
static bool check_order(struct cgan_training *cgan)
{
    struct training *t = &cgan->training;
    bool ok = cgan->next_batch == t->step - (t->round - 1) * t->every;
    for (int64_t i = 0; i < cgan->data.count; i++)
        ok = ok && cgan->order[i] >= 0 && cgan->order[i] < cgan->data.count;
    if (!ok)
        snprintf(t->error, sizeof t->error, "%s/" RUN_CHECKPOINT ": not a checkpoint of this program",
                 t->settings->out);
    return ok;
}

static bool adopt(struct training *t)
{
    const struct cgan_training *cgan = t->user;
    struct cgan_settings *s = cgan->settings;
    const struct cgan_recipe *recipe = cgan_recipe_at(s->recipe_number);
    if (!recipe)
        return false;
    s->network = (int)recipe->network;
    s->recipe = (int)recipe->name;
    return true;
}

/* What the report says of the run. */
static void say_settings(struct cgan_training *cgan)
{
    struct training *t = &cgan->training;
    const struct cgan_settings *s = cgan->settings;
    reel_run_set_config(t->watched, "data", s->data);
    reel_run_set_config(t->watched, "network", cgan_network_names[s->network]);
    reel_run_set_config(t->watched, "recipe", cgan_recipe_names[s->recipe]);
    training_say(t, "batch", (double)s->shared.batch);
    training_say(t, "learning rate", s->shared.lr);
    training_say(t, "seed", (double)s->shared.seed);
    training_say(t, "epochs", (double)s->epochs);
    training_say(t, "minutes", s->shared.minutes);
    training_say(t, "images", (double)cgan->data.count);
    training_say(t, "threads", (double)reel_get_num_threads(t->context));
}

static const struct training_kind kind = {.program = "cgan train",
                                          .round = "epoch",
                                          .header = "epoch,step,seconds,d_loss,g_loss,d_real,d_fake,r1,"
                                                    "label_accuracy,frechet,diversity\n",
                                          .unit = "img",
                                          .counts_samples = true,
                                          .samples = "images",
                                          .max_pictures = 64,
                                          .adopt = adopt,
                                          .begin_round = shuffle,
                                          .step = cgan_step,
                                          .average = update_statistics,
                                          .show = show,
                                          .judge = judge_epoch};

static bool train(struct cgan_training *cgan)
{
    struct training *t = &cgan->training;
    const struct cgan_settings *s = cgan->settings;
    char data[TRAINING_ERROR_SIZE];
    snprintf(data, sizeof data, "in %s", s->data);
    if (!training_may_begin(t) || !load_data(cgan) || !build(cgan) || !make_checkpoint(cgan) ||
        !training_open_folder(t, data) || (t->resumed && !check_order(cgan)) || !start_judging(cgan) ||
        !training_open_report(t))
        return false;
    say_settings(cgan);
    fprintf(
        stderr, "%lld images of %lld x %lld in %lld classes from %s; network %s, recipe %s, batch %lld, %d thread%s\n",
        (long long)cgan->data.count, (long long)cgan->image.columns, (long long)cgan->image.rows,
        (long long)cgan->classes, s->data, cgan_network_names[s->network], cgan_recipe_names[s->recipe],
        (long long)s->shared.batch, reel_get_num_threads(t->context), reel_get_num_threads(t->context) == 1 ? "" : "s");
    return training_run(t);
}

static void release(struct cgan_training *cgan)
{
    gan_free(&cgan->gan);
    judge_free(&cgan->judge);
    reel_context_free(cgan->judge_context);
    free(cgan->pixel_table);
    free(cgan->x);
    free(cgan->y);
    free(cgan->order);
    free(cgan->grid_labels);
    dataset_free(&cgan->data);
}

int cgan_train(int argc, char **argv)
{
    struct cgan_settings s = {.network = GAN_CONV,
                              .recipe = RECIPE_PROJECTION,
                              .data = DATASET_FASHION_MNIST,
                              .shared = {.out = "cgan-out", .minutes = 10}};
    struct training_settings *shared = &s.shared;
    const struct option options[] = {
        OPTION_TEXT("data", &s.data, "DIR", "folder with MNIST-style idx or idx.gz files"),
        OPTION_TEXT("out", &shared->out, "DIR",
                    "folder for the report, pictures, metrics.csv, the model and the checkpoint"),
        OPTION_INTEGER("epochs", &s.epochs, 0, 1000000, "N", "end after N passes over the images; 0: no limit"),
        OPTION_NUMBER("minutes", &shared->minutes, 0, 1e6, "M", "end after M minutes; 0: no limit"),
        OPTION_INTEGER("batch", &shared->batch, 0, 65536, "N", "images a step; 0: the recipe's"),
        OPTION_NUMBER("lr", &shared->lr, 0, 10, "X", "learning rate; 0: the recipe's"),
        OPTION_INTEGER("eval-every", &s.eval_every, 0, 1000000, "N",
                       "judge the samples after every N epochs; 0: never"),
        TRAINING_OPTIONS(*shared, "--epochs"),
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
    struct cgan_training cgan = {.settings = &s,
                                 .training = {.kind = &kind,
                                              .user = &cgan,
                                              .settings = shared,
                                              .round = 1,
                                              .list = {{"--recipe", .integer = &s.recipe_number},
                                                       {"--epochs", .integer = &s.epochs, .is_length = true},
                                                       {"--batch", .integer = &shared->batch},
                                                       {"--seed", .integer = &shared->seed},
                                                       {"--minutes", .number = &shared->minutes, .is_length = true},
                                                       {"--lr", .number = &shared->lr}}}};
    int exit_code;
    if (!training_arguments(&cgan.training, &arguments, argc, argv, &exit_code))
        return exit_code;
    cgan.recipe = cgan_recipe_find(s.network, s.recipe);
    if (!cgan.recipe)
        return fprintf(stderr, "cgan train: --network %s has no --recipe %s; add --network %s\n",
                       cgan_network_names[s.network], cgan_recipe_names[s.recipe], cgan_network_names[GAN_MLP]),
               ARGUMENTS_WRONG;
    /* A recipe's number stands for both; of the two, the network is named. */
    if (shared->resume && cgan_recipe_at(s.recipe_number)->network != cgan.recipe->network)
        cgan.training.list[0].option = "--network";
    s.recipe_number = cgan_recipe_number(cgan.recipe);
    if (shared->batch == 0)
        shared->batch = cgan.recipe->batch;
    if (shared->lr <= 0)
        shared->lr = cgan.recipe->lr;
    if (shared->batch == 1)
        return fputs("cgan train: --batch 1: batch norm needs at least 2 images a step\n", stderr), ARGUMENTS_WRONG;
    bool ok = train(&cgan);
    release(&cgan);
    return training_end(&cgan.training, ok);
}
