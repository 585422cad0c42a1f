"""A basis as one self-contained page: cards, plan, dimensions, Bratteli diagram, certificate."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import cache
from importlib import resources
from math import prod
from pathlib import Path
from typing import Any

import eqsynth
from eqsynth.bases import dimension, symbolic, table
from eqsynth.bases.basis import Basis, basis, takes_kernel
from eqsynth.bases.bratteli import bratteli, irreducible_dimension
from eqsynth.bases.index_symmetries import summed
from eqsynth.bases.irreps import has_irreps
from eqsynth.bases.relations import left_out, relations
from eqsynth.diagrams import functor, layout, words
from eqsynth.diagrams.diagram import Diagram, Element, Multiplied, Orbit
from eqsynth.diagrams.svg import INK, body
from eqsynth.errors import SizeError, SpaceError, abridged
from eqsynth.families.group import Group, Label
from eqsynth.families.hom import Hom, Problem, ProductHom, is_product, maps_of, mixed, problem_of
from eqsynth.graphs.orbits import elements
from eqsynth.plans.lowering import plain_plan
from eqsynth.plans.products import plan_products
from eqsynth.show.products import Part, only, product_table
from eqsynth.spaces.space import Order, Space, axes_of, axis_counts, is_plain, order_text, orders_of, tensor_parts
from eqsynth.store import files

#: The most maps that get a card; a page lists the first ones of a larger basis.
MAX_CARDS = 5_000
#: Entries of one matrix that is drawn, and of all of them together.
MAX_CELLS = 16_384
MAX_ALL_CELLS = 1_500_000
#: The most steps of a plan, and walks' edges, that are drawn.
MAX_DRAWN = 600

#: What a step of a plan does, in a word or two.
KINDS = {
    "Input": "input",
    "Reduce": "reduce",
    "Mix": "mix channels",
    "Spread": "spread",
    "Hodge": "epsilon",
    "Contract": "sum over edges",
    "Twist": "omega",
    "Join": "multiply",
    "Couple": "couple irreps",
    "Weigh": "multiply and mix",
    "Tied": "tied matrix",
    "Output": "output",
}


def document(group: str | Group, inputs: Order, outputs: Order) -> dict[str, Any]:
    """Everything that a page shows about the maps V^inputs -> V^outputs, as plain data for JSON.

    >>> from eqsynth.page import document
    >>> data = document("SO(3)", 2, 2)
    >>> data["count"], [entry["words"] for entry in data["maps"]][1:]
    (3, ['Copies the input.', 'Transposes the input.'])
    >>> data["maps"][1]["matrix"][:12]
    '+000000000+0'

    ``inputs`` may be a product, and ``outputs`` is then a space: ``document("O(3)", "4x1 (x) 4x2", "2x1")`` is about
    the linear maps of x[a,b,c] = u[a] v[b,c], and the plan is that of the layer of products.

    Exact: matrices hold whole numbers (``+``, ``-`` and ``0`` where no others occur), relations are fractions
    ``[map, numerator, denominator]``. Pictures are lists of numbers into ``pieces``, marks that many share.

    Raises what :func:`eqsynth.basis` raises.
    """
    if is_product(inputs):
        return problem_document(problem_of(group, str(inputs), str(outputs)))
    return _document(basis(group, inputs, outputs), None)


def problem_document(problem: Problem) -> dict[str, Any]:
    """The same about a product of inputs as a problem: two spaces of one term each, or one power.

    >>> from eqsynth.families.hom import parse_problem
    >>> from eqsynth.show.page import problem_document
    >>> data = problem_document(parse_problem("S(n): powers 2 of 4x1 -> 4x1"))
    >>> data["count"], data["product"]["equation"], [entry["weight"] for entry in data["maps"]]
    (5, 'x[a,b] = u[a] u[b]', ['weight[0]', 'weight[1]', 'weight[2]', 'weight[3]', ''])

    Raises SpaceError for several products or outputs.
    """
    if not isinstance(problem, ProductHom):
        ins, outs = problem.space_in.orders, problem.space_out.orders
        if len(ins) * len(outs) > 1:
            raise SpaceError(f"a page is about one input and one output: give each space of {problem} one term")
        return document(problem.group, ins[0], outs[0])
    part = only(problem)
    return _document(part.linear, part)


def _document(maps: Basis, part: Part | None) -> dict[str, Any]:
    multiplied = () if part is None else part.multiplied
    meaning = words.meaning if part is None else words.meaning_of_product
    weights = {} if part is None else {number: f"weight[{place}]" for place, number in enumerate(part.kept)}
    pieces = _Pieces()
    shown = maps.diagrams[:MAX_CARDS]
    grid, matrices = _matrices(maps, shown)
    cards = [
        {
            "formula": maps.formula(number, multiplied),
            "words": " ".join(filter(None, (meaning(maps.group, element), words.permuted(maps.turned(number))))),
            "kind": words.kind(maps.group, element),
            "picture": pieces.picture(maps.group, element, multiplied),
            "matrix": matrix,
            # Factors are reduced before they are multiplied: what a map of the product costs says little.
            "cost": "" if part else words.cost(maps.group, element),
            "key": _key(maps.group, element),
            "transfers": list(maps.transfers(number)),
            # An entry of a sum over orders of axes has no diagram of its own.
            "parts": []
            if len(maps.turned(number)) > 1
            else [_part(one) for _, one in words.parts(maps.group, element)],
            **({} if part is None else {"weight": weights.get(number, "")}),
        }
        for number, (element, matrix) in enumerate(zip(shown, matrices, strict=True))
    ]
    sizes = grid["sizes"] if grid else [None] * len(maps.group.factors)
    space_in, space_out = words.space(maps.group, maps.inputs), words.space(maps.group, maps.outputs)
    return {
        "version": eqsynth.__version__,
        "group": abridged(maps.group),
        "title": maps.group.title,
        "factors": [
            {"name": abridged(factor), **({} if size is None else _indices(factor, size))}
            for factor, size in zip(maps.group.factors, sizes, strict=True)
        ],
        "legend": table.how_to_read(maps, multiplied),
        "inputs": list(axis_counts(maps.inputs)),
        "outputs": list(axis_counts(maps.outputs)),
        "heading": f"{abridged(maps.group)}: order {order_text(maps.inputs)} → order {order_text(maps.outputs)}"
        if part is None
        else str(part.problem).replace("->", "→"),
        "product": None if part is None else _product(part),
        "spaces": [space_in, space_out],
        "symmetry": words.symmetry(maps.group) if part is None else part.symmetry,
        "count": len(maps),
        "dense": _dense(maps),
        "matrix": grid,
        "maps": cards,
        "left": _left_out(maps, pieces, multiplied),
        "plan": _plan(maps, None if part is None else part.problem),
        "dimension": _dimensions(maps),
        "walks": _walks(maps),
        "certificate": _certificate(maps, None if part is None else part.problem),
        "ink": INK,
        "pieces": pieces.listed,
    }


def html(group: str | Group, inputs: Order, outputs: Order) -> str:
    """The page for the maps V^inputs -> V^outputs: one HTML file that needs no other file and no network.

    >>> from eqsynth.page import html
    >>> page = html("O(2)", 1, 1)
    >>> page.splitlines()[0], "http://" in page.replace("http://www.w3.org/2000/svg", "")
    ('<!DOCTYPE html>', False)

    The same problem gives the same bytes. Raises what :func:`eqsynth.basis` raises.
    """
    if is_product(inputs):
        return problem_html(problem_of(group, str(inputs), str(outputs)))
    return _html(document(group, inputs, outputs), basis(group, inputs, outputs).table(60))


def problem_html(problem: Problem) -> str:
    """The page for a product of inputs, as a problem.

    >>> from eqsynth.families.hom import parse_problem
    >>> from eqsynth.show.page import problem_html
    >>> "u[a] v[b,b]" in problem_html(parse_problem("O(3): 4x1 (x) 4x2 -> 2x1"))
    True
    """
    if isinstance(problem, ProductHom):
        return _html(problem_document(problem), product_table(problem, 60))
    ins, outs = problem.space_in.orders, problem.space_out.orders
    return _html(problem_document(problem), basis(problem.group, ins[0], outs[0]).table(60))


def _html(data: dict[str, Any], text: str) -> str:
    filled = {
        "TITLE": _escaped(f"{data['group']} {data['heading'].split(': ')[-1]} - eqsynth"),
        "STYLE": _asset("page.css"),
        "TABLE": _escaped(text),
        # No < is left, so that no text can end the script element or open a comment.
        "DATA": json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c"),
        "SCRIPT": _asset("page.js"),
    }
    pieces = _asset("page.html").split("@@")
    return "".join(filled[piece] if place % 2 else piece for place, piece in enumerate(pieces))


@cache
def _asset(name: str) -> str:
    return resources.files("eqsynth").joinpath("show", "assets", name).read_text(encoding="utf-8")


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")


class _Pieces:
    """Marks of drawings, each listed once: thousands of pictures share a few hundred."""

    def __init__(self) -> None:
        self.listed: list[str] = []
        self._place: dict[str, int] = {}

    def picture(self, group: Group, element: Element, multiplied: Sequence[Multiplied] = ()) -> dict[str, Any]:
        """A picture as width, height and numbers of marks."""
        drawing = layout.drawing(group, element, multiplied=multiplied)
        marks = []
        for mark in body(drawing).split("\n"):
            if mark not in self._place:
                self._place[mark] = len(self.listed)
                self.listed.append(mark)
            marks.append(self._place[mark])
        return {"w": drawing.width, "h": drawing.height, "marks": marks}


def _product(part: Part) -> dict[str, Any]:
    """What the page says about the inputs that are multiplied."""
    factors = [[name, space, count] for name, space, count in part.spaces]
    return {
        "problem": str(part.problem),
        "equation": part.equation,
        "factors": factors,
        "sentence": part.sentence,
        "kept": len(part.maps),
        "fewer": part.fewer,
        "channels": "c_in and c_out are the channels of the inputs and of the output"
        if not part.problem.full
        else "c_u, c_v and c_out are the channels of u, of v and of the output",
    }


def _part(part: object) -> dict[str, Any]:
    """What the page needs to say why an entry of a map's matrix is what it is."""
    if not isinstance(part, Diagram):
        return {"sort": "orbit" if isinstance(part, Orbit) else "matrix"}
    if part.edges or not all(part.blocks):
        return {"sort": "graph"}
    return {"labels": list(part.labels), "head": list(part.head)}


def _indices(factor: Group, size: int) -> dict[str, Any]:
    """For each index that an axis of a factor is made of its name and length; and the form of pairs inside a row."""
    own = [[abridged(index), length] for index, length in zip(factor.indices, factor.index_lengths(size), strict=True)]
    form = words.form_of(factor)
    signs = factor.pair_form(size).diagonal().tolist() if form == "eta" else []
    return {"indices": own, "form": form, "signs": signs}


def _key(group: Group, element: Element) -> list[int]:
    """What sorts maps by cost, where they have one: axes mixed first, then axes read and written."""
    if not group.diagrammatic:
        return [0, 0]
    listed = [part for _, part in words.parts(None, element) if isinstance(part, Diagram)]
    return [sum(map(words.axes_mixed, listed)), sum(part.bottom_only + part.top_only for part in listed)]


def _factors(maps: Basis) -> list[tuple[Group, Order, Order]]:
    """Each factor of the group with its orders of inputs and outputs."""
    return [*zip(maps.group.factors, orders_of(maps.inputs), orders_of(maps.outputs), strict=True)]


def _made_of(factor: Group, k: Order, lo: Order) -> str:
    """What the maps of a group that is no product are made of: see ``Group.maps``."""
    return "matrices" if takes_kernel(factor, k, lo) else factor.maps


def _dense(maps: Basis) -> str:
    """How many weights a layer without symmetry would have."""
    number, letters = 1, []
    for factor, k, lo in _factors(maps):
        total = axes_of(k) + axes_of(lo)
        if isinstance(factor.n, int):
            number *= factor.n**total
        elif total:
            length = factor.length_text
            letters.append(words.power(f"({length})" if " " in length and total > 1 else length, total))
    return " ".join([*([f"{number:,}"] if number > 1 or not letters else []), *letters])


# --- matrices -----------------------------------------------------------------------------------------


def _matrices(maps: Basis, shown: Sequence[Element]) -> tuple[dict[str, Any] | None, list[str | list[int]]]:
    sizes = _picture_sizes(maps, len(shown))
    if sizes is None:
        return None, [""] * len(shown)
    axes = [[size for size, count in zip(sizes, axis_counts(order), strict=True) for _ in range(count)]
            for order in (maps.outputs, maps.inputs)]  # fmt: skip
    entries: list[str | list[int]] = []
    for number, element in enumerate(shown):
        matrix = functor.matrix(maps.group, element, sizes)
        if maps.turns:
            matrix = summed(matrix, maps.outputs, sizes, maps.turns[number])
        values = [int(value) for value in matrix.ravel()]
        small = all(-1 <= value <= 1 for value in values)
        entries.append("".join("0+-"[value] for value in values) if small else values)
    cut = [
        f"{size} of {factor}"
        for factor, size in zip(maps.group.factors, sizes, strict=True)
        if isinstance(factor.n, int) and size < factor.n
    ]
    return {"sizes": list(sizes), "outputs": axes[0], "inputs": axes[1], "corner": cut}, entries


def _picture_sizes(maps: Basis, count: int) -> tuple[int, ...] | None:
    """The sizes at which matrices are drawn: those of the group, or 3 for a letter, or less where that is too large."""
    factors = maps.group.factors
    open_sizes = [2 * factor.multiple if factor.multiple > 1 else 3 for factor in factors]
    sizes = [f.n if isinstance(f.n, int) else size for f, size in zip(factors, open_sizes, strict=True)]
    powers = [axes_of(k) + axes_of(lo) for _, k, lo in _factors(maps)]
    headed = {
        place
        for number in range(len(maps))
        for place, part in enumerate(maps.factor_parts(number))
        if isinstance(part, Diagram) and part.head
    }
    while True:
        cells = prod(size**power for size, power in zip(sizes, powers, strict=True))
        if cells <= MAX_CELLS and cells * count <= MAX_ALL_CELLS:
            return tuple(sizes)
        # A smaller n shows a corner of the same matrix, unless there is a Levi-Civita tensor or a table.
        lower = [
            (size, place)
            for place, (factor, size) in enumerate(zip(factors, sizes, strict=True))
            if powers[place] and size > max(factor.multiple, 2) and factor.diagrammatic and place not in headed
            if not factor.split or factor.symbolic
        ]
        if not lower:
            return None
        size, place = max(lower)
        step = factors[place].multiple
        sizes[place] = max(2, step, min(size - step, max(12 // step, 1) * step))


# --- left-out diagrams --------------------------------------------------------------------------------


def _left_out(maps: Basis, pieces: _Pieces, multiplied: Sequence[Multiplied] = ()) -> dict[str, Any]:
    count = left_out(maps)
    if not maps.plain_orders:
        note = (
            "Maps of all tensors that exchanges of symmetric axes carry to each other are one map between symmetric "
            "tensors, drawn as one of them, and those that an exchange negates are none"
        )
        if has_irreps(maps.inputs, maps.outputs):
            note = "Irreps are spaces of tensors, and the maps above are maps of all tensors; those that agree are one"
        note += (
            f": of {maps.certificate.spanning:,} considered, {len(maps):,} {'is' if len(maps) == 1 else 'are'} left."
        )
        return {"count": count, "note": note, "sections": [], "explained": False}
    if len(maps.group.factors) > 1 and count:
        bases = [basis(*problem) for problem in _factors(maps)]
        note = (
            "A product of diagrams is left out when one of its factors is. These are the factors' own left-out "
            "diagrams; numbers in brackets are those of the factor's basis."
        )
    else:
        bases = [maps]
        made_of = maps.group.maps if len(maps.group.factors) > 1 else _made_of(*_factors(maps)[0])
        note = {
            "orbits": "Nothing was left out: orbits are disjoint, so each of them is needed.",
            "matrices": "Nothing was left out: the maps are an exact solution basis of the group's linear equations.",
            "nested": "Nested partitions with more than n blocks, or with a block that is cut into more than m: each "
            "is a combination of the maps above.",
            "graphs": "Bilabelled graphs that were tried, and orbit indicators: combinations of the maps above.",
        }.get(made_of, "")
        if not count:
            needed = "diagram" if maps.group.diagrammatic or made_of == "graphs" else "map"
            note = note if made_of in ("orbits", "matrices") else f"Nothing was left out: every {needed} is needed."
    sections = []
    for place, part in enumerate(bases):
        if part.group.split:
            continue
        own = multiplied[place : place + 1]
        try:
            listed = relations(part)
        except SizeError as error:
            note = f"{note} They are not explained one by one: {error}.".strip()
            continue
        if listed:
            sections.append(
                {
                    "group": abridged(part.group),
                    "formulas": part.formulas() if part is not maps else [],
                    "maps": [
                        {
                            "formula": words.formula(part.group, relation.element, multiplied=own),
                            "picture": pieces.picture(part.group, relation.element, own),
                            "terms": [
                                [number, str(value.numerator), str(value.denominator)]
                                for number, value in relation.terms
                            ],
                        }
                        for relation in listed
                    ],
                }
            )  # fmt: skip
    return {"count": count, "note": note, "sections": sections, "explained": True}


# --- plan ---------------------------------------------------------------------------------------------


def _plan(maps: Basis, problem: ProductHom | None = None) -> dict[str, Any]:
    if not len(maps):
        return {"note": "There is no map, so there is nothing to compute: the output is zero.", "steps": []}
    if len(maps) > MAX_CARDS:
        return {"note": f"A plan for {len(maps):,} maps takes minutes; eqsynth show --plan prints it.", "steps": []}
    one_in, one_out = (Space(((1, order),)) for order in (maps.inputs, maps.outputs))
    try:
        if problem is None:
            plan = plain_plan(Hom(maps.group, one_in, one_out), False, "variance")
        else:
            plan = plan_products(problem, False, "variance")
        listed = list(plan.costs())
    except SizeError as error:
        return {"note": str(error), "steps": []}
    maker: dict[str, int] = {}
    steps: list[dict[str, Any]] = []
    for number, (step, work, moved) in enumerate((cost.step, cost.multiply_adds, cost.traffic) for cost in listed):
        assert step is not None  # noqa: S101 - the total alone has none
        maker |= dict.fromkeys(step.writes, number)
        before = sorted({maker[name] for name in step.reads})
        steps.append(
            {
                "kind": KINDS.get(type(step).__name__, type(step).__name__),
                "name": ", ".join(step.writes) or f"output {getattr(step, 'term', '')}".strip(),
                "text": plan.describe(step),
                "work": str(work) if work else "",
                "moved": str(moved) if moved else "",
                "from": before,
                "layer": max((1 + steps[place]["layer"] for place in before), default=0),
            }
        )
    total = plan.total()
    sizes = [f"n{number + 1} is the size of {factor}" for number, factor in enumerate(maps.group.indices)]
    return {
        "note": "" if len(steps) <= MAX_DRAWN else f"A plan of {len(steps)} steps is too long to draw.",
        "steps": steps if len(steps) <= MAX_DRAWN else [],
        "work": str(total.multiply_adds),
        "moved": str(total.traffic),
        "letters": "; ".join(sizes) if len(sizes) > 1 else "",
    }


# --- dimensions and walks -----------------------------------------------------------------------------


def _dimensions(maps: Basis) -> list[dict[str, Any]]:
    sections = []
    for factor, given, wanted in _factors(maps):
        if not factor.diagrammatic or factor.split:
            continue
        k, lo = axes_of(given), axes_of(wanted)
        if has_irreps(given, wanted):
            continue
        if mixed(factor, given, wanted) or factor.duals or not (is_plain(given) and is_plain(wanted)):
            with suppress(SizeError):
                sections.append(_dimensions_between(factor, given, wanted))
            continue
        stable = dimension.stable_from(factor, k + lo)
        table = symbolic.dimension_table(f"{factor.family}(n)", k + lo, max(stable + 2, 8))
        section: dict[str, Any] = {
            "group": abridged(factor),
            "family": factor.family,
            "heads": factor.heads,
            "total": k + lo,
            "points": [list(pair) for pair in zip(table.sizes, table.dimensions, strict=True)],
            "stable": table.stable,
            "from": stable,
            "here": factor.n if isinstance(factor.n, int) else None,
            "value": dimension.dimension(factor, k + lo),
            "determinant": "",
        }
        if not factor.heads and table.stable and k + lo <= 6:
            section["determinant"] = str(symbolic.gram_determinant(f"{factor.family}(n)", k, lo))
        sections.append(section)
    return sections


def _dimensions_between(factor: Group, given: Order, wanted: Order) -> dict[str, Any]:
    """The same where the sum of both orders does not say which maps there are.

    So it is between twisted tensors and others, where all maps have a head, of which there is none from some n on;
    where axes of V and of V* are told apart; and between symmetric tensors.
    """
    total, whole = axes_of(given) + axes_of(wanted), is_plain(given) and is_plain(wanted)

    def count(group: Group) -> int:
        allowed = maps_of(group, given, wanted)
        if whole:
            return dimension.dimension(allowed, total)
        return dimension.symmetric_dimension(allowed, *tensor_parts(given), *tensor_parts(wanted))

    open_size = factor.at("n")
    stable, settled = dimension.stable_from(maps_of(factor, given, wanted), total), count(open_size)
    heads = mixed(factor, given, wanted) or factor.heads
    few = whole and factor.duals and not heads and settled and total <= 6
    return {
        "group": str(factor),
        "family": factor.family,
        "heads": heads,
        "total": total,
        "points": [[one.n, count(one)] for one in map(open_size.at, range(1, max(stable + 2, 8) + 1))],
        "stable": settled,
        "from": stable,
        "here": factor.n if isinstance(factor.n, int) else None,
        "value": count(factor),
        "determinant": str(symbolic.gram_determinant(f"{factor.family}(n)", given, wanted)) if few else "",
    }


def _walks(maps: Basis) -> list[dict[str, Any]]:
    sections: list[dict[str, Any]] = []
    for (factor, given, wanted), own in zip(_factors(maps), maps.factor_bases(), strict=True):
        k, lo = axes_of(given), axes_of(wanted)
        if not (is_plain(given) and is_plain(wanted)):
            sections.append(
                {
                    "group": abridged(factor),
                    "note": "Walks take one plain axis at a step. Which irreps these spaces consist of, "
                    "eq.irreps(group, order) lists: there is one map for each pair of equal ones.",
                }
            )
        elif mixed(factor, given, wanted):
            sections.append(
                {
                    "group": str(factor),
                    "note": "One of the two sides is twisted by the determinant: the maps are those of the elements of "
                    "determinant 1 that all others negate. Walks that count them end at the determinant in place of "
                    "the trivial part, and are not drawn.",
                }
            )
        elif factor.maps == "nested":
            sections.append(
                {
                    "group": str(factor),
                    "note": f"The number of maps is that of orbits on index tuples: {factor.counted_by}, which say "
                    "what is in one group, and what of that is equal.",
                }
            )
        elif factor.diagrammatic and not factor.stride and not factor.rational:
            sections.append(
                {
                    "group": str(factor),
                    "note": f"The maps are counted by {factor.counted_by}, inputs as outputs of the other kind.",
                }
            )
        elif factor.diagrammatic:
            sections.append(_bratteli(factor, *((given, wanted) if factor.duals else (k, lo))))
        elif factor.permuting:
            sections.append(_burnside(factor, k + lo, len(own)))
        else:
            sections.append(
                {
                    "group": abridged(factor),
                    "note": "A group given by matrices is handled without its irreducible parts: the number of maps is "
                    "the number of unknowns, less the rank of the linear equations that the generators give.",
                }
            )
    return sections


def _bratteli(factor: Group, given: Order, wanted: Order) -> dict[str, Any]:
    k, lo = axes_of(given), axes_of(wanted)
    size = factor.n if isinstance(factor.n, int) else dimension.stable_from(factor, k + lo)
    group = factor.at(size)
    diagram = bratteli(group, given, wanted)
    # SO(n) and A(n) may break a part in two, so its dimension would mislead.
    whole = not factor.twist and size <= 100
    drawn = sum(map(len, diagram.edges)) <= MAX_DRAWN
    return {
        "group": abridged(group),
        "walk": factor.walk,
        "twist": factor.twist,
        "larger": f"{factor.headless}({size})" if factor.headless else "",
        "words": {_lookup(label): group.part_words(label) for level in diagram.levels for label in level},
        "open": isinstance(factor.n, str),
        "inputs": k,
        "outputs": lo,
        "n": size,
        "stride": diagram.stride,
        "paths": diagram.paths,
        "levels": [[_rows(label) for label in level] for level in diagram.levels] if drawn else [],
        "edges": [[list(pair) for pair in pairs] for pairs in diagram.edges] if drawn else [],
        "before": [list(map(str, level)) for level in diagram.before] if drawn else [],
        "after": [list(map(str, level)) for level in diagram.after] if drawn else [],
        "meeting": [
            [_rows(shape), one, two, irreducible_dimension(group, shape) if whole else None]
            for shape, one, two in diagram.meeting
        ],
    }


def _rows(label: Label) -> list[Any]:
    """The rows of a partition, or of two of them, as lists."""
    return [list(part) if isinstance(part, tuple) else part for part in label]


def _lookup(label: Label) -> str:
    """A label as the page looks it up."""
    return json.dumps(_rows(label), separators=(",", ":"))


def _burnside(group: Group, total: int, count: int) -> dict[str, Any]:
    section: dict[str, Any] = {"group": abridged(group), "orbits": count, "power": total}
    assert isinstance(group.n, int)  # noqa: S101 - such groups have a number of points
    try:
        fixed = Counter(
            sum(1 for point, image in enumerate(element) if point == image)
            for element in elements(group.permutations, group.n)
        )
    except SizeError:
        return section
    return {**section, "order": sum(fixed.values()), "fixed": [[points, fixed[points]] for points in sorted(fixed)]}


def _list(texts: Iterable[str]) -> str:
    return " and ".join(texts)


def _counted(factor: Group, k: Order, lo: Order) -> str:
    """What the number of maps of a group that is no product is."""
    if factor.diagrammatic:
        return f"the number that {factor.counted_by} count"
    if takes_kernel(factor, k, lo):
        return "the dimension of the solutions of linear equations, computed exactly"
    return "the number of orbits on index tuples"


def _certificate(maps: Basis, product: ProductHom | None = None) -> dict[str, Any]:
    group, certificate = maps.group, maps.certificate
    if group.diagrammatic:
        size = (
            "the number of maps is known without any diagram, from representation theory: "
            + f"{_list(dict.fromkeys(factor.counted_by for factor in group.factors))} count them"
            + ". So once that many independent maps are found, the list is complete."
        )
    else:
        known = [_counted(*problem) for problem in _factors(maps)]
        size = f"the number of maps is known without any diagram: it is {known[0]}."
        if len(known) > 1:
            named = (f"for {factor} {count}" for factor, count in zip(group.factors, known, strict=True))
            size = f"the number of maps is a product of numbers that are known without any diagram: {_list(named)}."
    problem = f"{group}: 1x{order_text(maps.inputs)} -> 1x{order_text(maps.outputs)}" if product is None else product
    return {
        "text": str(certificate),
        "considered": certificate.spanning,
        "dimension": certificate.dimension,
        "independence": certificate.independence,
        "prime": certificate.prime,
        "why": [
            "Equivariant: each map is built from a diagram, an orbit or a solution that commutes with the group by "
            "construction; verify checks it again with group elements.",
            f"Complete: {size}",
            "Independent: no map is a combination of the others, proven with whole numbers; no rounding decides.",
        ],
        "command": f'eqsynth verify "{problem}"',
    }


def write(path: Path, group: str | Group, inputs: Order, outputs: Order, *, force: bool = False) -> int:
    """Write the page to a file; returns its size in bytes.

    >>> from eqsynth.page import write
    >>> write(Path("maps.html"), "O(3)", 2, 2)  # doctest: +SKIP
    67000

    A file with other content is replaced with ``force`` only.

    Raises ExportError where the file cannot be written, and what :func:`html` raises.
    """
    return _save(path, html(group, inputs, outputs), force)


def write_problem(path: Path, problem: Problem, *, force: bool = False) -> int:
    """The same for a product of inputs, as a problem.

    >>> from eqsynth.families.hom import parse_problem
    >>> from eqsynth.show.page import write_problem
    >>> write_problem(Path("maps.html"), parse_problem("O(3): 4x1 (x) 4x2 -> 2x1"))  # doctest: +SKIP
    67000
    """
    return _save(path, problem_html(problem), force)


def _save(path: Path, text: str, force: bool) -> int:
    content = text.encode()
    files.save(path, content, force=force)
    return len(content)
