"""The plan of a layer: a straight-line program of a few steps at the level of the mathematics.

A plan has three readers: ``interpret`` (NumPy, the reference meaning), ``emit`` (PyTorch source) and
``draw``. Every value is a tensor (batch, n, ..., n, channels) with ``axes`` axes of length n.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from eqsynth.group import Hom

#: For each axis of a source the axis of the target that it becomes, or None where it is summed.
Pattern = tuple[int | None, ...]

#: How a sum over an index of length n is scaled: n^(-1/2), n^-1, or not.
NORMALIZATIONS = ("variance", "mean", "sum")


@dataclass(frozen=True, slots=True)
class Input:
    """``target`` is the input tensor of one term of the input space."""

    target: str
    term: int
    axes: int


@dataclass(frozen=True, slots=True)
class Reduce:
    """Source axes that share a target axis are restricted to their diagonal; None axes are summed.

    ``pattern`` has one entry per source axis. Each summed axis is scaled as the plan says.
    """

    target: str
    source: str
    pattern: Pattern

    @property
    def axes(self) -> int:
        """Axes of the target."""
        return len({axis for axis in self.pattern if axis is not None})

    @property
    def summed(self) -> int:
        """Source axes that are summed."""
        return self.pattern.count(None)


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


@dataclass(frozen=True, slots=True)
class Mix:
    """Channel mixing for all diagrams with ``axes`` transferred blocks: one matrix product.

    target[..., o] = sum over entries and channels i of weight[element, o, i] * operand[..., i], plus
    bias[element, o] for the ``biases``, pairs (target, element of the bias basis).
    """

    axes: int
    operands: tuple[Operand, ...]
    targets: tuple[Target, ...]
    entries: tuple[Entry, ...]
    biases: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Part:
    """One summand of a Spread. ``pattern``: for each target axis, the axis of ``source``, or None to repeat.

    Target axes that share a source axis are a diagonal: the summand is zero off it.
    """

    source: str
    pattern: Pattern


@dataclass(frozen=True, slots=True)
class Spread:
    """The transpose of Reduce: ``target`` is the sum of its parts, placed on its axes."""

    target: str
    axes: int
    term: int
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Output:
    """The output tensor of one term is ``source``; None where it is always zero."""

    term: int
    source: str | None


Step = Input | Reduce | Mix | Spread | Output


@dataclass(frozen=True, slots=True)
class Pair:
    """The parameters of one (input term, output term): ``dim`` weights of basis elements.

    ``variances``: the variance of a weight at initialisation, times the fan-in, per element.
    ``gain``: quarter powers of n by which weights are multiplied in use (see ``lower.gain``).
    """

    term_in: int
    term_out: int
    dim: int
    gain: int
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

    def weight_name(self, term_in: int, term_out: int) -> str:
        """The parameter's name: ``weight``, or ``weight_0_1`` in a layer of several terms."""
        single = len(self.hom.space_in) == len(self.hom.space_out) == 1
        return "weight" if single else f"weight_{term_in}_{term_out}"

    def bias_name(self, term_out: int) -> str:
        """The parameter's name: ``bias``, or ``bias_1`` in a layer of several terms."""
        single = len(self.hom.space_in) == len(self.hom.space_out) == 1
        return "bias" if single else f"bias_{term_out}"

    def costs(self) -> Iterator[tuple[Step, Polynomial, Polynomial]]:
        """Each step with its multiply-adds and the elements that it reads and writes, per sample."""
        shape: dict[str, tuple[int, int]] = {}
        c_in, c_out = self.hom.space_in.channels, self.hom.space_out.channels
        for step in self.steps:
            work, moved = Polynomial(), Polynomial()
            match step:
                case Input(target, term, axes):
                    shape[target] = (axes, c_in[term])
                case Reduce(target, source, _):
                    axes, channels = shape[source]
                    kept_diagonal = len(set(step.pattern)) + (step.summed - 1 if step.summed else 0)
                    if step.summed:
                        work = Polynomial.power(kept_diagonal, channels)
                        moved = work + Polynomial.power(step.axes, channels)
                    shape[target] = (step.axes, channels)
                case Mix(axes, operands, targets, entries, _):
                    wide_in = sum(c_in[operand.term] for operand in operands)
                    wide_out = sum(c_out[target.term] for target in targets)
                    work = Polynomial.power(
                        axes,
                        sum(c_in[operands[e.operand].term] * c_out[targets[e.target].term] for e in entries),
                    )
                    moved = Polynomial.power(axes, wide_in + wide_out)
                    for made in targets:
                        shape[made.name] = (axes, c_out[made.term])
                case Spread(target, axes, term, parts):
                    for part in parts:
                        touched = len(set(part.pattern) - {None}) + part.pattern.count(None)
                        work += Polynomial.power(touched, c_out[term])
                        moved += Polynomial.power(touched, 2 * c_out[term])
                    shape[target] = (axes, c_out[term])
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
        lines = [f"plan of {self.hom}: {dims} independent maps, sums scaled by {self.normalization}; per sample:"]
        lines += ["  ".join(f"{cell:<{width}}" for cell, width in zip(row, wide, strict=True)).rstrip() for row in rows]
        return "\n".join(lines)


def _describe(step: Step) -> str:
    match step:
        case Input(target, term, _):
            return f"{target} = input {term}"
        case Reduce(target, source, pattern):
            what = "sum" if step.summed else "diagonal"
            return f"{target} = {what} of {source} {_pattern_text(pattern)}"
        case Mix(axes, operands, targets, entries, biases):
            made = ", ".join(target.name for target in targets)
            used = " ".join(
                operand.source + ("" if operand.middle == tuple(range(axes)) else _pattern_text(operand.middle))
                for operand in operands
            )
            return f"{made} = mix {len(entries)} maps{' + bias' if biases else ''}: {used or 'nothing'}"
        case Spread(target, _, _, parts):
            return f"{target} = " + " + ".join(f"{part.source}{_pattern_text(part.pattern)}" for part in parts)
        case Output(term, source):
            return f"output {term} = {source or 'zero'}"


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
