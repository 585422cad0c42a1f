"""Which diagrams a trained layer uses: the weights of a layer, diagram by diagram."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any, overload

from eqsynth.diagrams.diagram import Element, Multiplied
from eqsynth.diagrams.layout import drawing
from eqsynth.diagrams.svg import svg
from eqsynth.diagrams.text import picture
from eqsynth.errors import EqsynthError, SymbolicError, abridged, counted, explain_calls, shown
from eqsynth.exact.numbers import whole
from eqsynth.families.group import Group
from eqsynth.families.hom import Problem, ProductHom
from eqsynth.plans.equal_operands import ratios
from eqsynth.plans.lowering import constants, gains, mean_squares
from eqsynth.plans.plan import POWERS
from eqsynth.plans.products import maps

if TYPE_CHECKING:
    from torch import nn

    from eqsynth.layers.emitted import EmittedLayer

#: Rows that are shown unless told otherwise, the length of a bar, and n where a group leaves it open.
SHOWN = 30
BAR = 20
OPEN = 10
#: Pixels per step between vertices in a notebook's table.
PIXELS = 32


@dataclass(frozen=True, slots=True)
class Use:
    """How much a layer uses one diagram.

    ``norm`` is the Frobenius norm of its weight matrix, ``weight[element]`` of the pair ``(term_in, term_out)``, or of
    its bias where ``term_in`` is None; ``name`` is that of the parameter in the state_dict. In a layer of products
    ``term_in`` is the number of the product in ``layer.problem.terms``. ``variance`` is what the diagram alone would
    give the mean output entry, for inputs of independent entries of variance 1, ``share`` its part of the sum over all
    diagrams into the same output. Of symmetric and alternating tensors each entry counts once, as where they are
    packed.
    """

    term_in: int | None
    term_out: int
    element: int
    diagram: Element
    formula: str
    norm: float
    variance: float
    share: float
    name: str

    @property
    def parameter(self) -> str:
        """Where the weights are."""
        return "bias" if self.term_in is None else "weight"

    @property
    def place(self) -> str:
        """Where the weights are, as in the state_dict: ``weight_0_1[3]``."""
        return f"{self.name}[{self.element}]"


@dataclass(frozen=True, slots=True)
class Inspection:
    """The diagrams of a layer, most used first: ``uses``. ``print`` shows a table, Jupyter one with pictures.

    They are those of its maps, and of its constants where there is a bias.
    """

    problem: Problem
    sizes: tuple[int, ...]
    uses: tuple[Use, ...]

    def __len__(self) -> int:
        return len(self.uses)

    def __getitem__(self, index: int) -> Use:
        return self.uses[index]

    def __str__(self) -> str:
        return self.table()

    def table(self, limit: int | None = SHOWN) -> str:
        """The uses as text, with pictures; ``limit=None`` shows every row."""
        shown = self.uses[:limit]
        group = self.problem.group
        pictures = [picture(use.diagram, group, self._multiplied(use)).split("\n") for use in shown]
        cells = [(use.place, use.formula, f"{use.norm:.3g}", self._bar(use), f"{use.share:.1%}") for use in shown]
        head = ("map", "formula", "norm", "", "share of variance")
        wide = [max([len(head[column]), *(len(row[column]) for row in cells)]) for column in range(4)]
        broad = max((len(line) for lines in pictures for line in lines), default=0)

        def line(row: Sequence[str], picture: str) -> str:
            place, *others = (f"{cell:<{width}}" for cell, width in zip(row[:4], wide, strict=True))
            return "  ".join([place, f"{picture:<{broad}}", *others, row[4]]).rstrip()

        lines = [*self._heading(), line(head, "")]
        for row, drawn in zip(cells, pictures, strict=True):
            middle = len(drawn) // 2
            lines += [
                line(row if place == middle else ("",) * 5, text) for place, text in enumerate(drawn)
            ]  # fmt: skip
            lines += [""] if len(drawn) > 1 else []
        if len(shown) < len(self):
            lines.append(f"... and {len(self) - len(shown)} more: .table(limit=None) has them")
        return "\n".join(lines).rstrip()

    def _repr_html_(self) -> str:
        """What Jupyter shows."""
        heading = "".join(f"<div>{escape(line)}</div>" for line in self._heading())
        most = max((use.norm for use in self.uses), default=0.0) or 1.0
        group = self.problem.group
        drawn = [drawing(group, use.diagram, multiplied=self._multiplied(use)) for use in self.uses[:SHOWN]]
        rows = "".join(
            f'<tr title="{escape(picture.words)}"><td>{escape(use.place)}</td>'
            f"<td>{svg(picture, width=PIXELS * picture.width)}</td>"
            f"<td><code>{escape(use.formula)}</code></td><td>{use.norm:.3g}</td>"
            f'<td><div style="height:0.7em;background:currentColor;width:{8 * use.norm / most:.2f}em"></div></td>'
            f"<td>{use.share:.1%}</td></tr>\n"
            for use, picture in zip(self.uses[:SHOWN], drawn, strict=True)
        )
        more = len(self) - SHOWN
        note = f"<div>... and {more} more: .table(limit=None) has them</div>" if more > 0 else ""
        head = "".join(
            f"<th>{name}</th>" for name in ("map", "diagram", "formula", "norm", "", "share of variance")
        )  # fmt: skip
        return f"<div>{heading}<table><thead><tr>{head}</tr></thead><tbody>\n{rows}</tbody></table>{note}</div>"

    def _heading(self) -> list[str]:
        letters = " x ".join(str(size) for size in self.sizes)
        normal = "normal " * any(len(set(term)) < len(term) for term in self.problem.terms)
        biases = sum(use.term_in is None for use in self.uses)
        counts = [(len(self) - biases, "map"), *([(biases, "constant")] if biases else [])]
        listed = " and ".join(counted(count, name) for count, name in counts)
        return [
            f"{abridged(self.problem)}: {listed}, most used first; "
            f"shares for independent {normal}inputs of variance 1, n = {letters}"
        ]

    def _multiplied(self, use: Use) -> Sequence[Multiplied]:
        return () if use.term_in is None else self.problem.multiplied(use.term_in)

    def _bar(self, use: Use) -> str:
        most = max(other.norm for other in self.uses) or 1.0
        return "█" * round(BAR * use.norm / most) or ("▏" if use.norm else "")


@dataclass(frozen=True, slots=True)
class NetworkInspection:
    """The inspections of the layers of a network, by their names in it: ``layers``. ``print`` shows all tables."""

    layers: dict[str, Inspection]

    def __len__(self) -> int:
        return len(self.layers)

    def __iter__(self) -> Iterator[str]:
        return iter(self.layers)

    def __getitem__(self, name: str) -> Inspection:
        return self.layers[name]

    def __str__(self) -> str:
        return self.table()

    def table(self, limit: int | None = SHOWN) -> str:
        """The tables of all layers as text, each under the name of its layer; ``limit`` is that of each."""
        return "\n\n".join(f"{name}: {layer.table(limit)}" for name, layer in self.layers.items())

    def _repr_html_(self) -> str:
        """What Jupyter shows."""
        return "".join(f"<h4>{escape(name)}</h4>{layer._repr_html_()}" for name, layer in self.layers.items())


@overload
def inspect(layer: EmittedLayer, n: int | Sequence[int] | None = None) -> Inspection: ...
@overload
def inspect(layer: nn.Module, n: int | Sequence[int] | None = None) -> Inspection | NetworkInspection: ...
@explain_calls
def inspect(layer: nn.Module, n: int | Sequence[int] | None = None) -> Inspection | NetworkInspection:
    """Which diagrams a layer uses, and how much: a row per weight matrix, most used first.

    >>> import torch, eqsynth as eq
    >>> layer = eq.Linear("S(n)", 2, 1, bias=False)
    >>> layer.weight.data[:, 0, 0] = torch.tensor([0.0, 0.0, 1.0, 3.0, 0.0])
    >>> inspection = eq.inspect(layer)
    >>> [(use.formula, use.norm, round(use.share, 2)) for use in inspection.uses[:2]]
    [('y[a] += x[a,b]', 3.0, 0.9), ('y[a] += x[a,a]', 1.0, 0.1)]

    Layers of products are inspected in the same way: formulas name their inputs u and v.

    >>> layer = eq.Power("O(3)", "1x1", 2, "1x2", bias=False)
    >>> layer.weight.data[:, 0, 0] = torch.tensor([2.0, 1.0])
    >>> [(use.formula, round(use.variance, 2)) for use in eq.inspect(layer)]
    [('y[a,a] += u[b] u[b]', 6.67), ('y[a,b] += u[a] u[b]', 1.67)]

    Of a network, or any module of torch with layers of eqsynth in it, each layer is inspected, under its name.

    >>> network = eq.nn.MLP("S(n)", ["1x2", "4x1", "1x0"])
    >>> inspection = eq.inspect(network)
    >>> [*inspection], len(inspection["0"])
    (['0', '2'], 6)

    Weights that are blocks of irreps are turned into coefficients of diagrams first.

    Each use has the ``norm`` of its weight matrix and its ``share`` of the output's variance, or mean square, where the
    variances of all diagrams into one output term are added as if their outputs were uncorrelated. Inputs that are
    multiplied by themselves are taken to be normal, as initial weights take them, and entries of the factors of a
    product to be independent, symmetric or not; several channels that are multiplied by themselves count as if they
    were uncorrelated. Of symmetric outputs each entry counts once, as where they are packed. ``n`` is the size for the
    shares where the group leaves it open, 10 if it is left out.

    Raises EqsynthError for what is no layer of eqsynth and holds none.
    """
    from eqsynth.layers.emitted import EmittedLayer

    if isinstance(layer, EmittedLayer):
        return _inspect(layer, n)
    named = getattr(layer, "named_modules", dict[str, Any]().items)()
    layers = {name: part for name, part in named if isinstance(part, EmittedLayer)}
    if not layers:
        raise EqsynthError(
            "inspect takes a layer of eqsynth, such as eqsynth.Linear or TensorProduct, or a network that holds some, "
            f"not {type(layer).__name__}: for an exported class, load its state_dict into the layer of the same problem"
        )
    return NetworkInspection({name: _inspect(part, n) for name, part in layers.items()})


def _inspect(layer: EmittedLayer, n: int | Sequence[int] | None) -> Inspection:
    """Which diagrams one layer uses."""
    from eqsynth.plans.interpret import block_coefficients

    plan, problem = layer.plan, layer.problem
    group = problem.group
    digits = {name: value if value.is_complex() else value.double() for name, value in layer.named_parameters()}
    parameters = {name: value.detach().cpu().numpy() for name, value in digits.items()}
    uses: list[Use] = []
    sizes = constants(plan.hom, problem.space_out.orders[0]).sizes(_read_sizes(group, n))
    power = -POWERS[plan.normalization]
    for term_out, (channels_out, order_out) in enumerate(problem.space_out):
        into: list[tuple[int | None, int, Element, str, float, float, str]] = []
        for term_in in (*range(len(problem.terms)), None):
            name = plan.bias_name(term_out) if term_in is None else plan.weight_name(term_in, term_out)
            if name not in parameters:
                continue
            pair = constants(plan.hom, order_out) if term_in is None else maps(problem, term_in, term_out)
            weight = parameters[name]
            blocks = plan.parameters == "blocks" and term_in is not None
            if blocks and term_in is not None:
                weight = block_coefficients(plan, parameters, term_in, term_out)
            # Coefficients that are read off blocks are those of the bare diagrams.
            gained = gains(pair) if term_in is not None and not blocks else None
            scales = mean_squares(pair, sizes, 0.0 if blocks else power, gained)
            if isinstance(problem, ProductHom) and term_in is not None:
                smaller = ratios(pair, problem, term_in, sizes)
                scales = [square / ratio for square, ratio in zip(scales, smaller, strict=True)]
            multiplied = () if term_in is None else problem.multiplied(term_in)
            for element, square in enumerate(scales):
                norm = float((abs(weight[element]) ** 2).sum()) ** 0.5
                variance = norm**2 * square / channels_out
                text = pair.formula(element, multiplied)
                into.append((term_in, element, pair[element], text, norm, variance, name))
        total = sum(variance for *_, variance, _ in into) or 1.0
        uses += [
            Use(term_in, term_out, element, diagram, text, norm, variance, variance / total, name)
            for term_in, element, diagram, text, norm, variance, name in into
        ]
    # Stable: equal shares stay in the order of terms and elements.
    uses.sort(key=lambda use: -use.share)
    return Inspection(problem, sizes, tuple(uses))


def _read_sizes(group: Group, n: int | Sequence[int] | None) -> list[int] | None:
    """The sizes of the factors of the group, for those left open 10, or the next there is; None where none is open."""
    if n is None:
        if not group.symbolic:
            return None
        return [f.n if isinstance(f.n, int) else OPEN + -OPEN % f.multiple for f in group.factors]
    alone = len(group.factors) == 1
    given = list(n) if isinstance(n, tuple | list) else [n if alone or f.symbolic else f.n for f in group.factors]
    sizes = [size for size in map(whole, given) if size is not None]
    if len(sizes) != len(given) or len(sizes) != len(group.factors):
        raise SymbolicError(f"n is a whole number, or one for each factor of {group}, not {shown(n, 40)}")
    return sizes
