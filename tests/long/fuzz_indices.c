/* Random indices, good and bad, through everything that takes them: a bad one is refused with a text that names the
 * first of them and everything about it, before anything is written; good ones give what a plain loop gives. Arguments:
 * the number of cases, and the seed. */
#include "core/tape.h"
#include "support/check.h"

#include <reel/reel.h>

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* ---- Random choices ---- */

static uint64_t state;

static uint64_t next(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state * UINT64_C(0x2545f4914f6cdd1d);
}

/* 0 .. n - 1. */
static int64_t below(int64_t n)
{
    return (int64_t)(next() >> 33) % n;
}

static reel_shape random_shape(int least, int most)
{
    reel_shape shape = {.ndim = least + (int)below(most - least + 1)};
    for (int i = 0; i < shape.ndim; i++)
        shape.dim[i] = below(24) == 0 ? 0 : 1 + below(5);
    if (shape.ndim > 0 && below(16) == 0)
        shape.dim[below(shape.ndim)] = 50 + below(400); /* more than one block */
    return shape;
}

/* Small integers, so that sums are exact in any order. */
static reel_real *random_numbers(int64_t n)
{
    reel_real *x = malloc((size_t)(n + 1) * sizeof *x);
    for (int64_t i = 0; i < n; i++)
        x[i] = (reel_real)(below(15) - 7);
    return x;
}

/* An index outside 0 .. rows - 1, of those that a check may overlook: extreme, next to the range, or inside it when cut
 * to 32 bits. */
static int64_t bad_index(int64_t rows, bool wide)
{
    const int64_t narrow[] = {INT32_MIN, INT32_MAX, -1, rows, rows + below(100), -1 - below(100), -rows - 1};
    const int64_t far[] = {INT64_MIN, INT64_MAX, INT64_C(1) << 32, -INT64_C(0x100000000), INT64_MIN + 1};
    return wide && below(2) ? far[below(5)] : narrow[below(7)];
}

struct indices {
    reel_shape shape;
    int64_t count, rows;
    int64_t *values;
    bool wide;
    int64_t bad; /* where the first bad one is; -1: all are good */
    void *data;  /* as reel gets them, no byte longer */
};

static struct indices random_indices(reel_shape shape, int64_t rows, bool wide)
{
    struct indices x = {.shape = shape, .count = reel_shape_numel(&shape), .rows = rows, .wide = wide, .bad = -1};
    size_t size = wide ? sizeof(int64_t) : sizeof(int32_t);
    int64_t odds = below(2) || rows == 0 ? 0 : 1 + below(x.count + 1); /* 0: none is bad, unless there are no rows */
    x.values = malloc((size_t)(x.count + 1) * sizeof *x.values);
    x.data = malloc((size_t)x.count * size);
    for (int64_t i = 0; i < x.count; i++) {
        bool bad = rows == 0 || (odds > 0 && below(odds) == 0);
        int64_t value = bad ? bad_index(rows, wide) : below(4) ? below(rows) : below(2) ? 0 : rows - 1;
        if (bad && x.bad < 0)
            x.bad = i;
        x.values[i] = value;
        if (wide)
            ((int64_t *)x.data)[i] = value;
        else
            ((int32_t *)x.data)[i] = (int32_t)value;
    }
    return x;
}

static void free_indices(struct indices *x)
{
    free(x->values);
    free(x->data);
}

/* The text that the first bad index must give. */
static const char *expected_text(const struct indices *x, const char *what, const char *index)
{
    static char text[512];
    int used = snprintf(text, sizeof text, "%s: %s %" PRId64, what, index, x->values[x->bad]);
    int64_t position[REEL_MAX_NDIM], rest = x->bad;
    for (int i = x->shape.ndim - 1; i >= 0; rest /= x->shape.dim[i--])
        position[i] = rest % x->shape.dim[i];
    for (int i = 0; i < x->shape.ndim; i++)
        used += snprintf(text + used, 512 - (size_t)used, "%s%" PRId64 "%s", i ? ", " : " at position [", position[i],
                         i == x->shape.ndim - 1 ? "]" : "");
    if (x->shape.ndim > 1)
        used += snprintf(text + used, 512 - (size_t)used, " (flat %" PRId64 ")", x->bad);
    if (x->rows > 0)
        snprintf(text + used, 512 - (size_t)used, " is outside 0..%" PRId64, x->rows - 1);
    else
        snprintf(text + used, 512 - (size_t)used, "%s",
                 strcmp(index, "target") == 0 ? " has no class to name" : " is outside a table without rows");
    return text;
}

/* ---- What may not change ---- */

static reel_context *c;
static reel_tape *t;
static reel_params *params;
static long refused, accepted;

static uint64_t mix(uint64_t hash, const void *data, size_t size)
{
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ ((const unsigned char *)data)[i]) * UINT64_C(0x100000001b3);
    return hash;
}

static uint64_t hash_all(void)
{
    static unsigned char generator[REEL_RNG_STATE_SIZE];
    reel_generator_get_state(&c->generator, generator);
    uint64_t hash = mix(mix(1, generator, sizeof generator), &c->philox_draws, sizeof c->philox_draws);
    for (int i = 0; i < reel_params_count(params); i++) {
        reel_param *p = reel_params_at(params, i);
        size_t bytes = (size_t)reel_shape_numel(reel_param_shape(p)) * sizeof(reel_real);
        const void *grad = reel_param_grad(p);
        hash = mix(mix(hash, reel_param_data(p), bytes), grad, grad ? bytes : 0);
    }
    return hash;
}

/* A case: one operation that takes indices. */
struct scene {
    struct indices x;
    const char *what; /* how its text begins */
    const char *index;
    reel_var (*run)(const struct scene *s, reel_var index);
    void (*check)(const struct scene *s, reel_var y);
    reel_real *numbers; /* the other input */
    reel_shape shape;   /* of numbers */
    reel_param *weight; /* the param that holds them, when there is one */
    reel_module *module;
    int axis;
};

static reel_var other_input(const struct scene *s)
{
    return s->weight ? reel_param_var(t, s->weight) : reel_borrow(t, s->numbers, s->shape);
}

static void expect_refusal(const struct scene *s)
{
    const char *text = expected_text(&s->x, s->what, s->index);
    size_t bytes = 0;
    for (int round = 0; round < 4; round++) {
        reel_var index = reel_borrow_of(t, s->x.wide ? REEL_INT64 : REEL_INT32, s->x.data, s->x.shape);
        other_input(s);
        uint64_t before = hash_all();
        int64_t vars = t->count;
        CHECK(reel_is_null(s->run(s, index)), "%s: a var for %s", s->what, text);
        CHECK(reel_context_status(c) == REEL_ERROR_INDEX, "%s: the status is %s", text,
              reel_status_text(reel_context_status(c)));
        CHECK(strcmp(reel_error(c), text) == 0, "the text is   \"%s\"\nit should be \"%s\"", reel_error(c), text);
        CHECK(t->count <= vars + 1, "%s: %" PRId64 " vars were left", text, t->count - vars);
        reel_clear_error(c);
        CHECK(hash_all() == before, "%s: something was written", text);
        CHECK(reel_tape_reset(t) == REEL_OK, "%s", reel_error(c));
        CHECK(round < 2 || reel_memory(c).bytes == bytes, "%s: memory is lost", text);
        bytes = reel_memory(c).bytes;
    }
}

static void run_case(const struct scene *s)
{
    if (s->x.bad >= 0) {
        expect_refusal(s);
        refused++;
    } else {
        reel_var index = reel_borrow_of(t, s->x.wide ? REEL_INT64 : REEL_INT32, s->x.data, s->x.shape);
        reel_var y = s->run(s, index);
        CHECK(!reel_is_null(y), "%s with good indices: %s", s->what, reel_error(c));
        s->check(s, y);
        accepted++;
    }
    CHECK(reel_tape_reset(t) == REEL_OK, "%s", reel_error(c));
}

/* ---- Embeddings ---- */

static int64_t row_size(const struct scene *s)
{
    int64_t size = 1;
    for (int i = 1; i < s->shape.ndim; i++)
        size *= s->shape.dim[i];
    return size;
}

static reel_var run_embedding(const struct scene *s, reel_var index)
{
    return reel_embedding(t, other_input(s), index, NULL);
}

static reel_var run_module(const struct scene *s, reel_var index)
{
    return reel_forward(t, s->module, index);
}

/* The rows, and the gradient of a sum of them with weights. */
static void check_embedding(const struct scene *s, reel_var y)
{
    int64_t size = row_size(s), numel = reel_shape_numel(&s->shape), n = s->x.count * size;
    const reel_real *rows = reel_data_real(t, y), *table = reel_param_data(s->weight);
    for (int64_t i = 0; i < s->x.count; i++)
        CHECK(size == 0 || memcmp(rows + i * size, table + s->x.values[i] * size, (size_t)size * sizeof *rows) == 0,
              "%s: row %" PRId64, s->what, i);
    reel_real *weights = random_numbers(n), *want = calloc((size_t)numel + 1, sizeof *want);
    const reel_real *before = reel_param_grad(s->weight);
    if (before)
        memcpy(want, before, (size_t)numel * sizeof *want);
    for (int64_t i = 0; i < n; i++)
        want[s->x.values[i / size] * size + i % size] += weights[i];
    reel_var loss = reel_sum_all(t, reel_mul(t, y, reel_tensor(t, weights, reel_shape_of(t, y))));
    CHECK(reel_backward(t, loss, params) == REEL_OK, "%s: %s", s->what, reel_error(c));
    const reel_real *got = reel_param_grad(s->weight);
    for (int64_t i = 0; i < numel; i++) { /* none after lookups of nothing */
        reel_real value = got ? got[i] : 0;
        CHECK(value == want[i], "%s: gradient %" PRId64 " is %g, not %g", s->what, i, (double)value, (double)want[i]);
    }
    free(weights);
    free(want);
}

/* Several lookups in a table whose gradient grows, so that refusals meet gradients too. */
static void embedding_case(int number)
{
    struct scene s = {.index = "index", .check = check_embedding, .run = run_embedding};
    bool module = below(2);
    char name[32];
    snprintf(name, sizeof name, "w%d", number);
    params = reel_params_new(c);
    s.shape = module ? (reel_shape){2, {0, 0}} : random_shape(1, 3);
    s.shape.dim[0] = below(10) ? 1 + below(30) : 0;
    if (module)
        s.shape.dim[1] = below(10) ? 1 + below(70) : 0;
    s.numbers = random_numbers(reel_shape_numel(&s.shape));
    if (module) {
        reel_embedding_options o = reel_embedding_defaults();
        o.sparse = below(2);
        o.scale_grad_by_freq = false;
        s.module = reel_embedding_new(params, "a b", s.shape.dim[0], s.shape.dim[1], &o);
        s.weight = reel_params_find(params, "a b.weight");
        s.run = run_module;
    } else {
        s.weight = reel_param_new(params, name, REEL_PARAM_TRAINED, REEL_REAL, s.shape);
        reel_param_set_sparse(s.weight, below(2));
    }
    s.what = module ? "embedding \"a b\"" : "embedding";
    CHECK(reel_param_set(s.weight, s.numbers) == REEL_OK, "%s", reel_error(c));
    for (int i = 0; i < 4; i++) {
        s.x = random_indices(random_shape(0, 4), s.shape.dim[0], below(2));
        run_case(&s);
        free_indices(&s.x);
    }
    reel_params_free(params);
    params = NULL;
    free(s.numbers);
}

/* Refusals come before max_norm shortens anything, and lookups that succeed leave no row too long. */
static void check_short(const struct scene *s, reel_var y)
{
    int64_t size = row_size(s);
    const reel_real *rows = reel_data_real(t, y), *table = reel_param_data(s->weight);
    for (int64_t i = 0; i < s->x.count; i++) {
        double sum = 0;
        for (int64_t j = 0; j < size; j++)
            sum += (double)rows[i * size + j] * (double)rows[i * size + j];
        CHECK(sqrt(sum) < 1.5001, "a row of norm %g", sqrt(sum));
        CHECK(size == 0 || memcmp(rows + i * size, table + s->x.values[i] * size, (size_t)size * sizeof *rows) == 0,
              "row %" PRId64, i);
    }
}

static void max_norm_case(int number)
{
    struct scene s = {.what = "embedding \"a b\"", .index = "index", .check = check_short, .run = run_module};
    (void)number;
    params = reel_params_new(c);
    s.shape = (reel_shape){2, {1 + below(20), 1 + below(20)}};
    reel_embedding_options o = reel_embedding_defaults();
    o.max_norm = 1.5;
    o.fast_init = below(2);
    s.module = reel_embedding_new(params, "a b", s.shape.dim[0], s.shape.dim[1], &o);
    s.weight = reel_params_find(params, "a b.weight");
    for (int i = 0; i < 3; i++) {
        s.x = random_indices(random_shape(0, 4), s.shape.dim[0], below(2));
        run_case(&s);
        free_indices(&s.x);
    }
    reel_params_free(params);
    params = NULL;
}

/* ---- index_select, scatter_add_rows, cross_entropy ---- */

static reel_var run_select(const struct scene *s, reel_var index)
{
    return reel_index_select(t, other_input(s), s->axis, index);
}

static void check_select(const struct scene *s, reel_var y)
{
    int64_t inner = 1, size = s->shape.dim[s->axis], count = s->x.count, n = reel_numel(t, y);
    for (int i = s->axis + 1; i < s->shape.ndim; i++)
        inner *= s->shape.dim[i];
    for (int64_t i = 0; i < n; i++) {
        int64_t outer = i / inner / count, row = s->x.values[i / inner % count];
        CHECK(reel_data_real(t, y)[i] == s->numbers[(outer * size + row) * inner + i % inner], "%s: %" PRId64, s->what,
              i);
    }
}

static void select_case(int number)
{
    (void)number;
    struct scene s = {.what = "index_select", .index = "index", .check = check_select, .run = run_select};
    s.shape = random_shape(1, 4);
    s.axis = (int)below(s.shape.ndim);
    s.numbers = random_numbers(reel_shape_numel(&s.shape));
    s.x = random_indices(random_shape(1, 1), s.shape.dim[s.axis], below(2));
    run_case(&s);
    free_indices(&s.x);
    free(s.numbers);
}

static reel_var run_scatter(const struct scene *s, reel_var index)
{
    return reel_scatter_add_rows(t, other_input(s), index, s->x.rows);
}

static void check_scatter(const struct scene *s, reel_var y)
{
    int64_t size = 1, numel = reel_numel(t, y);
    for (int i = s->x.shape.ndim; i < s->shape.ndim; i++)
        size *= s->shape.dim[i];
    reel_real *want = calloc((size_t)numel + 1, sizeof *want);
    for (int64_t i = 0; i < s->x.count * size; i++)
        want[s->x.values[i / size] * size + i % size] += s->numbers[i];
    CHECK(numel == s->x.rows * size, "%s: %" PRId64 " elements", s->what, numel);
    CHECK(numel == 0 || memcmp(want, reel_data_real(t, y), (size_t)numel * sizeof *want) == 0, "%s", s->what);
    free(want);
}

static void scatter_case(int number)
{
    (void)number;
    struct scene s = {.what = "scatter_add_rows", .index = "index", .check = check_scatter, .run = run_scatter};
    s.x = random_indices(random_shape(0, 3), below(12) ? 1 + below(30) : 0, below(2));
    s.shape = s.x.shape;
    for (int64_t more = below(3); more > 0; more--)
        s.shape.dim[s.shape.ndim++] = below(20) ? 1 + below(9) : 0;
    s.numbers = random_numbers(reel_shape_numel(&s.shape));
    run_case(&s);
    free_indices(&s.x);
    free(s.numbers);
}

static reel_var run_entropy(const struct scene *s, reel_var target)
{
    reel_cross_entropy_loss_options o = reel_cross_entropy_loss_defaults();
    o.reduction = REEL_NONE;
    return reel_cross_entropy_loss_with(t, other_input(s), target, &o);
}

static void check_entropy(const struct scene *s, reel_var y)
{
    int64_t classes = s->x.rows, inner = 1;
    for (int i = 2; i < s->shape.ndim; i++)
        inner *= s->shape.dim[i];
    for (int64_t i = 0; i < s->x.count; i++) {
        const reel_real *x = s->numbers + i / inner * classes * inner + i % inner;
        double sum = 0;
        for (int64_t k = 0; k < classes; k++)
            sum += exp((double)x[k * inner]);
        double want = log(sum) - (double)x[s->x.values[i] * inner], got = (double)reel_data_real(t, y)[i];
        CHECK(fabs(got - want) <= 1e-5, "%s: loss %" PRId64 " is %g, not %g", s->what, i, got, want);
    }
}

/* -100 is the target that is ignored by default. */
static void entropy_case(int number)
{
    (void)number;
    struct scene s = {.what = "cross_entropy_loss", .index = "target", .check = check_entropy, .run = run_entropy};
    s.shape = random_shape(2, 4);
    s.shape.dim[1] = below(12) ? 1 + below(20) : 0;
    reel_shape targets = s.shape;
    targets.ndim--;
    memmove(targets.dim + 1, s.shape.dim + 2, (size_t)(s.shape.ndim - 2) * sizeof *targets.dim);
    s.numbers = random_numbers(reel_shape_numel(&s.shape));
    s.x = random_indices(targets, s.shape.dim[1], true);
    bool ignores = false;
    for (int64_t i = 0; i < s.x.count; i++)
        ignores = ignores || s.x.values[i] == -100;
    if (!ignores)
        run_case(&s);
    free_indices(&s.x);
    free(s.numbers);
}

int main(int argc, char **argv)
{
    static void (*const cases[])(int) = {embedding_case, max_norm_case, select_case, scatter_case, entropy_case};
    long count = argc > 1 ? atol(argv[1]) : 40000;
    state = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
    CHECK(count > 0 && state > 0, "the number of cases and the seed must be positive");
    for (int threads = 1; threads <= 2; threads++) {
        reel_context_options options = reel_context_defaults();
        options.num_threads = threads;
        c = reel_context_new(&options);
        t = reel_tape_new(c);
        for (long i = 0; i < count / 2; i++)
            cases[below(5)]((int)i);
        reel_tape_free(t);
        reel_context_free(c);
    }
    printf("fuzz_indices: %ld lookups refused, %ld right\n", refused, accepted);
    return 0;
}
