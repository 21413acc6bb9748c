/* The loader: which samples make the next batch, and their way from the user's arrays to vars. */
#include "train/loader.h"

#include "train/lifetime.h"

#include "base/checked.h"
#include "base/shape.h"
#include "base/sort.h"
#include "core/tape.h"
#include "kern/gather.h"
#include "kern/normal.h"
#include "kern/parallel.h"
#include "kern/picture.h"

#include <math.h>
#include <string.h>

enum field_kind { FIELD_ELEMENTS, FIELD_BYTES, FIELD_SCALED_BYTES, FIELD_SEQUENCES };

/* An array of the user. */
struct field {
    enum field_kind kind;
    reel_dtype dtype; /* of the batch */
    const char *data;
    reel_shape item;
    int64_t numel;          /* of an item */
    size_t bytes;           /* of an item in data */
    const int64_t *offsets; /* of sequences */
    int64_t end;            /* the last of them, when they were added */
    double padding;
    struct reel_byte_scale scale; /* of scaled bytes */
    reel_augment_options augment;
};

struct reel_loader {
    reel_context *context;
    struct reel_lifetime lifetime;
    reel_loader_options options;
    int64_t n;        /* of the arrays */
    int64_t *indices; /* the samples that take part, or NULL: all of them */
    int64_t n_taking_part;
    double *cumulative; /* of the weights, divided by their sum; NULL: no weights */
    int64_t n_samples;  /* of an epoch */
    int64_t *order;     /* places among those that take part; NULL: 0, 1, 2, ... */
    struct field *fields;
    int64_t n_fields, fields_capacity;

    int64_t epoch, next; /* as in reel_loader_position */
    uint64_t base_seed;
    struct reel_generator generator; /* what the order was drawn from, before that */
};

reel_loader_options reel_loader_defaults(void)
{
    return (reel_loader_options){.mark = REEL_OPTIONS_MARK(reel_loader_options), .batch_size = 1};
}

reel_augment_options reel_augment_defaults(void)
{
    return (reel_augment_options){.mark = REEL_OPTIONS_MARK(reel_augment_options)};
}

/* Memory for `count` elements, or NULL with the error recorded. */
static void *allocate(reel_context *c, int64_t count, size_t element_size)
{
    size_t bytes;
    if (!reel_multiply_size(count, element_size, &bytes))
        bytes = SIZE_MAX;
    void *memory = bytes < SIZE_MAX ? reel_allocate(&c->memory, bytes) : NULL;
    if (!memory)
        reel_fail_memory(c, "a loader", bytes);
    return memory;
}

static reel_status usable(const reel_loader *loader)
{
    return loader ? loader->context->status : REEL_ERROR_ARGUMENT;
}

/* ---- Samples ---- */

static bool copy_indices(reel_loader *l, const int64_t *indices, int64_t count)
{
    int64_t outside = count >= 1 ? reel_kern_find_outside(count, indices, true, l->n) : 0;
    if (count < 1)
        reel_fail(l->context, REEL_ERROR_ARGUMENT, "loader: n_indices is %lld, it must be at least 1",
                  (long long)count);
    else if (outside >= 0)
        reel_fail(l->context, REEL_ERROR_INDEX, "loader: index %lld at position [%lld] is outside 0..%lld",
                  (long long)indices[outside], (long long)outside, (long long)(l->n - 1));
    else if ((l->indices = allocate(l->context, count, sizeof *indices)))
        memcpy(l->indices, indices, (size_t)count * sizeof *indices);
    l->n_taking_part = count;
    return l->indices != NULL;
}

reel_loader *reel_loader_new(reel_context *context, int64_t n, const reel_loader_options *options)
{
    reel_loader_options o = reel_loader_defaults();
    if (!context || reel_options_take(context, "loader", options, &o) != REEL_OK)
        return NULL;
    if (n < 1 || o.batch_size < 1) {
        reel_fail(context, REEL_ERROR_ARGUMENT, "loader: %s is %lld, it must be at least 1", n < 1 ? "n" : "batch_size",
                  (long long)(n < 1 ? n : o.batch_size));
        return NULL;
    }
    reel_loader *l = reel_allocate_zeroed(&context->memory, sizeof *l);
    if (!l) {
        reel_fail_memory(context, "a loader", sizeof *l);
        return NULL;
    }
    l->context = context;
    l->options = o;
    l->n = l->n_taking_part = n;
    l->next = -1;
    if ((o.indices && !copy_indices(l, o.indices, o.n_indices)) ||
        (o.shuffle && !(l->order = allocate(context, l->n_taking_part, sizeof *l->order)))) {
        reel_loader_free(l);
        return NULL;
    }
    l->options.indices = NULL; /* the caller's */
    l->n_samples = l->n_taking_part;
    return l;
}

void reel_loader_free(reel_loader *loader)
{
    if (!loader)
        return;
    struct reel_memory *memory = &loader->context->memory;
    reel_free(memory, loader->indices);
    reel_free(memory, loader->cumulative);
    reel_free(memory, loader->order);
    reel_free(memory, loader->fields);
    if (reel_lifetime_end(&loader->lifetime))
        reel_free(memory, loader);
}

void reel_loader_hold(reel_loader *loader)
{
    loader->lifetime.holders++;
}

void reel_loader_let_go(reel_loader *loader)
{
    if (reel_lifetime_let_go(&loader->lifetime))
        reel_free(&loader->context->memory, loader);
}

bool reel_loader_is_freed(const reel_loader *loader)
{
    return loader->lifetime.is_freed;
}

static reel_status check_weighting(const reel_loader *l, const char *who, int64_t num_samples)
{
    reel_context *c = l->context;
    if (l->options.shuffle)
        return reel_fail(c, REEL_ERROR_ARGUMENT, "%s: the loader shuffles, and weights decide about the order", who);
    if (l->next >= 0)
        return reel_fail(c, REEL_ERROR_STATE, "%s: an epoch is under way", who);
    if (num_samples < 0)
        return reel_fail(c, REEL_ERROR_ARGUMENT, "%s: num_samples is %lld, it must be 0 or more", who,
                         (long long)num_samples);
    return c->status;
}

reel_status reel_loader_set_weights(reel_loader *loader, const double *weights, int64_t num_samples)
{
    if (usable(loader) != REEL_OK || check_weighting(loader, "loader_set_weights", num_samples) != REEL_OK)
        return usable(loader);
    reel_context *c = loader->context;
    int64_t n = loader->n_taking_part;
    if (!weights)
        return reel_fail(c, REEL_ERROR_ARGUMENT, "loader_set_weights: weights is NULL");
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        if (!(weights[i] >= 0) || isinf(weights[i]))
            return reel_fail(c, REEL_ERROR_ARGUMENT,
                             "loader_set_weights: weight %g at position [%lld] must be finite and 0 or more",
                             weights[i], (long long)i);
        sum += weights[i];
    }
    if (!(sum > 0) || isinf(sum))
        return reel_fail(c, REEL_ERROR_ARGUMENT, "loader_set_weights: the sum of the weights is %g", sum);
    num_samples = num_samples > 0 ? num_samples : n;
    double *cumulative = allocate(c, n, sizeof *cumulative);
    int64_t *order = cumulative ? allocate(c, num_samples, sizeof *order) : NULL;
    if (!order) {
        reel_free(&c->memory, cumulative);
        return c->status;
    }
    double so_far = 0;
    for (int64_t i = 0; i < n; i++)
        cumulative[i] = (so_far += weights[i]) / sum;
    reel_free(&c->memory, loader->cumulative);
    reel_free(&c->memory, loader->order);
    loader->cumulative = cumulative;
    loader->order = order;
    loader->n_samples = num_samples;
    return REEL_OK;
}

/* The number of the sample at a place among those that take part. */
static int64_t sample_at(const reel_loader *l, int64_t place)
{
    return l->indices ? l->indices[place] : place;
}

/* Draws the order of an epoch from l->generator; returns the generator as it is after that. */
static struct reel_generator draw_order(reel_loader *l)
{
    struct reel_generator g = l->generator;
    if (l->cumulative)
        reel_generator_choose(&g, l->order, l->n_samples, l->cumulative, l->n_taking_part);
    else
        reel_generator_permutation(&g, l->order, l->n_samples);
    return g;
}

/* What iter() of a DataLoader and the first batch draw. */
static void begin_epoch(reel_loader *l)
{
    struct reel_generator *g = &l->context->generator;
    l->base_seed = reel_generator_random64(g) & INT64_MAX;
    if (l->cumulative) {
        l->generator = *g;
        *g = draw_order(l);
    } else if (l->order) {
        reel_generator_seed(&l->generator, reel_generator_random64(g) & INT64_MAX);
        draw_order(l);
    }
    l->next = 0;
}

/* ---- Arrays ---- */

static reel_status add_field(reel_loader *l, const char *who, const struct field *prototype, int max_ndim,
                             size_t element_size)
{
    reel_context *c = l->context;
    if (!prototype->data)
        return reel_fail(c, REEL_ERROR_ARGUMENT, "%s: data is NULL", who);
    if (element_size == 0)
        return reel_fail(c, REEL_ERROR_DTYPE, "%s: there is no element type %d", who, (int)prototype->dtype);
    if (prototype->dtype == REEL_BFLOAT16)
        return reel_fail(c, REEL_ERROR_DTYPE, "%s: only params are bfloat16", who);
    int64_t numel = reel_shape_numel(&prototype->item);
    size_t bytes;
    if (numel < 0 || prototype->item.ndim > max_ndim || !reel_multiply_size(numel, element_size, &bytes))
        return reel_fail(c, REEL_ERROR_SHAPE, "%s: an item has %d axes (at most %d are possible) or is too large", who,
                         prototype->item.ndim, max_ndim);
    if (!reel_grow(&c->memory, (void **)&l->fields, l->n_fields, &l->fields_capacity, l->n_fields + 1,
                   sizeof *l->fields))
        return reel_fail_memory(c, who, sizeof *l->fields);
    struct field *field = &l->fields[l->n_fields++];
    *field = *prototype;
    field->numel = numel;
    field->bytes = bytes;
    field->augment = reel_augment_defaults();
    return REEL_OK;
}

reel_status reel_loader_add(reel_loader *loader, reel_dtype dtype, const void *data, reel_shape item)
{
    if (usable(loader) != REEL_OK)
        return usable(loader);
    const struct field field = {.kind = FIELD_ELEMENTS, .dtype = dtype, .data = data, .item = item};
    return add_field(loader, "loader_add", &field, REEL_MAX_NDIM - 1, reel_dtype_size(dtype));
}

reel_status reel_loader_add_bytes(reel_loader *loader, const unsigned char *data, reel_shape item)
{
    if (usable(loader) != REEL_OK)
        return usable(loader);
    const struct field field = {.kind = FIELD_BYTES, .dtype = REEL_INT64, .data = (const char *)data, .item = item};
    return add_field(loader, "loader_add_bytes", &field, REEL_MAX_NDIM - 1, 1);
}

reel_status reel_loader_add_scaled_bytes(reel_loader *loader, const unsigned char *data, reel_shape item, double low,
                                         double high)
{
    if (usable(loader) != REEL_OK)
        return usable(loader);
    if (!isfinite((reel_real)low) || !isfinite((reel_real)high) || !isfinite((reel_real)(high - low)))
        return reel_fail(loader->context, REEL_ERROR_ARGUMENT, "loader_add_scaled_bytes: from %g to %g is not finite",
                         low, high);
    const struct field field = {.kind = FIELD_SCALED_BYTES,
                                .dtype = REEL_REAL,
                                .data = (const char *)data,
                                .item = item,
                                .scale = {(reel_real)low, (reel_real)(high - low)}};
    return add_field(loader, "loader_add_scaled_bytes", &field, REEL_MAX_NDIM - 1, 1);
}

reel_status reel_loader_add_sequences(reel_loader *loader, reel_dtype dtype, const void *data, const int64_t *offsets,
                                      reel_shape item, double padding)
{
    if (usable(loader) != REEL_OK)
        return usable(loader);
    reel_context *c = loader->context;
    if (!offsets)
        return reel_fail(c, REEL_ERROR_ARGUMENT, "loader_add_sequences: offsets is NULL");
    if (offsets[0] < 0)
        return reel_fail(c, REEL_ERROR_INDEX, "loader_add_sequences: the first offset is %lld", (long long)offsets[0]);
    double integer = trunc(padding), limit = dtype == REEL_INT32 ? 0x1p31 : 0x1p63;
    if (dtype != REEL_REAL && !(integer == padding && padding >= -limit && padding < limit))
        return reel_fail(c, REEL_ERROR_ARGUMENT, "loader_add_sequences: %g is no %s", padding, reel_dtype_name(dtype));
    for (int64_t i = 0; i < loader->n; i++)
        if (offsets[i + 1] < offsets[i])
            return reel_fail(c, REEL_ERROR_INDEX, "loader_add_sequences: offset %lld follows %lld at position [%lld]",
                             (long long)offsets[i + 1], (long long)offsets[i], (long long)(i + 1));
    const struct field field = {.kind = FIELD_SEQUENCES,
                                .dtype = dtype,
                                .data = data,
                                .item = item,
                                .offsets = offsets,
                                .end = offsets[loader->n],
                                .padding = padding};
    return add_field(loader, "loader_add_sequences", &field, REEL_MAX_NDIM - 2, reel_dtype_size(dtype));
}

int reel_loader_vars(const reel_loader *loader)
{
    int vars = 0;
    for (int64_t i = 0; loader && i < loader->n_fields; i++)
        vars += loader->fields[i].kind == FIELD_SEQUENCES ? 2 : 1;
    return vars;
}

/* The field that gives a var of a batch; NULL when there is none, or when it gives two. */
static struct field *field_of_var(reel_loader *l, int var)
{
    for (int64_t i = 0; i < l->n_fields; i++) {
        struct field *field = &l->fields[i];
        int vars = field->kind == FIELD_SEQUENCES ? 2 : 1;
        if (var >= 0 && var < vars)
            return vars == 1 ? field : NULL;
        var -= vars;
    }
    return NULL;
}

reel_status reel_loader_augment(reel_loader *loader, int var, const reel_augment_options *options)
{
    reel_augment_options o = reel_augment_defaults();
    if (usable(loader) != REEL_OK || reel_options_take(loader->context, "augment", options, &o) != REEL_OK)
        return usable(loader);
    reel_context *c = loader->context;
    struct field *field = field_of_var(loader, var);
    if (!field || field->dtype != REEL_REAL || field->item.ndim < 2)
        return reel_fail(c, REEL_ERROR_ARGUMENT,
                         "loader_augment: var %d is not one of real pictures [..., height, width]", var);
    if (!(o.flip_horizontal >= 0 && o.flip_horizontal <= 1) || !(o.flip_vertical >= 0 && o.flip_vertical <= 1))
        return reel_fail(c, REEL_ERROR_ARGUMENT, "loader_augment: flips of probability %g and %g, it must be in [0, 1]",
                         o.flip_horizontal, o.flip_vertical);
    int64_t height = field->item.dim[field->item.ndim - 2], width = field->item.dim[field->item.ndim - 1];
    if (o.shift < 0 || (o.shift > 0 && (o.shift >= height || o.shift >= width)))
        return reel_fail(c, REEL_ERROR_ARGUMENT, "loader_augment: a shift of %lld pixels does not fit %lld x %lld",
                         (long long)o.shift, (long long)height, (long long)width);
    if (!(o.noise >= 0) || !isfinite(o.noise) || !isfinite(o.fill))
        return reel_fail(c, REEL_ERROR_ARGUMENT, "loader_augment: noise %g must be 0 or more, fill %g finite", o.noise,
                         o.fill);
    field->augment = o;
    return REEL_OK;
}

/* ---- Weights of balanced classes ---- */

struct labels {
    const reel_loader *loader;
    const struct field *field;
};

static int64_t label_at(const struct labels *labels, int64_t place)
{
    int64_t sample = sample_at(labels->loader, place);
    if (labels->field->kind == FIELD_BYTES)
        return ((const unsigned char *)labels->field->data)[sample];
    return reel_kern_index(labels->field->data, labels->field->dtype == REEL_INT64, sample);
}

static bool label_before(const void *user, int64_t a, int64_t b)
{
    return label_at(user, a) < label_at(user, b);
}

reel_status reel_loader_balance(reel_loader *loader, int var, int64_t num_samples)
{
    if (usable(loader) != REEL_OK || check_weighting(loader, "loader_balance", num_samples) != REEL_OK)
        return usable(loader);
    reel_context *c = loader->context;
    const struct labels labels = {loader, field_of_var(loader, var)};
    if (!labels.field || labels.field->numel != 1 ||
        (labels.field->dtype != REEL_INT64 && labels.field->dtype != REEL_INT32))
        return reel_fail(c, REEL_ERROR_ARGUMENT, "loader_balance: var %d is not one of integers, one for each sample",
                         var);
    int64_t n = loader->n_taking_part;
    int64_t *places = allocate(c, n, sizeof *places);
    double *weights = places ? allocate(c, n, sizeof *weights) : NULL;
    if (weights) {
        for (int64_t i = 0; i < n; i++)
            places[i] = i;
        reel_heap_sort(places, n, label_before, &labels);
        for (int64_t first = 0, end; first < n; first = end) {
            for (end = first + 1; end < n && label_at(&labels, places[end]) == label_at(&labels, places[first]);)
                end++;
            for (int64_t i = first; i < end; i++)
                weights[places[i]] = 1 / (double)(end - first);
        }
        reel_loader_set_weights(loader, weights, num_samples);
    }
    reel_free(&c->memory, places);
    reel_free(&c->memory, weights);
    return c->status;
}

/* ---- Batches ---- */

int64_t reel_loader_batches(const reel_loader *loader)
{
    if (!loader)
        return 0;
    int64_t size = loader->options.batch_size, whole = loader->n_samples / size;
    return whole + (!loader->options.drop_last && loader->n_samples % size != 0);
}

/* A field's part of a batch. */
struct filling {
    const reel_loader *loader;
    const struct field *field;
    int64_t number; /* of the field */
    int64_t count;  /* samples */
    int64_t block;  /* samples that one thread takes at a time */
    int64_t stride; /* elements of a sample in the batch */
    char *out;
};

/* The number of the batch's i-th sample. */
static int64_t nth_sample(const reel_loader *l, int64_t i)
{
    int64_t place = l->next + i;
    return sample_at(l, l->order ? l->order[place] : place);
}

/* Philox counts by the sample's place in the epoch, and draws differ between fields and between moves and noise. */
static struct reel_picture_move draw_move(const struct filling *f, int64_t place)
{
    const reel_augment_options *o = &f->field->augment;
    const reel_shape *item = &f->field->item;
    uint32_t draws[REEL_PHILOX_GROUP];
    reel_kern_philox((uint64_t)place, (struct reel_philox_key){f->loader->base_seed, (uint64_t)f->number}, draws);
    double horizontal = draws[0] * 0x1p-32, vertical = draws[REEL_PHILOX_LANES] * 0x1p-32;
    uint64_t distances = 2 * (uint64_t)o->shift + 1;
    struct reel_picture_move move = {
        .planes = 1,
        .height = item->dim[item->ndim - 2],
        .width = item->dim[item->ndim - 1],
        .down = (int64_t)(draws[2 * REEL_PHILOX_LANES] * distances >> 32) - o->shift,
        .right = (int64_t)(draws[3 * REEL_PHILOX_LANES] * distances >> 32) - o->shift,
        .flip_horizontal = horizontal < o->flip_horizontal,
        .flip_vertical = vertical < o->flip_vertical,
        .fill = (reel_real)o->fill,
    };
    for (int axis = 0; axis < item->ndim - 2; axis++)
        move.planes *= item->dim[axis];
    return move;
}

static void copy_picture(const struct filling *f, int64_t i, const char *from, reel_real *out)
{
    const struct field *field = f->field;
    const reel_augment_options *o = &field->augment;
    int64_t place = f->loader->next + i;
    const struct reel_byte_scale *scale = field->kind == FIELD_SCALED_BYTES ? &field->scale : NULL;
    if (o->flip_horizontal > 0 || o->flip_vertical > 0 || o->shift > 0) {
        struct reel_picture_move move = draw_move(f, place);
        reel_kern_move_picture(&move, from, scale, out);
    } else if (scale) {
        reel_kern_scale_bytes(field->numel, (const unsigned char *)from, *scale, out);
    } else {
        memcpy(out, from, field->bytes);
    }
    if (o->noise > 0) {
        uint64_t draw = (uint64_t)(place + 1) << 20 | (uint64_t)f->number;
        reel_kern_add_normal(field->numel, o->noise, (struct reel_philox_key){f->loader->base_seed, draw}, out);
    }
}

static void pad(reel_dtype dtype, double padding, int64_t n, void *out)
{
    for (int64_t i = 0; i < n; i++)
        switch (dtype) {
        case REEL_REAL:
            ((reel_real *)out)[i] = (reel_real)padding;
            break;
        case REEL_INT64:
            ((int64_t *)out)[i] = (int64_t)padding;
            break;
        case REEL_INT32:
            ((int32_t *)out)[i] = (int32_t)padding;
            break;
        case REEL_BOOL:
            ((bool *)out)[i] = padding != 0;
            break;
        case REEL_BFLOAT16: /* no field has it */
            break;
        }
}

static void copy_sequence(const struct filling *f, int64_t sample, char *out)
{
    const struct field *field = f->field;
    int64_t first = field->offsets[sample], length = field->offsets[sample + 1] - first;
    size_t bytes = (size_t)length * field->bytes;
    if (bytes > 0)
        memcpy(out, field->data + (size_t)first * field->bytes, bytes);
    pad(field->dtype, field->padding, f->stride - length * field->numel, out + bytes);
}

/* Shuffled samples are all over memory, and the processor foresees only what is in order. All of a sample that was not
 * asked for is waited for: of pictures with 13 lines, asking for 7 left half of the time that asking for none took. */
enum { AHEAD = 8 };
static void prefetch(const char *sample, size_t bytes)
{
    enum { LINE = 64, MOST = 64 * LINE };
    for (size_t at = 0; at < bytes && at < MOST; at += LINE)
        __builtin_prefetch(sample + at, 0);
    if (bytes > 0)
        __builtin_prefetch(sample + bytes - 1, 0); /* it may begin in the middle of a line */
}

static void fill_block(void *user, int64_t block, int thread)
{
    (void)thread;
    const struct filling *f = user;
    const struct field *field = f->field;
    size_t stride = (size_t)f->stride * reel_dtype_size(field->dtype);
    int64_t first = block * f->block, end = f->count - first < f->block ? f->count : first + f->block;
    for (int64_t i = first; i < end; i++) {
        int64_t sample = nth_sample(f->loader, i);
        char *out = f->out + (size_t)i * stride;
        if (field->kind == FIELD_SEQUENCES) {
            copy_sequence(f, sample, out);
            continue;
        }
        const char *from = field->data + (size_t)sample * field->bytes;
        if (i + AHEAD < f->count)
            prefetch(field->data + (size_t)nth_sample(f->loader, i + AHEAD) * field->bytes, field->bytes);
        if (field->dtype == REEL_REAL)
            copy_picture(f, i, from, (reel_real *)out);
        else if (field->kind == FIELD_BYTES)
            reel_kern_widen_bytes(field->numel, (const unsigned char *)from, (int64_t *)out);
        else
            memcpy(out, from, field->bytes);
    }
}

/* Adds the vars of a field to the tape; NULL when that failed. */
static reel_var *add_vars(reel_loader *l, int64_t number, reel_tape *tape, int64_t count, reel_var *vars)
{
    const struct field *field = &l->fields[number];
    reel_shape shape = {.ndim = 1, .dim = {count}};
    if (field->kind == FIELD_SEQUENCES) {
        int64_t longest = 0;
        for (int64_t i = 0; i < count; i++) {
            int64_t sample = nth_sample(l, i), first = field->offsets[sample], end = field->offsets[sample + 1];
            if (first < 0 || first > end || end > field->end) {
                reel_fail(l->context, REEL_ERROR_INDEX,
                          "loader: sample %lld is now the rows from %lld to %lld; offsets must stay as they were added",
                          (long long)sample, (long long)first, (long long)end);
                return NULL;
            }
            longest = longest > end - first ? longest : end - first;
        }
        shape.dim[shape.ndim++] = longest;
    }
    for (int axis = 0; axis < field->item.ndim; axis++)
        shape.dim[shape.ndim++] = field->item.dim[axis];
    struct reel_node *node = reel_tape_add_array(tape, field->dtype, &shape, "loader", vars++);
    if (!node)
        return NULL;
    int64_t stride = node->array.numel / count;
    int64_t block = stride > 0 && stride < REEL_BLOCK ? REEL_BLOCK / stride : 1;
    struct filling f = {l, field, number, count, block, stride, node->array.data};
    if (node->array.numel > 0)
        reel_kern_for_each((count + block - 1) / block, l->context->num_threads, fill_block, &f);
    reel_node_expect_bools(node);
    if (field->kind != FIELD_SEQUENCES)
        return vars;
    node = reel_tape_add_array(tape, REEL_INT64, &(reel_shape){.ndim = 1, .dim = {count}}, "loader", vars++);
    if (!node)
        return NULL;
    for (int64_t i = 0; i < count; i++) {
        int64_t sample = nth_sample(l, i);
        ((int64_t *)node->array.data)[i] = field->offsets[sample + 1] - field->offsets[sample];
    }
    return vars;
}

int64_t reel_loader_next(reel_loader *loader, reel_tape *tape, reel_var *batch)
{
    if (usable(loader) != REEL_OK || !tape)
        return 0;
    reel_context *c = loader->context;
    if (tape->context != c || !batch || loader->n_fields == 0) {
        reel_fail(c, REEL_ERROR_ARGUMENT, "loader: %s",
                  !batch               ? "batch is NULL"
                  : tape->context != c ? "the tape is another context's"
                                       : "it has no arrays");
        return 0;
    }
    bool begins = loader->next < 0;
    struct reel_generator before;
    if (begins) {
        before = c->generator;
        begin_epoch(loader);
    }
    int64_t left = loader->n_samples - loader->next, size = loader->options.batch_size;
    int64_t count = left < size ? left : size;
    if (count < size && (count == 0 || loader->options.drop_last)) {
        loader->epoch++;
        loader->next = -1;
        return 0;
    }
    reel_var *vars = batch;
    for (int64_t i = 0; vars && i < loader->n_fields; i++)
        vars = add_vars(loader, i, tape, count, vars);
    if (!vars) {
        if (begins) {
            c->generator = before;
            loader->next = -1;
        }
        return 0;
    }
    loader->next += count;
    return count;
}

/* ---- The position ---- */

const char *const reel_loader_option_names[REEL_LOADER_OPTIONS] = {"samples_taking_part", "batch_size", "shuffle",
                                                                   "weighted", "drop_last"};

void reel_loader_get_options(const reel_loader *loader, int64_t values[REEL_LOADER_OPTIONS])
{
    values[0] = loader->n_taking_part;
    values[1] = loader->options.batch_size;
    values[2] = loader->options.shuffle;
    values[3] = loader->cumulative != NULL;
    values[4] = loader->options.drop_last;
}

reel_status reel_loader_position_of(const reel_loader *loader, reel_loader_position *position)
{
    if (usable(loader) != REEL_OK)
        return usable(loader);
    if (!position)
        return reel_fail(loader->context, REEL_ERROR_ARGUMENT, "loader_position_of: position is NULL");
    memset(position, 0, sizeof *position);
    position->epoch = loader->epoch;
    position->next = loader->next;
    position->samples = loader->n_samples;
    if (loader->next < 0)
        return REEL_OK;
    position->base_seed = loader->base_seed;
    if (loader->order)
        reel_generator_get_state(&loader->generator, position->generator);
    return REEL_OK;
}

/* Whether the order of the epoch under way is one that was drawn. */
static bool is_drawn(const reel_loader *loader, const reel_loader_position *position)
{
    return loader->order && position->next >= 0;
}

reel_status reel_loader_expect_fits(const reel_loader *loader, const reel_loader_position *position)
{
    struct reel_generator trial;
    if (position->samples != loader->n_samples || position->epoch < 0 || position->epoch > REEL_LARGEST_COUNT ||
        position->next < -1 || position->next > loader->n_samples)
        return reel_fail(loader->context, REEL_ERROR_FORMAT,
                         "loader_set_position: sample %lld of %lld in epoch %lld, of a loader with %lld samples",
                         (long long)position->next, (long long)position->samples, (long long)position->epoch,
                         (long long)loader->n_samples);
    if (is_drawn(loader, position) &&
        !reel_generator_set_state(&trial, position->generator, sizeof position->generator))
        return reel_fail(loader->context, REEL_ERROR_FORMAT,
                         "loader_set_position: not a state of the MT19937 generator");
    return REEL_OK;
}

const reel_context *reel_loader_context(const reel_loader *loader)
{
    return loader->context;
}

reel_status reel_loader_set_position(reel_loader *loader, const reel_loader_position *position)
{
    if (usable(loader) != REEL_OK)
        return usable(loader);
    reel_context *c = loader->context;
    if (!position)
        return reel_fail(c, REEL_ERROR_ARGUMENT, "loader_set_position: position is NULL");
    if (reel_loader_expect_fits(loader, position) != REEL_OK)
        return c->status;
    bool drawn = is_drawn(loader, position);
    if (drawn)
        reel_generator_set_state(&loader->generator, position->generator, sizeof position->generator);
    loader->epoch = position->epoch;
    loader->next = position->next;
    loader->base_seed = position->base_seed;
    if (drawn)
        draw_order(loader);
    return REEL_OK;
}
