"""A checkpoint of several ranks (reel_mpi_save) in PyTorch: torch.distributed.checkpoint's HuggingFaceStorageReader
loads it, plain safetensors reads its files, and what HuggingFaceStorageWriter's parts look like is loaded again.

    checkpoint.py PROGRAM COMMAND...    tests/mpi/save.c, and how to start it at several ranks
"""

import json
import os
import subprocess
import sys
import tempfile

from common import modules

torch, safetensors, checkpoint = modules("torch", "safetensors.torch", "torch.distributed.checkpoint")
try:
    from torch.distributed.checkpoint import HuggingFaceStorageReader
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)

TABLE = 'a "table".weight'


def run(*arguments):
    subprocess.run([*sys.argv[2:], sys.argv[1], *arguments], check=True)


def parts(folder):
    """Every tensor of a folder's files, its parts put together in the order of the files' names."""
    found = {}
    for name in sorted(os.listdir(folder)):
        if name.endswith(".safetensors"):
            for key, value in safetensors.load_file(os.path.join(folder, name)).items():
                found.setdefault(key, []).append(value)
    return {key: torch.cat(values) if values[0].dim() else values[0] for key, values in found.items()}


with tempfile.TemporaryDirectory() as work:
    run("write", work)
    folder = os.path.join(work, "latest")
    files = [name for name in os.listdir(folder) if name.endswith(".safetensors")]
    assert len(files) == 4, files

    # Element j of row i of the table is i + j / 4.
    want = torch.arange(37).reshape(37, 1) + torch.arange(3) / 4
    together = parts(folder)
    assert torch.equal(together[TABLE], want), together[TABLE]
    state = {key: torch.zeros_like(value) for key, value in together.items()}
    checkpoint.load(state, storage_reader=HuggingFaceStorageReader(folder), no_dist=True)
    for key, value in together.items():
        assert torch.equal(state[key], value), key
    assert set(state) == {TABLE, "small.weight", "half.weight", "scale", "count"}, set(state)
    assert state["half.weight"].dtype == torch.bfloat16

    with open(os.path.join(folder, "model.safetensors.index.json"), encoding="utf-8") as index:
        index = json.load(index)
    assert set(index["weight_map"]) == set(state), index
    assert index["metadata"]["total_size"] == sum(v.numel() * v.element_size() for v in state.values()), index
    for key, name in index["weight_map"].items():
        assert key in safetensors.load_file(os.path.join(folder, name)), (key, name)
    run_state = parts(os.path.join(folder, "run"))
    assert run_state[f"optim/state/{TABLE}/momentum_buffer"].shape == want.shape
    assert run_state["rng/state"].shape == (5056,)

    # The other way: parts of PyTorch's, here of three, cut elsewhere than reel cuts them.
    other = os.path.join(work, "torch")
    os.mkdir(other)
    offsets = {key: {"saved_offsets": [0] * value.dim()} for key, value in state.items()}
    for k, (first, end) in enumerate([(0, 5), (5, 30), (30, 37)]):
        held = {TABLE: want[first:end].float().contiguous()}
        held |= {key: value for key, value in state.items() if key != TABLE and k == 0}
        offsets[TABLE] = {"saved_offsets": [first, 0]}
        metadata = {"DCP_VERSION": "1.0", "DCP_SHARDING_INFO": json.dumps({key: offsets[key] for key in held})}
        path = os.path.join(other, f"shard-{k + 1:05}-model-00001-of-00001.safetensors")
        safetensors.save_file(held, path, metadata)
    run("read", other)
print("a checkpoint of four ranks read by PyTorch, and parts of PyTorch's by four ranks")
