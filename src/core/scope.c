/* Scopes of a tape: pieces of it that are given up before the reset, except for the vars that are kept. */
#include "core/gradient.h"
#include "core/tape.h"

#include <string.h>

reel_status reel_scope_begin(reel_tape *tape)
{
    if (!tape || tape->context->status != REEL_OK)
        return tape ? tape->context->status : REEL_ERROR_ARGUMENT;
    if (!reel_tape_is_open(tape, "scope_begin"))
        return tape->context->status;
    struct reel_arena_mark mark = reel_arena_mark(&tape->arena);
    struct reel_scope *scope = reel_arena_allocate(&tape->arena, sizeof *scope);
    if (!scope)
        return reel_fail_memory(tape->context, "a scope", sizeof *scope);
    *scope = (struct reel_scope){tape->scope, mark, tape->count, tape->no_grad, tape->passes, false};
    tape->scope = scope;
    return REEL_OK;
}

void reel_tape_pin(reel_tape *tape, int64_t number)
{
    for (struct reel_scope *scope = tape->scope; scope; scope = scope->outer)
        scope->pinned = scope->pinned || number < scope->count;
}

/* Whether the scope's end takes the var's elements. */
static bool goes(const reel_tape *tape, const struct reel_scope *scope, const struct reel_node *node)
{
    return !scope->pinned && reel_arena_is_newer(&tape->arena, scope->mark, node->array.data);
}

/* Copies the nodes of the vars, and the elements that would go, out of the scope. The block is one of scratch; NULL
 * with the error recorded. */
static struct reel_node *save(reel_tape *tape, const struct reel_scope *scope, const reel_var *vars, int n)
{
    size_t size = (size_t)n * sizeof(struct reel_node);
    for (int i = 0; i < n; i++) {
        const struct reel_node *node = reel_tape_node(tape, vars[i], "scope_end");
        if (!node)
            return NULL;
        if (goes(tape, scope, node))
            size += (size_t)node->array.numel * reel_dtype_size(node->array.dtype);
    }
    struct reel_node *saved = reel_scratch_allocate(&tape->context->scratch, size);
    if (!saved) {
        reel_fail_memory(tape->context, "the vars that a scope keeps", size);
        return NULL;
    }
    char *elements = (char *)(saved + n);
    for (int i = 0; i < n; i++) {
        saved[i] = *tape->nodes[vars[i].number];
        if (!goes(tape, scope, &saved[i]))
            continue;
        size_t bytes = (size_t)saved[i].array.numel * reel_dtype_size(saved[i].array.dtype);
        memcpy(elements, saved[i].array.data, bytes);
        saved[i].array.data = NULL;
        elements += bytes;
    }
    return saved;
}

/* The vars as constants of what is now the end of the tape. */
static void restore(reel_tape *tape, int64_t count, const struct reel_node *saved, reel_var *vars, int n)
{
    const char *elements = (const char *)(saved + n);
    for (int i = 0; i < n; i++) {
        if (vars[i].number < count)
            continue;
        const reel_array *array = &saved[i].array;
        struct reel_node *node = array->data
                                     ? reel_tape_add(tape, array->dtype, &array->shape, "scope_end", &vars[i])
                                     : reel_tape_add_array(tape, array->dtype, &array->shape, "scope_end", &vars[i]);
        if (!node)
            return;
        node->is_cut = true;
        if (array->data) {
            node->array.data = array->data;
            node->param = saved[i].param;
            node->version = saved[i].version;
        } else {
            size_t bytes = (size_t)array->numel * reel_dtype_size(array->dtype);
            memcpy(node->array.data, elements, bytes);
            elements += bytes;
        }
    }
}

reel_status reel_scope_end(reel_tape *tape, reel_var *vars, int n)
{
    if (!tape || tape->context->status != REEL_OK)
        return tape ? tape->context->status : REEL_ERROR_ARGUMENT;
    if (!reel_tape_is_open(tape, "scope_end"))
        return tape->context->status;
    reel_tape_expect_sound(tape);
    reel_context *c = tape->context;
    const struct reel_scope *scope = tape->scope;
    if (n < 0 || (n > 0 && !vars))
        return reel_fail(c, REEL_ERROR_ARGUMENT, "scope_end: %d vars, at a NULL pointer", n);
    if (!scope || scope->passes != tape->passes)
        return reel_fail(c, REEL_ERROR_STATE, "scope_end: %s",
                         scope ? "a backward pass walks the vars of the scope" : "no scope has begun");
    return reel_params_keep_pending(tape) == REEL_OK ? reel_scope_close(tape, vars, n) : c->status;
}

reel_status reel_scope_close(reel_tape *tape, reel_var *vars, int n)
{
    reel_context *c = tape->context;
    const struct reel_scope *scope = tape->scope;
    struct reel_node *saved = save(tape, scope, vars, n);
    if (!saved)
        return c->status;
    const int64_t count = scope->count;
    const struct reel_arena_mark mark = scope->mark;
    tape->no_grad = scope->no_grad;
    tape->scope = scope->outer;
    if (!scope->pinned) {
        tape->count = count;
        tape->generation = reel_next_generation(c);
        reel_arena_rewind(&tape->arena, mark);
    }
    restore(tape, count, saved, vars, n);
    reel_scratch_release(&c->scratch, saved);
    return c->status;
}
