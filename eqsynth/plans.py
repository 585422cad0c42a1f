"""The plan of a layer: a straight-line program of a few steps at the level of the mathematics.

A plan has three readers: ``interpret`` (NumPy, the reference meaning), ``emit`` (PyTorch source) and
``draw``. Every value is a tensor (batch, n, ..., n, channels) with ``axes`` axes of length n.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

from eqsynth.diagram import Element
from eqsynth.group import Hom

#: For each axis of a source the axis of the target that it becomes, or None where it is summed.
Pattern = tuple[int | None, ...]

#: How a sum over an index of length n is scaled: n^(-1/2), n^-1, or not.
NORMALIZATIONS = ("variance", "mean", "sum")


#: Pairs of axes joined by the symplectic form.
Forms = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Input:
    """``target`` is the input tensor of one term; ``sizes`` names, for each axis, the factor of the group."""

    target: str
    term: int
    sizes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Reduce:
    """Source axes that share a target axis are restricted to their diagonal; None axes are summed.

    ``pattern`` has one entry per source axis. Each summed axis is scaled as the plan says. The pairs of
    summed axes in ``forms`` are contracted with the symplectic form instead, scaled once.
    """

    target: str
    source: str
    pattern: Pattern
    forms: Forms = ()

    @property
    def axes(self) -> int:
        """Axes of the target."""
        return len({axis for axis in self.pattern if axis is not None})

    @property
    def summed(self) -> int:
        """Sums over one index each."""
        return self.pattern.count(None) - len(self.forms)


@dataclass(frozen=True, slots=True)
class Hodge:
    """Contraction with the Levi-Civita tensor: antisymmetrise, then the Hodge star.

    ``order`` puts the source axes as (carried, tied, taken); the target has (carried, tied, given), where
    target[.., K, J] = scale * sum over I (and the missing label, if any) of epsilon(K, J, I) source[.., K, I].
    K has ``tied`` axes, J has ``given``, I has ``taken``, all of length n, the size of ``factor``.
    """

    target: str
    source: str
    order: tuple[int, ...]
    factor: int
    n: int
    tied: int
    taken: int
    given: int

    @property
    def carried(self) -> int:
        """Axes that the tensor does not touch."""
        return len(self.order) - self.tied - self.taken


@dataclass(frozen=True, slots=True)
class Operand:
    """One tensor that enters a Mix: axis i is axis ``middle[i]`` of ``source``."""

    source: str
    term: int
    middle: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Target:
    """One tensor that a Mix makes, for one term of the output space."""

    name: str
    term: int


@dataclass(frozen=True, slots=True)
class Entry:
    """Element ``element`` of the basis (operand's term -> target's term) joins operand and target."""

    target: int
    operand: int
    element: int
    sign: int = 1


@dataclass(frozen=True, slots=True)
class Mix:
    """Channel mixing for all diagrams with the same transferred axes: one matrix product.

    target[..., o] = sum over entries and channels i of sign weight[element, o, i] * operand[..., i], plus
    bias[element, o] for the ``biases``, entries whose operand is -1. ``sizes``: the factor of each axis.
    """

    sizes: tuple[int, ...]
    operands: tuple[Operand, ...]
    targets: tuple[Target, ...]
    entries: tuple[Entry, ...]
    biases: tuple[Entry, ...] = ()

    @property
    def axes(self) -> int:
        """Axes of operands and targets."""
        return len(self.sizes)


@dataclass(frozen=True, slots=True)
class Part:
    """One summand of a Spread. ``pattern``: for each target axis, the axis of ``source``, or None to repeat.

    Target axes that share a source axis are a diagonal: the summand is zero off it. Along the pairs of
    axes in ``forms`` the summand carries the symplectic form.
    """

    source: str
    pattern: Pattern
    forms: Forms = ()


@dataclass(frozen=True, slots=True)
class Spread:
    """The transpose of Reduce: ``target`` is the sum of its parts, placed on its axes."""

    target: str
    term: int
    sizes: tuple[int, ...]
    parts: tuple[Part, ...]

    @property
    def axes(self) -> int:
        """Axes of the target."""
        return len(self.sizes)


@dataclass(frozen=True, slots=True)
class Table:
    """The maps from one input term in a Tied step, in the order of their weights."""

    source: str
    term: int
    elements: tuple[Element, ...]


@dataclass(frozen=True, slots=True)
class Tied:
    """A dense matrix whose entries are tied: target = sum over tables and elements of weight, scale, matrix.

    For groups without diagrams at every order (orbits, bilabelled graphs, exact kernels). Each element is
    scaled by a power of the largest sum of squares in a row of its matrix. ``constants`` are the elements
    of the bias.
    """

    target: str
    term: int
    sizes: tuple[int, ...]
    tables: tuple[Table, ...]
    constants: tuple[Element, ...]


@dataclass(frozen=True, slots=True)
class Output:
    """The output tensor of one term is ``source``; None where it is always zero."""

    term: int
    source: str | None


Step = Input | Reduce | Hodge | Mix | Spread | Tied | Output


@dataclass(frozen=True, slots=True)
class Pair:
    """The parameters of one (input term, output term): ``dim`` weights of basis elements.

    ``variances``: the variance of a weight at initialisation, times the fan-in, per element.
    ``gains``: for each factor the quarter powers of n by which weights are multiplied (``lower.gains``).
    """

    term_in: int
    term_out: int
    dim: int
    gains: tuple[int, ...]
    variances: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """A layer as a program. ``print(plan)`` shows its steps and their cost.

    >>> import eqsynth as eq
    >>> plan = eq.plan("S(n)", "16x2", "32x1")
    >>> plan.dims
    {(0, 0): 5}
    >>> [type(step).__name__ for step in plan.steps]
    ['Input', 'Reduce', 'Reduce', 'Reduce', 'Reduce', 'Reduce', 'Mix', 'Mix', 'Spread', 'Output']
    """

    hom: Hom
    bias: bool
    normalization: str
    steps: tuple[Step, ...]
    pairs: tuple[Pair, ...]
    bias_dims: tuple[int, ...]

    @property
    def dims(self) -> dict[tuple[int, int], int]:
        """Independent maps for each (input term, output term)."""
        return {(pair.term_in, pair.term_out): pair.dim for pair in self.pairs}

    def zero_outputs(self) -> list[str]:
        """A sentence for each output term that no map reaches."""
        return [
            f"output term {term} of {self.hom} is always zero: no map into it has this symmetry"
            for term in range(len(self.hom.space_out))
            if not any(pair.term_out == term for pair in self.pairs) and not self.bias_dims[term]
        ]

    def weight_name(self, term_in: int, term_out: int) -> str:
        """The parameter's name: ``weight``, or ``weight_0_1`` in a layer of several terms."""
        single = len(self.hom.space_in) == len(self.hom.space_out) == 1
        return "weight" if single else f"weight_{term_in}_{term_out}"

    def bias_name(self, term_out: int) -> str:
        """The parameter's name: ``bias``, or ``bias_1`` in a layer of several terms."""
        single = len(self.hom.space_in) == len(self.hom.space_out) == 1
        return "bias" if single else f"bias_{term_out}"

    def costs(self) -> Iterator[tuple[Step, Polynomial, Polynomial]]:
        """Each step with its multiply-adds and the elements that it reads and writes, per sample.

        Polynomials in n; where a product group has several sizes, n stands for each of them.
        """
        shape: dict[str, tuple[int, int]] = {}
        c_in, c_out = self.hom.space_in.channels, self.hom.space_out.channels
        for step in self.steps:
            work, moved = Polynomial(), Polynomial()
            match step:
                case Input(target, term, sizes):
                    shape[target] = (len(sizes), c_in[term])
                case Reduce(target, source, _, _):
                    _, channels = shape[source]
                    if step.summed:
                        work = Polynomial.power(step.axes + step.summed, channels)
                        moved = work + Polynomial.power(step.axes, channels)
                    shape[target] = (step.axes, channels)
                case Hodge(target, source):
                    axes, channels = shape[source]
                    made = axes - step.taken + step.given
                    work = Polynomial.power(axes, channels) + Polynomial.power(made, channels)
                    moved = work
                    shape[target] = (made, channels)
                case Mix(_, operands, targets, entries, _):
                    wide_in = sum(c_in[operand.term] for operand in operands)
                    wide_out = sum(c_out[target.term] for target in targets)
                    pairs = (c_in[operands[e.operand].term] * c_out[targets[e.target].term] for e in entries)
                    work = Polynomial.power(step.axes, sum(pairs))
                    moved = Polynomial.power(step.axes, wide_in + wide_out)
                    for each in targets:
                        shape[each.name] = (step.axes, c_out[each.term])
                case Spread(target, term, _, parts):
                    for part in parts:
                        kinds = {axis for axis in part.pattern if axis is not None}
                        touched = len(kinds) + part.pattern.count(None) - len(part.forms)
                        work += Polynomial.power(touched, c_out[term])
                        moved += Polynomial.power(touched, 2 * c_out[term])
                    shape[target] = (step.axes, c_out[term])
                case Tied(target, term, sizes, tables):
                    for table in tables:
                        axes, channels = shape[table.source]
                        work += Polynomial.power(axes + len(sizes), channels * c_out[term])
                        moved += Polynomial.power(axes, channels)
                    moved += Polynomial.power(len(sizes), c_out[term])
                    shape[target] = (len(sizes), c_out[term])
                case Output():
                    pass
            yield step, work, moved

    def __str__(self) -> str:
        rows = [
            (_describe(step), str(work) if work else "", str(moved) if moved else "")
            for step, work, moved in self.costs()
        ]
        total_work = sum((work for _, work, _ in self.costs()), Polynomial())
        total_moved = sum((moved for _, _, moved in self.costs()), Polynomial())
        rows = [("step", "multiply-adds", "elements moved"), *rows, ("total", str(total_work), str(total_moved))]
        wide = [max(len(row[column]) for row in rows) for column in range(3)]
        dims = ", ".join(str(pair.dim) for pair in self.pairs) or "0"
        each = ", n for the size of each factor" if len(self.hom.group.factors) > 1 else ""
        lines = [f"plan of {self.hom}: {dims} independent maps, sums scaled by {self.normalization}; per sample{each}:"]
        lines += ["  ".join(f"{cell:<{width}}" for cell, width in zip(row, wide, strict=True)).rstrip() for row in rows]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """What Jupyter shows: the steps as a table."""
        rows = [(_describe(step), *(str(cost) if cost else "" for cost in costs)) for step, *costs in self.costs()]
        body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row[:3]) + "</tr>\n" for row in rows)
        heading = str(self).split("\n", 1)[0]
        return (
            f"<div><div>{escape(heading)}</div><table><thead><tr><th>step</th><th>multiply-adds</th>"
            f"<th>elements moved</th></tr></thead><tbody>\n{body}</tbody></table></div>"
        )


def _describe(step: Step) -> str:
    match step:
        case Input(target, term, _):
            return f"{target} = input {term}"
        case Reduce(target, source, pattern, forms):
            what = "omega-trace" if forms else "sum" if step.summed else "diagonal"
            return f"{target} = {what} of {source} {_pattern_text(pattern)}"
        case Hodge(target, source):
            return f"{target} = epsilon of {source}: {step.taken} axes -> {step.given}"
        case Mix(_, operands, targets, entries, biases):
            made = ", ".join(target.name for target in targets)
            used = " ".join(
                operand.source + ("" if operand.middle == tuple(range(step.axes)) else _pattern_text(operand.middle))
                for operand in operands
            )
            return f"{made} = mix {len(entries)} maps{' + bias' if biases else ''}: {used or 'nothing'}"
        case Spread(target, _, _, parts):
            return f"{target} = " + " + ".join(_part_text(part) for part in parts)
        case Tied(target, _, _, tables, constants):
            used = ", ".join(f"{len(table.elements)} maps of {table.source}" for table in tables) or "nothing"
            return f"{target} = tied matrix: {used}{' + bias' if constants else ''}"
        case Output(term, source):
            return f"output {term} = {source or 'zero'}"


def _part_text(part: Part) -> str:
    forms = "".join(f" omega{list(pair)}" for pair in part.forms)
    return f"{part.source}{_pattern_text(part.pattern)}{forms}"


def _pattern_text(pattern: Pattern) -> str:
    return "[" + ",".join("*" if axis is None else "abcdefghijklmnopqrstuvwxyz"[axis] for axis in pattern) + "]"


class Polynomial(dict[int, int]):
    """A polynomial in n with whole coefficients: exponent to coefficient, zero terms left out.

    >>> print(Polynomial.power(2, 3) + Polynomial.power(0, 5))
    3 n² + 5
    """

    @classmethod
    def power(cls, exponent: int, coefficient: int = 1) -> Polynomial:
        """``coefficient * n ** exponent``."""
        return cls({exponent: coefficient} if coefficient else {})

    def __add__(self, other: Polynomial) -> Polynomial:
        merged = {e: self.get(e, 0) + other.get(e, 0) for e in sorted({*self, *other}, reverse=True)}
        return Polynomial({exponent: value for exponent, value in merged.items() if value})

    def __call__(self, n: int) -> int:
        """The value at n."""
        return sum(coefficient * n**exponent for exponent, coefficient in self.items())

    def __str__(self) -> str:
        digits = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
        terms = [
            f"{coefficient}{'' if not exponent else ' n' + (str(exponent).translate(digits) if exponent > 1 else '')}"
            for exponent, coefficient in self.items()
        ]
        return " + ".join(terms) or "0"
