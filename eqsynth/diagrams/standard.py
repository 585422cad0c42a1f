"""Standard diagrams of O(n), SO(n), Sp(n), B(n), GL(n) and SL(n): a basis at every n that no linear algebra chooses.

They are the standard monomials of invariant theory: what no leading term of a vanishing minor divides.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations

from eqsynth.diagrams.diagram import Diagram
from eqsynth.families.group import Group


def standard(group: Group, outputs: int, inputs: int) -> Iterator[Diagram]:
    """The standard diagrams of a group that has some, n a number: those alone, always in the same order.

    >>> from eqsynth import Group
    >>> from eqsynth.diagrams.standard import standard
    >>> [d.formula() for d in standard(Group("O", 1), 2, 2)]
    ['y[a,b] += x[b,a]']
    >>> sum(1 for _ in standard(Group("O", 3), 5, 5))
    603

    A diagram is an involution of its vertices: the two of a pair exchange places, those of a head stay. Written as a
    word it has no increasing subsequence longer than n (O and SO), or no decreasing one (Sp). So O(n) has matchings
    with no n + 1 pairs of which none lies inside another, SO(n) also such diagrams with a head, Sp(n) matchings with
    no n/2 + 1 pairs nested in one another. B(n) has any single vertices, and standard diagrams of O(n-1) on the others.

    By Robinson and Schensted involutions are standard tableaux, with as many columns as the longest increasing
    subsequence has letters, as many rows as the longest decreasing one, and as many odd columns as vertices stay
    (Schützenberger). These tableaux are listed, and each is read as its involution (Beissinger).

    Why they are independent: pairs and the n vertices of a head fall into n colours, each of pairs nested in one
    another, with a vertex of the head in the middle where there is a head (Dilworth). At the index tuple that has
    the colour at each vertex the diagram is 1 or -1. Any other diagram that is not zero there has pairs within the
    colours and a vertex of the head in each, so the sum of the squares of the lengths of its pairs is smaller:
    evaluated at these tuples the diagrams are triangular. For Sp(n) there are n/2 colours, each of pairs of which
    none lies inside another (Mirsky), the tuple has the two basis vectors of the colour at their ends, and the sum is
    larger. Heads and matchings are independent of each other: O(n) tells them apart. Why they are complete: their
    number is the dimension.

    Where vertices lie on two sides of a wall (GL(n), SL(n), U(n), SU(n)), a diagram is a permutation: where each vertex
    on the left goes on the right, those of each head to n places more, behind all others, in order. It has no
    increasing subsequence longer than n, which leaves one order of the heads: the i-th vertex of a later head is left
    of that of an earlier one. So these are pairs of tableaux with at most n columns (Robinson and Schensted), in one of
    which the n numbers of each head, one head after the other, end a column each. Why they are independent: the letters
    fall into n decreasing subsequences, one colour each (Dilworth), each with one vertex of each head. At the index
    tuple of the colours (:func:`colours`) only diagrams that keep them are not zero, and the one that decreases within
    each colour has the least sum of products of places with letters, those of a head being equal (rearrangement
    inequality).

    Source: arXiv 1504.02586 and 1408.3592 for the bases; Beissinger, Similar constructions for Young tableaux and
    involutions (1987), for the reading.
    """
    total = outputs + inputs
    if group.sides is not None:
        yield from _walled(group, outputs, inputs)
        return
    for count in range(total, -1, -1) if group.singles else (0,):
        shapes = [*group.standard_shapes(total - count)]
        for alone in combinations(range(total), count):
            for shape in shapes:
                for rows in _tableaux(shape):
                    yield _read(outputs, inputs, rows, alone)


def word(diagram: Diagram) -> tuple[int, ...]:
    """A diagram of pairs and single vertices as an involution: where each vertex goes.

    >>> from eqsynth import Diagram
    >>> from eqsynth.diagrams.standard import word
    >>> word(Diagram(2, 1, ((0, 2), (1,)), head=(1,)))
    (2, 1, 0)
    """
    images = [0] * (diagram.outputs + diagram.inputs)
    for block in diagram.blocks:
        for vertex, to in zip(block, reversed(block), strict=True):
            images[vertex] = to
    return tuple(images)


def longest(letters: Iterable[int]) -> int:
    """The length of the longest increasing subsequence of different numbers, by patience sorting.

    >>> from eqsynth.diagrams.standard import longest
    >>> longest([2, 0, 1, 3]), longest([]), longest([2, 1, 0])
    (3, 0, 1)
    """
    tops: list[int] = []
    for letter in letters:
        place = bisect_left(tops, letter)
        tops[place : place + 1] = [letter]
    return len(tops)


def excess(group: Group, diagram: Diagram) -> str:
    """Why a diagram of the group is not standard; empty where it is.

    >>> from eqsynth import Diagram, Group
    >>> from eqsynth.diagrams.standard import excess
    >>> excess(Group("O", 1), Diagram(2, 2, ((0, 1), (2, 3))))
    'its word has an increasing subsequence of 2, longer than n = 1'

    Decided from the diagram alone: nothing is listed, and no tableau is made.
    """
    letters = word(diagram) if group.sides is None else _letters(group.sides, diagram)
    if group.singles:
        tied = {diagram.blocks[number][0] for number in diagram.head}
        letters = tuple(letter for place, letter in enumerate(letters) if letter != place or place in tied)
    falling = group.symplectic
    length = longest(reversed(letters) if falling else letters)
    if length <= group.standard_size:
        return ""
    kind = "a decreasing" if falling else "an increasing"
    size = f"n = {group.n}" if group.standard_size == group.n else f"{group.standard_size}, which is n - 1"
    return f"its word has {kind} subsequence of {length}, longer than {size}"


def _letters(sides: Sequence[bool], diagram: Diagram) -> tuple[int, ...]:
    """A diagram across a wall as a permutation: where each vertex of one side goes, those of a head behind all others.

    >>> from eqsynth.diagrams.standard import _letters
    >>> _letters([True, False, True], Diagram(3, 0, ((0,), (1, 2)), head=(0,)))
    (1, 0)
    """
    # The side that has the head, or else the left one.
    side = sides[diagram.blocks[diagram.head[0]][0]] if diagram.head else True
    others = {vertex: place for place, vertex in enumerate(v for v, own in enumerate(sides) if own != side)}
    images = {v: others[w] for block in diagram.blocks for v in block for w in block if sides[v] == side != sides[w]}
    tied = [diagram.blocks[number][0] for number in diagram.head]
    images |= {vertex: len(others) + place for place, vertex in enumerate(tied)}
    return tuple(images[v] for v, own in enumerate(sides) if own == side)


def colours(sides: Sequence[bool], diagram: Diagram) -> tuple[int, ...]:
    """For each vertex of a standard diagram across a wall its colour: an index tuple at which the diagram is not zero.

    >>> from eqsynth import Diagram
    >>> from eqsynth.diagrams.standard import colours
    >>> colours([True, True, False, False], Diagram(4, 0, ((0, 3), (1, 2))))
    (0, 0, 0, 0)

    That of a letter is the length of the longest increasing subsequence that ends there, less 1.
    """
    tops: list[int] = []
    of_vertex: dict[int, int] = {}
    side = sides[diagram.blocks[diagram.head[0]][0]] if diagram.head else True
    for vertex, letter in zip((v for v, own in enumerate(sides) if own == side), _letters(sides, diagram), strict=True):
        place = bisect_left(tops, letter)
        tops[place : place + 1] = [letter]
        of_vertex[vertex] = place
    ends = {v: of_vertex[w] for block in diagram.blocks for v in block for w in block if w in of_vertex}
    return tuple(ends[vertex] for vertex in range(len(sides)))


def _walled(group: Group, outputs: int, inputs: int) -> Iterator[Diagram]:
    """The standard diagrams across a wall, from pairs of tableaux of one shape."""
    sides = group.sides or ()
    left, right = ([v for v, own in enumerate(sides) if own == side] for side in (True, False))
    more, fewer = (left, right) if len(left) >= len(right) else (right, left)
    tied = len(more) - len(fewer)
    heads = tied // group.number
    for shape in group.standard_shapes(len(sides)):
        recorded = [[[*row] for row in rows] for rows in _tableaux(shape)]
        for rows in _tableaux(shape[heads:]):
            inserted = [[*row] for row in (*rows, *[()] * heads)]
            for place in range(tied):
                # The numbers of each head, one at the end of each column.
                column = place % group.number
                next(row for row in inserted if len(row) == column).append(len(fewer) + place)
            for record in recorded:
                yield _across(outputs, inputs, more, fewer, _permutation(inserted, record))


def _permutation(inserted: Sequence[Sequence[int]], recorded: Sequence[Sequence[int]]) -> list[int]:
    """The permutation of two tableaux of one shape, by the insertion of Robinson and Schensted read backwards.

    >>> from eqsynth.diagrams.standard import _permutation
    >>> _permutation([[0, 2], [1]], [[0, 1], [2]])
    [1, 2, 0]
    """
    rows = [list(row) for row in inserted]
    at = {number: place for place, row in enumerate(recorded) for number in row}
    letters = []
    for last in range(len(at) - 1, -1, -1):
        letter = rows[at[last]].pop()
        for row in reversed(rows[: at[last]]):
            place = bisect_right(row, letter) - 1
            row[place], letter = letter, row[place]
        letters.append(letter)
    return letters[::-1]


def _across(outputs: int, inputs: int, more: Sequence[int], fewer: Sequence[int], letters: Sequence[int]) -> Diagram:
    """The diagram that joins vertices with those of the other side, those whose letter is none of them on a head."""
    joined = [(v, fewer[letter]) if letter < len(fewer) else (v,) for v, letter in zip(more, letters, strict=True)]
    blocks = tuple(sorted(tuple(sorted(block)) for block in joined))
    tied = sorted((letter, v) for v, letter in zip(more, letters, strict=True) if letter >= len(fewer))
    return Diagram(outputs, inputs, blocks, head=tuple(blocks.index((v,)) for _, v in tied))


def _tableaux(shape: Sequence[int]) -> Iterator[list[list[int]]]:
    """Every standard tableau of a shape with the numbers from 0, as rows, which change when the next is asked for."""
    total = sum(shape)
    rows: list[list[int]] = [[] for _ in shape]
    placed: list[int] = []
    row = 0
    while True:
        if len(placed) == total:
            yield rows
            row = len(shape)
        while row < len(shape) and (len(rows[row]) == shape[row] or (row > 0 and len(rows[row]) == len(rows[row - 1]))):
            row += 1
        if row < len(shape):
            rows[row].append(len(placed))
            placed.append(row)
            row = 0
        elif placed:
            row = placed.pop()
            rows[row].pop()
            row += 1
        else:
            return


def _read(outputs: int, inputs: int, tableau: Sequence[Sequence[int]], alone: Sequence[int]) -> Diagram:
    """The diagram of a tableau: the largest number ends in the first row, a fixed point, or below its partner.

    The numbers of the tableau are those of the vertices besides ``alone``, which are blocks of their own.
    """
    rows = [list(row) for row in tableau]
    blocks: list[tuple[int, ...]] = []
    others = [vertex for vertex in range(outputs + inputs) if vertex not in alone]
    for last in range(len(others) - 1, -1, -1):
        at = next((number for number, row in enumerate(rows) if row and row[-1] == last), -1)
        if at < 0:
            continue  # it is the partner of a larger one
        rows[at].pop()
        if at == 0:
            blocks.append((last,))
            continue
        # What was inserted before it: the last bumped number goes back up, row by row.
        bumped = rows[at - 1].pop()
        for row in reversed(rows[: at - 1]):
            place = bisect_right(row, bumped) - 1
            row[place], bumped = bumped, row[place]
        blocks.append((bumped, last))
    blocks = sorted(
        [*(tuple(others[number] for number in block) for block in blocks), *((vertex,) for vertex in alone)]
    )
    head = tuple(number for number, block in enumerate(blocks) if len(block) == 1 and block[0] not in alone)
    return Diagram(outputs, inputs, tuple(blocks), head=head)
