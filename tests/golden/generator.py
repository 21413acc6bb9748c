"""Prints tests/golden/generator.h: what PyTorch's CPU generator gives, for tests/core/random.c.

    pip install torch numpy; python tests/golden/generator.py > tests/golden/generator.h

Made with torch 2.15.0 on x86-64 with AVX2 or better (the numbers differ on anything less).
"""

import os
import sys

# Python puts this folder in front of the standard library, whose `random` this file would then hide from torch.
here = os.path.dirname(os.path.abspath(__file__))
sys.path = [path for path in sys.path if os.path.abspath(path) != here]

import numpy as np
import torch

SEEDS = [0, 1, 42, 2**32 + 5]
SIZES = [1, 3, 15, 16, 17, 31, 33, 100]
LARGE, STRIDE = 65539, 1021
RANGES = [(0, 10), (0, 2**28 - 1), (0, 2**28), (0, 2**40), (-7, 5), (-(2**62), 2**62), (-(2**63), 2**63 - 1)]
PER_RANGE = 6
PERMUTATIONS = [0, 1, 10, 1000]


def array(kind, name, items, width=118):
    print(f"static const {kind} {name if '[' in name else name + '[]'} = {{")
    line = "   "
    for item in items:
        if len(line) + len(item) + 2 > width:
            print(line)
            line = "   "
        line += f" {item},"
    print(line)
    print("};")


def hex_real(value, dtype):
    if dtype == torch.float64:
        return float(value).hex()
    mantissa, exponent = float(value).hex().split("p")
    return mantissa.rstrip("0").rstrip(".") + "p" + exponent + "f" if "." in mantissa else f"{mantissa}p{exponent}f"


def reals(name, tensors, dtype):
    flat = torch.cat([t.detach().reshape(-1) for t in tensors])
    array("reel_real", name, [hex_real(v, dtype) for v in flat.tolist()])


def int64(value):
    return "INT64_MIN" if value == -(2**63) else f"INT64_C({value})" if abs(value) >= 2**31 else str(value)


def checksum(values, bits):
    """The sum of bits[i] * (2 i + 1) modulo 2^64."""
    words = values.view(bits).astype(np.uint64)
    odd = 2 * np.arange(words.size, dtype=np.uint64) + np.uint64(1)
    return int(np.sum(words * odd, dtype=np.uint64))


def untemper(word):
    """The state word that MT19937 turns into `word` on its way out."""

    def undo(value, step):
        result = value
        for _ in range(32):
            result = value ^ step(result)
        return result

    word = undo(word, lambda y: y >> 18)
    word = undo(word, lambda y: (y << 15) & 0xEFC60000)
    word = undo(word, lambda y: (y << 7) & 0x9D2C5680)
    return undo(word, lambda y: y >> 11)


def constants():
    print(f"static const uint64_t golden_seeds[] = {{{', '.join(f'UINT64_C({s})' for s in SEEDS)}}};")
    print(f"static const int64_t golden_sizes[] = {{{', '.join(map(str, SIZES))}}};")
    print(f"enum {{ golden_large = {LARGE}, golden_stride = {STRIDE}, golden_per_range = {PER_RANGE} }};")


def integers():
    print("\n/* golden_per_range draws for each range in turn, all from one generator. */")
    array("int64_t", "golden_ranges[][2]", [f"{{{int64(low)}, {int64(high)}}}" for low, high in RANGES])
    for index, seed in enumerate(SEEDS):
        torch.manual_seed(seed)
        drawn = [v for low, high in RANGES for v in torch.randint(low, high, (PER_RANGE,)).tolist()]
        array("int64_t", f"golden_integers_{index}", map(int64, drawn))

    print("\n/* Permutations of these sizes, all from one generator with seed 0, and a draw from 0..999999 after them. */")
    array("int64_t", "golden_permutation_sizes", map(str, PERMUTATIONS))
    torch.manual_seed(0)
    drawn = [v for n in PERMUTATIONS for v in torch.randperm(n).tolist()] + torch.randint(0, 1000000, (1,)).tolist()
    array("int64_t", "golden_permutations", map(str, drawn))


def states():
    def words():
        return np.frombuffer(torch.get_rng_state().numpy().tobytes(), dtype=np.uint64)

    print("\n/* torch.get_rng_state() as 64-bit words: seed 42, then randn(3) and randint(0, 10) of 5 elements. */")
    torch.manual_seed(42)
    torch.randn(3)
    torch.randint(0, 10, (5,))
    array("uint64_t", "golden_state", [f"{w:#x}" for w in words().tolist()])
    print("/* randint(0, 10) from there, ... */")
    array("int64_t", "golden_after_state", map(str, torch.randint(0, 10, (12,)).tolist()))
    print("/* ... and the sums of words[i] * (2 i + 1) of the states after seed 2^32 + 5 and 0, 1, 623, 624 or 625 draws. */")
    sums = []
    for draws in (0, 1, 623, 624, 625):
        torch.manual_seed(2**32 + 5)
        torch.randint(0, 10, (draws,))
        sums.append(f"UINT64_C({checksum(words(), np.uint64)})")
    array("uint64_t", "golden_state_sums", sums)


def per_type(dtype):
    torch.set_default_dtype(dtype)
    bits = np.uint64 if dtype == torch.float64 else np.uint32

    print("\n/* rand of golden_sizes in turn, all from one generator. */")
    for index, seed in enumerate(SEEDS):
        torch.manual_seed(seed)
        reals(f"golden_uniform_{index}", [torch.rand(n) for n in SIZES], dtype)

    print("\n/* randn of golden_sizes in turn, all from one generator. */")
    for index, seed in enumerate(SEEDS):
        torch.manual_seed(seed)
        reals(f"golden_normal_{index}", [torch.randn(n) for n in SIZES], dtype)

    print("\n/* Draws of golden_large elements with seed 0: every golden_stride-th and the last 20. The sums are of the bits")
    print(" * of element i times 2 i + 1. */")
    for name, draw in (("uniform", torch.rand), ("normal", torch.randn)):
        torch.manual_seed(0)
        values = draw(LARGE)
        reals(f"golden_large_{name}", [values[::STRIDE], values[-20:]], dtype)
        print(f"static const uint64_t golden_large_{name}_sum = UINT64_C({checksum(values.numpy(), bits)});")

    print("\n/* With seed 1: randn(1), rand(3), randn(2), randn(16), randn(5), randint(0, 10, (3,)), randperm(7), randn(17),")
    print(" * uniform_(2, 5) of 4, randn(4), randn(1); the integers as reals. */")
    torch.manual_seed(1)
    drawn = [torch.randn(1), torch.rand(3), torch.randn(2), torch.randn(16), torch.randn(5)]
    drawn += [torch.randint(0, 10, (3,)).to(dtype), torch.randperm(7).to(dtype), torch.randn(17)]
    drawn += [torch.empty(4).uniform_(2, 5), torch.randn(4), torch.randn(1)]
    reals("golden_mixed", drawn, dtype)

    print("\n/* With seed 42: uniform_(-0.1, 0.1) of 40, normal_(0.3, 0.7) of 15, normal_(0.3, 0.7) of 40. */")
    torch.manual_seed(42)
    drawn = [torch.empty(40).uniform_(-0.1, 0.1), torch.empty(15).normal_(0.3, 0.7), torch.empty(40).normal_(0.3, 0.7)]
    reals("golden_scaled", drawn, dtype)

    print("\n/* With seed 42: Linear(4, 3), Linear(7, 5), Embedding(10, 2), Embedding(3, 2), Linear(3, 2). */")
    torch.manual_seed(42)
    modules = [torch.nn.Linear(4, 3), torch.nn.Linear(7, 5), torch.nn.Embedding(10, 2), torch.nn.Embedding(3, 2)]
    modules += [torch.nn.Linear(3, 2)]
    reals("golden_modules", [p for m in modules for p in m.parameters()], dtype)

    print("\n/* uniform_(1, 2) and randn(16) from a state whose next words are all ones, and from one of all zeros. */")
    edges = []
    for word in (0xFFFFFFFF, 0):
        for draw in (lambda: torch.empty(2).uniform_(1, 2), lambda: torch.randn(16)):
            state = np.frombuffer(torch.manual_seed(0).get_state().numpy().tobytes(), dtype=np.uint64).copy()
            state[1] = (1 << 32) | 624  # seeded, and 624 words left
            state[2] = 1
            state[3:627] = untemper(word)
            torch.set_rng_state(torch.from_numpy(state.view(np.uint8)))
            edges.append(draw())
    reals("golden_edges", edges, dtype)


torch.set_num_threads(1)
print(f"/* Written by tests/golden/generator.py with torch {torch.__version__.split('+')[0]}: do not edit. */")
print("#ifndef REEL_GOLDEN_GENERATOR_H\n#define REEL_GOLDEN_RANDOM_H\n")
print('#include "reel/types.h"\n\n/* clang-format off */\n')
constants()
integers()
states()
print(f"\n/* The word of a state that comes out as all ones. */\nstatic const uint32_t golden_ones = {untemper(0xFFFFFFFF):#x};")
print("\n#ifdef REEL_F64")
per_type(torch.float64)
print("\n#else")
per_type(torch.float32)
print("\n#endif\n\n#endif")
