"""What a diagram means: its matrix, entry by entry. The reference that everything else is tested against."""

from __future__ import annotations

from math import factorial, perm
from typing import TYPE_CHECKING

from eqsynth.diagram import Diagram
from eqsynth.group import Group

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def matrix(group: Group, diagram: Diagram, n: int) -> NDArray[np.int64]:
    """The ``n**outputs x n**inputs`` integer matrix of a diagram.

    >>> from eqsynth import Diagram, Group
    >>> from eqsynth.functor import matrix
    >>> matrix(Group("S", 2), Diagram(1, 1, ((0,), (1,))), 2).tolist()
    [[1, 1], [1, 1]]
    >>> matrix(Group("SO", 2), Diagram(1, 1, ((0,), (1,)), head=(0, 1)), 2).tolist()
    [[0, 1], [-1, 0]]

    Entry (I, J) is 1 where the indices agree inside every block, else 0; times the sign of the
    labels of the head's blocks as a permutation (for n - 1 blocks, of those and the missing label);
    for Sp(n), pairs inside one row carry omega(left, right) in place of agreement, with
    omega(2r, 2r+1) = 1 = -omega(2r+1, 2r). Rows are output index tuples, columns input index tuples,
    first axis most significant.

    Source: arXiv 2212.08648 (S), 2212.08630 (O, SO, Sp), 2301.10152 (A).
    """
    import numpy as np

    total = diagram.outputs + diagram.inputs
    count = len(diagram.blocks)
    label = np.indices((n,) * count).reshape(count, n**count)
    value = np.ones(n**count, np.int64)
    index = [label[number] for number in diagram.labels]
    if group.family == "Sp":
        for block in diagram.blocks:
            left, right = block
            if (left < diagram.outputs) == (right < diagram.outputs):
                # The partner of 2r is 2r + 1 and the other way round.
                value *= 1 - 2 * (index[left] % 2)
                index[right] = index[right] ^ 1
    if diagram.head:
        value *= signs(label[list(diagram.head)], n)
    place = np.zeros(n**count, np.int64)
    for position in index:
        place = n * place + position
    filled = np.zeros(n**total, np.int64)
    np.add.at(filled, place, value)
    return filled.reshape(n**diagram.outputs, n**diagram.inputs)


def signs(labels: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """The Levi-Civita tensor at each column of ``labels``, n rows, or n - 1 where the missing label is last."""
    import numpy as np

    rows, columns = labels.shape
    if rows == n - 1:
        labels = np.concatenate([labels, (n * (n - 1) // 2 - labels.sum(0))[None]])
    found = np.ones(columns, np.int64)
    for later in range(1, n):
        for earlier in range(later):
            found *= np.sign(labels[later] - labels[earlier])
    return found


def terms(group: Group, diagram: Diagram, n: int) -> int:
    """How many entries of the input are added (with signs) in an entry of the output, where it is not zero.

    >>> from eqsynth import Diagram, Group
    >>> from eqsynth.functor import terms
    >>> terms(Group("S", "n"), Diagram(1, 2, ((0, 1), (2,))), 7)
    7
    """
    summed = len(diagram.bottom.dropped)
    if not diagram.head:
        return int(n**summed)
    taken = len(diagram.bottom.head)
    fixed = len(diagram.top.head) + (diagram.through if group.family == "A" else 0)
    return int(n**summed * perm(n - fixed, taken))


def entries(diagram: Diagram, n: int) -> int:
    """How many entries of the matrix are not zero; all of them are 1 or -1."""
    loose = len(diagram.blocks) - len(diagram.head)
    return int(n**loose * (factorial(n) if diagram.head else 1))
