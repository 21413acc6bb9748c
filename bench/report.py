"""Tables and plots of the scripts in this folder."""

import csv
import dataclasses
import sys

from contestants import LIMITS, TARGETS


def table(header, rows):
    """In Markdown."""
    lines = ["| " + " | ".join(header) + " |", "|---" * len(header) + "|"]
    return "\n".join(lines + ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]) + "\n"


def write_csv(path, header, rows):
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows([header] + rows)


def figure(rows, columns, width=4.5, height=3.8):
    """(figure, axes), or None and a message."""
    try:
        import matplotlib
    except ImportError:
        print("matplotlib is not installed: no plots", file=sys.stderr)
        return None
    matplotlib.use("Agg")
    from matplotlib import pyplot

    return pyplot.subplots(rows, columns, figsize=(width * columns, height * rows), layout="constrained", squeeze=False)


@dataclasses.dataclass
class Result:
    workload: str
    threads: int
    contestant: str
    value: float
    unit: str
    reel: float  # what reel has here

    @property
    def ratio(self):
        return self.value / self.reel

    @property
    def target(self):
        """The aim as text, and whether it is met; "" and None where there is none."""
        place = self.workload, self.threads
        if self.contestant == "reel" and (*place, self.unit) in LIMITS:
            limit = LIMITS[(*place, self.unit)]
            return f"at most {limit} {self.unit}", self.value <= limit
        if self.unit == "us" and (*place, self.contestant) in TARGETS:
            least = TARGETS[(*place, self.contestant)]
            return f"{least:.3g}", self.ratio >= least
        return "", None

    def cells(self):
        text, met = self.target
        verdict = {True: "met", False: "missed", None: ""}[met]
        digits = 1 if self.value < 100 else 0
        return [self.workload, self.threads, self.contestant, f"{self.value:.{digits}f}", self.unit,
                _ratio(self.ratio), text, verdict]  # fmt: skip


def _ratio(ratio):
    return f"{ratio:.2f}" if ratio < 10 else f"{ratio:.1f}" if ratio < 100 else f"{ratio:.0f}"


def write(folder, results, notes):
    """compare.md, compare.csv and compare.png; prints the first."""
    header = ["workload", "threads", "contestant", "median", "unit", "times reel's", "target", ""]
    text = "\n".join([f"- {note}" for note in notes] + ["", table(header, [r.cells() for r in results])])
    (folder / "compare.md").write_text(text)
    print(text)
    write_csv(folder / "compare.csv", header[:-1] + ["verdict"],
              [r.cells()[:3] + [r.value, r.unit, r.ratio] + r.cells()[6:] for r in results])  # fmt: skip
    # Reel's own other number of threads has a bar already.
    plot(folder / "compare.png", [r for r in results if r.unit == "us" and r.contestant != "reel, 1 thread"])


def plot(path, results):
    workloads = list(dict.fromkeys(r.workload for r in results))
    columns = min(4, len(workloads))
    drawn = workloads and figure(-(-len(workloads) // columns), columns, 4.6, 3.4)
    if not drawn:
        return
    threads = sorted({r.threads for r in results})
    for axes in drawn[1].flat[len(workloads) :]:
        axes.axis("off")
    for axes, workload in zip(drawn[1].flat, workloads):
        mine = [r for r in results if r.workload == workload]
        names = list(dict.fromkeys(r.contestant for r in mine))
        height = 0.8 / len(threads)
        for i, count in enumerate(threads):
            bars = [r for r in mine if r.threads == count]
            places = [names.index(r.contestant) + (i - (len(threads) - 1) / 2) * height for r in bars]
            label = f"{count} thread" + "s" * (count > 1)
            drawn_bars = axes.barh(places, [r.value for r in bars], height * 0.92, color=f"C{i}", label=label)
            axes.bar_label(drawn_bars, [f"{r.value:,.0f}  ({_ratio(r.ratio)} x)" for r in bars], padding=3, fontsize=8)
        axes.set(title=workload, yticks=range(len(names)), yticklabels=names, xticks=[])
        axes.set_xlim(0, max(r.value for r in mine) * 1.45)  # room for the numbers
        axes.invert_yaxis()
        axes.spines[["top", "right", "bottom"]].set_visible(False)
    drawn[1].flat[0].legend(fontsize=8, loc="lower right")
    drawn[0].suptitle("Microseconds a training step (times reel's): shorter is faster")
    drawn[0].savefig(path, dpi=110)
