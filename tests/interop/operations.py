"""Every operation's ONNX form in onnxruntime: good samples, as the program interop_operations saves them.

    python operations.py PROGRAM HASHES

HASHES is tests/golden/onnx.txt, by which tests/ops/onnx.c knows the models that were right here; it is written when it is
not there.
"""

import os
import subprocess
import sys
import tempfile

import common

safetensors, onnx, onnxruntime = common.modules("safetensors.numpy", "onnx", "onnxruntime")

# Operations whose form is refused for some samples, and words of the refusal. (Those that have none: tests/ops/registry.c)
REFUSED = {
    "embedding_bag": "rows of an index",
    "embedding_bag_weighted": "rows of an index",
    "embedding_bag_scaled": "rows of an index",
    "embedding_bag_weighted_scaled": "rows of an index",
    "max_pool": "windows have one size",
    "avg_pool": "windows have one size",
    "conv": "all of x is read",
    "conv_bias": "all of x is read",
    "conv_transpose": "all of x is read",
    "conv_transpose_bias": "all of x is read",
}


def check(folder, number):
    """What is wrong with a sample; nothing when all is well."""
    arrays = safetensors.load_file(f"{folder}/{number}.safetensors")
    inputs = {name: a for name, a in arrays.items() if name.startswith("in")}
    expected = [arrays[f"out{k}"] for k in range(len(arrays) - len(inputs))]
    return common.compare(f"{folder}/{number}.onnx", inputs, expected)


def main(program, path):
    refused, wrong, hashes = 0, [], []
    with tempfile.TemporaryDirectory() as folder:
        lines = subprocess.run([program, folder], check=True, capture_output=True, text=True).stdout.splitlines()
        for line in lines:
            name, about, number, result = line.split("\t")
            if number == "-":
                refused += 1
                if REFUSED.get(name, f"{name} has no ONNX form") not in result:
                    wrong.append(f"{name}, {about}: refused: {result}")
                continue
            hashes.append(f"{result} {name}, {about}\n")
            problem = check(folder, number)
            if problem:
                wrong.append(f"{name}, {about}: {problem}")
    if not wrong and not os.path.exists(path):
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"By operations.py with onnx {onnx.__version__}, onnxruntime {onnxruntime.__version__}\n")
            file.writelines(hashes)
    if not wrong:
        with open(path, encoding="utf-8") as file:
            if file.readlines()[1:] != hashes:
                wrong.append(f"the models are right, but not those of {path}: remove it and run this again")
    print("\n".join(wrong))
    print(f"{len(hashes)} samples compared, {refused} refused, {len(wrong)} wrong")
    sys.exit(bool(wrong) or not hashes)


main(*sys.argv[1:])
