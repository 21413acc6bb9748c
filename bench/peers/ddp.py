"""A step of mlp_big in PyTorch's DistributedDataParallel on gloo, beside which bench/ranks is put: two processes of one thread,
a batch of 64 each.

    torchrun --nproc-per-node 2 bench/peers/ddp.py STEPS
"""
import statistics
import sys
import time

import torch
import torch.distributed as dist
from torch import nn

BATCH = 64

steps = int(sys.argv[1])
torch.set_num_threads(1)
torch.manual_seed(0)
dist.init_process_group("gloo")
layers = []
widths = [794, 512, 512, 512, 1]
for i in range(4):
    layers.append(nn.Linear(widths[i], widths[i + 1]))
    if i < 3:
        layers.append(nn.ReLU())
model = nn.parallel.DistributedDataParallel(nn.Sequential(*layers))
optim = torch.optim.RMSprop(model.parameters(), lr=1e-3)
criterion = nn.BCEWithLogitsLoss()
x = torch.rand(BATCH, 794) * 2 - 1
y = (torch.arange(BATCH) % 2).float().unsqueeze(1)
seconds = []
for step in range(steps + 5):
    start = time.perf_counter()
    optim.zero_grad()
    criterion(model(x), y).backward()
    optim.step()
    if step >= 5:
        seconds.append(time.perf_counter() - start)
if dist.get_rank() == 0:
    median = statistics.median(seconds)
    print(
        f"mlp_big DDP on gloo, {dist.get_world_size()} ranks: {1e3 * median:.3f} ms a step "
        f"(fastest {1e3 * min(seconds):.3f}), {dist.get_world_size() * BATCH / median:.0f} samples a second"
    )
dist.destroy_process_group()
