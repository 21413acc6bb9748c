/* A tape as a graph in the language of Graphviz. */
#include "base/shape.h"
#include "core/params.h"
#include "core/tape.h"

#include <reel/print.h>

#include <string.h>

/* What is known of a var, by its number. */
enum mark { IS_DRAWN = 1, IS_ON_PATH = 2 };

struct drawing {
    FILE *file;
    reel_tape *tape;
    unsigned char *marks;
};

/* ---- What is drawn, and what is on the way ---- */

/* Everything that root depends on; all of the tape when it is the null var. */
static void mark_drawn(struct drawing *d, reel_var root)
{
    for (int64_t i = 0; i < d->tape->count; i++)
        d->marks[i] = reel_is_null(root) || root.number == i ? IS_DRAWN : 0;
    for (int64_t i = d->tape->count - 1; i >= 0; i--) {
        const reel_call *call = d->tape->nodes[i]->call;
        if (!call || !(d->marks[i] & IS_DRAWN))
            continue;
        for (int k = 0; k < call->n_inputs; k++)
            d->marks[call->inputs[k].number] |= IS_DRAWN;
        for (int k = 0; k < call->n_outputs; k++)
            d->marks[call->outputs[k].number] |= IS_DRAWN;
    }
}

/* Whether a gradient of the call flows on to a var that is on the path. */
static bool passes_on(const struct drawing *d, const reel_call *call, int k)
{
    return reel_op_says(call->op, call->op->differentiable, k) && d->marks[call->inputs[k].number] & IS_ON_PATH;
}

/* The chosen params, and what was computed from them so that a gradient finds its way back. */
static void mark_path(struct drawing *d, reel_param *const *params, int n)
{
    for (int64_t i = 0; i < d->tape->count; i++) {
        const struct reel_node *node = d->tape->nodes[i];
        bool is_on = false;
        for (int k = 0; k < n && node->is_param; k++)
            is_on = is_on || node->param == params[k];
        for (int k = 0; node->call && k < node->call->n_inputs; k++)
            is_on = is_on || passes_on(d, node->call, k);
        if (is_on)
            d->marks[i] |= IS_ON_PATH;
    }
}

/* ---- Writing ---- */

/* Between quotation marks. */
static void put_name(FILE *file, const char *name)
{
    for (; *name; name++)
        fprintf(file, *name == '"' || *name == '\\' ? "\\%c" : "%c", *name);
}

static void put_shape(const struct drawing *d, const reel_array *array)
{
    char text[REEL_SHAPE_TEXT];
    fprintf(d->file, "\\n%s", reel_shape_text(&array->shape, text));
    if (array->dtype != REEL_REAL)
        fprintf(d->file, " %s", reel_dtype_name(array->dtype));
}

static const char *style_of(const struct drawing *d, int64_t number)
{
    return d->marks[number] & IS_ON_PATH ? ", color=\"#c03020\", penwidth=2.5" : "";
}

/* Params are filled boxes, others that nothing computed are plain ones. */
static void put_leaf(const struct drawing *d, int64_t number)
{
    const struct reel_node *node = d->tape->nodes[number];
    bool is_param = node->param && !node->is_cut;
    fprintf(d->file, "  v%lld [shape=box, label=\"", (long long)number);
    if (is_param)
        put_name(d->file, node->param->name);
    else if (node->is_cut)
        fputs("detached", d->file);
    else
        fputs(node->drawn_by ? reel_draw_name(node->drawn_by) : "constant", d->file);
    put_shape(d, &node->array);
    fprintf(d->file, "\"%s%s];\n", is_param ? ", style=filled, fillcolor=\"#e8eef8\"" : "", style_of(d, number));
}

/* An operation stands where its first output does. */
static void put_call(const struct drawing *d, const reel_call *call)
{
    int64_t number = call->outputs[0].number;
    fprintf(d->file, "  v%lld [label=\"", (long long)number);
    put_name(d->file, call->op->name);
    for (int i = 0; i < call->n_outputs; i++)
        put_shape(d, call->out[i]);
    fprintf(d->file, "\"%s];\n", style_of(d, number));
    for (int k = 0; k < call->n_inputs; k++) {
        const reel_call *from = d->tape->nodes[call->inputs[k].number]->call;
        uint32_t source = from ? from->outputs[0].number : call->inputs[k].number;
        fprintf(d->file, "  v%u -> v%lld", source, (long long)number);
        fputs(passes_on(d, call, k) ? " [color=\"#c03020\", penwidth=2.5];\n" : ";\n", d->file);
    }
}

reel_status reel_print_dot(FILE *file, reel_tape *tape, reel_var root, reel_param *const *params, int n)
{
    if (!tape)
        return REEL_ERROR_ARGUMENT;
    reel_context *c = tape->context;
    if (c->status != REEL_OK)
        return c->status;
    if (!file || n < 0 || (n > 0 && !params))
        return reel_fail(c, REEL_ERROR_ARGUMENT, "print_dot: the file or the params are NULL");
    if (!reel_is_null(root) && !reel_tape_node(tape, root, "print_dot"))
        return c->status;
    struct drawing d = {.file = file, .tape = tape, .marks = reel_allocate(&c->memory, (size_t)tape->count)};
    if (!d.marks)
        return reel_fail_memory(c, "a graph", (size_t)tape->count);
    mark_drawn(&d, root);
    mark_path(&d, params, n);
    fputs("digraph tape {\n  node [fontname=\"sans-serif\", fontsize=11];\n", file);
    for (int64_t i = 0; i < tape->count; i++) {
        const struct reel_node *node = tape->nodes[i];
        if (d.marks[i] & IS_DRAWN && !node->call)
            put_leaf(&d, i);
        else if (d.marks[i] & IS_DRAWN && node->output == 0)
            put_call(&d, node->call);
    }
    fputs("}\n", file);
    reel_free(&c->memory, d.marks);
    if (fflush(file) != 0 || ferror(file))
        return reel_fail(c, REEL_ERROR_IO, "print_dot: the file does not take the text");
    return REEL_OK;
}
