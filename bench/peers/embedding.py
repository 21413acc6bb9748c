"""The embedding step (bench/README.md) in one library: embedding.py torch|fbgemm|jax. serve.py has the commands.

A workload is the name of the case in reel_bench, of which the optimizer counts.
"""

import itertools
import logging
import math
import os
import sys

from serve import serve

THREADS = int(os.environ.get("OMP_NUM_THREADS", "1"))


def torch_steps():
    import torch

    torch.set_num_threads(THREADS)

    def load(optim, table, indices, target):
        embedding = torch.nn.Embedding.from_pretrained(torch.from_numpy(table), freeze=False, sparse=True)
        target = torch.from_numpy(target)
        batches = itertools.cycle(torch.from_numpy(indices))
        if optim == "sgd":
            optimizer = torch.optim.SGD(embedding.parameters(), lr=100)
        else:
            optimizer = torch.optim.SparseAdam(embedding.parameters())
        count = 0

        def step():
            nonlocal count
            count += 1
            if optim == "lazy_adam":
                # It adds eps before it corrects the bias of the second moment, Adam and reel after; so they are equal.
                optimizer.param_groups[0]["eps"] = 1e-8 * math.sqrt(1 - 0.999**count)
            optimizer.zero_grad(set_to_none=True)
            loss = torch.nn.functional.mse_loss(embedding(next(batches)), target)
            loss.backward()
            optimizer.step()
            return (loss.item(),)

        return step

    return f"PyTorch {torch.__version__}", load


def fbgemm_steps():
    logging.disable(logging.CRITICAL)  # it warns at length about every version of torch that it does not know
    import fbgemm_gpu
    import torch
    from fbgemm_gpu.split_embedding_configs import EmbOptimType, SparseType
    from fbgemm_gpu.split_table_batched_embeddings_ops_common import EmbeddingLocation, PoolingMode
    from fbgemm_gpu.split_table_batched_embeddings_ops_training import (
        ComputeDevice,
        SplitTableBatchedEmbeddingBagsCodegen,
    )

    torch.set_num_threads(THREADS)

    def load(optim, table, indices, target):
        rows, columns = table.shape
        embedding = SplitTableBatchedEmbeddingBagsCodegen(
            [(rows, columns, EmbeddingLocation.HOST, ComputeDevice.CPU)],
            optimizer={"sgd": EmbOptimType.EXACT_SGD, "rowwise_adagrad": EmbOptimType.EXACT_ROWWISE_ADAGRAD}[optim],
            learning_rate=100 if optim == "sgd" else 0.01,
            eps=1e-10,
            weights_precision=SparseType.FP32,
            pooling_mode=PoolingMode.SUM,
        )
        embedding.split_embedding_weights()[0].copy_(torch.from_numpy(table))
        target = torch.from_numpy(target)
        batches = itertools.cycle(torch.from_numpy(indices))
        offsets = torch.arange(len(target) + 1)  # bags of one row

        def step():
            loss = torch.nn.functional.mse_loss(embedding(next(batches), offsets), target)
            loss.backward()  # the optimizer's step is part of it
            return (loss.item(),)

        return step

    return f"FBGEMM {fbgemm_gpu.__version__}, PyTorch {torch.__version__}", load


def jax_steps():
    import jax
    import jax.numpy as jnp

    def load(optim, table, indices, target):
        # By hand: the gradient with respect to the looked-up rows, scattered into the donated table. grad with respect
        # to the table would make a dense one.
        def update(table, batch, target):
            loss, grad = jax.value_and_grad(lambda x: jnp.mean((x - target) ** 2))(table[batch])
            return table.at[batch].add(-100 * grad), loss

        update = jax.jit(update, donate_argnums=0)
        table, target = jnp.array(table), jnp.asarray(target)
        batches = itertools.cycle([jnp.asarray(batch.astype("int32")) for batch in indices])

        def step():
            nonlocal table
            table, loss = update(table, next(batches), target)
            table.block_until_ready()
            return (loss,)

        return step

    return f"JAX {jax.__version__}", load


def start():
    version, load = {"torch": torch_steps, "fbgemm": fbgemm_steps, "jax": jax_steps}[sys.argv.pop(1)]()

    def load_case(case, groups):
        (table,) = groups["0"].values()
        return load(case.rpartition(":")[2], table, groups["data"]["indices"], groups["data"]["target"])

    return version, load_case


if __name__ == "__main__":
    serve(start)
