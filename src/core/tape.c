/* The tape: its vars and their lives, scopes, and reading. */
#include "core/tape.h"

#include "base/bfloat16.h"
#include "base/checked.h"
#include "core/dlpack.h"
#include "core/params.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#ifndef NDEBUG
/* FNV-1a, eight bytes at a time. */
static uint64_t checksum(const reel_array *array)
{
    const unsigned char *bytes = array->data;
    size_t left = (size_t)array->numel * reel_dtype_size(array->dtype);
    uint64_t sum = 0xcbf29ce484222325u;
    while (left > 0) {
        uint64_t word = 0;
        size_t size = left < sizeof word ? left : sizeof word;
        memcpy(&word, bytes, size);
        sum = (sum ^ word) * 0x100000001b3u;
        bytes += size;
        left -= size;
    }
    return sum;
}
#endif

void reel_node_expect_bools(const struct reel_node *node)
{
    (void)node;
#ifndef NDEBUG
    const unsigned char *bytes = node->array.data;
    for (int64_t i = 0; node->array.dtype == REEL_BOOL && i < node->array.numel; i++)
        assert(bytes[i] <= 1 && "borrowed bools are 0 or 1");
#endif
}

void reel_node_note_borrowed(struct reel_node *node)
{
    reel_node_expect_bools(node);
#ifndef NDEBUG
    node->is_borrowed = true;
    node->checksum = checksum(&node->array);
#endif
}

void reel_tape_expect_sound(const reel_tape *tape)
{
    reel_context_expect_owner(tape->context);
    assert(tape->count <= tape->capacity && tape->no_grad >= 0 && tape->passes >= 0);
#ifndef NDEBUG
    for (int64_t i = 0; i < tape->count; i++) {
        const struct reel_node *node = tape->nodes[i];
        const reel_call *call = node->call;
        assert(node->first <= i && (node->array.data || node->array.numel == 0) &&
               "a var has elements, and depends on none after it");
        assert(node->array.numel == reel_shape_numel(&node->array.shape) && "the elements are those of the shape");
        assert((!node->is_borrowed || node->checksum == checksum(&node->array)) &&
               "what is borrowed stays as it is until the reset");
        assert((!call || call->outputs[node->output].number == i) && "a var is an output of what computed it");
        for (int k = 0; call && k < call->n_inputs; k++)
            assert(call->inputs[k].number < i && "inputs stand before outputs");
    }
#endif
}

reel_tape *reel_tape_new(reel_context *context)
{
    if (!context || context->status != REEL_OK)
        return NULL;
    reel_tape *tape = reel_allocate_zeroed(&context->memory, sizeof *tape);
    if (!tape) {
        reel_fail_memory(context, "a tape", sizeof *tape);
        return NULL;
    }
    tape->context = context;
    tape->next = context->tapes;
    context->tapes = tape;
    tape->generation = reel_next_generation(context);
    reel_arena_init(&tape->arena, &context->memory);
    return tape;
}

void reel_tape_free(reel_tape *tape)
{
    if (!tape || !reel_tape_is_idle(tape, "tape_free"))
        return;
    reel_tape_expect_sound(tape);
    reel_params_drop_pending(tape);
    reel_tape_delete_imports(tape);
    struct reel_tape **link = &tape->context->tapes;
    while (*link != tape)
        link = &(*link)->next;
    *link = tape->next;
    reel_arena_free(&tape->arena);
    reel_free(&tape->context->memory, tape->nodes);
    reel_free(&tape->context->memory, tape);
}

void reel_tape_forget_params(reel_tape *tape, const reel_params *params, const reel_param *param)
{
    const uint64_t stale = reel_next_generation(tape->context); /* of no var */
    for (int64_t i = 0; i < tape->count; i++) {
        struct reel_node *node = tape->nodes[i];
        bool goes = node->param && (param ? node->param == param : node->param->set == params);
        if (goes) {
            node->param = NULL;
            node->is_param = false;
        }
        for (int k = 0; node->call && !goes && k < node->call->n_inputs; k++)
            goes = tape->nodes[node->call->inputs[k].number]->generation == stale;
        if (goes)
            node->generation = stale;
    }
}

const char *reel_draw_name(enum reel_draw draw)
{
    static const char *const names[] = {"nothing", "rand", "randn", "exponential", "randint", "randperm", "alias_draw"};
    return names[draw];
}

reel_context *reel_tape_context(const reel_tape *tape)
{
    return tape ? tape->context : NULL;
}

reel_status reel_tape_reset(reel_tape *tape)
{
    if (!tape)
        return REEL_ERROR_ARGUMENT;
    if (!reel_tape_is_idle(tape, "tape_reset"))
        return tape->context->status;
    reel_tape_expect_sound(tape);
    /* A failure of the step must not keep pending row gradients from being saved, so it is set aside meanwhile. */
    reel_status status = tape->context->status;
    tape->context->status = REEL_OK; /* the text stays */
    reel_status saved = reel_params_keep_pending(tape);
    if (saved != REEL_OK)
        return saved; /* nothing is lost: free some memory and call again */
    reel_tape_delete_imports(tape);
    tape->count = 0;
    tape->no_grad = 0;
    tape->scope = NULL;
    tape->generation = reel_next_generation(tape->context);
    reel_arena_reset(&tape->arena);
    reel_scratch_merge(&tape->context->scratch);
    return status;
}

bool reel_tape_is_open(reel_tape *tape, const char *who)
{
    if (!tape->applying)
        return true;
    reel_fail(tape->context, REEL_ERROR_STATE, "%s: not possible inside an operation's shape or forward", who);
    return false;
}

bool reel_tape_is_idle(reel_tape *tape, const char *who)
{
    if (tape->passes == 0 && !tape->segment)
        return reel_tape_is_open(tape, who);
    reel_fail(tape->context, REEL_ERROR_STATE, "%s: not possible inside %s", who,
              tape->passes > 0 ? "a backward pass, which walks the tape" : "a segment of recompute");
    return false;
}

void reel_no_grad_begin(reel_tape *tape)
{
    if (tape)
        tape->no_grad++;
}

void reel_no_grad_end(reel_tape *tape)
{
    if (tape && tape->no_grad > 0)
        tape->no_grad--;
}

struct reel_node *reel_tape_node(reel_tape *tape, reel_var v, const char *who)
{
    if (!tape || tape->context->status != REEL_OK)
        return NULL;
    if (reel_tape_holds(tape, v))
        return tape->nodes[v.number];
    if (reel_is_null(v))
        reel_fail(tape->context, REEL_ERROR_ARGUMENT, "%s: the var is null", who);
    else
        reel_fail(
            tape->context, REEL_ERROR_STALE,
            "%s: var %u of generation %llu is not on this tape (generation %llu, %lld vars): it was kept across a "
            "reset or the end of its scope, its param set was freed, or it belongs to another tape",
            who, v.number, (unsigned long long)v.generation, (unsigned long long)tape->generation,
            (long long)tape->count);
    return NULL;
}

/* A var of any type, bfloat16 included. */
static struct reel_node *add(reel_tape *tape, reel_dtype dtype, const reel_shape *shape, const char *who, reel_var *v)
{
    *v = reel_null();
    if (!tape || tape->context->status != REEL_OK || !reel_tape_is_open(tape, who))
        return NULL;
    reel_context_expect_owner(tape->context);
    int64_t numel = reel_shape_numel(shape);
    if (numel < 0) {
        if (shape->ndim < 0 || shape->ndim > REEL_MAX_NDIM)
            reel_fail(tape->context, REEL_ERROR_SHAPE, "%s: %d axes, at most %d are possible", who, shape->ndim,
                      REEL_MAX_NDIM);
        else
            reel_fail(tape->context, REEL_ERROR_SHAPE, "%s: a size is negative or the shape has too many elements",
                      who);
        return NULL;
    }
    struct reel_node *node = NULL;
    if (tape->count < UINT32_MAX && reel_grow(&tape->context->memory, (void **)&tape->nodes, tape->count,
                                              &tape->capacity, tape->count + 1, sizeof *tape->nodes))
        node = reel_arena_allocate(&tape->arena, sizeof *node);
    if (!node) {
        reel_fail_memory(tape->context, who, sizeof *node);
        return NULL;
    }
    node->array.data = NULL;
    node->array.dtype = dtype;
    node->array.numel = numel;
    node->array.shape = *shape;
    node->call = NULL;
    node->output = 0;
    node->generation = tape->generation;
    node->first = (uint32_t)tape->count;
    node->version = 0;
    node->param = NULL;
    node->is_param = false;
    node->is_cut = false;
    node->drawn_by = REEL_DRAW_NONE;
    node->hooks = NULL;
    reel_node_borrows_nothing(node);
    *v = (reel_var){(uint32_t)tape->count, tape->generation};
    tape->nodes[tape->count++] = node;
    return node;
}

struct reel_node *reel_tape_add(reel_tape *tape, reel_dtype dtype, const reel_shape *shape, const char *who,
                                reel_var *v)
{
    if (dtype != REEL_BFLOAT16)
        return add(tape, dtype, shape, who, v);
    *v = reel_null();
    if (tape && tape->context->status == REEL_OK)
        reel_fail(tape->context, REEL_ERROR_DTYPE, "%s: only params are bfloat16", who);
    return NULL;
}

struct reel_node *reel_tape_add_array(reel_tape *tape, reel_dtype dtype, const reel_shape *shape, const char *who,
                                      reel_var *v)
{
    struct reel_arena_mark mark = {0};
    if (tape)
        mark = reel_arena_mark(&tape->arena);
    struct reel_node *node = reel_tape_add(tape, dtype, shape, who, v);
    if (!node)
        return NULL;
    size_t bytes;
    if (!reel_multiply_size(node->array.numel, reel_dtype_size(dtype), &bytes))
        bytes = SIZE_MAX;
    node->array.data = reel_arena_allocate(&tape->arena, bytes);
    if (!node->array.data) {
        tape->count--;
        reel_arena_rewind(&tape->arena, mark);
        *v = reel_null();
        reel_fail_memory(tape->context, who, bytes);
        return NULL;
    }
    return node;
}

reel_var reel_tape_wrap(reel_tape *tape, const void *data, reel_dtype dtype, const reel_shape *shape)
{
    reel_var v;
    struct reel_node *node = add(tape, dtype, shape, "a view", &v);
    if (node)
        node->array.data = (void *)(uintptr_t)data;
    return v;
}

const void *reel_node_elements(const struct reel_node *node)
{
    if (node->param)
        reel_param_before_read_all(node->param);
    return node->array.data;
}

const void *reel_data(reel_tape *tape, reel_var v)
{
    struct reel_node *node = reel_tape_node(tape, v, "data");
    return node ? reel_node_elements(node) : NULL;
}

static const void *data_of_type(reel_tape *tape, reel_var v, reel_dtype dtype, const char *who)
{
    struct reel_node *node = reel_tape_node(tape, v, who);
    if (!node)
        return NULL;
    if (node->array.dtype != dtype) {
        reel_fail(tape->context, REEL_ERROR_DTYPE, "%s: the var has element type %s", who,
                  reel_dtype_name(node->array.dtype));
        return NULL;
    }
    return reel_node_elements(node);
}

const reel_real *reel_data_real(reel_tape *tape, reel_var v)
{
    return data_of_type(tape, v, REEL_REAL, "data_real");
}

const int64_t *reel_data_int64(reel_tape *tape, reel_var v)
{
    return data_of_type(tape, v, REEL_INT64, "data_int64");
}

reel_dtype reel_dtype_of(reel_tape *tape, reel_var v)
{
    struct reel_node *node = reel_tape_node(tape, v, "dtype_of");
    return node ? node->array.dtype : REEL_REAL;
}

reel_shape reel_shape_of(reel_tape *tape, reel_var v)
{
    struct reel_node *node = reel_tape_node(tape, v, "shape_of");
    return node ? node->array.shape : (reel_shape){.ndim = -1};
}

int64_t reel_size(reel_tape *tape, reel_var v, int axis)
{
    struct reel_node *node = reel_tape_node(tape, v, "size");
    if (!node)
        return -1;
    int ndim = node->array.shape.ndim;
    if (axis < -ndim || axis >= ndim) {
        reel_fail(tape->context, REEL_ERROR_ARGUMENT, "size: axis %d is outside %d..%d", axis, -ndim, ndim - 1);
        return -1;
    }
    return node->array.shape.dim[axis < 0 ? axis + ndim : axis];
}

int64_t reel_numel(reel_tape *tape, reel_var v)
{
    struct reel_node *node = reel_tape_node(tape, v, "numel");
    return node ? node->array.numel : -1;
}

double reel_item(reel_tape *tape, reel_var v)
{
    struct reel_node *node = reel_tape_node(tape, v, "item");
    if (!node)
        return NAN;
    if (node->array.numel != 1) {
        reel_fail(tape->context, REEL_ERROR_SHAPE, "item: the var has %lld elements, not 1",
                  (long long)node->array.numel);
        return NAN;
    }
    const void *element = reel_node_elements(node);
    switch (node->array.dtype) {
    case REEL_REAL:
        return *(const reel_real *)element;
    case REEL_INT64:
        return (double)*(const int64_t *)element;
    case REEL_INT32:
        return *(const int32_t *)element;
    case REEL_BOOL:
        return *(const bool *)element;
    case REEL_BFLOAT16:
        return (double)reel_bfloat16_value(*(const uint16_t *)element);
    }
    return NAN;
}

reel_var reel_detach(reel_tape *tape, reel_var v)
{
    struct reel_node *node = reel_tape_node(tape, v, "detach");
    if (!node)
        return reel_null();
    reel_var detached = reel_tape_wrap(tape, node->array.data, node->array.dtype, &node->array.shape);
    if (!reel_is_null(detached)) {
        tape->nodes[detached.number]->is_cut = true;
        tape->nodes[detached.number]->param = node->param;
        tape->nodes[detached.number]->version = node->version;
    }
    return detached;
}

reel_tape_statistics reel_tape_stats(const reel_tape *tape)
{
    return tape ? tape->statistics : (reel_tape_statistics){0, 0, 0, 0, 0};
}

int64_t reel_tape_count(const reel_tape *tape)
{
    return tape ? tape->count : 0;
}

const reel_call *reel_tape_call(const reel_tape *tape, int64_t number)
{
    if (!tape || number < 0 || number >= tape->count || tape->nodes[number]->output != 0)
        return NULL;
    return tape->nodes[number]->call;
}

const reel_param *reel_call_param(const reel_call *call, int input)
{
    if (!call || input < 0 || input >= call->n_inputs)
        return NULL;
    return call->tape->nodes[call->inputs[input].number]->param;
}
