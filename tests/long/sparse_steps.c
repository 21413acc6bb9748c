/* Training a table with row-sparse gradients is as cheap after many steps as in the beginning: no allocation after the
 * third step, and a step takes the time that it takes a young loop.
 *
 *     long_sparse_steps [STEPS]     100,000 unless it says otherwise */
#include <reel/reel.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ROWS = 100000, COLUMNS = 16, BATCH = 32, ROUNDS = 7 };

struct kind {
    const char *name;
    reel_optim *(*optim)(reel_params *params);
    bool steady_time;
};

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

/* Seconds that the steps took, or a negative number when one failed. */
static double run(struct loop *l, long steps)
{
    double start = now();
    for (long i = 0; i < steps; i++)
        if (!step(l))
            return -1;
    return now() - start;
}

static int loop_new(struct loop *l, const struct kind *kind)
{
    *l = (struct loop){.name = kind->name, .state = 1};
    reel_context_options o = reel_context_defaults();
    o.num_threads = 1;
    l->c = reel_context_new(&o);
    l->t = reel_tape_new(l->c);
    l->params = reel_params_new(l->c);
    reel_embedding_options e = reel_embedding_defaults();
    e.sparse = e.fast_init = true;
    l->table = reel_embedding_new(l->params, "table", ROWS, COLUMNS, &e);
    l->optim = kind->optim(l->params);
    l->ema = reel_ema_new(l->params, 0.999);
    return l->ema ? 0 : fail(l, "setting up", 0, 0);
}

static void loop_free(struct loop *l)
{
    reel_ema_free(l->ema);
    reel_optim_free(l->optim);
    reel_tape_free(l->t);
    reel_params_free(l->params);
    reel_context_free(l->c);
}

/* Steps of the old loop and of a young one take turns and the best times are compared, because other programs slow the
 * machine down for seconds at a time. */
static int compare(const struct kind *kind, struct loop *old, long steps)
{
    struct loop young;
    double old_best = INFINITY, young_best = INFINITY;
    int status = loop_new(&young, kind);
    /* The first steps touch the table's pages for the first time. */
    bool failed = status || run(&young, 2 * steps) < 0;
    for (int round = 0; round < ROUNDS && !failed; round++) {
        double old_time = run(old, steps), young_time = run(&young, steps);
        failed = old_time < 0 || young_time < 0;
        old_best = fmin(old_best, old_time);
        young_best = fmin(young_best, young_time);
    }
    if (failed)
        status = fail(&young, "a step failed", 0, 0);
    else if (kind->steady_time && old_best > 1.5 * young_best)
        status = fail(old, "steps became slower", young_best, old_best);
    printf("%-16s %.1f us a step when young, %.1f us when old\n", kind->name, young_best / (double)steps * 1e6,
           old_best / (double)steps * 1e6);
    loop_free(&young);
    return status;
}

static int check(const struct kind *kind, long steps)
{
    struct loop l;
    int status = loop_new(&l, kind);
    if (!status && run(&l, 4) < 0)
        status = fail(&l, "a step failed", 0, 0);
    reel_memory_statistics early = reel_memory(l.c);
    if (!status && run(&l, steps) < 0)
        status = fail(&l, "a step failed", 0, 0);
    reel_memory_statistics late = reel_memory(l.c);
    if (!status && (late.allocations != early.allocations || late.bytes != early.bytes))
        status = fail(&l, "memory grew", (double)early.bytes, (double)late.bytes);
    printf("%-16s %ld steps, %zu KiB\n", kind->name, steps, late.bytes >> 10);
    if (!status)
        status = compare(kind, &l, steps / 40);
    loop_free(&l);
    return status;
}

static reel_optim *sgd(reel_params *params)
{
    return reel_sgd_new(params, NULL);
}

static reel_optim *rowwise_adagrad(reel_params *params)
{
    return reel_rowwise_adagrad_new(params, NULL);
}

static reel_optim *lazy_adam(reel_params *params)
{
    return reel_adam_new(params, NULL);
}

static reel_optim *exact_adam(reel_params *params)
{
    reel_adam_options o = reel_adam_defaults();
    o.sparse_update = REEL_EXACT;
    return reel_adam_new(params, &o);
}

int main(int argc, char **argv)
{
    long steps = argc > 1 ? strtol(argv[1], NULL, 10) : 100000;
    if (steps < 1000) {
        fprintf(stderr, "usage: %s [STEPS], at least 1000\n", argv[0]);
        return 2;
    }
    static const struct kind lazy[] = {
        {"sgd", sgd, true}, {"rowwise_adagrad", rowwise_adagrad, true}, {"lazy adam", lazy_adam, true}};
    int failures = 0;
    for (size_t i = 0; i < sizeof lazy / sizeof *lazy; i++)
        failures += check(&lazy[i], steps);
    /* A step also replays what its rows missed, which grows until every row has been looked up. */
    failures += check(&(struct kind){"exact adam", exact_adam, false}, steps / 20);
    return failures > 0;
}
