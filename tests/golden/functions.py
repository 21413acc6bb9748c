"""Writes tests/golden/functions.txt: what PyTorch computes, in float64, of the functions that are made of operations and
have no row in the registry, for tests/ops/functions.c, where the same names are.

    python tests/golden/functions.py

Made with torch 2.15.0. A case is a line "case NAME" and a line for each tensor, "NAME SIZES: ELEMENTS". Inputs are xK
where they are differentiated, else rK (reals), nK (int64) or bK (bools); yI is output I. With u an array of cotangents and
w one of directions (simple_numbers), gK is the gradient of the sum of all u yI with respect to xK, and sK that of the sum
of all w gK. Inputs are exact in float32, so that the float library is compared with the same numbers.
"""

import math
import pathlib

import torch
from torch import nn
from torch.nn import functional as F

torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)
torch.manual_seed(1)


def simple_numbers(salt, shape):
    """Multiples of 1/64 in -1..1 that are not 0."""
    j = torch.arange(math.prod(shape))
    return (((37 * j + 11 * salt) % 64) * 2 - 63).double().div(64).reshape(shape)


def real(*shape):
    """Odd multiples of 1/128 in -2..2, all different as long as there are enough of them: no zeros, no ties."""
    n = math.prod(shape)
    numbers = torch.cat([torch.randperm(256) for _ in range(n // 256 + 1)])[:n]
    return ((2 * numbers - 255) / 128).reshape(shape).requires_grad_()


def constant(*shape):
    return real(*shape).detach()


def exact(values):
    return torch.tensor(values, dtype=torch.float32).double().requires_grad_()


def index(n, *shape):
    return torch.randint(0, n, shape)


def mask(*shape):
    return torch.rand(shape) < 0.5


LINES = []


def line(name, tensor):
    elements = tensor.detach().clone().reshape(-1).tolist()
    text = " ".join("nan" if e != e else str(e) if math.isinf(e) else f"{float(e):.17g}" for e in elements)
    LINES.append(f"{name}{''.join(f' {size}' for size in tensor.shape)}: {text}\n")


def case(name, function, *inputs):
    LINES.append(f"case {name}\n")
    for k, x in enumerate(inputs):
        kind = "x" if x.requires_grad else {torch.float64: "r", torch.int64: "n", torch.bool: "b"}[x.dtype]
        line(f"{kind}{k}", x)
    ys = function(*inputs)
    ys = ys if isinstance(ys, tuple) else (ys,)
    for i, y in enumerate(ys):
        line(f"y{i}", y)
    xs = [(k, x) for k, x in enumerate(inputs) if x.requires_grad]
    flowing = [(y, simple_numbers(i, y.shape)) for i, y in enumerate(ys) if y.requires_grad]
    if not xs or not flowing:
        return
    gs = gradients([y for y, _ in flowing], [u for _, u in flowing], xs)
    for (k, _), g in zip(xs, gs):
        line(f"g{k}", g)
    second = [(g, simple_numbers(8 + k, g.shape)) for (k, _), g in zip(xs, gs) if g.requires_grad]
    if second:
        for (k, _), s in zip(xs, gradients([g for g, _ in second], [w for _, w in second], xs)):
            line(f"s{k}", s)


def gradients(ys, us, xs):
    gs = torch.autograd.grad(ys, [x for _, x in xs], us, create_graph=True, allow_unused=True)
    return [torch.zeros_like(x) if g is None else g for (_, x), g in zip(xs, gs)]


# ---- Pieces of an axis, and elements by index ----

case("slice_rows", lambda x: x[1:6:2], real(7, 3))
case("slice_columns_from_the_end", lambda x: x[:, -5:-1:3], real(2, 6, 2))
case("slice_beyond", lambda x: x[-100 : 100 : 4], real(6))
case("slice_nothing", lambda x: x[4:2], real(6, 2))
case("slice_one_step", lambda x: x[:, 1:], real(2, 3))
case("flip_two", lambda x: torch.flip(x, (0, -1)), real(2, 3, 4))
case("flip_none", lambda x: torch.flip(x, (1,)), real(3, 1))
case("roll_forwards", lambda x: torch.roll(x, 2, 1), real(2, 5, 2))
case("roll_backwards", lambda x: torch.roll(x, -7, 0), real(5, 3))
case("roll_around", lambda x: torch.roll(x, 10, 0), real(5))
case("repeat_axes", lambda x: x.repeat(2, 1, 3), real(2, 2, 2))
case("repeat_new_axes", lambda x: x.repeat(2, 3, 1, 2), real(2, 3))
case("repeat_none", lambda x: x.repeat(2, 0), real(3, 2))
case("unbind_middle", lambda x: torch.unbind(x, 1), real(2, 3, 2))
case("take_along_dim", lambda x, i: torch.take_along_dim(x, i, 1), real(3, 4), index(4, 1, 2))
case("take_along_dim_of_one", lambda x, i: torch.take_along_dim(x, i, -1), real(1, 4), index(4, 3, 5))
# PyTorch takes larger values too, but its gradient of them has the wrong shape.
case("scatter_larger_values", lambda x, i, v: x.scatter(0, i, v[:1]), real(4, 3), torch.tensor([[2, 0, 1]]), real(3, 3))
case("scatter_add_larger_values", lambda x, i, v: x.scatter_add(1, i, v[:2, :4]), real(2, 3), index(3, 2, 4),
     real(4, 5))

# ---- Masks and rounding ----

NAN, INF = math.nan, math.inf
special = exact([[0.0, -1.0, NAN], [INF, -INF, 2.0]]).detach()
halves = exact([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, NAN, INF, -INF, 3.0]).detach()
case("round_halves", torch.round, halves)
case("floor_special", torch.floor, halves)
case("ceil_special", torch.ceil, halves)
case("trunc_special", torch.trunc, halves)
case("remainder_special", torch.remainder, exact([5.0, -5.0, 5.0, INF, 1.0, NAN, -3.0, 3.0]).detach(),
     exact([INF, INF, 0.0, 2.0, NAN, 1.0, 3.0, -3.0]).detach())
case("isnan", torch.isnan, special)
case("isinf", torch.isinf, special)
case("isfinite", torch.isfinite, special)
case("isfinite_of_integers", torch.isfinite, index(5, 4))
case("any_rows", lambda x: torch.any(x, 1), exact([[0.0, 0.0], [0.0, NAN], [-1.0, 2.0]]).detach())
case("any_of_all", torch.any, mask(3, 4))
case("any_of_nothing", lambda x: torch.any(x, 1), constant(3, 0))
case("all_columns", lambda x: torch.all(x, 0, keepdim=True), index(2, 3, 5))
case("all_of_all", torch.all, special)
case("all_of_nothing", lambda x: torch.all(x, 1), constant(3, 0))
case("masked_fill", lambda x, m: x.masked_fill(m, -1.5), real(2, 3, 4), mask(3, 1))
case("masked_fill_infinity", lambda x, m: x.masked_fill(m, -INF), real(3, 4), mask(3, 4))
case("masked_fill_integers", lambda x, m: x.masked_fill(m, -100), index(9, 3, 4), mask(4))
case("tril", lambda x: torch.tril(x), real(4, 4))
case("tril_above", lambda x: torch.tril(x, 2), real(2, 3, 5))
case("tril_bools", lambda x: torch.tril(x, -1), torch.ones(4, 4, dtype=torch.bool))
case("triu_below", lambda x: torch.triu(x, -1), real(5, 3))
case("triu_far", lambda x: torch.triu(x, 9), real(2, 3))
case("triu_integers", lambda x: torch.triu(x), index(9, 3, 4))
case("one_hot", lambda i: F.one_hot(i, 4), index(4, 2, 3))

# ---- Order, products, sums ----

case("argsort", lambda x: torch.argsort(x, dim=1, stable=True), exact([[2.0, NAN, -1.0, 2.0], [0.0, -0.0, INF, -INF]]).detach())
case("argsort_falling", lambda x: torch.argsort(x, dim=1, descending=True, stable=True),
     exact([[2.0, NAN, -1.0, 2.0], [-0.0, 0.0, INF, -INF]]).detach())
case("topk_largest", lambda x: torch.topk(x, 3, 1), real(4, 7))
case("topk_smallest", lambda x: torch.topk(x, 2, 0, largest=False), real(5, 3))
case("max_rows", lambda x: torch.max(x, 1), exact([[1.0, 3.0, 3.0], [-2.0, -5.0, -2.0], [0.0, NAN, NAN]]))
case("max_keepdim", lambda x: torch.max(x, 0, keepdim=True), real(4, 3, 2))
case("max_of_one", lambda x: torch.max(x, 0), real())
case("min_rows", lambda x: torch.min(x, -1), exact([[1.0, 1.0, 3.0], [-2.0, -5.0, -5.0], [0.0, NAN, NAN]]))
case("prod_rows", lambda x: torch.prod(x, 1), real(3, 5))
case("prod_with_zeros", lambda x: torch.prod(x, 1),
     exact([[1.5, 0.0, -2.0, 0.5], [0.0, 2.0, 0.0, 3.0], [0.0, 0.0, 0.0, 1.0], [1.0, 2.0, 3.0, -4.0]]))
case("prod_columns_kept", lambda x: torch.prod(x, 0, keepdim=True), real(7, 2))
case("prod_of_one", lambda x: torch.prod(x, 0), real())
case("prod_of_nothing", lambda x: torch.prod(x, 1), real(2, 0))
case("prod_of_all", torch.prod, real(2, 3, 2))
case("std_rows", lambda x: torch.std(x, 1), real(3, 5))
case("std_uncorrected", lambda x: torch.std(x, (0, 2), correction=0, keepdim=True), real(3, 2, 4))
case("std_of_all", torch.std, real(3, 4))
case("std_without_freedom", lambda x: torch.std(x, 1), constant(3, 1))
case("linspace", lambda: torch.linspace(-1.0, 2.0, 7))
case("linspace_one", lambda: torch.linspace(3.0, 2.0, 1))
case("linspace_none", lambda: torch.linspace(3.0, 2.0, 0))
case("eye", lambda: torch.eye(3, 5))

# ---- Losses ----

LOG_X = torch.log_softmax(constant(3, 4), 1).float().double().requires_grad_()
SHARES = torch.softmax(constant(3, 4), 1).float().double().requires_grad_()
SOME_NONE = exact([[0.5, 0.5, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0], [0.25, 0.25, 0.25, 0.25]]).detach()
case("huber", F.huber_loss, real(3, 4), real(3, 4))
case("huber_sum", lambda x, y: F.huber_loss(x, y, reduction="sum", delta=0.3), real(3, 4), real(3, 4))
case("huber_none", lambda x, y: F.huber_loss(x, y, reduction="none", delta=2.5), real(5), real(5))
case("kl_div", F.kl_div, LOG_X, SHARES)
case("kl_div_zeros", lambda x, y: F.kl_div(x, y, reduction="none"), LOG_X, SOME_NONE)
case("kl_div_batch_mean", lambda x, y: F.kl_div(x, y, reduction="batchmean"), LOG_X, SHARES)
case("kl_div_log_target", lambda x, y: F.kl_div(x, y, reduction="sum", log_target=True), LOG_X,
     torch.log_softmax(constant(3, 4), 1).float().double().requires_grad_())
case("soft_targets", F.cross_entropy, real(3, 4), SHARES)
case("soft_targets_smoothed", lambda x, y: F.cross_entropy(x, y, label_smoothing=0.25), real(3, 4), SHARES)
case("soft_targets_weighted", lambda x, y, w: F.cross_entropy(x, y, w, reduction="sum", label_smoothing=0.25),
     real(3, 4), SHARES, exact([0.5, 1.0, 2.0, 0.25]).detach())
case("soft_targets_mean_weighted", lambda x, y, w: F.cross_entropy(x, y, w), real(3, 4), SHARES,
     exact([0.5, 1.0, 2.0, 0.25]).detach())
case("soft_targets_of_one", F.cross_entropy, real(4), exact([0.5, 0.25, 0.25, 0.0]).detach())
case("soft_targets_of_planes", lambda x, y: F.cross_entropy(x, y, reduction="none"), real(2, 3, 2, 2), real(2, 3, 2, 2))
case("triplet", F.triplet_margin_loss, real(4, 3), real(4, 3), real(4, 3))
case("triplet_swap", lambda a, p, n: F.triplet_margin_loss(a, p, n, margin=0.5, p=3, eps=0.125, swap=True, reduction="none"),
     real(5, 3), real(5, 3), real(5, 3))
case("triplet_of_one", lambda a, p, n: F.triplet_margin_loss(a, p, n, margin=4.0, reduction="sum"), real(3), real(3), real(3))
case("margin_ranking", F.margin_ranking_loss, real(5), real(5), exact([1.0, -1.0, 1.0, 1.0, -1.0]).detach())
case("margin_ranking_sum", lambda a, b, y: F.margin_ranking_loss(a, b, y, margin=0.5, reduction="sum"), real(2, 3),
     real(2, 3), torch.tensor([[1, -1, 1], [-1, -1, 1]]))
case("cosine_embedding", F.cosine_embedding_loss, real(4, 3), real(4, 3), torch.tensor([1, -1, -1, 1]))
case("cosine_embedding_margin",
     lambda a, b, y: F.cosine_embedding_loss(a, b, y, margin=-0.25, reduction="none"), real(4, 3), real(4, 3),
     exact([-1.0, 1.0, 0.0, -1.0]).detach())
case("cosine_embedding_of_one", lambda a, b, y: F.cosine_embedding_loss(a, b, y, reduction="sum"), real(3), real(3),
     exact(-1.0).detach())

# ---- Activations ----

large = exact([-60.0, -30.0, -3.0, 0.5, 19.0, 21.0, 60.0])
case("mish", F.mish, real(3, 4))
case("mish_large", F.mish, large)
case("selu", F.selu, real(3, 4))
case("selu_large", F.selu, large)
case("glu", lambda x: F.glu(x, 1), real(2, 6, 2))
case("glu_last", F.glu, real(3, 4))
case("prelu", F.prelu, real(2, 3, 2), real(3))
case("prelu_one_slope", F.prelu, real(3, 4), real(1))
case("prelu_of_a_vector", F.prelu, real(5), real(1))

# ---- Padding and interpolation ----

case("pad_zeros", lambda x: F.pad(x, (1, 2)), real(2, 3))
case("pad_value", lambda x: F.pad(x, (1, 0, 0, 2), value=-1.5), real(2, 3, 2))
case("pad_cut", lambda x: F.pad(x, (-1, 2, 1, -1)), real(3, 4))
case("pad_integers", lambda x: F.pad(x, (2, 1), value=7), index(9, 2, 3))
case("pad_bools", lambda x: F.pad(x, (0, 2), value=True), mask(2, 3))
case("pad_empty", lambda x: F.pad(x, (1, 1)), real(2, 0))
case("pad_reflect", lambda x: F.pad(x, (2, 1), mode="reflect"), real(2, 3, 4))
case("pad_reflect_planes", lambda x: F.pad(x, (1, 2, 2, 0), mode="reflect"), real(1, 2, 3, 4))
case("pad_replicate", lambda x: F.pad(x, (5, 1), mode="replicate"), real(2, 3, 4))
case("pad_replicate_planes", lambda x: F.pad(x, (1, 2, 0, 4), mode="replicate"), real(2, 1, 3, 2))
case("pad_circular", lambda x: F.pad(x, (4, 1), mode="circular"), real(2, 3, 4))
case("pad_circular_planes", lambda x: F.pad(x, (1, 2, 2, 0), mode="circular"), real(1, 2, 3, 4))
case("nearest_twice", lambda x: F.interpolate(x, (6,)), real(2, 2, 3))
case("nearest_planes", lambda x: F.interpolate(x, (6, 4)), real(2, 2, 2, 4))
case("nearest_odd", lambda x: F.interpolate(x, (7, 2)), real(1, 2, 3, 5))
case("nearest_integers", lambda x: F.interpolate(x.float(), (4, 3)).long(), index(9, 1, 2, 2, 2))
case("linear", lambda x: F.interpolate(x, (7,), mode="linear"), real(2, 2, 3))
case("linear_smaller", lambda x: F.interpolate(x, (3,), mode="linear"), real(2, 1, 8))
case("linear_aligned", lambda x: F.interpolate(x, (7,), mode="linear", align_corners=True), real(2, 2, 4))
case("linear_to_one", lambda x: F.interpolate(x, (1,), mode="linear", align_corners=True), real(2, 2, 4))
case("linear_of_one", lambda x: F.interpolate(x, (3,), mode="linear"), real(2, 2, 1))
case("bilinear", lambda x: F.interpolate(x, (6, 8), mode="bilinear"), real(2, 2, 3, 4))
case("bilinear_aligned", lambda x: F.interpolate(x, (2, 7), mode="bilinear", align_corners=True), real(1, 2, 3, 3))
case("trilinear", lambda x: F.interpolate(x, (3, 4, 2), mode="trilinear"), real(1, 2, 2, 2, 3))

# ---- Pools ----

tied = exact([[[1.0, 3.0, 3.0, -2.0, NAN, 0.0, NAN, -INF, -INF]]])
case("max_pool1d", lambda x: F.max_pool1d(x, 2, return_indices=True), real(2, 3, 7))
case("max_pool1d_ties", lambda x: F.max_pool1d(x, 3, 2, 1, ceil_mode=True, return_indices=True), tied)
case("max_pool1d_single", lambda x: F.max_pool1d(x, 3, 2, 1, 2), real(3, 9))
case("max_pool2d", lambda x: F.max_pool2d(x, (2, 3), (1, 2), (1, 0), ceil_mode=True, return_indices=True), real(2, 2, 4, 6))
case("max_pool2d_single", lambda x: F.max_pool2d(x, 2, return_indices=True), real(2, 4, 4))
case("avg_pool1d", lambda x: F.avg_pool1d(x, 3, 2, 1), real(2, 2, 6))
case("avg_pool1d_ceil", lambda x: F.avg_pool1d(x, 2, ceil_mode=True), real(2, 2, 5))
case("avg_pool2d", lambda x: F.avg_pool2d(x, (3, 2), (2, 1), (1, 0), True, False), real(2, 2, 4, 5))
case("avg_pool2d_divided", lambda x: F.avg_pool2d(x, 2, divisor_override=3), real(2, 5, 4))
case("avg_pool2d_outside", lambda x: F.avg_pool2d(x, 3, 5, 1, ceil_mode=True), real(1, 1, 5, 6))
case("adaptive_max_pool1d", lambda x: F.adaptive_max_pool1d(x, 4, return_indices=True), real(2, 2, 6))
case("adaptive_max_pool2d", lambda x: F.adaptive_max_pool2d(x, (None, 3), return_indices=True), real(1, 2, 3, 5))
case("adaptive_avg_pool1d", lambda x: F.adaptive_avg_pool1d(x, 4), real(2, 6))
case("adaptive_avg_pool2d", lambda x: F.adaptive_avg_pool2d(x, (2, None)), real(1, 2, 3, 5))

# ---- Convolutions with other padding than zeros ----


def padded(mode, axes, *sizes, **options):
    """The layer's way: _reversed_padding_repeated_twice and _conv_forward."""
    layer = (nn.Conv1d if axes == 1 else nn.Conv2d)(2, 3, sizes, padding_mode=mode, **options)
    return lambda x, w, b: layer._conv_forward(x, w, b)


case("conv1d_circular", padded("circular", 1, 3, padding=2), real(2, 2, 5), real(3, 2, 3), real(3))
case("conv1d_reflect_same", padded("reflect", 1, 4, padding="same", dilation=2), real(2, 2, 9), real(3, 2, 4), real(3))
case("conv1d_replicate_single", padded("replicate", 1, 3, padding=1, stride=2), real(2, 5), real(3, 2, 3), real(3))
case("conv2d_replicate", padded("replicate", 2, 3, 2, padding=(2, 1), stride=2), real(1, 2, 4, 5), real(3, 2, 3, 2), real(3))
case("conv2d_reflect_same", padded("reflect", 2, 3, 2, padding="same"), real(1, 2, 4, 3), real(3, 2, 3, 2), real(3))

# ---- Normalisation ----

case("rms_norm", lambda x, w: F.rms_norm(x, (2, 3), w, 0.125), real(3, 2, 3), real(2, 3))
case("rms_norm_plain", lambda x: F.rms_norm(x, (4,), None, 1e-5), real(2, 3, 4))
case("group_norm", lambda x, w, b: F.group_norm(x, 2, w, b), real(3, 4, 5), real(4), real(4))
case("group_norm_of_rows", lambda x, w: F.group_norm(x, 3, w, eps=0.125), real(3, 6), real(6))
case("group_norm_one", lambda x, b: F.group_norm(x, 1, None, b), real(2, 3, 2, 2), real(3))
case("group_norm_plain", lambda x: F.group_norm(x, 3), real(1, 6, 2, 1))
case("group_norm_nothing", lambda x: F.group_norm(x, 2), real(0, 4, 3))
case("instance_norm", lambda x, w, b: F.instance_norm(x, weight=w, bias=b), real(2, 3, 5), real(3), real(3))
case("instance_norm_planes", lambda x, w: F.instance_norm(x, weight=w, eps=0.5), real(2, 2, 3, 2), real(2))
case("instance_norm_plain", lambda x: F.instance_norm(x), real(3, 2, 4))

# ---- Attention ----

torch.manual_seed(2)


def sdpa(*inputs, **options):
    """By the backend that has a second order."""
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        return F.scaled_dot_product_attention(*inputs, **options)


def lengths_mask(lengths, keys):
    """bool [batch, 1, 1, keys]: the first keys of each sample."""
    return (torch.arange(keys) < torch.tensor(lengths)[:, None])[:, None, None]


def masked(**options):
    return lambda q, k, v, mask: sdpa(q, k, v, attn_mask=mask, **options)


def both(q, k, v, mask):
    """PyTorch takes a mask or is_causal."""
    return sdpa(q, k, v, attn_mask=mask & torch.ones(q.shape[-2], k.shape[-2], dtype=torch.bool).tril())


def weights(q, k, mask):
    return both(q, k, torch.eye(k.shape[-2]).expand(k.shape[:-2] + (-1, -1)), mask)


some_infinite = exact([[0.5, -INF, 1.0, -0.25], [-INF, -INF, -INF, -INF], [-INF, 2.0, -INF, -1.0]])
case("masked_softmax_all", lambda x, m: sdpa(x, torch.eye(3), torch.eye(3), attn_mask=m, scale=1.0), real(4, 3),
     torch.tensor([[True, False, True], [False, False, False], [True, True, True], [False, True, False]]))
case("attention_matrices", sdpa, real(2, 5, 4), real(2, 3, 4), real(2, 3, 6))
case("attention_heads", sdpa, real(2, 3, 4, 2), real(2, 3, 5, 2), real(2, 3, 5, 2))
case("attention_one_key", sdpa, real(2, 4, 3), real(2, 1, 3), real(2, 1, 3))
case("attention_no_batch", sdpa, real(4, 3), real(5, 3), real(5, 2))
case("attention_broadcast", lambda q, k, v: sdpa(q, k.expand(3, 2, 4, 3), v.expand(3, 2, 4, 3)), real(3, 2, 5, 3),
     real(1, 2, 4, 3), real(3, 1, 4, 3))
case("attention_long", sdpa, real(1, 2, 37, 3), real(1, 2, 41, 3), real(1, 2, 41, 3))
case("attention_scale", lambda q, k, v: sdpa(q, k, v, scale=1.5), real(2, 3, 4), real(2, 5, 4), real(2, 5, 4))
case("attention_scale_zero", lambda q, k, v: sdpa(q, k, v, scale=0.0), real(2, 3, 4), real(2, 5, 4), real(2, 5, 4))
causal = lambda q, k, v: sdpa(q, k, v, is_causal=True)
case("attention_causal", causal, real(2, 5, 4), real(2, 5, 4), real(2, 5, 3))
case("attention_causal_more_keys", causal, real(2, 3, 4), real(2, 6, 4), real(2, 6, 3))
case("attention_causal_fewer_keys", causal, real(2, 6, 4), real(2, 3, 4), real(2, 3, 3))
case("attention_bool_mask", masked(), real(2, 2, 4, 3), real(2, 2, 5, 3), real(2, 2, 5, 3), mask(2, 1, 4, 5))
case("attention_lengths", masked(), real(4, 2, 3, 2), real(4, 2, 6, 2), real(4, 2, 6, 2), lengths_mask([6, 1, 4, 0], 6))
case("attention_causal_lengths", both, real(3, 2, 5, 2), real(3, 2, 5, 2), real(3, 2, 5, 2), lengths_mask([5, 2, 3], 5))
case("attention_real_mask", masked(), real(2, 3, 4), real(2, 5, 4), real(2, 5, 4), real(3, 5))
case("attention_infinite_mask", masked(), real(2, 3, 4), real(2, 4, 4), real(2, 4, 4), some_infinite)
case("attention_nothing_allowed", masked(), real(2, 3, 4), real(2, 4, 4), real(2, 4, 4),
     torch.zeros(3, 4, dtype=torch.bool))
case("attention_weights_masked", weights, real(2, 4, 3), real(2, 4, 3), torch.tensor([True, False, True, True]))


def positions(length, features):
    """As in the tutorials, in float64."""
    angles = torch.arange(length)[:, None] * 10000.0 ** (-torch.arange(0, features, 2) / features)
    return torch.stack([torch.sin(angles), torch.cos(angles)], 2).flatten(1)[:, :features]


case("sinusoidal_positions", lambda: positions(5, 6))
case("sinusoidal_positions_odd", lambda: positions(4, 5))

# ---- Einstein's sums ----


def einsum(equation):
    return lambda *operands: torch.einsum(equation, *operands)


case("einsum_product", einsum("ij,jk->ik"), real(3, 4), real(4, 2))
case("einsum_implicit", einsum("ij,jk"), real(3, 4), real(4, 2))
case("einsum_order", einsum("ba"), real(3, 4))
case("einsum_capitals_first", einsum("aB"), real(3, 4))
case("einsum_trace", einsum("ii"), real(4, 4))
case("einsum_diagonal", einsum("ii->i"), real(4, 4))
case("einsum_diagonal_batch", einsum("ibi->bi"), real(3, 2, 3))
case("einsum_diagonal_three", einsum("iii->i"), real(3, 3, 3))
case("einsum_diagonal_one", einsum("ii->i"), real(1, 1))
case("einsum_sum", einsum("ijk->j"), real(2, 3, 4))
case("einsum_sum_all", einsum("ij->"), real(2, 3))
case("einsum_permute", einsum("ijk -> kij"), real(2, 3, 4))
case("einsum_dot", einsum("i,i->"), real(5), real(5))
case("einsum_outer", einsum("i,j->ij"), real(3), real(4))
case("einsum_rows", einsum("bi,bi->b"), real(4, 3), real(4, 3))
case("einsum_elements", einsum("ij,ij->ij"), real(2, 3), real(2, 3))
case("einsum_batches", einsum("bij,bjk->bik"), real(2, 3, 4), real(2, 4, 2))
case("einsum_transposed", einsum("jbi,kjb->bik"), real(4, 2, 3), real(2, 4, 2))
case("einsum_bilinear", einsum("bi,kij,bj->bk"), real(3, 2), real(4, 2, 5), real(3, 5))
case("einsum_chain", einsum("ij,jk,kl->il"), real(2, 3), real(3, 4), real(4, 2))
case("einsum_scores", einsum("bqhd,bkhd->bhqk"), real(2, 3, 2, 4), real(2, 5, 2, 4))
case("einsum_two_summed", einsum("aijb,bjic->ac"), real(2, 3, 4, 2), real(2, 4, 3, 3))
case("einsum_ellipsis", einsum("...ij,...jk->...ik"), real(2, 1, 3, 4), real(3, 4, 2))
case("einsum_ellipsis_implicit", einsum("...ij,...jk"), real(2, 3, 4), real(2, 4, 2))
case("einsum_ellipsis_last", einsum("i...->...i"), real(2, 3, 4))
case("einsum_ellipsis_summed", einsum("i...->i"), real(2, 3, 4))
case("einsum_ellipsis_of_nothing", einsum("...i,...i->..."), real(3), real(3))
case("einsum_broadcast", einsum("ij,ij->j"), real(1, 4), real(3, 4))
case("einsum_broadcast_summed", einsum("ij,jk->ik"), real(3, 1), real(4, 2))
case("einsum_alone_summed", einsum("ij,kl->jl"), real(2, 3), real(4, 2))
case("einsum_repeated_inside", einsum("ii,ij->j"), real(3, 3), real(3, 2))
case("einsum_nothing_to_sum", einsum("ij,jk->ik"), real(2, 0), real(0, 3))
case("einsum_scalars", einsum(",ij->ij"), real(), real(2, 3))
case("einsum_shared_later", einsum("ij,ij,i->j"), real(2, 3), real(2, 3), real(2))
case("einsum_many", einsum("a,b,c,d->bd"), real(2), real(3), real(2), real(2))
case("einsum_letters_at_the_ends", einsum("aAzZ...->Z...zAa"), real(2, 1, 3, 2, 2))
case("einsum_ellipsis_of_one", einsum("i..."), real(2, 3))
case("einsum_ellipsis_of_eight", einsum("..."), real(2, 1, 1, 2, 1, 1, 2, 1))
case("einsum_diagonal_last", einsum("bii->bi"), real(2, 3, 3))
case("einsum_eight_axes", einsum("abcd,efgh->hgabefcd"), real(1, 2, 1, 2), real(2, 1, 2, 1))

pathlib.Path(__file__).with_suffix(".txt").write_text("".join(LINES))
