"""What cgan export writes: onnxruntime draws the images that cgan sample draws, for any batch, and PyTorch's generator of
the same name takes the params.

    python cgan.py PROGRAM [PICTURE]

PICTURE, a .png file, gets images that onnxruntime drew, one row a class, from the model.safetensors in the environment
variable MODEL if there is one (needs Pillow).
"""

import os
import struct
import subprocess
import sys
import tempfile

import common

torch, safetensors, onnx, onnxruntime = common.modules("torch", "safetensors.torch", "onnx", "onnxruntime")

CLASSES, PER_CLASS, SIDE, SEED = 4, 48, 8, 5


class Linear(torch.nn.Module):
    """That of PyTorch-GAN's cgan.py, which begins wider and has a layer less."""

    NOISE, EMBEDDING = 100, 10

    def __init__(self, classes, side, eps):
        super().__init__()
        self.label_emb = torch.nn.Embedding(classes, self.EMBEDDING)

        def block(inside, outside, normalize=True):
            norm = [torch.nn.BatchNorm1d(outside, eps)] if normalize else []
            return [torch.nn.Linear(inside, outside), *norm, torch.nn.LeakyReLU(0.2)]

        self.model = torch.nn.Sequential(
            *block(self.NOISE + self.EMBEDDING, 256, normalize=False),
            *block(256, 512),
            *block(512, 1024),
            torch.nn.Linear(1024, side * side),
            torch.nn.Tanh(),
        )

    def forward(self, noise, label):
        return self.model(torch.cat((self.label_emb(label), noise), -1))


class Convolutions(torch.nn.Module):
    """From a quarter of the sides to the image."""

    NOISE, EMBEDDING = 64, 16

    def __init__(self, classes, side, eps):
        super().__init__()
        self.label_emb = torch.nn.Embedding(classes, self.EMBEDDING)
        self.side = side // 4
        self.linear = torch.nn.Linear(self.NOISE + self.EMBEDDING, 64 * self.side**2, bias=False)
        self.norm1 = torch.nn.BatchNorm2d(64, eps)
        self.conv1 = torch.nn.ConvTranspose2d(64, 32, 4, 2, 1, bias=False)
        self.norm2 = torch.nn.BatchNorm2d(32, eps)
        self.conv2 = torch.nn.ConvTranspose2d(32, 1, 4, 2, 1)

    def forward(self, noise, label):
        leaky_relu = torch.nn.functional.leaky_relu
        h = self.linear(torch.cat((noise, self.label_emb(label)), -1)).reshape(-1, 64, self.side, self.side)
        h = self.conv1(leaky_relu(self.norm1(h), 0.2))
        return self.conv2(leaky_relu(self.norm2(h), 0.2)).tanh().flatten(1)


NETWORKS = {"mlp": Linear, "conv": Convolutions}


def write_data(folder):
    """Images at random, as idx files."""
    torch.manual_seed(1)
    n = 64
    images = torch.randint(0, 256, (n, SIDE * SIDE), dtype=torch.uint8)
    labels = torch.arange(n, dtype=torch.uint8) % CLASSES
    with open(f"{folder}/train-images-idx3-ubyte", "wb") as file:
        file.write(struct.pack(">IIII", 0x803, n, SIDE, SIDE) + images.numpy().tobytes())
    with open(f"{folder}/train-labels-idx1-ubyte", "wb") as file:
        file.write(struct.pack(">II", 0x801, n) + labels.numpy().tobytes())


def session_of(path):
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def network_of(model):
    """The class, and the metadata, of a model.safetensors."""
    with safetensors.safe_open(model, "pt") as file:
        metadata = file.metadata()
    return NETWORKS[metadata["network"]], metadata


def draw(program, folder, model):
    """Exports the model; gives the path, and what cgan sample draws: images, their labels, and its noise."""
    path, sample = f"{folder}/model.onnx", f"{folder}/sample.safetensors"
    subprocess.run([program, "export", "--model", model, "--out", path], check=True)
    options = ["--per-class", str(PER_CLASS), "--seed", str(SEED), "--out", sample]
    subprocess.run([program, "sample", "--model", model, *options], check=True)
    drawn = safetensors.load_file(sample)
    torch.manual_seed(SEED)
    return path, drawn["x"], drawn["y"], torch.randn(len(drawn["y"]), network_of(model)[0].NOISE)


def check(program, folder, name):
    run, model = f"{folder}/{name}", f"{folder}/{name}/model.safetensors"
    options = ["--data", folder, "--batch", "16", "--epochs", "3", "--minutes", "0", "--out", run]
    subprocess.run([program, "train", "--network", name, *options], check=True, stderr=subprocess.DEVNULL)
    path, images, labels, noise = draw(program, folder, model)
    wrong = []
    for batch in 1, 7, 64:
        for first in range(0, 3 * batch, batch):
            piece = slice(first, first + batch)
            inputs = {"noise": noise[piece].numpy(), "label": labels[piece].numpy()}
            problem = common.compare(path, inputs, [images[piece].numpy()])
            if problem:
                wrong.append(f"batch {batch} from {first}: {problem}")
    network, metadata = network_of(model)
    generator = network(CLASSES, SIDE, float(metadata["batch_norm_eps"]))
    generator.load_state_dict(safetensors.load_file(model))
    generator.eval()
    difference = (generator(noise, labels) - images).abs().max().item()
    if not difference < common.TOLERANCE:
        wrong.append(f"PyTorch's generator differs by {difference}")
    print("\n".join(wrong))
    print(f"{name}: {len(labels)} images in batches of 1, 7 and 64; PyTorch's generator differs by {difference:.1e}")
    return not wrong


def picture(program, folder, path):
    from PIL import Image

    model, _, labels, noise = draw(program, folder, os.environ["MODEL"])
    images = session_of(model).run(None, {"noise": noise.numpy(), "label": labels.numpy()})[0]
    side, rows = int(images.shape[1] ** 0.5), len(labels) // PER_CLASS
    grid = images.reshape(rows, PER_CLASS, side, side)[:, :10].transpose(0, 2, 1, 3).reshape(rows * side, -1)
    Image.fromarray(((grid + 1) * 127.5).astype("uint8")).save(path)


with tempfile.TemporaryDirectory() as work:
    if len(sys.argv) > 2:
        picture(sys.argv[1], work, sys.argv[2])
    else:
        write_data(work)
        sys.exit(not all([check(sys.argv[1], work, name) for name in NETWORKS]))
