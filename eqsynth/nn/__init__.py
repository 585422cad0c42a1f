"""Everything around the linear layer: non-linearities, normalisation, dropout, pooling, networks, batches of graphs.

>>> import torch, eqsynth as eq
>>> net = eq.nn.Sequential(
...     eq.nn.MLP("O(3)", ["4x1", "16x1 + 16x0", "8x1 + 8x0"]),
...     eq.nn.Pool("O(3)", "8x1 + 8x0"),
... )
>>> [y.shape for y in net(torch.randn(5, 3, 4))]
[torch.Size([5, 8]), torch.Size([5, 8])]

Every module here knows its ``group``, ``space_in`` and ``space_out``, takes and gives the channels-last tensors of
eq.Linear, and refuses what would break the symmetry, with the reason and with what to use instead.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from eqsynth.layers.prepared import prepare
from eqsynth.nn.activations import Activation, Gated, NormActivation, Pairings
from eqsynth.nn.frames import Canonicalise, FrameAverage
from eqsynth.nn.networks import MLP, Residual, Sequential
from eqsynth.nn.normalising import BatchNorm, Dropout, LayerNorm, Pool
from eqsynth.nn.padding import Padded, pad, unpad
from eqsynth.nn.points import Message, neighbors
from eqsynth.nn.polynomials import GraphPolynomials, count_homomorphisms
from eqsynth.nn.pyg import from_pyg, to_pyg
from eqsynth.nn.sparse import Sparse

if TYPE_CHECKING:
    from eqsynth.nn.parallel import (
        ChannelwiseParallel,
        ColwiseParallel,
        ReplicateParallel,
        RowwiseParallel,
        parallel_plan,
    )
    from eqsynth.nn.projection import equivariance_gap, project, project_

#: Loaded when they are first used: torch.distributed takes as long to import as all the rest, exact algebra some time.
_LATER = {
    **dict.fromkeys(
        ("ChannelwiseParallel", "ColwiseParallel", "ReplicateParallel", "RowwiseParallel", "parallel_plan"), "parallel"
    ),
    **dict.fromkeys(("equivariance_gap", "project", "project_"), "projection"),
}

__all__ = [
    "MLP",
    "Activation",
    "BatchNorm",
    "Canonicalise",
    "ChannelwiseParallel",
    "ColwiseParallel",
    "Dropout",
    "FrameAverage",
    "Gated",
    "GraphPolynomials",
    "LayerNorm",
    "Message",
    "NormActivation",
    "Padded",
    "Pairings",
    "Pool",
    "ReplicateParallel",
    "Residual",
    "RowwiseParallel",
    "Sequential",
    "Sparse",
    "count_homomorphisms",
    "equivariance_gap",
    "from_pyg",
    "neighbors",
    "pad",
    "parallel_plan",
    "prepare",
    "project",
    "project_",
    "to_pyg",
    "unpad",
]


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'eqsynth.nn' has no attribute {name!r}")
    return getattr(import_module(f"eqsynth.nn.{_LATER[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
