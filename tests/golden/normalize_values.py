"""Prints tests/golden/normalize_values.h: normalisations as PyTorch computes them in float64, for tests/ops.

    pip install torch numpy; python tests/golden/normalize_values.py > tests/golden/normalize_values.h

Made with torch 2.15.0. All inputs are exact in float32, so that the float build is compared with the same numbers.
Gradients are those of the sum of y * output_gradient.
"""

import torch
from torch.nn import functional as F

torch.set_num_threads(1)
torch.manual_seed(0)

CASES = []


def number(value):
    short = repr(float(value)).removesuffix(".0")
    return short if len(short) < 8 else float(value).hex()


def doubles(tensor):
    if tensor is None:
        return "NULL"
    line, lines = "", []
    for value in tensor.detach().reshape(-1).tolist():
        item = number(value) + ","
        if len(line) + len(item) > 100:
            lines.append(line)
            line = ""
        line += (" " if line else "") + item
    lines.append(line)
    return "(const double[]){" + "\n         ".join(lines).rstrip(",") + "}"


def exact(*shape, center=0.0, spread=1.0):
    return (torch.randn(*shape, dtype=torch.float64) * spread + center).float().double()


def case(what, form, x, affine, eps, axes=1, statistics=None):
    x = x.clone().requires_grad_()
    channels = x.shape[-axes:] if form == "LAYER_NORM" else x.shape[1:2]
    weight = exact(*channels).requires_grad_() if affine in ("both", "weight") else None
    bias = exact(*channels).requires_grad_() if affine in ("both", "bias") else None
    mean = variance = None
    if form == "LAYER_NORM":
        y = F.layer_norm(x, channels, weight, bias, eps)
    elif form == "BATCH_NORM_EVAL":
        mean, variance = statistics
        y = F.batch_norm(x, mean, variance, weight, bias, False, 0.1, eps)
    else:
        # With momentum 1 the running statistics become those of the batch, the variance unbiased.
        mean, variance = torch.zeros(channels).double(), torch.ones(channels).double()
        y = F.batch_norm(x, mean, variance, weight, bias, True, 1.0, eps)
        count = x.numel() // channels[0]
        variance = variance * (count - 1) / count
    gradient = exact(*y.shape)
    (y * gradient).sum().backward()
    shape = ", ".join(map(str, x.shape))
    CASES.append(f"""    {{.what = "{what}", .form = {form}, .ndim = {x.dim()}, .dim = {{{shape}}}, .axes = {axes}, .eps = {eps},
     .x = {doubles(x)},
     .weight = {doubles(weight)}, .bias = {doubles(bias)},
     .mean = {doubles(mean)}, .variance = {doubles(variance)},
     .y = {doubles(y)},
     .output_gradient = {doubles(gradient)},
     .x_gradient = {doubles(x.grad)},
     .weight_gradient = {doubles(weight.grad if weight is not None else None)},
     .bias_gradient = {doubles(bias.grad if bias is not None else None)}}},""")


def batch_norm():
    for eps in (1e-5, 0.8):
        for affine in ("both", "weight", "bias", "neither"):
            for shape in ((6, 3), (3, 2, 5)):
                case(affine, "BATCH_NORM", exact(*shape, center=0.5, spread=2), affine, eps)
                statistics = exact(shape[1]), exact(shape[1]).abs() + 0.25
                case(affine, "BATCH_NORM_EVAL", exact(*shape), affine, eps, statistics=statistics)
    case("two rows", "BATCH_NORM", exact(2, 4), "both", 0.8)
    case("one row with a length", "BATCH_NORM", exact(1, 2, 7), "both", 1e-5)
    case("a channel that does not vary", "BATCH_NORM", torch.tensor([[1.5, 2], [1.5, 3], [1.5, 5]]).double(), "both", 0.8)


def layer_norm():
    for eps in (1e-5, 0.8):
        for affine in ("both", "weight", "bias", "neither"):
            case(affine, "LAYER_NORM", exact(4, 6, center=0.5, spread=2), affine, eps)
            case(affine, "LAYER_NORM", exact(2, 3, 4), affine, eps, axes=2)
    case("a vector", "LAYER_NORM", exact(7), "both", 1e-5)
    case("all axes", "LAYER_NORM", exact(3, 2, 2), "both", 1e-5, axes=3)
    case("one column", "LAYER_NORM", exact(3, 1), "both", 0.8)
    case("rows with leading axes", "LAYER_NORM", exact(2, 2, 1, 5), "both", 1e-5)


batch_norm()
layer_norm()
print(f"""/* Written by tests/golden/normalize_values.py with torch {torch.__version__.split('+')[0]}: do not edit. */
#ifndef REEL_GOLDEN_NORMALIZE_VALUES_H
#define REEL_GOLDEN_NORMALIZE_VALUES_H

#include <stddef.h>
#include <stdint.h>

/* clang-format off */

enum form {{ BATCH_NORM, BATCH_NORM_EVAL, LAYER_NORM }};

/* axes: how many layer norm normalises. mean and variance (biased): those given, or those of the batch. */
static const struct golden_normalize {{
    const char *what;
    enum form form;
    int ndim;
    int64_t dim[4];
    int axes;
    double eps;
    const double *x, *weight, *bias, *mean, *variance, *y, *output_gradient;
    const double *x_gradient, *weight_gradient, *bias_gradient;
}} golden_normalizations[] = {{""")
print("\n".join(CASES))
print("""};

#endif""")
