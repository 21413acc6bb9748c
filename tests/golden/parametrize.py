"""Prints tests/golden/parametrize.h: layers under PyTorch's spectral and weight norm, for tests/nn/parametrize.c.

    python tests/golden/parametrize.py > tests/golden/parametrize.h

Made with torch 2.15.0 on x86-64 with AVX2 or better (the random numbers differ on anything less).
"""

import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize

from modules import reals

LAYERS = {
    "linear": (lambda: nn.Linear(5, 4), (3, 5)),
    "conv1d": (lambda: nn.Conv1d(4, 6, 3, groups=2), (2, 4, 5)),
    "conv2d": (lambda: nn.Conv2d(2, 3, (3, 2)), (2, 2, 4, 4)),
    "conv_transpose1d": (lambda: nn.ConvTranspose1d(3, 4, 2, stride=2), (2, 3, 3)),
    "conv_transpose2d": (lambda: nn.ConvTranspose2d(2, 3, (2, 3)), (2, 2, 3, 3)),
    "embedding": (lambda: nn.Embedding(6, 4), None),
    # The first normal numbers of a tensor of 16 or more are drawn in another order.
    "tall": (lambda: nn.Linear(3, 17), (2, 3)),
}
INDEX = torch.tensor([2, 0, 2, 5])
NORMS = {
    "spectral": lambda layer: parametrizations.spectral_norm(layer),
    "spectral_more": lambda layer: parametrizations.spectral_norm(layer, n_power_iterations=3, eps=0.125, dim=1),
    "weight": lambda layer: parametrizations.weight_norm(layer),
    "weight_whole": lambda layer: parametrizations.weight_norm(layer, dim=None),
    "weight_last": lambda layer: parametrizations.weight_norm(layer, dim=1),
}


def case(make, sizes, norm, dtype):
    """x, cotangent; the parts of the weight when it is made; of the second call in training y, and the buffers then; y in
    evaluation; by the sum of all y times the cotangent the gradients of the parts that are trained, then by the sum of
    squares of the gradient of the sum of all tanh(y) times the cotangent by x (x and this not of an embedding); the weight
    when the norm is taken away in training; and the normal numbers that were drawn after the layer."""
    torch.manual_seed(21)
    layer = norm(make())
    parts = layer.parametrizations.weight
    trained = list(parts.parameters())
    after = torch.randn(2)
    buffers = [b for _, b in parts.named_buffers()]
    out = [p.clone() for p in trained] + [b.clone() for b in buffers]
    x = INDEX if sizes is None else torch.randn(sizes, requires_grad=True)
    flow = torch.randn(layer(x).shape)
    out += [layer(x)] + [b.clone() for b in buffers]
    y = layer.eval()(x)
    out += [y, *torch.autograd.grad((y * flow).sum(), trained, retain_graph=True)]
    if sizes is not None:
        (slope,) = torch.autograd.grad((torch.tanh(y) * flow).sum(), x, create_graph=True)
        out += torch.autograd.grad(slope.square().sum(), trained)
    parametrize.remove_parametrizations(layer.train(), "weight")
    out += [layer.weight]
    return ([] if sizes is None else [x]) + [flow] + out + [after]


def main():
    torch.set_num_threads(1)
    print(f"/* Written by tests/golden/parametrize.py with torch {torch.__version__.split('+')[0]}: do not edit. */")
    print("#ifndef REEL_GOLDEN_PARAMETRIZE_H\n#define REEL_GOLDEN_PARAMETRIZE_H\n")
    print("#include <reel/types.h>\n\n#include <math.h>\n\n/* clang-format off */\n")
    for dtype, guard in ((torch.float64, "#ifdef REEL_F64"), (torch.float32, "#else")):
        print("\n" + guard)
        torch.set_default_dtype(dtype)
        for name, (make, sizes) in LAYERS.items():
            for norm, apply in NORMS.items():
                if name == "linear" or norm == "spectral" or (norm == "weight" and name != "tall"):
                    reals(f"golden_{norm}_{name}", case(make, sizes, apply, dtype), dtype)
    print("\n#endif\n\n#endif")


if __name__ == "__main__":
    main()
