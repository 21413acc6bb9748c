"""Prints tests/golden/npy.h: arrays that numpy saves, for tests/files/npy.c.

    pip install numpy ml_dtypes; python tests/golden/npy.py > tests/golden/npy.h

Made with numpy 2.4.6 and ml_dtypes 0.6.0.
"""

import io
import zipfile

import ml_dtypes
import numpy as np

REELS = {"f": "F", "i": "I", "u": "U"}


def saved(array, version=None):
    out = io.BytesIO()
    if version is None:
        np.save(out, array)
    else:
        np.lib.format.write_array(out, array, version)
    return out.getvalue()


def type_name(array):
    if array.dtype == ml_dtypes.bfloat16:
        return "BF16"
    return "BOOL" if array.dtype == bool else REELS[array.dtype.kind] + str(8 * array.dtype.itemsize)


def number(x):
    """A double as C spells it."""
    if x != x:
        return "NAN"
    if x in (float("inf"), float("-inf")):
        return "INFINITY" if x > 0 else "-INFINITY"
    return x.hex()


def integer(i):
    return f"INT64_C({i})" if i > -(2**63) else "INT64_MIN"


def emit_bytes(name, data):
    print(f"static const unsigned char {name}[] = {{")
    for i in range(0, len(data), 24):
        print("    " + " ".join(f"{b}," for b in data[i : i + 24]))
    print("};")


def limits(dtype):
    info = np.iinfo(dtype)
    return np.array([0, 1, min(info.max, 2**63 - 1), info.min, info.max // 3], dtype=dtype)


floats = np.array([0.0, -1.5, 3.140625, 65504.0, 6e-8, np.inf, -np.inf, np.nan])
grid = np.arange(24).reshape(2, 3, 4)
cases = {
    "f4": floats.astype("<f4"),
    "f8": np.append(floats, 1e-310).astype("<f8"),
    "f2": floats.astype("<f2"),
    "bfloat16": np.append(floats, 1e-40).astype(ml_dtypes.bfloat16),
    "big_f4": floats.astype(">f4"),
    "big_f8": floats.astype(">f8"),
    "big_f2": floats.astype(">f2"),
    "big_i8": limits("int64").astype(">i8"),
    "big_i4": limits("int32").astype(">i4"),
    "big_u2": limits("uint16").astype(">u2"),
    "b1": np.array([[True, False], [False, True], [True, True]]),
    "scalar": np.array(2.5, dtype="<f4"),
    "scalar_f8": np.array(2.5, dtype="<f8"),
    "empty": np.zeros((0, 4), dtype="<f4"),
    "empty_f8": np.zeros((3, 0), dtype="<f8"),
    "rows_f4": (grid / 4).astype("<f4"),
    "rows_f8": (grid / 4).astype("<f8"),
    "fortran_i8": np.asfortranarray(grid),
    "fortran_f4": np.asfortranarray(grid[0] / 4).astype("<f4", order="F"),
    "fortran_big": np.asfortranarray(grid.astype(">i2")),
    "fortran_b1": np.asfortranarray(grid % 3 == 0),
    "long_shape": np.zeros((1, 1, 2, 1, 1, 1, 3, 1), dtype="<i4") + np.arange(3).reshape(3, 1).astype("<i4"),
    "wide": np.zeros((123456789, 0), dtype="<i8"),
}
cases.update({name: limits(name) for name in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32")})
cases["uint64"] = np.array([0, 1, 2**63 - 1], dtype="uint64")
files = {name: saved(array) for name, array in cases.items()}
for version in (2, 0), (3, 0):
    cases[f"version{version[0]}"] = grid
    files[f"version{version[0]}"] = saved(grid, version)

def archive(write, large=False, **arrays):
    out = io.BytesIO()
    limits = zipfile.ZIP64_LIMIT, zipfile.ZIP_FILECOUNT_LIMIT
    if large:
        # Everything is too large for the fields of old.
        zipfile.ZIP64_LIMIT = zipfile.ZIP_FILECOUNT_LIMIT = 0
    write(out, **arrays)
    zipfile.ZIP64_LIMIT, zipfile.ZIP_FILECOUNT_LIMIT = limits
    return out.getvalue()


members = {"a": grid, "b/c": np.asfortranarray(grid[0] % 3 == 0), "\u00e9": np.arange(300).astype("int32"), "none": np.zeros((0, 2))}
archives = {
    "stored": archive(np.savez, **members),
    "deflated": archive(np.savez_compressed, **members),
    "large": archive(np.savez_compressed, large=True, **members),
    "text": archive(np.savez, a=grid, s=np.array(["x", "yz"])),
    "empty": archive(np.savez),
}

print("/* Written by tests/golden/npy.py with numpy 2.4.6 and ml_dtypes 0.6.0: do not edit. */")
print("#ifndef REEL_GOLDEN_NPY_H\n#define REEL_GOLDEN_NPY_H\n\n#include <reel/types.h>\n\n#include <math.h>\n")
print("/* clang-format off */\n")
for name, array in cases.items():
    emit_bytes(f"npy_{name}", files[name])
    values = array.astype("float64" if type_name(array)[:1] in "FB" and array.dtype != bool else "int64").ravel()
    kind, spell = ("double", number) if values.dtype.kind == "f" else ("int64_t", integer)
    print(f"static const {kind} npy_{name}_values[] = {{" + ", ".join([spell(v) for v in values.tolist()] or ["0"]) + "};\n")
print("static const struct npy_case {\n    const char *name;\n    const unsigned char *bytes;\n    size_t size;")
print("    const char *type;\n    reel_shape shape;\n    const double *reals;\n    const int64_t *integers;")
print("    bool transposed, swapped;\n} npy_cases[] = {")
for name, array in cases.items():
    type = type_name(array)
    real = type[:1] in "FB" and array.dtype != bool
    shape = f"{{{array.ndim}, {{{', '.join(map(str, array.shape)) or '0'}}}}}"
    values = (f"npy_{name}_values, NULL" if real else f"NULL, npy_{name}_values")
    transposed = array.flags.f_contiguous and not array.flags.c_contiguous
    swapped = array.dtype.byteorder == ">"
    print(f'    {{"{name}", npy_{name}, sizeof npy_{name}, "{type}", {shape}, {values}, '
          f"{str(transposed).lower()}, {str(swapped).lower()}}},")
print("};\n")
for name, data in archives.items():
    emit_bytes(f"npz_{name}", data)
print("\n#endif")
