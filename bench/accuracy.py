"""Prints for PyTorch what bench/accuracy.c prints for reel: the largest error of float functions against those in
float64, which are good to a small part of a float's ulp, and what an element costs on one thread.

    python bench/accuracy.py [EVERY]
"""

import sys
import time

import torch

N = 1 << 16
FUNCTIONS = {
    "exp": (torch.exp, -87, 88),
    "expm1": (torch.expm1, -20, 88),
    "log": (torch.log, 1.17549435e-38, 3.4e38),
    "log1p": (torch.log1p, -0.999, 1e30),
    "tanh": (torch.tanh, -10, 10),
    "erf": (torch.erf, -5, 5),
    "sin": (torch.sin, -1e4, 1e4),
    "cos": (torch.cos, -1e4, 1e4),
    "sigmoid": (torch.sigmoid, -87, 87),
    "gelu": (torch.nn.functional.gelu, -5, 10),
    "gelu, tail": (torch.nn.functional.gelu, -13, -5),
}


def exact(name, function, x):
    if name.startswith("gelu"):
        return x * torch.special.erfc(x * -(0.5**0.5)) / 2
    return function(x)


def main():
    every = int(sys.argv[1]) if len(sys.argv) > 1 else 101
    torch.set_num_threads(1)
    print(f"{'function':12} {'worst ulp':>10} {'ns an element':>14}")
    for name, (function, low, high) in FUNCTIONS.items():
        worst = 0.0
        for start in range(0, 1 << 32, every << 20):
            bits = torch.arange(start, min(1 << 32, start + (every << 20)), every)
            x = (bits - (bits >= 1 << 31).long() * (1 << 32)).to(torch.int32).view(torch.float32)
            x = x[(x >= low) & (x <= high)]
            want = exact(name, function, x.double())
            ulp = torch.ldexp(torch.ones_like(want), torch.frexp(want).exponent - 24)
            error = ((function(x).double() - want).abs() / ulp)[want.abs() >= 2.0**-126]
            worst = max(worst, error.max().item() if len(error) else 0.0)
        x = torch.linspace(max(low, -5), min(high, 5), N)
        best = float("inf")
        for _ in range(200):
            began = time.perf_counter()
            function(x)
            best = min(best, time.perf_counter() - began)
        print(f"{name:12} {worst:10.2f} {best * 1e9 / N:14.2f}")


main()
