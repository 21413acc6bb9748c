"""Prints tests/golden/optimizers.h: what PyTorch's optimizers, schedules, clipping and averages give, for tests/train.

    pip install torch; python tests/golden/optimizers.py > tests/golden/optimizers.h

Made with torch 2.15.0 on the CPU, with foreach=False. Inputs are multiples of 1/64, so that they are the same in float
and double.
"""

import os
import sys
import warnings

here = os.path.dirname(os.path.abspath(__file__))
sys.path = [path for path in sys.path if os.path.abspath(path) != here]

import torch

warnings.filterwarnings("ignore")
torch.set_num_threads(1)

STEPS = 6
A, B = 12, 5  # elements of the params a [3, 4] and b [5]
SKIPPED = 2  # the step, from 0, in which b has no gradient
ROWS, COLUMNS, OCCURRENCES = 6, 3, 5

DENSE = [
    ("sgd", dict(lr=0.1)),
    ("sgd", dict(lr=0.1, maximize=True)),
    ("sgd", dict(lr=0.1, weight_decay=0.01)),
    ("sgd", dict(lr=0.1, momentum=0.9)),
    ("sgd", dict(lr=0.1, momentum=0.9, dampening=0.25)),
    ("sgd", dict(lr=0.1, momentum=0.9, nesterov=True)),
    ("sgd", dict(lr=0.1, momentum=0.9, weight_decay=0.01, maximize=True)),
    ("sgd", dict(lr=0.1, momentum=0.9, weight_decay=0.01, nesterov=True)),
    ("adam", dict()),
    ("adam", dict(lr=2e-4, beta1=0.5, beta2=0.999)),
    ("adam", dict(lr=0.05, beta1=0.0, beta2=0.99)),
    ("adam", dict(lr=0.05, eps=0.01, maximize=True)),
    ("adam", dict(lr=0.05, weight_decay=0.1)),
    ("adam", dict(lr=0.05, amsgrad=True)),
    ("adam", dict(lr=0.05, amsgrad=True, weight_decay=0.1)),
    ("adamw", dict()),
    ("adamw", dict(lr=0.05, weight_decay=0.1, amsgrad=True)),
    ("adamw", dict(lr=0.05, weight_decay=0.0, maximize=True)),
    ("rmsprop", dict()),
    ("rmsprop", dict(lr=0.02, alpha=0.4, eps=1e-3, maximize=True)),
    ("rmsprop", dict(momentum=0.9)),
    ("rmsprop", dict(centered=True)),
    ("rmsprop", dict(centered=True, momentum=0.9)),
    ("rmsprop", dict(weight_decay=0.1)),
    ("rmsprop", dict(weight_decay=0.1, momentum=0.9)),
    ("rmsprop", dict(weight_decay=0.1, centered=True)),
    ("rmsprop", dict(weight_decay=0.1, centered=True, momentum=0.9)),
    ("adagrad", dict()),
    ("adagrad", dict(lr=0.1, lr_decay=0.3, eps=1e-3)),
    ("adagrad", dict(lr=0.1, initial_accumulator_value=0.5, maximize=True)),
    ("adagrad", dict(lr=0.1, weight_decay=0.1, initial_accumulator_value=0.5)),
    ("nadam", dict()),
    ("nadam", dict(lr=0.05, beta1=0.8, beta2=0.9, momentum_decay=0.1, maximize=True)),
    ("nadam", dict(lr=0.05, weight_decay=0.1)),
    ("nadam", dict(lr=0.05, weight_decay=0.1, decoupled_weight_decay=True)),
    ("radam", dict()),
    ("radam", dict(lr=0.05, beta1=0.8, beta2=0.9, maximize=True)),
    ("radam", dict(lr=0.05, weight_decay=0.1)),
    ("radam", dict(lr=0.05, beta2=0.5)),
    ("radam", dict(lr=0.05, eps=1e-3, weight_decay=0.1, decoupled_weight_decay=True)),
    ("adamax", dict()),
    ("adamax", dict(lr=0.05, beta1=0.5, beta2=0.9, eps=1e-3, maximize=True)),
    ("adamax", dict(lr=0.05, weight_decay=0.1)),
    ("adadelta", dict()),
    ("adadelta", dict(lr=0.5, rho=0.5, eps=1e-3, maximize=True)),
    ("adadelta", dict(weight_decay=0.1)),
    ("lamb", dict()),
    ("lamb", dict(lr=0.05, beta1=0.5, beta2=0.9, eps=1e-3, maximize=True)),
    ("lamb", dict(lr=0.05, weight_decay=0.0)),
]
# SparseAdam puts eps elsewhere than Adam, so it is all but 0.
SPARSE = [
    ("sgd", dict(lr=0.1)),
    ("sgd", dict(lr=0.1, maximize=True)),
    ("adagrad", dict(lr=0.1, lr_decay=0.3)),
    ("adagrad", dict(lr=0.1, initial_accumulator_value=0.5)),
    ("adam", dict(lr=0.05, eps=1e-300)),
    ("adam", dict(lr=0.05, beta1=0.5, beta2=0.9, eps=1e-300, maximize=True)),
]


class Lamb:
    """Algorithm 2 of arXiv:1904.00962 with phi(z) = z, which PyTorch does not have."""

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-6, weight_decay=0.01, maximize=False):
        self.params, self.lr, self.betas, self.eps = params, lr, betas, eps
        self.weight_decay, self.maximize = weight_decay, maximize
        self.state = [(0, torch.zeros_like(p), torch.zeros_like(p)) for p in params]

    @torch.no_grad()
    def step(self):
        beta1, beta2 = self.betas
        for i, p in enumerate(self.params):
            if p.grad is None:
                continue
            step, m, v = self.state[i]
            g = -p.grad if self.maximize else p.grad
            step, m, v = step + 1, beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g * g
            self.state[i] = (step, m, v)
            r = m / (1 - beta1**step) / (torch.sqrt(v / (1 - beta2**step)) + self.eps) + self.weight_decay * p
            norms = p.norm(), r.norm()
            ratio = float(norms[0] / norms[1]) if norms[0] > 0 and norms[1] > 0 else 1.0
            p -= self.lr * ratio * r


def optimizer(kind, params, options, sparse=False):
    options = dict(options)
    if kind in ("adam", "adamw", "nadam", "radam", "adamax", "lamb"):
        options["betas"] = (options.pop("beta1", 0.9), options.pop("beta2", 0.999))
        if sparse:
            return torch.optim.SparseAdam(params, **options)
    if kind == "lamb":
        return Lamb(params, **options)
    made = dict(sgd="SGD", adam="Adam", adamw="AdamW", rmsprop="RMSprop", adagrad="Adagrad", nadam="NAdam")
    made.update(radam="RAdam", adamax="Adamax", adadelta="Adadelta")
    return getattr(torch.optim, made[kind])(params, foreach=False, **options)


def number(value, dtype):
    text = float(value).hex()
    if dtype is torch.float32 and "p" in text:
        mantissa, exponent = text.split("p")
        text = f"{mantissa.rstrip('0').rstrip('.')}p{exponent}f"
    return text


def flat(items, dtype):
    numbers = [number(v, dtype) for t in items for v in torch.as_tensor(t, dtype=dtype).detach().reshape(-1).tolist()]
    lines, line = [], "       "
    for text in numbers:
        if len(line) + len(text) + 2 > 118:
            lines.append(line)
            line = "       "
        line += f" {text},"
    return "\n".join(lines + [line])


def array(name, items, dtype, kind="reel_real"):
    print(f"static const {kind} {name}[] = {{\n{flat(items, dtype)}\n}};")


def grid(generator, *shape):
    return torch.randint(-128, 129, shape, generator=generator).double() / 64


generator = torch.Generator().manual_seed(0)
a0, b0 = grid(generator, 3, 4), grid(generator, B)
a_grads, b_grads = grid(generator, STEPS, 3, 4), grid(generator, STEPS, B)
table0 = grid(generator, ROWS, COLUMNS)
indices = torch.randint(0, ROWS - 1, (STEPS, OCCURRENCES), generator=generator)
row_grads = grid(generator, STEPS, OCCURRENCES, COLUMNS)
row_grads[row_grads == 0] = 0.5


def run_dense(kind, options, dtype):
    a, b = a0.to(dtype, copy=True).requires_grad_(), b0.to(dtype, copy=True).requires_grad_()
    torch.set_default_dtype(dtype)  # of NAdam's product of momenta
    optim = optimizer(kind, [a, b], options)
    first = None
    for step in range(STEPS):
        a.grad = a_grads[step].to(dtype)
        b.grad = b_grads[step].to(dtype) if step != SKIPPED else None
        optim.step()
        first = first or [a.detach().clone(), b.detach().clone()]
    torch.set_default_dtype(torch.float32)
    return [*first, a, b]


def run_sparse(kind, options, dtype):
    table = table0.to(dtype, copy=True).requires_grad_()
    optim = optimizer(kind, [table], options, sparse=True)
    for step in range(STEPS):
        table.grad = torch.sparse_coo_tensor(indices[step][None], row_grads[step].to(dtype), (ROWS, COLUMNS))
        optim.step()
    return [table]


def table(name, struct, cases, run, dtype):
    print(f"static const struct {struct} {name}[] = {{")
    for kind, options in cases:
        # As the tests read it: the algorithm, then its options as numbers.
        what = " ".join([kind] + [f"{k}={int(v) if isinstance(v, bool) else v}" for k, v in options.items()])
        print(f'    {{.what = "{what}",\n     .after = {{')
        print(flat(run(kind, options, dtype), dtype) + "\n    }},")
    print("};")


def schedules():
    """lr after each of the first steps, of two groups with 0.5 and 0.02."""
    lr = torch.optim.lr_scheduler
    count = 25

    def follow(make):
        ps = [torch.zeros(1, requires_grad=True) for _ in range(2)]
        optim = torch.optim.SGD([dict(params=[ps[0]], lr=0.5), dict(params=[ps[1]], lr=0.02)])
        scheduler, rates = make(optim), []
        for _ in range(count):
            rates += [group["lr"] for group in optim.param_groups]
            optim.step()
            scheduler.step()
        return rates

    print(f"enum {{ GOLDEN_LR_STEPS = {count} }};")
    for name, make in [
        ("step", lambda o: lr.StepLR(o, 4, 0.5)),
        ("multi_step", lambda o: lr.MultiStepLR(o, [2, 5, 5, 11], 0.3)),
        ("exponential", lambda o: lr.ExponentialLR(o, 0.9)),
        ("cosine", lambda o: lr.CosineAnnealingLR(o, 10, 0.01)),
        ("linear", lambda o: lr.LinearLR(o, 0.25, 0.75, 8)),
        ("lambda", lambda o: lr.LambdaLR(o, lambda step: 1 / (1 + step))),
        (
            "warm_up_cosine",
            lambda o: lr.SequentialLR(o, [lr.LinearLR(o, 0.1, 1, 5), lr.CosineAnnealingLR(o, 30, 0)], [5]),
        ),
        ("warm_up_step", lambda o: lr.SequentialLR(o, [lr.LinearLR(o, 0.5, 1, 3), lr.StepLR(o, 4, 0.5)], [3])),
    ]:
        array(f"golden_{name}_lr", [follow(make)], torch.float64, "double")


def clips(dtype):
    """Gradients of a and b after clipping."""
    infinity = float("inf")
    for name, limit, norm_type in [("2", 1, 2), ("1", 2, 1), ("inf", 0.5, infinity), ("3", 1.5, 3), ("loose", 1e3, 2)]:
        a, b = a0.to(dtype, copy=True).requires_grad_(), b0.to(dtype, copy=True).requires_grad_()
        a.grad, b.grad = a_grads[0].to(dtype, copy=True), b_grads[0].to(dtype, copy=True)
        total = torch.nn.utils.clip_grad_norm_([a, b], limit, norm_type, foreach=False)
        print(f"static const double golden_clip_{name}_total = {float(total).hex()};")
        array(f"golden_clip_{name}", [a.grad, b.grad], dtype)
    a.grad, b.grad = a_grads[0].to(dtype, copy=True), b_grads[0].to(dtype, copy=True)
    torch.nn.utils.clip_grad_value_([a, b], 0.5, foreach=False)
    array("golden_clip_value", [a.grad, b.grad], dtype)


def averages(dtype):
    """The average of a while a is a0, then a + gradient 0, then + gradient 1, ..."""
    for name, decay in [("high", 0.875), ("low", 0.25)]:
        model = torch.nn.ParameterList([torch.nn.Parameter(a0.to(dtype, copy=True))])
        average = torch.optim.swa_utils.AveragedModel(
            model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(decay)
        )
        for step in range(STEPS):
            average.update_parameters(model)
            with torch.no_grad():
                model[0] += a_grads[step].to(dtype)
        array(f"golden_average_{name}", [average.module[0]], dtype)


print("/* Written by optimizers.py with torch " + torch.__version__.split("+")[0] + ". */")
print("#ifndef GOLDEN_OPTIMIZERS_H\n#define GOLDEN_OPTIMIZERS_H\n\n/* clang-format off */\n\n#include <reel/types.h>\n")
print(f"enum {{ GOLDEN_STEPS = {STEPS}, GOLDEN_A = {A}, GOLDEN_B = {B}, GOLDEN_SKIPPED = {SKIPPED} }};")
print(f"enum {{ GOLDEN_ROWS = {ROWS}, GOLDEN_COLUMNS = {COLUMNS}, GOLDEN_OCCURRENCES = {OCCURRENCES} }};")
print("/* a and b after the first step, then after the last. */")
print("struct golden_dense {\n    const char *what;")
print("    reel_real after[2 * (GOLDEN_A + GOLDEN_B)];\n};")
print("struct golden_sparse {\n    const char *what;")
print("    reel_real after[GOLDEN_ROWS * GOLDEN_COLUMNS];\n};\n")
for name, value in [("a0", a0), ("b0", b0), ("a_grads", a_grads), ("b_grads", b_grads)]:
    array(f"golden_{name}", [value], torch.float32)
array("golden_table0", [table0], torch.float32)
print("static const int64_t golden_indices[] = {" + ", ".join(str(i) for i in indices.reshape(-1).tolist()) + "};")
array("golden_row_grads", [row_grads], torch.float32)
schedules()
for dtype, condition in [(torch.float64, "#ifdef REEL_F64"), (torch.float32, "#else")]:
    print(condition)
    table("golden_dense", "golden_dense", DENSE, run_dense, dtype)
    table("golden_sparse", "golden_sparse", SPARSE, run_sparse, dtype)
    clips(dtype)
    averages(dtype)
print("#endif\n\n#endif")
