/* A run with something of everything, for the tests that look at it with other people's programs: example FOLDER
 * [OTHER-FOLDER]. With the other one's curves beside it. */
#include <reel/reel.h>
#include <reel/watch.h>

#include <math.h>
#include <stdio.h>

enum { CLASSES = 10, COLUMNS = 10, SIDE = 28, PIXELS = SIDE * SIDE, STEPS = 200 };

static reel_real pixels[CLASSES * COLUMNS * PIXELS];

/* Waves that become finer from class to class and from step to step. */
static void draw(double progress)
{
    for (int i = 0; i < CLASSES * COLUMNS; i++)
        for (int k = 0; k < PIXELS; k++)
            pixels[i * PIXELS + k] = (reel_real)(sin(k % SIDE * 0.1 * (i / COLUMNS + 1) * (progress + 0.1)) *
                                                 cos(k / SIDE * 0.2 + i % COLUMNS));
}

/* Some steps of a small network, for the profile. */
static void profile(reel_context *c, reel_run *run)
{
    reel_tape *t = reel_tape_new(c);
    reel_params *params = reel_params_new(c);
    reel_module *fc1 = reel_linear_new(params, "net.fc1", PIXELS, 256, NULL);
    reel_module *norm = reel_batch_norm1d_new(params, "net.norm", 256, NULL);
    reel_module *fc2 = reel_linear_new(params, "net.fc2", 256, 1, NULL);
    reel_optim *adam = reel_adam_new(params, NULL);
    reel_profiler *p = reel_profiler_new(c, NULL);
    for (int i = 0; i < 20; i++) {
        reel_var x = reel_randn(t, REEL_SHAPE(64, PIXELS));
        reel_var h = reel_relu(t, reel_forward(t, norm, reel_forward(t, fc1, x)));
        reel_zero_grad(params);
        reel_backward(t, reel_mean_all(t, reel_square(t, reel_forward(t, fc2, h))), params);
        reel_profiler_enter(p, "optimizer");
        reel_optim_step(adam);
        reel_profiler_leave(p);
        reel_tape_reset(t);
        reel_profiler_step(p);
    }
    reel_profiler_stop(p);
    reel_run_set_profile(run, p);
    reel_profiler_free(p);
    reel_optim_free(adam);
    reel_params_free(params);
    reel_tape_free(t);
}

/* The grids that the run has written, one after the other. */
static void animate(reel_context *c, const char *folder)
{
    enum { GRIDS = 10, LONGEST = 512 };
    static char paths[GRIDS][LONGEST], path[LONGEST];
    const char *pictures[GRIDS];
    for (int i = 0; i < GRIDS; i++) {
        snprintf(paths[i], LONGEST, "%s/samples-%04d.png", folder, (i + 1) * STEPS / GRIDS);
        pictures[i] = paths[i];
    }
    snprintf(path, sizeof path, "%s/training.png", folder);
    reel_animation_save(c, path, pictures, GRIDS, NULL);
}

int main(int argc, char **argv)
{
    static const char *const names[CLASSES] = {"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
                                               "Sandal",      "Shirt",   "Sneaker",  "Bag",   "Ankle boot"};
    if (argc < 2)
        return 2;
    REEL_OPTIONS(context, one, one.num_threads = 1);
    reel_context *c = reel_context_new(&one);
    REEL_OPTIONS(run, o, o.overwrite = true, o.title = "An <example>");
    REEL_OPTIONS(picture, grid, grid.columns = COLUMNS, grid.scale = 2, grid.labels = names, grid.n_labels = CLASSES);
    reel_run *run = reel_run_open(c, argv[1], &o);
    if (argc > 2)
        reel_run_compare(run, argv[2]);
    reel_run_set_config(run, "learning rate", "1e-3");
    reel_run_set_config(run, "batch", "128");
    for (int64_t step = 0; step < STEPS; step++) {
        reel_run_count(run, "img", 128);
        reel_run_add_scalar(run, "loss/D", 1 / (1 + (double)step), step);
        reel_run_add_scalar(run, "loss/G", step == 100 ? NAN : 0.5 + 0.1 * sin((double)step), step);
        if (step % 20 != 19)
            continue;
        double progress = (double)(step + 1) / STEPS;
        draw(progress);
        reel_run_add_scalar(run, "quality/label accuracy", 1 - exp(-8 * progress), step + 1);
        reel_run_add_scalar(run, "quality/diversity", 0.9 - 0.9 * exp(-4 * progress), step + 1);
        reel_run_add_images(run, "samples", pixels, REEL_SHAPE(CLASSES * COLUMNS, SIDE, SIDE), &grid, step + 1);
        reel_run_add_histogram(run, "pixels", pixels, CLASSES * COLUMNS * PIXELS, step + 1);
        reel_run_add_text(run, "notes", "A text with <b>, & and \xc3\xa4,\nin two lines", step + 1);
    }
    profile(c, run);
    reel_run_close(run);
    animate(c, argv[1]);
    if (reel_context_status(c) != REEL_OK) {
        fprintf(stderr, "%s\n", reel_error(c));
        return 1;
    }
    reel_context_free(c);
    return 0;
}
