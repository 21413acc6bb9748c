/* Walks the registry: every operation, every sample. What a row promises is checked here, so that an operation needs no
 * test of its own. */
#include "core/tape.h"
#include "ops/samples.h"

#include <reel/reel.h>

#include <criterion/criterion.h>
#include <dirent.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double epsilon = sizeof(reel_real) == sizeof(float) ? FLT_EPSILON : DBL_EPSILON;
static const uint64_t seeds[] = {1, 20261124};

static reel_context *c;
static struct {
    int rows, good, refused;
} counted;

static void set_up(void)
{
    c = reel_context_new(NULL);
    cr_assert_not_null(c);
}

static void tear_down(void)
{
    reel_context_free(c);
}

TestSuite(registry, .init = set_up, .fini = tear_down, .timeout = 240);

static void complain(const reel_op *op, const reel_sample *sample, const char *what)
{
    cr_expect_fail("%s, sample \"%s\": %s", op->name, sample ? sample->what : "", what);
}

typedef void visitor(const reel_op *op, const reel_sample *sample, uint64_t seed);

/* Visits the samples that work (or those that are refused) of every row, twice, and prints how many there were. */
static void walk(const char *what, bool refused, visitor *visit)
{
    for (int i = 0; i < reel_op_count(); i++) {
        const reel_op *op = reel_op_at(i);
        const reel_op_samples *samples = reel_op_samples_at(i);
        counted.rows++;
        for (int s = 0; s < samples->count; s++) {
            const reel_sample *sample = &samples->samples[s];
            if ((sample->refused != REEL_OK) != refused)
                continue;
            *(refused ? &counted.refused : &counted.good) += 1;
            for (int k = 0; k < 2; k++) {
                visit(op, sample, seeds[k]);
                reel_clear_error(c);
            }
        }
    }
    printf("registry, %s: %d operations, %d %s samples, 2 seeds\n", what, counted.rows,
           refused ? counted.refused : counted.good, refused ? "refused" : "good");
}

/* ---- Rows ---- */

/* Operations without an ONNX form, and why. */
static const char *const without_onnx[][2] = {
    {"dropout", "it draws; in evaluation there is none"},
    {"batch_norm", "its statistics are those of the batch; in evaluation it is a composition"},
    {"batch_norm_affine", "as batch_norm"},
    {"frequency_weights", "it is part of a gradient, and ONNX counts nothing by value"},
    {"conv_weight", "it is part of a gradient"},
    {"gru_cell_backward", "it is part of a gradient"},
    {"lstm_cell_backward", "it is part of a gradient"},
    {"gru_backward", "it is part of a gradient"},
    {"lstm_backward", "it is part of a gradient"},
    {"interpolate_backward", "it is part of a gradient"},
    {"avg_pool_backward", "it is part of a gradient"},
    {"slice_backward", "it is part of a gradient, and ONNX writes no slices into zeros"},
};

static bool is_without_onnx(const reel_op *op)
{
    for (size_t i = 0; i < sizeof without_onnx / sizeof *without_onnx; i++)
        if (strcmp(without_onnx[i][0], op->name) == 0)
            return true;
    return false;
}

Test(registry, rows_are_complete)
{
    for (int i = 0; i < reel_op_count(); i++) {
        const reel_op *op = reel_op_at(i);
        const reel_op_samples *samples = reel_op_samples_at(i);
        int good = 0, refused = 0;
        for (int s = 0; s < samples->count; s++) {
            const reel_sample *sample = &samples->samples[s];
            good += sample->refused == REEL_OK;
            refused += sample->refused != REEL_OK;
            if (!sample->what || !*sample->what)
                complain(op, sample, "does not say what it is about");
            for (int other = 0; other < s; other++)
                if (sample->refused == REEL_OK && samples->samples[other].refused == REEL_OK &&
                    strcmp(sample->what, samples->samples[other].what) == 0)
                    complain(op, sample, "says the same as another one");
        }
        if (good == 0 || refused == 0)
            complain(op, NULL, "needs a sample that works and one that is refused");
        if (reel_op_find(op->name) != op)
            complain(op, NULL, "has the name of another operation");
        if (!op->shape || op->n_inputs < 0 || op->n_outputs < 1 || op->n_outputs > REEL_MAX_OUTPUTS)
            complain(op, NULL, "has no shape function or an impossible number of inputs or outputs");
        bool none = op->derivative == REEL_DERIVATIVE_NONE;
        if (!op->variadic && (op->differentiable | op->reads_inputs | op->reads_rows) >> op->n_inputs)
            complain(op, NULL, "names inputs that it does not take");
        if (none != (op->differentiable == 0) || none != !op->vjp || (none && op->accumulate))
            complain(op, NULL, "its rules and its list of differentiable inputs disagree");
        if ((op->onnx != NULL) + (op->onnx_node != NULL) + is_without_onnx(op) != 1)
            complain(op, NULL, "needs one ONNX form, or a reason in without_onnx why it has none");
        /* A view that has to copy is a rare thing. */
        if (!op->cost && strcmp(op->name, "reshape") != 0)
            complain(op, NULL, "does not say what it costs");
        if (op->onnx_node && (op->variadic || op->n_inputs > REEL_MAX_OUTPUTS || op->n_outputs != 1))
            complain(op, NULL, "is no node of ONNX as it is");
    }
    cr_expect_null(reel_op_at(-1));
    cr_expect_null(reel_op_at(reel_op_count()));
    cr_expect_null(reel_op_samples_at(-1));
    cr_expect_null(reel_op_samples_at(reel_op_count()));
    cr_expect_null(reel_op_find("no such operation"));
    cr_expect_null(reel_op_find(NULL));
}

static bool begins_with(const char *text, const char *beginning)
{
    return strncmp(text, beginning, strlen(beginning)) == 0;
}

/* Rows that a file defines: one a line, or one for each use of a macro that does. */
static int rows_in_file(const char *path)
{
    char line[512], macro[64] = "", defining[4][80];
    int rows = 0, macros = 0;
    FILE *file = fopen(path, "r");
    cr_assert_not_null(file, "%s", path);
    while (fgets(line, sizeof line, file)) {
        if (begins_with(line, "#define "))
            sscanf(line, "#define %60[A-Za-z0-9_](", macro);
        for (int m = 0; m < macros; m++)
            rows += begins_with(line, defining[m]);
        const char *row = strstr(line, "static const reel_op ");
        if (!row || !strchr(row, '='))
            continue;
        if (strstr(row, "##")) {
            cr_assert_lt(macros, 4);
            snprintf(defining[macros++], sizeof *defining, "%s(", macro);
        } else {
            rows++;
        }
    }
    fclose(file);
    return rows;
}

Test(registry, no_row_is_forgotten)
{
    int rows = 0;
    DIR *folder = opendir(REEL_OPS_FOLDER);
    cr_assert_not_null(folder);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        size_t length = strlen(entry->d_name);
        char path[1024];
        snprintf(path, sizeof path, "%s/%s", REEL_OPS_FOLDER, entry->d_name);
        if (length > 2 && strcmp(entry->d_name + length - 2, ".c") == 0)
            rows += rows_in_file(path);
    }
    closedir(folder);
    cr_expect_eq(rows, reel_op_count(), "src/ops defines %d operations, the registry has %d", rows, reel_op_count());
}

/* ---- Refused samples ---- */

static void expect_refusal(const reel_op *op, const reel_sample *sample, uint64_t seed)
{
    if (reel_gradcheck_op(c, op, sample, seed, NULL) != REEL_OK) {
        complain(op, sample, reel_error(c));
        return;
    }
    reel_tape *t = reel_tape_new(c);
    reel_var inputs[REEL_MAX_SAMPLE_INPUTS], outputs[REEL_MAX_OUTPUTS];
    char word[64] = "";
    sscanf(op->name, "%60[^_]", word);
    reel_sample_inputs(t, sample, seed, inputs);
    reel_apply(t, op, inputs, sample->n_inputs, sample->attributes, outputs);
    if (!strstr(reel_error(c), word) || strchr(reel_error(c), '\n'))
        complain(op, sample, reel_error(c));
    cr_expect_eq(reel_tape_reset(t), sample->refused);
    reel_var two = reel_add(t, reel_ones(t, REEL_SHAPE(2)), reel_ones(t, REEL_SHAPE(2)));
    cr_expect_eq(reel_item(t, reel_sum_all(t, two)), 4, "%s: after a refusal the tape is broken", op->name);
    reel_tape_free(t);
}

Test(registry, refused_samples_are_refused)
{
    walk("refused", true, expect_refusal);
}

/* ---- Values ---- */

static size_t bytes_of(const reel_array *array)
{
    return (size_t)array->numel * reel_dtype_size(array->dtype);
}

static void expect_good_values(const reel_op *op, const reel_sample *sample, uint64_t seed)
{
    reel_tape *t = reel_tape_new(c), *other = reel_tape_new(c);
    reel_var inputs[2][REEL_MAX_SAMPLE_INPUTS], outputs[2][REEL_MAX_OUTPUTS];
    reel_tape *tapes[] = {t, other};
    int threads = reel_get_num_threads(c);
    for (int i = 0; i < 2; i++) {
        reel_manual_seed(c, seed);
        reel_set_num_threads(c, i == 0 ? 1 : 3);
        reel_sample_inputs(tapes[i], sample, seed, inputs[i]);
        reel_apply(tapes[i], op, inputs[i], sample->n_inputs, sample->attributes, outputs[i]);
    }
    reel_set_num_threads(c, threads);
    if (reel_context_status(c) != REEL_OK) {
        complain(op, sample, reel_error(c));
    } else {
        for (int k = 0; k < op->n_outputs; k++) {
            const reel_array *a = &t->nodes[outputs[0][k].number]->array;
            const reel_array *b = &other->nodes[outputs[1][k].number]->array;
            if (a->numel != reel_shape_numel(&a->shape) || !a->data || a->dtype > REEL_BOOL)
                complain(op, sample, "an output has no shape, type or data");
            if (!reel_shape_equal(&a->shape, &b->shape) || a->dtype != b->dtype ||
                memcmp(a->data, b->data, bytes_of(a)))
                complain(op, sample, "other bits with another number of threads");
            for (int64_t i = 0; a->dtype == REEL_BOOL && i < a->numel; i++)
                if (((const unsigned char *)a->data)[i] > 1)
                    complain(op, sample, "a bool that is neither 0 nor 1");
        }
        for (int k = 0; k < sample->n_inputs; k++) {
            const reel_array *a = &t->nodes[inputs[0][k].number]->array;
            reel_tape_reset(other);
            reel_sample_inputs(other, sample, seed, inputs[1]);
            if (memcmp(a->data, other->nodes[inputs[1][k].number]->array.data, bytes_of(a)) != 0)
                complain(op, sample, "it writes into its input");
        }
    }
    reel_tape_free(other);
    reel_tape_free(t);
}

Test(registry, good_samples_run)
{
    walk("values", false, expect_good_values);
}

/* ---- Gradients against differences ---- */

#ifdef REEL_F64
static void expect_gradients(const reel_op *op, const reel_sample *sample, uint64_t seed)
{
    REEL_OPTIONS(gradcheck, options, options.eps = 1e-6, options.atol = 1e-6, options.rtol = 1e-4);
    if (reel_gradcheck_op(c, op, sample, seed, &options) != REEL_OK)
        complain(op, sample, reel_error(c));
}

Test(registry, gradients_are_right_to_second_order)
{
    walk("gradcheck and gradgradcheck", false, expect_gradients);
}
#endif

/* ---- accumulate against vjp ---- */

/* How a gradient reaches the operation, and what is in the sinks of its inputs by then. */
enum situation {
    CONTIGUOUS,     /* whole, into empty sinks */
    ADDED,          /* into sinks that have a sum of their own */
    ADDED_SHARED,   /* into sinks that share a part of another gradient */
    STRIDED_LAST,   /* rows of the last axis, apart from each other */
    STRIDED_SINGLE, /* every element apart */
    STRIDED_HALVES, /* in the fewest equal rows that are possible */
    TWICE,          /* the operation twice in one graph */
    SAME,           /* one var for all inputs of its shape */
    SITUATIONS
};

static const char *const situation_names[] = {
    "contiguous",      "added",           "added to shared", "strided, last axis",
    "strided, single", "strided, halves", "twice",           "same var"};

static double number_at(int salt, int64_t i)
{
    uint64_t x = ((uint64_t)salt * 1000003 + (uint64_t)i + 1) * 0x9e3779b97f4a7c15;
    return (double)(x >> 40) / (1 << 23) - 1;
}

static reel_var weights_like(reel_tape *t, reel_shape shape, int salt)
{
    int64_t n = reel_shape_numel(&shape);
    reel_real *values = malloc((size_t)(n + 1) * sizeof *values);
    for (int64_t i = 0; i < n; i++)
        values[i] = (reel_real)number_at(salt, i);
    reel_var v = reel_tensor(t, values, shape);
    free(values);
    return v;
}

/* sum(y * weights), where the gradient of y, the weights, comes about as the situation says. */
static reel_var weighed_sum(reel_tape *t, reel_var y, reel_var weights, enum situation situation)
{
    reel_shape shape = reel_shape_of(t, y);
    int64_t n = reel_numel(t, y);
    if (situation >= STRIDED_LAST && situation <= STRIDED_HALVES && n > 0) {
        if (situation == STRIDED_SINGLE) {
            shape = REEL_SHAPE(n, 1);
        } else if (situation == STRIDED_HALVES) {
            int64_t rows = 2;
            while (n % rows != 0 && rows < n)
                rows++;
            shape = n > 1 ? REEL_SHAPE(rows, n / rows) : REEL_SHAPE(1, 1);
        } else if (shape.ndim == 0) {
            shape = REEL_SHAPE(1);
        }
        int last = shape.ndim - 1;
        reel_shape beside = shape;
        beside.dim[last] = 3;
        reel_var more = weights_like(t, beside, 99);
        y = reel_cat(t, REEL_VARS(reel_reshape(t, y, shape), more), last);
        weights = reel_cat(t, REEL_VARS(reel_reshape(t, weights, shape), more), last);
    }
    return reel_sum_all(t, reel_mul(t, y, weights));
}

static reel_var plus(reel_tape *t, reel_var a, reel_var b)
{
    return reel_is_null(a) ? b : reel_add(t, a, b);
}

static bool is_differentiable(const reel_op *op, const reel_sample *sample, int k)
{
    return op->differentiable >> (op->variadic ? 0 : k) & 1 && sample->inputs[k].dtype == REEL_REAL;
}

/* Operations that pass any type on have samples of integers too. */
static bool has_gradient(const reel_op *op, const reel_sample *sample)
{
    bool any = false;
    for (int k = 0; k < sample->n_inputs; k++)
        any = any || is_differentiable(op, sample, k);
    return any;
}

/* Which single element of which output has a weight; -1: all have. */
struct selection {
    int output;
    int64_t element;
};

/* The loss: a weighed sum of everything that is computed from the inputs. */
static reel_var loss_of(reel_tape *t, const reel_op *op, const reel_sample *sample, const reel_var *inputs,
                        enum situation situation, struct selection selected)
{
    reel_var loss = reel_null(), outputs[REEL_MAX_OUTPUTS];
    for (int time = 0; time < (situation == TWICE ? 2 : 1); time++) {
        if (reel_apply(t, op, inputs, sample->n_inputs, sample->attributes, outputs) != REEL_OK)
            return reel_null();
        for (int i = 0; i < op->n_outputs; i++) {
            if (reel_dtype_of(t, outputs[i]) != REEL_REAL || (selected.output >= 0 && selected.output != i))
                continue;
            reel_var weights = weights_like(t, reel_shape_of(t, outputs[i]), i);
            if (selected.output == i) {
                reel_real *values = t->nodes[weights.number]->array.data, keep = values[selected.element];
                memset(values, 0, bytes_of(&t->nodes[weights.number]->array));
                values[selected.element] = keep;
            }
            loss = plus(t, loss, weighed_sum(t, outputs[i], weights, situation));
        }
    }
    for (int k = 0; k < sample->n_inputs; k++) {
        if (!is_differentiable(op, sample, k) || (situation != ADDED && situation != ADDED_SHARED))
            continue;
        reel_var u = weights_like(t, reel_shape_of(t, inputs[k]), 10 + k);
        loss = plus(t, loss, weighed_sum(t, inputs[k], u, situation == ADDED ? CONTIGUOUS : STRIDED_LAST));
    }
    return loss;
}

/* The gradients of all differentiable inputs, or of one, behind each other in `out`; false with the error recorded.
 * `poisoned`: the inputs whose values are spoiled between forward and backward, as bits. */
static bool gradients(const reel_op *op, const reel_sample *sample, uint64_t seed, enum situation situation,
                      struct selection selected, int only, uint32_t poisoned, double *out)
{
    reel_tape *t = reel_tape_new(c);
    reel_var inputs[REEL_MAX_SAMPLE_INPUTS], xs[REEL_MAX_SAMPLE_INPUTS], grads[REEL_MAX_SAMPLE_INPUTS];
    reel_manual_seed(c, seed);
    reel_sample_inputs(t, sample, seed, inputs);
    for (int k = 1; k < sample->n_inputs && situation == SAME; k++) {
        reel_shape first = reel_shape_of(t, inputs[0]), shape = reel_shape_of(t, inputs[k]);
        if (is_differentiable(op, sample, 0) && is_differentiable(op, sample, k) && reel_shape_equal(&first, &shape))
            inputs[k] = inputs[0];
    }
    reel_var loss = loss_of(t, op, sample, inputs, situation, selected);
    int n = 0;
    for (int k = 0; k < sample->n_inputs; k++) {
        reel_array *array = &t->nodes[inputs[k].number]->array;
        /* All bits set are a NaN. */
        if (poisoned >> (op->variadic ? 0 : k) & 1)
            memset(array->data, array->dtype == REEL_REAL ? 0xff : 0, bytes_of(array));
        if (is_differentiable(op, sample, k) && (only < 0 || only == k))
            xs[n++] = inputs[k];
    }
    if (n > 0 && reel_context_status(c) == REEL_OK)
        reel_grad(t, loss, xs, n, REEL_GRAD_ALLOW_UNUSED, grads);
    for (int i = 0; i < n && reel_context_status(c) == REEL_OK; i++) {
        int64_t numel = reel_numel(t, xs[i]);
        const reel_real *values = reel_is_null(grads[i]) ? NULL : reel_data_real(t, grads[i]);
        for (int64_t j = 0; j < numel; j++)
            *out++ = values ? (double)values[j] : 0;
    }
    bool good = reel_context_status(c) == REEL_OK;
    reel_tape_free(t);
    return good;
}

/* How many elements the differentiable inputs have, and each output; 0 when there is nothing to differentiate. */
static int64_t count_elements(const reel_op *op, const reel_sample *sample, uint64_t seed, int64_t *per_output)
{
    reel_tape *t = reel_tape_new(c);
    reel_var inputs[REEL_MAX_SAMPLE_INPUTS], outputs[REEL_MAX_OUTPUTS];
    int64_t elements = 0;
    reel_sample_inputs(t, sample, seed, inputs);
    if (reel_apply(t, op, inputs, sample->n_inputs, sample->attributes, outputs) == REEL_OK) {
        for (int k = 0; k < sample->n_inputs; k++)
            elements += is_differentiable(op, sample, k) ? reel_numel(t, inputs[k]) : 0;
        for (int i = 0; i < op->n_outputs; i++)
            per_output[i] = reel_dtype_of(t, outputs[i]) == REEL_REAL ? reel_numel(t, outputs[i]) : 0;
    }
    reel_tape_free(t);
    return elements;
}

/* got must be times * want + extra, up to 64 eps of the terms' magnitude. What cancels inside a term (softmax - target)
 * is not seen from outside: the rounding of the largest element is allowed to each. */
static void expect_close(const reel_op *op, const reel_sample *sample, const char *what, int64_t n, const double *got,
                         const double *want, double times, const double *extra, const double *magnitude)
{
    double largest = 0;
    for (int64_t j = 0; j < n; j++)
        largest = fmax(largest, magnitude[j]);
    for (int64_t j = 0; j < n; j++) {
        double wanted = times * want[j] + (extra ? extra[j] : 0);
        double tolerance = epsilon * (64 * (times * magnitude[j] + (extra ? fabs(extra[j]) : 0)) + times * largest);
        if (fabs(got[j] - wanted) <= tolerance || (isnan(got[j]) && isnan(wanted)))
            continue;
        char text[256];
        snprintf(text, sizeof text,
                 "%s: element %lld of the gradients is %.9g by accumulate and %.9g by vjp, %.3g eps apart", what,
                 (long long)j, got[j], wanted,
                 fabs(got[j] - wanted) / epsilon / (magnitude[j] > 0 ? times * magnitude[j] : 1));
        complain(op, sample, text);
        return;
    }
}

static void expect_params_gradients(const reel_op *op, const reel_sample *sample, uint64_t seed, const double *want,
                                    const double *magnitude)
{
    reel_tape *t = reel_tape_new(c);
    reel_params *params = reel_params_new(c);
    reel_var inputs[REEL_MAX_SAMPLE_INPUTS];
    reel_param *made[REEL_MAX_SAMPLE_INPUTS] = {NULL};
    reel_manual_seed(c, seed);
    reel_sample_inputs(t, sample, seed, inputs);
    for (int k = 0; k < sample->n_inputs; k++) {
        if (!is_differentiable(op, sample, k))
            continue;
        char name[16];
        snprintf(name, sizeof name, "p%d", k);
        made[k] = reel_param_new(params, name, REEL_PARAM_TRAINED, REEL_REAL, reel_shape_of(t, inputs[k]));
        reel_param_set(made[k], reel_data(t, inputs[k]));
        inputs[k] = reel_param_var(t, made[k]);
    }
    reel_var loss = loss_of(t, op, sample, inputs, CONTIGUOUS, (struct selection){-1, 0});
    for (int times = 1; times <= 2 && reel_context_status(c) == REEL_OK; times++) {
        reel_backward(t, loss, times == 1 ? params : NULL);
        int64_t at = 0;
        for (int k = 0; k < sample->n_inputs && reel_context_status(c) == REEL_OK; k++) {
            if (!made[k])
                continue;
            const reel_real *grad = reel_param_grad(made[k]);
            int64_t n = reel_shape_numel(reel_param_shape(made[k]));
            double *got = malloc((size_t)(n + 1) * sizeof *got);
            for (int64_t j = 0; j < n; j++)
                got[j] = grad ? (double)grad[j] : 0;
            expect_close(op, sample, times == 1 ? "of params" : "of params, two backward passes", n, got, want + at,
                         times, NULL, magnitude + at);
            free(got);
            at += n;
        }
    }
    if (reel_context_status(c) != REEL_OK)
        complain(op, sample, reel_error(c));
    reel_params_free(params);
    reel_tape_free(t);
}

/* Values that are equal everywhere are kinks of some operations, so both ways may only differ in rounding. */
static void expect_same_var_gradients(const reel_op *op, const reel_op *plain, const reel_sample *sample, uint64_t seed,
                                      int64_t n, const double *magnitude)
{
    const struct selection all = {-1, 0};
    double *want = calloc((size_t)n + 1, sizeof *want), *got = calloc((size_t)n + 1, sizeof *got);
    double *scale = calloc((size_t)n + 1, sizeof *scale);
    if (!gradients(plain, sample, seed, SAME, all, -1, 0, want) || !gradients(op, sample, seed, SAME, all, -1, 0, got))
        complain(op, sample, reel_error(c));
    double largest = 0;
    for (int64_t j = 0; j < n; j++)
        largest = fmax(largest, fmax(fabs(want[j]), magnitude[j]));
    for (int64_t j = 0; j < n; j++)
        scale[j] = largest;
    if (reel_context_status(c) == REEL_OK)
        expect_close(op, sample, "one var for several inputs", n, got, want, 1, NULL, scale);
    free(want);
    free(got);
    free(scale);
}

static void expect_accumulate_as_vjp(const reel_op *op, const reel_sample *sample, uint64_t seed)
{
    if (!has_gradient(op, sample))
        return;
    const struct selection all = {-1, 0};
    reel_op plain = *op;
    plain.accumulate = NULL;
    int64_t per_output[REEL_MAX_OUTPUTS] = {0}, n = count_elements(op, sample, seed, per_output), at = 0;
    size_t bytes = (size_t)(n + 1) * sizeof(double);
    double *want = calloc(1, bytes), *got = calloc(1, bytes), *magnitude = calloc(1, bytes), *extra = calloc(1, bytes);
    if (!gradients(&plain, sample, seed, CONTIGUOUS, all, -1, 0, want))
        complain(op, sample, reel_error(c));
    for (int i = 0; i < op->n_outputs; i++)
        for (int64_t o = 0; o < per_output[i] && n > 0; o++) {
            gradients(&plain, sample, seed, CONTIGUOUS, (struct selection){i, o}, -1, 0, got);
            for (int64_t j = 0; j < n; j++)
                magnitude[j] += fabs(got[j]);
        }
    reel_tape *t = reel_tape_new(c);
    reel_var inputs[REEL_MAX_SAMPLE_INPUTS];
    reel_sample_inputs(t, sample, seed, inputs);
    for (int k = 0; k < sample->n_inputs; k++)
        for (int64_t j = 0; is_differentiable(op, sample, k) && j < reel_numel(t, inputs[k]); j++)
            extra[at++] = (double)(reel_real)number_at(10 + k, j);

    for (int s = 0; s < SAME && reel_context_status(c) == REEL_OK; s++)
        for (int rule = 0; rule < 2; rule++) {
            char text[64];
            snprintf(text, sizeof text, "%s, %s", situation_names[s], rule == 0 ? "fused" : "in operations");
            if (!gradients(rule == 0 ? op : &plain, sample, seed, (enum situation)s, all, -1, 0, got))
                complain(op, sample, reel_error(c));
            else
                expect_close(op, sample, text, n, got, want, s == TWICE ? 2 : 1,
                             s == ADDED || s == ADDED_SHARED ? extra : NULL, magnitude);
        }
    expect_same_var_gradients(op, &plain, sample, seed, n, magnitude);
    at = 0;
    for (int k = 0; k < sample->n_inputs && reel_context_status(c) == REEL_OK; k++) {
        if (!is_differentiable(op, sample, k))
            continue;
        for (int rule = 0; rule < 2; rule++) {
            if (!gradients(rule == 0 ? op : &plain, sample, seed, CONTIGUOUS, all, k, 0, got))
                complain(op, sample, reel_error(c));
            else
                expect_close(op, sample, "of one input alone", reel_numel(t, inputs[k]), got, want + at, 1, NULL,
                             magnitude + at);
        }
        at += reel_numel(t, inputs[k]);
    }
    if (reel_context_status(c) == REEL_OK)
        expect_params_gradients(op, sample, seed, want, magnitude);
    reel_tape_free(t);
    free(want);
    free(got);
    free(magnitude);
    free(extra);
}

Test(registry, accumulate_gives_what_vjp_gives)
{
    walk("accumulate", false, expect_accumulate_as_vjp);
}

/* ---- Which values a rule reads ---- */

static void expect_honest_reads(const reel_op *op, const reel_sample *sample, uint64_t seed)
{
    if (!has_gradient(op, sample))
        return;
    const struct selection all = {-1, 0};
    reel_op plain = *op;
    plain.accumulate = NULL;
    int64_t per_output[REEL_MAX_OUTPUTS], n = count_elements(op, sample, seed, per_output);
    double *want = calloc((size_t)n + 1, sizeof *want), *got = calloc((size_t)n + 1, sizeof *got);
    for (int rule = 0; rule < 2; rule++) {
        const reel_op *row = rule == 0 ? op : &plain;
        if (!gradients(row, sample, seed, CONTIGUOUS, all, -1, 0, want) ||
            !gradients(row, sample, seed, CONTIGUOUS, all, -1, ~op->reads_inputs, got))
            complain(op, sample, reel_error(c));
        else if (memcmp(want, got, (size_t)n * sizeof *want) != 0)
            complain(op, sample,
                     rule == 0 ? "accumulate reads a value that reads_inputs does not name"
                               : "vjp reads a value that reads_inputs does not name");
    }
    free(want);
    free(got);
}

Test(registry, rules_read_what_they_say)
{
    walk("what rules read", false, expect_honest_reads);
}

/* Whether a gradient of some sample depends on the value of input k. */
static bool is_read(const reel_op *op, const reel_op_samples *samples, int k)
{
    const struct selection all = {-1, 0};
    reel_op plain = *op;
    plain.accumulate = NULL;
    bool read = false;
    for (int s = 0; s < samples->count && !read; s++) {
        const reel_sample *sample = &samples->samples[s];
        int64_t per_output[REEL_MAX_OUTPUTS], n;
        if (sample->refused != REEL_OK || !has_gradient(op, sample))
            continue;
        n = count_elements(op, sample, seeds[0], per_output);
        double *want = calloc((size_t)n + 1, sizeof *want), *got = calloc((size_t)n + 1, sizeof *got);
        for (int rule = 0; rule < 2 && !read; rule++) {
            const reel_op *row = rule == 0 ? op : &plain;
            read = gradients(row, sample, seeds[0], CONTIGUOUS, all, -1, 0, want) &&
                   gradients(row, sample, seeds[0], CONTIGUOUS, all, -1, UINT32_C(1) << k, got) &&
                   memcmp(want, got, (size_t)n * sizeof *want) != 0;
            reel_clear_error(c);
        }
        free(want);
        free(got);
    }
    return read;
}

/* A value that is named for nothing keeps its input from changing before backward. */
Test(registry, rules_read_all_that_they_name)
{
    for (int i = 0; i < reel_op_count(); i++) {
        const reel_op *op = reel_op_at(i);
        for (int k = 0; k < 32; k++)
            if (op->reads_inputs >> k & 1 && !is_read(op, reel_op_samples_at(i), k))
                complain(op, NULL, "names an input in reads_inputs that no rule reads");
    }
}

/* ---- Rows whose gradient is deliberately not the derivative ---- */

/* embedding_padding: the row's sum over lookups of the gradients that flow in, over how often it is looked up, and
 * nothing for the padding row. */
static void expect_padding_formula(void)
{
    enum { ROWS = 6, COLUMNS = 3, COUNT = 12 };
    static const int64_t indices[COUNT] = {5, 2, 2, 0, 1, 2, 5, 0, 2, 3, 3, 2};
    for (int padding = -2; padding < 3; padding++)
        for (int scaled = 0; scaled < 2; scaled++) {
            reel_tape *t = reel_tape_new(c);
            reel_embedding_lookup_options options = reel_embedding_lookup_defaults();
            options.padding_idx = padding == 1 ? REEL_NO_PADDING : padding;
            options.scale_grad_by_freq = scaled != 0;
            reel_var weight = weights_like(t, REEL_SHAPE(ROWS, COLUMNS), 1), grad;
            reel_var y = reel_embedding(t, weight, reel_tensor_of(t, REEL_INT64, indices, REEL_SHAPE(COUNT)), &options);
            reel_var flow = weights_like(t, REEL_SHAPE(COUNT, COLUMNS), 2);
            cr_assert_eq(reel_vjp(t, y, flow, &weight, 1, 0, &grad), REEL_OK, "%s", reel_error(c));
            const reel_real *got = reel_data_real(t, grad);
            for (int r = 0; r < ROWS; r++)
                for (int k = 0; k < COLUMNS; k++) {
                    double sum = 0;
                    int times = 0;
                    for (int i = 0; i < COUNT; i++)
                        if (indices[i] == r) {
                            sum += (double)(reel_real)number_at(2, i * COLUMNS + k);
                            times++;
                        }
                    if (scaled && times > 0)
                        sum /= times;
                    if (padding != 1 && r == (padding + ROWS) % ROWS)
                        sum = 0;
                    cr_expect(fabs((double)got[r * COLUMNS + k] - sum) <= 16 * epsilon,
                              "embedding, padding_idx %d, scale_grad_by_freq %d: the gradient of row %d is %g, not %g",
                              padding, scaled, r, (double)got[r * COLUMNS + k], sum);
                }
            reel_tape_free(t);
        }
}

/* embedding_bag_scaled: the row's sum, over the entries that it gives to a bag, of the gradient of the bag times the
 * entry's weight and share, over how often the index names the row. In max an entry counts where it wins. */
static void expect_bag_formula(bool weighted)
{
    enum { ROWS = 5, COLUMNS = 3, COUNT = 12, BAGS = 5 };
    static const int64_t indices[COUNT] = {4, 2, 2, 0, 1, 2, 4, 0, 2, 3, 3, 2}, offsets[BAGS] = {0, 4, 4, 5, 9};
    for (int mode = 0; mode < 3; mode++)
        for (int padding = 0; padding < ROWS; padding += 2) {
            reel_tape *t = reel_tape_new(c);
            reel_embedding_bag_lookup_options options = reel_embedding_bag_lookup_defaults();
            options.mode = (reel_bag_mode)mode;
            options.padding_idx = padding;
            options.scale_grad_by_freq = true;
            reel_var weight = weights_like(t, REEL_SHAPE(ROWS, COLUMNS), 1), grad;
            reel_var weights = weighted ? weights_like(t, REEL_SHAPE(COUNT), 3) : reel_null();
            reel_var flow = weights_like(t, REEL_SHAPE(BAGS, COLUMNS), 2);
            reel_var y =
                reel_embedding_bag(t, weight, reel_tensor_of(t, REEL_INT64, indices, REEL_SHAPE(COUNT)),
                                   reel_tensor_of(t, REEL_INT64, offsets, REEL_SHAPE(BAGS)), weights, &options);
            cr_assert_eq(reel_vjp(t, y, flow, &weight, 1, 0, &grad), REEL_OK, "%s", reel_error(c));
            double want[ROWS * COLUMNS] = {0}, times[ROWS] = {0};
            for (int i = 0; i < COUNT; i++)
                times[indices[i]]++;
            for (int b = 0; b < BAGS; b++)
                for (int k = 0; k < COLUMNS; k++) {
                    int64_t end = b + 1 < BAGS ? offsets[b + 1] : COUNT, winner = -1;
                    double count = 0, largest = -INFINITY;
                    for (int64_t i = offsets[b]; i < end; i++) {
                        double w = weighted ? (double)(reel_real)number_at(3, i) : 1;
                        double x = w * (double)(reel_real)number_at(1, indices[i] * COLUMNS + k);
                        if (indices[i] == padding)
                            continue;
                        count++;
                        winner = x > largest ? i : winner;
                        largest = fmax(x, largest);
                    }
                    for (int64_t i = offsets[b]; i < end; i++) {
                        double w = weighted ? (double)(reel_real)number_at(3, i) : 1;
                        double g = w * (double)(reel_real)number_at(2, b * COLUMNS + k) / times[indices[i]];
                        if (indices[i] != padding && (mode != REEL_BAG_MAX || i == winner))
                            want[indices[i] * COLUMNS + k] += mode == REEL_BAG_MEAN ? g / count : g;
                    }
                }
            for (int i = 0; i < ROWS * COLUMNS; i++)
                cr_expect(
                    fabs((double)reel_data_real(t, grad)[i] - want[i]) <= 16 * epsilon,
                    "embedding_bag, mode %d, padding_idx %d, weighted %d: element %d of the gradient is %g, not %g",
                    mode, padding, weighted, i, (double)reel_data_real(t, grad)[i], want[i]);
            reel_tape_free(t);
        }
}

static void expect_plain_bag_formula(void)
{
    expect_bag_formula(false);
}

static void expect_weighted_bag_formula(void)
{
    expect_bag_formula(true);
}

static const struct {
    const char *op;
    void (*formula)(void);
} formulas[] = {{"embedding_padding", expect_padding_formula},
                {"embedding_bag_scaled", expect_plain_bag_formula},
                {"embedding_bag_weighted_scaled", expect_weighted_bag_formula}};

Test(registry, reference_gradients_follow_their_formula)
{
    for (int i = 0; i < reel_op_count(); i++) {
        const reel_op *op = reel_op_at(i);
        bool found = false;
        for (size_t k = 0; k < sizeof formulas / sizeof *formulas; k++)
            if (op->derivative == REEL_DERIVATIVE_REFERENCE && strcmp(formulas[k].op, op->name) == 0) {
                formulas[k].formula();
                found = true;
            }
        if (op->derivative == REEL_DERIVATIVE_REFERENCE && !found)
            complain(op, NULL, "has no formula in tests/ops/registry.c to compare its gradient with");
    }
}
