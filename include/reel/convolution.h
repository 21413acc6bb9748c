/* Convolutions in one and two dimensions, and transposed ones.
 *
 *     REEL_OPTIONS(conv, o, o.stride[0] = 2, o.padding[0] = 1); // along both axes
 *     reel_var y = reel_conv2d(t, x, weight, reel_null(), &o); // [64, 1, 28, 28] -> [64, 32, 14, 14] */
#ifndef REEL_CONVOLUTION_H
#define REEL_CONVOLUTION_H

#include <reel/options.h>
#include <reel/pad.h>
#include <reel/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How a kernel moves over its input. Of pairs, the first is about rows and the second about columns; -1 as the second
 * means "the same as the first", and in one dimension only the first counts. Each is below 2^31. */
typedef struct reel_conv_options {
    reel_options_mark mark;
    int64_t stride[2];          /* {1, -1}; at least 1 */
    int64_t padding[2];         /* {0, -1}: zeros that the input gets at both ends */
    int64_t dilation[2];        /* {1, -1}; at least 1: the distance of neighbours in the kernel */
    int64_t output_padding[2];  /* {0, -1}: of transposed convolutions, what the output is larger by at its end */
    int64_t groups;             /* 1: channels are cut into so many parts, each convolved by itself */
    bool padding_same;          /* instead of `padding`: as many zeros as keep the size, with a stride of 1; where their
                                   number is odd, one more at the end (padding='same') */
    reel_pad_mode padding_mode; /* REEL_PAD_CONSTANT: zeros. Else what the input gets at its ends in their place, with
                                   padding_same too; not of transposed convolutions */
    bool bias;                  /* true. Of layers; the functions below have a bias if it is not the null var */
} reel_conv_options;
REEL_API reel_conv_options reel_conv_defaults(void);

/* torch.nn.functional.conv1d and conv2d. x [batch, in_channels, length] and weight [out_channels, in_channels / groups,
 * kernel], or x [batch, in_channels, height, width] and weight [out_channels, in_channels / groups, kernel height,
 * kernel width]; bias [out_channels] or the null var for none -> [batch, out_channels, ...] with sizes of
 *
 *     (size + 2 padding - dilation (kernel - 1) - 1) / stride + 1, rounded down
 *
 * x may come without its first axis, and then the result has none either. options NULL: all defaults. The same bits for
 * any number of threads. REEL_ERROR_SHAPE when sizes do not fit, or the kernel is larger than the padded input;
 * REEL_ERROR_ARGUMENT for options outside their range, and for an output_padding. */
REEL_API reel_var reel_conv1d(reel_tape *tape, reel_var x, reel_var weight, reel_var bias,
                              const reel_conv_options *options);
REEL_API reel_var reel_conv2d(reel_tape *tape, reel_var x, reel_var weight, reel_var bias,
                              const reel_conv_options *options);

/* torch.nn.functional.conv_transpose1d and conv_transpose2d: what a convolution with the same options does to the
 * gradient of its output. x [batch, in_channels, ...], weight [in_channels, out_channels / groups, kernel sizes], bias
 * [out_channels] or the null var -> [batch, out_channels, ...] with sizes of
 *
 *     (size - 1) stride - 2 padding + dilation (kernel - 1) + output_padding + 1
 *
 * output_padding is less than stride or dilation. Else as above; there is no padding_same. */
REEL_API reel_var reel_conv_transpose1d(reel_tape *tape, reel_var x, reel_var weight, reel_var bias,
                                        const reel_conv_options *options);
REEL_API reel_var reel_conv_transpose2d(reel_tape *tape, reel_var x, reel_var weight, reel_var bias,
                                        const reel_conv_options *options);

#ifdef __cplusplus
}
#endif

#endif
