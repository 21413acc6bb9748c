"""Runs what is measured: benchmarks of reel, programs of other libraries (peers/serve.py), first steps of processes."""

import json
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import tempfile
import time

BENCH = pathlib.Path(__file__).resolve().parent.parent / "build/release/bench/reel_bench"
TIME = shutil.which("time")  # the program (Debian: time), not the shell's word


def need_bench():
    if not BENCH.exists():
        name = pathlib.Path(sys.argv[0]).name
        sys.exit(f"{name}: there is no {os.path.relpath(BENCH)}; build the release preset first")


def machine():
    """What was measured, and where and when."""
    command = ["git", "-C", str(BENCH.parent), "describe", "--always", "--dirty"]
    commit = subprocess.run(command, capture_output=True, text=True).stdout.strip() or "unknown commit"
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())
    return f"reel: {commit}, {time.strftime('%Y-%m-%d')}, {model}, {os.cpu_count()} cores"


def pinned(command, cores):
    """The command on these cores only; none: wherever it likes."""
    pin = ["taskset", "-c", ",".join(map(str, cores))] if cores else []
    return pin + [str(word) for word in command]


def benchmark(name, seconds, cores=()):
    """Microseconds of a benchmark of reel_bench. A process each: what an earlier table left in memory changes the pages
    of the next."""
    command = [BENCH, f"--benchmark_filter=^{name}$", f"--benchmark_min_time={seconds}", "--benchmark_format=json"]
    result = subprocess.run(pinned(command, cores), capture_output=True, text=True, check=True)
    return json.loads(result.stdout)["benchmarks"][0]["real_time"]


def save(case, folder, cores=()):
    """Writes the inputs and initial params of a case of reel; gives the two losses of its first 20 steps, one after the
    other."""
    command = pinned([BENCH, "--save", case, folder], cores)
    result = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return [float(word) for word in result.stdout.split()]


class PeerError(Exception):
    pass


class Peer:
    """A process of peers/ that waits for commands."""

    def __init__(self, command, cores, environment):
        self.process = subprocess.Popen(
            pinned(command, cores),
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        word, _, rest = self.process.stdout.readline().strip().partition(" ")
        self.missing = None if word == "ready" else rest or "it ended at once"
        self.version = rest

    def ask(self, *words):
        """The words of the answer. PeerError: it failed, or the process ended."""
        try:
            print(*words, file=self.process.stdin)
            answer = self.process.stdout.readline().split()
        except BrokenPipeError:
            answer = []
        if not answer or answer[0] == "error":
            raise PeerError(" ".join(answer[1:]) or "the process ended")
        return answer

    def close(self):
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass
        self.process.stdout.close()
        self.process.wait()


def first_step(command, cores, environment):
    """Milliseconds from the start of a process to its end, and its peak resident memory in MB (10^6 bytes; None without
    the program time). What the system tells the parent of a child counts what the child was before it became another
    program, so time stands between them, which is small."""
    with tempfile.NamedTemporaryFile("r") as peak:
        timed = [TIME, "-q", "-f", "%M", "-o", peak.name] if TIME else []
        start = time.perf_counter()
        result = subprocess.run(pinned(timed + command, cores), env={**os.environ, **environment},
                                stdout=subprocess.DEVNULL)  # fmt: skip
        milliseconds = (time.perf_counter() - start) * 1e3
        if result.returncode != 0:
            raise PeerError(f"the process ended with {result.returncode}")
        return milliseconds, int(peak.read()) * 1024 / 1e6 if TIME else None
