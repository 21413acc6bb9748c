/* Keeping the old value of a param for the rules on a tape that read it. */
#include "core/params.h"
#include "core/tape.h"

#include <string.h>

bool reel_node_is_in_param(const struct reel_node *node)
{
    if (!node->param)
        return false;
    uintptr_t first = (uintptr_t)node->param->data, data = (uintptr_t)node->array.data;
    return data >= first && data <= first + (size_t)node->param->numel * reel_dtype_size(node->param->dtype);
}

/* Whether a rule on the tape reads the value that the param has now. */
static bool is_read(const reel_param *param, const reel_tape *tape)
{
    for (int64_t i = 0; i < tape->count; i++) {
        const reel_call *call = tape->nodes[i]->call;
        if (!call || tape->nodes[i]->output != 0)
            continue;
        for (int k = 0; k < call->n_inputs; k++) {
            const struct reel_node *in = tape->nodes[call->inputs[k].number];
            if (in->param == param && in->version == param->version && reel_node_is_in_param(in) &&
                reel_op_says(call->op, call->op->reads_inputs, k))
                return true;
        }
    }
    return false;
}

reel_status reel_param_preserve(reel_param *param, reel_tape *tape)
{
    /* What a first-order pass puts on the tape is given up when its rule returns, so the copy would not last; then the
     * rules that read the old value are refused. */
    if (tape->pass || !is_read(param, tape))
        return REEL_OK;
    size_t bytes = (size_t)param->numel * reel_dtype_size(param->dtype);
    char *copy = reel_arena_allocate(&tape->arena, bytes);
    if (!copy)
        return reel_fail_memory(tape->context, "the old value of a param that a rule reads", bytes);
    reel_param_before_read_all(param);
    memcpy(copy, param->data, bytes);
    for (int64_t i = 0; i < tape->count; i++) {
        struct reel_node *node = tape->nodes[i];
        if (node->param == param && node->version == param->version && reel_node_is_in_param(node)) {
            reel_tape_pin(tape, i);
            node->array.data = copy + ((char *)node->array.data - (char *)param->data);
        }
    }
    return REEL_OK;
}
