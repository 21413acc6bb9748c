/* Training a table with row-sparse gradients is as cheap after many steps as in the beginning: no allocation after the
 * third step, and the time of a step stays.
 *
 *     long_sparse_steps [STEPS]     100,000 unless it says otherwise */
#include <reel/reel.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ROWS = 100000, COLUMNS = 16, BATCH = 32, WINDOWS = 20 };

struct loop {
    const char *name;
    reel_context *c;
    reel_tape *t;
    reel_params *params;
    reel_module *table;
    reel_optim *optim;
    reel_ema *ema;
    uint64_t state;
};

static int fail(const struct loop *l, const char *what, double a, double b)
{
    fprintf(stderr, "%s: %s: %g and %g %s\n", l->name, what, a, b, reel_error(l->c));
    return 1;
}

/* Half of the lookups are of a few rows, the others anywhere. */
static void draw(struct loop *l, int64_t index[BATCH])
{
    for (int i = 0; i < BATCH; i++) {
        l->state = l->state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        index[i] = (int64_t)((l->state >> 33) % (i % 2 ? ROWS : 10));
    }
}

static bool step(struct loop *l)
{
    int64_t index[BATCH];
    draw(l, index);
    reel_var rows = reel_forward(l->t, l->table, reel_borrow_of(l->t, REEL_INT64, index, REEL_SHAPE(BATCH)));
    reel_zero_grad(l->params);
    return reel_backward(l->t, reel_mean_all(l->t, reel_square(l->t, rows)), l->params) == REEL_OK &&
           reel_optim_step(l->optim) == REEL_OK && reel_ema_update(l->ema) == REEL_OK &&
           reel_tape_reset(l->t) == REEL_OK;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int run(struct loop *l, long steps, bool steady_time)
{
    double first = 0, last = 0;
    reel_memory_statistics early = {0, 0, 0};
    for (int window = 0; window < WINDOWS; window++) {
        double start = now();
        for (long i = 0; i < steps / WINDOWS; i++) {
            if (!step(l))
                return fail(l, "a step failed", window, (double)i);
            if (window == 0 && i == 3)
                early = reel_memory(l->c);
        }
        last = now() - start;
        /* The first window touches the table's pages for the first time. */
        if (window == 1)
            first = last;
    }
    reel_memory_statistics late = reel_memory(l->c);
    if (late.allocations != early.allocations || late.bytes != early.bytes)
        return fail(l, "memory grew", (double)early.bytes, (double)late.bytes);
    if (steady_time && last > 1.5 * first)
        return fail(l, "steps became slower", first, last);
    printf("%-16s %ld steps, %.1f us each at first, %.1f us at last, %zu KiB\n", l->name, steps,
           first / (double)(steps / WINDOWS) * 1e6, last / (double)(steps / WINDOWS) * 1e6, late.bytes >> 10);
    return 0;
}

static struct loop loop_new(const char *name)
{
    struct loop l = {.name = name, .state = 1};
    reel_context_options o = reel_context_defaults();
    o.num_threads = 1;
    l.c = reel_context_new(&o);
    l.t = reel_tape_new(l.c);
    l.params = reel_params_new(l.c);
    reel_embedding_options e = reel_embedding_defaults();
    e.sparse = e.fast_init = true;
    l.table = reel_embedding_new(l.params, "table", ROWS, COLUMNS, &e);
    return l;
}

static int finish(struct loop *l, long steps, bool steady_time)
{
    l->ema = reel_ema_new(l->params, 0.999);
    int status = l->ema ? run(l, steps, steady_time) : fail(l, "setting up", 0, 0);
    reel_ema_free(l->ema);
    reel_optim_free(l->optim);
    reel_tape_free(l->t);
    reel_params_free(l->params);
    reel_context_free(l->c);
    return status;
}

int main(int argc, char **argv)
{
    long steps = argc > 1 ? strtol(argv[1], NULL, 10) : 100000;
    if (steps < 10 * WINDOWS) {
        fprintf(stderr, "usage: %s [STEPS], at least %d\n", argv[0], 10 * WINDOWS);
        return 2;
    }
    int failures = 0;
    struct loop l = loop_new("sgd");
    l.optim = reel_sgd_new(l.params, NULL);
    failures += finish(&l, steps, true);

    l = loop_new("rowwise_adagrad");
    l.optim = reel_rowwise_adagrad_new(l.params, NULL);
    failures += finish(&l, steps, true);

    l = loop_new("lazy adam");
    l.optim = reel_adam_new(l.params, NULL);
    failures += finish(&l, steps, true);

    /* A step also replays what its rows missed, which grows until every row has been looked up. */
    l = loop_new("exact adam");
    reel_adam_options exact = reel_adam_defaults();
    exact.sparse_update = REEL_EXACT;
    l.optim = reel_adam_new(l.params, &exact);
    failures += finish(&l, steps / 20, false);
    return failures > 0;
}
