"""conv_gan and gru_gan (bench/README.md) in PyTorch, eager. serve.py has the commands."""

import os

from serve import serve

SLOPE = 0.2


def start():
    import torch
    from torch import nn
    from torch.nn import functional as F

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))

    def sizes(state, name):
        return state[name + ".weight"].shape

    class ConvGenerator(nn.Module):
        def __init__(self, state):
            super().__init__()
            self.label = nn.Embedding(*sizes(state, "label"))
            out, into = sizes(state, "widen")
            self.widen = nn.Linear(into, out, bias=False)
            self.wide, narrow = sizes(state, "up1")[:2]
            self.norm1, self.norm2 = nn.BatchNorm2d(self.wide), nn.BatchNorm2d(narrow)
            self.up1 = nn.ConvTranspose2d(self.wide, narrow, 4, 2, 1, bias=False)
            self.up2 = nn.ConvTranspose2d(narrow, 1, 4, 2, 1)

        def forward(self, z, labels):
            h = self.widen(torch.cat([z, self.label(labels)], 1))
            h = F.leaky_relu(self.norm1(h.reshape(len(z), self.wide, 7, 7)), SLOPE)
            h = F.leaky_relu(self.norm2(self.up1(h)), SLOPE)
            return torch.tanh(self.up2(h))

    class Projection(nn.Module):
        def __init__(self, features, classes):
            super().__init__()
            self.linear, self.embedding = nn.Linear(features, 1), nn.Embedding(classes, features)

        def forward(self, h, labels):
            return self.linear(h).squeeze(1) + (h * self.embedding(labels)).sum(1) / h.shape[1] ** 0.5

    class ConvDiscriminator(nn.Module):
        def __init__(self, state):
            super().__init__()
            wide, narrow = sizes(state, "down2")[:2]
            self.down1, self.down2 = nn.Conv2d(1, narrow, 4, 2, 1), nn.Conv2d(narrow, wide, 4, 2, 1)
            out, into = sizes(state, "dense")
            self.dense = nn.Linear(into, out)
            self.head = Projection(out, len(state["head.embedding.weight"]))

        def forward(self, x, labels):
            h = F.leaky_relu(self.down2(F.leaky_relu(self.down1(x), SLOPE)), SLOPE)
            return self.head(F.leaky_relu(self.dense(h.flatten(1)), SLOPE), labels)

    class Recurrent(nn.Module):
        """As generator: the outputs of all steps; as discriminator: of the last state."""

        def __init__(self, state, scores):
            super().__init__()
            self.scores = scores
            self.label = nn.Embedding(*sizes(state, "label"))
            self.gru = nn.GRU(state["gru.weight_ih_l0"].shape[1], state["gru.weight_hh_l0"].shape[1], batch_first=True)
            self.last = nn.Linear(sizes(state, "last")[1], 1)

        def forward(self, x, labels):
            repeated = self.label(labels)[:, None].expand(-1, x.shape[1], -1)
            outputs, state = self.gru(torch.cat([x, repeated], 2))
            return self.last(state[0]).squeeze(1) if self.scores else torch.tanh(self.last(outputs))

    def load(workload, groups):
        kind, *parts = workload.split("/")
        arrays = {name: torch.from_numpy(array) for name, array in groups["data"].items()}
        x, y, z, wanted, invented = (arrays[name] for name in ("x", "y", "z", "wanted", "invented"))
        states = [{name: torch.from_numpy(array) for name, array in groups[i].items()} for i in "01"]
        if kind == "conv_gan":
            generator, discriminator = ConvGenerator(states[0]), ConvDiscriminator(states[1])
        else:
            generator, discriminator = Recurrent(states[0], False), Recurrent(states[1], True)
        for network, state in zip((generator, discriminator), states):
            network.load_state_dict(state)
        adam_g, adam_d = (torch.optim.Adam(n.parameters(), 2e-4, (0.5, 0.999)) for n in (generator, discriminator))

        def penalty(scores, x):
            (grad,) = torch.autograd.grad(scores.sum(), x, create_graph=True)
            return 0.5 * grad.square().flatten(1).sum(1).mean()

        def step():
            g_loss, made = 0.0, invented
            if not parts:
                discriminator.requires_grad_(False)  # its weights want no gradient from the generator's loss
                adam_g.zero_grad(set_to_none=True)
                made = generator(z, wanted)
                loss = F.softplus(-discriminator(made, wanted)).mean()
                loss.backward()
                adam_g.step()
                discriminator.requires_grad_(True)
                g_loss = loss.item()
            penalised = "penalties" in parts
            real, made = x.detach().requires_grad_(penalised), made.detach().requires_grad_(penalised)
            adam_d.zero_grad(set_to_none=True)
            of_real, of_made = discriminator(real, y), discriminator(made, wanted)
            loss = F.softplus(-of_real).mean() + F.softplus(of_made).mean()
            if penalised:
                loss = loss + penalty(of_real, real) + penalty(of_made, made)
            loss.backward()
            adam_d.step()
            return loss.item(), g_loss

        return step

    return f"PyTorch {torch.__version__}", load


if __name__ == "__main__":
    serve(start)
