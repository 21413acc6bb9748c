/* Pools over one or two axes, as functions and as layers; and layers that make axes longer.
 *
 *     reel_var half = reel_max_pool2d(t, x, 2, 2, NULL, NULL);  // [64, 32, 28, 28] -> [64, 32, 14, 14]
 *     reel_var means = reel_adaptive_avg_pool2d(t, half, 1, 1); // [64, 32, 1, 1] */
#ifndef REEL_POOL_H
#define REEL_POOL_H

#include <reel/nn.h>
#include <reel/options.h>
#include <reel/pad.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How a window moves. Of pairs, the first is about rows and the second about columns; -1 as the second means "the same
 * as the first", and in one dimension only the first counts. Each is below 2^31. */
typedef struct reel_pool_options {
    reel_options_mark mark;
    int64_t stride[2];        /* {0, -1}; 0: the size of the window */
    int64_t padding[2];       /* {0, -1}: what the input gets at both ends, at most half of the window; of max
                               * pools no numbers, of average pools zeros */
    int64_t dilation[2];      /* {1, -1}: of max pools, the distance of neighbours in the window */
    bool ceil_mode;           /* false; true: windows that begin in the input and end outside count, too */
    bool count_include_pad;   /* true; false: of average pools, the padding does not count for the mean */
    int64_t divisor_override; /* 0; else what the sums of average pools are divided by */
} reel_pool_options;
REEL_API reel_pool_options reel_pool_defaults(void);

/* The largest element of each window: torch.nn.functional.max_pool1d and max_pool2d. x [batch, channels, length] or
 * [batch, channels, height, width], or both without the first axis -> the same with sizes of
 *
 *     (size + 2 padding - dilation (kernel - 1) - 1) / stride + 1
 *
 * rounded down, with ceil_mode up but for windows that would begin behind the input. *indices, unless NULL, receives
 * each element's place in its channel of x, counted along the last axis first (int64). The first of equals; a NaN is
 * larger than any number. The gradient goes to that element; derivatives of any order. options NULL: all defaults.
 * REEL_ERROR_SHAPE when sizes do not fit, REEL_ERROR_ARGUMENT for options outside their range. */
REEL_API reel_var reel_max_pool1d(reel_tape *tape, reel_var x, int64_t kernel_size, const reel_pool_options *options,
                                  reel_var *indices);
REEL_API reel_var reel_max_pool2d(reel_tape *tape, reel_var x, int64_t kernel_height, int64_t kernel_width,
                                  const reel_pool_options *options, reel_var *indices);

/* The mean of each window, which is linear in x: torch.nn.functional.avg_pool1d and avg_pool2d. Else as above. */
REEL_API reel_var reel_avg_pool1d(reel_tape *tape, reel_var x, int64_t kernel_size, const reel_pool_options *options);
REEL_API reel_var reel_avg_pool2d(reel_tape *tape, reel_var x, int64_t kernel_height, int64_t kernel_width,
                                  const reel_pool_options *options);

/* To a size that is given, from 1 up, 0 for that of x: element i of an axis of `to` is made of the elements
 * floor(i from / to) to ceil((i + 1) from / to) - 1 (torch.nn.functional.adaptive_max_pool1d and so on). Else as
 * above. */
REEL_API reel_var reel_adaptive_max_pool1d(reel_tape *tape, reel_var x, int64_t size, reel_var *indices);
REEL_API reel_var reel_adaptive_max_pool2d(reel_tape *tape, reel_var x, int64_t height, int64_t width,
                                           reel_var *indices);
REEL_API reel_var reel_adaptive_avg_pool1d(reel_tape *tape, reel_var x, int64_t size);
REEL_API reel_var reel_adaptive_avg_pool2d(reel_tape *tape, reel_var x, int64_t height, int64_t width);

/* ---- Layers; errors as in nn.h ---- */

/* The functions above as layers (nn.MaxPool1d, nn.AvgPool2d, nn.AdaptiveMaxPool1d and so on). Those of max pools give
 * the indices as a second output. */
REEL_API reel_module *reel_max_pool1d_new(reel_params *params, int64_t kernel_size, const reel_pool_options *options);
REEL_API reel_module *reel_max_pool2d_new(reel_params *params, int64_t kernel_height, int64_t kernel_width,
                                          const reel_pool_options *options);
REEL_API reel_module *reel_avg_pool1d_new(reel_params *params, int64_t kernel_size, const reel_pool_options *options);
REEL_API reel_module *reel_avg_pool2d_new(reel_params *params, int64_t kernel_height, int64_t kernel_width,
                                          const reel_pool_options *options);
REEL_API reel_module *reel_adaptive_max_pool1d_new(reel_params *params, int64_t size);
REEL_API reel_module *reel_adaptive_max_pool2d_new(reel_params *params, int64_t height, int64_t width);
REEL_API reel_module *reel_adaptive_avg_pool1d_new(reel_params *params, int64_t size);
REEL_API reel_module *reel_adaptive_avg_pool2d_new(reel_params *params, int64_t height, int64_t width);

/* reel_interpolate of x [batch, channels, ...] to sizes, or to so many times its sizes (nn.Upsample, whose scale_factor
 * may have a fraction: give sizes then). REEL_ERROR_ARGUMENT for options outside their range. */
typedef struct reel_upsample_options {
    reel_options_mark mark;
    int64_t size[3]; /* {0, -1, -1}, of the axes behind the channels; -1: as the one before. 0: by scale_factor */
    int64_t scale_factor[3]; /* {2, -1, -1}; at least 1 */
    reel_interpolation mode; /* REEL_INTERPOLATE_NEAREST */
    bool align_corners;      /* false */
} reel_upsample_options;
REEL_API reel_upsample_options reel_upsample_defaults(void);
REEL_API reel_module *reel_upsample_new(reel_params *params, const reel_upsample_options *options);

/* reel_pad with these numbers, which are copied, n at most 2 * REEL_MAX_NDIM (nn.ConstantPad1d, nn.ZeroPad2d,
 * nn.ReflectionPad2d, nn.ReplicationPad1d, nn.CircularPad2d and so on). */
REEL_API reel_module *reel_pad_new(reel_params *params, const int64_t *pad, int n, reel_pad_mode mode, double value);

#ifdef __cplusplus
}
#endif

#endif
