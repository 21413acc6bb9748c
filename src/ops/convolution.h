/* What layers of convolutions share with the functions. */
#ifndef REEL_OPS_CONVOLUTION_H
#define REEL_OPS_CONVOLUTION_H

#include <reel/convolution.h>

/* The options, checked, with -1 replaced by what it stands for. `name` is what errors say. */
reel_status reel_conv_take_options(reel_context *context, const char *name, int axes, bool transposed,
                                   const reel_conv_options *given, reel_conv_options *options);

#endif
