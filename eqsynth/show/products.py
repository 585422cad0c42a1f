"""Products of inputs in words, tables and data: what ``eqsynth show`` prints of them, one product after the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

from eqsynth.bases import table
from eqsynth.bases.basis import Basis, basis
from eqsynth.diagrams import words
from eqsynth.diagrams.diagram import LETTERS, indexed
from eqsynth.diagrams.shapes import Drawing
from eqsynth.diagrams.transfer import WORDS
from eqsynth.errors import SpaceError, counted
from eqsynth.families.hom import ProductHom, weight_name
from eqsynth.plans.powers import ARGUMENTS
from eqsynth.plans.products import maps
from eqsynth.spaces.space import axes_of, order_text
from eqsynth.store.screen import Screen


@dataclass(frozen=True, slots=True)
class Part:
    """One product of a problem, number ``term`` of its ``terms``, and one output term.

    >>> from eqsynth.families.hom import ProductHom
    >>> from eqsynth.show.products import parts
    >>> part, = parts(ProductHom.parse("O(3)", ["4x1", "4x2"], "2x1"))
    >>> part.equation, len(part.maps)
    ('x[a,b,c] = u[a] v[b,c]', 3)
    """

    problem: ProductHom
    term: int
    output: int

    @property
    def linear(self) -> Basis:
        """All maps of the product as one tensor x; those that have weights, where these are found without the others.

        >>> from eqsynth.families.hom import ProductHom
        >>> from eqsynth.show.products import parts
        >>> part, = parts(ProductHom.parse("SO(3)", ["1x3o", "1x3o"], "1x3o"))
        >>> len(part.linear), part.kept
        (1, [0])
        """
        if self.by_patterns or self.maps.certificate.independence == "coupling":
            return self.maps
        orders = self.problem.hom.space_in.orders[self.term], self.problem.space_out.orders[self.output]
        return basis(self.problem.group, *orders, transfer=self.problem.transfer)

    @property
    def by_patterns(self) -> bool:
        """Whether maps were listed up to exchanges of equal factors, without all others."""
        return self.maps.certificate.independence in ARGUMENTS

    @property
    def maps(self) -> Basis:
        """Those that have weights: where factors are equal or symmetric, as many as stay independent."""
        return maps(self.problem, self.term, self.output)

    @property
    def kept(self) -> list[int]:
        """The places of the maps with weights among all maps of the product."""
        place = {diagram: number for number, diagram in enumerate(self.linear.diagrams)}
        return [place[diagram] for diagram in self.maps.diagrams]

    @property
    def multiplied(self) -> tuple[tuple[tuple[str, int], ...], ...]:
        """The factors by name, as formulas and pictures have them."""
        return self.problem.multiplied(self.term)

    @property
    def name(self) -> str:
        """What weights of this part are called in a layer's state_dict."""
        return weight_name(self.problem, self.term, self.output)

    @property
    def equation(self) -> str:
        """The product as a formula, x[a,b,c] = u[a] v[b,c], with all axes of each factor together."""
        letters = iter(LETTERS)
        factors = []
        for number in self.problem.terms[self.term]:
            own = [next(letters) for _ in range(axes_of(self.problem.inputs[number][1]))]
            factors.append((self.problem.input_name(number), own))
        every = [letter for _, own in factors for letter in own]
        return f"{indexed('x', every)} = {' '.join(indexed(name, own) for name, own in factors)}"

    @property
    def spaces(self) -> list[tuple[str, str, int]]:
        """For each different factor its name, its space in words, and how often it is multiplied."""
        counts = Counter(self.problem.terms[self.term])
        group, inputs = self.problem.group, self.problem.inputs
        return [
            (self.problem.input_name(number), words.space(group, inputs[number][1]), count)
            for number, count in counts.items()
        ]

    @property
    def sentence(self) -> str:
        """Which maps these are, as a noun.

        >>> from eqsynth.families.hom import ProductHom
        >>> from eqsynth.show.products import parts
        >>> [part.sentence for part in parts(ProductHom.parse("O(3)", ["4x1"], "2x0", "paired", (2,)))]
        ['map of degree 2 in u, a vector of 3 numbers, to y, one number,']
        """
        if all(count == 1 for _, _, count in self.spaces):
            what = "that is linear in " + ", and in ".join(f"{name}, {space}" for name, space, _ in self.spaces)
        else:
            what = "of degree " + ", and ".join(f"{count} in {name}, {space}" for name, space, count in self.spaces)
        space_out = words.space(self.problem.group, self.problem.space_out.orders[self.output])
        return f"map {what}, to y, {space_out},"

    @property
    def fewer(self) -> str:
        """Why some maps of the product have no weight; nothing where all have one."""
        every, kept = len(self.linear), len(self.maps)
        if self.by_patterns:
            return "maps that agree where a factor is multiplied by itself, or is symmetric, are one map"
        if every == kept:
            return ""
        equal = any(count > 1 for _, _, count in self.spaces)
        why = "a factor is multiplied by itself" if equal else "factors are symmetric or alternating"
        return f"{kept} of the {every} maps of x stay independent, since {why}"

    @property
    def symmetry(self) -> str:
        """What the symmetry means, as a sentence."""
        said = words.symmetry(self.problem.group)
        return (
            said.replace("the input ", "the inputs ").replace("the input,", "the inputs,")
            if len(self.spaces) > 1
            else said
        )

    @property
    def heading(self) -> list[str]:
        """The lines above the table."""
        count = len(self.maps)
        sums = "is a weighted sum of these." if count else "is zero."
        order = order_text(self.problem.space_out.orders[self.output])
        first = f"{self.equation} -> order {order}, {counted(count, 'independent equivariant map')}"
        first += f": {self.name}[i]" if self.name != "weight" and count else ""
        certificate = f"certificate: {self.linear.certificate}"
        such = f" that commutes with {WORDS[self.problem.transfer]}" if self.problem.transfer else ""
        head = [first, self.symmetry, f"Every {self.sentence} with this symmetry{such} {sums}", certificate, self.fewer]
        return [*filter(None, head), *table.reading(self.maps, self.multiplied)]


def parts(problem: ProductHom) -> Iterator[Part]:
    """Every product with every output term."""
    for term, output in product(range(len(problem.terms)), range(len(problem.space_out))):
        yield Part(problem, term, output)


def only(problem: ProductHom) -> Part:
    """The one product and output term of a problem. Raises SpaceError where there are several."""
    first, *others = parts(problem)
    if others:
        one = order_text(problem.operands[0].orders[0])
        raise SpaceError(
            f"this shows one product with one output, and {problem} has {1 + len(others)}: give each space one term"
            + (f", and one degree, such as 'powers {problem.degrees[-1]} of {one}'" if problem.degrees else "")
        )
    return first


def product_table(
    problem: ProductHom,
    limit: int | None,
    index: int | None = None,
    screen: Screen = table.ANY,
    sizes: bool = False,
) -> str:
    r"""The maps of a problem as text, product by product; ``sizes`` as for :func:`eqsynth.bases.table.basis_table`.

    >>> from eqsynth.families.hom import ProductHom
    >>> from eqsynth.show.products import product_table
    >>> print(*product_table(ProductHom.parse("O(3)", ["4x1", "4x1"], "2x0"), None).split("\n")[:3], sep="\n")
    O(3): 4x1 (x) 4x1 -> 2x0
    x[a,b] = u[a] v[b] -> order 0, 1 independent equivariant map
    Rotate or reflect the coordinates of the inputs, and the output changes in the same way.
    """
    tables = [
        table.basis_table(part.maps, limit, index, part.multiplied, part.heading, sizes, screen)
        for part in parts(problem)
    ]
    return screen.fitted(str(problem)) + "\n" + "\n\n".join(tables)


def product_data(problem: ProductHom, index: int | None = None) -> dict[str, Any]:
    """The same as dictionaries, lists, numbers and text, ready for JSON.

    >>> from eqsynth.families.hom import ProductHom
    >>> from eqsynth.show.products import product_data
    >>> data = product_data(ProductHom.parse("O(3)", ["4x1", "4x1"], "2x0"))
    >>> data["products"][0]["elements"][0]["formula"]
    'y += u[a] v[a]'
    """
    listed = []
    for part in parts(problem):
        factors = [problem.input_name(number) for number in problem.terms[part.term]]
        named = {"weights": part.name, "factors": factors, "output": part.output, "product": part.equation}
        listed.append({**named, **table.basis_data(part.maps, index, part.multiplied)})
    mode = {} if problem.degrees else {"mode": problem.mode}
    return {"problem": str(problem), **mode, "products": listed}


def product_drawings(problem: ProductHom) -> tuple[list[Drawing], list[str]]:
    r"""The drawings of all maps, with number and formula, and the name of the weights where there are several.

    >>> from eqsynth.families.hom import ProductHom
    >>> from eqsynth.show.products import product_drawings
    >>> product_drawings(ProductHom.parse("O(3)", ["4x1"], "2x0", "paired", (2,)))[1]
    ['0\xa0\xa0y += u[a] u[a]']
    """
    drawn: list[Drawing] = []
    captions: list[str] = []
    for part in parts(problem):
        pictures, said = table.drawings(part.maps, multiplied=part.multiplied)
        drawn += pictures
        several = [f"{part.name}[{number}]\u00a0\u00a0{one.formula}" for number, one in enumerate(pictures)]
        captions += said if part.name == "weight" else several
    return drawn, captions
