"""Prints tests/golden/schedules.h: learning rates under PyTorch's schedules, for tests/train/schedule.c.

    pip install torch; python tests/golden/schedules.py > tests/golden/schedules.h

Made with torch 2.15.0. Each array holds the rates of two groups, which begin with 0.5 and 0.02, at each step from 0.
"""

import os
import sys
import warnings

here = os.path.dirname(os.path.abspath(__file__))
sys.path = [path for path in sys.path if os.path.abspath(path) != here]

import torch
from torch.optim import lr_scheduler as lr

warnings.filterwarnings("ignore")
STEPS = 25  # GOLDEN_LR_STEPS of optimizers.h
RATES = [0.5, 0.02]
METRICS = [1, 0.9, 0.9, 0.89999, 0.95, 0.5, 0.5, 0.5, 0.49, float("nan"), 0.5, 0.5, 0.5, 0.5, -1, -1, -1, -2, 3, 3,
           2, 2, 4, 4, 4]


def array(name, numbers, width=118):
    print(f"static const double {name}[] = {{")
    line = "   "
    for number in numbers:
        text = "NAN" if number != number else float(number).hex()
        if len(line) + len(text) + 2 > width:
            print(line)
            line = "   "
        line += f" {text},"
    print(line)
    print("};")


def optimizer():
    return torch.optim.SGD([dict(params=[torch.nn.Parameter(torch.zeros(1))], lr=rate) for rate in RATES])


def follow(name, make, arguments=[()] * STEPS):
    optim = optimizer()
    schedule = make(optim)
    rates = []
    for argument in arguments:
        rates += [group["lr"] for group in optim.param_groups]
        optim.step()
        schedule.step(*argument)
    array(f"golden_{name}_lr", rates)


def one_cycle(**options):
    return lambda o: lr.OneCycleLR(o, RATES, total_steps=STEPS, **options)


def follow_momentum(name, **options):
    optim = optimizer()
    schedule = one_cycle(**options)(optim)
    momenta = []
    for _ in range(STEPS):
        momenta.append(optim.param_groups[0]["momentum"])
        optim.step()
        schedule.step()
    array(f"golden_{name}_momentum", momenta)


def plateau(**options):
    return lambda o: lr.ReduceLROnPlateau(o, **options)


def chained(*makes):
    return lambda o: lr.ChainedScheduler([make(o) for make in makes])


print("/* Written by schedules.py with torch " + torch.__version__.split("+")[0] + ". */")
print("#ifndef GOLDEN_SCHEDULES_H\n#define GOLDEN_SCHEDULES_H\n\n/* clang-format off */\n\n#include <math.h>\n")
follow("polynomial", lambda o: lr.PolynomialLR(o, 12, 2.5))
follow("restarts", lambda o: lr.CosineAnnealingWarmRestarts(o, 7, 1, 0.01))
follow("longer_restarts", lambda o: lr.CosineAnnealingWarmRestarts(o, 3, 2))
follow("one_cycle", one_cycle())
follow("one_cycle_linear", one_cycle(anneal_strategy="linear", pct_start=0.45, div_factor=10.0, final_div_factor=50.0))
follow("one_cycle_three_phases", one_cycle(three_phase=True, pct_start=0.4))
follow_momentum("one_cycle")
follow_momentum("one_cycle_three_phases", three_phase=True, pct_start=0.4, base_momentum=0.5, max_momentum=0.75,
                anneal_strategy="linear")
follow("chained_linear", chained(lambda o: lr.LinearLR(o, 0.25, 1, 6), lambda o: lr.ExponentialLR(o, 0.9)))
follow("chained_three", chained(lambda o: lr.StepLR(o, 4, 0.5), lambda o: lr.PolynomialLR(o, 30, 1.5),
                                lambda o: lr.CosineAnnealingLR(o, 25)))
array("golden_metrics", METRICS)
metrics = [(metric,) for metric in METRICS]
follow("plateau", plateau(patience=1), metrics)
follow("plateau_maximize", plateau(mode="max", factor=0.5, patience=2, threshold=0.1, cooldown=1), metrics)
follow("plateau_absolute", plateau(threshold_mode="abs", threshold=0.05, factor=0.3, patience=0, min_lr=0.01), metrics)
follow("plateau_eps", plateau(mode="max", threshold_mode="abs", factor=0.1, patience=0, cooldown=2, eps=1e-3), metrics)
print("\n#endif")
