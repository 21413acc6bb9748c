/* What a tape has recorded, as a table. */
#include "run.h"

#include <reel/context.h>
#include <reel/create.h>
#include <reel/inspect.h>
#include <reel/tape.h>
#include <reel/watch/summary.h>
#include <stdlib.h>
#include <string.h>

struct totals {
    int64_t params, trained;
    double param_bytes, flops, result_bytes;
};

/* 1,234,567 */
static void format_count(char text[40], double value)
{
    char digits[32];
    int length = snprintf(digits, sizeof digits, "%.0f", value), used = 0;
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0)
            text[used++] = ',';
        text[used++] = digits[i];
    }
    text[used] = '\0';
}

static void format_shape(char *text, size_t size, const reel_shape *shape)
{
    size_t used = (size_t)snprintf(text, size, "[");
    for (int i = 0; i < shape->ndim; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%lld", i > 0 ? ", " : "", (long long)shape->dim[i]);
    snprintf(text + used, size - used, "]");
}

static int64_t numel_of(const reel_shape *shape)
{
    int64_t n = 1;
    for (int i = 0; i < shape->ndim; i++)
        n *= shape->dim[i];
    return n;
}

/* Bytes of an element: of a real, as many as this library has, which the data of a call shows. */
static double bytes_of(reel_dtype dtype, size_t real_size)
{
    return dtype == REEL_REAL       ? (double)real_size
           : dtype == REEL_INT64    ? 8
           : dtype == REEL_INT32    ? 4
           : dtype == REEL_BFLOAT16 ? 2
                                    : 1;
}

/* The elements of the params that the call is the first to read. */
static int64_t take_params(struct list *seen, const reel_call *call, struct totals *totals, bool *complete)
{
    int64_t elements = 0;
    for (int k = 0; k < call->n_inputs; k++) {
        const reel_param *param = reel_call_param(call, k);
        const reel_param **all = seen->items;
        bool known = param == NULL;
        for (int64_t i = 0; i < seen->n && !known; i++)
            known = all[i] == param;
        if (known)
            continue;
        const reel_param **place = list_add(seen, sizeof *place);
        *complete = *complete && place;
        if (place)
            *place = param;
        int64_t n = numel_of(reel_param_shape(param));
        if (reel_param_kind_of(param) == REEL_PARAM_BUFFER)
            continue;
        elements += n;
        totals->params += n;
        totals->trained += reel_param_kind_of(param) == REEL_PARAM_TRAINED ? n : 0;
    }
    return elements;
}

/* What becomes a line: a call, or several of one layer that come one after the other. */
struct row {
    const reel_call *call; /* the last; NULL: none yet */
    int calls;
    int64_t params;
    double flops;
};

static void put_row(struct buffer *b, const struct row *row)
{
    char shapes[512] = "", operation[64], count[40] = "", work[40] = "";
    size_t used = 0;
    const reel_call *call = row->call;
    if (!call)
        return;
    for (int i = 0; i < call->n_outputs && used + 200 < sizeof shapes; i++) {
        if (i > 0)
            used += (size_t)snprintf(shapes + used, sizeof shapes - used, ", ");
        format_shape(shapes + used, sizeof shapes - used, &call->out[i]->shape);
        used += strlen(shapes + used);
    }
    if (row->params > 0)
        format_count(count, (double)row->params);
    if (row->flops > 0)
        format_count(work, row->flops);
    if (row->calls > 1)
        snprintf(operation, sizeof operation, "%d operations", row->calls);
    else
        snprintf(operation, sizeof operation, "%s", call->op->name);
    buffer_format(b, "%-24s %-20s %-24s %14s %18s\n", call->layer ? call->layer : "", operation, shapes, count, work);
}

/* Whether a call goes on with the row. */
static bool is_of_row(const struct row *row, const reel_call *call)
{
    return row->call && row->call->layer && call->layer && strcmp(row->call->layer, call->layer) == 0;
}

static void put_totals(struct buffer *b, const struct totals *totals)
{
    char params[40], trained[40], bytes[40], flops[40], results[40];
    format_count(params, (double)totals->params);
    format_count(trained, (double)totals->trained);
    format_count(bytes, totals->param_bytes);
    format_count(flops, totals->flops);
    format_count(results, totals->result_bytes);
    buffer_format(b, "%s params, %s trained, %s bytes; %s FLOP, %s bytes of results\n", params, trained, bytes, flops,
                  results);
}

/* `real_size` is sizeof(reel_real) of the library that the program links. */
static reel_status write_table(reel_tape *tape, FILE *file, size_t real_size)
{
    reel_context *c = reel_tape_context(tape);
    if (reel_context_status(c) != REEL_OK)
        return reel_context_status(c);
    if (!file)
        return reel_fail(c, REEL_ERROR_ARGUMENT, "summary: the file is NULL");
    struct buffer b = {0};
    struct list seen = {0};
    struct totals totals = {0};
    struct row row = {0};
    bool complete = true;
    buffer_format(&b, "%-24s %-20s %-24s %14s %18s\n", "layer", "operation", "output", "params", "FLOP");
    for (int64_t i = 0; i < reel_tape_count(tape); i++) {
        const reel_call *call = reel_tape_call(tape, i);
        bool is_view = call && call->n_inputs > 0 && call->out[0]->data == call->in[0]->data;
        if (!call || is_view)
            continue;
        if (!is_of_row(&row, call)) {
            put_row(&b, &row);
            row = (struct row){0};
        }
        double flops = call->op->cost ? call->op->cost(call).flops : 0;
        row.call = call;
        row.calls++;
        row.params += take_params(&seen, call, &totals, &complete);
        row.flops += flops;
        totals.flops += flops;
        for (int k = 0; k < call->n_outputs; k++)
            totals.result_bytes += (double)call->out[k]->numel * bytes_of(call->out[k]->dtype, real_size);
    }
    put_row(&b, &row);
    totals.param_bytes = (double)totals.params * (double)real_size;
    put_totals(&b, &totals);
    free(seen.items);
    if (b.incomplete || !complete)
        reel_fail(c, REEL_ERROR_OUT_OF_MEMORY, "out of memory: a table");
    else if (fwrite(b.bytes, 1, b.size, file) != b.size || fflush(file) != 0)
        reel_fail(c, REEL_ERROR_IO, "summary: the file does not take the table");
    buffer_free(&b);
    return reel_context_status(c);
}

reel_status reel_summary_of_tape_checked(reel_tape *tape, FILE *file, size_t real_size)
{
    return tape ? write_table(tape, file, real_size) : REEL_ERROR_ARGUMENT;
}

/* Inputs of zeros on the tape, lent from `zeros`, and the pass. */
static reel_status run_module(reel_tape *tape, reel_module *module, const void *zeros, const reel_shape *shapes,
                              const reel_dtype *dtypes, int n)
{
    reel_var inputs[REEL_MAX_MODULE_VARS], output;
    for (int i = 0; i < n; i++)
        inputs[i] =
            shapes[i].ndim < 0 ? reel_null() : reel_borrow_of(tape, dtypes ? dtypes[i] : REEL_REAL, zeros, shapes[i]);
    return reel_forward_all(tape, module, inputs, n, &output, 1);
}

/* Zeros for the largest of the inputs, of 8 bytes each; NULL when a shape is none, or memory ran out (recorded). */
static void *make_zeros(reel_context *c, const reel_shape *shapes, int n)
{
    enum { MOST = 1 << 30 };
    int64_t most = 1;
    for (int i = 0; i < n; i++) {
        int64_t elements = 1;
        for (int k = 0; k < shapes[i].ndim && elements >= 0; k++)
            elements = shapes[i].dim[k] < 0 || (shapes[i].dim[k] > 0 && elements > MOST / shapes[i].dim[k])
                           ? -1
                           : elements * shapes[i].dim[k];
        if (elements < 0 || shapes[i].ndim > REEL_MAX_NDIM) {
            reel_fail(c, REEL_ERROR_SHAPE, "summary: input %d has a shape with too many axes or elements, or none", i);
            return NULL;
        }
        most = elements > most ? elements : most;
    }
    void *zeros = calloc((size_t)most, 8);
    if (!zeros)
        reel_fail(c, REEL_ERROR_OUT_OF_MEMORY, "out of memory: inputs of zeros");
    return zeros;
}

reel_status reel_summary_checked(reel_context *context, FILE *file, reel_module *module, const reel_shape *shapes,
                                 const reel_dtype *dtypes, int n_inputs, size_t real_size)
{
    if (!context)
        return REEL_ERROR_ARGUMENT;
    if (reel_context_status(context) != REEL_OK)
        return reel_context_status(context);
    if (!file || !module || !shapes || n_inputs < 1 || n_inputs > REEL_MAX_MODULE_VARS)
        return reel_fail(context, REEL_ERROR_ARGUMENT, "summary: %s",
                         !file     ? "the file is NULL"
                         : !module ? "the module is NULL"
                         : !shapes ? "the shapes are NULL"
                                   : "the number of inputs is outside 1..REEL_MAX_MODULE_VARS");
    void *zeros = make_zeros(context, shapes, n_inputs);
    if (!zeros)
        return reel_context_status(context);
    bool training = reel_module_is_training(module);
    reel_tape *tape = reel_tape_new(context);
    if (training)
        reel_module_train(module, false);
    if (run_module(tape, module, zeros, shapes, dtypes, n_inputs) == REEL_OK)
        write_table(tape, file, real_size);
    if (training)
        reel_module_train(module, true);
    reel_tape_free(tape);
    free(zeros);
    return reel_context_status(context);
}
