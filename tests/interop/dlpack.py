"""Runs examples/python/train.py, which shares memory between torch, reel and numpy, and looks at what it says.

    dlpack.py EXAMPLE LIBRARY
"""

import subprocess
import sys

from common import modules

modules("numpy", "torch")
# -X dev: Python looks at what is freed, and says what is lost.
run = subprocess.run([sys.executable, "-X", "dev", *sys.argv[1:]], capture_output=True, text=True)
print(run.stdout, run.stderr)
if run.returncode != 0 or run.stderr:
    sys.exit(f"the example ended with {run.returncode}")
lines = run.stdout.splitlines()
if len(lines) != 2 or lines[0] != "torch wrote [0.5 0.5 0.5]" or not lines[1].startswith("reel trained"):
    sys.exit("the example says something else")
