"""Prints tests/golden/notebook.json: what the notebook program must print for --seed 7 --json.

    pip install torch; python tests/golden/notebook.py > tests/golden/notebook.json
"""

import torch
from torch import nn

torch.manual_seed(7)
embedding = nn.Embedding(10, 3)
x10 = torch.randint(0, 10, (10,))
x5 = torch.randint(0, 10, (5,))
labels = torch.randint(0, 10, (64,))
noise = torch.randn(64, 10)
emb_out = embedding(labels)
cat = torch.cat((noise, emb_out), 1)


def text(values):
    if isinstance(values, list):
        return "[" + ", ".join(text(v) for v in values) + "]"
    return "%.17g" % values


cells = {
    "weight": embedding.weight,
    "X10": x10,
    "X5": x5,
    "rows01": embedding(torch.tensor([0, 1])),
    "rows234": embedding(torch.tensor([2, 3, 4])),
    "labels": labels,
    "noise": noise,
    "emb_out": emb_out,
    "cat": cat,
}
body = ", ".join(f'"{key}": {text(value.tolist())}' for key, value in cells.items())
shape = text(list(cat.unsqueeze(-1).shape))
error = r"embedding \"embedding\": index 10 at position [0] is outside 0..9"
print(f'{{{body}, "cat_shape": {shape}, "error": "{error}"}}')
