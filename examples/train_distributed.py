"""One training script for one process or many: data parallel, in shards, or with channels split.

usage: python examples/train_distributed.py [STEPS] [WAY]

    torchrun --nproc-per-node 2 examples/train_distributed.py 200 ddp
    torchrun --nproc-per-node 2 examples/train_distributed.py 200 fsdp
    torchrun --nproc-per-node 2 examples/train_distributed.py 200 channels

The network reads a graph and counts its triangles. What changes between one process and many is `prepared`: the
network itself, its weights and what it learns stay the same, so that the four runs print the same errors.

- ``ddp`` (DistributedDataParallel): every process has the whole network and its own part of each batch.
- ``fsdp`` (fully_shard): so, too, but each process keeps only a part of every weight between uses.
- ``channels`` (tensor parallelism): every process sees the whole batch, and computes some of the channels.
"""

from __future__ import annotations

import os
from argparse import ArgumentParser

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor.parallel import parallelize_module
from torch.nn.parallel import DistributedDataParallel

import eqsynth as eq


def network() -> nn.Module:
    """From adjacency matrices (batch, n, n, 1) to a number per graph (batch, 1)."""
    return eq.nn.MLP("S(n)", ["1x2", "16x2", "16x2", "16x0", "1x0"])


def prepared(net: nn.Module, way: str, mesh: DeviceMesh) -> nn.Module:
    """The same network, made ready for several processes."""
    if way == "ddp":
        return DistributedDataParallel(net)
    if way == "fsdp":
        fully_shard(net, mesh=mesh)
        return net
    if way == "channels":
        return parallelize_module(net, mesh, eq.nn.parallel_plan(net, mesh.size()))
    raise ValueError(f"{way!r} is none of ddp, fsdp and channels")


def graphs(count: int, n: int) -> tuple[Tensor, Tensor]:
    """Random graphs, and how many triangles each has, scaled to numbers near 1."""
    upper = (torch.rand(count, n, n) < torch.rand(count, 1, 1)).float().triu(1)
    x = upper + upper.mT
    triangles = torch.einsum("bij,bjk,bki->b", x, x, x) / 6
    return x.unsqueeze(-1), triangles.unsqueeze(-1) * 12 / n**3


def main(steps: int = 300, way: str = "ddp") -> None:
    """Train, in as many processes as torchrun has started, and print the error on the way."""
    together = "RANK" in os.environ
    if together:
        dist.init_process_group("gloo")  # "nccl", and a mesh of "cuda", where each process has a GPU
    rank, count = (dist.get_rank(), dist.get_world_size()) if together else (0, 1)
    torch.manual_seed(0)  # the same first weights and the same batches everywhere
    net = network()
    if together:
        net = prepared(net, way, init_device_mesh("cpu", (count,)))
    optimizer = torch.optim.Adam(net.parameters(), 3e-3)
    for step in range(1, steps + 1):
        x, y = graphs(64, 8)
        if together and way != "channels":
            x, y = x[rank::count], y[rank::count]  # a part of the batch each: gradients are averaged
        loss = (net(x) - y).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % max(steps // 3, 1) == 0:
            if together:
                dist.all_reduce(loss)
            if rank == 0:
                print(f"step {step}: mean squared error {loss.item() / count:.4f}, in {count} process(es)")
    if together:
        dist.destroy_process_group()


if __name__ == "__main__":
    parser = ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("steps", nargs="?", type=int, help="how many steps to train")
    parser.add_argument("way", nargs="?", choices=("ddp", "fsdp", "channels"), help="how the processes share the work")
    main(**{name: value for name, value in vars(parser.parse_args()).items() if value is not None})
