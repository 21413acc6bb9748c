"""Prints tests/golden/embedding_bag.h: bags of embedding rows as PyTorch computes them in float64, for tests/nn.

    pip install torch numpy; python tests/golden/embedding_bag.py > tests/golden/embedding_bag.h

Made with torch 2.15.0. All inputs are exact in float32, so that the float build is compared with the same numbers.
Gradients are those of the sum of y * flow. Where embedding_bag refuses (weights other than for sum, scale_grad_by_freq
for max) the same is computed with embedding and a reduction for each bag.
"""

import itertools

import torch
from torch.nn import functional as F

torch.set_num_threads(1)
torch.manual_seed(0)

ROWS, COLUMNS, MAX_NORM = 5, 2, 1.5
INDEX = [4, 1, 4, 2, 2, 0, 2, 1, 1]
OFFSETS = [0, 3, 3, 5, 9]
MODES = {"mean": "REEL_BAG_MEAN", "sum": "REEL_BAG_SUM", "max": "REEL_BAG_MAX"}
FORMS = {"starts": (5, "OFFSETS"), "last": (4, "LAST_OFFSET"), "rows": (3, "TWO_AXES")}


def grid(*shape):
    return (torch.randn(*shape, dtype=torch.float64) * 16).round() / 16


def number(value):
    short = repr(float(value)).removesuffix(".0")
    return short if len(short) < 8 else float(value).hex()


def lines(numbers):
    line, out = "", []
    for value in numbers:
        item = number(value) + ","
        if len(line) + len(item) > 110:
            out.append(line)
            line = ""
        line += (" " if line else "") + item
    return "\n    ".join(out + [line])


def bags(form):
    if form == "rows":
        return [range(3 * b, 3 * b + 3) for b in range(3)]
    ends = OFFSETS[1:] + ([len(INDEX)] if form == "starts" else [])
    return [range(a, b) for a, b in zip(OFFSETS, ends)]


def by_hand(table, weights, mode, form, padding, scale):
    index = torch.tensor(INDEX)
    rows = F.embedding(index, table, scale_grad_by_freq=scale)
    if weights is not None:
        rows = rows * weights[:, None]
    out = []
    for bag in bags(form):
        bag = [i for i in bag if INDEX[i] != padding]
        of_bag = rows[bag]
        if not bag:
            out.append(torch.zeros(COLUMNS, dtype=torch.float64))
        elif mode == "max":
            out.append(of_bag.max(0).values)
        else:
            out.append(of_bag.sum(0) / (len(bag) if mode == "mean" else 1))
    return torch.stack(out)


def in_pytorch(table, weights, mode, form, padding, scale, max_norm):
    index = torch.tensor(INDEX)
    options = dict(mode=mode, padding_idx=padding, scale_grad_by_freq=scale, max_norm=max_norm)
    if form == "rows":
        shaped = weights.reshape(3, 3) if weights is not None else None
        return F.embedding_bag(index.reshape(3, 3), table, per_sample_weights=shaped, **options)
    return F.embedding_bag(index, table, torch.tensor(OFFSETS), per_sample_weights=weights,
                           include_last_offset=form == "last", **options)


TABLE, WEIGHTS, FLOW = grid(ROWS, COLUMNS), grid(len(INDEX)), grid(5, COLUMNS)
TABLE[1, 0] = TABLE[4, 0]  # a tie

cases, numbers = [], []
for mode, form, padding, weighted, (scale, max_norm) in itertools.product(
        MODES, FORMS, (None, 2), (False, True), ((False, None), (True, None), (False, MAX_NORM))):
    table = TABLE.clone().requires_grad_()
    weights = WEIGHTS.clone().requires_grad_() if weighted else None
    count, name = FORMS[form]
    if (weighted and mode != "sum") or (scale and mode == "max"):
        if max_norm:
            continue
        y = by_hand(table, weights, mode, form, padding, scale)
    else:
        y = in_pytorch(table, weights, mode, form, padding, scale, max_norm)
    (y * FLOW[:count]).sum().backward()
    cases.append("{%s, %s, %s, %s, %s, %s}" % (MODES[mode], name, "REEL_NO_PADDING" if padding is None else padding,
                                               *(str(bool(flag)).lower() for flag in (weighted, scale, max_norm))))
    for tensor in (y, table, table.grad, weights.grad if weighted else None):
        if tensor is not None:
            numbers += tensor.detach().reshape(-1).tolist()

print("/* Written by tests/golden/embedding_bag.py with torch %s: do not edit. */" % torch.__version__.split("+")[0])
print("#ifndef REEL_GOLDEN_EMBEDDING_BAG_H\n#define REEL_GOLDEN_EMBEDDING_BAG_H\n\n#include <reel/gather.h>\n")
print("/* clang-format off */\n")
print("enum { GOLDEN_BAG_ROWS = %d, GOLDEN_BAG_COLUMNS = %d, GOLDEN_BAG_INDICES = %d };" % (ROWS, COLUMNS, len(INDEX)))
print("static const double golden_bag_max_norm = %s;" % MAX_NORM)
print("static const int64_t golden_bag_index[] = {%s};" % ", ".join(map(str, INDEX)))
print("static const int64_t golden_bag_offsets[] = {%s};" % ", ".join(map(str, OFFSETS)))
for name, tensor in (("table", TABLE), ("weights", WEIGHTS), ("flow", FLOW)):
    print("static const reel_real golden_bag_%s[] = {\n    %s};" % (name, lines(tensor.reshape(-1).tolist())))
print("""
enum golden_bag_form { OFFSETS, LAST_OFFSET, TWO_AXES };
static const struct {
    reel_bag_mode mode;
    enum golden_bag_form form;
    int64_t padding;
    bool weighted, scale, max_norm;
} golden_bags[] = {
    %s};
""" % ",\n    ".join(cases))
print("/* Of each: the result, the table afterwards, its gradient, and that of the weights if there are any. */")
print("static const double golden_bag_numbers[] = {\n    %s};\n\n#endif" % lines(numbers))
