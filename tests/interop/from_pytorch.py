"""The PyTorch that docs/from-pytorch.md names is there: python from_pytorch.py PAGE"""
import functools
import re
import sys

try:
    import torch
    import torch.distributed.checkpoint
    import torch.distributed.nn
    import torch.onnx
    import torch.utils.checkpoint
    import torch.utils.data
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

short = {"nn": "torch.nn", "F": "torch.nn.functional", "optim": "torch.optim"}
failed, found = False, 0
for line in open(sys.argv[1], encoding="utf-8"):
    if not line.startswith("| `"):
        continue
    for code in re.findall(r"`([^`]*)`", line.split("|")[1]):
        for name in re.findall(r"(?<![\w.])(?:torch|nn|F|optim)(?:\.\w+)+", code):
            head, rest = name.split(".", 1)
            full = short.get(head, head) + "." + rest
            try:
                functools.reduce(getattr, full.split(".")[1:], torch)
                found += 1
            except AttributeError:
                print(f"there is no {name}")
                failed = True
print(f"{found} names")
sys.exit(failed or found < 150)
