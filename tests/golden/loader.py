"""Prints tests/golden/loader.h: the samples that PyTorch's DataLoader gives, and random_split, for tests/train/loader.c
and split.c.

    pip install torch; python tests/golden/loader.py > tests/golden/loader.h

Made with torch 2.15.0.
"""

import os
import sys

here = os.path.dirname(os.path.abspath(__file__))
sys.path = [path for path in sys.path if os.path.abspath(path) != here]

import torch
from torch.utils.data import DataLoader, Subset, TensorDataset, WeightedRandomSampler, random_split

N, EPOCHS = 23, 2
SUBSET = [3, 5, 5, 22, 0, 11, 7]
DRAWS = 20


def array(kind, name, numbers, width=118):
    print(f"static const {kind} {name}[] = {{")
    line = "   "
    for text in [float(x).hex() if kind == "double" else str(x) for x in numbers]:
        if len(line) + len(text) + 2 > width:
            print(line)
            line = "   "
        line += f" {text},"
    print(line)
    print("};")


def epochs(name, dataset, **options):
    """The samples of two epochs, a -1 after each batch and a -2 after each epoch, and the number that follows."""
    torch.manual_seed(11)
    loader = DataLoader(dataset, **options)
    samples = []
    for _ in range(EPOCHS):
        for (batch,) in loader:
            samples += [*batch.tolist(), -1]
        samples.append(-2)
    array("int64_t", f"golden_{name}", samples)
    print(f"static const int64_t golden_{name}_next = {torch.randint(2**40, ()).item()};")


print("/* Written by loader.py with torch", torch.__version__.split("+")[0] + ". */")
print("#ifndef GOLDEN_LOADER_H\n#define GOLDEN_LOADER_H\n\n/* clang-format off */\n\n#include <stdint.h>\n")
print(f"enum {{ GOLDEN_N = {N}, GOLDEN_DRAWS = {DRAWS} }};")
numbers = TensorDataset(torch.arange(N))
array("int64_t", "golden_subset", SUBSET)
torch.manual_seed(1)
weights = torch.rand(N, dtype=torch.float64)
weights[0] = weights[4] = weights[-1] = 0
array("double", "golden_weights", weights.tolist())
labels = torch.arange(N) ** 2 % 5
array("unsigned char", "golden_labels", labels.tolist())
balanced = 1 / torch.bincount(labels).double()[labels]

epochs("in_order", numbers, batch_size=5)
epochs("shuffled", numbers, batch_size=5, shuffle=True)
epochs("dropped", numbers, batch_size=5, shuffle=True, drop_last=True)
epochs("shuffled_subset", Subset(numbers, SUBSET), batch_size=3, shuffle=True)
epochs("weighted", numbers, batch_size=6, sampler=WeightedRandomSampler(weights, DRAWS))
epochs("balanced", numbers, batch_size=6, sampler=WeightedRandomSampler(balanced, N))

torch.manual_seed(11)
split = random_split(range(N), [10, 0, 13])
array("int64_t", "golden_split", [i for part in split for i in part.indices])
for name, n, fractions in [("thirds", 23, [1 / 3] * 3), ("tenths", 19, [0.1, 0.2, 0.7]), ("uneven", 7, [0.15, 0.85])]:
    array("double", f"golden_{name}", fractions)
    array("int64_t", f"golden_{name}_lengths", [len(part) for part in random_split(range(n), fractions)])
print("\n#endif")
