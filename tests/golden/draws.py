"""Prints tests/golden/draws.h: what torch.bernoulli and torch.multinomial draw, for tests/ops/draw.c.

    python tests/golden/draws.py > tests/golden/draws.h

Made with torch 2.15.0. Float32 and float64 tensors draw differently, so both are here.
"""

import torch

torch.set_num_threads(1)
print("/* Written by draws.py. */\n/* clang-format off */\n#ifdef REEL_F64")
for dtype in (torch.float64, torch.float32):
    p = (torch.arange(40) % 9).to(dtype) / 8
    weights = (1 + 5 * torch.arange(21) % 8).to(dtype).reshape(3, 7)
    weights[1, 2] = weights[2, 6] = 0
    torch.manual_seed(11)
    draws = [
        ("bernoulli", "double", torch.bernoulli(p)),
        ("with_replacement", "int64_t", torch.multinomial(weights, 12, True)),
        ("without_replacement", "int64_t", torch.multinomial(weights, 5)),
        ("one", "int64_t", torch.multinomial(weights, 1)),
        ("of_a_vector", "int64_t", torch.multinomial(weights[0], 7)),
        ("behind", "double", torch.rand(2, dtype=dtype)),
    ]
    for name, kind, values in draws:
        numbers = ", ".join(f"{v:.17g}" if isinstance(v, float) else str(v) for v in values.reshape(-1).tolist())
        print(f"static const {kind} golden_{name}[] = {{{numbers}}};")
    print("#else" if dtype == torch.float64 else "#endif")
