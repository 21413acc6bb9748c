/* Layers of pools. */
#include "ops/pool.h"

#include "nn/module.h"

#include <reel/tape.h>

/* The eight layers; what they call depends on the two choices and on the axes. */
struct pool {
    reel_module module;
    bool largest, adaptive;
    int axes;
    int64_t size[2]; /* of the window, or of the result */
    reel_pool_options options;
};

static void max_forward(reel_tape *tape, reel_module *module, const reel_var *inputs, reel_var *outputs)
{
    const struct pool *m = (const struct pool *)module;
    const int64_t *size = m->size;
    if (m->adaptive)
        outputs[0] = m->axes == 1 ? reel_adaptive_max_pool1d(tape, inputs[0], size[0], &outputs[1])
                                  : reel_adaptive_max_pool2d(tape, inputs[0], size[0], size[1], &outputs[1]);
    else
        outputs[0] = m->axes == 1 ? reel_max_pool1d(tape, inputs[0], size[0], &m->options, &outputs[1])
                                  : reel_max_pool2d(tape, inputs[0], size[0], size[1], &m->options, &outputs[1]);
}

static reel_var avg_forward(reel_tape *tape, reel_module *module, reel_var x)
{
    const struct pool *m = (const struct pool *)module;
    const int64_t *size = m->size;
    if (m->adaptive)
        return m->axes == 1 ? reel_adaptive_avg_pool1d(tape, x, size[0])
                            : reel_adaptive_avg_pool2d(tape, x, size[0], size[1]);
    return m->axes == 1 ? reel_avg_pool1d(tape, x, size[0], &m->options)
                        : reel_avg_pool2d(tape, x, size[0], size[1], &m->options);
}

static const struct reel_module_kind max_kind = {
    .size = sizeof(struct pool), .forward_all = max_forward, .min_inputs = 1, .max_inputs = 1, .n_outputs = 2};
static const struct reel_module_kind avg_kind = {.size = sizeof(struct pool), .forward = avg_forward};

static struct pool *begin(reel_params *params, bool largest, int axes, int64_t height, int64_t width)
{
    struct pool *m = reel_module_begin(params, NULL, largest ? &max_kind : &avg_kind);
    if (!m)
        return NULL;
    m->largest = largest;
    m->axes = axes;
    m->size[0] = height;
    m->size[1] = width;
    return m;
}

static reel_module *window_pool(reel_params *params, const char *name, bool largest, int axes, int64_t height,
                                int64_t width, const reel_pool_options *options)
{
    struct pool *m = begin(params, largest, axes, height, width);
    if (!m)
        return NULL;
    reel_context *c = params->context;
    const reel_pool_options *o = &m->options;
    if (reel_pool_take_options(c, name, axes, m->size, options, &m->options) == REEL_OK && !largest)
        for (int i = 0; i < axes; i++)
            if (o->dilation[i] != 1 || o->divisor_override < 0)
                reel_fail(c, REEL_ERROR_ARGUMENT,
                          "%s: dilation is for max pools, and divisor_override %lld is negative", name,
                          (long long)o->divisor_override);
    return reel_module_end(&m->module);
}

static reel_module *adaptive_pool(reel_params *params, const char *name, bool largest, int axes, int64_t height,
                                  int64_t width)
{
    struct pool *m = begin(params, largest, axes, height, width);
    if (!m)
        return NULL;
    m->adaptive = true;
    if (height < 0 || width < 0)
        reel_fail(params->context, REEL_ERROR_ARGUMENT, "%s: a size is negative", name);
    return reel_module_end(&m->module);
}

reel_module *reel_max_pool1d_new(reel_params *params, int64_t kernel_size, const reel_pool_options *options)
{
    return window_pool(params, "max_pool1d", true, 1, kernel_size, 1, options);
}

reel_module *reel_max_pool2d_new(reel_params *params, int64_t kernel_height, int64_t kernel_width,
                                 const reel_pool_options *options)
{
    return window_pool(params, "max_pool2d", true, 2, kernel_height, kernel_width, options);
}

reel_module *reel_avg_pool1d_new(reel_params *params, int64_t kernel_size, const reel_pool_options *options)
{
    return window_pool(params, "avg_pool1d", false, 1, kernel_size, 1, options);
}

reel_module *reel_avg_pool2d_new(reel_params *params, int64_t kernel_height, int64_t kernel_width,
                                 const reel_pool_options *options)
{
    return window_pool(params, "avg_pool2d", false, 2, kernel_height, kernel_width, options);
}

reel_module *reel_adaptive_max_pool1d_new(reel_params *params, int64_t size)
{
    return adaptive_pool(params, "adaptive_max_pool1d", true, 1, size, 0);
}

reel_module *reel_adaptive_max_pool2d_new(reel_params *params, int64_t height, int64_t width)
{
    return adaptive_pool(params, "adaptive_max_pool2d", true, 2, height, width);
}

reel_module *reel_adaptive_avg_pool1d_new(reel_params *params, int64_t size)
{
    return adaptive_pool(params, "adaptive_avg_pool1d", false, 1, size, 0);
}

reel_module *reel_adaptive_avg_pool2d_new(reel_params *params, int64_t height, int64_t width)
{
    return adaptive_pool(params, "adaptive_avg_pool2d", false, 2, height, width);
}
