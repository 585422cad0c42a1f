"""What groups, spaces and maps are, in plain words, for people who have not met diagrams."""

from __future__ import annotations

from collections.abc import Sequence

from eqsynth.diagram import Diagram, Element, Half, Orbit, Tensor
from eqsynth.group import Group
from eqsynth.space import Order, each

#: What equivariance means for the input of a layer; the output then does the same.
ACTIONS = {
    "S": "relabel the points{} in any way",
    "A": "relabel the points{} by an even permutation",
    "O": "rotate or reflect the coordinates{}",
    "SO": "rotate the coordinates{}",
    "Sp": "change the coordinates{} by a map that keeps the symplectic form ω",
    "Aut": "relabel the vertices{} by a symmetry of the graph",
    "Perm": "move the points{} by a permutation of the group",
    "Matrix": "change the coordinates{} by a matrix of the group",
}


def symmetry(group: Group) -> str:
    """What it means to commute with the group, as a sentence.

    >>> from eqsynth import Group
    >>> from eqsynth.words import symmetry
    >>> symmetry(Group("SO", 3))
    'Rotate the coordinates of the input, and the output changes in the same way.'
    """
    single = len(group.factors) == 1
    done = (
        ACTIONS[factor.family].format(" of the input" if single else f" of the {factor} axes")
        for factor in group.factors
    )
    said = ", or ".join(done)
    return f"{said[0].upper()}{said[1:]}, and the output changes in the same way."


def space(group: Group, order: Order) -> str:
    """A tensor space of one channel as a noun.

    >>> from eqsynth import Group
    >>> from eqsynth.words import space
    >>> [space(Group("O", 3), order) for order in (0, 1, 2, 3)]
    ['one number', 'a vector of 3 numbers', 'a 3 × 3 matrix', 'a 3 × 3 × 3 tensor']
    """
    sizes = [factor.n for factor, count in zip(group.factors, each(order), strict=True) for _ in range(count)]
    if not sizes:
        return "one number"
    if len(sizes) == 1:
        return f"a vector of {sizes[0]} numbers"
    article = "an" if str(sizes[0])[0] in "8fhlmnrsx" or sizes[0] in (11, 18) else "a"
    return f"{article} {' × '.join(map(str, sizes))} {'matrix' if len(sizes) == 2 else 'tensor'}"


def words(group: Group, element: Element) -> str:
    """What a map does, as one or two sentences. Axes count from 0, as in PyTorch.

    >>> import eqsynth as eq
    >>> from eqsynth.words import words
    >>> for diagram in eq.basis("SO(3)", 2, 2):
    ...     print(words(eq.Group("SO", 3), diagram))
    Takes the trace (the sum of the diagonal) and writes it everywhere on the diagonal.
    Copies the input.
    Transposes the input.
    """
    if isinstance(element, tuple):
        said = (
            f"On the {factor} axes: {_lower(words(factor, part))}"
            for factor, part in zip(group.factors, element, strict=True)
        )
        return " ".join(said)
    if isinstance(element, Orbit):
        where = "x" + _at(element.representative[element.outputs :])
        into = "y" + _at(element.representative[: element.outputs])
        return f"Adds {where} to {into}, and does the same at every place that the group moves these indices to."
    if isinstance(element, Tensor):
        return (
            f"Adds multiples of {_count(len({c for _, c, _ in element.entries}), 'input entry', 'input entries')} to "
            f"{_count(len({r for r, _, _ in element.entries}), 'output entry', 'output entries')}, "
            "as the picture of its matrix shows."
        )
    if element.edges or not all(element.blocks):
        return _on_a_graph(element)
    if element.head:
        return _with_a_head(group, element)
    return _plain(group.family == "Sp", element)


def _plain(symplectic: bool, diagram: Diagram) -> str:
    bottom, top = diagram.bottom, diagram.top
    straight = list(diagram.middle) == sorted(diagram.middle)
    if _whole(bottom) and _whole(top):
        if straight:
            return "Copies the input."
        if diagram.inputs == 2:
            return "Transposes the input."
        moves = (f"output axis {place} is input axis {came}" for place, came in enumerate(diagram.middle))
        return f"Reorders the axes: {_list(moves)}."
    read = _read(bottom, diagram.inputs, symplectic)
    if not diagram.outputs:
        return f"Returns {read}."
    where = _written(top, diagram, straight, symplectic)
    if where == "as the output":
        return f"Returns {read}."
    them = "them" if read.endswith("sums") else "it"
    return f"Takes {read} and writes {them} {where}." if diagram.inputs else f"Writes {read} {where}."


def _whole(half: Half) -> bool:
    return all(len(block) == 1 for block in half.blocks) and not half.dropped


def _read(half: Half, order: int, symplectic: bool) -> str:
    """What is left of the input, as a noun."""
    blocks, dropped = half.blocks, half.dropped
    singles = all(len(block) == 1 for block in blocks)
    if not order:
        return "the input number"
    if singles and not dropped:
        return "the input"
    if singles and len(dropped) == order:
        return "the sum of all entries"
    if symplectic and order == 2:
        return "the contraction with ω (the sum of ω[a,b] x[a,b])"
    if order == 2:
        if len(blocks) == 1:
            return "the trace (the sum of the diagonal)" if dropped else "the diagonal"
        return "the row sums" if dropped == (1,) else "the column sums"
    done = []
    for number, block in enumerate(blocks):
        if len(block) == 1:
            if number in dropped:
                done.append(f"summed over axis {block[0]}")
        elif number not in dropped:
            done.append(f"on the diagonal of {_axes(block)}")
        elif symplectic:
            done.append(f"contracted with ω over {_axes(block)}")
        else:
            done.append(f"summed over the diagonal of {_axes(block)}")
    return f"the input {_list(done)}"


def _written(half: Half, diagram: Diagram, straight: bool, symplectic: bool) -> str:
    """Where the output gets it."""
    blocks, dropped, order = half.blocks, half.dropped, diagram.outputs
    singles = all(len(block) == 1 for block in blocks)
    if singles and len(dropped) == order:
        return "at every position"
    if order == 1:
        return "as the output"
    if symplectic and order == 2 and dropped:
        return "times ω: with + and - signs beside the diagonal"
    if order == 2 and len(blocks) == 1:
        return "everywhere on the diagonal" if dropped else "on the diagonal"
    if order == 2 and len(dropped) == 1:
        return "along rows: entry a fills row a" if dropped == (1,) else "along columns: entry b fills column b"
    if singles and not dropped and straight:
        return "as the output"
    said = []
    # The remaining axes of the input, in their order, are called first, second, ... where there are several.
    kept = [number for number in range(len(blocks)) if number in half.kept]
    for place, number in enumerate(kept):
        block = blocks[number]
        which = "" if len(kept) == 1 else f" {_ordinal(diagram.middle[place])}"
        said.append(f"its{which} axis on {'the diagonal of ' if len(block) > 1 else ''}output {_axes(block)}")
    for number in dropped:
        block = blocks[number]
        if len(block) == 1:
            said.append(f"repeated along output {_axes(block)}")
        else:
            said.append(f"{'times ω' if symplectic else 'everywhere on the diagonal'} of output {_axes(block)}")
    return "with " + _list(said) if kept else _list(said)


def _with_a_head(group: Group, diagram: Diagram) -> str:
    tops = [diagram.blocks[block] for block in diagram.head if diagram.blocks[block][0] < diagram.outputs]
    bottoms = [diagram.blocks[block] for block in diagram.head if diagram.blocks[block][-1] >= diagram.outputs]
    if group.family == "A":
        inner = _plain(False, Diagram(diagram.outputs, diagram.inputs, diagram.blocks))
        return (
            f"{inner[:-1]}, but only where all its different indices are different numbers, and times the sign of "
            "these numbers as a permutation."
        )
    given = [block[0] for block in tops]
    taken = [block[0] - diagram.outputs for block in bottoms]
    if not taken:
        said = f"Writes the Levi-Civita tensor ε on output {_axes(given)}"
    elif group.n == 3 and len(taken) == 2:
        said = f"Takes the cross product over input {_axes(taken)} and writes it on output {_axes(given)}"
    elif group.n == 3 and len(taken) == 1:
        said = f"Turns input {_axes(taken)}, a vector v, into the matrix of the cross product with v, on {_axes(given)}"
    elif group.n == 2 and len(taken) == 1:
        said = f"Turns input {_axes(taken)} by 90 degrees and writes it on output {_axes(given)}"
    else:
        said = f"Contracts input {_axes(taken)} with the Levi-Civita tensor ε"
        if given:
            said += f" and writes the result on output {_axes(given)}"
        else:
            said += ", a sum with signs as in a determinant"
    more = []
    for number, block in enumerate(diagram.blocks):
        if number in diagram.head:
            continue
        left, right = block
        if right < diagram.outputs:
            more.append(f"writes it everywhere on the diagonal of output {_axes(block)}")
        elif left >= diagram.outputs:
            more.append(f"sums over the diagonal of input {_axes([left - diagram.outputs, right - diagram.outputs])}")
        else:
            more.append(f"keeps input axis {right - diagram.outputs} as output axis {left}")
    return f"{said}; {_list(more)}." if more else f"{said}."


def _on_a_graph(diagram: Diagram) -> str:
    if (diagram.outputs, diagram.inputs, diagram.blocks, diagram.edges) == (1, 1, ((0,), (1,)), ((0, 1),)):
        return "Sums the input over the neighbours of each vertex."
    names = _letters(diagram)
    output = [names[label] for label in diagram.labels[: diagram.outputs]]
    entry = _bracketed("x", [names[label] for label in diagram.labels[diagram.outputs :]])
    free = [name for name in names if name not in output]
    edges = _list(f"{names[tail]}-{names[tip]}" for tail, tip in diagram.edges)
    walk = f"with {edges} {'edges' if len(diagram.edges) > 1 else 'an edge'} of the graph" if diagram.edges else ""
    over = f"over all vertices {_list(free)} {walk}" if free else f"where {edges} are edges of the graph"
    return f"Adds {entry} to {_bracketed('y', output)} {over}".rstrip() + "."


def _letters(diagram: Diagram) -> list[str]:
    letters = "abcdefghijklmnopqrstuvwxyz"
    return [letters[number] if number < 26 else f"i{number}" for number in range(len(diagram.blocks))]


def _bracketed(name: str, marks: Sequence[str]) -> str:
    return f"{name}[{','.join(marks)}]" if marks else name


def _at(index: Sequence[int]) -> str:
    return _bracketed("", [str(number) for number in index])


def _axes(block: Sequence[int]) -> str:
    return f"axis {block[0]}" if len(block) == 1 else f"axes {_list(map(str, block))}"


def _ordinal(place: int) -> str:
    return ("first", "second", "third", "fourth", "fifth", "sixth", "seventh")[place] if place < 7 else f"{place + 1}th"


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def _list(parts: object) -> str:
    said = list(parts)  # type: ignore[call-overload]  # any iterable of texts
    return said[0] if len(said) == 1 else f"{', '.join(said[:-1])} and {said[-1]}" if said else ""


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
