"""Compiles libtorch.cpp against the headers and libraries of the PyTorch that is installed: build_libtorch.py OUT."""

import os
import pathlib
import subprocess
import sys

SOURCE = pathlib.Path(__file__).resolve().with_name("libtorch.cpp")


def main(out):
    import torch

    root = pathlib.Path(torch.__file__).resolve().parent
    libraries = root / "lib"
    subprocess.run(
        [os.environ.get("CXX", "c++"), "-std=c++20", "-O2", SOURCE, "-o", out]
        + [f"-D_GLIBCXX_USE_CXX11_ABI={int(torch._C._GLIBCXX_USE_CXX11_ABI)}"]
        + [f"-isystem{root / 'include'}", f"-isystem{root / 'include/torch/csrc/api/include'}"]
        + [f"-L{libraries}", f"-Wl,-rpath,{libraries}", "-ltorch_cpu", "-lc10"],
        check=True,
    )


if __name__ == "__main__":
    main(sys.argv[1])
