/* A table with Adam state, of as many rows as the first argument says: created with fast_init (or with PyTorch's
 * numbers, if the second is "default"), and trained by lazy Adam on indices scattered over it; in bfloat16, if the
 * third is that. Reports times and resident memory: ten million rows of 64 floats and two states take at most three
 * times 2.56 GB. What a step allocates beside them, gradients above all, follows the indices that it looks up and not
 * the rows. */
#include "support/check.h"

#include <reel/reel.h>

#include <math.h>
#include <string.h>
#include <time.h>

enum { COLUMNS = 64, BATCH = 16384, STEPS = 200 };

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* In MiB; 0 where /proc does not say. */
static long resident(void)
{
    char line[128];
    long kib = 0;
    FILE *file = fopen("/proc/self/status", "r");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "VmRSS: %ld", &kib) == 1)
            break;
    if (file)
        fclose(file);
    return kib / 1024;
}

struct training {
    reel_context *c;
    reel_tape *t;
    reel_params *p;
    reel_module *m;
    reel_optim *adam;
    int64_t rows;
    reel_dtype dtype;
    uint64_t state;
    double seconds; /* in steps */
};

static void start(struct training *s, int64_t rows, reel_dtype dtype, bool fast, const reel_allocator *allocator)
{
    reel_context_options options = reel_context_defaults();
    options.allocator = allocator;
    *s = (struct training){.rows = rows, .dtype = dtype, .state = 1};
    s->c = reel_context_new(&options);
    s->t = reel_tape_new(s->c);
    s->p = reel_params_new(s->c);
    reel_embedding_options o = reel_embedding_defaults();
    o.sparse = true;
    o.fast_init = fast;
    o.dtype = dtype;
    s->m = reel_embedding_new(s->p, "e", rows, COLUMNS, &o);
    s->adam = reel_adam_new(s->p, NULL);
    CHECK(s->adam, "%s", reel_error(s->c));
}

static void stop(struct training *s)
{
    reel_optim_free(s->adam);
    reel_params_free(s->p);
    reel_tape_free(s->t);
    reel_context_free(s->c);
}

/* A step on n indices. Few rows are frequent, as in texts, and multiplying scatters them over the table. */
static double step(struct training *s, int64_t n)
{
    static int64_t indices[BATCH];
    static reel_real target[BATCH * COLUMNS];
    for (int64_t i = 0; i < n; i++) {
        s->state = s->state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        uint64_t rank = (uint64_t)pow((double)s->rows, (double)(s->state >> 11) * 0x1p-53) - 1;
        indices[i] = (int64_t)(rank * UINT64_C(2654435761) % (uint64_t)s->rows);
    }
    double begin = now();
    reel_var y = reel_forward(s->t, s->m, reel_borrow_of(s->t, REEL_INT64, indices, REEL_SHAPE(n)));
    reel_var loss = reel_mse_loss(s->t, y, reel_borrow(s->t, target, REEL_SHAPE(n, COLUMNS)));
    double value = reel_item(s->t, loss);
    reel_zero_grad(s->p);
    CHECK(reel_backward(s->t, loss, s->p) == REEL_OK && reel_optim_step(s->adam) == REEL_OK, "%s", reel_error(s->c));
    reel_zero_grad(s->p);
    CHECK(reel_tape_reset(s->t) == REEL_OK, "%s", reel_error(s->c));
    s->seconds += now() - begin;
    return value;
}

static void train(int64_t rows, reel_dtype dtype, bool fast)
{
    struct training s;
    double table = (double)rows * COLUMNS * (double)reel_dtype_size(dtype) / (1 << 20), begin = now();
    start(&s, rows, dtype, fast, NULL);
    double created = now() - begin;
    long before = resident();
    printf("%lld rows, %.0f MiB: created in %.2f s (%s), resident %ld MiB\n", (long long)rows, table, created,
           fast ? "fast_init" : "PyTorch's numbers", before);
    CHECK((double)before < 1.1 * table + 100, "the table is there more than once");
    double first = step(&s, BATCH), last = first;
    printf("first step: %.0f us, resident %ld MiB\n", 1e6 * s.seconds, resident());
    s.seconds = 0;
    for (int i = 0; i < STEPS; i++)
        last = step(&s, BATCH);
    printf("next %d steps of %d indices: %.0f us each, resident %ld MiB; loss %.4f, then %.4f\n", STEPS, BATCH,
           1e6 * s.seconds / STEPS, resident(), first, last);
    CHECK(last < 0.95 * first, "nothing was learnt");
    CHECK((double)resident() < 3.1 * table + 200, "more is resident than table and state");
    stop(&s);
}

/* ---- What a step allocates ---- */

struct counter {
    size_t table;   /* a block of about this size is the table or a state of the optimizer */
    size_t beside;  /* bytes in other blocks */
    int64_t tables; /* such blocks */
};

static void *count(struct counter *a, void *memory, size_t size)
{
    if (!memory)
        return NULL;
    if (size >= a->table && size < a->table + 4096)
        a->tables++;
    else
        a->beside += size;
    return memory;
}

static void *allocate(void *user, size_t size)
{
    return count(user, malloc(size), size);
}

static void *allocate_zeroed(void *user, size_t size)
{
    return count(user, calloc(1, size), size);
}

static void release(void *user, void *memory, size_t size)
{
    struct counter *a = user;
    if (size >= a->table && size < a->table + 4096)
        a->tables--;
    else
        a->beside -= size;
    free(memory);
}

/* Bytes that live beside the table and its state when steps on n indices have settled. */
static double memory_of_steps(int64_t rows, reel_dtype dtype, int64_t n)
{
    struct training s;
    struct counter counter = {.table = (size_t)rows * COLUMNS * reel_dtype_size(dtype)};
    reel_allocator allocator = {&counter, allocate, allocate_zeroed, release};
    start(&s, rows, dtype, true, &allocator);
    size_t before = counter.beside;
    CHECK(counter.tables == 1, "%lld blocks like the table", (long long)counter.tables);
    for (int i = 0; i < 4; i++)
        step(&s, n);
    size_t settled = counter.beside;
    for (int i = 0; i < 4; i++)
        step(&s, n);
    CHECK(counter.beside == settled, "memory grows by %zu bytes", counter.beside - settled);
    CHECK(counter.tables == 3, "%lld blocks like the table", (long long)counter.tables);
    stop(&s);
    CHECK(counter.beside == 0 && counter.tables == 0, "memory is left");
    printf("%lld rows, %lld indices: %.2f MiB beside table and state\n", (long long)rows, (long long)n,
           (double)(settled - before) / (1 << 20));
    return (double)(settled - before);
}

int main(int argc, char **argv)
{
    int64_t rows = argc > 1 ? atoll(argv[1]) : 100000;
    CHECK(rows >= 100000 && rows < INT64_C(1) << 32, "the number of rows must be at least 100000");
    const reel_dtype dtype = argc > 3 && strcmp(argv[3], "bfloat16") == 0 ? REEL_BFLOAT16 : REEL_REAL;
    train(rows, dtype, argc <= 2 || strcmp(argv[2], "default") != 0);
    double few = memory_of_steps(100000, dtype, BATCH / 8), many = memory_of_steps(100000, dtype, BATCH),
           wide = memory_of_steps(1000000, dtype, BATCH);
    CHECK(many < 8.5 * few, "it grows faster than the indices");
    CHECK(wide < 1.02 * many, "it grows with the rows");
    return 0;
}
