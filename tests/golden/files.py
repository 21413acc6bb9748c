"""Prints tests/golden/files.h: files that Python's safetensors writes, for tests/train/safetensors.c.

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
print("\n/* Element types that reel only knows by name; two kinds of metadata. */")
emit(
    "golden_file_types",
    save(
        {
            "half": torch.ones(2, dtype=torch.float16),
            "brain": torch.ones(2, dtype=torch.bfloat16),
            "byte": torch.ones(3, dtype=torch.uint8),
            "complex": torch.ones(1, dtype=torch.complex64),
        },
        metadata={"format": "pt", "made by": 'a "test"'},
    ),
)
print("\n#endif")
