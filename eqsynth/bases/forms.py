"""Invariant bilinear forms: what plays the part of the dot product for each group, exact."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from eqsynth.bases.basis import basis
from eqsynth.errors import ActivationError, SizeError
from eqsynth.families.group import Group
from eqsynth.spaces.space import Decomposed, Irrep

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Form:
    """A bilinear form B with B(g x, g y) = B(x, y) for every element g of a group.

    >>> from eqsynth import Group
    >>> form(Group.parse("O(3)"))
    Form(kind='delta', rows=(), sign=1, definite=True)
    >>> form(Group.parse("Sp(n)"))
    Form(kind='omega', rows=(), sign=-1, definite=False)

    ``kind`` is ``delta`` (the dot product), ``hermitian`` (that with the conjugate of one factor), ``omega`` (the
    symplectic form), ``eta`` (the signs on its diagonal are the one row) or ``table``, whole numbers in ``rows``.
    ``sign`` is 1 for B(x, y) = B(y, x) and -1 for B(x, y) = -B(y, x). Where ``definite``, B(x, x) > 0 unless x = 0.
    ``share``: the number of coordinates of symmetric tensors, and of the entries of full ones; (1, 1) where they are
    the same.
    """

    kind: str
    rows: tuple[tuple[int, ...], ...]
    sign: int
    definite: bool
    share: tuple[int, int] = field(default=(1, 1), repr=False)


@lru_cache(maxsize=256)
def form(group: Group) -> Form | None:
    """The form of a group that is no product; None where it has none.

    >>> from eqsynth import MatrixGroup
    >>> boost = [[0, 1], [1, 0]]
    >>> form(MatrixGroup([], [boost]))
    Form(kind='table', rows=((-1, 0), (0, 1)), sign=1, definite=False)

    For groups of matrices: the dot product if they keep it, else the invariant form nearest to it if that is positive
    definite, else the first symmetric or else alternating form of ``eq.basis(group, 2, 0)``, one of full rank first.
    """
    match group.form:
        case "omega":
            return Form("omega", (), -1, False)
        case "eta":
            p, q = group.signature or (0, 0)
            return Form("eta", ((1,) * p + (-1,) * q,), 1, False)
        case "delta":
            return Form("delta", (), 1, True)
        case "hermitian":
            return Form("hermitian", (), 1, True)
        case "none":
            return None
        case _:
            return _form_of_matrices(group)


def form_of_coordinates(group: Group, one: Irrep | Decomposed) -> Form:
    """The form of the coordinates of an irrep, or of all of a tensor: the dot product, since they are orthonormal.

    Raises ActivationError for Sp(n), whose form is known for the entries of tensors alone.
    """
    if group.form != "delta" and one.order:
        what = f"the irrep {one}" if isinstance(one, Irrep) else str(one)
        raise ActivationError(
            f"the form that {group} keeps is not known in the coordinates of {what}: use eq.nn.Gated with "
            f"gates of order 0, or tensors of order {one.order}"
        )
    n, symmetric = group.n, isinstance(one, Decomposed) and one.kind
    share = (one.length(int(n)), int(n) ** one.order) if symmetric else (1, 1)
    return Form("delta", (), 1, True, share)


def _form_of_matrices(group: Group) -> Form | None:
    n = int(group.n)
    try:
        invariants = basis(group, 2, 0)
    except SizeError:
        return None
    matrices = [matrix.reshape(n, n) for matrix in invariants.matrices()] if len(invariants) else []
    symmetric = [matrix + matrix.T for matrix in matrices if (matrix + matrix.T).any()]
    alternating = [matrix - matrix.T for matrix in matrices if (matrix - matrix.T).any()]
    near = _nearest_to_one(symmetric)
    if near is not None and _positive(near):
        return _table(near, 1, True)
    signed = [(matrix, 1) for matrix in symmetric] + [(matrix, -1) for matrix in alternating]
    signed.sort(key=lambda pair: _determinant(pair[0]) == 0)
    return _table(*signed[0], False) if signed else None


def _table(matrix: NDArray[Any], sign: int, definite: bool) -> Form:
    from math import gcd

    entries = [int(entry) for entry in matrix.ravel()]
    common = gcd(*entries)
    return Form("table", tuple(tuple(int(entry) // common for entry in row) for row in matrix), sign, definite)


def _determinant(matrix: NDArray[Any]) -> int:
    import flint

    return int(flint.fmpz_mat([[int(entry) for entry in row] for row in matrix]).det())


def _positive(matrix: NDArray[Any]) -> bool:
    """By Sylvester's criterion: every leading minor is positive."""
    return all(_determinant(matrix[:k, :k]) > 0 for k in range(1, len(matrix) + 1))


def _nearest_to_one(matrices: list[NDArray[Any]]) -> NDArray[Any] | None:
    """A multiple of the orthogonal projection of the unit matrix to the span of symmetric matrices."""
    import flint
    import numpy as np

    independent: list[NDArray[Any]] = []
    for matrix in matrices:
        rows = [[int(entry) for entry in candidate.ravel()] for candidate in (*independent, matrix)]
        if flint.fmpz_mat(rows).rank() == len(rows):
            independent.append(matrix)
    if not independent:
        return None
    gram = [[int((a.astype(object) * b.astype(object)).sum()) for b in independent] for a in independent]
    traces = [[int(matrix.trace())] for matrix in independent]
    weights = flint.fmpz_mat(gram).solve(flint.fmpz_mat(traces))
    values = [weights[place, 0] for place in range(len(independent))]
    common = 1
    for value in values:
        common = int(flint.fmpz(common).lcm(value.q))
    whole = [int((value * common).p) for value in values]
    total = sum((w * m.astype(object) for w, m in zip(whole, independent, strict=True)), np.zeros((1, 1), object))
    return np.asarray(total)
