/* Reverse mode: one walk over the vars from the root down, for first-order passes and for those that record their
 * rules. Sinks hide how gradients are summed; nothing recurses. */
#include "core/anomaly.h"
#include "core/hooks.h"
#include "core/params.h"
#include "core/recompute.h"
#include "core/sink.h"

#include <string.h>

struct reel_sink *reel_pass_outer_sink(const struct reel_pass *pass, reel_var v)
{
    while (v.number < pass->first)
        pass = pass->outer;
    return &pass->sinks[v.number - pass->first];
}

/* What a pass is asked for. */
struct request {
    reel_tape *tape;
    struct reel_node *root;
    uint32_t root_number;
    reel_var grad_output;      /* null: 1 */
    bool graph;                /* record the rules */
    bool into_params;          /* reel_backward */
    const reel_params *params; /* whose; NULL: any */
    const reel_var *xs;        /* reel_grad */
    int n;
};

static bool is_target(const struct request *r, const struct reel_node *node)
{
    return r->into_params && node->is_param && node->param->kind == REEL_PARAM_TRAINED &&
           (!r->params || node->param->set == r->params) && !node->param->set->shared;
}

/* Checks that params whose value the rule reads are as they were in the forward pass. */
static reel_status check_versions(reel_tape *tape, const reel_call *call)
{
    for (int k = 0; k < call->n_inputs; k++) {
        const struct reel_node *in = tape->nodes[call->inputs[k].number];
        if (in->param && in->version != in->param->version && reel_op_says(call->op, call->op->reads_inputs, k) &&
            reel_node_is_in_param(in))
            return reel_fail(tape->context, REEL_ERROR_STATE,
                             "backward: the rule of %s reads param \"%s\", which changed since the forward pass",
                             call->op->name, in->param->name);
    }
    return REEL_OK;
}

/* Whether a gradient of shape `grad` can be summed to an input of shape `input`. */
static bool sums_to(const reel_shape *grad, const reel_shape *input)
{
    int more = grad->ndim - input->ndim;
    for (int i = 0; more >= 0 && i < input->ndim; i++)
        if (input->dim[i] != 1 && input->dim[i] != grad->dim[i + more])
            return false;
    return more >= 0;
}

/* Whether what a rule gave for input k fits the input; else an error is recorded. */
static bool fits(reel_tape *tape, const reel_call *call, int k, reel_var grad)
{
    const struct reel_node *node = reel_tape_node(tape, grad, call->op->name);
    if (!node)
        return false;
    const reel_shape *shape = &tape->nodes[call->inputs[k].number]->array.shape;
    if (node->array.dtype == REEL_REAL &&
        (call->op->broadcasts ? sums_to(&node->array.shape, shape) : reel_shape_equal(&node->array.shape, shape)))
        return true;
    reel_fail(tape->context, REEL_ERROR_SHAPE,
              "backward: the rule of %s gives input %d a gradient of another shape or type than the input",
              call->op->name, k);
    return false;
}

/* Runs the rule in public operations. Without a graph they are put on a piece of the tape that is given up afterwards.
 */
static reel_status run_vjp(struct reel_pass *pass, reel_call *call, reel_sink *const *sinks, const bool *needed,
                           reel_var *grads)
{
    reel_tape *tape = pass->tape;
    if (reel_is_recomputation(call))
        return reel_recompute_gradients(pass, call);
    if (!call->op->vjp)
        return reel_fail(tape->context, REEL_ERROR_NO_RULE, "backward: %s has no rule", call->op->name);
    /* Nobody ends it: its number of passes is none. */
    struct reel_scope piece = {tape->scope, reel_arena_mark(&tape->arena), tape->count, tape->no_grad, -1, false};
    if (!pass->graph)
        tape->scope = &piece;
    reel_var grad_outputs[REEL_MAX_OUTPUTS];
    for (int i = 0; i < call->n_outputs; i++) {
        struct reel_sink *out = reel_pass_sink(pass, call->outputs[i]);
        grad_outputs[i] = out->var;
        if (!pass->graph && out->data && reel_sink_make_contiguous(out) == REEL_OK)
            grad_outputs[i] = reel_tape_wrap(tape, out->data, REEL_REAL, &out->node->array.shape);
    }
    for (int k = 0; k < call->n_inputs; k++)
        grads[k] = reel_null();
    if (tape->context->status == REEL_OK) {
        call->needed = needed;
        call->op->vjp(call, grad_outputs, grads);
        call->needed = NULL;
    }
    for (int k = 0; k < call->n_inputs && tape->context->status == REEL_OK; k++)
        if (sinks[k] && !reel_is_null(grads[k]) && fits(tape, call, k, grads[k]))
            reel_sink_add_var(sinks[k], grads[k]);
    if (!pass->graph) {
        tape->scope = piece.outer;
        tape->no_grad = piece.no_grad;
        if (!piece.pinned) {
            tape->count = piece.count;
            tape->generation = reel_next_generation(tape->context);
            reel_arena_rewind(&tape->arena, piece.mark);
        }
    }
    return tape->context->status;
}

static reel_status run_rule(struct reel_pass *pass, reel_call *call)
{
    enum { FEW = 8 };
    reel_tape *tape = pass->tape;
    struct {
        reel_sink *sinks[FEW];
        reel_var grads[FEW];
        bool needed[FEW];
    } few;
    size_t n = (size_t)call->n_inputs;
    reel_sink **sinks = few.sinks;
    reel_var *grads = few.grads;
    bool *needed = few.needed;
    if (n > FEW) {
        sinks = reel_call_temporary(call, n * sizeof *sinks);
        grads = reel_call_temporary(call, n * sizeof *grads);
        needed = reel_call_temporary(call, n * sizeof *needed);
        if (!sinks || !grads || !needed)
            return tape->context->status;
    }
    bool any = false;
    for (int k = 0; k < call->n_inputs; k++) {
        struct reel_sink *sink = reel_pass_sink(pass, call->inputs[k]);
        needed[k] = sink->needed && reel_op_says(call->op, call->op->differentiable, k);
        sinks[k] = needed[k] ? sink : NULL;
        if (needed[k]) {
            any = true;
            tape->statistics.input_gradients++;
            tape->statistics.param_gradients += sink->node->is_param;
        }
    }
    if (!any)
        return REEL_OK;
    if (check_versions(tape, call) != REEL_OK)
        return tape->context->status;
    tape->statistics.rules++;
    if (pass->graph || !call->op->accumulate)
        return run_vjp(pass, call, sinks, needed, grads);
    reel_gradient gradients[REEL_MAX_OUTPUTS];
    for (int i = 0; i < call->n_outputs; i++)
        gradients[i] = reel_sink_gradient(reel_pass_sink(pass, call->outputs[i]));
    reel_status status = call->op->accumulate(call, gradients, sinks);
    if (status != REEL_OK || tape->context->status != REEL_OK)
        return reel_call_failed(call, status, "accumulate");
    return REEL_OK;
}

/* How many gradients the rule of a call is asked for. */
static int count_needed(const struct reel_pass *pass, const reel_call *call)
{
    int n = 0;
    for (int k = 0; k < call->n_inputs; k++)
        n += reel_pass_sink(pass, call->inputs[k])->needed && reel_op_says(call->op, call->op->differentiable, k);
    return n;
}

/* run_rule, when somebody watches. Where anomalies are looked for, a rule may come by infinities on its way, but not
 * give any. */
static reel_status run_watched_rule(struct reel_pass *pass, reel_call *call)
{
    reel_context *c = call->context;
    const uint8_t watched = c->watched;
    const int n = watched & REEL_WATCHED_CALLS ? count_needed(pass, call) : 0;
    if (n > 0)
        c->hook.begin(call, REEL_CALL_BACKWARD, n, c->hook.user);
    c->watched = (uint8_t)(watched & ~REEL_WATCHED_FINITE);
    run_rule(pass, call);
    c->watched = watched;
    if (n > 0)
        c->hook.end(call, REEL_CALL_BACKWARD, n, c->hook.user);
    if (c->status != REEL_OK || !(watched & REEL_WATCHED_FINITE))
        return c->status;
    return reel_anomaly_expect_gradients(pass, call);
}

/* Inlined into the one loop there is: a call for each var would be felt. */
static inline __attribute__((always_inline)) reel_status visit(struct reel_pass *pass, struct reel_sink *sink)
{
    const struct reel_node *node = sink->node;
    reel_call *call = node->call;
    reel_status *status = &pass->tape->context->status;
    if (node->hooks && !reel_sink_is_empty(sink) && reel_hooks_run(sink) != REEL_OK)
        return *status;
    if (pass->into_params && node->is_param) {
        bool arrived = !reel_sink_is_empty(sink);
        if (arrived && reel_sink_commit(sink) != REEL_OK)
            return *status;
        reel_sink_release(sink);
        return reel_param_gradient_passed(node->param, arrived);
    }
    if (!call || node->output != 0)
        return REEL_OK; /* the rule runs when the first output is reached, after the others */
    /* The sinks of a call's outputs stand next to each other. */
    bool any = false;
    for (int i = 0; i < call->n_outputs; i++) {
        if (sink[i].lists && reel_sink_densify(&sink[i]) != REEL_OK)
            return *status;
        any = any || sink[i].data;
    }
    const void *outer = pass->tape->temporary;
    if (any && pass->tape->context->watched && !reel_is_recomputation(call))
        run_watched_rule(pass, call);
    else if (any)
        run_rule(pass, call);
    reel_tape_release_temporary(pass->tape, outer);
    for (int i = 0; i < call->n_outputs; i++)
        if (!sink[i].target)
            reel_sink_release(&sink[i]);
    return *status;
}

/* The loop over the first `count` vars of the pass, from the last one down. */
static reel_status walk(struct reel_pass *pass, size_t count)
{
    reel_status status = REEL_OK;
    for (size_t i = count; i-- > 0 && status == REEL_OK;)
        if (pass->sinks[i].needed)
            status = visit(pass, &pass->sinks[i]);
    return status;
}

/* Whether a gradient can pass through a var: it is real, or a table in bfloat16, or another output of its call may be,
 * whose rule runs when the first is reached. */
static bool may_be_needed(const struct reel_node *node)
{
    return node->array.dtype == REEL_REAL || node->array.dtype == REEL_BFLOAT16 ||
           (node->call && node->call->n_outputs > 1);
}

/* Whether the root may depend on the var. */
static bool in_reach(const struct request *r, reel_var x)
{
    return x.number >= r->root->first && x.number <= r->root_number;
}

/* Whether it is computed from what needs a gradient. Calls that the root does not depend on may have inputs out of the
 * pass's reach. */
static inline bool needs_gradient(const struct reel_pass *pass, const struct reel_node *node)
{
    const reel_call *call = node->call;
    for (int k = 0; call && k < call->n_inputs; k++)
        if (call->inputs[k].number >= pass->reach && reel_pass_sink(pass, call->inputs[k])->needed &&
            reel_op_says(call->op, call->op->differentiable, k))
            return may_be_needed(node);
    return false;
}

/* Marks what the pass has to visit: the targets and whatever is computed from them. Vars behind the root are visited
 * with it but get no gradient. */
static void mark_needed(const struct request *r, struct reel_pass *pass)
{
    for (int i = 0; i < r->n; i++)
        if (in_reach(r, r->xs[i]))
            reel_pass_sink(pass, r->xs[i])->target = true;
    for (uint32_t i = pass->first; i <= r->root_number; i++) {
        struct reel_sink *sink = &pass->sinks[i - pass->first];
        const struct reel_node *node = sink->node;
        sink->needed = sink->target || needs_gradient(pass, node);
        if (is_target(r, node)) {
            sink->needed = may_be_needed(node);
            reel_param_gradient_expect(node->param);
        }
    }
}

reel_status reel_pass_through(struct reel_pass *outer, uint32_t first, const reel_call *call, const reel_var *roots)
{
    reel_tape *tape = outer->tape;
    struct reel_scratch *scratch = &tape->context->scratch;
    size_t count = (size_t)tape->count - first, bytes = count * sizeof(struct reel_sink);
    struct reel_pass pass = {.tape = tape,
                             .outer = outer,
                             .first = first,
                             .reach = outer->reach,
                             .graph = outer->graph,
                             .into_params = outer->into_params};
    pass.sinks = reel_scratch_allocate(scratch, bytes);
    if (!pass.sinks)
        return reel_fail_memory(tape->context, "a backward pass", bytes);
    for (size_t i = 0; i < count; i++) {
        pass.sinks[i] = (struct reel_sink){.pass = &pass, .node = tape->nodes[first + i]};
        pass.sinks[i].needed = needs_gradient(&pass, pass.sinks[i].node);
    }
    reel_status status = REEL_OK;
    for (int i = 0; i < call->n_outputs && status == REEL_OK; i++) {
        struct reel_sink *from = reel_pass_sink(outer, call->outputs[i]), *to = reel_pass_sink(&pass, roots[i]);
        const reel_gradient gradient = reel_sink_gradient(from);
        if (from->data && to->needed)
            status = pass.graph ? reel_sink_add_var(to, from->var) : reel_sink_share(to, &gradient);
    }
    if (status == REEL_OK)
        walk(&pass, count);
    for (size_t i = 0; i < count; i++)
        reel_sink_release(&pass.sinks[i]);
    reel_scratch_release(scratch, pass.sinks);
    return tape->context->status;
}

static reel_status seed(const struct request *r, struct reel_pass *pass)
{
    struct reel_sink *sink = &pass->sinks[r->root_number - pass->first];
    if (!sink->needed)
        return REEL_OK;
    if (!reel_is_null(r->grad_output))
        return reel_sink_add_var(sink, r->grad_output);
    const reel_real one = 1;
    if (!r->graph)
        return reel_sink_add(sink, &one);
    reel_var grad;
    struct reel_node *node = reel_tape_add_array(r->tape, REEL_REAL, &r->root->array.shape, "grad", &grad);
    if (!node)
        return r->tape->context->status;
    *(reel_real *)node->array.data = one;
    return reel_sink_add_var(sink, grad);
}

/* The gradient of a target, as a var that outlives the pass. */
static reel_status give(struct reel_sink *sink, reel_var *out)
{
    reel_tape *tape = sink->pass->tape;
    if (sink->pass->graph) {
        *out = sink->var;
        return REEL_OK;
    }
    if (reel_sink_densify(sink) != REEL_OK || reel_sink_make_contiguous(sink) != REEL_OK)
        return tape->context->status;
    struct reel_node *node = reel_tape_add_array(tape, REEL_REAL, &sink->node->array.shape, "grad", out);
    if (node)
        memcpy(node->array.data, sink->data, (size_t)node->array.numel * sizeof(reel_real));
    return tape->context->status;
}

/* A param that takes part in a failed pass may hold part of a sum. */
static void abandon_params(const struct request *r)
{
    for (uint32_t i = r->root->first; i <= r->root_number; i++) {
        const struct reel_node *node = r->tape->nodes[i];
        if (is_target(r, node))
            reel_param_gradient_abandon(node->param);
    }
}

/* Says why no param gets a gradient: follows the loss to everything that it was computed from. */
static reel_status refuse_unreached(const struct request *r, struct reel_pass *pass)
{
    reel_tape *tape = r->tape;
    const reel_param *other = NULL, *frozen = NULL;
    const reel_op *flat = NULL;
    bool is_cut = false;
    pass->sinks[r->root_number - pass->first].target = true;
    for (size_t i = r->root_number - pass->first + 1; i-- > 0;) {
        const struct reel_node *node = pass->sinks[i].node;
        if (!pass->sinks[i].target)
            continue;
        is_cut = is_cut || node->is_cut;
        if (node->is_param && node->param->kind == REEL_PARAM_TRAINED)
            other = node->param;
        if (node->is_param && node->param->kind == REEL_PARAM_FROZEN)
            frozen = node->param;
        for (int k = 0; node->call && k < node->call->n_inputs; k++)
            if (reel_op_says(node->call->op, node->call->op->differentiable, k))
                reel_pass_sink(pass, node->call->inputs[k])->target = true;
            else
                flat = node->call->op;
    }
    const char *begin = r->params ? "backward: the loss reaches no trained param of the set"
                                  : "backward: the loss reaches no trained param";
    if (other)
        return reel_fail(tape->context, REEL_ERROR_ARGUMENT, "%s: it depends on \"%s\" of another set", begin,
                         other->name);
    if (frozen)
        return reel_fail(tape->context, REEL_ERROR_ARGUMENT, "%s: \"%s\" is frozen", begin, frozen->name);
    if (is_cut)
        return reel_fail(tape->context, REEL_ERROR_ARGUMENT,
                         "%s: what it depends on was computed inside no_grad, or detached", begin);
    if (flat)
        return reel_fail(tape->context, REEL_ERROR_ARGUMENT, "%s: no gradient flows through %s", begin, flat->name);
    return reel_fail(tape->context, REEL_ERROR_ARGUMENT, "%s: it is a constant", begin);
}

static reel_status run(const struct request *r, reel_var *out)
{
    reel_tape *tape = r->tape;
    reel_context *c = tape->context;
    reel_tape_expect_sound(tape);
    /* A call's outputs stand next to each other; those behind the root have sinks too. */
    uint32_t first = r->root->first, last = r->root_number;
    if (r->root->call)
        last += (uint32_t)(r->root->call->n_outputs - 1 - r->root->output);
    size_t count = (size_t)(last - first) + 1, bytes = count * sizeof(struct reel_sink);
    struct reel_pass pass = {
        .tape = tape, .first = first, .reach = first, .graph = r->graph, .into_params = r->into_params};
    pass.sinks = reel_scratch_allocate(&c->scratch, bytes);
    if (!pass.sinks) {
        if (r->into_params)
            abandon_params(r);
        return reel_fail_memory(c, "a backward pass", bytes);
    }
    for (size_t i = 0; i < count; i++)
        pass.sinks[i] = (struct reel_sink){.pass = &pass, .node = tape->nodes[first + i]};
    mark_needed(r, &pass);

    struct reel_pass *outer = tape->pass;
    struct reel_scope *scope = tape->scope;
    int no_grad = tape->no_grad;
    tape->passes++;
    if (!r->graph) {
        tape->pass = &pass;
        tape->no_grad++;
    }
    bool unreached = r->into_params && !pass.sinks[r->root_number - first].needed;
    reel_status status = unreached ? refuse_unreached(r, &pass) : seed(r, &pass);
    if (status == REEL_OK)
        status = walk(&pass, r->root_number - first + 1);
    for (int i = 0; i < r->n && status == REEL_OK; i++)
        if (in_reach(r, r->xs[i]) && !reel_sink_is_empty(reel_pass_sink(&pass, r->xs[i])))
            status = give(reel_pass_sink(&pass, r->xs[i]), &out[i]);
    tape->passes--;
    tape->pass = outer;
    /* What a hook or a rule began and did not end goes on no longer. */
    tape->scope = scope;
    tape->no_grad = no_grad;

    if (status != REEL_OK && r->into_params)
        abandon_params(r);
    if (status != REEL_OK || r->n > 0)
        for (size_t i = 0; i < count; i++)
            reel_sink_release(&pass.sinks[i]);
    reel_scratch_release(&c->scratch, pass.sinks);
    return status;
}

reel_status reel_backward(reel_tape *tape, reel_var loss, reel_params *params)
{
    struct reel_node *root = reel_tape_node(tape, loss, "backward");
    if (!root)
        return reel_context_status(reel_tape_context(tape));
    if (root->array.dtype != REEL_REAL || root->array.numel != 1)
        return reel_fail(tape->context, REEL_ERROR_SHAPE,
                         "backward: the loss must be real with one element, it is %s with %lld",
                         reel_dtype_name(root->array.dtype), (long long)root->array.numel);
    if (params && reel_params_expect_own(params, "backward") != REEL_OK)
        return REEL_ERROR_STATE;
    if (tape->segment)
        return reel_fail(tape->context, REEL_ERROR_STATE,
                         "backward: not possible inside a segment of recompute, which would add its gradients twice");
    struct request r = {.tape = tape, .root = root, .root_number = loss.number, .into_params = true, .params = params};
    return run(&r, NULL);
}

reel_status reel_vjp(reel_tape *tape, reel_var y, reel_var grad_output, const reel_var *xs, int n, unsigned flags,
                     reel_var *out)
{
    for (int i = 0; out && i < n; i++)
        out[i] = reel_null();
    struct reel_node *root = reel_tape_node(tape, y, "grad");
    if (!root)
        return reel_context_status(reel_tape_context(tape));
    if (n < 0 || (n > 0 && (!xs || !out)))
        return reel_fail(tape->context, REEL_ERROR_ARGUMENT, "grad: %d vars, at a NULL pointer", n);
    if (root->array.dtype != REEL_REAL)
        return reel_fail(tape->context, REEL_ERROR_DTYPE, "grad: y is %s, not real",
                         reel_dtype_name(root->array.dtype));
    if (reel_is_null(grad_output)) {
        if (root->array.numel != 1)
            return reel_fail(tape->context, REEL_ERROR_SHAPE, "grad: y has %lld elements and no grad_output",
                             (long long)root->array.numel);
    } else {
        struct reel_node *grad = reel_tape_node(tape, grad_output, "grad");
        if (!grad)
            return tape->context->status;
        if (grad->array.dtype != REEL_REAL || !reel_shape_equal(&grad->array.shape, &root->array.shape))
            return reel_fail(tape->context, REEL_ERROR_SHAPE, "grad: grad_output has another shape or type than y");
    }
    for (int i = 0; i < n; i++) {
        struct reel_node *x = reel_tape_node(tape, xs[i], "grad");
        if (!x)
            return tape->context->status;
        if (x->array.dtype != REEL_REAL)
            return reel_fail(tape->context, REEL_ERROR_DTYPE, "grad: x %d is %s, not real", i,
                             reel_dtype_name(x->array.dtype));
    }
    struct request r = {.tape = tape,
                        .root = root,
                        .root_number = y.number,
                        .grad_output = grad_output,
                        .graph = flags & REEL_GRAD_CREATE_GRAPH,
                        .xs = xs,
                        .n = n};
    reel_status status = run(&r, out);
    for (int i = 0; i < n && status == REEL_OK; i++)
        if (reel_is_null(out[i]) && !(flags & REEL_GRAD_ALLOW_UNUSED))
            status = reel_fail(tape->context, REEL_ERROR_ARGUMENT, "grad: y does not depend on x %d", i);
    for (int i = 0; i < n && status != REEL_OK; i++)
        out[i] = reel_null();
    return status;
}

reel_status reel_grad(reel_tape *tape, reel_var y, const reel_var *xs, int n, unsigned flags, reel_var *out)
{
    return reel_vjp(tape, y, reel_null(), xs, n, flags, out);
}
