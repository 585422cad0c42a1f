"""What groups, spaces and maps are, in words: plain ones for newcomers, the papers' names, index formulas and costs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from eqsynth.diagrams.diagram import (
    SYMBOLS,
    Diagram,
    Element,
    Half,
    MatrixMap,
    Multiplied,
    Orbit,
    Single,
    indexed,
    unravelled,
)
from eqsynth.diagrams.functor import legs
from eqsynth.exact.numbers import raised
from eqsynth.exact.permutations import runs
from eqsynth.families.group import COMPOUND, FAMILIES, OTHERS, SIGNED, Group
from eqsynth.families.hom import negated
from eqsynth.spaces.space import KINDS, Decomposed, Irrep, Order, Stored, Symmetry, axis_counts, entries_of

#: The groups that have kinds of maps.
_GROUPS: tuple[type[Group], ...] = (
    *FAMILIES.values(),
    *SIGNED.values(),
    *OTHERS.values(),
    *COMPOUND,
)
SOURCES = {kind: source for group in _GROUPS for kind, source in group.sources.items()}

#: Matrices with more entries are not put into words one by one.
LISTED = 8
#: So many orders of the axes of an output are written out.
LISTED_PERMUTATIONS = 3


def symmetry(group: Group) -> str:
    """What it means to commute with the group, as a sentence.

    >>> from eqsynth import Group
    >>> from eqsynth.diagrams.words import symmetry
    >>> symmetry(Group("SO", 3))
    'Rotate the coordinates of the input, and the output changes in the same way.'
    """
    single = len(group.factors) == 1
    done = (factor.action.format(" of the input" if single else f" of the {factor} axes") for factor in group.factors)
    said = ", or ".join(done)
    return f"{said[0].upper()}{said[1:]}, and the output changes in the same way."


def space(group: Group, order: Order) -> str:
    """A tensor space of one channel as a noun.

    >>> from eqsynth import Group
    >>> from eqsynth.diagrams.words import space
    >>> from eqsynth.spaces.space import Twisted
    >>> [space(Group("O", 3), order) for order in (0, 1, 2, 3)]
    ['one number', 'a vector of 3 numbers', 'a 3 × 3 matrix', 'a 3 × 3 × 3 tensor']
    >>> space(Group("O", 3), Twisted(1))
    'a vector of 3 numbers, which elements of determinant -1 negate besides'
    """
    negating = [factor for factor, negates in zip(group.factors, negated(group, order), strict=True) if negates]
    if not negating:
        return _noun(group, order)
    of = f" of {' and '.join(map(str, negating))}" if len(group.factors) > 1 else ""
    return f"{_noun(group, order)}, which elements{of} of determinant -1 negate besides"


def _noun(group: Group, order: Order) -> str:
    sizes = [
        factor.length_text
        for factor, count in zip(group.factors, axis_counts(order), strict=True)
        for _ in range(count)
    ]
    if not sizes:
        return "one number"
    if len(sizes) == 1:
        return f"a vector of {sizes[0]} numbers"
    article = "an" if sizes[0][0] in "8fhlmnrsx" or sizes[0] in ("11", "18") else "a"
    noun = f"{' × '.join(sizes)} {'matrix' if len(sizes) == 2 else 'tensor'}"
    parts = entries_of(order)
    if len(parts) == 1 and isinstance(parts[0], Irrep):
        coordinates = f"{parts[0].dim} coordinates" if parts[0].dim > 1 else "the coordinate"
        return f"{coordinates} of {_noun(group, parts[0].order)} in the irrep {parts[0]} of {group}"
    if len(parts) == 1 and isinstance(parts[0], Decomposed):
        return f"{article} {noun} in the coordinates of its irreducible parts"
    if len(parts) == 1 and isinstance(parts[0], Symmetry) and parts[0].short:
        return f"{'a symmetric' if parts[0].kind == 'S' else 'an alternating'} {noun}"
    named = [
        f"{_of_part(one)} in the axes of {factor}"
        for factor, one in zip(group.factors, parts, strict=True)
        if isinstance(one, Stored)
    ]
    if len(parts) == 1 and isinstance(parts[0], Symmetry):
        return f"{article} {noun} with {parts[0].full}"
    return f"{article} {noun}{', ' * bool(named)}{' and '.join(named)}"


def _of_part(one: Stored) -> str:
    if isinstance(one, Irrep):
        return f"of the irrep {one}"
    if isinstance(one, Decomposed):
        return "in the coordinates of irreducible parts"
    return KINDS[one.kind] if one.short else f"with {one.full}"


def kind(group: Group | None, element: Element) -> str:
    """What sort of map an element is, in the words of the papers; ``SOURCES`` says which papers.

    >>> from eqsynth import Diagram, Group
    >>> from eqsynth.diagrams.words import kind
    >>> kind(Group("SO", 2), Diagram(1, 1, ((0,), (1,)), head=(0, 1)))
    'head (Levi-Civita)'
    """
    if isinstance(element, tuple) and group is not None and group.maps == "nested":
        return group.diagram_kind
    if isinstance(element, tuple):
        return " x ".join(kind(factor, part) for factor, part in parts(group, element))
    if not isinstance(element, Diagram):
        return "orbit" if isinstance(element, Orbit) else "matrix"
    if (group is not None and group.kept_graph is not None) or element.edges or () in element.blocks:
        return "bilabelled graph"
    if element.head:
        return "jellyfish" if _tied(group, element) else "head (Levi-Civita)"
    return group.diagram_kind if group is not None else "partition"


def formula(
    group: Group | None,
    element: Element,
    permutations: Sequence[tuple[Sequence[int], int]] = (),
    multiplied: Sequence[Multiplied] = (),
    listed: bool = True,
) -> str:
    """The index formula of an element; the group says whether pairs within a row carry a form.

    >>> from eqsynth import Diagram, Group
    >>> from eqsynth.diagrams.words import formula
    >>> formula(Group("Sp", 4), Diagram(1, 3, ((0, 1), (2, 3))))
    'y[a] += ω[b,c] x[a,b,c]'

    ``permutations``: those of axes of the output over which a map of symmetric tensors is added, with signs.

    >>> formula(Group("S", 4), Diagram(2, 1, ((0, 2), (1,))), [((0, 1), 1), ((1, 0), 1)])
    'y[a,b], y[b,a] += x[a]'

    ``multiplied``: what the input is the product of, for each factor of the group (``ProductHom.multiplied``).

    >>> formula(Group("Sp", 4), Diagram(0, 2, ((0, 1),)), multiplied=[[("u", 1), ("v", 1)]])
    'y += ω[a,b] u[a] v[b]'

    ``listed``: whether a table is written as sums of its entries; emitted files, which stay as they are, count them.
    """
    inputs = multiplied[0] if multiplied else ()
    if isinstance(element, tuple):
        own = zip(parts(group, element), multiplied or [()] * len(element), strict=True)
        text = " ⊗ ".join(formula(*part, multiplied=[of_part], listed=listed) for part, of_part in own)
    elif isinstance(element, Diagram):
        text = element.formula(form_of(group), inputs)
    elif isinstance(element, MatrixMap):
        known = listed and group is not None and isinstance(group.n, int)
        text = element.formula(int(group.n), inputs) if known and group is not None else element.formula()
    else:
        text = element.formula(inputs)
    if len(permutations) < 2:
        return text
    output, plus, summand = text.partition(" += ")
    if len(permutations) > LISTED_PERMUTATIONS or isinstance(element, tuple | MatrixMap) or not output.startswith("y["):
        return f"{text} in {len(permutations)} orders of the axes of y{_with_signs(permutations)}"
    letters = output[2:-1].split(",")
    outputs = (f"{'-' * (sign < 0)}y[{','.join(letters[axis] for axis in axes)}]" for axes, sign in permutations)
    return f"{', '.join(outputs)}{plus}{summand}"


def _with_signs(permutations: Sequence[tuple[Sequence[int], int]]) -> str:
    return ", with signs" if any(sign < 0 for _, sign in permutations) else ""


def permuted(permutations: Sequence[tuple[Sequence[int], int]]) -> str:
    """What is done with an output that is added in several orders of its axes, as a sentence; else nothing.

    >>> from eqsynth.diagrams.words import permuted
    >>> permuted([((0, 1), 1), ((1, 0), -1)])
    'Subtracts the transpose of the result.'
    """
    if len(permutations) < 2:
        return ""
    if len(permutations) == 2 and len(permutations[0][0]) == 2:
        return f"{'Adds' if permutations[1][1] > 0 else 'Subtracts'} the transpose of the result."
    return f"Adds up the result with its axes in {len(permutations)} orders{_with_signs(permutations)}."


def cost(group: Group, element: Element) -> str:
    """The work of one map per sample, C channels in and C out: multiply-adds to mix channels, then additions.

    >>> from eqsynth import Diagram, Group
    >>> from eqsynth.diagrams.words import cost
    >>> cost(Group("S", "n"), Diagram(1, 2, ((0,), (1, 2)))), cost(Group("SO", 3), Diagram(2, 2, ((0, 3), (1, 2))))
    ('1 C² + (n + n) C', '3² C²')

    Empty for maps that have no cost of their own, since the layer adds them up to one matrix.
    """
    if not group.diagrammatic or isinstance(element, MatrixMap):
        return ""
    listed = [part for _, part in parts(group, element) if isinstance(part, Diagram)]

    def product(powers: Iterable[int]) -> str:
        sizes = (power(factor.n, exponent) for factor, exponent in zip(group.indices, powers, strict=True))
        return " · ".join(size for size in sizes if size != "1") or "1"

    mixed = product(map(axes_mixed, listed))
    adds = []
    if any(part.bottom_only for part in listed):
        adds.append(product(part.bottom_only + part.through for part in listed))
    if any(part.top_only for part in listed):
        adds.append(product(part.top_only + part.through for part in listed))
    additions = f"({' + '.join(adds)})" if len(adds) > 1 else "".join(adds)
    return f"{mixed} C² + {additions} C" if additions else f"{mixed} C²"


def axes_mixed(diagram: Diagram) -> int:
    """On how many axes channels are mixed: blocks that join the rows, and the shorter side of a head.

    >>> from eqsynth import Diagram
    >>> from eqsynth.diagrams.words import axes_mixed
    >>> axes_mixed(Diagram(1, 2, ((0,), (1,), (2,)), head=(0, 1, 2)))
    1
    """
    heads = runs(diagram.head, diagram.head)
    if len(heads) < 2:
        return diagram.through + min(len(diagram.top.head), len(diagram.bottom.head))
    return diagram.through + sum(min(taken, given) for taken, given in legs(diagram, len(heads[0])))


def power(size: int | str, exponent: int) -> str:
    """A size to a power.

    >>> from eqsynth.diagrams.words import power
    >>> power("n", 12), power(3, 1), power(5, 0)
    ('n¹²', '3', '1')
    """
    if exponent == 0:
        return "1"
    return str(size) if exponent == 1 else f"{size}{raised(exponent)}"


def parts(group: Group | None, element: Element) -> list[tuple[Group | None, Single]]:
    """The parts of an element, each with its factor of the group; one part where there is no product.

    >>> from eqsynth import Diagram, Group
    >>> from eqsynth.diagrams.words import parts
    >>> [str(factor) for factor, _ in parts(Group.parse("S(2) x O(3)"), (Diagram(0, 0, ()), Diagram(0, 0, ())))]
    ['S(2)', 'O(3)']
    """
    if not isinstance(element, tuple):
        return [(group, element)]
    listed = element
    return list(zip(group.indices if group is not None else (None,) * len(listed), listed, strict=True))


def symplectic(group: Group | None) -> bool:
    """Whether pairs within a row carry the form ω.

    >>> from eqsynth import Group
    >>> from eqsynth.diagrams.words import symplectic
    >>> symplectic(Group("Sp", 4)), symplectic(Group("O", 4))
    (True, False)
    """
    return group is not None and group.symplectic


def form_of(group: Group | None) -> str:
    """The form that pairs within a row carry, if any.

    >>> from eqsynth import Group
    >>> from eqsynth.diagrams.words import form_of
    >>> [form_of(Group.parse(text)) for text in ("Sp(4)", "O(4)", "O(1,3)")]
    ['omega', '', 'eta']
    """
    return group.form if group is not None and group.paired else ""


def directed(group: Group | None) -> bool:
    """Whether the group keeps a graph with directed edges.

    >>> from eqsynth import Aut
    >>> from eqsynth.diagrams.words import directed
    >>> directed(Aut("3: 0>1 1>2")), directed(Aut("petersen"))
    (True, False)
    """
    graph = None if group is None else group.kept_graph
    return graph is not None and graph.directed


def _tied(group: Group | None, diagram: Diagram) -> bool:
    """Whether a head is that of a jellyfish: all blocks hang on it, those that join the rows, too."""
    if group is None:
        return len(diagram.head) == len(diagram.blocks)
    return group.jellyfish


def meaning(group: Group | None, element: Element) -> str:
    """What a map does, as one or two exact sentences. Axes count from 0, as in PyTorch.

    >>> import eqsynth as eq
    >>> from eqsynth.diagrams.words import meaning
    >>> for diagram in eq.basis("SO(3)", 2, 2):
    ...     print(meaning(eq.Group("SO", 3), diagram))
    Takes the trace (the sum of the diagonal) and writes it everywhere on the diagonal.
    Copies the input.
    Transposes the input.

    Without a group, pairs carry no form, and a head on all blocks is that of a jellyfish.
    """
    if isinstance(element, tuple):
        said = (
            f"On the {factor or 'next'} axes: {_lower(meaning(factor, part))}" for factor, part in parts(group, element)
        )
        return " ".join(said)
    if isinstance(element, Orbit):
        where = indexed("x", element.representative[element.outputs :])
        into = indexed("y", element.representative[: element.outputs])
        return f"Adds {where} to {into}, and does the same at every place that the group moves these indices to."
    if isinstance(element, MatrixMap):
        if group is not None and isinstance(group.n, int) and len(element.entries) <= LISTED:
            return f"Adds {_list(_entry(group.n, element, *entry) for entry in element.entries)}."
        return (
            f"Adds multiples of {_count(len({c for _, c, _ in element.entries}), 'input entry', 'input entries')} to "
            f"{_count(len({r for r, _, _ in element.entries}), 'output entry', 'output entries')}, "
            "as the picture of its matrix shows."
        )
    if element.edges or not all(element.blocks):
        return _on_a_graph(directed(group), element)
    if element.head:
        if _tied(group, element):
            return _jellyfish(group, element)
        if len(runs(element.head, element.head)) > 1:
            return _with_heads(element)
        return _with_free_vertices(element, form_of(group) == "eta", group is not None and len(element.head) != group.n)
    return _headless(SYMBOLS.get(form_of(group), ""), element)


def meaning_of_product(group: Group | None, element: Element) -> str:
    """The same for a map of a product of inputs, which is called x.

    >>> from eqsynth import Diagram
    >>> from eqsynth.diagrams.words import meaning_of_product
    >>> meaning_of_product(None, Diagram(2, 2, ((0, 3), (1, 2))))
    'Transposes x.'
    """
    said = meaning(group, element).replace("the input number", "x").replace("the input", "x")
    # v is the second input.
    return said.replace("a vector v,", "a vector p,").replace("w × v", "w × p")


def _entry(n: int, tensor: MatrixMap, row: int, column: int, value: int) -> str:
    """What one entry of a matrix adds."""
    into, source = (
        indexed(name, unravelled(place, n, order))
        for name, place, order in (("y", row, tensor.outputs), ("x", column, tensor.inputs))
    )
    times = {1: "", -1: "-"}.get(value, f"{value} ")
    return f"{times}{source} to {into}"


def _headless(form: str, diagram: Diagram) -> str:
    bottom, top = diagram.bottom, diagram.top
    straight = list(diagram.middle) == sorted(diagram.middle)
    if _whole(bottom) and _whole(top):
        if straight:
            return "Copies the input."
        if diagram.inputs == 2:
            return "Transposes the input."
        moves = (f"output axis {place} is input axis {came}" for place, came in enumerate(diagram.middle))
        return f"Reorders the axes: {_list(moves)}."
    read = _read(bottom, diagram.inputs, form)
    if not diagram.outputs:
        return f"Returns {read}."
    several = read.endswith("sums")
    where = _written(top, diagram, straight, form, "their" if several else "its")
    if where == "as the output":
        return f"Returns {read}."
    return (
        f"Takes {read} and writes {'them' if several else 'it'} {where}."
        if diagram.inputs
        else f"Writes {read} {where}."
    )


def _whole(half: Half) -> bool:
    return all(len(block) == 1 for block in half.blocks) and not half.dropped


def _read(half: Half, order: int, form: str) -> str:
    """What is left of the input, as a noun."""
    blocks, dropped = half.blocks, half.dropped
    singles = all(len(block) == 1 for block in blocks)
    if not order:
        return "the input number"
    if singles and not dropped:
        return "the input"
    if singles and len(dropped) == order:
        return "the sum of all entries"
    if form and order == 2:
        return f"the contraction with {form} (the sum of {form}[a,b] x[a,b] over a and b)"
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
        elif form:
            done.append(f"contracted with {form} over {_axes(block)}")
        else:
            done.append(f"summed over the diagonal of {_axes(block)}")
    return f"the input {_list(done)}"


def _written(half: Half, diagram: Diagram, straight: bool, form: str, its: str) -> str:
    """Where the output gets it."""
    blocks, dropped, order = half.blocks, half.dropped, diagram.outputs
    singles = all(len(block) == 1 for block in blocks)
    if singles and len(dropped) == order:
        return "at every position"
    if order == 1:
        return "as the output"
    if form and order == 2 and dropped:
        if form == SYMBOLS["eta"]:
            return f"times {form}: on the diagonal, with its signs"
        return f"times {form}: at [2k,2k+1] with +, at [2k+1,2k] with -"
    if order == 2 and len(blocks) == 1:
        return "everywhere on the diagonal" if dropped else "on the diagonal"
    if order == 2 and len(dropped) == 1:
        return "along rows: entry a fills row a" if dropped == (1,) else "along columns: entry b fills column b"
    if singles and not dropped and straight:
        return "as the output"
    said = []
    # The remaining axes of the input, in their order, are called first, second, ... where there are several.
    for place, number in enumerate(half.kept):
        block = blocks[number]
        which = "" if len(half.kept) == 1 else f" {_ordinal(diagram.middle[place])}"
        said.append(f"{its}{which} axis on {'the diagonal of ' if len(block) > 1 else ''}output {_axes(block)}")
    for number in dropped:
        block = blocks[number]
        if len(block) == 1:
            said.append(f"repeated along output {_axes(block)}")
        else:
            said.append(f"{f'times {form}' if form else 'everywhere on the diagonal'} of output {_axes(block)}")
    return "with " + _list(said) if half.kept else _list(said)


def _jellyfish(group: Group | None, diagram: Diagram) -> str:
    """With a head that all blocks hang on."""
    names = [letters[0] for letters in diagram.letters()]
    entry, into = _entries(diagram)
    values = f"all different {_list(names)}" if len(names) > 1 else f"all {_list(names)}"
    # n blocks, or one less: then a number is missing.
    missing = ["the missing number"] if group is not None and len(names) + 1 == group.n else []
    signed = ", ".join([*(names[block] for block in diagram.head), *missing])
    return f"Adds {entry} to {into} for {values}, times the sign of ({signed}) as a permutation."


def _with_heads(diagram: Diagram) -> str:
    """With several heads, the pairs beside them and what is left of the input."""
    done = []
    for head in runs(diagram.head, diagram.head):
        ends = [diagram.blocks[block][0] for block in head]
        given = [vertex for vertex in ends if vertex < diagram.outputs]
        taken = [vertex - diagram.outputs for vertex in ends if vertex >= diagram.outputs]
        if not taken:
            done.append(f"writes ε on output {_axes(given)}")
        elif not given:
            done.append(f"contracts input {_axes(taken)} with ε")
        else:
            last = "index" if len(taken) == 1 else f"{len(taken)} indices"
            done.append(f"contracts input {_axes(taken)} with the last {last} of an ε on output {_axes(given)}")
    return _with_pairs(diagram, _list(done)[:1].upper() + _list(done)[1:], eta=False)


def _with_free_vertices(diagram: Diagram, eta: bool, loose: bool) -> str:
    """With a head that blocks of one vertex hang on; with ``eta`` inputs come to it, and to each other, through η.

    ``loose``: n - 1 vertices hang on it, as in B(n), and the last label is summed.
    """
    ends = [diagram.blocks[block][0] for block in diagram.head]
    given = [vertex for vertex in ends if vertex < diagram.outputs]
    taken = [vertex - diagram.outputs for vertex in ends if vertex >= diagram.outputs]
    to, source, n = f"output {_axes(given)}" if given else "", f"input {_axes(taken)}" if taken else "", len(ends)
    if loose:
        said = f"Contracts {source} with ε" if taken else "Takes ε"
        said += f", sums over its last index{f' and writes the result on {to}' if given else ''}"
    elif not taken:
        said = f"Writes the Levi-Civita tensor ε on {to}"
    elif eta and given:
        last = "index" if len(taken) == 1 else f"{len(taken)} indices"
        said = f"Contracts {source}, times the signs of η, with the last {last} of ε and writes the result on {to}"
    elif eta:
        said = f"Contracts {source}, times the signs of η, with ε, a sum with signs as in a determinant"
    elif n == 3 and len(taken) == 2:
        said = (
            f"Takes the cross product of {source} (the vector x[1,2] - x[2,1], x[2,0] - x[0,2], x[0,1] - x[1,0]) "
            f"and writes it on {to}"
        )
    elif n == 3 and len(taken) == 1:
        said = f"Turns {source}, a vector v, into the matrix that takes any vector w to w × v, on {to}"
    elif n == 2 and len(taken) == 1:
        said = f"Turns {source} clockwise by 90 degrees, (p, q) to (q, -p), and writes it on {to}"
    elif given:
        last = "index" if len(taken) == 1 else f"{len(taken)} indices"
        said = f"Contracts {source} with the last {last} of ε and writes the result on {to}"
    else:
        said = f"Contracts {source} with ε, a sum with signs as in a determinant"
    return _with_pairs(diagram, said, eta)


def _with_pairs(diagram: Diagram, said: str, eta: bool) -> str:
    """What a diagram does with its heads, and then with the blocks beside them."""
    more = []
    for number, block in enumerate(diagram.blocks):
        if number in diagram.head:
            continue
        if len(block) == 1:
            (vertex,) = block
            axis = vertex - diagram.outputs
            more.append(f"writes it everywhere on output axis {vertex}" if axis < 0 else f"sums over input axis {axis}")
            continue
        left, right = block
        if right < diagram.outputs:
            more.append(f"writes it {'times η' if eta else 'everywhere'} on the diagonal of output {_axes(block)}")
        elif left >= diagram.outputs:
            axes = _axes([left - diagram.outputs, right - diagram.outputs])
            more.append(f"contracts input {axes} with η" if eta else f"sums over the diagonal of input {axes}")
        else:
            more.append(f"keeps input axis {right - diagram.outputs} as output axis {left}")
    return f"{said}; {_list(more)}." if more else f"{said}."


def _on_a_graph(directed: bool, diagram: Diagram) -> str:
    alone = (diagram.outputs, diagram.inputs, diagram.blocks, diagram.edges) == (1, 1, ((0,), (1,)), ((0, 1),))
    if alone and not directed:
        return "Sums the input over the neighbours of each vertex."
    names = [letters[0] for letters in diagram.letters()]
    entry, into = _entries(diagram)
    free = [name for name, block in zip(names, diagram.blocks, strict=True) if not block or block[0] >= diagram.outputs]
    pairs = [f"{names[tail]}{'→' if directed else '-'}{names[tip]}" for tail, tip in diagram.edges]
    are = f"{_list(pairs)} {'are edges' if len(pairs) > 1 else 'is an edge'} of the graph" if pairs else ""
    over = f" over all vertices {_list(free)}" if free else ""
    return f"Adds {entry} to {into}{over}{f' where {are}' if are else ''}."


def _entries(diagram: Diagram) -> tuple[str, str]:
    """The input entry and the output entry of the formula."""
    marks = diagram.marks()
    return indexed("x", marks[diagram.outputs :]), indexed("y", marks[: diagram.outputs])


def _axes(block: Sequence[int]) -> str:
    return f"axis {block[0]}" if len(block) == 1 else f"axes {_list(map(str, block))}"


def _ordinal(place: int) -> str:
    return ("first", "second", "third", "fourth", "fifth", "sixth", "seventh")[place] if place < 7 else f"{place + 1}th"


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def _list(texts: Iterable[str]) -> str:
    said = list(texts)
    return said[0] if len(said) == 1 else f"{', '.join(said[:-1])} and {said[-1]}" if said else ""


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
