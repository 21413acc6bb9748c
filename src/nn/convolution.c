/* Layers of convolutions. */
#include "ops/convolution.h"

#include "nn/module.h"

#include <reel/init.h>
#include <reel/tape.h>

#include <math.h>

typedef reel_var convolution_function(reel_tape *tape, reel_var x, reel_var weight, reel_var bias,
                                      const reel_conv_options *options);

/* The four layers. */
struct convolution_kind {
    const char *name;
    int axes;
    bool transposed;
    convolution_function *function;
};

struct convolution {
    reel_module module;
    reel_param *weight, *bias;
    convolution_function *function;
    reel_conv_options options;
};

static reel_var convolution_forward(reel_tape *tape, reel_module *module, reel_var x)
{
    struct convolution *m = (struct convolution *)module;
    return m->function(tape, x, reel_module_var(tape, m->weight), reel_module_var(tape, m->bias), &m->options);
}

static const struct reel_module_kind convolution_module = {
    .size = sizeof(struct convolution), .forward = convolution_forward, .named = true};
static const struct reel_module_kind transposed_module = {
    .size = sizeof(struct convolution), .forward = convolution_forward, .named = true, .output_axis = 1};

static reel_module *new_convolution(reel_params *params, const char *name, const struct convolution_kind *kind,
                                    const int64_t *channels, const int64_t *kernel, const reel_conv_options *options)
{
    struct convolution *m =
        reel_module_begin(params, name, kind->transposed ? &transposed_module : &convolution_module);
    if (!m)
        return NULL;
    reel_context *c = params->context;
    m->function = kind->function;
    const reel_conv_options *o = &m->options;
    if (reel_conv_take_options(c, kind->name, kind->axes, kind->transposed, options, &m->options) == REEL_OK) {
        int64_t in = channels[0], out = channels[1];
        reel_shape shape = {2 + kind->axes, {out, in / o->groups, kernel[0], kernel[1]}}, bias_shape = {1, {out}};
        if (kind->transposed) {
            shape.dim[0] = in;
            shape.dim[1] = out / o->groups;
        }
        if (in % o->groups != 0 || out % o->groups != 0)
            reel_fail(c, REEL_ERROR_ARGUMENT, "%s: %lld and %lld channels are no multiples of %lld groups", kind->name,
                      (long long)in, (long long)out, (long long)o->groups);
        for (int i = 0; i < kind->axes; i++)
            if (kernel[i] < 1)
                reel_fail(c, REEL_ERROR_ARGUMENT, "%s: the kernel's size is %lld, not 1 or more", kind->name,
                          (long long)kernel[i]);
        m->weight = reel_module_param(&m->module, "weight", REEL_PARAM_TRAINED, REEL_REAL, shape);
        if (o->bias)
            m->bias = reel_module_param(&m->module, "bias", REEL_PARAM_TRAINED, REEL_REAL, bias_shape);
    }
    if (!reel_module_end(&m->module))
        return NULL;

    /* As PyTorch's _ConvNd does it: without inputs a bias gets no values there. */
    reel_init_kaiming_uniform(m->weight, sqrt(5), REEL_FAN_IN, REEL_GAIN_LEAKY_RELU);
    double fan_in = 1;
    for (int i = 1; i < m->weight->shape.ndim; i++)
        fan_in *= (double)m->weight->shape.dim[i];
    if (m->bias && fan_in > 0)
        reel_init_uniform(m->bias, -1 / sqrt(fan_in), 1 / sqrt(fan_in));
    return &m->module;
}

reel_module *reel_conv1d_new(reel_params *params, const char *name, int64_t in_channels, int64_t out_channels,
                             int64_t kernel_size, const reel_conv_options *options)
{
    static const struct convolution_kind kind = {"conv1d", 1, false, reel_conv1d};
    const int64_t channels[] = {in_channels, out_channels}, kernel[] = {kernel_size, 0};
    return new_convolution(params, name, &kind, channels, kernel, options);
}

reel_module *reel_conv2d_new(reel_params *params, const char *name, int64_t in_channels, int64_t out_channels,
                             int64_t kernel_height, int64_t kernel_width, const reel_conv_options *options)
{
    static const struct convolution_kind kind = {"conv2d", 2, false, reel_conv2d};
    const int64_t channels[] = {in_channels, out_channels}, kernel[] = {kernel_height, kernel_width};
    return new_convolution(params, name, &kind, channels, kernel, options);
}

reel_module *reel_conv_transpose1d_new(reel_params *params, const char *name, int64_t in_channels, int64_t out_channels,
                                       int64_t kernel_size, const reel_conv_options *options)
{
    static const struct convolution_kind kind = {"conv_transpose1d", 1, true, reel_conv_transpose1d};
    const int64_t channels[] = {in_channels, out_channels}, kernel[] = {kernel_size, 0};
    return new_convolution(params, name, &kind, channels, kernel, options);
}

reel_module *reel_conv_transpose2d_new(reel_params *params, const char *name, int64_t in_channels, int64_t out_channels,
                                       int64_t kernel_height, int64_t kernel_width, const reel_conv_options *options)
{
    static const struct convolution_kind kind = {"conv_transpose2d", 2, true, reel_conv_transpose2d};
    const int64_t channels[] = {in_channels, out_channels}, kernel[] = {kernel_height, kernel_width};
    return new_convolution(params, name, &kind, channels, kernel, options);
}
