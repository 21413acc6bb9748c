/* Gradients compared with differences. */
#include "core/tape.h"

#include <reel/create.h>
#include <reel/elementwise.h>
#include <reel/gradcheck.h>
#include <reel/reduce.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Up to how many elements each is looked at alone, and else how many random combinations stand for them. */
enum { MANY_OUTPUTS = 64, OUTPUT_COMBINATIONS = 4, MANY_INPUTS = 256, INPUT_COMBINATIONS = 8 };

struct check {
    reel_context *context;
    reel_tape *tape; /* reset after each evaluation */
    const char *label;
    reel_gradcheck_function function;
    void *user;
    const reel_gradcheck_input *inputs;
    int n;
    reel_gradcheck_options options;
    reel_var *vars; /* of the inputs, in the evaluation at hand */
    struct reel_generator generator;
    uint64_t philox_draws;
};

/* One of 2^53 numbers in [0, 1), the same for the same three (splitmix64). */
static double random_number(uint64_t a, uint64_t b, uint64_t c)
{
    uint64_t z = (a * 0x100000001b3 + b) * 0x9e3779b97f4a7c15 + c;
    for (int i = 0; i < 2; i++) {
        z += 0x9e3779b97f4a7c15;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
        z = (z ^ z >> 27) * 0x94d049bb133111eb;
        z ^= z >> 31;
    }
    return (double)(z >> 11) * 0x1p-53;
}

static bool is_differentiated(const reel_gradcheck_input *input)
{
    return input->dtype == REEL_REAL && !input->constant;
}

static int64_t count_combinations(int64_t elements, int64_t many, int64_t combinations)
{
    return elements <= many ? elements : combinations;
}

/* How much element i takes part in combination `which`. */
static double weight_in(int64_t elements, int64_t many, uint64_t salt, int64_t which, int64_t i)
{
    if (elements <= many)
        return which == i;
    return 2 * random_number(salt, (uint64_t)which, (uint64_t)i) - 1;
}

static int64_t input_directions(const reel_gradcheck_input *input)
{
    return count_combinations(reel_shape_numel(&input->shape), MANY_INPUTS, INPUT_COMBINATIONS);
}

static double direction_at(const struct check *check, int k, int64_t direction, int64_t i)
{
    return weight_in(reel_shape_numel(&check->inputs[k].shape), MANY_INPUTS, 1 + (uint64_t)k, direction, i);
}

/* An output without elements still has its rule run once. */
static int64_t output_directions(int64_t numel)
{
    return numel > 0 ? count_combinations(numel, MANY_OUTPUTS, OUTPUT_COMBINATIONS) : 1;
}

static double output_weight(int64_t numel, int64_t direction, int64_t i)
{
    return weight_in(numel, MANY_OUTPUTS, 0, direction, i);
}

/* The function's value with input `moved` (-1: none) moved along a direction. */
static reel_var evaluate(struct check *check, int moved, int64_t direction, double step)
{
    reel_tape *tape = check->tape;
    check->context->generator = check->generator;
    check->context->philox_draws = check->philox_draws;
    for (int k = 0; k < check->n; k++) {
        const reel_gradcheck_input *input = &check->inputs[k];
        if (k != moved) {
            check->vars[k] = reel_borrow_of(tape, input->dtype, input->data, input->shape);
            continue;
        }
        struct reel_node *node = reel_tape_add_array(tape, REEL_REAL, &input->shape, check->label, &check->vars[k]);
        if (!node)
            return reel_null();
        reel_real *to = node->array.data;
        const reel_real *from = input->data;
        for (int64_t i = 0; i < node->array.numel; i++)
            to[i] = (reel_real)((double)from[i] + step * direction_at(check, k, direction, i));
    }
    reel_var y = check->function(tape, check->vars, check->n, check->user);
    if (reel_data_real(tape, y))
        return y;
    reel_fail(check->context, REEL_ERROR_ARGUMENT, "%s: the function gave no var and no error", check->label);
    return reel_null();
}

static reel_status end_evaluation(struct check *check)
{
    if (check->context->status != REEL_OK)
        return check->context->status;
    return reel_tape_reset(check->tape);
}

/* A temporary array that lives until the check ends. */
static void *allocate(struct check *check, size_t size)
{
    void *memory = reel_scratch_allocate(&check->context->scratch, size);
    if (!memory)
        reel_fail_memory(check->context, check->label, size);
    return memory;
}

static void release(struct check *check, void *memory)
{
    reel_scratch_release(&check->context->scratch, memory);
}

/* The products of one row of the Jacobian, or one combination of rows, with every direction of every input. */
static reel_status differentiate(struct check *check, unsigned flags, int64_t output, double *products)
{
    reel_tape *tape = check->tape;
    reel_var y = evaluate(check, -1, 0, 0), weights;
    if (reel_is_null(y))
        return check->context->status;
    reel_shape shape = reel_shape_of(tape, y);
    struct reel_node *node = reel_tape_add_array(tape, REEL_REAL, &shape, check->label, &weights);
    if (!node)
        return check->context->status;
    for (int64_t i = 0; i < node->array.numel; i++)
        ((reel_real *)node->array.data)[i] = (reel_real)output_weight(node->array.numel, output, i);
    for (int k = 0; k < check->n; k++) {
        const reel_gradcheck_input *input = &check->inputs[k];
        if (!is_differentiated(input))
            continue;
        reel_var grad;
        if (reel_vjp(tape, y, weights, &check->vars[k], 1, flags | REEL_GRAD_ALLOW_UNUSED, &grad) != REEL_OK)
            return check->context->status;
        const reel_real *values = NULL;
        if (!reel_is_null(grad)) {
            reel_shape got = reel_shape_of(tape, grad);
            values = reel_data_real(tape, grad);
            if (!reel_shape_equal(&got, &input->shape))
                return reel_fail(check->context, REEL_ERROR_GRADIENT,
                                 "%s: the gradient of input %d has %d axes and %lld elements, the input %d and %lld",
                                 check->label, k, got.ndim, (long long)reel_shape_numel(&got), input->shape.ndim,
                                 (long long)reel_shape_numel(&input->shape));
        }
        int64_t directions = input_directions(input), numel = reel_shape_numel(&input->shape);
        for (int64_t d = 0; d < directions; d++) {
            double sum = 0;
            if (values && numel <= MANY_INPUTS)
                sum = (double)values[d];
            else
                for (int64_t i = 0; values && i < numel; i++)
                    sum += (double)values[i] * direction_at(check, k, d, i);
            *products++ = sum;
        }
    }
    return end_evaluation(check);
}

static reel_status compare(struct check *check, int k, int64_t direction, int64_t numel, int64_t output,
                           double gradient, double difference, bool in_graph)
{
    double tolerance = check->options.atol + check->options.rtol * fabs(difference);
    if (fabs(gradient - difference) <= tolerance)
        return REEL_OK;
    bool few_inputs = reel_shape_numel(&check->inputs[k].shape) <= MANY_INPUTS, few_outputs = numel <= MANY_OUTPUTS;
    return reel_fail(check->context, REEL_ERROR_GRADIENT,
                     "%s: input %d, %s %lld, output %s %lld: the gradient%s is %.10g, the difference quotient %.10g",
                     check->label, k, few_inputs ? "element" : "random direction", (long long)direction,
                     few_outputs ? "element" : "combination", (long long)output,
                     in_graph ? " with REEL_GRAD_CREATE_GRAPH" : "", gradient, difference);
}

/* Moves one input along one direction and compares what every output does. plus is room for the output. */
static reel_status check_direction(struct check *check, int k, int64_t direction, int64_t numel, reel_real *plus,
                                   const double *products, int64_t products_per_output)
{
    double eps = check->options.eps, distance = 2 * eps;
    if (reel_shape_numel(&check->inputs[k].shape) <= MANY_INPUTS) {
        double x = (double)((const reel_real *)check->inputs[k].data)[direction];
        distance = (double)(reel_real)(x + eps) - (double)(reel_real)(x - eps);
    }
    const reel_real *minus = NULL;
    for (int side = 0; side < 2; side++) {
        reel_var y = evaluate(check, k, direction, side == 0 ? eps : -eps);
        minus = reel_data_real(check->tape, y);
        if (minus && reel_numel(check->tape, y) != numel)
            reel_fail(check->context, REEL_ERROR_ARGUMENT, "%s: the output's shape depends on the values of input %d",
                      check->label, k);
        if (check->context->status != REEL_OK)
            return check->context->status;
        if (side == 0) {
            memcpy(plus, minus, (size_t)numel * sizeof *plus);
            if (end_evaluation(check) != REEL_OK)
                return check->context->status;
        }
    }
    int64_t outputs = output_directions(numel);
    for (int64_t o = 0; o < outputs && numel > 0; o++) {
        double difference = 0;
        if (numel <= MANY_OUTPUTS)
            difference = (double)plus[o] - (double)minus[o];
        else
            for (int64_t i = 0; i < numel; i++)
                difference += output_weight(numel, o, i) * ((double)plus[i] - (double)minus[i]);
        difference /= distance;
        for (int graph = 0; graph < 2; graph++)
            if (compare(check, k, direction, numel, o, products[(graph * outputs + o) * products_per_output],
                        difference, graph != 0) != REEL_OK)
                return check->context->status;
    }
    return end_evaluation(check);
}

static reel_status run(struct check *check)
{
    reel_var y = evaluate(check, -1, 0, 0);
    int64_t numel = reel_is_null(y) ? 0 : reel_numel(check->tape, y), per_output = 0;
    if (end_evaluation(check) != REEL_OK)
        return check->context->status;
    for (int k = 0; k < check->n; k++)
        if (is_differentiated(&check->inputs[k]))
            per_output += input_directions(&check->inputs[k]);
    int64_t outputs = output_directions(numel);
    double *products = allocate(check, (size_t)(2 * outputs * per_output) * sizeof *products);
    reel_real *plus = products ? allocate(check, (size_t)numel * sizeof *plus) : NULL;
    for (int graph = 0; plus && graph < 2; graph++)
        for (int64_t o = 0; o < outputs && check->context->status == REEL_OK; o++)
            differentiate(check, graph ? REEL_GRAD_CREATE_GRAPH : REEL_GRAD_DEFAULT, o,
                          products + (graph * outputs + o) * per_output);
    int64_t column = 0;
    for (int k = 0; plus && k < check->n; k++) {
        if (!is_differentiated(&check->inputs[k]))
            continue;
        int64_t directions = input_directions(&check->inputs[k]);
        for (int64_t d = 0; d < directions && check->context->status == REEL_OK; d++)
            check_direction(check, k, d, numel, plus, products + column++, per_output);
    }
    release(check, plus);
    release(check, products);
    return check->context->status;
}

/* Sets a check up, and ends it. */
static reel_status begin(struct check *check, reel_context *context, const char *label,
                         const reel_gradcheck_input *inputs, int n, const reel_gradcheck_options *options)
{
    *check = (struct check){.context = context, .label = label, .inputs = inputs, .n = n};
    check->options = reel_gradcheck_defaults();
    check->generator = context->generator;
    check->philox_draws = context->philox_draws;
    if (reel_options_take(context, "gradcheck", options, &check->options) != REEL_OK)
        return context->status;
    if (n < 0 || (n > 0 && !inputs) || !(check->options.eps > 0))
        return reel_fail(context, REEL_ERROR_ARGUMENT, "%s: %d inputs%s, eps %g", label, n, inputs ? "" : " at NULL",
                         check->options.eps);
    check->tape = reel_tape_new(context);
    if (check->tape)
        check->vars = allocate(check, (size_t)n * sizeof *check->vars);
    return context->status;
}

static reel_status end(struct check *check)
{
    release(check, check->vars);
    reel_tape_free(check->tape);
    check->context->generator = check->generator;
    check->context->philox_draws = check->philox_draws;
    return check->context->status;
}

static reel_status first_order(reel_context *context, const char *label, reel_gradcheck_function function, void *user,
                               const reel_gradcheck_input *inputs, int n, const reel_gradcheck_options *options)
{
    struct check check;
    if (begin(&check, context, label, inputs, n, options) == REEL_OK) {
        check.function = function;
        check.user = user;
        run(&check);
    }
    return end(&check);
}

/* The gradient of one input as a function of the inputs and, behind them, of what flows into the output. */
struct gradient_of {
    reel_gradcheck_function function;
    void *user;
    int input;
};

static reel_var gradient_function(reel_tape *tape, const reel_var *inputs, int n, void *user)
{
    const struct gradient_of *g = user;
    reel_var y = g->function(tape, inputs, n - 1, g->user), grad;
    if (reel_vjp(tape, y, inputs[n - 1], &inputs[g->input], 1, REEL_GRAD_CREATE_GRAPH | REEL_GRAD_ALLOW_UNUSED,
                 &grad) != REEL_OK)
        return reel_null();
    return reel_is_null(grad) ? reel_zeros_like(tape, inputs[g->input]) : grad;
}

static reel_status second_order(reel_context *context, const char *label, reel_gradcheck_function function, void *user,
                                const reel_gradcheck_input *inputs, int n, const reel_gradcheck_options *options)
{
    struct check check;
    reel_gradcheck_input *all = NULL;
    reel_real *flow = NULL;
    if (begin(&check, context, label, inputs, n, options) == REEL_OK) {
        check.function = function;
        check.user = user;
        reel_var y = evaluate(&check, -1, 0, 0);
        reel_shape shape = reel_shape_of(check.tape, y);
        int64_t numel = reel_shape_numel(&shape);
        if (end_evaluation(&check) == REEL_OK)
            all = allocate(&check, (size_t)(n + 1) * sizeof *all);
        if (all)
            flow = allocate(&check, (size_t)numel * sizeof *flow);
        if (flow) {
            for (int64_t i = 0; i < numel; i++)
                flow[i] = (reel_real)(2 * random_number(0, 0, (uint64_t)i) - 1);
            if (n > 0)
                memcpy(all, inputs, (size_t)n * sizeof *all);
            all[n] = (reel_gradcheck_input){flow, REEL_REAL, shape, false};
        }
    }
    for (int k = 0; flow && k < n && context->status == REEL_OK; k++) {
        if (!is_differentiated(&inputs[k]))
            continue;
        char text[160];
        struct gradient_of gradient = {function, user, k};
        snprintf(text, sizeof text, "%s, gradient of input %d", label, k);
        first_order(context, text, gradient_function, &gradient, all, n + 1, options);
    }
    release(&check, flow);
    release(&check, all);
    return end(&check);
}

reel_gradcheck_options reel_gradcheck_defaults(void)
{
    if (sizeof(reel_real) == sizeof(double))
        return (reel_gradcheck_options){
            .mark = REEL_OPTIONS_MARK(reel_gradcheck_options), .eps = 1e-6, .atol = 1e-6, .rtol = 1e-4};
    return (reel_gradcheck_options){
        .mark = REEL_OPTIONS_MARK(reel_gradcheck_options), .eps = 1e-2, .atol = 1e-2, .rtol = 5e-2};
}

reel_status reel_gradcheck(reel_context *context, reel_gradcheck_function function, void *user,
                           const reel_gradcheck_input *inputs, int n, const reel_gradcheck_options *options)
{
    if (!context || context->status != REEL_OK)
        return reel_context_status(context);
    if (!function)
        return reel_fail(context, REEL_ERROR_ARGUMENT, "gradcheck: the function is NULL");
    return first_order(context, "gradcheck", function, user, inputs, n, options);
}

reel_status reel_gradgradcheck(reel_context *context, reel_gradcheck_function function, void *user,
                               const reel_gradcheck_input *inputs, int n, const reel_gradcheck_options *options)
{
    if (!context || context->status != REEL_OK)
        return reel_context_status(context);
    if (!function)
        return reel_fail(context, REEL_ERROR_ARGUMENT, "gradgradcheck: the function is NULL");
    return second_order(context, "gradgradcheck", function, user, inputs, n, options);
}

/* ---- Samples ---- */

/* Whether x is far enough from 0 and from the values that inputs with gaps have so far. */
static bool has_room(reel_tape *tape, const reel_sample *sample, const reel_var *vars, int k, int64_t count, double x)
{
    double gap = sample->inputs[k].gap;
    if (fabs(x) < gap)
        return false;
    for (int other = 0; other <= k; other++) {
        if (sample->inputs[other].dtype != REEL_REAL || !(sample->inputs[other].gap > 0))
            continue;
        const reel_array *array = &tape->nodes[vars[other].number]->array;
        const reel_real *values = array->data;
        int64_t n = other == k ? count : array->numel;
        for (int64_t i = 0; i < n; i++)
            if (fabs((double)values[i] - x) < gap)
                return false;
    }
    return true;
}

static reel_status fill_reals(reel_tape *tape, const reel_sample *sample, uint64_t seed, const reel_var *vars, int k)
{
    enum { TRIES = 100000 };
    const reel_sample_input *input = &sample->inputs[k];
    reel_array *array = &tape->nodes[vars[k].number]->array;
    bool given = input->low != 0 || input->high != 0;
    double low = given ? input->low : -2, high = given ? input->high : 2;
    uint64_t drawn = 0;
    for (int64_t i = 0; i < array->numel; i++) {
        double x;
        do {
            if (drawn >= (uint64_t)array->numel + TRIES)
                return reel_fail(tape->context, REEL_ERROR_ARGUMENT,
                                 "sample \"%s\": input %d has %lld elements, too many to keep %g apart", sample->what,
                                 k, (long long)array->numel, input->gap);
            x = (float)(low + (high - low) * random_number(seed, (uint64_t)k, drawn++));
        } while (input->gap > 0 && !has_room(tape, sample, vars, k, i, x));
        ((reel_real *)array->data)[i] = (reel_real)x;
    }
    return REEL_OK;
}

/* The i-th of n numbers in [0, 1). Ascending ones are drawn from n strata. */
static double sample_number(const reel_sample_input *input, uint64_t seed, int k, int64_t n, int64_t i)
{
    double x = random_number(seed, (uint64_t)k, (uint64_t)i);
    if (!input->ascending)
        return x;
    if (i == 0)
        return 0;
    return i == n - 1 ? 1 - 0x1p-30 : ((double)i + x) / (double)n;
}

static void fill_integers(const reel_sample_input *input, uint64_t seed, int k, const reel_array *array)
{
    double range = input->high > input->low ? input->high - input->low : 1;
    for (int64_t i = 0; i < array->numel; i++) {
        int64_t x = (int64_t)(input->low + floor(range * sample_number(input, seed, k, array->numel, i)));
        if (array->dtype == REEL_INT64)
            ((int64_t *)array->data)[i] = x;
        else if (array->dtype == REEL_INT32)
            ((int32_t *)array->data)[i] = (int32_t)x;
        else
            ((bool *)array->data)[i] = x != 0;
    }
}

reel_status reel_sample_inputs(reel_tape *tape, const reel_sample *sample, uint64_t seed, reel_var *out)
{
    if (!tape || tape->context->status != REEL_OK)
        return tape ? tape->context->status : REEL_ERROR_ARGUMENT;
    if (!sample || !out)
        return reel_fail(tape->context, REEL_ERROR_ARGUMENT, "sample_inputs: the sample or the vars are NULL");
    for (int k = 0; k < sample->n_inputs; k++) {
        const reel_sample_input *input = &sample->inputs[k];
        reel_shape shape = reel_shape_make(input->ndim, input->dim);
        struct reel_node *node = reel_tape_add_array(tape, input->dtype, &shape, sample->what, &out[k]);
        if (!node)
            return tape->context->status;
        if (input->dtype != REEL_REAL)
            fill_integers(input, seed, k, &node->array);
        else if (fill_reals(tape, sample, seed, out, k) != REEL_OK)
            return tape->context->status;
    }
    return REEL_OK;
}

/* ---- Operations ---- */

struct application {
    const reel_op *op;
    const void *attributes;
    int output; /* -1: all real ones together */
};

static reel_var apply(reel_tape *tape, const reel_var *inputs, int n, void *user)
{
    const struct application *a = user;
    reel_var outputs[REEL_MAX_OUTPUTS];
    if (reel_apply(tape, a->op, inputs, n, a->attributes, outputs) != REEL_OK)
        return reel_null();
    if (a->output >= 0)
        return outputs[a->output];
    reel_var sum = reel_null();
    for (int i = 0; i < a->op->n_outputs; i++) {
        if (reel_dtype_of(tape, outputs[i]) != REEL_REAL)
            continue;
        /* Different weights, so that outputs taken for each other do not cancel. */
        reel_var part = reel_mul_scalar(tape, reel_sum_all(tape, outputs[i]), 0.5 + i);
        sum = reel_is_null(sum) ? part : reel_add(tape, sum, part);
    }
    return sum;
}

static reel_status check_refused(reel_tape *tape, const reel_op *op, const reel_sample *sample, const reel_var *inputs)
{
    reel_context *c = tape->context;
    reel_var outputs[REEL_MAX_OUTPUTS];
    int64_t count = tape->count;
    reel_status status = reel_apply(tape, op, inputs, sample->n_inputs, sample->attributes, outputs);
    if (status != sample->refused) {
        char text[300];
        snprintf(text, sizeof text, "%s", reel_error(c));
        reel_clear_error(c);
        return reel_fail(c, REEL_ERROR_GRADIENT, "%s, sample \"%s\": must be refused as \"%s\", it gives \"%s\" %s",
                         op->name, sample->what, reel_status_text(sample->refused), reel_status_text(status), text);
    }
    reel_clear_error(c);
    for (int i = 0; i < op->n_outputs; i++)
        if (!reel_is_null(outputs[i]) || tape->count != count)
            return reel_fail(c, REEL_ERROR_GRADIENT, "%s, sample \"%s\": refused, but it left a var", op->name,
                             sample->what);
    return REEL_OK;
}

static reel_status check_good(reel_tape *tape, const reel_op *op, const reel_sample *sample, const reel_var *vars,
                              const reel_gradcheck_options *options)
{
    reel_context *c = tape->context;
    reel_gradcheck_input inputs[REEL_MAX_SAMPLE_INPUTS];
    for (int k = 0; k < sample->n_inputs; k++) {
        const reel_array *array = &tape->nodes[vars[k].number]->array;
        inputs[k] =
            (reel_gradcheck_input){array->data, array->dtype, array->shape, !reel_op_says(op, op->differentiable, k)};
    }
    reel_var outputs[REEL_MAX_OUTPUTS];
    if (reel_apply(tape, op, vars, sample->n_inputs, sample->attributes, outputs) != REEL_OK)
        return c->status;
    int real_outputs = 0;
    for (int i = 0; i < op->n_outputs; i++)
        real_outputs += reel_dtype_of(tape, outputs[i]) == REEL_REAL;
    for (int i = real_outputs > 1 ? -1 : 0; i < op->n_outputs && c->status == REEL_OK; i++) {
        if (i >= 0 && reel_dtype_of(tape, outputs[i]) != REEL_REAL)
            continue;
        struct application a = {op, sample->attributes, i};
        char text[160];
        snprintf(text, sizeof text, "%s, sample \"%s\", output %d", op->name, sample->what, i);
        if (op->derivative == REEL_DERIVATIVE_NONE) {
            for (int k = 0; k < sample->n_inputs && c->status == REEL_OK; k++) {
                reel_var grad = reel_null();
                if (inputs[k].dtype == REEL_REAL)
                    reel_vjp(tape, outputs[i], reel_ones_like(tape, outputs[i]), &vars[k], 1, REEL_GRAD_ALLOW_UNUSED,
                             &grad);
                if (!reel_is_null(grad))
                    reel_fail(c, REEL_ERROR_GRADIENT, "%s: has no derivative, yet input %d gets one", text, k);
            }
            continue;
        }
        if (op->derivative == REEL_DERIVATIVE_EXACT)
            first_order(c, text, apply, &a, inputs, sample->n_inputs, options);
        if (c->status == REEL_OK)
            second_order(c, text, apply, &a, inputs, sample->n_inputs, options);
    }
    return c->status;
}

reel_status reel_gradcheck_op(reel_context *context, const reel_op *op, const reel_sample *sample, uint64_t seed,
                              const reel_gradcheck_options *options)
{
    if (!context || context->status != REEL_OK)
        return reel_context_status(context);
    if (!op || !sample)
        return reel_fail(context, REEL_ERROR_ARGUMENT, "gradcheck_op: %s is NULL", op ? "the sample" : "the operation");
    reel_gradcheck_options o = reel_gradcheck_defaults();
    if (reel_options_take(context, "gradcheck", options, &o) != REEL_OK)
        return context->status;
    struct reel_generator generator = context->generator;
    uint64_t philox_draws = context->philox_draws;
    reel_var vars[REEL_MAX_SAMPLE_INPUTS];
    reel_tape *tape = reel_tape_new(context);
    if (reel_sample_inputs(tape, sample, seed, vars) == REEL_OK) {
        if (sample->refused != REEL_OK)
            check_refused(tape, op, sample, vars);
        else
            check_good(tape, op, sample, vars, &o);
    }
    reel_tape_free(tape);
    context->generator = generator;
    context->philox_draws = philox_draws;
    return context->status;
}
