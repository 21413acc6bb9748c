"""Times reel's loader beside PyTorch's DataLoader without workers, on Fashion-MNIST, shuffled, with batches of 128.

    sh tests/setup.sh data; pip install torch
    cmake --build --preset release --target reel_bench; python3 bench/loader.py [build/release/bench/reel_bench]

PyTorch is timed twice: on a TensorDataset of pictures that are float already, 188 MB, which is its fastest way; and with
bytes that each sample's transform converts, as torchvision's data sets do. reel keeps bytes and scales them as it copies.
Epochs take turns; the figures are medians of processor
time, on one thread, since then it does not matter what else the machine does. The time of a batch does not depend on what the bytes are, so reel_bench makes
up its own, of the same size.
"""

import gzip
import json
import os
import statistics
import subprocess
import sys
import time

import torch
from torch.utils.data import DataLoader, Dataset, TensorDataset

FOLDER = "/usr/share/datasets/fashion-mnist"
BATCH, ROUNDS = 128, 5
REEL_BENCH = sys.argv[1] if len(sys.argv) > 1 else "build/release/bench/reel_bench"


def read(name, header):
    with gzip.open(os.path.join(FOLDER, name)) as file:
        return torch.frombuffer(bytearray(file.read()[header:]), dtype=torch.uint8)


class Transformed(Dataset):
    """What torchvision.datasets.FashionMNIST with ToTensor does, without the detour through a PIL image."""

    def __init__(self, images, labels):
        self.images, self.labels = images, labels

    def __len__(self):
        return len(self.images)

    def __getitem__(self, i):
        return self.images[i].unsqueeze(0).float().div(255), int(self.labels[i])


def torch_batch(dataset):
    """Microseconds a batch, over an epoch."""
    start = time.process_time()
    batches = sum(1 for _ in DataLoader(dataset, batch_size=BATCH, shuffle=True))
    return (time.process_time() - start) / batches * 1e6


def reel_batch():
    name = f"loader/scaled/batch:{BATCH}/threads:1"
    command = [REEL_BENCH, f"--benchmark_filter=^{name}$", "--benchmark_format=json", "--benchmark_min_time=0.5"]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return json.loads(output)["benchmarks"][0]["cpu_time"]


torch.set_num_threads(1)
images = read("train-images-idx3-ubyte.gz", 16).view(-1, 28, 28)
labels = read("train-labels-idx1-ubyte.gz", 8)
floats = TensorDataset(images.unsqueeze(1).float().div(255), labels.long())
contestants = {
    "reel": reel_batch,
    "DataLoader, floats": lambda: torch_batch(floats),
    "DataLoader, bytes and a transform": lambda: torch_batch(Transformed(images, labels)),
}
times = {name: [] for name in contestants}
for _ in range(ROUNDS):
    for name, run in contestants.items():
        times[name].append(run())
medians = {name: statistics.median(runs) for name, runs in times.items()}
print(f"torch {torch.__version__}, microseconds a batch of {BATCH}, medians of {ROUNDS} rounds")
for name, median in medians.items():
    print(f"{name:34} {median:9.1f}  {median / medians['reel']:6.1f}")
