/* Short forms for the tests of src/train: params with values, gradients without a model, an allocator that fails. */
#ifndef TESTS_TRAIN_HELPERS_H
#define TESTS_TRAIN_HELPERS_H

#include "base/arena.h"
#include "core/params.h"
#include "core/tape.h"
#include "train/optim.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define OK(c) cr_assert_eq(reel_context_status(c), REEL_OK, "%s", reel_error(c))

static inline reel_param *param_with(reel_params *params, const char *name, reel_shape shape, const reel_real *values)
{
    reel_param *p = reel_param_new(params, name, REEL_PARAM_TRAINED, REEL_REAL, shape);
    cr_assert_not_null(p);
    cr_assert_eq(reel_param_set(p, values), REEL_OK);
    return p;
}

/* What a backward pass through an embedding lookup leaves in a param with sparse gradients. */
static inline void add_pass(reel_tape *tape, reel_param *param, const int64_t *indices, const reel_real *values,
                            int64_t count)
{
    int64_t columns = reel_param_columns(param);
    struct reel_row_pass *pass = reel_arena_allocate(&tape->arena, sizeof *pass);
    struct reel_rows *rows = reel_arena_allocate(&tape->arena, sizeof *rows);
    int64_t *kept = reel_arena_allocate(&tape->arena, (size_t)count * sizeof *kept);
    reel_real *data = reel_scratch_allocate(&tape->context->scratch, (size_t)(count * columns) * sizeof *data);
    cr_assert(pass && rows && kept && data);
    memcpy(kept, indices, (size_t)count * sizeof *kept);
    memcpy(data, values, (size_t)(count * columns) * sizeof *data);
    *rows = (struct reel_rows){.indices = kept, .count = count, .stride = columns, .data = data, .block = data};
    pass->rows = rows;
    cr_assert_eq(reel_param_gradient_add_pass(param, tape, pass), REEL_OK);
}

/* The same as a dense gradient, summed the same way. */
static inline void add_dense(reel_param *param, const int64_t *indices, const reel_real *values, int64_t count)
{
    int64_t columns = reel_param_columns(param);
    reel_real *grad = calloc((size_t)param->numel + 1, sizeof *grad);
    struct reel_occurrence *all = malloc(((size_t)count + 1) * sizeof *all);
    cr_assert(grad && all);
    for (int64_t row = 0; row < reel_param_rows(param); row++) {
        int64_t n = 0;
        for (int64_t i = 0; i < count; i++)
            if (indices[i] == row)
                all[n++] = (struct reel_occurrence){.row = row, .values = values + i * columns};
        if (n > 0)
            reel_kern_sum_occurrences(all, n, columns, false, grad + row * columns);
    }
    cr_assert_eq(reel_param_set_grad(param, grad), REEL_OK);
    free(all);
    free(grad);
}

/* The algorithm of "adam lr=0.1 amsgrad=1", and its options: those that are not named have their defaults. */
struct subject {
    const reel_optim_algorithm *algorithm;
    union {
        char bytes[256];
        double number; /* for the alignment */
    } options;
};

static inline struct subject subject_of(const char *what)
{
    struct subject subject;
    char text[256], *rest = NULL;
    cr_assert_lt(strlen(what), sizeof text);
    strcpy(text, what);
    const char *name = strtok_r(text, " ", &rest);
    subject.algorithm = reel_optim_algorithm_find(name);
    cr_assert_not_null(subject.algorithm, "there is no algorithm \"%s\"", name);
    cr_assert_leq(subject.algorithm->options_size, sizeof subject.options);
    reel_optim_fill_options(subject.algorithm, &subject.options);
    for (char *option; (option = strtok_r(NULL, " ", &rest)) != NULL;) {
        char *value = strchr(option, '=');
        *value++ = '\0';
        cr_assert_not_null(reel_optim_find_option(subject.algorithm, option), "%s has no option \"%s\"", name, option);
        reel_optim_write_option(reel_optim_find_option(subject.algorithm, option), &subject.options,
                                strtod(value, NULL));
    }
    return subject;
}

static inline reel_optim *optim_of(reel_params *params, const char *what, reel_sparse_update mode)
{
    struct subject subject = subject_of(what);
    const reel_optim_option *option = reel_optim_find_option(subject.algorithm, "sparse_update");
    if (option)
        reel_optim_write_option(option, &subject.options, mode);
    return reel_optim_new(params, subject.algorithm, &subject.options);
}

/* Whether the algorithm of "lamb lr=0.1" takes row-sparse gradients. */
static inline bool takes_rows(const char *what)
{
    return subject_of(what).algorithm->scope != REEL_PER_PARAM;
}

/* Numbers in [-2, 2) that depend on nothing but the seed. */
static inline void fill(reel_real *x, int64_t n, uint64_t seed)
{
    uint64_t state = seed * 2 + 1;
    for (int64_t i = 0; i < n; i++) {
        state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        x[i] = (reel_real)((double)(state >> 40) / (1 << 22) - 2);
    }
}

/* malloc that fails at allocation number `fail_at` (0: the first) and counts what is not freed. */
struct failing {
    int64_t fail_at, count, live;
};

static inline void *failing_allocate(void *user, size_t size)
{
    struct failing *f = user;
    if (f->count++ == f->fail_at)
        return NULL;
    void *memory = calloc(1, size);
    f->live += memory != NULL;
    return memory;
}

static inline void failing_free(void *user, void *memory, size_t size)
{
    (void)size;
    ((struct failing *)user)->live--;
    free(memory);
}

static inline reel_context *failing_context(struct failing *f)
{
    *f = (struct failing){.fail_at = -1};
    const reel_allocator allocator = {f, failing_allocate, failing_allocate, failing_free};
    reel_context_options options = reel_context_defaults();
    options.allocator = &allocator;
    options.num_threads = 2;
    return reel_context_new(&options);
}

#endif
