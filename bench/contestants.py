"""Who takes part in compare.py, in which workloads, and what the ratios are that reel should reach."""

import dataclasses
import pathlib
import sys

PEERS = pathlib.Path(__file__).resolve().parent / "peers"


@dataclasses.dataclass
class Workload:
    case: str  # of reel_bench, without "/threads:N"
    check: str  # the case whose losses are compared
    steps: int  # for which they are
    floors: dict  # {contestant: name after "floor/", without "/threads:N"}
    floor_threads: tuple = (1,)


def _embedding(optim):
    return Workload(
        f"embedding/rows:1000000/optim:{optim}",
        f"embedding/rows:10000/optim:{optim}",
        20,
        {f"by hand, {form}": f"embedding/{form}/rows:1000000/optim:{optim}" for form in ("eager", "fused")},
        (1, 2),
    )


def _deep(case, floors={}):
    return Workload(case, case, 5, floors)


# Roundings grow from step to step, faster in the larger networks: fewer steps of those are compared.
WORKLOADS = {
    "notebook": Workload("notebook", "notebook", 20, {"by hand": "notebook"}),
    "cgan": Workload("cgan", "cgan_no_dropout", 5, {"by hand": "cgan", "by hand, whole": "cgan/whole"}),
    "mlp_small": Workload("mlp_small", "mlp_small", 20, {"by hand": "mlp_small", "by hand, whole": "mlp_small/whole"}),
    "mlp_big": Workload("mlp_big", "mlp_big", 6, {"by hand": "mlp_big", "by hand, whole": "mlp_big/whole"}),
    "conv_gan": _deep("conv_gan", {"by hand": "conv_gan"}),
    "conv_discriminator": _deep("conv_gan/discriminator"),
    "conv_discriminator_penalties": _deep("conv_gan/discriminator/penalties"),
    "gru_gan": _deep("gru_gan"),
    "gru_discriminator": _deep("gru_gan/discriminator"),
    "gru_discriminator_penalties": _deep("gru_gan/discriminator/penalties"),
    "chain": Workload("chain", "chain", 20, {}),
    "embedding_sgd": _embedding("sgd"),
    "embedding_rowwise_adagrad": _embedding("rowwise_adagrad"),
    "embedding_lazy_adam": _embedding("lazy_adam"),
}


@dataclasses.dataclass
class Contestant:
    name: str
    library: str  # for --peer-path
    command: list
    workloads: tuple
    environment: dict = dataclasses.field(default_factory=dict)
    first_step: bool = False  # is timed from the start of the process too
    build: list = None  # what makes its program


def contestants(libtorch):
    """All peers; libtorch is where the program goes that is made of peers/libtorch.cpp."""
    networks = ("notebook", "cgan", "mlp_small", "mlp_big")
    eager = [sys.executable, PEERS / "torch_networks.py"]
    deep = tuple(name for name in WORKLOADS if name.startswith(("conv_", "gru_")))
    embedding = [sys.executable, PEERS / "embedding.py"]
    fresh = {"MALLOC_MMAP_THRESHOLD_": "131072"}
    build = [sys.executable, PEERS / "build_libtorch.py", libtorch]
    return [
        Contestant("PyTorch", "torch", eager, networks + ("chain",), first_step=True),
        Contestant("PyTorch compiled", "torch", eager + ["--compile"], networks),
        Contestant("PyTorch C++", "torch", [libtorch], networks + ("chain",), first_step=True, build=build),
        Contestant("JAX", "jax", [sys.executable, PEERS / "jax_networks.py"], networks, first_step=True),
        Contestant("PyTorch", "torch", [sys.executable, PEERS / "torch_deep.py"], deep),
        Contestant("JAX", "jax", [sys.executable, PEERS / "jax_deep.py"], deep),
        Contestant("PyTorch", "torch", embedding + ["torch"], ("embedding_sgd", "embedding_lazy_adam")),
        Contestant("PyTorch, fresh pages", "torch", embedding + ["torch"], ("embedding_sgd",), fresh),
        Contestant("FBGEMM", "fbgemm", embedding + ["fbgemm"], ("embedding_sgd", "embedding_rowwise_adagrad")),
        Contestant("JAX", "jax", embedding + ["jax"], ("embedding_sgd",)),
    ]


# {(workload, threads, contestant): what its time divided by reel's should be at least}. For mlp the aim is to be faster
# than KANN with OpenBLAS would be, which took 37 and 3,920 us where PyTorch took 421 and 5,840.
TARGETS = {
    ("notebook", 1, "by hand"): 1 / 1.03,
    ("notebook", 1, "PyTorch"): 12,
    ("notebook", 1, "PyTorch C++"): 6,
    ("notebook", 1, "JAX"): 2.2,
    ("cgan", 1, "by hand"): 1 / 1.03,
    ("cgan", 1, "PyTorch"): 1.7,
    ("cgan", 1, "JAX"): 1.1,
    ("cgan", 2, "reel, 1 thread"): 1.7,
    ("cgan", 2, "PyTorch"): 2.8,
    ("cgan", 2, "JAX"): 1.5,
    ("mlp_small", 1, "by hand"): 1 / 1.03,
    ("mlp_small", 1, "PyTorch"): 421 / 37,
    ("mlp_big", 1, "by hand"): 1 / 1.03,
    ("mlp_big", 1, "PyTorch"): 5840 / 3920,
    ("embedding_sgd", 1, "PyTorch"): 6.5,
    ("embedding_sgd", 1, "FBGEMM"): 6.5,
    ("embedding_sgd", 2, "JAX"): 2,
    ("embedding_rowwise_adagrad", 1, "FBGEMM"): 10,
    ("embedding_lazy_adam", 1, "PyTorch"): 6,
}
TARGETS["conv_gan", 1, "by hand"] = 1 / 1.05
for _threads in (1, 2):
    for _peer in ("PyTorch", "JAX"):
        TARGETS["conv_gan", _threads, _peer] = 1 / 0.9
    TARGETS["conv_discriminator_penalties", _threads, "PyTorch"] = 1 / 0.6
    TARGETS["gru_gan", _threads, "PyTorch"] = 1 / 0.4
    TARGETS["gru_discriminator_penalties", _threads, "PyTorch"] = 1 / 0.3
for _optim in ("sgd", "rowwise_adagrad", "lazy_adam"):
    TARGETS[f"embedding_{_optim}", 1, "by hand, eager"] = 1 / 1.15
    TARGETS[f"embedding_{_optim}", 1, "by hand, fused"] = 1 / 1.4

# {(workload, threads, unit): what reel's figure should be at most}
LIMITS = {("chain", 1, "us"): 100, ("first step", 1, "ms"): 20, ("first step", 1, "MB"): 40}
