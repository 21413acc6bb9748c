"""What the scripts beside this one share: packages that may be missing, and a model's outputs against expected ones."""

import importlib
import sys

TOLERANCE = 1e-5  # of the largest element, or of 1


def modules(*names):
    """The packages; without one of them the test is skipped (ctest knows it by 77)."""
    try:
        found = [importlib.import_module(name) for name in names]
    except ImportError as error:
        print(f"skipped: {error}")
        sys.exit(77)
    return found


def compare(path, inputs, expected):
    """Runs a model with inputs by name. What is wrong with it or its outputs; nothing when all is well."""
    numpy, onnx, onnxruntime = modules("numpy", "onnx", "onnxruntime")
    try:
        onnx.checker.check_model(path, full_check=True)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        results = session.run(None, inputs)
    except Exception as error:  # whatever these packages complain of
        return f"{type(error).__name__}: {error}"
    for k, (result, wanted) in enumerate(zip(results, expected, strict=True)):
        if result.dtype != wanted.dtype or result.shape != wanted.shape:
            return f"output {k} is {result.dtype} {result.shape}, not {wanted.dtype} {wanted.shape}"
        finite = wanted[numpy.isfinite(wanted)]
        scale = max(1, numpy.abs(finite).max(initial=0)) if finite.dtype != bool else 1
        exact = wanted.dtype.kind != "f"
        if not numpy.allclose(result, wanted, rtol=0, atol=0 if exact else TOLERANCE * scale, equal_nan=True):
            return f"output {k} is\n{result}\nnot\n{wanted}"
    return None
