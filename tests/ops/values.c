/* Every good sample against numbers that are not reel's: PyTorch's, in float64 (tests/golden/operations), or those of
 * the formula beside the samples. */
#include "core/tape.h"
#include "ops/samples.h"

#include <reel/reel.h>

#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const bool is_float = sizeof(reel_real) == sizeof(float);

static reel_context *c;

static void set_up(void)
{
    c = reel_context_new(NULL);
    cr_assert_not_null(c);
}

static void tear_down(void)
{
    reel_context_free(c);
}

TestSuite(values, .init = set_up, .fini = tear_down, .timeout = 120);

/* ---- What is compared ---- */

/* A sample and the text of PyTorch's values for it, from the line behind its name on. */
struct comparison {
    const reel_op *op;
    const reel_op_samples *samples;
    const reel_sample *sample;
    const char *text;
    int compared; /* lines */
};

__attribute__((format(printf, 2, 3))) static void complain(const struct comparison *k, const char *format, ...)
{
    char text[400];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    cr_expect_fail("%s, sample \"%s\": %s", k->op->name, k->sample->what, text);
}

static double element_at(const void *data, reel_dtype dtype, int64_t i)
{
    if (dtype == REEL_REAL)
        return (double)((const reel_real *)data)[i];
    if (dtype == REEL_INT64)
        return (double)((const int64_t *)data)[i];
    return dtype == REEL_INT32 ? (double)((const int32_t *)data)[i] : (double)((const bool *)data)[i];
}

/* Reals agree to 1e-12 of the value in double, and to 4 units in the last place in float; there the terms of a gradient
 * cancel more visibly, and the units are those of the largest element of the array, or of 1 if all are smaller. A row
 * may ask for more units of that kind, in both, and says why. */
static bool agrees(const struct comparison *k, bool gradient, double got, double want, double largest)
{
    const double epsilon = is_float ? (double)FLT_EPSILON : DBL_EPSILON, unit = epsilon * fmax(largest, 1);
    if (got == want || (isnan(got) && isnan(want)))
        return true;
    double allowed = !is_float ? 1e-12 * fabs(want) : 4 * (gradient ? unit : epsilon * fabs(want));
    return fabs(got - want) <= fmax(allowed, fmax(k->samples->ulps * unit, is_float ? (double)FLT_MIN : DBL_MIN));
}

/* What is behind the beginning of the line that begins so, or NULL. */
static const char *find_line(const char *text, const char *beginning)
{
    size_t length = strlen(beginning);
    for (const char *line = text; *line; line += strcspn(line, "\n") + 1)
        if (strncmp(line, beginning, length) == 0)
            return line + length;
    return NULL;
}

static int count_lines(const char *text, const char *beginning)
{
    int count = 0;
    for (const char *line = text; *line; line += strcspn(line, "\n") + 1)
        count += strncmp(line, beginning, strlen(beginning)) == 0;
    return count;
}

/* Compares with the line "NAME SIZES: ELEMENTS". data NULL: zeros. */
static void compare(struct comparison *k, const char *name, const reel_shape *shape, reel_dtype dtype, const void *data)
{
    char beginning[200];
    int length = snprintf(beginning, sizeof beginning, "%s", name);
    for (int i = 0; i < shape->ndim; i++)
        length += snprintf(beginning + length, sizeof beginning - (size_t)length, " %lld", (long long)shape->dim[i]);
    snprintf(beginning + length, sizeof beginning - (size_t)length, ":");
    char *next = (char *)find_line(k->text, beginning);
    k->compared++;
    if (!next) {
        complain(k, "there are no values \"%s\"", beginning);
        return;
    }
    int64_t n = reel_shape_numel(shape);
    double *want = malloc((size_t)(n + 1) * sizeof *want), largest = 0;
    for (int64_t i = 0; i < n; i++) {
        want[i] = strtod(next, &next);
        largest = fmax(largest, fabs(want[i]));
    }
    for (int64_t i = 0; i < n; i++) {
        double got = data ? element_at(data, dtype, i) : 0;
        if (dtype == REEL_REAL ? agrees(k, name[0] != 'y', got, want[i], largest) : got == want[i])
            continue;
        complain(k, "element %lld of %s is %.17g, not %.17g", (long long)i, name, got, want[i]);
        break;
    }
    free(want);
}

static void compare_var(struct comparison *k, reel_tape *t, char kind, int number, reel_var v, reel_var like)
{
    char name[16];
    reel_shape shape = reel_shape_of(t, like);
    snprintf(name, sizeof name, "%c%d", kind, number);
    compare(k, name, &shape, reel_dtype_of(t, like), reel_is_null(v) ? NULL : reel_data(t, v));
}

/* The numbers of simple_numbers in operations.py. */
static reel_var simple_numbers(reel_tape *t, int salt, reel_shape shape)
{
    int64_t n = reel_shape_numel(&shape);
    reel_real *values = malloc((size_t)(n + 1) * sizeof *values);
    for (int64_t j = 0; j < n; j++)
        values[j] = (reel_real)((double)((37 * j + 11 * salt) % 64 * 2 - 63) / 64);
    reel_var v = reel_tensor(t, values, shape);
    free(values);
    return v;
}

static reel_var plus_weighed(reel_tape *t, reel_var sum, reel_var v, reel_var weights)
{
    reel_var part = reel_sum_all(t, reel_mul(t, v, weights));
    return reel_is_null(sum) ? part : reel_add(t, sum, part);
}

/* The gradients of u y by both kinds of pass, and the second order from those that were recorded. */
static void compare_gradients(struct comparison *k, reel_tape *t, const reel_var *inputs, const reel_var *outputs)
{
    enum { MOST = REEL_MAX_SAMPLE_INPUTS + REEL_MAX_OUTPUTS };
    reel_var loss = reel_null(), weighed = reel_null(), xs[MOST], gs[MOST], seconds[MOST];
    int number[MOST], n = 0, all;
    for (int i = 0; i < k->sample->n_inputs; i++)
        if (k->op->differentiable >> (k->op->variadic ? 0 : i) & 1 && reel_dtype_of(t, inputs[i]) == REEL_REAL) {
            number[n] = i;
            xs[n++] = inputs[i];
        }
    all = n;
    for (int i = 0; i < k->op->n_outputs && n > 0; i++)
        if (reel_dtype_of(t, outputs[i]) == REEL_REAL) {
            number[all] = i;
            xs[all] = simple_numbers(t, i, reel_shape_of(t, outputs[i]));
            loss = plus_weighed(t, loss, outputs[i], xs[all++]);
        }
    if (n == 0)
        return;
    for (unsigned flags = 0; flags <= REEL_GRAD_CREATE_GRAPH; flags += REEL_GRAD_CREATE_GRAPH) {
        if (reel_grad(t, loss, xs, n, flags | REEL_GRAD_ALLOW_UNUSED, gs) != REEL_OK)
            return;
        k->compared -= flags == 0 ? 0 : n; /* the same lines once more */
        for (int i = 0; i < n; i++)
            compare_var(k, t, 'g', number[i], gs[i], xs[i]);
    }
    if (find_line(k->text, "first order only")) {
        k->compared++;
        return;
    }
    for (int i = 0; i < n; i++)
        if (!reel_is_null(gs[i]))
            weighed = plus_weighed(t, weighed, gs[i], simple_numbers(t, 8 + number[i], reel_shape_of(t, xs[i])));
    for (int i = 0; i < all; i++)
        seconds[i] = reel_null();
    if (!reel_is_null(weighed))
        reel_grad(t, weighed, xs, all, REEL_GRAD_ALLOW_UNUSED, seconds);
    for (int i = 0; i < all; i++)
        compare_var(k, t, i < n ? 's' : 't', number[i], seconds[i], xs[i]);
}

/* The reference sees the call as forward did, and the values in double. */
static void compare_with_reference(const struct comparison *k, reel_tape *t, const reel_var *inputs,
                                   const reel_var *outputs)
{
    const reel_array *in[REEL_MAX_SAMPLE_INPUTS];
    reel_array *out[REEL_MAX_OUTPUTS];
    double *values[REEL_MAX_SAMPLE_INPUTS] = {NULL}, *wanted[REEL_MAX_OUTPUTS] = {NULL};
    for (int i = 0; i < k->sample->n_inputs; i++) {
        in[i] = &t->nodes[inputs[i].number]->array;
        values[i] = malloc((size_t)(in[i]->numel + 1) * sizeof(double));
        for (int64_t j = 0; j < in[i]->numel; j++)
            values[i][j] = element_at(in[i]->data, in[i]->dtype, j);
    }
    for (int i = 0; i < k->op->n_outputs; i++) {
        out[i] = &t->nodes[outputs[i].number]->array;
        wanted[i] = calloc((size_t)out[i]->numel + 1, sizeof(double));
    }
    const reel_call call = {.tape = t,
                            .context = c,
                            .op = k->op,
                            .n_inputs = k->sample->n_inputs,
                            .n_outputs = k->op->n_outputs,
                            .in = in,
                            .out = out,
                            .attributes = k->sample->attributes};
    k->samples->reference(&call, (const double *const *)values, wanted);
    for (int i = 0; i < k->op->n_outputs; i++) {
        for (int64_t j = 0; j < out[i]->numel; j++) {
            double got = element_at(out[i]->data, out[i]->dtype, j);
            if (!agrees(k, false, got, wanted[i][j], 0))
                complain(k, "element %lld of output %d is %.17g, not %.17g", (long long)j, i, got, wanted[i][j]);
        }
        free(wanted[i]);
    }
    for (int i = 0; i < k->sample->n_inputs; i++)
        free(values[i]);
}

static void compare_sample(struct comparison *k)
{
    reel_tape *t = reel_tape_new(c);
    reel_var inputs[REEL_MAX_SAMPLE_INPUTS], outputs[REEL_MAX_OUTPUTS];
    reel_sample_inputs(t, k->sample, 1, inputs);
    if (reel_apply(t, k->op, inputs, k->sample->n_inputs, k->sample->attributes, outputs) == REEL_OK) {
        if (k->samples->reference) {
            compare_with_reference(k, t, inputs, outputs);
        } else {
            for (int i = 0; i < k->op->n_outputs; i++)
                compare_var(k, t, 'y', i, outputs[i], outputs[i]);
            compare_gradients(k, t, inputs, outputs);
            if (k->compared != count_lines(k->text, ""))
                complain(k, "%d values are wanted, but PyTorch has %d", k->compared, count_lines(k->text, ""));
        }
    }
    if (reel_context_status(c) != REEL_OK)
        complain(k, "%s", reel_error(c));
    reel_clear_error(c);
    reel_tape_free(t);
}

/* ---- Where the values come from ---- */

/* The whole file, to be freed, or NULL. */
static char *read_golden(const char *op)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/operations/%s.txt", REEL_GOLDEN_FOLDER, op);
    FILE *file = fopen(path, "rb");
    if (!file)
        return NULL;
    fseek(file, 0, SEEK_END);
    long size = ftell(file);
    rewind(file);
    char *text = calloc(1, (size_t)size + 1);
    cr_assert_eq(fread(text, 1, (size_t)size, file), (size_t)size);
    fclose(file);
    return text;
}

/* The lines that belong to a sample, to be freed, or NULL. */
static char *find_sample(const char *text, const char *what)
{
    char line[200];
    snprintf(line, sizeof line, "sample %s\n", what);
    const char *start = find_line(text, line), *end = start ? strstr(start - 1, "\nsample ") : NULL;
    if (!start)
        return NULL;
    return end ? strndup(start, (size_t)(end + 1 - start)) : strdup(start);
}

Test(values, are_those_of_pytorch_or_of_a_formula)
{
    for (int i = 0; i < reel_op_count(); i++) {
        struct comparison k = {.op = reel_op_at(i), .samples = reel_op_samples_at(i)};
        char *text = read_golden(k.op->name);
        int found = 0;
        cr_expect(!text != !k.samples->reference,
                  "%s: needs values from PyTorch (tests/golden/operations.py) or a reference", k.op->name);
        for (int s = 0; s < k.samples->count; s++) {
            k.sample = &k.samples->samples[s];
            if (k.sample->refused != REEL_OK)
                continue;
            char *lines = text ? find_sample(text, k.sample->what) : NULL;
            k.text = lines;
            k.compared = 0;
            found += lines != NULL;
            if (!lines && !k.samples->reference)
                complain(&k, "is not in tests/golden/operations: operations.py writes it");
            else if (!lines || !find_line(lines, "sizes that PyTorch does not count"))
                compare_sample(&k);
            free(lines);
        }
        /* None is left over from a sample that is gone. */
        if (text)
            cr_expect_eq(found, count_lines(text, "sample "), "%s: %d samples are in its file, %d of them exist",
                         k.op->name, count_lines(text, "sample "), found);
        cr_expect(!k.samples->why == !(k.samples->ulps > 0), "%s: a tolerance and its reason belong together",
                  k.op->name);
        free(text);
    }
}
