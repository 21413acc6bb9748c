"""Prints what PyTorch computes where docs/differences.md says that reel computes something else.

    python tests/golden/differences.py

Made with torch 2.15.0.
"""

import math
import warnings

import torch
from torch.nn import functional as F

warnings.simplefilter("ignore")
NAN, INF = math.nan, math.inf


def real(*values, dtype=torch.float64):
    return torch.tensor(values, dtype=dtype, requires_grad=True)


def gradients(function, x, second=False):
    y = function(x)
    (g,) = torch.autograd.grad(y.sum(), x, create_graph=second)
    if not second:
        return y.tolist(), g.tolist()
    return g.tolist(), torch.autograd.grad(g.sum(), x)[0].tolist()


def show(what, value):
    print(f"{what}: {value}")


single = torch.float32
show("gelu, float, -6 and inf", gradients(F.gelu, real(-6, INF, dtype=single)))
show("gelu, tanh form, float, -6, 1e30 and inf", gradients(lambda x: F.gelu(x, approximate="tanh"), real(-6, 1e30, INF, dtype=single)))
show("logsigmoid, second, -20 and 20", gradients(F.logsigmoid, real(-20, 20, dtype=single), True))
show("softplus, second, 15, 19", gradients(lambda x: F.softplus(x), real(15, 19, dtype=single), True))
show("silu, second, -20 and 20", gradients(F.silu, real(-20, 20, dtype=single), True))
show("bce with logits, second, 20", gradients(lambda x: F.binary_cross_entropy_with_logits(x, torch.zeros_like(x), reduction="sum"), real(-20, 20, dtype=single), True))
target = torch.tensor([-100, 1])
show("cross entropy, NaN in an ignored row", gradients(lambda x: F.cross_entropy(x.reshape(2, 2), target), real(NAN, 1, 0, 1)))
for p in (2, INF, 3):
    show(f"norm {p} of 1 NaN 2", gradients(lambda x: torch.linalg.vector_norm(x, p), real(1, NAN, 2)))
    show(f"norm {p} of 3e200 -4e200", gradients(lambda x: torch.linalg.vector_norm(x, p), real(3e200, -4e200)))
    show(f"norm {p} of 3e-200 -4e-200", gradients(lambda x: torch.linalg.vector_norm(x, p), real(3e-200, -4e-200)))
show("var of 1e38 1e38 1e38 1e38, float", torch.var(real(3e38, 3e38, 3e38, dtype=single), correction=0).item())
show("layer_norm of 1e30 to 4e30, float", gradients(lambda x: F.layer_norm(x, [4]), real(1e30, 2e30, 3e30, 4e30, dtype=single)))
show("batch_norm of 1e30 to 4e30, float", gradients(lambda x: F.batch_norm(x[:, None], None, None, training=True), real(1e30, 2e30, 3e30, 4e30, dtype=single)))
show("layer_norm of 1000 times 0.1, float", F.layer_norm(torch.full((1000,), 0.1), [1000]).abs().max().item())
t = torch.tensor([0.5, 0.5], dtype=torch.float64, requires_grad=True)
show("bce, by the target, x 0 0.5", torch.autograd.grad(F.binary_cross_entropy(torch.tensor([0.0, 0.5], dtype=torch.float64), t, reduction="sum"), t)[0].tolist())
try:
    show("batch_norm of [0, 5]", F.batch_norm(torch.zeros(0, 5), None, None, training=True).shape)
except Exception as e:
    show("batch_norm of [0, 5]", e)
p = torch.nn.Parameter(torch.zeros(3))
p.grad = torch.tensor([INF, 2.0, -3.0])
show("clip, max_norm inf", (torch.nn.utils.clip_grad_norm_([p], INF).item(), p.grad.tolist()))
q = torch.nn.Parameter(torch.zeros(2, dtype=torch.float64))
q.grad = torch.tensor([3e200, -4e200], dtype=torch.float64)
show("clip, overflow", (torch.nn.utils.clip_grad_norm_([q], 1).item(), q.grad.tolist()))
o = torch.optim.SGD([p], lr=0.1)
s = torch.optim.lr_scheduler.LinearLR(o, start_factor=0.7, end_factor=0, total_iters=3)
for _ in range(3):
    s.step()
show("LinearLR 0.7 to 0", o.param_groups[0]["lr"])
o = torch.optim.SGD([p], lr=0.1)
s = torch.optim.lr_scheduler.ExponentialLR(o, gamma=NAN)
s.step()
show("ExponentialLR, gamma NaN", o.param_groups[0]["lr"])
show("broadcast mse", F.mse_loss(torch.zeros(3, 1), torch.zeros(3)).item())


def attempt(function):
    try:
        return function()
    except Exception as e:
        return f"{type(e).__name__}: {e}"


def twice_through_frequencies():
    weight = torch.ones(3, 1, requires_grad=True)
    flow = torch.ones(2, 1, requires_grad=True)
    (g,) = torch.autograd.grad(F.embedding(torch.tensor([0, 0]), weight, scale_grad_by_freq=True), weight, flow, create_graph=True)
    return torch.autograd.grad(g.sum(), flow)[0].tolist()


def limited_after_a_product():
    weight = torch.nn.Parameter(torch.full((2, 2), 3.0))
    loss = (weight * weight).sum() + F.embedding(torch.tensor([0]), weight, max_norm=1.0).sum()
    loss.backward()
    return weight.grad.tolist()


def chained_rates(steps):
    o = torch.optim.SGD([p], lr=1.0)
    lr = torch.optim.lr_scheduler
    s = lr.ChainedScheduler([lr.CosineAnnealingLR(o, 4, 0), lr.ExponentialLR(o, 0.5)])
    for _ in range(steps):
        o.step()
        s.step()
    return o.param_groups[0]["lr"]


wide, narrow = torch.tensor([1, 2]), torch.tensor([1, 2], dtype=torch.int32)
show("int64 + int32, int64 + float, int64 / int64", [(wide + narrow).dtype, (wide + torch.ones(2)).dtype, (wide / wide).dtype])
show("softplus, threshold inf, float, 100", gradients(lambda x: F.softplus(x, 1, INF), real(100, dtype=single)))
bag = lambda *index: F.embedding_bag(torch.tensor(index), torch.tensor([[1.0], [NAN], [2.0]]), torch.tensor([0]), mode="max").item()
show("embedding_bag, max of 1 NaN 2 and NaN 1 2", (bag(0, 1, 2), bag(1, 0, 2)))
ones, start = torch.ones(3, 1), torch.tensor([0])
show("embedding_bag, weighted mean", attempt(lambda: F.embedding_bag(wide, ones, start, mode="mean", per_sample_weights=ones[:2, 0])))
show("embedding_bag, scaled max", attempt(lambda: F.embedding_bag(wide, ones, start, mode="max", scale_grad_by_freq=True)))
show("embedding with scale_grad_by_freq, second order", twice_through_frequencies())
show("embedding with max_norm after a product", attempt(limited_after_a_product))
show("a cosine of 4 steps and an exponential of 0.5, chained, step 7", chained_rates(7))
show("a step without gradients", torch.optim.SGD([torch.nn.Parameter(torch.ones(2))], lr=0.1).step())


def scattered(index, values):
    values = torch.ones(values, requires_grad=True)
    return torch.autograd.grad(torch.zeros(3).scatter(0, torch.tensor(index), values), values, torch.full((3,), 20.0))


show("scatter, two values to one place", scattered([1, 1], 2))
show("scatter, values larger than the index", attempt(lambda: scattered([1], 3)))
show("multinomial, two of 0, 0, 1", torch.multinomial(torch.tensor([0.0, 0.0, 1.0]), 2))


def sees_nothing(need_weights):
    attention = torch.nn.MultiheadAttention(2, 1, batch_first=True)
    x, hidden = torch.ones(1, 2, 2), torch.ones(1, 2, dtype=torch.bool)
    y, weights = attention(x, x, x, hidden, need_weights=need_weights)
    return y.tolist(), None if weights is None else weights.tolist()


def sees_less(backend):
    q = torch.ones(1, 2, 2, requires_grad=True)
    with torch.nn.attention.sdpa_kernel(backend):
        return F.scaled_dot_product_attention(q, q, q, torch.ones(2, 2, dtype=torch.bool), is_causal=True).tolist()


show("multihead attention that sees nothing, without and with weights", [sees_nothing(False), sees_nothing(True)])
show("attention, a mask and is_causal", attempt(lambda: sees_less(torch.nn.attention.SDPBackend.MATH)))
