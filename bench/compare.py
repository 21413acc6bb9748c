"""reel beside the same steps by hand and in other libraries, in one session.

    python3 bench/compare.py FOLDER [--only notebook,cgan] [--threads 1,2] [--rounds 5] [--seconds 0.5]
                                    [--peer-path fbgemm=FOLDER]...

Writes FOLDER/compare.{md,csv,png} and prints the first. All begin with the params and inputs of `reel_bench --save`,
and only those are timed whose losses are reel's; when some are not, the program fails at the end. Peers that are not
installed for the interpreter that runs this are skipped; --peer-path puts a folder with a library (torch, jax, fbgemm)
before its packages. In a round each contestant is timed once; figures are medians of the rounds. README.md has more.
"""

import argparse
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

import measure
import report
from contestants import WORKLOADS, contestants
from measure import Peer, PeerError


def say(text):
    print(f"compare.py: {text}", file=sys.stderr, flush=True)


def difference(losses, reference):
    """Where losses are not those of reel, as text; "" where they are everywhere."""
    for i, (a, b) in enumerate(zip(losses, reference, strict=True)):
        if not abs(a - b) <= 1e-4 * abs(b) + 1e-6:
            return f"in step {i // 2 + 1} its loss is {a:.9g}, that of reel {b:.9g}"
    return ""


class Session:
    def __init__(self, options):
        self.options = options
        self.results, self.notes, self.failures = [], [], 0
        # The last cores, since interrupts and other programs prefer the first.
        self.cores = {n: sorted(os.sched_getaffinity(0))[-n:] for n in options.threads}
        self.peers = contestants(options.folder.resolve() / "libtorch")
        self.floors = True

    def note(self, text, failure=False):
        self.failures += failure
        if text not in self.notes:
            say(text)
            self.notes.append(text)

    def environment(self, contestant, threads):
        result = {
            "OMP_NUM_THREADS": str(threads),
            "MKL_NUM_THREADS": str(threads),
            "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=" + ("false" if threads == 1 else "true"),
            **contestant.environment,
        }
        if contestant.library in self.options.peer_path:
            paths = [self.options.peer_path[contestant.library], os.environ.get("PYTHONPATH", "")]
            result["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
        return result

    def build(self):
        """Compiles the peers that are programs; those that cannot be are left out."""
        for contestant in [peer for peer in self.peers if peer.build]:
            result = subprocess.run(contestant.build, env={**os.environ, **self.environment(contestant, 1)},
                                    capture_output=True, text=True)  # fmt: skip
            if result.returncode != 0:
                print(result.stderr, file=sys.stderr)
                self.note(f"{contestant.name}: skipped, it cannot be compiled")
                self.peers.remove(contestant)

    def check_floors(self):
        command = measure.pinned([measure.BENCH, "--check"], self.cores[self.options.threads[0]])
        self.floors = subprocess.run(command, stdout=subprocess.DEVNULL).returncode == 0
        if not self.floors:
            self.note("`reel_bench --check` fails, so what is written by hand is NOT TIMED", failure=True)

    def start(self, contestant, name, threads, folder, reference):
        """The peer's process, after its losses were compared; None: it does not take part."""
        peer = Peer(contestant.command, self.cores[threads], self.environment(contestant, threads))
        if peer.missing:
            self.note(f"{contestant.name}: skipped, {peer.missing}")
            peer.close()
            return None
        self.note(f"{contestant.name}: {peer.version}")
        try:
            peer.ask("load", WORKLOADS[name].check, folder)
            losses = [float(word) for word in peer.ask("losses", WORKLOADS[name].steps)]
            why = difference(losses, reference)
            if not why:
                return peer
        except PeerError as error:
            why = str(error)
        self.note(f"{contestant.name}, {name}, threads {threads}: NOT TIMED, {why}", failure=True)
        peer.close()
        return None

    def ask(self, peers, *words):
        """{name: answer} of the peers, one after the other; those that fail are taken out."""
        answers = {}
        for who, peer in list(peers.items()):
            try:
                answers[who] = peer.ask(*words)
            except PeerError as error:
                self.note(f"{who}, {words[0]}: NOT TIMED, {error}", failure=True)
                peers.pop(who).close()
        return answers

    def by_hand(self, name, threads):
        """{contestant: name of its benchmark}: reel and the floors."""
        workload = WORKLOADS[name]
        found = {"reel": f"step/{workload.case}/threads:{threads}"}
        if threads != 1:
            found["reel, 1 thread"] = f"step/{workload.case}/threads:1"
        if self.floors and threads in workload.floor_threads:
            found |= {who: f"floor/{floor}/threads:{threads}" for who, floor in workload.floors.items()}
        return found

    def add(self, name, threads, unit, medians):
        self.results += [report.Result(name, threads, who, m, unit, medians["reel"]) for who, m in medians.items()]

    def run(self, name, threads):
        workload, seconds, cores = WORKLOADS[name], self.options.seconds, self.cores[threads]
        say(f"{name}, threads {threads}")
        peers = {}
        with tempfile.TemporaryDirectory() as folder:
            reference = measure.save(workload.check + "/threads:1", folder, cores)[: 2 * workload.steps]
            for contestant in self.peers:
                if name in contestant.workloads:
                    peer = self.start(contestant, name, threads, folder, reference)
                    if peer:
                        peers[contestant.name] = peer
            if workload.case != workload.check:
                measure.save(workload.case + "/threads:1", folder, cores)
            self.ask(peers, "load", workload.case, folder)
        benchmarks = self.by_hand(name, threads)
        times = {who: [] for who in [*benchmarks, *peers]}
        for _ in range(self.options.rounds):
            for who, benchmark in benchmarks.items():
                times[who].append(measure.benchmark(benchmark, seconds, cores))
            for who, answer in self.ask(peers, "time", seconds).items():
                times[who].append(float(answer[0]))
        for peer in peers.values():
            peer.close()
        medians = {who: statistics.median(values) for who, values in times.items() if values}
        self.add(name, threads, "us", medians)

    def first_steps(self):
        """Of the notebook, by processes that end after it."""
        threads = self.options.threads[0]
        case = f"notebook/threads:{threads}"
        with tempfile.TemporaryDirectory() as folder:
            measure.save(case, folder)
            runs = {"reel": ([measure.BENCH, "--run", case, 1], {})}
            for contestant in self.peers:
                if contestant.first_step:
                    command = contestant.command + ["--once", "notebook", folder]
                    runs[contestant.name] = command, self.environment(contestant, threads)
            values = {who: [] for who in runs}
            for _ in range(self.options.rounds):
                for who, (command, env) in runs.items():
                    try:
                        values[who].append(measure.first_step(command, self.cores[threads], env))
                    except PeerError as error:
                        self.note(f"{who}: no first step, {error}")
        for i, unit in enumerate(("ms", "MB")):
            medians = {who: statistics.median(value[i] for value in taken)
                       for who, taken in values.items() if taken and taken[0][i] is not None}  # fmt: skip
            self.add("first step", threads, unit, medians)


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--only", default="", help="workloads, or how their names begin, and first_step")
    parser.add_argument("--threads", default="1,2", type=lambda text: [int(word) for word in text.split(",")])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.5, help="for each contestant in each round")
    parser.add_argument("--peer-path", action="append", default=[], metavar="LIBRARY=FOLDER")
    options = parser.parse_args()
    options.peer_path = dict(text.partition("=")[::2] for text in options.peer_path)
    if len(os.sched_getaffinity(0)) < max(options.threads):
        parser.error(f"{max(options.threads)} threads need as many cores")
    names = [*WORKLOADS, "first_step"]
    options.only = [name for name in names if any(name.startswith(word) for word in options.only.split(","))]
    return options


def main():
    options = parse()
    measure.need_bench()
    options.folder.mkdir(parents=True, exist_ok=True)
    session = Session(options)
    session.note(measure.machine())
    session.note(f"medians of {options.rounds} rounds, {options.seconds} s each")
    session.build()
    session.check_floors()
    for name in options.only:
        if name == "first_step":
            session.first_steps()
        else:
            for threads in options.threads:
                session.run(name, threads)
    report.write(options.folder, session.results, session.notes)
    if session.failures:
        sys.exit(f"compare.py: {session.failures} not timed, the table says why")


if __name__ == "__main__":
    main()
