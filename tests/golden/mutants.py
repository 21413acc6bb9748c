"""Prints tests/golden/mutants.h: what Python makes of the files of tests/reliability/mutate.c.

    cmake --build --preset release --target reliability_mutants
    pip install safetensors numpy pandas aeon
    python tests/golden/mutants.py build/release/tests/reliability_mutants > tests/golden/mutants.h

safetensors files are judged by safetensors.deserialize, npy and npz files by numpy.load,
tables by pandas.read_csv, ts files by aeon's load_from_ts_file. idx has no reference implementation: numpy reads the header as
http://yann.lecun.com/exdb/mnist describes it, and a file is good when axes of at least 1 multiply to just the bytes that
follow, as include/reel/idx.h promises.

A verdict is '.' for a file that is refused, '*' for one that is refused because of the name of an element type, or one of
64 letters that stands for what was read.

Made with safetensors 0.8.0, numpy 2.3.5, pandas 3.1.1 and aeon 1.6.0. aeon asks for an older pandas, which reads some
numbers of many digits otherwise: after it, pip install --no-deps pandas==3.1.1. All but ts is the same with numpy 2.4.6.
"""

import io
import struct
import re
import subprocess
import sys
import tempfile
import warnings
import zlib

import numpy as np
import pandas as pd
import safetensors
from aeon.datasets import load_from_ts_file

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


def mutants(program, format):
    stream = subprocess.run([program, "--print", format], stdout=subprocess.PIPE, check=True).stdout
    at = 0
    while at < len(stream):
        (size,) = struct.unpack_from("=I", stream, at)
        yield stream[at + 4 : at + 4 + size]
        at += 4 + size


def add_text(sum, text):
    return zlib.crc32(text.encode() + b"\0", sum)


def judge_safetensors(data):
    try:
        tensors = safetensors.deserialize(data)
    except Exception as error:
        return "*" if "unknown variant" in str(error) and "expected one of `BOOL`" in str(error) else "."
    sum = 0
    for name, tensor in sorted(tensors, key=lambda item: item[0].encode()):
        sum = add_text(add_text(sum, name), tensor["dtype"])
        for size in tensor["shape"]:
            sum = add_text(sum, str(size))
    return LETTERS[sum % 64]


def names(array):
    """The type as safetensors calls it, and the one that it is read as."""
    if array.dtype.kind == "V" and array.dtype.itemsize == 2:
        return "BF16", np.float32
    if array.dtype == bool:
        return "BOOL", bool
    name = {"f": "F", "i": "I", "u": "U"}[array.dtype.kind] + str(8 * array.dtype.itemsize)
    return name, np.float32 if name[0] == "F" else np.int32 if name == "I32" else np.int64


def add_array(sum, key, array):
    name, read_as = names(array)
    sum = add_text(add_text(sum, key), name)
    for size in array.shape:
        sum = add_text(sum, str(size))
    if name == "BF16":
        array = (array.view(np.uint16).astype(np.uint32) << 16).view(np.float32)
    return zlib.crc32(array.astype(read_as).tobytes("C"), sum)


def judge_npy(data):
    # A file that goes on after its array is good to numpy.
    try:
        array = np.load(io.BytesIO(data), allow_pickle=False)
        if not isinstance(array, np.ndarray):
            return "."
    except Exception:
        return "."
    try:
        return LETTERS[add_array(0, "", array) % 64]
    except KeyError:
        return "*"


def judge_npz(data):
    try:
        archive = np.load(io.BytesIO(data), allow_pickle=False)
        if isinstance(archive, np.ndarray):
            return LETTERS[add_array(0, "", archive) % 64]
        arrays = [(name, archive[name]) for name in archive.zip.namelist() if name.endswith(".npy")]
        if not all(isinstance(array, np.ndarray) for name, array in arrays):
            return "."
    except Exception:
        return "."
    sum = 0
    try:
        for name, array in arrays:
            sum = add_array(sum, name.removesuffix(".npy"), array)
    except KeyError:
        return "*"
    return LETTERS[sum % 64]


def judge_csv(data):
    # Lines with more fields than names are cut, as the first field would be taken for an index.
    try:
        table = pd.read_csv(io.BytesIO(data), dtype=float, index_col=False)
    except Exception:
        return "."
    sum = 0
    for name in table.columns:
        # A column without a name gets one.
        sum = add_text(sum, "" if name.startswith("Unnamed: ") else name)
    return LETTERS[add_reals(sum, table.to_numpy(dtype=float)) % 64]


def judge_idx(data):
    if len(data) < 4 or data[:3] != b"\0\0\x08" or not 1 <= data[3] <= 8 or len(data) < 4 + 4 * data[3]:
        return "."
    sizes = np.frombuffer(data, dtype=">u4", count=data[3], offset=4)
    try:
        pixels = np.frombuffer(data, dtype=np.uint8, offset=4 + 4 * data[3]).reshape([int(n) for n in sizes])
    except ValueError:
        return "."
    if pixels.size == 0:
        return "."
    sum = 0
    for size in pixels.shape:
        sum = add_text(sum, str(size))
    return LETTERS[zlib.crc32(pixels.tobytes(), sum) % 64]


def add_reals(sum, values):
    values = np.ascontiguousarray(values, dtype=np.float64).astype(np.float32)
    values.view(np.uint32)[np.isnan(values)] = 0x7FC00000
    return zlib.crc32(values.tobytes(), sum)


def judge_ts(data):
    # include/reel/ts.h says what is different: a word that the head does not have is false, empty lines are passed over,
    # \r alone ends no line, and comments may be in any encoding.
    lines = [line for line in data.replace(b"\r", b" ").split(b"\n") if line.strip(b" \t")]
    lines = [b"#" if line.lstrip(b" \t").startswith(b"#") else line for line in lines]
    lines = [b"@equalLength false", b"@univariate false", b"@classLabel false"] + lines
    with tempfile.NamedTemporaryFile(suffix=".ts", dir="/dev/shm") as file:
        file.write(b"\n".join(lines))
        file.flush()
        try:
            series, labels, head = load_from_ts_file(file.name, return_meta_data=True)
        except Exception:
            return "."
    sum = 0
    for i, values in enumerate(series):
        sum = add_text(sum, f"{values.shape[0]}, {values.shape[1]}")
        sum = add_reals(sum, values.T)
        if head["targetlabel"]:
            sum = add_reals(sum, labels[i : i + 1])
        elif head["classlabel"]:
            sum = zlib.crc32(labels[i].strip().lower().encode(), sum)
    return LETTERS[sum % 64]


print("/* Written by tests/golden/mutants.py with safetensors 0.8.0, numpy 2.3.5, pandas 3.1.1 and aeon 1.6.0: do not edit. */")
print("#ifndef REEL_GOLDEN_MUTANTS_H\n#define REEL_GOLDEN_MUTANTS_H\n\n/* clang-format off */")
formats = (
    ("safetensors", judge_safetensors),
    ("npy", judge_npy),
    ("npz", judge_npz),
    ("csv", judge_csv),
    ("idx", judge_idx),
    ("ts", judge_ts),
)
warnings.simplefilter("ignore")
for format, judge in formats:
    verdicts = "".join(judge(data) for data in mutants(sys.argv[1], format))
    print(f"\nstatic const char golden_{format}[] =")
    lines = [verdicts[i : i + 100] for i in range(0, len(verdicts), 100)]
    print("\n".join(f'    "{line}"' for line in lines) + ";")
print("\n#endif")
