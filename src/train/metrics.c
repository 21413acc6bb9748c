/* Measures of predictions: counts and means over vars that somebody else computed. */
#include <reel/metrics.h>

#include "base/shape.h"
#include "core/tape.h"
#include "kern/rows.h"

#include <math.h>
#include <string.h>

void reel_running_mean_add(reel_running_mean *mean, double value, double weight)
{
    if (!mean)
        return;
    mean->sum += weight * value;
    mean->weight += weight;
}

double reel_running_mean_value(const reel_running_mean *mean)
{
    return mean ? mean->sum / mean->weight : NAN;
}

/* ---- Labels ---- */

struct labels {
    reel_dtype dtype;
    const void *data;
    const reel_array *array;
};

/* The elements of a var of integers or bools. False with the error recorded when it is none. */
static bool read_labels(reel_tape *tape, const char *who, const char *argument, reel_var v, struct labels *labels)
{
    const struct reel_node *node = reel_tape_node(tape, v, who);
    if (!node)
        return false;
    *labels = (struct labels){node->array.dtype, reel_node_elements(node), &node->array};
    if (labels->dtype != REEL_REAL)
        return true;
    reel_fail(tape->context, REEL_ERROR_DTYPE, "%s: %s is %s, it must be int64, int32 or bool", who, argument,
              reel_dtype_name(labels->dtype));
    return false;
}

static int64_t label(const struct labels *labels, int64_t i)
{
    switch (labels->dtype) {
    case REEL_INT64:
        return ((const int64_t *)labels->data)[i];
    case REEL_INT32:
        return ((const int32_t *)labels->data)[i];
    default:
        return ((const bool *)labels->data)[i];
    }
}

static reel_status expect_same_shape(reel_tape *tape, const char *who, const reel_array *a, const reel_array *b)
{
    char first[REEL_SHAPE_TEXT], second[REEL_SHAPE_TEXT];
    if (reel_shape_equal(&a->shape, &b->shape))
        return REEL_OK;
    return reel_fail(tape->context, REEL_ERROR_SHAPE, "%s: predictions have the shape %s and targets %s", who,
                     reel_shape_text(&a->shape, first), reel_shape_text(&b->shape, second));
}

static reel_status expect_classes(reel_tape *tape, const char *who, const char *argument, const struct labels *labels,
                                  int64_t classes)
{
    char position[REEL_POSITION_TEXT];
    for (int64_t i = 0; i < labels->array->numel; i++)
        if (label(labels, i) < 0 || label(labels, i) >= classes)
            return reel_fail(tape->context, REEL_ERROR_INDEX, "%s: %s has class %lld%s, outside 0..%lld", who, argument,
                             (long long)label(labels, i), reel_position_text(&labels->array->shape, i, position),
                             (long long)(classes - 1));
    return REEL_OK;
}

/* ---- Classes ---- */

double reel_accuracy(reel_tape *tape, reel_var predicted, reel_var target)
{
    struct labels p, t;
    if (!read_labels(tape, "accuracy", "predicted", predicted, &p) ||
        !read_labels(tape, "accuracy", "target", target, &t) ||
        expect_same_shape(tape, "accuracy", p.array, t.array) != REEL_OK)
        return NAN;
    int64_t right = 0;
    for (int64_t i = 0; i < p.array->numel; i++)
        right += label(&p, i) == label(&t, i);
    return (double)right / (double)p.array->numel;
}

/* How many classes come before this one. */
static int64_t rank_of(const reel_real *scores, int64_t classes, int64_t class)
{
    int64_t rank = 0;
    reel_real score = scores[class];
    for (int64_t j = 0; j < classes; j++)
        if (j != class)
            rank += !(scores[j] < score || (scores[j] == score && j < class)); /* so that NaN comes before */
    return rank;
}

double reel_top_k_accuracy(reel_tape *tape, reel_var scores, reel_var target, int64_t k)
{
    static const char *who = "top_k_accuracy";
    struct labels t;
    const struct reel_node *node = reel_tape_node(tape, scores, who);
    if (!node || !read_labels(tape, who, "target", target, &t))
        return NAN;
    const reel_array *s = &node->array;
    char first[REEL_SHAPE_TEXT], second[REEL_SHAPE_TEXT];
    if (k < 1)
        reel_fail(tape->context, REEL_ERROR_ARGUMENT, "%s: k is %lld, it must be at least 1", who, (long long)k);
    else if (s->dtype != REEL_REAL)
        reel_fail(tape->context, REEL_ERROR_DTYPE, "%s: scores are %s, they must be real", who,
                  reel_dtype_name(s->dtype));
    else if (s->shape.ndim != 2 || t.array->shape.ndim != 1 || s->shape.dim[0] != t.array->shape.dim[0])
        reel_fail(tape->context, REEL_ERROR_SHAPE,
                  "%s: scores have the shape %s and targets %s, they must be [n, classes] and [n]", who,
                  reel_shape_text(&s->shape, first), reel_shape_text(&t.array->shape, second));
    else
        expect_classes(tape, who, "target", &t, s->shape.dim[1]);
    if (tape->context->status != REEL_OK)
        return NAN;
    const reel_real *data = reel_node_elements(node);
    int64_t n = s->shape.dim[0], classes = s->shape.dim[1], right = 0;
    for (int64_t i = 0; i < n; i++)
        right += rank_of(data + i * classes, classes, label(&t, i)) < k;
    return (double)right / (double)n;
}

reel_status reel_confusion_matrix(reel_tape *tape, reel_var predicted, reel_var target, int64_t classes,
                                  int64_t *counts)
{
    static const char *who = "confusion_matrix";
    if (!tape || tape->context->status != REEL_OK)
        return tape ? tape->context->status : REEL_ERROR_ARGUMENT;
    if (!counts || classes < 1)
        return reel_fail(tape->context, REEL_ERROR_ARGUMENT, "%s: %lld classes, or counts is NULL", who,
                         (long long)classes);
    struct labels p, t;
    if (!read_labels(tape, who, "predicted", predicted, &p) || !read_labels(tape, who, "target", target, &t) ||
        expect_same_shape(tape, who, p.array, t.array) != REEL_OK ||
        expect_classes(tape, who, "predicted", &p, classes) != REEL_OK ||
        expect_classes(tape, who, "target", &t, classes) != REEL_OK)
        return tape->context->status;
    for (int64_t i = 0; i < p.array->numel; i++)
        counts[label(&t, i) * classes + label(&p, i)]++;
    return REEL_OK;
}

/* ---- The area under the ROC curve ---- */

/* Scores of one class, as integers in the same order, which a radix sort takes. */
struct scores {
    uint64_t *keys;
    int64_t count, capacity;
};

struct reel_auc {
    reel_context *context;
    struct scores classes[2];
};

#ifdef REEL_F64
typedef uint64_t bits;
#else
typedef uint32_t bits;
#endif
enum { KEY_BITS = 8 * sizeof(bits) };

/* Positive numbers are ordered as their bits, negative ones the other way round. */
static uint64_t ordered_key(reel_real score)
{
    const bits sign = (bits)1 << (KEY_BITS - 1);
    bits b;
    score += 0; /* -0 is 0 */
    memcpy(&b, &score, sizeof b);
    return b & sign ? (bits)~b : b | sign;
}

reel_auc *reel_auc_new(reel_context *context)
{
    if (!context || context->status != REEL_OK)
        return NULL;
    reel_auc *auc = reel_allocate_zeroed(&context->memory, sizeof *auc);
    if (!auc) {
        reel_fail_memory(context, "an auc", sizeof *auc);
        return NULL;
    }
    auc->context = context;
    return auc;
}

void reel_auc_free(reel_auc *auc)
{
    if (!auc)
        return;
    for (int class = 0; class < 2; class ++)
        reel_free(&auc->context->memory, auc->classes[class].keys);
    reel_free(&auc->context->memory, auc);
}

void reel_auc_reset(reel_auc *auc)
{
    if (auc)
        auc->classes[0].count = auc->classes[1].count = 0;
}

/* Writes how many samples each class has, or records what is wrong. */
static reel_status check_samples(reel_context *c, const reel_array *scores, const struct labels *target,
                                 int64_t counts[2])
{
    char position[REEL_POSITION_TEXT];
    const reel_real *values = scores->data;
    for (int64_t i = 0; i < scores->numel; i++) {
        double class =
            target->dtype == REEL_REAL ? (double)((const reel_real *)target->data)[i] : (double)label(target, i);
        if (class != 0 && class != 1)
            return reel_fail(c, REEL_ERROR_ARGUMENT, "auc_add: label %g%s is neither 0 nor 1", class,
                             reel_position_text(&scores->shape, i, position));
        if (isnan(values[i]))
            return reel_fail(c, REEL_ERROR_ARGUMENT, "auc_add: the score%s is NaN",
                             reel_position_text(&scores->shape, i, position));
        counts[class == 1]++;
    }
    return REEL_OK;
}

reel_status reel_auc_add(reel_auc *auc, reel_tape *tape, reel_var scores, reel_var target)
{
    if (!auc || auc->context->status != REEL_OK)
        return auc ? auc->context->status : REEL_ERROR_ARGUMENT;
    reel_context *c = auc->context;
    if (!tape || tape->context != c)
        return reel_fail(c, REEL_ERROR_ARGUMENT, "auc_add: the tape is NULL or another context's");
    const struct reel_node *s = reel_tape_node(tape, scores, "auc_add"), *t = reel_tape_node(tape, target, "auc_add");
    if (!s || !t || expect_same_shape(tape, "auc_add", &s->array, &t->array) != REEL_OK)
        return c->status;
    if (s->array.dtype != REEL_REAL)
        return reel_fail(c, REEL_ERROR_DTYPE, "auc_add: scores are %s, they must be real",
                         reel_dtype_name(s->array.dtype));
    const reel_real *values = reel_node_elements(s);
    const struct labels labels = {t->array.dtype, reel_node_elements(t), &t->array};
    int64_t counts[2] = {0, 0};
    if (check_samples(c, &s->array, &labels, counts) != REEL_OK)
        return c->status;
    for (int class = 0; class < 2; class ++) {
        struct scores *of = &auc->classes[class];
        if (!reel_grow(&c->memory, (void **)&of->keys, of->count, &of->capacity, of->count + counts[class],
                       sizeof *of->keys))
            return reel_fail_memory(c, "auc_add", (size_t)(of->count + counts[class]) * sizeof *of->keys);
    }
    for (int64_t i = 0; i < s->array.numel; i++) {
        bool positive = labels.dtype == REEL_REAL ? ((const reel_real *)labels.data)[i] != 0 : label(&labels, i) != 0;
        struct scores *of = &auc->classes[positive];
        of->keys[of->count++] = ordered_key(values[i]);
    }
    return REEL_OK;
}

static reel_status sort_scores(reel_context *c, struct scores *of)
{
    size_t bytes = (size_t)of->count * sizeof *of->keys, room = reel_kern_sort_room(of->count, c->num_threads);
    uint64_t *other = reel_scratch_allocate(&c->scratch, bytes);
    void *places = other ? reel_scratch_allocate(&c->scratch, room) : NULL;
    if (places) {
        const uint64_t *sorted = reel_kern_sort_keys(of->keys, other, of->count, 0, KEY_BITS, places, c->num_threads);
        if (sorted == other)
            memcpy(of->keys, other, bytes);
        reel_scratch_release(&c->scratch, places);
    }
    reel_scratch_release(&c->scratch, other);
    return places ? REEL_OK : reel_fail_memory(c, "auc", bytes + room);
}

double reel_auc_value(reel_auc *auc)
{
    if (!auc || auc->context->status != REEL_OK)
        return NAN;
    struct scores *zeros = &auc->classes[0], *ones = &auc->classes[1];
    if (zeros->count == 0 || ones->count == 0 || sort_scores(auc->context, zeros) != REEL_OK ||
        sort_scores(auc->context, ones) != REEL_OK)
        return NAN;
    /* Twice the pairs in the right order: whole numbers, which are exact up to 2^53 and no order of adding changes. */
    double twice = 0;
    int64_t below = 0, not_above = 0;
    for (int64_t i = 0; i < ones->count; i++) {
        while (below < zeros->count && zeros->keys[below] < ones->keys[i])
            below++;
        while (not_above < zeros->count && zeros->keys[not_above] <= ones->keys[i])
            not_above++;
        twice += (double)(below + not_above);
    }
    return twice / 2 / ((double)zeros->count * (double)ones->count);
}
