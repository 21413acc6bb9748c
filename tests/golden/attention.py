"""Prints tests/golden/attention.h: what PyTorch's attention layers start with and compute, for tests/nn/attention.c.

    python tests/golden/attention.py > tests/golden/attention.h

Made with torch 2.15.0 on x86-64 with AVX2 or better (the random numbers differ on anything less).

For each case: seed, then the layer's state_dict; its inputs from randn; the outputs; the gradients of the sum of all
simple numbers times outputs with respect to those inputs and all params; and those of the sum of the squares of the
gradient of the first input. The cases are those of the test, in its order.
"""

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

import convolution
import modules

BATCH, QUERIES, KEYS = 2, 3, 4
# True: must not be looked at.
PADDING = torch.tensor([[False, False, False, True], [False, False, True, True]])
SELF_PADDING = PADDING[:, 1:]
CAUSAL = torch.ones(QUERIES, QUERIES, dtype=torch.bool).triu(1)


def numbers_mask(*shape):
    return convolution.simple_numbers(3, shape).to(torch.get_default_dtype())


def some_mask():
    return numbers_mask(BATCH * 2, QUERIES, KEYS) > 0.6


def attention(layer, inputs, **options):
    keys = inputs if len(inputs) == 3 else [inputs[0], inputs[-1], inputs[-1]]
    weights = options.pop("need_weights", False)
    y, w = layer(*keys, need_weights=weights, **options)
    return [y, w] if weights else [y]


def encode(layer, inputs, mask=None, padding=None):
    return [layer(inputs[0], mask, src_key_padding_mask=padding)]


def multihead(*sizes, **options):
    return lambda: nn.MultiheadAttention(*sizes, batch_first=True, **options)


def encoder_layer(**options):
    return nn.TransformerEncoderLayer(4, 2, 3, dropout=0, batch_first=True, **options)


SELF, CROSS = [(BATCH, QUERIES, 4)], [(BATCH, QUERIES, 4), (BATCH, KEYS, 4)]
THREE, SMALL = [(BATCH, QUERIES, 4), (BATCH, KEYS, 3), (BATCH, KEYS, 5)], [(BATCH, QUERIES, 4)]

# The layer, the shapes of its inputs, the call.
CASES = [
    (multihead(4, 2), SELF, lambda m, x: attention(m, x)),
    (multihead(6, 3), [(BATCH, QUERIES, 6)], lambda m, x: attention(m, x, attn_mask=CAUSAL, key_padding_mask=SELF_PADDING)),
    (multihead(4, 2, kdim=3, vdim=5, bias=False), THREE,
     lambda m, x: attention(m, x, attn_mask=numbers_mask(QUERIES, KEYS))),
    (multihead(4, 2), CROSS, lambda m, x: attention(m, x, attn_mask=some_mask(), need_weights=True)),
    (multihead(4, 2), CROSS,
     lambda m, x: attention(m, x, key_padding_mask=PADDING, need_weights=True, average_attn_weights=False)),
    (multihead(4, 2), CROSS,
     lambda m, x: attention(m, x, key_padding_mask=torch.where(PADDING, -torch.inf, 0.0),
                            attn_mask=numbers_mask(QUERIES, KEYS))),
    (encoder_layer, SMALL, lambda m, x: encode(m, x, padding=SELF_PADDING)),
    (lambda: encoder_layer(activation="gelu", norm_first=True, bias=False, layer_norm_eps=1e-3), SMALL,
     lambda m, x: encode(m, x, CAUSAL)),
    (lambda: nn.TransformerEncoder(encoder_layer(norm_first=True), 2, nn.LayerNorm(4), enable_nested_tensor=False),
     SMALL, lambda m, x: encode(m, x, numbers_mask(QUERIES, QUERIES))),
]


def numbers(case, index, dtype):
    make, shapes, call = case
    torch.manual_seed(30 + index)
    m = make()
    inputs = [torch.randn(shape, requires_grad=True) for shape in shapes]
    with sdpa_kernel(SDPBackend.MATH):
        outputs = call(m, inputs)
    loss = sum((convolution.simple_numbers(4 + i, y.shape).to(dtype) * y).sum() for i, y in enumerate(outputs))
    wanted = inputs + list(m.parameters())
    grads = torch.autograd.grad(loss, wanted, create_graph=True)
    second = torch.autograd.grad((grads[0] * grads[0]).sum(), wanted, allow_unused=True)
    second = [torch.zeros_like(x) if s is None else s for x, s in zip(wanted, second)]
    return list(m.state_dict().values()) + inputs + outputs + list(grads) + second


def main():
    torch.set_num_threads(1)
    print(f"/* Written by tests/golden/attention.py with torch {torch.__version__.split('+')[0]}: do not edit. */")
    print("#ifndef TESTS_GOLDEN_ATTENTION_H\n#define TESTS_GOLDEN_ATTENTION_H\n\n#include <reel/types.h>\n")
    print("/* clang-format off */")
    for dtype, guard in ((torch.float64, "#ifdef REEL_F64"), (torch.float32, "#else")):
        print("\n" + guard)
        torch.set_default_dtype(dtype)
        for i, case in enumerate(CASES):
            modules.reals(f"golden_attention_{i}", numbers(case, i, dtype), dtype)
    print("\n#endif\n\n#endif")


if __name__ == "__main__":
    main()
