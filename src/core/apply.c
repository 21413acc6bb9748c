/* The only way onto a tape: checks, runs and records an operation. */
#include "base/checked.h"
#include "core/anomaly.h"
#include "core/params.h"
#include "core/sink.h"
#include "core/tape.h"

#include <assert.h>
#include <string.h>

/* Compiled twice: for one output, which nearly all operations have, and for several. */
#define ONE_OR_MORE static inline __attribute__((always_inline))

/* A call, its outputs' nodes and everything they point to, in one piece of the arena. */
struct layout {
    size_t in, out, vars, attributes, nodes, total;
};

static size_t align16(size_t size)
{
    return (size + 15) / 16 * 16;
}

ONE_OR_MORE struct layout layout_of(const reel_op *op, int n_inputs, int n_outputs)
{
    struct layout l;
    size_t inputs = (size_t)n_inputs, outputs = (size_t)n_outputs;
    l.in = align16(sizeof(reel_call));
    l.out = l.in + inputs * sizeof(reel_array *);
    l.vars = l.out + outputs * sizeof(reel_array *);
    l.attributes = align16(l.vars + (inputs + outputs) * sizeof(reel_var));
    l.nodes = align16(l.attributes + op->attributes_size);
    l.total = l.nodes + outputs * sizeof(struct reel_node);
    return l;
}

ONE_OR_MORE reel_status finish_outputs(reel_call *call, struct reel_node *nodes, int n_outputs)
{
    reel_tape *tape = call->tape;
    for (int i = 0; i < n_outputs; i++) {
        reel_array *out = &nodes[i].array;
        out->numel = reel_shape_numel(&out->shape);
        size_t bytes, size = reel_dtype_size(out->dtype);
        if (size == 0)
            return reel_fail(tape->context, REEL_ERROR_SHAPE, "%s: the result has an element type that does not exist",
                             call->op->name);
        if (out->numel < 0 || !reel_multiply_size(out->numel, size, &bytes))
            return reel_fail(tape->context, REEL_ERROR_SHAPE, "%s: the result has too many axes or elements",
                             call->op->name);
        if (!out->data && !(out->data = reel_arena_allocate(&tape->arena, bytes)))
            return reel_fail_memory(tape->context, call->op->name, bytes);
    }
    if (call->saved_size > 0 && !(call->saved = reel_arena_allocate(&tape->arena, call->saved_size)))
        return reel_fail_memory(tape->context, call->op->name, call->saved_size);
    return REEL_OK;
}

reel_status reel_call_failed(const reel_call *call, reel_status status, const char *function)
{
    if (call->context->status == REEL_OK)
        reel_fail(call->context, status, "%s: its %s returned \"%s\"", call->op->name, function,
                  reel_status_text(status));
    return call->context->status;
}

/* forward, when somebody watches. */
static __attribute__((noinline)) reel_status watched_forward(reel_call *call)
{
    const reel_context *c = call->context;
    const reel_call_hook *hook = c->watched & REEL_WATCHED_CALLS ? &c->hook : NULL;
    if (hook)
        hook->begin(call, REEL_CALL_FORWARD, 0, hook->user);
    reel_status status = call->op->forward(call);
    if (hook)
        hook->end(call, REEL_CALL_FORWARD, 0, hook->user);
    if (status == REEL_OK && c->status == REEL_OK && c->watched & REEL_WATCHED_FINITE)
        status = reel_anomaly_expect_result(call);
    return status;
}

/* Gives the outputs their shapes and elements. */
ONE_OR_MORE reel_status compute(reel_call *call, struct reel_node *nodes, int n_outputs)
{
    reel_tape *tape = call->tape;
    reel_status status = call->op->shape(call);
    if (status != REEL_OK || tape->context->status != REEL_OK)
        return reel_call_failed(call, status, "shape");
    bool alias = nodes[0].array.data != NULL;
    if (finish_outputs(call, nodes, n_outputs) != REEL_OK)
        return tape->context->status;
    if (alias) {
        if (call->n_inputs > 0) {
            const struct reel_node *source = tape->nodes[call->inputs[0].number];
            nodes[0].param = source->param;
            nodes[0].version = source->version;
        }
        return REEL_OK;
    }
    if (!call->op->forward)
        return reel_fail(tape->context, REEL_ERROR_ARGUMENT, "%s: the operation has no forward", call->op->name);
    const void *outer = tape->temporary;
    status = tape->context->watched ? watched_forward(call) : call->op->forward(call);
    reel_tape_release_temporary(tape, outer);
    if (status != REEL_OK || tape->context->status != REEL_OK)
        return reel_call_failed(call, status, "forward");
    return REEL_OK;
}

static __attribute__((noinline)) reel_status refuse_narrow(const reel_tape *tape, const reel_op *op,
                                                           const reel_param *param)
{
    return reel_fail(tape->context, REEL_ERROR_DTYPE, "%s: \"%s\" is bfloat16, which only lookups of rows read",
                     op->name, param->name);
}

/* The work of reel_apply once the inputs are known to be good. */
ONE_OR_MORE reel_status run(reel_tape *tape, const reel_op *op, int n_outputs, const reel_var *inputs, int n_inputs,
                            const void *attributes, reel_var *outputs)
{
    struct layout l = layout_of(op, n_inputs, n_outputs);
    char *memory = reel_arena_allocate(&tape->arena, l.total);
    if (!memory ||
        (tape->count + n_outputs > tape->capacity &&
         !reel_grow(&tape->context->memory, (void **)&tape->nodes, tape->count, &tape->capacity,
                    tape->count + n_outputs, sizeof *tape->nodes)) ||
        tape->count > (int64_t)UINT32_MAX - REEL_MAX_OUTPUTS)
        return reel_fail_memory(tape->context, op->name, l.total);

    reel_call *call = (reel_call *)(void *)memory;
    const reel_array **in = (const reel_array **)(void *)(memory + l.in);
    reel_array **out = (reel_array **)(void *)(memory + l.out);
    reel_var *vars = (reel_var *)(void *)(memory + l.vars);
    struct reel_node *nodes = (struct reel_node *)(void *)(memory + l.nodes);
    uint32_t first = (uint32_t)tape->count;
    for (int i = 0; i < n_inputs; i++) {
        const struct reel_node *node = tape->nodes[inputs[i].number];
        if (node->param && !reel_op_says(op, op->reads_rows, i)) {
            if (node->array.dtype == REEL_BFLOAT16)
                return refuse_narrow(tape, op, node->param);
            reel_param_before_read_all(node->param);
        }
        first = node->first < first ? node->first : first;
        in[i] = &node->array;
        vars[i] = inputs[i];
    }
    for (int i = 0; i < n_outputs; i++) {
        nodes[i].array.data = NULL;
        nodes[i].array.dtype = REEL_REAL;
        nodes[i].array.shape.ndim = 0;
        nodes[i].version = 0;
        nodes[i].param = NULL;
        nodes[i].is_param = false;
        nodes[i].hooks = NULL;
        reel_node_borrows_nothing(&nodes[i]);
        out[i] = &nodes[i].array;
        vars[n_inputs + i] = (reel_var){(uint32_t)(tape->count + i), tape->generation};
    }
    if (op->attributes_size > 0)
        memcpy(memory + l.attributes, attributes, op->attributes_size);
    *call = (reel_call){.tape = tape,
                        .context = tape->context,
                        .op = op,
                        .n_inputs = n_inputs,
                        .n_outputs = n_outputs,
                        .in = in,
                        .out = out,
                        .attributes = op->attributes_size > 0 ? memory + l.attributes : NULL,
                        .inputs = vars,
                        .outputs = vars + n_inputs,
                        .layer = tape->context->layer};

    tape->applying = true;
    reel_status status = compute(call, nodes, n_outputs);
    tape->applying = false;
    if (status != REEL_OK)
        return status;
    tape->statistics.operations++;
    const bool is_cut = tape->no_grad > 0;
    for (int i = 0; i < n_outputs; i++) {
        nodes[i].call = is_cut ? NULL : call;
        nodes[i].is_cut = is_cut;
        nodes[i].output = i;
        nodes[i].generation = tape->generation;
        nodes[i].first = is_cut ? (uint32_t)tape->count : first;
        outputs[i] = vars[n_inputs + i];
        tape->nodes[tape->count++] = &nodes[i];
    }
    return REEL_OK;
}

/* reel_apply, whose outputs are only written when all is well. */
ONE_OR_MORE reel_status apply(reel_tape *tape, const reel_op *op, int n_outputs, const reel_var *inputs, int n_inputs,
                              const void *attributes, reel_var *outputs)
{
    if (!tape || tape->context->status != REEL_OK)
        return tape ? tape->context->status : REEL_ERROR_ARGUMENT;
    reel_context_expect_owner(tape->context);
    if (!outputs || !op->shape || (!inputs && n_inputs > 0) || (!attributes && op->attributes_size > 0))
        return reel_fail(tape->context, REEL_ERROR_ARGUMENT,
                         "%s: its shape, or the inputs, attributes or outputs given are NULL", op->name);
    if (!reel_tape_is_open(tape, op->name))
        return tape->context->status;
    if (op->variadic ? n_inputs < op->n_inputs : n_inputs != op->n_inputs)
        return reel_fail(tape->context, REEL_ERROR_ARGUMENT, "%s: %d inputs, it takes %s%d", op->name, n_inputs,
                         op->variadic ? "at least " : "", op->n_inputs);
    for (int i = 0; i < n_inputs; i++)
        if (!reel_tape_holds(tape, inputs[i]) && !reel_tape_node(tape, inputs[i], op->name))
            return tape->context->status;
    struct reel_arena_mark mark = reel_arena_mark(&tape->arena);
    reel_status status = run(tape, op, n_outputs, inputs, n_inputs, attributes, outputs);
    if (status != REEL_OK)
        reel_arena_rewind(&tape->arena, mark);
    return status;
}

reel_status reel_apply(reel_tape *tape, const reel_op *op, const reel_var *inputs, int n_inputs, const void *attributes,
                       reel_var *outputs)
{
    if (!op || op->n_outputs < 1 || op->n_outputs > REEL_MAX_OUTPUTS)
        return reel_fail(reel_tape_context(tape), REEL_ERROR_ARGUMENT, "apply: %s has no number of outputs in 1..%d",
                         op ? op->name : "NULL", REEL_MAX_OUTPUTS);
    reel_status status = op->n_outputs == 1 ? apply(tape, op, 1, inputs, n_inputs, attributes, outputs)
                                            : apply(tape, op, op->n_outputs, inputs, n_inputs, attributes, outputs);
    for (int i = 0; status != REEL_OK && outputs && i < op->n_outputs; i++)
        outputs[i] = reel_null();
    return status;
}

reel_var reel_apply1(reel_tape *tape, const reel_op *op, const reel_var *inputs, int n_inputs, const void *attributes)
{
    reel_var output = reel_null();
    if (op && op->n_outputs > 1) {
        if (tape)
            reel_fail(tape->context, REEL_ERROR_ARGUMENT, "%s: it has %d outputs, not one", op->name, op->n_outputs);
        return output;
    }
    reel_apply(tape, op, inputs, n_inputs, attributes, &output);
    return output;
}

/* A block begins with a link to the one before. */
void *reel_call_temporary(const reel_call *call, size_t size)
{
    if (!call)
        return NULL;
    reel_context *c = call->context;
    void **block = size <= SIZE_MAX - REEL_ALIGNMENT ? reel_scratch_allocate(&c->scratch, size + REEL_ALIGNMENT) : NULL;
    if (!block) {
        reel_fail_memory(c, call->op->name, size);
        return NULL;
    }
    *block = call->tape->temporary;
    call->tape->temporary = block;
    return (char *)block + REEL_ALIGNMENT;
}

void *reel_temporary_block(void *temporary)
{
    return (char *)temporary - REEL_ALIGNMENT;
}

void reel_tape_release_newer(reel_tape *tape, const void *outer)
{
    while (tape->temporary != outer) {
        void *block = tape->temporary;
        tape->temporary = *(void **)block;
        reel_scratch_release(&tape->context->scratch, block);
    }
}

void *reel_call_allocate(const reel_call *call, size_t size)
{
    if (!call)
        return NULL;
    void *memory = reel_arena_allocate(&call->tape->arena, size);
    if (!memory)
        reel_fail_memory(call->context, call->op->name, size);
    return memory;
}

reel_status reel_call_read_rows(const reel_call *call, int k, const reel_array *index)
{
    if (!call || !index || k < 0 || k >= call->n_inputs)
        return REEL_ERROR_ARGUMENT;
    const struct reel_node *node = call->tape->nodes[call->inputs[k].number];
    if (!node->param)
        return REEL_OK;
    /* A view of a param may have rows of its own. */
    if (!node->is_param) {
        reel_param_before_read_all(node->param);
        return REEL_OK;
    }
    return reel_param_before_read_rows(node->param, index->data, index->dtype == REEL_INT64, index->numel);
}

reel_var reel_param_var(reel_tape *tape, reel_param *param)
{
    if (!tape || tape->context->status != REEL_OK)
        return reel_null();
    bool own = param && param->set->context == tape->context;
    if (!param || (!own && !param->set->shared)) {
        reel_fail(tape->context, REEL_ERROR_ARGUMENT, "param_var: %s",
                  param ? "the param belongs to another context" : "the param is NULL");
        return reel_null();
    }
    /* Params of a shared set are constants, and only its own thread may remember their vars. */
    bool is_param = param->kind != REEL_PARAM_BUFFER && !param->set->shared;
    const reel_var leaf = param->leaf;
    if (own && param->leaf_version == param->version && leaf.number < tape->count &&
        tape->nodes[leaf.number]->generation == leaf.generation && tape->nodes[leaf.number]->is_param == is_param)
        return leaf;
    reel_var v = reel_tape_wrap(tape, param->data, param->dtype, &param->shape);
    if (reel_is_null(v))
        return v;
    struct reel_node *node = tape->nodes[v.number];
    node->param = param;
    node->version = param->version;
    node->is_param = is_param;
    if (!own)
        return v;
    param->leaf = v;
    param->leaf_version = param->version;
    return v;
}
