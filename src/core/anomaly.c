/* Looking for the first operation or rule whose result is not finite, and the words about it. */
#include "core/anomaly.h"

#include "base/bfloat16.h"
#include "base/shape.h"
#include "base/text.h"
#include "core/formed.h"
#include "kern/lookup.h"

#include <math.h>
#include <string.h>

/* What there is to say of some elements. */
struct extent {
    double least, most; /* of those that are finite */
    int64_t finite, infinite, nan;
    int64_t bad; /* the first that is not finite, in the order of looking; -1: none */
    double bad_value;
};

static struct extent nothing(void)
{
    return (struct extent){.least = (double)INFINITY, .most = -(double)INFINITY, .bad = -1};
}

static void look(struct extent *e, double value, int64_t position)
{
    if (isfinite(value)) {
        e->finite++;
        e->least = value < e->least ? value : e->least;
        e->most = value > e->most ? value : e->most;
        return;
    }
    if (e->bad < 0) {
        e->bad = position;
        e->bad_value = value;
    }
    if (isnan(value))
        e->nan++;
    else
        e->infinite++;
}

static double element(const reel_array *array, int64_t i)
{
    switch (array->dtype) {
    case REEL_REAL:
        return (double)((const reel_real *)array->data)[i];
    case REEL_INT64:
        return (double)((const int64_t *)array->data)[i];
    case REEL_INT32:
        return (double)((const int32_t *)array->data)[i];
    case REEL_BOOL:
        return ((const bool *)array->data)[i];
    case REEL_BFLOAT16:
        return (double)reel_bfloat16_value(((const uint16_t *)array->data)[i]);
    }
    return 0;
}

static struct extent extent_of_array(const reel_array *array)
{
    struct extent e = nothing();
    for (int64_t i = 0; i < array->numel; i++)
        look(&e, element(array, i), i);
    return e;
}

/* Columns that nobody is going to read may hold anything. */
static struct extent extent_of_sink(const struct reel_sink *sink)
{
    struct extent e = nothing();
    const reel_shape *shape = &sink->node->array.shape;
    int64_t width = shape->ndim > 0 ? shape->dim[shape->ndim - 1] : 1, first = 0, end = 1;
    if (shape->ndim > 0)
        reel_sink_columns(sink, &first, &end);
    for (int64_t r = 0; sink->data && r < sink->rows; r++)
        for (int64_t c = 0; c < sink->columns; c++) {
            int64_t flat = r * sink->columns + c;
            if (flat % width >= first && flat % width < end)
                look(&e, (double)sink->data[r * sink->stride + c], flat);
        }
    return e;
}

static reel_real row_element(const struct reel_rows *list, int64_t i, int64_t column)
{
    if (!list->formed)
        return list->data[(list->source ? list->source[i] : i) * list->stride + column];
    return reel_kern_formed_element(&list->formed->formula, i, column);
}

/* Of rows that are not summed yet, as elements of the table. */
static struct extent extent_of_lists(const struct reel_sink *sink)
{
    struct extent e = nothing();
    const reel_shape *shape = &sink->node->array.shape;
    int64_t rows = shape->ndim > 0 ? shape->dim[0] : 1, columns = rows > 0 ? sink->node->array.numel / rows : 0;
    for (const struct reel_rows *list = sink->lists; list; list = list->next)
        for (int64_t i = 0; i < list->count; i++)
            for (int64_t c = 0; list->indices[i] >= 0 && c < columns; c++)
                look(&e, (double)row_element(list, i, c), list->indices[i] * columns + c);
    return e;
}

/* ---- Words ---- */

enum { WORDS = 400 }; /* less than the context's text has room for */

/* C leaves it open whether a NaN has a sign. */
static void say_bad(char words[WORDS], const struct extent *e, const reel_shape *shape)
{
    char position[REEL_POSITION_TEXT];
    if (isnan(e->bad_value))
        reel_append_text(words, WORDS, " NaN");
    else
        reel_append_text(words, WORDS, " %g", e->bad_value);
    reel_append_text(words, WORDS, "%s (%lld of %lld are not finite)", reel_position_text(shape, e->bad, position),
                     (long long)(e->nan + e->infinite), (long long)(e->finite + e->nan + e->infinite));
}

static void say_extent(char words[WORDS], const struct extent *e)
{
    if (e->finite > 0)
        reel_append_text(words, WORDS, " from %g to %g", e->least, e->most);
    else if (e->nan == 0 && e->infinite == 0)
        reel_append_text(words, WORDS, " without elements");
    if (e->nan > 0)
        reel_append_text(words, WORDS, "%s %lld NaN", e->finite > 0 ? " and" : " of", (long long)e->nan);
    if (e->infinite > 0)
        reel_append_text(words, WORDS, "%s %lld infinite", e->finite > 0 || e->nan > 0 ? " and" : " of",
                         (long long)e->infinite);
}

static void say_inputs(char words[WORDS], const reel_call *call)
{
    for (int k = 0; k < call->n_inputs; k++) {
        const reel_array *in = call->in[k];
        const reel_param *param = call->tape->nodes[call->inputs[k].number]->param;
        char shape[REEL_SHAPE_TEXT], name[REEL_PRINTABLE];
        const struct extent e = extent_of_array(in);
        reel_append_text(words, WORDS, "; input %d", k);
        if (param)
            reel_append_text(words, WORDS, " (\"%s\")", reel_printable(param->name, name));
        reel_append_text(words, WORDS, " %s %s", reel_dtype_name(in->dtype), reel_shape_text(&in->shape, shape));
        say_extent(words, &e);
    }
}

static reel_status fail(const reel_call *call, const char *words)
{
    return reel_fail(call->context, REEL_ERROR_NOT_FINITE, "%s", words);
}

reel_status reel_anomaly_expect_result(const reel_call *call)
{
    for (int i = 0; i < call->n_outputs; i++) {
        const reel_array *out = call->out[i];
        struct extent e;
        if (out->dtype != REEL_REAL || (e = extent_of_array(out)).bad < 0)
            continue;
        char words[WORDS] = "";
        reel_append_text(words, WORDS, "%s: its result", call->op->name);
        if (call->n_outputs > 1)
            reel_append_text(words, WORDS, " %d", i);
        reel_append_text(words, WORDS, " is");
        say_bad(words, &e, &out->shape);
        say_inputs(words, call);
        return fail(call, words);
    }
    return REEL_OK;
}

reel_status reel_anomaly_expect_gradients(const struct reel_pass *pass, const reel_call *call)
{
    for (int k = 0; k < call->n_inputs; k++) {
        const struct reel_sink *sink = reel_pass_sink(pass, call->inputs[k]);
        if (!sink->needed || !reel_op_says(call->op, call->op->differentiable, k))
            continue;
        struct extent e = extent_of_sink(sink);
        if (e.bad < 0)
            e = extent_of_lists(sink);
        if (e.bad < 0)
            continue;
        char words[WORDS] = "";
        reel_append_text(words, WORDS, "backward: the rule of %s gives input %d a gradient of", call->op->name, k);
        say_bad(words, &e, &sink->node->array.shape);
        for (int i = 0; i < call->n_outputs; i++) {
            const struct reel_sink *out = reel_pass_sink(pass, call->outputs[i]);
            const struct extent given = extent_of_sink(out);
            if (!out->data)
                continue;
            reel_append_text(words, WORDS, "; the gradient of its result");
            if (call->n_outputs > 1)
                reel_append_text(words, WORDS, " %d", i);
            say_extent(words, &given);
        }
        say_inputs(words, call);
        return fail(call, words);
    }
    return REEL_OK;
}
