/* Attention as a function, and positions as sines, in public operations. */
#include "core/tape.h"
#include "ops/matmul.h"
#include "ops/pointwise.h"

#include <reel/attention.h>
#include <reel/compare.h>
#include <reel/create.h>
#include <reel/dropout.h>
#include <reel/elementwise.h>
#include <reel/softmax.h>
#include <reel/tape.h>
#include <reel/view.h>

#include <math.h>

reel_attention_options reel_attention_defaults(void)
{
    return (reel_attention_options){
        .mark = REEL_OPTIONS_MARK(reel_attention_options), .attn_mask = reel_null(), .scale = NAN};
}

/* ---- Masks ---- */

/* What is added to scores, and which of them count then; null vars for nothing and all. */
struct masks {
    reel_var added, allowed;
};

/* bool [L, S]: key j comes no later than query i. */
static reel_var causal_mask(reel_tape *t, int64_t queries, int64_t keys)
{
    reel_var query = reel_arange_int64(t, 0, queries, 1), key = reel_arange_int64(t, 0, keys, 1);
    return reel_le(t, key, reel_unsqueeze(t, query, -1));
}

/* A real mask in two parts, so that nothing that is computed is infinite: then looking for anomalies finds none. */
static struct masks masks_of(reel_tape *t, const reel_attention_options *o, int64_t queries, int64_t keys)
{
    struct masks m = {reel_null(), o->attn_mask};
    if (!reel_is_null(o->attn_mask) && reel_dtype_of(t, o->attn_mask) != REEL_BOOL) {
        m.allowed = reel_ne_scalar(t, o->attn_mask, -INFINITY);
        m.added =
            reel_where(t, m.allowed, o->attn_mask, reel_number(t, "attention", reel_dtype_of(t, o->attn_mask), 0));
    }
    if (o->is_causal) {
        reel_var causal = causal_mask(t, queries, keys);
        m.allowed = reel_is_null(m.allowed) ? causal : reel_logical_and(t, m.allowed, causal);
    }
    return m;
}

/* ---- Attention ---- */

static bool fail_shapes(reel_tape *t, const char *who, const char *what, const reel_shape *a, const reel_shape *b)
{
    char text_a[REEL_SHAPE_TEXT], text_b[REEL_SHAPE_TEXT];
    reel_fail(reel_tape_context(t), REEL_ERROR_SHAPE, "%s: %s: %s and %s do not fit", who, what,
              reel_shape_text(a, text_a), reel_shape_text(b, text_b));
    return false;
}

static bool expect_query_and_key(reel_tape *t, const char *who, const reel_shape *query, const reel_shape *key)
{
    if (query->ndim < 0 || key->ndim < 0)
        return false;
    if (query->ndim < 2 || query->ndim != key->ndim || query->dim[query->ndim - 1] != key->dim[key->ndim - 1])
        return fail_shapes(t, who, "query [..., L, E] and key [..., S, E]", query, key);
    return true;
}

static reel_var weights_of(reel_tape *t, const char *who, reel_var query, reel_var key, const reel_attention_options *o)
{
    reel_shape q = reel_shape_of(t, query), k = reel_shape_of(t, key);
    if (!expect_query_and_key(t, who, &q, &k))
        return reel_null();
    struct masks m = masks_of(t, o, q.dim[q.ndim - 2], k.dim[k.ndim - 2]);
    double scale = isnan(o->scale) ? 1 / sqrt((double)q.dim[q.ndim - 1]) : o->scale;
    reel_var scores = reel_matmul_with(t, reel_mul_scalar(t, query, scale), key, false, true);
    if (!reel_is_null(m.added))
        scores = reel_add(t, scores, m.added);
    reel_var weights =
        reel_is_null(m.allowed) ? reel_softmax(t, scores, -1) : reel_masked_softmax(t, scores, m.allowed, -1);
    return reel_dropout(t, weights, o->dropout_p, true);
}

reel_var reel_attention_weights(reel_tape *tape, reel_var query, reel_var key, const reel_attention_options *options)
{
    reel_attention_options o = reel_attention_defaults();
    if (reel_options_take(reel_tape_context(tape), "attention", options, &o) != REEL_OK)
        return reel_null();
    return weights_of(tape, "attention_weights", query, key, &o);
}

reel_var reel_scaled_dot_product_attention(reel_tape *tape, reel_var query, reel_var key, reel_var value,
                                           const reel_attention_options *options)
{
    static const char who[] = "scaled_dot_product_attention";
    reel_attention_options o = reel_attention_defaults();
    if (reel_options_take(reel_tape_context(tape), "attention", options, &o) != REEL_OK)
        return reel_null();
    reel_shape k = reel_shape_of(tape, key), v = reel_shape_of(tape, value);
    if (k.ndim < 0 || v.ndim < 0)
        return reel_null();
    if (v.ndim < 2 || v.ndim != k.ndim || v.dim[v.ndim - 2] != k.dim[k.ndim - 2]) {
        fail_shapes(tape, who, "key [..., S, E] and value [..., S, V]", &k, &v);
        return reel_null();
    }
    const uint64_t draws = tape->context->philox_draws;
    reel_var y = reel_matmul_with(tape, weights_of(tape, who, query, key, &o), value, false, false);
    if (reel_is_null(y))
        tape->context->philox_draws = draws;
    return y;
}

/* ---- Positions ---- */

reel_var reel_sinusoidal_positions(reel_tape *tape, int64_t length, int64_t features)
{
    reel_var v;
    if (!tape || tape->context->status != REEL_OK)
        return reel_null();
    if (length < 0 || features < 0) {
        reel_fail(tape->context, REEL_ERROR_ARGUMENT, "sinusoidal_positions: %lld positions of %lld features",
                  (long long)length, (long long)features);
        return reel_null();
    }
    const reel_shape shape = {2, {length, features}};
    struct reel_node *node = reel_tape_add_array(tape, REEL_REAL, &shape, "sinusoidal_positions", &v);
    if (!node)
        return reel_null();
    reel_real *out = node->array.data;
    for (int64_t k = 0; k < features; k++) {
        double frequency = pow(10000, -(double)(k - k % 2) / (double)features);
        for (int64_t i = 0; i < length; i++)
            out[i * features + k] = (reel_real)(k % 2 == 0 ? sin((double)i * frequency) : cos((double)i * frequency));
    }
    return v;
}
