"""Times reading and writing of files beside pandas and dd, in turn; prints medians.

    pip install pandas numpy
    cmake --build --preset release --target files; python3 bench/files.py [FOLDER [MILLIONS_OF_ROWS]]

FOLDER (default: .) gets a table of 100 MB as text, half of its columns doubles as repr writes them, half short decimals and
whole numbers; and a table of 64 columns of float32 (10 million rows, 2.56 GB), which dd writes from /dev/zero with fsync.
Tables as text are read in processes of their own and compared by processor time, since then it does not matter what else
the machine does; what the disk does is compared by the clock.
"""

import os
import statistics
import subprocess
import sys

import numpy as np

FOLDER = sys.argv[1] if len(sys.argv) > 1 else "."
ROWS = int(float(sys.argv[2]) * 1e6) if len(sys.argv) > 2 else 10_000_000
FILES, ROUNDS = "build/release/bench/files", 5
PANDAS = "import sys, time, pandas; t = time.process_time(); pandas.read_csv(sys.argv[1]); print(time.process_time() - t)"


def write_table(path):
    random = np.random.default_rng(0)
    with open(path, "w") as file:
        file.write(",".join(f"column{i}" for i in range(16)) + "\n")
        while file.tell() < 100_000_000:
            for doubles, numbers in zip(random.standard_normal((1000, 8)), random.integers(0, 10000, (1000, 8))):
                short = [f"{n / 100:.2f}" if i % 2 else str(n) for i, n in enumerate(numbers.tolist())]
                file.write(",".join([repr(x) for x in doubles.tolist()] + short) + "\n")


def run(*command):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=True, text=True)


def reel(what, path, rows=0):
    clock, processor, peak, _ = map(float, run(FILES, what, path, str(rows)).stdout.split())
    return clock, processor, peak


def dd(path):
    # "2560000000 bytes (2.6 GB, 2.4 GiB) copied, 3.71401 s, 689 MB/s"
    said = run("dd", "if=/dev/zero", f"of={path}", "bs=1M", f"count={ROWS * 256 // 2**20}", "conv=fsync").stderr
    os.remove(path)
    return float(said.split("copied, ")[1].split()[0])


table, large, zeros = (os.path.join(FOLDER, name) for name in ("table.csv", "table.safetensors", "zeros"))
write_table(table)
rounds = [(reel("csv", table)[1], float(run(sys.executable, "-c", PANDAS, table).stdout)) for _ in range(ROUNDS)]
mine, pandas = (statistics.median(times) for times in zip(*rounds))
print(f"csv, {os.path.getsize(table) / 1e6:.0f} MB: reel {mine:.3f} s, pandas {pandas:.3f} s of processor time, {mine / pandas:.2f}")
os.remove(table)

rounds = [(dd(zeros), *reel("save", large, ROWS), *reel("load", large, ROWS)) for _ in range(ROUNDS)]
written, saved, _, save_peak, loaded, _, load_peak = (statistics.median(times) for times in zip(*rounds))
size = ROWS * 256 / 1e6
print(f"{size:.0f} MB: dd {size / written:.0f} MB/s, save {size / saved:.0f} MB/s ({written / saved:.2f}), "
      f"load {size / loaded:.0f} MB/s; {save_peak:.1f} and {load_peak:.1f} MiB more in memory")
print(f"10,000 rows, mapped: {reel('map', large, ROWS)[0]:.3f} s")
os.remove(large)
