/* Segments that are computed again in a backward pass: what is remembered of the first time, and the second. */
#include "core/recompute.h"

#include "core/params.h"

#include <string.h>

/* Attributes of the call that stands for a segment. Its inputs are the kept outputs, which its own alias; the inputs
 * of the segment; and what else it used from outside: vars, ascending, and those of params. */
struct recomputation {
    reel_segment_function segment;
    void *user;
    int n_given;
    uint64_t seed, philox_draws;
    const struct reel_generator *generator; /* as it was; NULL: it was not drawn from */
};

static reel_status keep_shapes(reel_call *call)
{
    for (int i = 0; i < call->n_outputs; i++)
        *call->out[i] = *call->in[i];
    return REEL_OK;
}

/* Outputs without elements may have no memory to alias. */
static reel_status keep_nothing(reel_call *call)
{
    (void)call;
    return REEL_OK;
}

/* reads_rows: nothing of a param is read here, but when the segment runs. */
#define RECOMPUTE(n)                                                                                                   \
    {                                                                                                                  \
        .name = "recompute", .n_inputs = n, .variadic = true, .n_outputs = n, .differentiable = 1, .reads_inputs = 1,  \
        .reads_rows = 1, .attributes_size = sizeof(struct recomputation), .shape = keep_shapes,                        \
        .forward = keep_nothing                                                                                        \
    }
static const reel_op recompute_ops[REEL_MAX_OUTPUTS] = {RECOMPUTE(1), RECOMPUTE(2), RECOMPUTE(3), RECOMPUTE(4)};

bool reel_is_recomputation(const reel_call *call)
{
    return call->op->shape == keep_shapes;
}

bool reel_is_recomputing(const reel_tape *tape)
{
    return tape && tape->segment && tape->segment->again;
}

/* ---- What a segment uses from outside ---- */

/* A growing set of vars, ascending. */
struct externals {
    reel_var *vars;
    int64_t count, capacity;
};

/* The place of the var, or where it belongs. */
static int64_t place_of(const reel_var *vars, int64_t count, reel_var v)
{
    int64_t low = 0, high = count;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (vars[middle].number < v.number)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void insert(struct externals *e, reel_var v)
{
    int64_t at = place_of(e->vars, e->count, v);
    if (at < e->count && e->vars[at].number == v.number)
        return;
    memmove(e->vars + at + 1, e->vars + at, (size_t)(e->count - at) * sizeof *e->vars);
    e->vars[at] = v;
    e->count++;
}

/* The param that the var itself stands for, of which a later run of the segment has to find this var again. */
static reel_param *leaf_of(const struct reel_node *node)
{
    return !node->call && !node->is_cut && node->param && !node->param->set->shared ? node->param : NULL;
}

/* Vars before `first` that those from there on were computed from, and params that were first used there: each a block
 * of scratch. */
static reel_status find_externals(reel_tape *tape, int64_t first, struct externals *e, reel_param ***params,
                                  int64_t *n_params)
{
    struct reel_scratch *scratch = &tape->context->scratch;
    int64_t uses = 0, leaves = 0;
    for (int64_t i = first; i < tape->count; i++) {
        const reel_call *call = tape->nodes[i]->call;
        uses += call && tape->nodes[i]->output == 0 ? call->n_inputs : 0;
        leaves += leaf_of(tape->nodes[i]) != NULL;
    }
    size_t bytes = (size_t)(uses + leaves) * sizeof *e->vars, param_bytes = (size_t)leaves * sizeof **params;
    e->capacity = uses + leaves;
    e->count = *n_params = 0;
    e->vars = reel_scratch_allocate(scratch, bytes);
    *params = reel_scratch_allocate(scratch, param_bytes);
    if (!e->vars || !*params)
        return reel_fail_memory(tape->context, "recompute", bytes + param_bytes);
    for (int64_t i = first; i < tape->count; i++) {
        const struct reel_node *node = tape->nodes[i];
        const reel_call *call = node->call;
        for (int k = 0; call && node->output == 0 && k < call->n_inputs; k++)
            if (call->inputs[k].number < first)
                insert(e, call->inputs[k]);
        if (leaf_of(node))
            (*params)[(*n_params)++] = leaf_of(node);
    }
    return REEL_OK;
}

/* ---- The first time ---- */

/* Runs the function; false with the error recorded when it failed, or its outputs are none. The scope that was begun
 * before, if there is one, must be the innermost afterwards. */
static bool run_segment(reel_tape *tape, const struct recomputation *r, bool again, const reel_var *inputs,
                        reel_var *outputs, int n_outputs)
{
    struct reel_segment segment = {tape->segment, tape->count, again || reel_is_recomputing(tape)};
    const struct reel_scope *scope = tape->scope;
    int no_grad = tape->no_grad;
    for (int i = 0; i < n_outputs; i++)
        outputs[i] = reel_null();
    tape->segment = &segment;
    r->segment(tape, inputs, outputs, r->user);
    tape->segment = segment.outer;
    if (tape->context->status == REEL_OK && (tape->scope != scope || tape->no_grad != no_grad))
        reel_fail(tape->context, REEL_ERROR_STATE,
                  "recompute: the segment began and did not end a scope or no_grad, or the other way round");
    for (int i = 0; i < n_outputs; i++)
        if (!reel_tape_node(tape, outputs[i], "recompute"))
            return false;
    return true;
}

/* The call whose outputs stand for those that were kept. */
static reel_status record(reel_tape *tape, const struct recomputation *r, const reel_var *inputs,
                          const struct externals *e, reel_var *outputs, int n_outputs)
{
    struct reel_scratch *scratch = &tape->context->scratch;
    int64_t n = n_outputs + r->n_given + e->count;
    reel_var *all = reel_scratch_allocate(scratch, (size_t)n * sizeof *all);
    if (!all)
        return reel_fail_memory(tape->context, "recompute", (size_t)n * sizeof *all);
    memcpy(all, outputs, (size_t)n_outputs * sizeof *all);
    if (r->n_given > 0)
        memcpy(all + n_outputs, inputs, (size_t)r->n_given * sizeof *all);
    memcpy(all + n_outputs + r->n_given, e->vars, (size_t)e->count * sizeof *all);
    reel_status status = reel_apply(tape, &recompute_ops[n_outputs - 1], all, (int)n, r, outputs);
    for (int i = 0; i < n_outputs && status == REEL_OK; i++) {
        struct reel_node *node = tape->nodes[outputs[i].number];
        node->param = tape->nodes[all[i].number]->param;
        node->version = tape->nodes[all[i].number]->version;
    }
    reel_scratch_release(scratch, all);
    return status;
}

/* Keeps the outputs, gives up the rest of the scope, and records the call. */
static reel_status close_segment(reel_tape *tape, struct recomputation *r, int64_t first, const reel_var *inputs,
                                 reel_var *outputs, int n_outputs, const struct reel_generator *before)
{
    reel_context *c = tape->context;
    struct externals e = {NULL, 0, 0};
    reel_param **params = NULL;
    int64_t n_params = 0;
    if (find_externals(tape, first, &e, &params, &n_params) == REEL_OK &&
        reel_scope_close(tape, outputs, n_outputs) == REEL_OK) {
        for (int64_t i = 0; i < n_params; i++) {
            reel_var v = reel_param_var(tape, params[i]);
            if (!reel_is_null(v))
                insert(&e, v);
        }
        if (memcmp(before, &c->generator, sizeof *before) != 0) {
            struct reel_generator *generator = reel_arena_allocate(&tape->arena, sizeof *generator);
            if (generator)
                *generator = *before;
            else
                reel_fail_memory(c, "recompute", sizeof *generator);
            r->generator = generator;
        }
        if (c->status == REEL_OK)
            record(tape, r, inputs, &e, outputs, n_outputs);
    }
    reel_scratch_release(&c->scratch, params);
    reel_scratch_release(&c->scratch, e.vars);
    return c->status;
}

/* reel_recompute for good arguments. `inputs` does not overlap `outputs`. */
static reel_status recompute(reel_tape *tape, struct recomputation *r, const reel_var *inputs, reel_var *outputs,
                             int n_outputs)
{
    reel_context *c = tape->context;
    if (tape->no_grad > 0) {
        run_segment(tape, r, false, inputs, outputs, n_outputs);
        return c->status;
    }
    struct reel_generator *before = reel_scratch_allocate(&c->scratch, sizeof *before);
    if (!before)
        return reel_fail_memory(c, "recompute", sizeof *before);
    memcpy(before, &c->generator, sizeof *before);
    struct reel_scope *outer = tape->scope;
    if (reel_scope_begin(tape) == REEL_OK) {
        int64_t first = tape->count;
        int no_grad = tape->no_grad;
        tape->scope->passes = -1; /* nobody else ends it */
        if (run_segment(tape, r, false, inputs, outputs, n_outputs))
            close_segment(tape, r, first, inputs, outputs, n_outputs, before);
        tape->scope = outer;
        tape->no_grad = no_grad;
    }
    reel_scratch_release(&c->scratch, before);
    return c->status;
}

reel_status reel_recompute(reel_tape *tape, reel_segment_function segment, void *user, const reel_var *inputs,
                           int n_inputs, reel_var *outputs, int n_outputs)
{
    if (!tape || tape->context->status != REEL_OK) {
        for (int i = 0; outputs && i < n_outputs && i < REEL_MAX_OUTPUTS; i++)
            outputs[i] = reel_null();
        return tape ? tape->context->status : REEL_ERROR_ARGUMENT;
    }
    reel_context *c = tape->context;
    if (!segment || !outputs || (!inputs && n_inputs > 0) || n_inputs < 0)
        return reel_fail(c, REEL_ERROR_ARGUMENT, "recompute: %d inputs, or the segment, inputs or outputs are NULL",
                         n_inputs);
    if (n_outputs < 1 || n_outputs > REEL_MAX_OUTPUTS)
        return reel_fail(c, REEL_ERROR_ARGUMENT, "recompute: %d outputs, 1..%d are possible", n_outputs,
                         REEL_MAX_OUTPUTS);
    if (!reel_tape_is_open(tape, "recompute"))
        return c->status;
    size_t bytes = (size_t)n_inputs * sizeof *inputs;
    reel_var *given = reel_scratch_allocate(&c->scratch, bytes), results[REEL_MAX_OUTPUTS];
    if (!given)
        return reel_fail_memory(c, "recompute", bytes);
    for (int i = 0; i < n_inputs; i++) {
        given[i] = inputs[i];
        reel_tape_node(tape, given[i], "recompute");
    }
    struct recomputation r = {.segment = segment,
                              .user = user,
                              .n_given = n_inputs,
                              .seed = c->generator.seed,
                              .philox_draws = c->philox_draws};
    if (c->status == REEL_OK)
        recompute(tape, &r, given, results, n_outputs);
    for (int i = 0; i < n_outputs; i++)
        outputs[i] = c->status == REEL_OK ? results[i] : reel_null();
    reel_scratch_release(&c->scratch, given);
    return c->status;
}

/* ---- The second time ---- */

/* What is not the segment's, and is put back after it. */
struct outside {
    struct reel_generator *generator; /* NULL: the segment leaves it alone */
    uint64_t seed, philox_draws;
    struct leaf {
        reel_var var;
        uint64_t version;
    } * leaves; /* of the params among the inputs of the call */
};

/* Generator and dropout as they were; the vars of params are those that the call has, whose values may have been kept
 * from a change (core/preserve.c). */
static reel_status go_back(const reel_call *call, struct outside *now)
{
    const struct recomputation *r = call->attributes;
    reel_context *c = call->context;
    *now = (struct outside){.seed = c->generator.seed, .philox_draws = c->philox_draws};
    now->leaves = reel_call_temporary(call, (size_t)call->n_inputs * sizeof *now->leaves);
    now->generator = r->generator ? reel_call_temporary(call, sizeof *now->generator) : NULL;
    if (!now->leaves || (r->generator && !now->generator))
        return c->status;
    if (r->generator) {
        *now->generator = c->generator;
        c->generator = *r->generator;
    }
    c->generator.seed = r->seed;
    c->philox_draws = r->philox_draws;
    for (int k = 0; k < call->n_inputs; k++) {
        reel_param *param = leaf_of(call->tape->nodes[call->inputs[k].number]);
        if (!param)
            continue;
        now->leaves[k] = (struct leaf){param->leaf, param->leaf_version};
        param->leaf = call->inputs[k];
        param->leaf_version = param->version;
    }
    return REEL_OK;
}

/* In reverse, since a param may be among the inputs twice. */
static void return_to(const reel_call *call, const struct outside *now)
{
    reel_context *c = call->context;
    if (now->generator)
        c->generator = *now->generator;
    c->generator.seed = now->seed;
    c->philox_draws = now->philox_draws;
    for (int k = call->n_inputs; k-- > 0;) {
        reel_param *param = leaf_of(call->tape->nodes[call->inputs[k].number]);
        if (!param)
            continue;
        param->leaf = now->leaves[k].var;
        param->leaf_version = now->leaves[k].version;
    }
}

static reel_status fail_external(reel_context *context)
{
    return reel_fail(context, REEL_ERROR_STATE, "recompute: the segment uses a var from outside the second time only");
}

/* Whether the segment did what it did the first time, as far as can be seen: the same outputs, from nothing that the
 * call does not have. */
static reel_status expect_same(const reel_call *call, int64_t first, const reel_var *outputs)
{
    const struct recomputation *r = call->attributes;
    const reel_tape *tape = call->tape;
    const int own = call->n_outputs + r->n_given;
    const reel_var *externals = call->inputs + own;
    for (int i = 0; i < call->n_outputs; i++) {
        const reel_array *now = &tape->nodes[outputs[i].number]->array, *before = call->out[i];
        if (now->dtype != before->dtype || !reel_shape_equal(&now->shape, &before->shape))
            return reel_fail(tape->context, REEL_ERROR_STATE,
                             "recompute: output %d of the segment has another shape or type the second time", i);
        bool known = outputs[i].number >= first;
        for (int k = 0; k < call->n_inputs && !known; k++)
            known = call->inputs[k].number == outputs[i].number;
        if (!known)
            return fail_external(tape->context);
    }
    for (int64_t i = first; i < tape->count; i++) {
        const struct reel_node *node = tape->nodes[i];
        const reel_param *param = leaf_of(node);
        if (param)
            return reel_fail(tape->context, REEL_ERROR_STATE,
                             "recompute: the segment uses param \"%s\" the second time only", param->name);
        for (int k = 0; node->call && node->output == 0 && k < node->call->n_inputs; k++) {
            reel_var v = node->call->inputs[k];
            int64_t n = call->n_inputs - own, at = v.number < first ? place_of(externals, n, v) : 0;
            if (v.number < first && (at == n || externals[at].number != v.number))
                return fail_external(tape->context);
        }
    }
    return REEL_OK;
}

reel_status reel_recompute_gradients(struct reel_pass *pass, const reel_call *call)
{
    reel_tape *tape = pass->tape;
    struct outside now;
    reel_var outputs[REEL_MAX_OUTPUTS];
    if (go_back(call, &now) != REEL_OK)
        return tape->context->status;
    struct reel_scope piece = {tape->scope, reel_arena_mark(&tape->arena), tape->count, tape->no_grad, -1, false};
    if (!pass->graph) {
        tape->scope = &piece;
        tape->recomputations++;
    }
    tape->no_grad = 0;
    bool ran = run_segment(tape, call->attributes, true, call->inputs + call->n_outputs, outputs, call->n_outputs);
    tape->no_grad = piece.no_grad;
    return_to(call, &now);
    if (ran && expect_same(call, piece.count, outputs) == REEL_OK)
        reel_pass_through(pass, (uint32_t)piece.count, call, outputs);
    if (pass->graph)
        return tape->context->status;
    tape->recomputations--;
    tape->scope = piece.outer;
    if (!piece.pinned) {
        tape->count = piece.count;
        tape->generation = reel_next_generation(tape->context);
        reel_arena_rewind(&tape->arena, piece.mark);
    }
    return tape->context->status;
}
