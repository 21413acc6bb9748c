/* Layers that make axes longer: interpolation and padding. */
#include "nn/module.h"

#include "base/checked.h"
#include "base/shape.h"

#include <reel/pool.h>
#include <reel/tape.h>

#include <string.h>

/* ---- Upsample ---- */

struct upsample {
    reel_module module;
    reel_upsample_options options;
};

static reel_var upsample_forward(reel_tape *tape, reel_module *module, reel_var x)
{
    const reel_upsample_options *o = &((const struct upsample *)module)->options;
    reel_shape shape = reel_shape_of(tape, x);
    int64_t size[3];
    bool fits = shape.ndim >= 3 && shape.ndim <= 5;
    if (shape.ndim < 0)
        return reel_null();
    for (int i = 0; fits && i < shape.ndim - 2; i++) {
        size[i] = o->size[i];
        if (o->size[0] == 0)
            fits = reel_multiply_int64(shape.dim[2 + i], o->scale_factor[i], &size[i]);
    }
    if (!fits) {
        char text[REEL_SHAPE_TEXT];
        reel_fail(reel_tape_context(tape), REEL_ERROR_SHAPE,
                  "upsample: x is %s, it must be [batch, channels, ...] with one to three axes more",
                  reel_shape_text(&shape, text));
        return reel_null();
    }
    return reel_interpolate(tape, x, size, shape.ndim - 2, o->mode, o->align_corners);
}

static const struct reel_module_kind upsample_kind = {.size = sizeof(struct upsample), .forward = upsample_forward};

reel_upsample_options reel_upsample_defaults(void)
{
    return (reel_upsample_options){
        .mark = REEL_OPTIONS_MARK(reel_upsample_options), .size = {0, -1, -1}, .scale_factor = {2, -1, -1}};
}

reel_module *reel_upsample_new(reel_params *params, const reel_upsample_options *options)
{
    reel_upsample_options o = reel_upsample_defaults();
    if (reel_options_take(reel_params_context(params), "upsample", options, &o) != REEL_OK)
        return NULL;
    struct upsample *m = reel_module_begin(params, NULL, &upsample_kind);
    if (!m)
        return NULL;
    bool good = o.mode == REEL_INTERPOLATE_LINEAR || (o.mode == REEL_INTERPOLATE_NEAREST && !o.align_corners);
    int64_t *const wanted = o.size[0] == 0 ? o.scale_factor : o.size;
    for (int i = 0; i < 3; i++) {
        if (i > 0 && wanted[i] == -1)
            wanted[i] = wanted[i - 1];
        good = good && wanted[i] >= 1;
    }
    if (!good)
        reel_fail(params->context, REEL_ERROR_ARGUMENT,
                  "upsample: a size or scale_factor is less than 1, or there is no mode %d%s", (int)o.mode,
                  o.align_corners ? " with align_corners" : "");
    m->options = o;
    return reel_module_end(&m->module);
}

/* ---- Padding ---- */

struct pad {
    reel_module module;
    int64_t pad[2 * REEL_MAX_NDIM];
    int n;
    reel_pad_mode mode;
    double value;
};

static reel_var pad_forward(reel_tape *tape, reel_module *module, reel_var x)
{
    const struct pad *m = (const struct pad *)module;
    return reel_pad(tape, x, m->pad, m->n, m->mode, m->value);
}

static const struct reel_module_kind pad_kind = {.size = sizeof(struct pad), .forward = pad_forward};

reel_module *reel_pad_new(reel_params *params, const int64_t *pad, int n, reel_pad_mode mode, double value)
{
    struct pad *m = reel_module_begin(params, NULL, &pad_kind);
    if (!m)
        return NULL;
    bool known = mode == REEL_PAD_CONSTANT || mode == REEL_PAD_REFLECT || mode == REEL_PAD_REPLICATE ||
                 mode == REEL_PAD_CIRCULAR;
    if (!known || n < 0 || n > 2 * REEL_MAX_NDIM || n % 2 != 0 || (!pad && n > 0))
        reel_fail(params->context, REEL_ERROR_ARGUMENT, "pad: %d numbers%s, and mode %d; it takes two for each axis", n,
                  pad ? "" : " at a NULL pointer", (int)mode);
    else if (n > 0)
        memcpy(m->pad, pad, (size_t)n * sizeof *pad);
    m->n = n;
    m->mode = mode;
    m->value = value;
    return reel_module_end(&m->module);
}
