"""Writes tests/golden/operations/NAME.txt: what PyTorch computes, in float64, of every good sample of every operation
that PyTorch has, for tests/ops/values.c.

    python tests/golden/operations.py build/release/tests/golden_samples [NAME...]

Made with torch 2.15.0. The program prints the samples; without names, all are written. Operations that PyTorch does not
have are in neither list below: a formula beside their samples stands for it.

A file has for each sample a line "sample WHAT" and a line for each tensor, "NAME SIZES: ELEMENTS". yI is output I. With
u an array of cotangents and w one of directions (both the same simple numbers in test and script), gK is the gradient of
the sum of all u yI with respect to input K, sK and tI are those of the sum of all w gK with respect to input K and to
the cotangent of output I. Inputs are exact in float32, so that the float library is compared with the same numbers.
Other lines say that there is no second order, or that PyTorch does not count the sizes of a sample without elements.
"""

import itertools
import math
import pathlib
import struct
import subprocess
import sys

import torch
from torch.nn import functional as F

torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)

REDUCTIONS = ["mean", "sum", "none"]
MODES = ["mean", "sum", "max"]


def simple_numbers(salt, shape):
    """Multiples of 1/64 in -1..1 that are not 0."""
    j = torch.arange(math.prod(shape))
    return (((37 * j + 11 * salt) % 64) * 2 - 63).double().div(64).reshape(shape)


# ---- Operations: the layout of the attributes, as struct has it, and the function ----


def axes_of(x, attributes):
    n, axes, keep = attributes[0], attributes[1:9], attributes[9]
    return (axes[:n] if n > 0 else tuple(range(x.dim()))), keep


def over_axes(function):
    def apply(x, *attributes):
        axes, keep = axes_of(x, attributes)
        return function(x, axes, keep, *attributes[10:])

    return apply


def shaped(function):
    return lambda x, ndim, *sizes: function(x, sizes[:ndim])


def number(function):
    return lambda x, s, _: function(x, s)


def activated(x, activation, slope):
    return [lambda: x, lambda: F.relu(x), lambda: F.leaky_relu(x, slope), lambda: torch.tanh(x)][activation]()


def masked_softmax(x, mask, axis):
    """As scaled_dot_product_attention does it: what is masked as a whole is zeros."""
    nothing = ~mask.expand(x.shape).any(axis, keepdim=True)
    return torch.softmax(x.masked_fill(~mask, -math.inf).masked_fill(nothing, 0), axis).masked_fill(nothing, 0)


def index_select(x, index, axis):
    axis %= x.dim()
    picked = torch.index_select(x, axis, index.reshape(-1))
    return picked.reshape(x.shape[:axis] + index.shape + x.shape[axis + 1 :])


def index_add(values, index, size, axis):
    shape = list(values.shape)
    shape[axis] = size
    return torch.zeros(shape).index_add(axis, index, values)


def places(start, step, count):
    return start + step * torch.arange(count)


def slice_backward(x, axis, start, step, size):
    shape = list(x.shape)
    shape[axis] = size
    return torch.zeros(shape).index_add(axis, places(start, step, x.shape[axis]), x)


def scatter(x, index, values, axis):
    """One slice of the index after the other, so that the last value stays where several have one place."""
    if index.dim() == 0:
        return torch.scatter(x, axis, index.long(), values)
    for i in range(index.shape[axis]):
        x = x.scatter(axis, index.narrow(axis, i, 1).long(), values.narrow(axis, i, 1))
    return x.clone()


def share_along(x, share, axis):
    """The shares of the upper slices, beside the axes behind `axis`."""
    return share.reshape((-1,) + (1,) * (x.dim() - 1 - axis % x.dim()))


def interpolate(x, lower, upper, share, axis, _):
    share = share_along(x, share, axis)
    return x.index_select(axis, lower) * (1 - share) + x.index_select(axis, upper) * share


def interpolate_backward(x, lower, upper, share, axis, size):
    shape = list(x.shape)
    shape[axis] = size
    share = share_along(x, share, axis)
    return torch.zeros(shape).index_add(axis, lower, x * (1 - share)).index_add(axis, upper, x * share)


def cumsum(x, axis, reverse):
    return x.cumsum(axis) if not reverse else x.flip(axis).cumsum(axis).flip(axis)


def sort(x, axis, descending, k):
    values, indices = torch.sort(x, stable=True, dim=axis, descending=descending)
    if k >= 0:
        values, indices = values.narrow(axis, 0, k), indices.narrow(axis, 0, k)
    return values, indices


def scatter_add_rows(values, index, rows):
    rest = values.shape[index.dim() :]
    flat = values.reshape((index.numel(),) + tuple(rest))
    return torch.zeros((rows,) + tuple(rest)).index_add(0, index.reshape(-1), flat)


def frequencies(index):
    index = index.reshape(-1).long()
    return torch.bincount(index, minlength=1)[index].double()


def frequency_weights(index):
    return (1 / frequencies(index)).reshape(index.shape)


def weighed_gradient(x, weight):
    """x, whose gradient is multiplied with weight, to any order."""
    return x * weight + (x * (1 - weight)).detach()


def embedding(weight, index, padding, scale):
    """Rows of any shape. PyTorch's own function has no second derivative with scale_grad_by_freq, so this is compared
    with it and taken in its place."""
    flat = index.reshape(-1).long()
    share = (1 / frequencies(flat) if scale else torch.ones(flat.shape)) * (flat != padding)
    rows = weight.index_select(0, flat)
    rows = weighed_gradient(rows, share.reshape((-1,) + (1,) * (weight.dim() - 1)))
    if weight.numel() > 0 and flat.numel() > 0:
        twin = weight.detach().reshape(weight.shape[0], -1).requires_grad_()
        theirs = F.embedding(flat, twin, padding if padding >= 0 else None, scale_grad_by_freq=scale)
        check_same(rows, weight, theirs, twin)
    return rows.reshape(index.shape + weight.shape[1:])


def look_up(table, index):
    """F.embedding for rows of any shape, as a matrix; its second derivative fails without elements."""
    return table.reshape(table.shape[0], math.prod(table.shape[1:])).index_select(0, index.reshape(-1).long())


def embedding_mse_loss(weight, index, target, reduction):
    return F.mse_loss(look_up(weight, index).reshape(target.shape), target, reduction=REDUCTIONS[reduction])


def embedding_dot(weight, index, other, other_index):
    """The rows of each index beside those of all its partners, multiplied along the rows."""
    each = math.prod(other_index.shape[index.dim() :])
    rows, partners = look_up(weight, index), look_up(other, other_index)
    partners = partners.reshape(index.numel(), each, rows.shape[1])
    return torch.einsum("ij,ikj->ik", rows, partners).reshape(other_index.shape)


def check_same(mine, x, theirs, twin):
    u = simple_numbers(5, mine.shape)
    (g,) = torch.autograd.grad(mine, x, u, retain_graph=True)
    (h,) = torch.autograd.grad(theirs, twin, u.reshape(theirs.shape))
    torch.testing.assert_close(mine, theirs.reshape(mine.shape), rtol=1e-14, atol=1e-14)
    torch.testing.assert_close(g, h.reshape(g.shape), rtol=1e-13, atol=1e-14)


def embedding_bag(weight, index, offsets, *rest):
    """In elementary operations, because PyTorch's function takes weights with sums alone and has no second derivative of
    all modes; where it has the first, it is compared."""
    per_sample, (padding, mode, scale, include_last) = (rest[0], rest[1:]) if len(rest) == 5 else (None, rest)
    rows_of_index = index.shape[0] if index.dim() == 2 else None
    flat = index.reshape(-1).long()
    w = per_sample.reshape(-1) if per_sample is not None else torch.ones(flat.shape)
    share = 1 / frequencies(flat) if scale else torch.ones(flat.shape)
    entries = weighed_gradient(weight.index_select(0, flat), share[:, None]) * w[:, None]
    starts = offsets.tolist()
    ends = starts[1:] + ([] if include_last else [flat.numel()])
    bags = []
    for start, end in zip(starts, ends):
        bag = entries[start:end][flat[start:end] != padding]
        if MODES[mode] == "sum" or len(bag) == 0:
            bags.append(bag.sum(0))
        elif MODES[mode] == "max":
            # The first of equal entries, where amax would share the gradient among them.
            bags.append(bag.gather(0, bag.detach().max(0, keepdim=True).indices)[0] if weight.shape[1] else bag[0])
        else:
            bags.append(bag.mean(0))
    out = torch.stack(bags) if bags else torch.zeros(0, weight.shape[1])
    if out.numel() > 0 and flat.numel() > 0 and (per_sample is None or MODES[mode] == "sum"):
        twin = weight.detach().clone().requires_grad_()
        theirs = F.embedding_bag(flat, twin, offsets.long(), mode=MODES[mode], scale_grad_by_freq=scale and MODES[mode] != "max",
                                 per_sample_weights=None if per_sample is None else w.detach(),
                                 include_last_offset=include_last, padding_idx=padding if padding >= 0 else None)
        if not (scale and MODES[mode] == "max"):  # PyTorch refuses it
            check_same(out, weight, theirs, twin)
    return out


def batch_norm(x, *rest):
    weight, bias, eps = rest if len(rest) == 3 else (None, None, rest[0])
    axes = (0, *range(2, x.dim()))
    y = F.batch_norm(x, None, None, weight, bias, True, 0.0, eps)
    return y, x.mean(axes), x.var(axes, correction=0)


def layer_norm(x, *rest):
    weight, bias, eps = rest if len(rest) == 3 else (None, None, rest[0])
    return F.layer_norm(x, x.shape[1:], weight, bias, eps)


def rms_norm(x, *rest):
    weight, eps = rest if len(rest) == 2 else (None, rest[0])
    return F.rms_norm(x, x.shape[1:], weight, eps)


def pool_attributes(attributes):
    axes, adaptive = attributes[:2]
    pairs = [list(attributes[first : first + axes]) for first in (2, 4, 6, 8, 10)]
    return axes, adaptive, pairs, attributes[12], attributes[13] or None


def fitting(pool, size):
    """What the function gives in whichever mode has this size."""
    for ceil in False, True:
        y = pool(ceil)
        if list((y[0] if isinstance(y, tuple) else y).shape[2:]) == list(size):
            return y
    raise ValueError(f"no mode gives {size}")


def max_pool(x, *attributes):
    axes, adaptive, (kernel, stride, padding, dilation, size), _, _ = pool_attributes(attributes)
    if adaptive:
        return (F.adaptive_max_pool1d if axes == 1 else F.adaptive_max_pool2d)(x, size, return_indices=True)
    function = F.max_pool1d if axes == 1 else F.max_pool2d
    return fitting(lambda ceil: function(x, kernel, stride, padding, dilation, ceil, return_indices=True), size)


def avg_pool(x, *attributes, size=None):
    axes, adaptive, (kernel, stride, padding, _, wanted), count, divisor = pool_attributes(attributes)
    size = size or wanted
    if adaptive:
        return (F.adaptive_avg_pool1d if axes == 1 else F.adaptive_avg_pool2d)(x, size)
    if axes == 1:
        return fitting(lambda ceil: F.avg_pool1d(x, kernel, stride, padding, ceil, count), size)
    return fitting(lambda ceil: F.avg_pool2d(x, kernel, stride, padding, ceil, count, divisor), size)


def avg_pool_backward(g, *attributes):
    """As a product with the matrix of PyTorch's pool, which is linear."""
    _, _, (*_, size), _, _ = pool_attributes(attributes)
    plane = torch.eye(math.prod(size)).reshape(-1, 1, *size)
    matrix = avg_pool(plane, *attributes, size=list(g.shape[2:])).reshape(math.prod(size), -1)
    return (g.reshape(g.shape[0] * g.shape[1], matrix.shape[1]) @ matrix.T).reshape(g.shape[:2] + tuple(size))


def class_loss(function):
    def apply(x, target, *rest):
        weight, attributes = (rest[0], rest[1:]) if len(rest) == 4 else (None, rest)
        options = {"label_smoothing": attributes[2]} if function is F.cross_entropy else {}
        return function(x, target.long(), weight, reduction=REDUCTIONS[attributes[0]], ignore_index=attributes[1],
                        **options)

    return apply


def loss(function, with_beta=False):
    def apply(x, target, reduction, beta):
        options = {"beta": beta} if with_beta else {}
        return function(x, target, reduction=REDUCTIONS[reduction], **options)

    return apply


def softplus(x, beta, threshold):
    """PyTorch's own derivative is NaN where exp overflows, which no threshold prevents here."""
    return F.softplus(x, beta, threshold) if math.isfinite(threshold) else -F.logsigmoid(-beta * x) / beta


def bce(x, target, reduction):
    """The formula, because PyTorch's second derivative adds 1e-12 to what it divides by."""
    losses = -(target * torch.log(x) + (1 - target) * torch.log(1 - x))
    out = losses.mean() if reduction == "mean" else losses.sum() if reduction == "sum" else losses
    torch.testing.assert_close(out, F.binary_cross_entropy(x, target, reduction=reduction), rtol=1e-14, atol=0)
    return out


def matmul(a, b, transpose_a, transpose_b):
    return torch.matmul(a.mT if transpose_a else a, b.mT if transpose_b else b)


def fit(x, sizes):
    """x with its last axes cut, or grown by zeros, to the sizes."""
    grown = [amount for size, now in zip(reversed(sizes), reversed(x.shape)) for amount in (0, max(0, size - now))]
    x = F.pad(x, grown)
    for i, size in enumerate(sizes):
        x = x.narrow(2 + i, 0, size)
    return x


def conv_attributes(attributes):
    axes, groups = attributes[0], attributes[9]
    return [list(attributes[first : first + axes]) for first in (1, 3, 5, 7)] + [groups]


def conv(x, weight, *rest):
    """The sizes are those of the result, which may see nothing but zeros at its end."""
    bias, attributes = (rest[0], rest[1:]) if len(rest) == 11 else (None, rest)
    stride, padding, dilation, size, groups = conv_attributes(attributes)
    kernel = weight.shape[2:]
    reach = [(n - 1) * s + (k - 1) * d + 1 for n, s, k, d in zip(size, stride, kernel, dilation)]
    if 0 in x.shape[:2] or 0 in weight.shape[:2] or 0 in size:
        y = torch.zeros(x.shape[0], weight.shape[0], *size) + 0 * (x.sum() + weight.sum())
        return y if bias is None else y + bias.reshape(-1, *[1] * len(size))
    x = F.pad(x, [amount for p in reversed(padding) for amount in (p, p)])
    x = fit(x, [max(now, r) for now, r in zip(x.shape[2:], reach)])
    function = F.conv1d if len(size) == 1 else F.conv2d
    return fit(function(x, weight, bias, stride, 0, dilation, groups), size)


def conv_transpose(y, weight, *rest):
    bias, attributes = (rest[0], rest[1:]) if len(rest) == 11 else (None, rest)
    stride, padding, dilation, size, groups = conv_attributes(attributes)
    channels = weight.shape[1] * groups
    if 0 in y.shape[:2] or 0 in weight.shape[:2]:
        x = torch.zeros(y.shape[0], channels, *size) + 0 * (y.sum() + weight.sum())
    else:
        function = F.conv_transpose1d if len(size) == 1 else F.conv_transpose2d
        x = function(y, weight, None, stride, 0, 0, groups, dilation)
        x = fit(x, [p + s for p, s in zip(padding, size)])
        for i, p in enumerate(padding):
            x = x.narrow(2 + i, p, size[i])
    return x if bias is None else x + bias.reshape(-1, *[1] * len(size))


def conv_weight(x, y, *attributes):
    """The gradient of a convolution's weight, in elementary operations, since PyTorch's own has no second derivative of
    this form; it is compared with it."""
    stride, padding, dilation, size, groups = conv_attributes(attributes)
    positions = y.shape[2:]
    channels = x.shape[1] // groups
    shape = (y.shape[1], channels, *size)
    if 0 in x.shape[:2] or 0 in y.shape[:2] or 0 in size:
        return torch.zeros(shape) + 0 * (x.sum() + y.sum())
    reach = [(n - 1) * s + (k - 1) * d + 1 for n, s, k, d in zip(positions, stride, size, dilation)]
    padded = F.pad(x, [amount for p in reversed(padding) for amount in (p, p)])
    padded = fit(padded, [max(now, r) for now, r in zip(padded.shape[2:], reach)])
    parts = []
    for k in itertools.product(*(range(n) for n in size)):
        seen = padded
        for i, at in enumerate(k):
            index = at * dilation[i] + stride[i] * torch.arange(positions[i])
            seen = seen.index_select(2 + i, index)
        seen = seen.reshape(x.shape[0], groups, channels, -1)
        parts.append(torch.einsum("ngop,ngcp->goc", y.reshape(x.shape[0], groups, shape[0] // groups, -1), seen))
    w = torch.stack(parts, -1).reshape(shape)
    twin = torch.zeros(shape, requires_grad=True)
    theirs = torch.autograd.grad(conv(x.detach(), twin, *(list(attributes[:7]) + [*positions, 0][:2] + [groups])), twin,
                                 y.detach())[0]
    torch.testing.assert_close(w.detach(), theirs, rtol=1e-13, atol=1e-14)
    return w


def gru_cell(x, s, h):
    n = h.shape[1]
    r, z = torch.sigmoid(x[:, :n] + s[:, :n]), torch.sigmoid(x[:, n : 2 * n] + s[:, n : 2 * n])
    new = torch.tanh(x[:, 2 * n :] + r * s[:, 2 * n :])
    return new + z * (h - new)


def lstm_cell(x, s, c):
    i, f, g, o = (x + s).chunk(4, 1)
    cell = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(cell), cell


def gradients_of(cell, outputs):
    """The gradients of a cell's inputs x and before, and of GRU's state, as functions that are differentiated again."""

    def apply(*inputs):
        grads, (x, s, before) = inputs[:outputs], inputs[outputs:]
        ys = cell(x, s, before)
        results = torch.autograd.grad(ys, [x, before] if outputs == 2 else [x, s, before], grads, create_graph=True)
        return tuple(results)

    return apply


def sequence_gradients(cell, states):
    """The way back through steps, from the gradients of the outputs, x_gates, the first states, weight and bias, and the
    outputs: the gradients of x_gates, of h_gates by time, and of the first states."""
    step_back = gradients_of(cell, states)

    def apply(*arguments):
        *inputs, saved = arguments
        assert saved == 0, "samples have no pass to be kept from"
        grads, (x, *first, weight, bias), ys = inputs[:states], inputs[states:-states], inputs[-states:]
        if x.numel() == 0:
            zero = 0 * sum(v.sum() for v in inputs)
            return tuple(torch.zeros(shape) + zero for shape in
                         [x.shape, x.transpose(0, 1).shape, *(v.shape for v in first)])
        befores = [torch.cat([v.unsqueeze(1), y[:, :-1]], 1) for v, y in zip(first, ys)]
        state = F.linear(befores[0], weight, bias)
        now, gates = [torch.zeros_like(v) for v in first], []
        for step in range(x.shape[1] - 1, -1, -1):
            arrived = [now[i] + grads[i][:, step] for i in range(states)]
            *of_gates, last = step_back(*arrived, x[:, step], state[:, step], befores[-1][:, step])
            gates.insert(0, (of_gates[0], of_gates[-1]))
            through = of_gates[-1] @ weight
            now = [through + last] if states == 1 else [through, last]
        of_x, of_state = zip(*gates)
        return torch.stack(of_x, 1), torch.stack(of_state), *now

    return apply


def recurrent(function, states):
    """PyTorch's layers, with the identity as weight_ih; compared with their steps one by one."""

    def apply(x, *rest):
        first, (weight, bias) = rest[:states], rest[states:]
        hidden = first[0].shape[1]
        cell = gru_cell if states == 1 else lstm_cell
        if x.numel() == 0:
            zero = 0 * (x.sum() + sum(v.sum() for v in rest))
            return tuple(torch.zeros(*x.shape[:2], hidden) + zero for _ in range(states)) if states > 1 else (
                torch.zeros(*x.shape[:2], hidden) + zero)
        outs, now = [[] for _ in range(states)], list(first)
        for step in x.unbind(1):
            got = cell(step, F.linear(now[0], weight, bias), now[-1])
            now = list(got) if states == 2 else [got]
            for out, v in zip(outs, now):
                out.append(v)
        outs = [torch.stack(out, 1) for out in outs]
        params = [torch.eye(x.shape[2]), weight, torch.zeros(x.shape[2]), bias]
        hx = [v.unsqueeze(0) for v in first]
        theirs = function(x, hx if states == 2 else hx[0], params, True, 1, 0.0, False, False, True)
        torch.testing.assert_close(outs[0], theirs[0], rtol=1e-13, atol=1e-14)
        return outs[0] if states == 1 else tuple(outs)

    return apply


NUMBERS = "dd"
AXES = "i8i?"
SHAPE = "i8q"
LOOKUP = "q?"
BAG = "qi??"
CLASSES = "iqd"
CONV = "i2q2q2q2qq"
LOSS = "id"
POOL = "i?2q2q2q2q2q?q"

OPERATIONS = {
    "add": ("", torch.add),
    "sub": ("", torch.sub),
    "mul": ("", torch.mul),
    "div": ("", torch.div),
    "floor_divide": ("", torch.floor_divide),
    "remainder": ("", torch.remainder),
    "pow": ("", torch.pow),
    "maximum": ("", torch.maximum),
    "minimum": ("", torch.minimum),
    "where": ("", torch.where),
    "add_scalar": (NUMBERS, number(torch.add)),
    "sub_scalar": (NUMBERS, number(torch.sub)),
    "rsub_scalar": (NUMBERS, number(torch.rsub)),
    "mul_scalar": (NUMBERS, number(torch.mul)),
    "div_scalar": (NUMBERS, number(torch.div)),
    "rdiv_scalar": (NUMBERS, number(lambda x, s: s / x)),
    "pow_scalar": (NUMBERS, number(torch.pow)),
    "maximum_scalar": (NUMBERS, number(lambda x, s: torch.maximum(x, torch.tensor(s)))),
    "minimum_scalar": (NUMBERS, number(lambda x, s: torch.minimum(x, torch.tensor(s)))),
    "clamp": (NUMBERS, torch.clamp),
    "neg": ("", torch.neg),
    "abs": ("", torch.abs),
    "sign": ("", torch.sign),
    "floor": ("", torch.floor),
    "ceil": ("", torch.ceil),
    "trunc": ("", torch.trunc),
    "round": ("", torch.round),
    "exp": ("", torch.exp),
    "expm1": ("", torch.expm1),
    "log": ("", torch.log),
    "log1p": ("", torch.log1p),
    "sqrt": ("", torch.sqrt),
    "rsqrt": ("", torch.rsqrt),
    "square": ("", torch.square),
    "sin": ("", torch.sin),
    "cos": ("", torch.cos),
    "tanh": ("", torch.tanh),
    "erf": ("", torch.erf),
    "ndtr": ("", lambda x: torch.erfc(-x * math.sqrt(0.5)) / 2),
    "sigmoid": ("", torch.sigmoid),
    "logsigmoid": ("", F.logsigmoid),
    "silu": ("", F.silu),
    "relu": ("", F.relu),
    "relu_slope": ("", lambda g, x: torch.ops.aten.threshold_backward(g, x, 0)),
    "leaky_relu": (NUMBERS, number(F.leaky_relu)),
    "leaky_relu_slope": (NUMBERS, lambda g, x, s, _: torch.ops.aten.leaky_relu_backward(g, x, s, False)),
    "elu": (NUMBERS, number(F.elu)),
    "softplus": (NUMBERS, softplus),
    "gelu": ("", F.gelu),
    "gelu_tanh": ("", lambda x: F.gelu(x, approximate="tanh")),
    "eq": ("", torch.eq),
    "ne": ("", torch.ne),
    "lt": ("", torch.lt),
    "le": ("", torch.le),
    "gt": ("", torch.gt),
    "ge": ("", torch.ge),
    "eq_scalar": ("d", torch.eq),
    "ne_scalar": ("d", torch.ne),
    "lt_scalar": ("d", torch.lt),
    "le_scalar": ("d", torch.le),
    "gt_scalar": ("d", torch.gt),
    "ge_scalar": ("d", torch.ge),
    "logical_and": ("", torch.logical_and),
    "logical_or": ("", torch.logical_or),
    "to_real": ("", torch.Tensor.double),
    "to_int64": ("", torch.Tensor.long),
    "reshape": (SHAPE, shaped(torch.reshape)),
    "cat": ("i", lambda *inputs: torch.cat(inputs[:-1], inputs[-1])),
    "narrow": ("iqq", torch.narrow),
    "permute": ("i8i", shaped(torch.permute)),
    "expand": (SHAPE, shaped(torch.Tensor.expand)),
    "index_select": ("i", index_select),
    "index_add": ("qi", index_add),
    "gather": ("i", lambda x, index, axis: torch.gather(x, axis, index.long())),
    "scatter_add": ("i", lambda x, index, values, axis: torch.scatter_add(x, axis, index.long(), values)),
    "scatter": ("i", scatter),
    "interpolate": ("iq", interpolate),
    "interpolate_backward": ("iq", interpolate_backward),
    "slice": ("iqqq", lambda x, axis, *p: x.index_select(axis, places(*p))),
    "slice_backward": ("iqqq", slice_backward),
    "frequency_weights": ("", frequency_weights),
    "embedding": (LOOKUP, embedding),
    "embedding_padding": (LOOKUP, embedding),
    "scatter_add_rows": ("q", scatter_add_rows),
    "sum": (AXES, over_axes(torch.sum)),
    "mean": (AXES, over_axes(torch.mean)),
    "sum_to_size": (SHAPE, shaped(torch.Tensor.sum_to_size)),
    "amax": (AXES, over_axes(torch.amax)),
    "amin": (AXES, over_axes(torch.amin)),
    "argmax": (AXES, over_axes(lambda x, axes, keep: torch.argmax(x, axes[0], keep))),
    "argmin": (AXES, over_axes(lambda x, axes, keep: torch.argmin(x, axes[0], keep))),
    "cumsum": ("i?", cumsum),
    "sort": ("i?q", sort),
    "variance": (AXES + "d", over_axes(lambda x, axes, keep, c: torch.var(x, axes, correction=c, keepdim=keep))),
    "norm": (AXES + "d", over_axes(lambda x, axes, keep, p: torch.linalg.vector_norm(x, p, axes, keep))),
    "logsumexp": (AXES, over_axes(torch.logsumexp)),
    "softmax": ("i", torch.softmax),
    "log_softmax": ("i", torch.log_softmax),
    "masked_softmax": ("i", masked_softmax),
    "matmul": ("??", matmul),
    "linear": ("id", lambda x, weight, *activation: activated(F.linear(x, weight), *activation)),
    "linear_bias": ("id", lambda x, weight, bias, *activation: activated(F.linear(x, weight, bias), *activation)),
    "batch_norm": ("d", batch_norm),
    "batch_norm_affine": ("d", batch_norm),
    "layer_norm": ("d", layer_norm),
    "layer_norm_affine": ("d", layer_norm),
    "rms_norm": ("d", rms_norm),
    "rms_norm_weight": ("d", rms_norm),
    "mse_loss": (LOSS, loss(F.mse_loss)),
    "l1_loss": (LOSS, loss(F.l1_loss)),
    "smooth_l1_loss": (LOSS, loss(F.smooth_l1_loss, True)),
    "bce_loss": (LOSS, loss(bce)),
    "bce_with_logits_loss": (LOSS, loss(F.binary_cross_entropy_with_logits)),
    "nll_loss": (CLASSES, class_loss(F.nll_loss)),
    "weighted_nll_loss": (CLASSES, class_loss(F.nll_loss)),
    "cross_entropy_loss": (CLASSES, class_loss(F.cross_entropy)),
    "weighted_cross_entropy_loss": (CLASSES, class_loss(F.cross_entropy)),
    "embedding_bag": (BAG, embedding_bag),
    "embedding_bag_weighted": (BAG, embedding_bag),
    "embedding_bag_scaled": (BAG, embedding_bag),
    "embedding_bag_weighted_scaled": (BAG, embedding_bag),
    "embedding_mse_loss": ("i", embedding_mse_loss),
    "embedding_dot": ("", embedding_dot),
    "gru_cell": ("", gru_cell),
    "gru_cell_backward": ("", gradients_of(gru_cell, 1)),
    "lstm_cell": ("", lstm_cell),
    "lstm_cell_backward": ("", gradients_of(lstm_cell, 2)),
    "gru": ("", recurrent(torch.gru, 1)),
    "lstm": ("", recurrent(torch.lstm, 2)),
    "gru_backward": ("q", sequence_gradients(gru_cell, 1)),
    "lstm_backward": ("q", sequence_gradients(lstm_cell, 2)),
    "conv": (CONV, conv),
    "conv_bias": (CONV, conv),
    "conv_transpose": (CONV, conv_transpose),
    "conv_transpose_bias": (CONV, conv_transpose),
    "conv_weight": (CONV, conv_weight),
    "max_pool": (POOL, max_pool),
    "avg_pool": (POOL, avg_pool),
    "avg_pool_backward": (POOL, avg_pool_backward),
}

# What a second derivative is where a gradient is not the derivative is not PyTorch's to say: it has none here.
FIRST_ORDER_ONLY = {"embedding_bag_weighted_scaled"}


# ---- Samples ----


def read_tensor(fields):
    dtype, differentiated, sizes, elements = fields
    torch_type = {"float64": torch.float64, "int64": torch.int64, "int32": torch.int32, "bool": torch.bool}[dtype]
    shape = [int(size) for size in sizes.split()]
    parse = float if dtype == "float64" else int
    x = torch.tensor([parse(e) for e in elements.split()], dtype=torch_type).reshape(shape)
    return x.requires_grad_() if differentiated == "1" else x


def text_of(value):
    if isinstance(value, float):
        return "0" if value == 0 else f"{value:.15g}"
    return str(int(value))


def line_of(name, tensor):
    elements = tensor.detach().clone().reshape(-1).tolist()  # clone: some zeros have no memory
    sizes = "".join(f" {size}" for size in tensor.shape)
    return f"{name}{sizes}:" + "".join(" " + text_of(e) for e in elements) + "\n"


def gradients(ys, us, xs):
    """Those of the sum of all u y, with zeros where nothing flows."""
    connected = [(y, u) for y, u in zip(ys, us) if y.requires_grad]
    if not connected:
        return [torch.zeros_like(x) for x in xs]
    gs = torch.autograd.grad([y for y, _ in connected], xs, [u for _, u in connected], create_graph=True,
                             allow_unused=True)
    return [torch.zeros_like(x) if g is None else g for x, g in zip(xs, gs)]


def values(name, inputs, attributes):
    layout, function = OPERATIONS[name]
    widest = "q" if set(layout) & set("qd") else "i" if "i" in layout else "?"
    assert struct.calcsize(f"@{layout}0{widest}") == len(attributes), f"the attributes are not laid out as {layout}"
    ys = function(*inputs, *struct.unpack("@" + layout, attributes[: struct.calcsize("@" + layout)]))
    ys = ys if isinstance(ys, tuple) else (ys,)
    lines = [line_of(f"y{i}", y) for i, y in enumerate(ys)]
    xs = [x for x in inputs if x.requires_grad]
    numbers = [k for k, x in enumerate(inputs) if x.requires_grad]
    if xs:
        reals = [i for i, y in enumerate(ys) if y.is_floating_point()]
        us = [simple_numbers(i, ys[i].shape).requires_grad_() for i in reals]
        gs = gradients([ys[i] for i in reals], us, xs)
        lines += [line_of(f"g{k}", g) for k, g in zip(numbers, gs)]
        if name in FIRST_ORDER_ONLY:
            return lines + ["first order only\n"]
        ws = [simple_numbers(8 + k, g.shape) for k, g in zip(numbers, gs)]
        seconds = gradients(gs, ws, xs + us)
        lines += [line_of(f"s{k}", s) for k, s in zip(numbers, seconds)]
        lines += [line_of(f"t{i}", s) for i, s in zip(reals, seconds[len(xs) :])]
    return lines


def main():
    program, names = sys.argv[1], sys.argv[2:]
    printed = subprocess.run([program] + names, check=True, capture_output=True, text=True).stdout
    folder = pathlib.Path(__file__).parent / "operations"
    folder.mkdir(exist_ok=True)
    samples = []
    for line in printed.splitlines():
        kind, *fields = line.split("\t")
        if kind == "sample":
            samples.append((*fields, []))
        else:
            samples[-1][-1].append(fields)
    files = {}
    for name, what, attributes, inputs in samples:
        if name not in OPERATIONS:
            continue
        text = files.setdefault(name, [])
        text.append(f"sample {what}\n")
        try:
            text += values(name, [read_tensor(fields) for fields in inputs], bytes.fromhex(attributes))
        except (RuntimeError, AssertionError) as error:
            if "multiplication overflow" not in str(error):
                raise RuntimeError(f"{name}, sample {what}") from error
            text.append("sizes that PyTorch does not count\n")
    for name, text in files.items():
        (folder / f"{name}.txt").write_text("".join(text))


main()
