"""How the cost of a step grows: runs build/release/bench/reel_bench, and writes tables and plots.

    python3 bench/growth.py FOLDER [--rounds 3] [--min-time 0.3] [--only rows,network]

Writes FOLDER/rows.{csv,png}, the embedding step against the rows of its table, beside the same step by hand; and
FOLDER/network.{csv,png}, forward and backward of linear layers against batch, width and depth, beside one product of
the BLAS at the same size. Prints both as Markdown. Each figure is the median of the rounds, which take turns. Needs
matplotlib for the plots. Run it on a quiet machine, under `taskset -c 1`.
"""

import argparse
import pathlib
import statistics

import measure
import report

OPTIMS = ["sgd", "rowwise_adagrad", "lazy_adam"]
ROWS = [10**k for k in range(3, 8)]


def measure_all(names, options):
    """Microseconds of each benchmark."""
    times = {name: [] for name in names}
    for _ in range(options.rounds):
        for name in names:
            times[name].append(measure.benchmark(name, options.min_time))
    return {name: statistics.median(values) for name, values in times.items()}


def write_table(path, header, rows):
    report.write_csv(path.with_suffix(".csv"), header, rows)
    print(report.table(header, rows))


def grow_rows(options):
    forms = [("step/embedding", "reel"), ("floor/embedding/eager", "by hand, eager"),
             ("floor/embedding/fused", "by hand, fused")]
    name = "{}/rows:{}/optim:{}/threads:1".format
    times = measure_all([name(f, r, o) for o in OPTIMS for r in ROWS for f, _ in forms], options)
    table = []
    for o in OPTIMS:
        for r in ROWS:
            us = [times[name(f, r, o)] for f, _ in forms]
            table.append([o, r] + [round(t) for t in us] + [f"{us[0] / us[1]:.2f}", f"{us[0] / us[2]:.2f}"])
    write_table(options.folder / "rows", ["optimizer", "rows", "reel, us", "eager by hand", "fused by hand",
                                          "reel / eager", "reel / fused"], table)
    drawn = report.figure(1, len(OPTIMS))
    if drawn:
        for axes, o in zip(drawn[1][0], OPTIMS):
            for f, label in forms:
                axes.plot(ROWS, [times[name(f, r, o)] for r in ROWS], marker="o", label=label)
            axes.set(title=o, xscale="log", xlabel="rows of the table", ylabel="microseconds a step", ylim=(0, None))
            axes.legend()
        drawn[0].savefig(options.folder / "rows.png", dpi=110)


def grow_network(options):
    series = {"batch": [(b, 256, 3) for b in (64, 256, 1024, 4096)],
              "width": [(256, w, 3) for w in (64, 128, 256, 512, 1024, 2048)],
              "depth": [(256, 256, d) for d in (1, 3, 6, 12)]}
    sizes = sorted({size for values in series.values() for size in values})
    network = "growth/batch:{}/width:{}/depth:{}/threads:1".format
    product = "gemm/batch:{}/width:{}/{}".format
    names = [network(*s) for s in sizes] + sorted({product(b, w, form) for b, w, _ in sizes for form in ("nn", "nt")})
    times = measure_all(names, options)
    table, share = [], {}
    for batch, width, depth in sizes:
        us = times[network(batch, width, depth)]
        best = min(times[product(batch, width, form)] for form in ("nn", "nt"))
        products = best * (3 * depth - 1)
        share[batch, width, depth] = products / us
        flops = 2e-3 * batch * width * width
        table.append([batch, width, depth, round(us), f"{flops * (3 * depth - 1) / us:.1f}", f"{flops / best:.1f}",
                      f"{products / us:.2f}"])
    write_table(options.folder / "network", ["batch", "width", "depth", "reel, us", "reel, GFLOP/s", "BLAS, GFLOP/s",
                                             "products alone / reel"], table)
    drawn = report.figure(1, len(series))
    if drawn:
        for axes, (what, values) in zip(drawn[1][0], series.items()):
            x = [v[list(series).index(what)] for v in values]
            axes.plot(x, [times[network(*v)] for v in values], marker="o", label="reel, forward and backward")
            axes.plot(x, [times[network(*v)] * share[v] for v in values], marker="o", label="its products in the BLAS alone")
            axes.set(title=f"against {what}", xscale="log", yscale="log", xlabel=what, ylabel="microseconds")
            axes.legend()
        drawn[0].savefig(options.folder / "network.png", dpi=110)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--min-time", type=float, default=0.3)
    parser.add_argument("--only", default="rows,network")
    options = parser.parse_args()
    measure.need_bench()
    options.folder.mkdir(parents=True, exist_ok=True)
    for what in options.only.split(","):
        {"rows": grow_rows, "network": grow_network}[what](options)


if __name__ == "__main__":
    main()
