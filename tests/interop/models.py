"""Networks whose batch is a symbol: saved from a batch of 7 by the program interop_models, run with others.

    python models.py PROGRAM
"""

import glob
import subprocess
import sys
import tempfile

import common

safetensors, _, _ = common.modules("safetensors.numpy", "onnx", "onnxruntime")


def main(program):
    wrong, compared = [], 0
    with tempfile.TemporaryDirectory() as folder:
        names = subprocess.run([program, folder], check=True, capture_output=True, text=True).stdout.split()
        for name in names:
            for path in sorted(glob.glob(f"{folder}/{name}-*.safetensors")):
                arrays = safetensors.load_file(path)
                inputs = {key: a for key, a in arrays.items() if key.startswith("in")}
                expected = [arrays[f"out{k}"] for k in range(len(arrays) - len(inputs))]
                problem = common.compare(f"{folder}/{name}.onnx", inputs, expected)
                compared += 1
                if problem:
                    wrong.append(f"{path}: {problem}")
    print("\n".join(wrong))
    print(f"{compared} runs of {len(names)} models compared, {len(wrong)} wrong")
    sys.exit(bool(wrong) or compared != 3 * len(names) or not names)


main(sys.argv[1])
