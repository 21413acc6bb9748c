"""notebook, cgan, mlp and chain (bench/README.md) in PyTorch, eager or with --compile. serve.py has the commands.

The optimizers are the default implementations, which on a CPU are loops over the params (neither foreach nor fused).
Compiled are the losses and the optimizers' steps: with the losses alone it is slower than eager.
"""

import os
import sys

from serve import serve

SLOPE = 0.2


def start():
    compiled = "--compile" in sys.argv
    if compiled:
        sys.argv.remove("--compile")
        os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", "1")  # no idle processes beside what is measured
    import torch
    from torch import nn
    from torch.nn import functional as F

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))

    def compile(function):
        return torch.compile(function) if compiled else function

    def tensors(arrays):
        return {name: torch.from_numpy(array) for name, array in arrays.items()}

    class Conditional(nn.Module):
        """A network whose input is joined with a label's embedding, with the names of the state_dict that it gets."""

        def __init__(self, state, label, label_first, norm, dropout):
            super().__init__()
            self.label, self.label_first = label, label_first
            embedding = state[label + ".weight"].shape
            self.add_module(label, nn.Embedding(*embedding))
            weights = [w.shape for name, w in state.items() if name.endswith("weight") and w.ndim == 2][1:]
            layers = []
            for i, (out, into) in enumerate(weights):
                layers.append(nn.Linear(into, out))
                if i + 1 < len(weights):
                    if norm and i > 0:
                        layers.append(nn.BatchNorm1d(out))
                    if dropout and i > 0:
                        layers.append(nn.Dropout(dropout))
                    layers.append(nn.LeakyReLU(SLOPE))
            self.model = nn.Sequential(*layers)
            self.load_state_dict(tensors(state))

        def forward(self, x, labels):
            embedded = getattr(self, self.label)(labels)
            return self.model(torch.cat([embedded, x] if self.label_first else [x, embedded], 1))

    def load_gan(groups, image, dropout):
        data = tensors(groups["data"])
        x, y, z, wanted = (data[name] for name in ("x", "y", "z", "wanted"))
        generator = Conditional(groups["0"], "label_emb", image, image, 0)
        discriminator = Conditional(groups["1"], "label_embedding", False, False, dropout)
        adam_g, adam_d = (torch.optim.Adam(n.parameters(), 2e-4, (0.5, 0.999)) for n in (generator, discriminator))
        step_g, step_d = compile(adam_g.step), compile(adam_d.step)
        ones, zeros = torch.ones(len(x), 1), torch.zeros(len(x), 1)
        bce = F.binary_cross_entropy_with_logits

        @compile
        def generator_loss(z, wanted):
            made = torch.tanh(generator(z, wanted))
            return bce(discriminator(made, wanted), ones), made

        @compile
        def discriminator_loss(x, y, made, wanted):
            return 0.5 * (bce(discriminator(x, y), ones) + bce(discriminator(made, wanted), zeros))

        def step():
            discriminator.requires_grad_(False)  # its weights want no gradient from the generator's loss
            adam_g.zero_grad(set_to_none=True)
            g_loss, made = generator_loss(z, wanted)
            g_loss.backward()
            step_g()
            discriminator.requires_grad_(True)
            adam_d.zero_grad(set_to_none=True)
            d_loss = discriminator_loss(x, y, made.detach(), wanted)
            d_loss.backward()
            step_d()
            return g_loss.item(), d_loss.item()

        return step

    def load_mlp(groups):
        x, y = (torch.from_numpy(groups["data"][name]) for name in ("x", "y"))
        state = tensors(groups["0"])
        layers = nn.ModuleList(nn.Linear(w.shape[1], w.shape[0]) for w in state.values() if w.ndim == 2)
        layers.load_state_dict(state)
        rmsprop = torch.optim.RMSprop(layers.parameters(), 1e-3)
        rmsprop_step = compile(rmsprop.step)

        @compile
        def mlp_loss(x, y):
            for layer in layers[:-1]:
                x = F.relu(layer(x))
            return F.binary_cross_entropy_with_logits(layers[-1](x), y)

        def step():
            rmsprop.zero_grad(set_to_none=True)
            loss = mlp_loss(x, y)
            loss.backward()
            rmsprop_step()
            return (loss.item(),)

        return step

    def load_chain(groups):
        x = torch.from_numpy(groups["0"]["x"]).requires_grad_()

        def step():
            x.grad = None
            y = x
            for _ in range(1000):
                y = y * 1.0001
            loss = y.sum()
            loss.backward()
            return (loss.item(),)

        return step

    loads = {
        "notebook": lambda groups: load_gan(groups, False, 0),
        "cgan": lambda groups: load_gan(groups, True, 0.4),
        "cgan_no_dropout": lambda groups: load_gan(groups, True, 0),
        "mlp_small": load_mlp,
        "mlp_big": load_mlp,
        "chain": load_chain,
    }
    return f"PyTorch {torch.__version__}", lambda workload, groups: loads[workload](groups)


if __name__ == "__main__":
    serve(start)
