"""The same maps by other packages, where they are installed: ``pip install .[bench]``.

e3nn works in irreducible representations, so a tensor is taken there, mixed, and brought back. EMLP finds a basis by
floating-point null spaces; it is applied as a dense matrix with tied entries.
"""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import eqsynth as eq
from eqsynth.families.representation import generators

#: EMLP is asked for bases of at most this many unknowns, n^(k + l).
MAX_UNKNOWNS = 1_000


class E3nn(nn.Module):
    """x @ Q^T, e3nn's o3.Linear, @ Q, on tensors (batch, channels, n, ..., n): the layout that suits e3nn.

    Q is the change of basis from R^3 x ... x R^3 to irreducible representations, from e3nn's ReducedTensorProducts,
    found once where input and output have the same order. For SO(3) vectors are even, so that parity plays no role.

    Raises ValueError unless there are as many maps as eqsynth has.
    """

    into: Tensor
    back: Tensor

    def __init__(self, layer: eq.Linear) -> None:
        super().__init__()
        from e3nn import o3

        group, found = layer.hom.group, layer.basis[0, 0]
        weight = layer.get_parameter("weight")
        vector = "1o" if group.family == "O" else "1e"
        self.c_out, self.c_in = weight.shape[1:]
        _, inputs, outputs = found.plain()
        irreps_in, into = _change(o3, vector, inputs)
        irreps_out, back = (irreps_in, into) if inputs == outputs else _change(o3, vector, outputs)
        self.spans_in = _spans(irreps_in)
        self.spans_out = _spans([(self.c_out * copies, ir) for copies, ir in irreps_out])
        self.linear = o3.Linear(
            o3.Irreps([(self.c_in * copies, ir) for copies, ir in irreps_in]),
            o3.Irreps([(self.c_out * copies, ir) for copies, ir in irreps_out]),
        ).to(weight.dtype)
        self.register_buffer("into", into.to(weight.dtype).T.contiguous())
        self.register_buffer("back", back.to(weight.dtype).contiguous())
        maps = self.linear.weight.numel() // (self.c_in * self.c_out)
        if maps != len(found):
            raise ValueError(f"e3nn has {maps} maps, eqsynth {len(found)}")

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, 3^k) to (batch, channels, 3^l)."""
        batch = len(x)
        parts = [part.reshape(batch, -1) for part in torch.split(x @ self.into, self.spans_in, -1)]
        mixed = torch.split(self.linear(torch.cat(parts, 1)), self.spans_out, 1)
        return torch.cat([part.reshape(batch, self.c_out, -1) for part in mixed], 2) @ self.back


def alone(peer: E3nn, batch: int) -> tuple[nn.Module, Tensor]:
    """The o3.Linear of a layer without its changes of basis, copies of an irrep side by side, and features for it."""
    from e3nn import o3

    sides = [irreps.sort().irreps.simplify() for irreps in (peer.linear.irreps_in, peer.linear.irreps_out)]
    return o3.Linear(*sides), torch.randn(batch, sides[0].dim)


def _spans(irreps: Any) -> list[int]:
    return [copies * ir.dim for copies, ir in irreps]


def _change(o3: Any, vector: str, order: int) -> tuple[list[tuple[int, Any]], Tensor]:
    """Copies of each irreducible representation in a tensor, and the matrix that takes a tensor to them."""
    if order == 0:
        return [(1, o3.Irrep("0e"))], torch.ones(1, 1)
    if order == 1:
        return [(1, o3.Irrep(vector))], torch.eye(3)
    letters = "ijklmnop"[:order]
    made = o3.ReducedTensorProducts(letters, **dict.fromkeys(letters, vector))
    return [(copies, ir) for copies, ir in made.irreps_out], made.change_of_basis.reshape(-1, 3**order)


def adapted(group: str, order: int) -> dict[str, Tensor]:
    """For each irreducible representation in a tensor over O(3) or SO(3) its copies: (dimension, copies, 3^order)."""
    from e3nn import o3

    irreps, change = _change(o3, "1o" if group == "O(3)" else "1e", order)
    found: dict[str, list[Tensor]] = {}
    for (copies, ir), rows in zip(irreps, torch.split(change, _spans(irreps)), strict=True):
        found.setdefault(str(ir), []).append(rows.reshape(copies, ir.dim, -1).transpose(0, 1))
    return {name: torch.cat(parts, 1) for name, parts in found.items()}


def emlp_basis(layer: eq.Linear) -> tuple[Tensor, float]:
    """EMLP's numerical basis, (maps, n^l, n^k), and the seconds that it took.

    Raises ValueError unless it spans the same maps as eqsynth's basis.
    """
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from emlp.groups import Group
        from emlp.reps import V

    found = layer.basis[0, 0]
    group = found.group
    n = int(group.n)
    _, inputs, outputs = found.plain()
    elements, algebra = generators(group)

    class Same(Group):  # type: ignore[misc]  # EMLP has no types
        def __init__(self) -> None:
            if elements:
                self.discrete_generators = np.stack([np.asarray(g, float) for g in elements])
            if algebra:
                self.lie_algebra = np.stack([np.asarray(a, float) for a in algebra])
            super().__init__(n)

    start = time.perf_counter()
    vector = V(Same())
    columns = np.asarray((vector**inputs >> vector**outputs).equivariant_basis(), float)
    took = time.perf_counter() - start
    ours = found.matrices().reshape(len(found), -1).astype(float)
    outside = ours - ours @ columns @ columns.T
    if columns.shape[1] != len(found) or float(np.abs(outside).max()) > 1e-3:
        raise ValueError(f"EMLP finds {columns.shape[1]} maps, eqsynth {len(found)}, or other ones")
    return torch.from_numpy(columns.T.reshape(-1, n**outputs, n**inputs).copy()), took


def _side(order: int, channels: int) -> str:
    """Tensors of SO(3) as irreps of e3nn and cuEquivariance: each part once for every channel and copy."""
    copies = {0: (1,), 1: (0, 1), 2: (1, 1, 1), 3: (1, 3, 2, 1)}[order]
    return " + ".join(f"{channels * count}x{degree}e" for degree, count in enumerate(copies) if count)


def e3nn_product(
    orders: Sequence[int], out: int, channels: int, full: bool, batch: int
) -> tuple[nn.Module, list[Tensor], int]:
    """e3nn's product of two tensors of SO(3) in irreps, its inputs, and how many weights it has."""
    from e3nn import o3

    first, second, third = (o3.Irreps(_side(order, channels)) for order in (*orders, out))
    if full:
        product = o3.FullyConnectedTensorProduct(first, second, third)
    else:
        paths = [
            (i, j, k, "uuw", True)
            for i, (_, one) in enumerate(first)
            for j, (_, other) in enumerate(second)
            for k, (_, made) in enumerate(third)
            if made in one * other
        ]
        product = o3.TensorProduct(first, second, third, paths)
    return product, [torch.randn(batch, side.dim) for side in (first, second)], product.weight_numel


def cue_product(
    orders: Sequence[int], out: int, channels: int, _: bool, batch: int
) -> tuple[nn.Module, list[Tensor], int]:
    """cuEquivariance's, with copies of an irrep last, and its naive method where there is no GPU."""
    import cuequivariance as cue
    import cuequivariance_torch as cuet

    sides = [cue.Irreps("SO3", _side(order, channels).replace("e", "")) for order in (*orders, out)]
    method = None if torch.cuda.is_available() else "naive"
    product = cuet.FullyConnectedTensorProduct(*sides, layout=cue.ir_mul, internal_weights=True, method=method)
    return product, [torch.randn(batch, side.dim) for side in sides[:2]], product.weight_numel
