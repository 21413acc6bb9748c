"""Prints tests/golden/gumbel.h: what torch.Tensor.exponential_ and gumbel_softmax draw, and the gradients of the latter, for
tests/ops/gumbel.c.

    python tests/golden/gumbel.py > tests/golden/gumbel.h

Made with torch 2.15.0. Float32 and float64 tensors round differently, so both are here.
"""

import torch

torch.set_num_threads(1)
print("/* Written by gumbel.py. */\n/* clang-format off */\n#ifdef REEL_F64")
for dtype in (torch.float64, torch.float32):
    torch.manual_seed(12)
    draws = [("exponential", torch.empty(100, dtype=dtype).exponential_())]
    u = (((37 * torch.arange(20)) % 64) * 2 - 63).to(dtype).reshape(4, 5) / 64
    for name, options in (("gumbel", {"tau": 0.7}), ("gumbel_hard", {"hard": True, "dim": 0})):
        logits = u.flip(1).clone().requires_grad_()
        y = torch.nn.functional.gumbel_softmax(logits, **options)
        (u * y).sum().backward()
        draws += [(name, y), (f"{name}_grad", logits.grad)]
    for name, values in draws:
        numbers = ", ".join(f"{v:.17g}" for v in values.reshape(-1).tolist())
        print(f"static const double golden_{name}[] = {{{numbers}}};")
    print("#else" if dtype == torch.float64 else "#endif")
