"""Prints tests/golden/training.h: the losses of PyTorch's training of the notebook and cgan workloads.

    pip install torch numpy; python tests/golden/training.py > tests/golden/training.h

Both networks, their initial values, every draw and the optimizer are PyTorch's own, from one seed. In float64 the
losses of 100 steps are the reference. In float32 a single run means little: rounding grows from step to step, so the
script also measures how far PyTorch's own losses lie apart between 1 and 2 threads and between the instruction sets
that it can be told to use, and the test allows a multiple of that.
"""

import json
import os
import subprocess
import sys

here = os.path.dirname(os.path.abspath(__file__))
STEPS, FLOAT_STEPS, BATCH = 100, 20, 64


def train(model, dtype, steps):
    import torch
    from torch import nn

    torch.set_default_dtype(getattr(torch, dtype))
    torch.manual_seed(0)
    notebook = model == "notebook"
    noise, classes, dim, data = (10, 10, 3, 32) if notebook else (100, 10, 10, 784)

    class Generator(nn.Module):
        def __init__(self):
            super().__init__()
            self.label_emb = nn.Embedding(classes, dim)
            layers, width = [], noise + dim
            for i, out in enumerate([64, 64] if notebook else [128, 256, 512, 1024]):
                layers.append(nn.Linear(width, out))
                if not notebook and i > 0:
                    layers.append(nn.BatchNorm1d(out, 0.8))
                layers.append(nn.LeakyReLU(0.2))
                width = out
            self.model = nn.Sequential(*layers, nn.Linear(width, data), nn.Tanh())

        def forward(self, z, y):
            e = self.label_emb(y)
            return self.model(torch.cat((z, e) if notebook else (e, z), 1))

    class Discriminator(nn.Module):
        def __init__(self):
            super().__init__()
            self.label_embedding = nn.Embedding(classes, dim)
            layers, width = [], data + dim
            for out in [64, 64] if notebook else [512, 512, 512]:
                layers += [nn.Linear(width, out), nn.LeakyReLU(0.2)]
                width = out
            self.model = nn.Sequential(*layers, nn.Linear(width, 1))

        def forward(self, x, y):
            return self.model(torch.cat((x, self.label_embedding(y)), 1))

    g, d = Generator(), Discriminator()
    g_adam = torch.optim.Adam(g.parameters(), lr=2e-4, betas=(0.5, 0.999))
    d_adam = torch.optim.Adam(d.parameters(), lr=2e-4, betas=(0.5, 0.999))
    bce = nn.BCEWithLogitsLoss()
    ones, zeros = torch.ones(BATCH, 1), torch.zeros(BATCH, 1)
    losses = []
    for _ in range(steps):
        x = torch.tanh(torch.randn(BATCH, data))
        y = torch.randint(0, classes, (BATCH,))
        z = torch.randn(BATCH, noise)
        wanted = torch.randint(0, classes, (BATCH,))

        fake = g(z, wanted)
        g_loss = bce(d(fake, wanted), ones)
        g_adam.zero_grad()
        g_loss.backward()
        g_adam.step()

        d_loss = (bce(d(x, y), ones) + bce(d(fake.detach(), wanted), zeros)) * 0.5
        d_adam.zero_grad()
        d_loss.backward()
        d_adam.step()
        losses += [g_loss.item(), d_loss.item()]
    return losses


def run(model, dtype, steps, threads=1, capability=None):
    environment = dict(os.environ, OMP_NUM_THREADS=str(threads), MKL_NUM_THREADS=str(threads))
    if capability:
        environment["ATEN_CPU_CAPABILITY"] = capability
    command = [sys.executable, os.path.abspath(__file__), "run", model, dtype, str(steps)]
    return json.loads(subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE).stdout)


def array(name, values, form):
    print(f"static const double {name}[] = {{")
    for i in range(0, len(values), 4):
        print("    " + " ".join(form(v) + "," for v in values[i : i + 4]))
    print("};\n")


def main():
    import torch

    print(f"/* Written by tests/golden/training.py with torch {torch.__version__.split('+')[0]}: do not edit. */")
    print("#ifndef REEL_GOLDEN_TRAINING_H\n#define REEL_GOLDEN_TRAINING_H\n\n/* clang-format off */\n")
    print(f"enum {{ golden_steps = {STEPS}, golden_float_steps = {FLOAT_STEPS}, golden_batch = {BATCH} }};\n")
    print("/* The generator's and the discriminator's loss of each step in turn. */")
    for model in ["notebook", "cgan"]:
        array(f"golden_{model}_f64", run(model, "float64", STEPS), float.hex)
        runs = [run(model, "float32", FLOAT_STEPS)]
        runs.append(run(model, "float32", FLOAT_STEPS, threads=2))
        runs += [run(model, "float32", FLOAT_STEPS, capability=c) for c in ["default", "avx2", "avx512"]]
        array(f"golden_{model}_f32", runs[0], float.hex)
        print("/* The largest relative distance between two of PyTorch's own runs. */")
        array(f"golden_{model}_f32_spread", [max(v) / min(v) - 1 for v in zip(*runs)], "{:.3g}".format)
    print("#endif")


if __name__ == "__main__":
    sys.path = [path for path in sys.path if os.path.abspath(path) != here]
    if sys.argv[1:2] == ["run"]:
        print(json.dumps(train(sys.argv[2], sys.argv[3], int(sys.argv[4]))))
    else:
        main()
