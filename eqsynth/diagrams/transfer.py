"""Maps that mean the same at every size: which diagrams commute with repeating nodes, and which with nodes of zeros.

A layer whose size n is a letter is a sequence of maps, one for each n, with the same weights. Two ways to enlarge an
input x of size n ask whether the output is enlarged in the same way:

- ``"repeat"``: D repeats every node d times, (D x)[(i,r), (j,s), ...] = x[i, j, ...] with r, s, ... below d; sums are
  divided by n. What commutes with D is a function of the step function that x is, as of a graphon.
- ``"pad"``: P adds nodes of zeros; sums are plain. What commutes with P does not see absent nodes.

**Repeating.** A diagram commutes with D exactly if no block has two output vertices or more. Write L(n) for the map of
a partition with its sums divided by n. Each index of its output is one (i,r) for each output vertex. Sums over
bottom-only blocks run over d times as many equal terms, and are divided by d n. So L(d n) D x, at outputs (i,r), is
[r is constant on the output vertices of each block] (L(n) x)[i]. Where each block has at most one output vertex the
bracket is 1, which is D L(n) x. *And no combination of the others does*: let w be weights, and T the partition that a
diagram makes of the output vertices. Then L(d n) D x is the sum over T of [r is constant on the blocks of T] times the
sum of w L(n) x over the diagrams with that T. The brackets of different T are independent functions of r from d = l
on, and commuting asks that only that of single vertices, which is 1, is left. The diagrams of one T are independent
once n is large, so that w is zero on those of all other T.

**Padding.** A diagram commutes with P exactly if each block with an output vertex has an input vertex, too. Absent
nodes add nothing to sums. Look at outputs where a set U of output vertices has absent nodes as indices, and the others
do not. A block that has an input vertex there reads a zero. So a diagram gives zero but where U is a union of blocks
without inputs; there it gives [the indices of U agree on its blocks] times the map of the diagram without U. Diagrams
without such blocks give zero for each U that is not empty, which is what P L(n) x has there. *And no combination of
the others does*: for each U, the maps that diagrams give there, partitions of U beside diagrams on the other vertices,
are independent once there are enough nodes of either kind, so that w is zero on those where U is a union of blocks.

**Products of inputs.** D and P take a product of tensors to the product of the enlarged tensors, entry by entry:
D (x (x) y) = D x (x) D y. So a bilinear map, read as a linear map f of x (x) y, commutes with D exactly if f does on
products x (x) y, and these span all tensors: the rule is that for f, whose blocks may have vertices of both inputs, and
a sum over an index that both share is divided by n once. A power sees f on x (x) x alone, as it sees the mean of f over
all exchanges of equal inputs. D and P commute with exchanges, and tensors x (x) x span those that exchanges keep, so
that the power commutes exactly if this mean does on all tensors: if it is a combination of diagrams that do. Exchanges
permute inputs, which keeps both conditions. So the mean of a diagram is made of diagrams that all commute, or of such
that none does, and means of different orbits are independent: powers that commute are the combinations of diagrams that
do. The same is true of inputs with symmetries of their own.

Both arguments are about matrices of partitions, whichever of them a family has, and they hold index by index: in
products of groups, and in wreath products, whose axes are two indices, the sizes that are letters grow. They also hold
for signed sums over exchanges of output axes, since exchanges keep the two conditions.

Source: arXiv 2306.06327 (equivariant networks of any dimension), 2505.23599 (which of them carry over between sizes).
"""

from __future__ import annotations

from eqsynth.diagrams.diagram import Diagram, Element
from eqsynth.families.group import Group
from eqsynth.families.hom import TRANSFERS

#: What is said of maps that transfer, in tables.
WORDS = {"repeat": "repeated nodes", "pad": "nodes of zeros"}


def commutes(transfer: str, diagram: Diagram) -> bool:
    """Whether a diagram commutes with ``"repeat"`` or ``"pad"``: a statement about its blocks.

    >>> from eqsynth import Diagram
    >>> from eqsynth.diagrams.transfer import commutes
    >>> column_sums, diagonal = Diagram(1, 2, ((0, 2), (1,))), Diagram(2, 1, ((0, 1, 2),))
    >>> commutes("repeat", column_sums), commutes("pad", column_sums)
    (True, True)
    >>> commutes("repeat", diagonal), commutes("pad", diagonal)
    (False, True)

    A diagram with a head commutes with neither: it is there at one size alone.
    """
    if diagram.head:
        return False
    above = [(sum(vertex < diagram.outputs for vertex in block), len(block)) for block in diagram.blocks]
    if transfer == "repeat":
        return all(outputs <= 1 for outputs, _ in above)
    return all(outputs == 0 or outputs < vertices for outputs, vertices in above)


def transfers(group: Group, element: Element) -> tuple[str, ...]:
    """With which ways to grow a map commutes: ``"repeat"``, ``"pad"``, both or none; none where no size is a letter.

    >>> from eqsynth import Diagram, Group
    >>> from eqsynth.diagrams.transfer import transfers
    >>> spread = Diagram(1, 1, ((0,), (1,)))
    >>> transfers(Group("S", "n"), spread), transfers(Group("S", 3), spread)
    (('repeat',), ())
    >>> transfers(Group.parse("S(n) x O(3)"), (Diagram(1, 1, ((0, 1),)), spread))
    ('repeat', 'pad')

    Sizes that are numbers do not grow, so that all maps on their axes will do.
    """
    pairs = [*zip(group.indices, element, strict=True)] if isinstance(element, tuple) else [(group, element)]
    grown = [(index, part) for index, part in pairs if index.symbolic and isinstance(part, Diagram)]
    return tuple(
        way
        for way in TRANSFERS
        if grown and all(way in index.transfers and commutes(way, part) for index, part in grown)
    )
