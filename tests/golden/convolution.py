"""Prints tests/golden/convolution.h: convolutions over a grid of options, for tests/ops/convolution.c, and what layers of
convolutions start with and compute, for tests/nn/convolution.c.

    python tests/golden/convolution.py > tests/golden/convolution.h

Made with torch 2.15.0 on x86-64 with AVX2 or better (the random numbers differ on anything less).

Of each array of the grid, two products with arrays of simple numbers are kept. With x, w and b (x, weight, bias) of
salts 1, 2, 3 and y the result, u a cotangent of salt 4: gx, gw, gb are the gradients of sum(u y); and with h = sum(v gx)
+ sum(z gw), v and z of salts 5 and 6, sx, sw and su the gradients of h. All are multiples of powers of 2, and exact.
"""

import itertools
import math
import random

import torch
from torch.nn import functional as F

import modules

torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)


def simple_numbers(salt, shape):
    """As in operations.py."""
    j = torch.arange(math.prod(shape))
    return (((37 * j + 11 * salt) % 64) * 2 - 63).double().div(64).reshape(shape)


def fingerprint(array):
    return [(array * simple_numbers(salt, array.shape)).sum().item() for salt in (7, 20)]


def line(options):
    axes, transposed = options["axes"], options["transposed"]
    pick = lambda name: options[name][:axes]
    groups, batch, channels, out = options["groups"], options["batch"], options["in"], options["out"]
    x = simple_numbers(1, [batch, channels, *pick("size")]).requires_grad_()
    shape = [channels, out // groups] if transposed else [out, channels // groups]
    w = simple_numbers(2, shape + pick("kernel")).requires_grad_()
    b = simple_numbers(3, [out]).requires_grad_()
    arguments = [pick("stride"), pick("padding")]
    arguments += [pick("output_padding"), groups, pick("dilation")] if transposed else [pick("dilation"), groups]
    name = ("conv_transpose" if transposed else "conv") + f"{axes}d"
    try:
        y = getattr(F, name)(x, w, b, *arguments)
    except RuntimeError:
        return None
    u = simple_numbers(4, y.shape).requires_grad_()
    gx, gw, gb = torch.autograd.grad(y, [x, w, b], u, create_graph=True)
    h = (gx * simple_numbers(5, gx.shape)).sum() + (gw * simple_numbers(6, gw.shape)).sum()
    second = torch.autograd.grad(h, [x, w, u], allow_unused=True, materialize_grads=True)
    prints = [value for array in [y, gx, gw, gb, *second] for value in fingerprint(array.detach())]
    numbers = [axes, int(transposed), batch, channels, out, groups]
    for name in ["size", "kernel", "stride", "padding", "dilation", "output_padding"]:
        numbers.append(options[name])
    numbers.append(list(y.shape[2:]) + [0] * (2 - axes))
    return ", ".join(str(n).replace("[", "{").replace("]", "}") for n in numbers), prints


def grid():
    """Every combination of some, and random ones of many."""
    draw = random.Random(1)
    for axes, transposed in itertools.product([1, 2], [False, True]):
        for kernel, stride, padding, dilation, groups in itertools.product([1, 2, 3], [1, 2, 3], [0, 1], [1, 2], [1, 2]):
            if axes == 2 and (kernel + stride + padding + dilation + groups) % 2:
                continue
            yield dict(axes=axes, transposed=transposed, batch=2, groups=groups, out=2, size=[5, 6],
                       kernel=[kernel, max(1, kernel - 1)], stride=[stride, 1], padding=[padding, 0],
                       dilation=[dilation, 1], output_padding=[0, 0], **{"in": 4})
        for _ in range(60):
            pair = lambda low, high: [draw.randint(low, high), draw.randint(low, high)]
            groups = draw.choice([1, 1, 1, 2, 3])
            stride, dilation = pair(1, 4), pair(1, 3)
            beyond = [draw.randint(0, max(s, d) - 1) if transposed else 0 for s, d in zip(stride, dilation)]
            yield dict(axes=axes, transposed=transposed, batch=draw.choice([0, 1, 1, 2, 3]), groups=groups,
                       out=groups * draw.randint(1, 3), size=pair(1, 9), kernel=pair(1, 5), stride=stride,
                       padding=pair(0, 4), dilation=dilation, output_padding=beyond,
                       **{"in": groups * draw.randint(1, 3)})


def layers(dtype):
    print("\n/* Seed 11; in this order: Conv1d(2, 4, 3), Conv2d(3, 6, (2, 3), groups=3), ConvTranspose1d(4, 2, 3, groups=2),")
    print(" * ConvTranspose2d(2, 3, 2, bias=False), then randn(3). Each state_dict. */")
    torch.manual_seed(11)
    made = [torch.nn.Conv1d(2, 4, 3), torch.nn.Conv2d(3, 6, (2, 3), groups=3),
            torch.nn.ConvTranspose1d(4, 2, 3, groups=2), torch.nn.ConvTranspose2d(2, 3, 2, bias=False)]
    after = torch.randn(3)
    modules.reals("golden_conv_initial", [v.to(dtype) for m in made for v in m.state_dict().values()] + [after], dtype)


def main():
    print(f"/* Written by tests/golden/convolution.py with torch {torch.__version__.split('+')[0]}: do not edit. */")
    print("#ifndef TESTS_GOLDEN_CONVOLUTION_H\n#define TESTS_GOLDEN_CONVOLUTION_H\n")
    print("#include <reel/types.h>\n\n/* clang-format off */\n")
    print("/* The members of struct grid_point in tests/ops/convolution.c. */\n#define GOLDEN_CONV_GRID \\")
    points = [p for p in map(line, grid()) if p]
    for numbers, prints in points:
        values = ", ".join("%.17g" % v for v in prints)
        print("    {" + numbers + ", {" + values + "}}, \\")
    print(f"/* {len(points)} of them. */")
    print("\n#ifdef REEL_F64")
    torch.set_default_dtype(torch.float64)
    layers(torch.float64)
    print("\n#else")
    torch.set_default_dtype(torch.float32)
    layers(torch.float32)
    print("\n#endif\n\n#endif")


if __name__ == "__main__":
    main()
