"""Params both ways between reel and PyTorch, for every layer; half precision; and a checkpoint as Python sees it.

    python layers.py PROGRAM
"""

import subprocess
import sys
import tempfile

import common

torch, safetensors = common.modules("torch", "safetensors.torch")
nn = torch.nn
parametrizations = torch.nn.utils.parametrizations


def conditional_batch_norm(features, classes):
    """The statistics of a batch norm, and tables of gains and biases beside them."""
    norm = nn.BatchNorm2d(features, affine=False)
    del norm.bias
    norm.gain, norm.bias = nn.Embedding(classes, features), nn.Embedding(classes, features)
    return norm


def layers():
    """The layers of interop_layers, by name."""
    return nn.ModuleDict(
        {
            "linear": nn.Linear(5, 3),
            "linear_no_bias": nn.Linear(5, 3, bias=False),
            "embedding": nn.Embedding(7, 3),
            "embedding_bag": nn.EmbeddingBag(7, 3),
            "batch_norm1d": nn.BatchNorm1d(4),
            "batch_norm2d": nn.BatchNorm2d(4),
            "layer_norm": nn.LayerNorm((3, 4)),
            "rms_norm": nn.RMSNorm((3, 4)),
            "group_norm": nn.GroupNorm(2, 4),
            "instance_norm1d": nn.InstanceNorm1d(4),
            "instance_norm2d": nn.InstanceNorm2d(4, affine=True, track_running_stats=True),
            "conditional_batch_norm": conditional_batch_norm(4, 3),
            "conv1d": nn.Conv1d(4, 6, 3),
            "conv2d": nn.Conv2d(4, 6, (3, 2), groups=2),
            "conv_transpose1d": nn.ConvTranspose1d(4, 6, 3),
            "conv_transpose2d": nn.ConvTranspose2d(4, 6, (3, 2), groups=2),
            "gru": nn.GRU(5, 4, num_layers=2, bidirectional=True),
            "lstm": nn.LSTM(5, 4, num_layers=2, bidirectional=True),
            "gru_cell": nn.GRUCell(5, 4),
            "lstm_cell": nn.LSTMCell(5, 4),
            "attention": nn.MultiheadAttention(6, 2),
            "cross_attention": nn.MultiheadAttention(6, 2, kdim=3, vdim=5),
            "encoder": nn.TransformerEncoder(
                nn.TransformerEncoderLayer(4, 2, 6), 2, nn.LayerNorm(4), enable_nested_tensor=False
            ),
            "positions": nn.Embedding(7, 3),
            "prelu": nn.PReLU(3),
            "spectral_linear": parametrizations.spectral_norm(nn.Linear(5, 3)),
            "spectral_conv2d": parametrizations.spectral_norm(nn.Conv2d(4, 6, (3, 2), groups=2)),
            "spectral_conv_transpose1d": parametrizations.spectral_norm(nn.ConvTranspose1d(4, 6, 3)),
            "spectral_embedding": parametrizations.spectral_norm(nn.Embedding(7, 3)),
            "weight_conv1d": parametrizations.weight_norm(nn.Conv1d(4, 6, 3)),
            "weight_linear": parametrizations.weight_norm(nn.Linear(5, 3), dim=None),
            "sequential": nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 3)),
        }
    )


def same(a, b):
    return a.keys() == b.keys() and all(a[k].dtype == b[k].dtype and torch.equal(a[k], b[k]) for k in a)


def check(program, folder):
    ours, theirs, back = f"{folder}/ours", f"{folder}/theirs", f"{folder}/back"
    subprocess.run([program, "save", ours], check=True)
    model = layers()
    model.load_state_dict(safetensors.load_file(ours))  # strictly
    assert same(model.state_dict(), safetensors.load_file(ours)), "what PyTorch took is not what reel saved"

    torch.manual_seed(1)
    state = layers().state_dict()
    state["batch_norm1d.running_var"].uniform_()
    state["batch_norm2d.num_batches_tracked"].fill_(1 << 40)
    safetensors.save_file(state, theirs)
    subprocess.run([program, "copy", theirs, back], check=True)
    assert same(state, safetensors.load_file(back)), "what reel took is not what PyTorch saved"

    for half in torch.float16, torch.bfloat16:
        halved = {k: v.to(half) if v.is_floating_point() else v for k, v in state.items()}
        safetensors.save_file(halved, theirs)
        subprocess.run([program, "copy", theirs, back], check=True)
        widened = {k: v.float() if v.is_floating_point() else v for k, v in halved.items()}
        assert same(widened, safetensors.load_file(back)), f"{half} was not widened"

    some = {k: v for k, v in state.items() if not k.startswith("gru")} | {"other": torch.zeros(2)}
    safetensors.save_file(some, theirs)
    refused = subprocess.run([program, "copy", theirs, back], capture_output=True, text=True)
    assert refused.returncode != 0 and "gru.weight_ih_l0" in refused.stderr and "other" in refused.stderr, refused
    subprocess.run([program, "some", theirs, back], check=True)
    loaded = safetensors.load_file(back)
    assert all(torch.equal(loaded[k], v) for k, v in some.items() if k != "other"), "what is not strict"
    assert same({k: loaded[k] for k in loaded if k.startswith("gru")},
                {k: v for k, v in safetensors.load_file(ours).items() if k.startswith("gru")}), "was left alone"

    run = safetensors.load_file(f"{ours}.run")
    model["run"] = nn.Linear(5, 1)
    model.load_state_dict({k: v for k, v in run.items() if "/" not in k})
    assert run["optim/adam/state/run.weight/exp_avg"].shape == (1, 5)
    torch.set_rng_state(run["rng/state"])
    print(f"{len(state)} tensors of {len(layers())} layers, both ways, and a checkpoint of {len(run)}")


with tempfile.TemporaryDirectory() as work:
    check(sys.argv[1], work)
