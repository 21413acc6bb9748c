"""Prints tests/golden/recurrent.h: what PyTorch's recurrent layers start with and compute, for tests/nn/recurrent.c.

    python tests/golden/recurrent.py > tests/golden/recurrent.h

Made with torch 2.15.0 on x86-64 with AVX2 or better (the random numbers differ on anything less).

For each case: seed, then the layer's state_dict; x [3, 5, 2] and the first states from randn; outputs and last states,
for the lengths 3, 5, 1 by a packed sequence or for all 5 steps; the gradients of sum(u * outputs) + sum(states squared),
with u simple numbers, with respect to x and all params; and those of the sum of the squares of the gradient of x.
"""

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import convolution
import modules

CASES = [
    dict(layer=nn.GRU, lengths=False),
    dict(layer=nn.GRU, lengths=True, num_layers=2, bidirectional=True),
    dict(layer=nn.GRU, lengths=True, bias=False),
    dict(layer=nn.LSTM, lengths=False),
    dict(layer=nn.LSTM, lengths=True, num_layers=2, bidirectional=True),
    dict(layer=nn.LSTM, lengths=True, bias=False),
]


def numbers(case, index, dtype):
    case = dict(case)
    layer, lengths = case.pop("layer"), case.pop("lengths")
    torch.manual_seed(20 + index)
    m = layer(2, 3, batch_first=True, **case)
    directions = 2 if m.bidirectional else 1
    x = torch.randn(3, 5, 2, requires_grad=True)
    first = [torch.randn(m.num_layers * directions, 3, 3) for _ in range(2 if layer is nn.LSTM else 1)]
    given = tuple(first) if layer is nn.LSTM else first[0]
    if lengths:
        packed = pack_padded_sequence(x, torch.tensor([3, 5, 1]), batch_first=True, enforce_sorted=False)
        y, last = m(packed, given)
        y, _ = pad_packed_sequence(y, batch_first=True, total_length=5)
    else:
        y, last = m(x, given)
    last = list(last) if layer is nn.LSTM else [last]
    loss = (convolution.simple_numbers(4, y.shape).to(dtype) * y).sum() + sum((v * v).sum() for v in last)
    params = list(m.parameters())
    grads = torch.autograd.grad(loss, [x] + params, create_graph=True)
    second = torch.autograd.grad((grads[0] * grads[0]).sum(), [x] + params)
    return list(m.state_dict().values()) + [x] + first + [y] + last + list(grads) + list(second)


def main():
    torch.set_num_threads(1)
    print(f"/* Written by tests/golden/recurrent.py with torch {torch.__version__.split('+')[0]}: do not edit. */")
    print("#ifndef TESTS_GOLDEN_RECURRENT_H\n#define TESTS_GOLDEN_RECURRENT_H\n\n#include <reel/types.h>\n")
    print("/* clang-format off */")
    for dtype, guard in ((torch.float64, "#ifdef REEL_F64"), (torch.float32, "#else")):
        print("\n" + guard)
        torch.set_default_dtype(dtype)
        for i, case in enumerate(CASES):
            modules.reals(f"golden_recurrent_{i}", numbers(case, i, dtype), dtype)
    print("\n#endif\n\n#endif")


if __name__ == "__main__":
    main()
