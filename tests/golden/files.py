"""Prints tests/golden/files.h: files that Python's safetensors writes, for tests/files/safetensors.c.

    pip install torch safetensors numpy; python tests/golden/files.py > tests/golden/files.h

Made with safetensors 0.8.0 and torch 2.15.0.
"""

import torch
from safetensors.torch import save


def model(dtype):
    """A state_dict with every element type that reel writes, an empty tensor, and names that need escapes."""
    return {
        "fc1.weight": (torch.arange(6, dtype=dtype).reshape(2, 3) - 2.5) / 4,
        "fc1.bias": torch.tensor([1e-30, -0.1], dtype=dtype),
        "norm.num_batches_tracked": torch.tensor(2**40 + 1),
        "rows": torch.tensor([[-1, 5, 2**31 - 1]], dtype=torch.int32),
        "mask": torch.tensor([True, False, True]),
        "none": torch.zeros(0, 4, dtype=dtype),
        'odd "\\\n\x01\u00e9\u20ac\U0001f600': torch.tensor([3.0], dtype=dtype),
    }


def emit(name, data):
    print(f"static const unsigned char {name}[] = {{")
    for i in range(0, len(data), 24):
        print("    " + " ".join(f"{b}," for b in data[i : i + 24]))
    print("};")


print("/* Written by tests/golden/files.py with safetensors 0.8.0: do not edit. */")
print("#ifndef REEL_GOLDEN_FILES_H\n#define REEL_GOLDEN_FILES_H\n\n/* clang-format off */\n")
emit("golden_file_f32", save(model(torch.float32), metadata={"format": "pt"}))
emit("golden_file_f64", save(model(torch.float64), metadata={"format": "pt"}))


def patterns(bits, dtype):
    """Elements of 8 or 16 bits with these bits."""
    whole = torch.uint8 if dtype.itemsize == 1 else torch.uint16
    return torch.tensor(bits, dtype=whole).view(dtype)


def edges(dtype):
    """Zeros, the smallest and largest subnormal and normal values, infinities, NaN, and a few between."""
    mantissa = {torch.float16: 10, torch.bfloat16: 7}[dtype]
    one, top = 1 << mantissa, 0x7FFF >> mantissa << mantissa
    positive = [0, 1, one - 1, one, one + 1, top // 2, top // 2 + 3, top - 1, top, top + 1, 0x7FFF]
    return patterns(positive + [b | 0x8000 for b in positive], dtype)


def limits(dtype):
    info = torch.iinfo(dtype)
    return torch.tensor([0, 1, info.max // 3, info.max, info.min], dtype=dtype)


def number(x):
    """A double as C spells it."""
    if x != x:
        return "NAN"
    if abs(x) == float("inf"):
        return ("-" if x < 0 else "") + "INFINITY"
    mantissa, exponent = x.hex().split("p")
    return mantissa.rstrip("0").rstrip(".") + "p" + exponent


floats = {
    "half": edges(torch.float16),
    "brain": edges(torch.bfloat16),
    "e4m3": patterns(list(range(256)), torch.float8_e4m3fn),
    "e5m2": patterns(list(range(256)), torch.float8_e5m2),
}
integers = {
    "i8": limits(torch.int8),
    "i16": limits(torch.int16),
    "u8": limits(torch.uint8),
    "u16": limits(torch.uint16),
    "u32": limits(torch.uint32),
    "u64": torch.tensor([0, 1, 2**62, 2**63 - 1, 5], dtype=torch.uint64),
}
others = {"u64 above": torch.tensor([7, 2**63], dtype=torch.uint64), "complex": torch.ones(1, dtype=torch.complex64)}
print("\n/* Element types that reel does not have, and what they hold; two kinds of metadata. */")
emit(
    "golden_file_types",
    save({**floats, **integers, **others}, metadata={"format": "pt", "made by": 'a "test"'}),
)
print("static const double")
for i, (name, x) in enumerate(floats.items()):
    values = ", ".join(number(v) for v in x.to(torch.float64).tolist())
    print(f"    golden_{name}[] = {{{values}}}{';' if i + 1 == len(floats) else ','}")
print("static const int64_t")
for i, (name, x) in enumerate(integers.items()):
    values = ", ".join(f"INT64_C({int(v)})" for v in x.tolist())
    print(f"    golden_{name}[] = {{{values}}}{';' if i + 1 == len(integers) else ','}")
print("\n#endif")
