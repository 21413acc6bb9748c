"""What the peers in Python have in common: a program that takes commands on its input and answers each with a line.

It begins with "ready NAME VERSION", or "missing WHY" when a library is not there. Then

    load WORKLOAD FOLDER   makes the workload from what `reel_bench --save` wrote: "ok"
    losses N               takes N steps: the two losses of each, all on one line (the second is 0 where there is one)
    time SECONDS           steps for about that long, each timed by itself: their median in microseconds

and "error WHY" when a command failed. Instead, `--once WORKLOAD FOLDER` takes one step and ends.
"""

import os
import pathlib
import statistics
import sys
import time
import traceback


def read(folder):
    """{group: {name: array}} of a folder that reel_bench --save wrote."""
    import numpy

    folder = pathlib.Path(folder)
    groups = {"data": {}}
    for line in (folder / "index").read_text().splitlines():
        group, name, dtype, *sizes = line.split()
        array = numpy.fromfile(folder / f"{group}.{name}", dtype=dtype).reshape([int(size) for size in sizes])
        groups.setdefault(group, {})[name] = array
    return groups


def median_step(step, seconds):
    warm = time.perf_counter() + seconds / 4
    count = 0
    while count < 5 or time.perf_counter() < warm:
        step()
        count += 1
    times = []
    end = time.perf_counter() + seconds
    while len(times) < 5 or times[-1][1] < end:
        start = time.perf_counter()
        step()
        times.append((start, time.perf_counter()))
    return statistics.median(stop - start for start, stop in times) * 1e6


def losses(step):
    values = [float(value) for value in step()]
    return values if len(values) == 2 else values + [0.0]


def serve(start):
    """start() imports, and gives a version and a function load(workload, groups). That gives a function that takes one
    step and returns its losses, computed in that step, as a sequence of what float() takes."""
    try:
        version, load = start()
    except (ImportError, OSError) as error:
        print("missing", " ".join(str(error).split()))
        sys.exit(1)
    if sys.argv[1:2] == ["--once"]:
        losses(load(sys.argv[2], read(sys.argv[3])))
        return
    # Libraries that print must not answer in the program's place.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    print("ready", version, file=answers)
    step = None
    for line in sys.stdin:
        command, *words = line.split()
        try:
            if command == "load":
                step = None  # its memory goes before the next one's comes
                step = load(words[0], read(words[1]))
                answer = "ok"
            elif command == "losses":
                answer = " ".join(repr(value) for _ in range(int(words[0])) for value in losses(step))
            else:
                answer = f"{median_step(step, float(words[0])):.3f}"
        except Exception as error:
            traceback.print_exc()
            answer = "error " + " ".join(f"{type(error).__name__}: {error}".split())
        print(answer, file=answers)
