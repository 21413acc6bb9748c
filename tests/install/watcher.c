/* A program outside the project that watches itself, in C and in C++: writes a run to a folder, and says with how many
 * bits a number. watcher FOLDER */
#include <reel/reel.h>
#include <reel/watch.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    reel_context *c = reel_context_new(NULL);
    REEL_OPTIONS(run, o, o.overwrite = true);
    reel_run *run = reel_run_open(c, argc > 1 ? argv[1] : ".", &o);
    reel_tape *t = reel_tape_new(c);
    reel_profiler *p = reel_profiler_new(c, NULL);
    for (int step = 0; step < 3; step++) {
        reel_var x = reel_randn(t, REEL_SHAPE(4, 8, 8));
        reel_run_add_scalar(run, "mean", reel_item(t, reel_mean_all(t, x)), step);
        reel_run_add_images(run, "noise", reel_data_real(t, x), REEL_SHAPE(4, 8, 8), NULL, step);
        reel_tape_reset(t);
    }
    reel_run_set_profile(run, p);
    reel_profiler_free(p);
    reel_tape_free(t);
    reel_status status = reel_run_close(run);
    printf("%d bits%s%s\n", (int)(8 * sizeof(reel_real)), *reel_error(c) ? ": " : "", reel_error(c));
    reel_context_free(c);
    return status != REEL_OK;
}
