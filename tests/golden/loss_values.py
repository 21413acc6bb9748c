"""Prints tests/golden/loss_values.h: losses and their gradients as PyTorch computes them in float64, for tests/ops.

    pip install torch numpy; python tests/golden/loss_values.py > tests/golden/loss_values.h

Made with torch 2.15.0. All inputs are exact in float32, so that the float build is compared with the same numbers.
Gradients are those of the sum of the losses.
"""

import math

import torch
from torch.nn import functional as F

torch.set_num_threads(1)
torch.manual_seed(0)

CASES = []


def number(value):
    if math.isnan(value):
        return "NAN"
    if math.isinf(value):
        return "INFINITY" if value > 0 else "-INFINITY"
    short = repr(float(value)).removesuffix(".0")
    return short if len(short) < 8 else float(value).hex()


def listed(kind, values, text):
    values = list(values)
    if not values:
        return "NULL"
    line, lines = "", []
    for value in values:
        item = text(value) + ","
        if len(line) + len(item) > 100:
            lines.append(line)
            line = ""
        line += (" " if line else "") + item
    lines.append(line)
    return f"(const {kind}[]){{" + "\n         ".join(lines).rstrip(",") + "}"


def doubles(tensor):
    return listed("double", tensor.detach().reshape(-1).tolist(), number) if tensor is not None else "NULL"


def integers(tensor):
    return listed("int64_t", tensor.reshape(-1).tolist(), str) if tensor is not None else "NULL"


def exact(*values):
    return torch.tensor(values, dtype=torch.float32).double()


def case(what, loss, reduction, x, target, target_gradient=True, classes=False, weight=None, pos_weight=None,
         ignore_index=-100, label_smoothing=0.0, beta=1.0):
    x = x.clone().requires_grad_()
    target = target.clone()
    if not classes:
        target.requires_grad_(target_gradient)
    options = {"reduction": reduction}
    if weight is not None:
        options["weight"] = weight
    if pos_weight is not None:
        options["pos_weight"] = pos_weight
    if classes:
        options["ignore_index"] = ignore_index
    if label_smoothing:
        options["label_smoothing"] = label_smoothing
    if loss is F.smooth_l1_loss:
        options["beta"] = beta
    value = loss(x, target, **options)
    value.sum().backward()
    name = {F.mse_loss: "MSE", F.l1_loss: "L1", F.smooth_l1_loss: "SMOOTH_L1", F.binary_cross_entropy: "BCE",
            F.binary_cross_entropy_with_logits: "BCE_WITH_LOGITS", F.nll_loss: "NLL",
            F.cross_entropy: "CROSS_ENTROPY"}[loss]
    shape = ", ".join(map(str, x.shape))
    CASES.append(f"""    {{.what = "{what}", .loss = LOSS_{name}, .reduction = REEL_{reduction.upper()},
     .ndim = {x.dim()}, .dim = {{{shape}}},
     .x = {doubles(x)},
     .target = {doubles(None if classes else target)},
     .classes = {integers(target if classes else None)},
     .weight = {doubles(weight)}, .weights = {0 if weight is None else weight.numel()},
     .pos_weight = {doubles(pos_weight)}, .pos_weights = {0 if pos_weight is None else pos_weight.numel()},
     .ignore_index = {ignore_index}, .label_smoothing = {label_smoothing}, .beta = {beta},
     .value = {doubles(value)}, .values = {value.numel()},
     .x_gradient = {doubles(x.grad)},
     .target_gradient = {doubles(target.grad if not classes else None)}}},""")


def pairs():
    far = exact(0, 1, -1, 0.5, -0.25, 3, -3, 1e4, -1e4, 1e4, -1e4, 2.5)
    far_target = exact(1, 1, 0.5, -0.5, 0.25, -2, 3, 0, 0.5, 1e4, 1e4, -7)
    for reduction in ("mean", "sum", "none"):
        case("far apart", F.mse_loss, reduction, far, far_target)
        case("far apart", F.l1_loss, reduction, far, far_target)
        for beta in (1.0, 0.25, 3.0, 0.0):
            case("far apart", F.smooth_l1_loss, reduction, far, far_target, beta=beta)

        logits = exact(0, 1, -1, 20, -20, 20, -20, 1e4, -1e4, 1e4, -1e4, 88.5)
        labels = exact(0, 1, 0, 0, 1, 1, 0, 0, 1, 1, 0, 0.25)
        case("large logits", F.binary_cross_entropy_with_logits, reduction, logits, labels)
        grid, grid_labels = logits.reshape(4, 3), labels.reshape(4, 3)
        case("weights", F.binary_cross_entropy_with_logits, reduction, grid, grid_labels, weight=exact(0.5, 2, 0))
        case("positive weights", F.binary_cross_entropy_with_logits, reduction, grid, grid_labels,
             pos_weight=exact(0.5, 1, 3))
        case("both weights", F.binary_cross_entropy_with_logits, reduction, grid, grid_labels,
             weight=exact(0.25, 1, 3), pos_weight=exact(4, 1, 0.5))

        inside = exact(0.5, 0.25, 0.875, 0.001, 0.999, 0.75)
        soft = exact(1, 0, 0.25, 0, 1, 0.75)
        case("inside", F.binary_cross_entropy, reduction, inside, soft)
        case("weights", F.binary_cross_entropy, reduction, inside.reshape(2, 3), soft.reshape(2, 3),
             weight=exact(0.5, 2, 0))
        # What torch gives for the target here is infinite; reel keeps the logarithms' bound of -100.
        case("ends", F.binary_cross_entropy, reduction, exact(0, 1, 0, 1, 1e-30), exact(0, 1, 1, 0, 1),
             target_gradient=False)


def classes():
    logits = torch.randn(6, 5, dtype=torch.float32).double()
    logits[1] = exact(1e4, -1e4, 0, 9999, 1e4)
    logits[2] = exact(-1e4, -1e4, -1e4, -1e4, -1e4)
    logits[3] = exact(1e4, 0, 0, 0, 0)
    target = torch.tensor([0, 3, 4, 1, 2, 0])
    ignored = torch.tensor([0, -100, 4, 1, -100, 0])
    weight = exact(0.5, 1, 2, 0.25, 3)
    image = torch.randn(2, 3, 2, 2, dtype=torch.float32).double()
    image_target = torch.tensor([[[0, 1], [2, 2]], [[1, 1], [0, 2]]])
    for reduction in ("mean", "sum", "none"):
        for loss in (F.nll_loss, F.cross_entropy):
            case("large", loss, reduction, logits, target, classes=True)
            case("weights", loss, reduction, logits, target, classes=True, weight=weight)
            case("some ignored", loss, reduction, logits, ignored, classes=True)
            case("a class ignored, weights", loss, reduction, logits, target, classes=True, weight=weight,
                 ignore_index=0)
            case("all ignored", loss, reduction, logits, torch.full((6,), -100), classes=True)
            case("a vector", loss, reduction, logits[0], torch.tensor(2), classes=True)
            case("axes behind the classes", loss, reduction, image, image_target, classes=True, weight=exact(1, 2, 3),
                 ignore_index=1)
        case("smoothing", F.cross_entropy, reduction, logits, target, classes=True, label_smoothing=0.1)
        case("smoothing, weights", F.cross_entropy, reduction, logits, ignored, classes=True, weight=weight,
             label_smoothing=0.3)
        case("smoothing of 1", F.cross_entropy, reduction, logits, ignored, classes=True, label_smoothing=1.0)
        case("smoothing, axes behind the classes", F.cross_entropy, reduction, image, image_target, classes=True,
             weight=exact(1, 2, 3), ignore_index=1, label_smoothing=0.2)


pairs()
classes()
print(f"""/* Written by tests/golden/loss_values.py with torch {torch.__version__.split('+')[0]}: do not edit. */
#ifndef REEL_GOLDEN_LOSS_VALUES_H
#define REEL_GOLDEN_LOSS_VALUES_H

#include <reel/loss.h>

#include <math.h>

/* clang-format off */

enum loss {{ LOSS_MSE, LOSS_L1, LOSS_SMOOTH_L1, LOSS_BCE, LOSS_BCE_WITH_LOGITS, LOSS_NLL, LOSS_CROSS_ENTROPY }};

/* x and target, or classes, with the options; the losses, and the gradients of their sum (NULL: not compared). */
static const struct golden_loss {{
    const char *what;
    enum loss loss;
    reel_reduction reduction;
    int ndim;
    int64_t dim[4];
    const double *x, *target;
    const int64_t *classes;
    const double *weight;
    int weights;
    const double *pos_weight;
    int pos_weights;
    int64_t ignore_index;
    double label_smoothing, beta;
    const double *value;
    int values;
    const double *x_gradient, *target_gradient;
}} golden_losses[] = {{""")
print("\n".join(CASES))
print("""};

#endif""")
