"""Writes tensor_print.h: tensors, and what PyTorch prints for them with its default options.

Run it with the torch version named in the header: python tests/golden/tensor_print.py
"""

import math
import pathlib

import torch

torch.set_num_threads(1)


class Ramp:
    """Element i is i * factor, too many to store; the one in the middle may be another."""

    def __init__(self, shape, factor, middle=0):
        self.shape, self.factor, self.middle = shape, factor, middle

    def tensor(self, dtype):
        values = torch.arange(math.prod(self.shape)).double() * self.factor
        if self.middle:
            values[len(values) // 2] = self.middle
        return values.to(dtype).reshape(self.shape)


def cases():
    """Pairs of a kind and a tensor: kinds are f (reals, printed as float32 and as float64), l, i and b."""
    g = torch.Generator().manual_seed(0)
    inf, nan = math.inf, math.nan

    def randn(*shape):
        return torch.randn(shape, generator=g)

    def reals(*values):
        return torch.tensor(values)

    for shape in [(), (1,), (3,), (10,), (64,), (2, 3), (5, 5), (3, 13), (2, 3, 4), (1, 2, 1, 2, 1, 2, 1, 2)]:
        yield "f", randn(*shape)
    yield "f", torch.tensor(1.5)
    yield "f", torch.tensor(0.0)
    yield "f", torch.tensor(-0.0)
    yield "f", torch.tensor(nan)
    yield "f", torch.tensor(-inf)
    # Whole numbers, with and without company.
    yield "f", reals(1.0, 2.0, 3.0)
    yield "f", reals(-1.0, 20.0, 300.0)
    yield "f", reals(0.0, 0.0)
    yield "f", reals(0.0, -0.0, inf, nan)
    yield "f", reals(1.0, inf, -inf, nan)
    yield "f", reals(1.5, inf, -inf, nan)
    yield "f", reals(100000.0, -inf)
    # Around the limits of scientific notation: ratio 1000, size 1e8, size 1e-4.
    yield "f", reals(1.0, 1000.0)
    yield "f", reals(1.0, 1001.0)
    yield "f", reals(0.5, 500.0)
    yield "f", reals(0.5, 500.5)
    yield "f", reals(1e8)
    yield "f", reals(1.0000001e8)
    yield "f", reals(123456789.0, 0.0, nan)
    yield "f", reals(0.00010001)
    yield "f", reals(0.00009999)
    yield "f", reals(1e-40, 1.0)
    yield "f", reals(3e38, -3e38, inf)
    yield "f", reals(9.99996, 0.99996)
    yield "f", reals(0.03125, 0.00005, 0.00015)
    yield "f", randn(4, 4) * 10.0 ** torch.arange(4)
    yield "f", randn(6) * 1e-6
    yield "f", randn(3, 7) * 1e9
    yield "f", torch.where(randn(5, 6) > 0, randn(5, 6), 0.0)
    # Abridged, in every pattern of long and short axes.
    for shape in [(1000,), (1001,), (1001, 1), (1, 1001), (7, 143), (7, 150), (6, 200), (200, 6), (2, 3, 200)]:
        yield "f", Ramp(shape, 0.01)
    for shape in [(11, 3, 40), (9, 8, 7, 2), (2, 2, 2, 2, 2, 2, 2, 16)]:
        yield "f", Ramp(shape, 0.37)
    yield "f", Ramp((1200,), 1, 1e30)  # one extreme number that is not shown does not count
    yield "f", Ramp((1200,), -1e-7)
    yield "l", Ramp((40, 50), -3)
    yield "i", Ramp((1500,), 1)
    yield "b", Ramp((30, 40), 1)
    # No elements.
    for shape in [(0,), (0, 3), (3, 0), (2, 0, 4), (0, 1, 2, 3, 4, 5, 6, 7), (0, 1000000, 1000000, 1000000, 1, 1, 1, 1)]:
        yield "f", torch.empty(shape)
        yield "l", torch.empty(shape, dtype=torch.int64)
        yield "i", torch.empty(shape, dtype=torch.int32)
        yield "b", torch.empty(shape, dtype=torch.bool)
    # Integers and bools.
    yield "l", torch.tensor(7)
    yield "l", torch.tensor([5, -12, 1000000])
    yield "l", torch.tensor([-(2**63), 2**63 - 1])
    yield "l", torch.randint(0, 10, (64,), generator=g)
    yield "l", torch.randint(-1000, 1000, (3, 4, 5), generator=g)
    yield "i", torch.tensor(-3, dtype=torch.int32)
    yield "i", torch.arange(20, dtype=torch.int32).reshape(4, 5)
    yield "i", torch.arange(17, dtype=torch.int32)  # the line of the suffix is full
    yield "b", torch.tensor(True)
    yield "b", torch.tensor([True, False, True])
    yield "b", torch.tensor([[True, True], [True, True]])
    yield "b", torch.arange(60).remainder(3) == 0
    # Lines that just fit and just do not, with and without a suffix.
    for n in range(6, 12):
        yield "f", torch.arange(n).float() + 0.5
        yield "i", torch.arange(n, dtype=torch.int32) + 100000
    for n in range(12, 22):
        yield "i", torch.arange(n, dtype=torch.int32) % 10


def number(kind, value):
    if kind != "f":
        return {"l": "INT64_MIN" if value == -(2**63) else f"INT64_C({value})", "i": str(value), "b": str(int(value))}[kind]
    if math.isnan(value):
        return "NAN"
    if math.isinf(value):
        return "INFINITY" if value > 0 else "-INFINITY"
    return value.hex() + "f"


def wrapped(items, width=118):
    lines, line = [], "   "
    for item in items:
        if len(line) + len(item) + 2 > width:
            lines.append(line)
            line = "   "
        line += " " + item + ","
    return "\n".join(lines + [line])


def literal(text):
    return "\n     ".join('"' + line.replace('"', '\\"') + '"' for line in text.replace("\n", "\\n\n").split("\n"))


def main():
    arrays, rows = [], []
    c_types = {"f": "reel_real", "l": "int64_t", "i": "int32_t", "b": "unsigned char"}
    names = {"f": "REEL_REAL", "l": "REEL_INT64", "i": "REEL_INT32", "b": "REEL_BOOL"}
    dtypes = {"f": torch.float32, "l": torch.int64, "i": torch.int32, "b": torch.bool}
    for i, (kind, case) in enumerate(cases()):
        ramp = isinstance(case, Ramp)
        tensor = case.tensor(dtypes[kind]) if ramp else case
        shape = "{%d, {%s}}" % (tensor.dim(), ", ".join(map(str, tensor.shape)) or "0")
        data = "NULL"
        if not ramp and tensor.numel() > 0:
            data = f"golden_print_{i}"
            body = wrapped([number(kind, v) for v in tensor.reshape(-1).tolist()])
            arrays.append(f"static const {c_types[kind]} {data}[] = {{\n{body}\n}};\n")
        made = f"{float(case.factor)!r}, {float(case.middle)!r}" if ramp else "0, 0"
        texts = literal(str(tensor)) + ",\n     "
        texts += literal(str(case.tensor(torch.float64) if ramp else tensor.double())) if kind == "f" else "NULL"
        rows.append(f"    {{{names[kind]}, {shape}, {data}, {made},\n     {texts}}},\n")
    path = pathlib.Path(__file__).with_suffix(".h")
    with open(path, "w") as out:
        out.write(f"/* Written by tests/golden/tensor_print.py with torch {torch.__version__.split('+')[0]}: do not edit. */\n")
        out.write("#ifndef REEL_GOLDEN_TENSOR_PRINT_H\n#define REEL_GOLDEN_TENSOR_PRINT_H\n\n")
        out.write('#include "reel/types.h"\n\n#include <math.h>\n\n/* clang-format off */\n\n')
        out.write("".join(arrays))
        out.write(
            "\n/* What PyTorch prints; for reals, as float32 and as float64. Where data is NULL, element i is i * factor, and\n"
            " * the one in the middle is `middle` unless that is 0. */\n"
            "static const struct golden_print {\n"
            "    reel_dtype dtype;\n    reel_shape shape;\n    const void *data;\n    double factor, middle;\n    const char *text, *text_f64;\n"
            "} golden_prints[] = {\n"
        )
        out.write("".join(rows))
        out.write("};\n\n#endif\n")


main()
