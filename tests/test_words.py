"""Words: every sentence, read by itself, is the map; costs, kinds and names fit."""

import re
from itertools import permutations, product
from math import prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import eqsynth as eq
from eqsynth import Diagram, Group
from eqsynth.diagrams.diagram import MatrixMap, Orbit
from eqsynth.diagrams.functor import matrix
from eqsynth.diagrams.words import SOURCES, cost, formula, kind, meaning, symmetry
from eqsynth.families.group import FAMILIES, OTHERS, SIGNED

# --- a reader of sentences, which knows nothing of diagrams ----------------------------------------------


def listed(text):
    return [int(number) for number in re.findall(r"\d+", text)]


def omega(n):
    form = np.zeros((n, n), int)
    form[np.arange(0, n, 2), np.arange(1, n, 2)], form[np.arange(1, n, 2), np.arange(0, n, 2)] = 1, -1
    return form


def epsilon(n):
    made = np.zeros((n,) * n, int)
    for order in permutations(range(n)):
        made[order] = sign(order)
    return made


def sign(order):
    return (-1) ** sum(a > b for place, a in enumerate(order) for b in order[place + 1 :])


def letters_of(text):
    """The letters of an entry such as x[a,b]."""
    return re.findall(r"[a-z]", text[1:])


def contract(x, *operands):
    """An einsum of x and (array, axes) pairs, axes by name; the last operand gives the axes of the result."""
    return np.einsum(x, *[item for operand in operands[:-1] for item in operand], operands[-1])


def taken(text, x, n):
    """What is left of the input after a noun such as "the input summed over axis 0"."""
    simple = {
        "the input number": "->", "the trace (the sum of the diagonal)": "aa->",
        "the input": "...->...", "the diagonal": "aa->a", "the row sums": "ab->a", "the column sums": "ab->b",
    }  # fmt: skip
    if text == "the sum of all entries":
        return np.asarray(x.sum())
    if text in simple:
        return np.einsum(simple[text], x)
    if text == "the contraction with ω (the sum of ω[a,b] x[a,b] over a and b)":
        return np.einsum("ab,ab->", omega(n), x)
    assert text.startswith("the input ")
    names, dropped, operands = list(range(x.ndim)), [], []
    found = r"(summed over axis|on the diagonal of axes|summed over the diagonal of axes|contracted with ω over axes)"
    pieces = re.split(found, text)[1:]
    for how, axes in zip(pieces[::2], map(listed, pieces[1::2]), strict=True):
        if how.startswith("contracted"):
            operands.append((omega(n), [names[axis] for axis in axes]))
            dropped += axes
        elif how == "summed over axis":
            dropped += axes
        else:
            for axis in axes[1:]:
                names[axis] = names[axes[0]]
            dropped += axes if how.startswith("summed") else axes[1:]
    kept = [names[axis] for axis in range(x.ndim) if axis not in dropped]
    return contract(x, (names,), *operands, kept)


def put(where, z, outputs, n):
    """The output that has z written as a phrase such as "along rows: entry a fills row a" says."""
    y = np.zeros((n,) * outputs, int)
    if where == "at every position":
        return y + z
    if where == "as the output":
        return y + z
    if where in {"on the diagonal", "everywhere on the diagonal"}:
        return y + np.eye(n, dtype=int) * z  # z is a number, or its entry b goes to [b, b]
    if where.startswith("times ω:"):
        return omega(n) * z
    if where == "along rows: entry a fills row a":
        return y + z[:, None]
    if where == "along columns: entry b fills column b":
        return y + z[None, :]
    ordinals = ("first", "second", "third", "fourth", "fifth")
    found = (
        r"((?:its|their)(?: \w+)? axis on(?: the diagonal of)? output|repeated along output|"
        r"everywhere on the diagonal of output|times ω of output)"
    )
    pieces = re.split(found, where)[1:]
    factors, used = [], []
    names = list(range(outputs))
    of_z = [None] * z.ndim
    for how, axes in zip(pieces[::2], map(listed, pieces[1::2]), strict=True):
        used += axes
        if how.startswith(("its", "their")):
            word = how.split()[1]
            of_z[ordinals.index(word) if word in ordinals else 0] = axes[0]
        if how.startswith("times"):
            factors.append((omega(n), axes))
        elif len(axes) > 1:
            factors += [(np.eye(n, dtype=int), [names[axes[0]], axis]) for axis in axes[1:]]
        else:
            factors.append((np.ones(n, int), axes))
    assert sorted(used) == names
    assert None not in of_z
    return contract(z, (of_z,), *factors, names)


def read(said, x, outputs, n):
    """The output for the input x of a map that is described by a sentence."""
    for form in (plain, with_epsilon, by_letters):
        y = form(said, x, outputs, n)
        if y is not None:
            return y
    raise AssertionError(f"cannot read {said!r}")


def plain(said, x, outputs, n):
    if said == "Copies the input.":
        return x
    if said == "Transposes the input.":
        return x.T
    if said.startswith("Reorders the axes: "):
        moves = dict(map(int, pair) for pair in re.findall(r"output axis (\d) is input axis (\d)", said))
        return x.transpose([moves[axis] for axis in range(x.ndim)])
    if found := re.fullmatch(r"Returns (.*)\.", said):
        return taken(found[1], x, n)
    if found := re.fullmatch(r"(?:Takes|Writes) (the (?!cross|Levi).*?)(?: and writes (?:it|them))? (\S.*)\.", said):
        # Where "Takes X and writes it W" has no middle, the noun of "Writes X W" is the input number.
        noun, where = (
            re.fullmatch(r"Takes (.*) and writes (?:it|them) (.*)\.", said)
            or re.fullmatch(r"Writes (the input number) (.*)\.", said)
        ).groups()
        return put(where, taken(noun, x, n), outputs, n)
    return None


def with_epsilon(said, x, outputs, n):
    core, *more = said.rstrip(".").split("; ")
    k = x.ndim
    above, below = list(range(outputs)), list(range(outputs, outputs + k))
    operands = []
    for clause in re.split(r", | and (?=keeps|sums|writes)", "".join(more)):
        axes = listed(clause)
        if clause.startswith("keeps"):
            operands.append((np.eye(n, dtype=int), [axes[0] + outputs, axes[1]]))
        elif clause.startswith("sums"):
            operands.append((np.eye(n, dtype=int), [axis + outputs for axis in axes]))
        elif clause:
            assert clause.startswith("writes it everywhere")
            operands.append((np.eye(n, dtype=int), axes))
    into = listed(found[1]) if (found := re.search(r" on output (ax[ei]s .*)", core)) else []
    source = re.sub(r" on output .*", "", core)
    cross = np.zeros((3, 3, 3), int)
    for a, b, c in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        cross[a, b, c], cross[a, c, b] = 1, -1
    axes = [axis + outputs for axis in listed(re.sub(r"\(.*\)", "", source).split(" last ")[0])]
    if core.startswith("Writes the Levi-Civita tensor"):
        operands.append((epsilon(n), into))
    elif core.startswith("Takes the cross product"):
        operands.append((cross, [*into, *axes]))
    elif found := re.search(r"into the matrix that takes any vector w to (w × v|v × w)", core):
        # (w × v)[a] = sum of cross[a, b, c] w[b] v[c]
        operands.append((cross if found[1] == "w × v" else -cross, [*into, *axes]))
    elif found := re.search(r" (clockwise|counterclockwise) by 90 degrees", core):
        # Clockwise, the first axis comes to lie where the second had its negative half.
        turn = np.array([[0, 1], [-1, 0]])
        operands.append((turn if found[1] == "clockwise" else -turn, [*into, axes[0]]))
    elif core.startswith("Contracts"):
        axes = [axis + outputs for axis in listed(core.split(" with ")[0])]
        operands.append((epsilon(n), [*into, *axes]))
    else:
        return None
    return contract(x, (below,), *operands, above)


def by_letters(said, x, outputs, n, adjacency=None):
    if said == "Sums the input over the neighbours of each vertex.":
        return adjacency @ x
    found = re.fullmatch(
        r"Adds (x\S*) to (y\S*)( over all vertices [\w, ]+?)?( for all .*?)?( where .*)?(, times .*)?\.", said
    )
    if not found:
        return None
    entry, into = letters_of(found[1]), letters_of(found[2])
    names = sorted({*entry, *into, *re.findall(r"\b[a-z]\b", (found[3] or "") + (found[4] or ""))})
    pairs = re.findall(r"([a-z])[-→]([a-z])", found[5] or "")
    order = re.search(r"sign of \((.*)\)", found[6] or "")
    y = np.zeros((n,) * outputs, int)
    rows = [] if adjacency is None else adjacency.tolist()
    for values in product(range(n), repeat=len(names)):
        at = dict(zip(names, values, strict=True))
        factor = prod(rows[at[a]][at[b]] for a, b in pairs)
        if not factor:
            continue
        if order:
            if len(set(values)) < len(values):
                continue
            signed = [at[name] for name in re.findall(r"\b[a-z]\b", order[1])]
            signed += sorted(set(range(n)) - set(signed)) if "missing" in order[1] else []
            factor *= sign(signed)
        y[tuple(at[name] for name in into)] += factor * x[tuple(at[name] for name in entry)]
    return y


def reads_as(said, group, element, n):
    """Whether a sentence describes the matrix of an element."""
    whole = matrix(group, element, n)
    adjacency = group.graph.adjacency() if group.family == "Aut" else None
    found = np.zeros_like(whole)
    for place in range(n**element.inputs):
        x = np.zeros(n**element.inputs, int)
        x[place] = 1
        x = x.reshape((n,) * element.inputs)
        y = by_letters(said, x, element.outputs, n, adjacency) if adjacency is not None else None
        y = read(said, x, element.outputs, n) if y is None else y
        assert np.shape(y) == (n,) * element.outputs
        found[:, place] = np.ravel(y)
    return bool((found == whole).all())


ORDERS = [(k, total - k) for total in range(5) for k in range(total + 1)]


@pytest.mark.parametrize(
    ("group", "n"),
    [("S(n)", 3), ("O(n)", 2), ("Sp(n)", 4), ("SO(1)", 1), ("SO(2)", 2), ("SO(3)", 3), ("SO(4)", 4), ("A(2)", 2),
     ("A(3)", 3), ("A(4)", 4), ("Aut(path3)", 3), ("Aut(cycle4)", 4), ("Aut(3: 0>1 1>2)", 3),
     ("Aut(3: 0-0 0-1 1-2)", 3)],
)  # fmt: skip
def test_every_sentence_is_its_map(group, n):
    """All maps with k + l up to 4; those with many entries up to 3."""
    for inputs, outputs in ORDERS:
        if n ** (inputs + outputs) > 90 and not (group == "S(n)" or group.startswith("O")):
            continue
        basis = eq.basis(group, inputs, outputs)
        for element in basis:
            if not isinstance(element, Orbit):
                said = meaning(basis.group, element)
                assert reads_as(said, basis.group, element, n), (said, formula(basis.group, element))


@pytest.mark.parametrize(
    ("group", "inputs", "outputs"), [("SO(3)", 3, 2), ("SO(3)", 2, 3), ("SO(2)", 2, 2), ("SO(4)", 2, 2)]
)
def test_every_sentence_of_a_head_is_its_map(group, inputs, outputs):
    basis = eq.basis(group, inputs, outputs)
    assert any(element.head for element in basis)
    for element in basis:
        assert reads_as(meaning(basis.group, element), basis.group, element, int(basis.group.n))


@st.composite
def partitions(draw):
    outputs, inputs = draw(st.integers(0, 4)), draw(st.integers(0, 4))
    labels = draw(st.lists(st.integers(0, 4), min_size=outputs + inputs, max_size=outputs + inputs))
    return Diagram.of(outputs, inputs, [[v for v, at in enumerate(labels) if at == n] for n in sorted(set(labels))])


@settings(max_examples=60)
@given(partitions())
def test_sentences_of_large_partitions_are_their_maps(diagram):
    assert reads_as(meaning(Group("S", "n"), diagram), Group("S", "n"), diagram, 2)


@settings(max_examples=60)
@given(st.integers(0, 6), st.permutations(range(6)), st.sampled_from(["O", "Sp"]))
def test_sentences_of_large_matchings_are_their_maps(outputs, vertices, family):
    diagram = Diagram.of(outputs, 6 - outputs, zip(vertices[::2], vertices[1::2], strict=True))
    assert reads_as(meaning(Group(family, 2), diagram), Group(family, 2), diagram, 2)


def test_a_wrong_sentence_is_noticed():
    group, swap = Group("S", "n"), Diagram(2, 2, ((0, 3), (1, 2)))
    assert reads_as("Transposes the input.", group, swap, 2)
    assert not reads_as("Copies the input.", group, swap, 2)
    for family, orders, right, wrong in (
        ("SO(2)", (1, 1), "clockwise", "counterclockwise"),
        ("SO(3)", (1, 2), "w × v", "v × w"),
    ):
        basis = eq.basis(family, *orders)
        said = meaning(basis.group, basis[-1])
        assert reads_as(said, basis.group, basis[-1], basis.group.n)
        assert not reads_as(said.replace(right, wrong), basis.group, basis[-1], basis.group.n)
    jelly = eq.basis("A(3)", 1, 1)[-1]
    said = meaning(Group("A", 3), jelly)
    assert not reads_as(said.replace("(a, b", "(b, a"), Group("A", 3), jelly, 3)
    rows = Diagram(2, 2, ((0, 2), (1,), (3,)))
    assert reads_as("Takes the row sums and writes them along rows: entry a fills row a.", group, rows, 3)
    assert not reads_as("Takes the column sums and writes them along rows: entry a fills row a.", group, rows, 3)
    assert not reads_as("Takes the row sums and writes them along columns: entry b fills column b.", group, rows, 3)
    with pytest.raises(AssertionError, match="cannot read"):
        reads_as("Does something.", group, swap, 2)


def test_sentences_without_a_group():
    loose = Diagram(1, 1, ((0,), (1,)), head=(0, 1))
    assert (
        meaning(None, loose)
        == "Adds x[b] to y[a] for all different a and b, times the sign of (a, b) as a permutation."
    )
    assert meaning(None, (Diagram(1, 1, ((0, 1),)),) * 2) == " ".join(["On the next axes: copies the input."] * 2)


def test_orbits_and_matrices_in_words():
    said = meaning(Group.parse("Perm(4: 1 2 3 0)"), Orbit(1, 1, (0, 2)))
    assert said == "Adds x[2] to y[0], and does the same at every place that the group moves these indices to."
    turn = MatrixMap(1, 1, ((0, 1, -1), (1, 0, 1)))
    group = Group.parse("Matrix([[0,1],[-1,0]]; )")
    assert meaning(group, turn) == "Adds -x[1] to y[0] and x[0] to y[1]."
    assert meaning(group, MatrixMap(2, 2, ((1, 2, 3),))) == "Adds 3 x[1,0] to y[0,1]."
    assert meaning(group, MatrixMap(3, 0, tuple((row, 0, 1) for row in range(8)))).count(" x to y[") == 8
    said = meaning(None, turn)
    assert said == "Adds multiples of 2 input entries to 2 output entries, as the picture of its matrix shows."


@pytest.mark.parametrize(
    ("group", "inputs", "outputs"),
    [("S(n)", 2, 2), ("S(n)", 3, 2), ("S(n)", 0, 4), ("O(n)", 3, 3), ("SO(3)", 3, 2), ("SO(2)", 2, 2), ("SO(4)", 2, 2),
     ("Sp(n)", 3, 3), ("A(3)", 2, 2), ("Aut(path4)", 1, 1), ("Perm(4: 1 2 3 0)", 1, 1),
     ("S(2) x O(2)", (1, 2), (1, 2))],
)  # fmt: skip
def test_words_tell_the_maps_of_a_basis_apart(group, inputs, outputs):
    basis = eq.basis(group, inputs, outputs)
    said = [meaning(basis.group, element) for element in basis]
    assert len(set(said)) == len(basis)
    assert all(re.fullmatch(r"[A-Z].*\.", text) for text in said)
    assert not any("  " in text for text in said)


def test_symmetries_in_words():
    assert symmetry(eq.Group.parse("S(3) x O(2)")).startswith("Relabel the points of the S(3) axes in any way, or ")


# --- costs and names --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("group", "diagram", "said"),
    [("S(n)", Diagram(2, 2, ((0, 2), (1, 3))), "n² C²"), ("S(n)", Diagram(1, 1, ((0,), (1,))), "1 C² + (n + n) C"),
     ("S(n)", Diagram(1, 2, ((0, 1), (2,))), "n C² + n² C"), ("O(3)", Diagram(0, 2, ((0, 1),)), "1 C² + 3 C"),
     ("SO(3)", Diagram(1, 2, ((0,), (1,), (2,)), head=(0, 1, 2)), "3 C² + (3² + 3) C"),
     ("S(n) x O(3)", (Diagram(1, 1, ((0,), (1,))), Diagram(1, 1, ((0, 1),))), "3 C² + (n · 3 + n · 3) C"),
     ("Aut(petersen)", Diagram(1, 1, ((0, 1),)), ""), ("Perm(4: 1 2 3 0)", Orbit(1, 1, (0, 1)), "")],
)  # fmt: skip
def test_costs(group, diagram, said):
    assert cost(Group.parse(group), diagram) == said


def test_kinds_have_a_source():
    groups = (
        "S(n)",
        "O(n)",
        "Sp(n)",
        "H(n)",
        "SO(2)",
        "A(2)",
        "Aut(cycle5)",
        "Perm(4: 1 2 3 0)",
        "Matrix([[0,1],[-1,0]]; )",
        "O(1,1)",
        "B(n)",
        "GL(n)",
        "S(m) wr S(n)",
        "Z(3) wr S(n)",
    )
    found = {kind(basis.group, element) for basis in (eq.basis(group, 1, 1) for group in groups) for element in basis}
    assert found == set(SOURCES)


def test_no_two_families_say_different_things_of_one_kind():
    """A source that a family gives would stand below the drawings of all that share the kind."""
    said = {}
    for group in (*FAMILIES.values(), *SIGNED.values(), *OTHERS.values()):
        for kind_of_map, source in group.sources.items():
            assert said.setdefault(kind_of_map, source) == source


def test_legends_say_what_edges_with_arrows_are():
    for graph, one in (("Aut(4: 0>1 1>2 2>3 3>0)", "a→b is an edge"), ("Aut(petersen)", "a and b are neighbours")):
        assert f"A[a,b] is 1 where {one}, else 0" in str(eq.basis(graph, 1, 1))


def test_no_single_reflection_is_in_a_special_group():
    assert "Boost or rotate the coordinates of the input, or negate two of them, and" in str(eq.basis("SO(1,3)", 1, 1))
    assert "Boost, rotate or reflect the coordinates of the input, and" in str(eq.basis("O(1,3)", 1, 1))
