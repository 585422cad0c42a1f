"""What a diagram means: its matrix, entry by entry. The reference that everything else is tested against."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eqsynth.diagram import Diagram
from eqsynth.errors import GroupError
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

    Entry (I, J) is 1 where the indices agree inside every block, else 0. Rows are output index
    tuples, columns input index tuples, first axis most significant.
    """
    import numpy as np

    if group.family not in ("S", "O"):
        raise GroupError(f"the diagrams of {group} have no meaning here yet: ask for S(n) or O(n)")
    total = diagram.outputs + diagram.inputs
    filled = np.zeros((n,) * total, np.int64)
    index = np.indices((n,) * len(diagram.blocks)).reshape(len(diagram.blocks), n ** len(diagram.blocks))
    filled[tuple(index[label] for label in diagram.labels)] = 1
    return filled.reshape(n**diagram.outputs, n**diagram.inputs)
