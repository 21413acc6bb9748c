"""The embedding step (bench/README.md) in PyTorch, FBGEMM and JAX: median microseconds of a step.

    python3 bench/peers/embedding.py [--rows 1000000] [--threads 1] [--steps 200] [--only torch_sgd,jax_sgd]

Prints a line "name rows threads microseconds" for each, and says what is skipped because it is not installed. With two
threads, run it under `taskset -c 0,1`; JAX takes as many threads as it has cores.
"""

import argparse
import logging
import os
import statistics
import sys
import time

COLUMNS, BATCH, BATCHES = 64, 16384, 64


def zipf_batches(np, rows):
    """Zipf's law with exponent 1.2 over all rows, scattered over the table by a prime."""
    below = np.cumsum(np.arange(1, rows + 1, dtype=np.float64) ** -1.2)
    u = np.random.default_rng(1).random((BATCHES, BATCH)) * below[-1]
    return np.minimum(np.searchsorted(below, u), rows - 1) * 2654435761 % rows


def median_step(step, steps):
    for i in range(max(10, steps // 10)):
        step(i)
    times = []
    for i in range(steps):
        start = time.perf_counter()
        step(i)
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1e6


def torch_step(kind):
    def make(np, rows):
        import torch

        table = torch.nn.Embedding(rows, COLUMNS, sparse=True)
        target = torch.rand(BATCH, COLUMNS) * 2 - 1
        index = torch.from_numpy(zipf_batches(np, rows))
        optim = {
            "sgd": lambda: torch.optim.SGD(table.parameters(), lr=100),
            "sparse_adam": lambda: torch.optim.SparseAdam(table.parameters()),
            "adagrad": lambda: torch.optim.Adagrad(table.parameters()),
        }[kind]()

        def step(i):
            optim.zero_grad()
            torch.nn.functional.mse_loss(table(index[i % BATCHES]), target).backward()
            optim.step()

        return step, "torch " + torch.__version__

    return make


def fbgemm_step(kind):
    def make(np, rows):
        logging.disable(logging.CRITICAL)  # it warns at length about every version of torch that it does not know
        import fbgemm_gpu
        import torch
        from fbgemm_gpu.split_embedding_configs import EmbOptimType, SparseType
        from fbgemm_gpu.split_table_batched_embeddings_ops_common import EmbeddingLocation, PoolingMode
        from fbgemm_gpu.split_table_batched_embeddings_ops_training import (
            ComputeDevice,
            SplitTableBatchedEmbeddingBagsCodegen,
        )

        optimizer = {"sgd": EmbOptimType.EXACT_SGD, "rowwise_adagrad": EmbOptimType.EXACT_ROWWISE_ADAGRAD}[kind]
        table = SplitTableBatchedEmbeddingBagsCodegen(
            [(rows, COLUMNS, EmbeddingLocation.HOST, ComputeDevice.CPU)],
            optimizer=optimizer,
            learning_rate=100 if kind == "sgd" else 0.01,
            eps=1e-10,
            weights_precision=SparseType.FP32,
            pooling_mode=PoolingMode.SUM,
        )
        table.init_embedding_weights_uniform(-1, 1)
        target = torch.rand(BATCH, COLUMNS) * 2 - 1
        index = torch.from_numpy(zipf_batches(np, rows))
        offsets = torch.arange(BATCH + 1)

        def step(i):
            # The optimizer step is part of backward.
            torch.nn.functional.mse_loss(table(index[i % BATCHES], offsets), target).backward()

        return step, "fbgemm_gpu " + fbgemm_gpu.__version__

    return make


def jax_sgd(np, rows):
    import jax
    import jax.numpy as jnp

    random = np.random.default_rng(2)
    state = {"table": jnp.asarray(random.random((rows, COLUMNS), dtype=np.float32) * 2 - 1)}
    target = jnp.asarray(random.random((BATCH, COLUMNS), dtype=np.float32) * 2 - 1)
    index = [jnp.asarray(batch.astype(np.int32)) for batch in zipf_batches(np, rows)]

    def update(table, batch):
        # By hand: the gradient with respect to the looked-up rows, scattered into the donated table. grad with respect
        # to the table would make a dense one.
        loss, grad = jax.value_and_grad(lambda x: jnp.mean((x - target) ** 2))(table[batch])
        return table.at[batch].add(-100 * grad), loss

    update = jax.jit(update, donate_argnums=0)

    def step(i):
        state["table"], loss = update(state["table"], index[i % BATCHES])
        loss.block_until_ready()
        state["table"].block_until_ready()

    return step, "jax " + jax.__version__


PEERS = {
    "torch_sgd": torch_step("sgd"),
    "torch_sparse_adam": torch_step("sparse_adam"),
    "torch_adagrad": torch_step("adagrad"),
    "fbgemm_sgd": fbgemm_step("sgd"),
    "fbgemm_rowwise_adagrad": fbgemm_step("rowwise_adagrad"),
    "jax_sgd": jax_sgd,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1000000)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--only", default=",".join(PEERS), help="comma-separated: " + ", ".join(PEERS))
    options = parser.parse_args()
    # Before any of the libraries starts its threads.
    os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(options.threads)
    os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=" + ("false" if options.threads == 1 else "true"))
    try:
        import numpy as np
    except ImportError:
        sys.exit("embedding.py: numpy is not installed, and every peer needs it")
    for name in options.only.split(","):
        if name not in PEERS:
            parser.error(f"there is no peer {name}")
        try:
            if not name.startswith("jax"):
                import torch

                torch.set_num_threads(options.threads)
            step, version = PEERS[name](np, options.rows)
        except (ImportError, OSError) as error:
            print(f"{name}: skipped, {error}", file=sys.stderr)
            continue
        print(f"{name} {options.rows} {options.threads} {median_step(step, options.steps):.0f}  # {version}", flush=True)


if __name__ == "__main__":
    main()
