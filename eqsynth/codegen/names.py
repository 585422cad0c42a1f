"""What emitted code calls things: sizes, channels, inputs, and which of these names a method uses."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import factorial, prod

from eqsynth.families.hom import NAMES, ProductHom, indices_beside
from eqsynth.plans.infer import Value
from eqsynth.plans.plan import Plan
from eqsynth.spaces import exchanges
from eqsynth.spaces.space import Space, Stored, Symmetry

#: The length of an axis in code: a number, or the name of a variable.
Size = int | str
#: Letters that emitted code has another use for.
TAKEN = "bhrwxyz"


class Names:
    """The names of one plan in code. ``used`` collects the variables that the code so far reads."""

    def __init__(self, plan: Plan) -> None:
        self.plan, problem = plan, plan.problem
        self.multilinear = problem.multilinear
        #: The name of each operand, and its space.
        self.operands: list[tuple[str, Space]] = list(
            zip(NAMES if self.multilinear else "x", problem.operands, strict=False)
        )
        #: The tensor of each input as it was given, and its operand.
        self.inputs = [
            (f"{name}{place}" if len(space) > 1 else name, name, place, len(space) > 1)
            for name, space in self.operands
            for place in range(len(space))
        ]
        factors = problem.group.indices
        letters = {factor.n for factor in factors if isinstance(factor.n, str)}
        taken = TAKEN + (NAMES if self.multilinear else "")

        def size(n: int | str) -> Size:
            if isinstance(n, int):
                return n
            name = "n" if len(letters) == 1 else n
            return f"n_{name}" if name in taken else name

        #: The size of each factor: a number, ``n``, or its letter where there are several; behind them packed lengths.
        self.sizes: list[Size] = [size(factor.n) for factor in factors]
        self.open = sorted({size for size in self.sizes if isinstance(size, str)})
        self.factors = len(factors)
        self.group = problem.group
        self.sizes += [self._packed_length(factor, symmetry) for factor, symmetry in plan.packs]
        self.used: set[str] = set()

    def axis(self, index: int) -> Size:
        """The length of an axis that has an index, as a factor of products."""
        length = whole_length([self.sizes[own] for own in indices_beside(self.group, index)])
        return f"({length})" if isinstance(length, str) and " " in length else length

    def _packed_length(self, index: int, symmetry: Stored) -> Size:
        """The length of an axis that holds each entry once."""
        n, own = self.axis(index), indices_beside(self.group, index)
        letter = "_".join(str(self.sizes[one]) for one in own if isinstance(self.sizes[one], str))
        open_length = f"{letter}_{symmetry.name}" if isinstance(symmetry, Symmetry) else str(symmetry)
        return symmetry.length(n) if isinstance(n, int) else open_length

    def indices_of(self, size: int) -> range:
        """The index that an axis is, or those that it has where it is packed."""
        if size < self.factors:
            return range(size, size + 1)
        return indices_beside(self.group, self.plan.packs[size - self.factors][0])

    @property
    def batch(self) -> str:
        """The length of the batch, as one axis."""
        self.used.add("b")
        return "b"

    def scale(self, factor: int) -> str:
        """What scales a sum over one index."""
        name = "r" if self.factors == 1 else f"r{factor}"
        self.used.add(name)
        return name

    # --- channels -----------------------------------------------------------------------------------

    def _channels(self, side: str, term: int, terms: int) -> str:
        self.used.add(f"channels_{side}")
        return f"channels_{side}" if terms == 1 else f"channels_{side}[{term}]"

    def c_in(self, term: int) -> str:
        """The channels of an input of a linear layer, or of a product of inputs."""
        return self._channels("in", term, len(self.plan.problem.terms))

    def c_out(self, term: int) -> str:
        """The channels of an output term."""
        return self._channels("out", term, len(self.plan.problem.space_out))

    def c_input(self, number: int) -> str:
        """The channels of an input as it was given."""
        if not self.multilinear:
            return self.c_in(number)
        _, name, place, several = self.inputs[number]
        return self._channels(name, place, 2 if several else 1)

    def channels(self, value: Value) -> str:
        """The channels of a value."""
        if value.output is not None:
            return self.c_out(value.output)
        if len(value.inputs) == 1 or not self.plan.problem.full:
            return self.c_input(value.inputs[0])
        return self.c_in(self.plan.problem.terms.index(value.inputs))

    # --- parameters ---------------------------------------------------------------------------------

    def weight(self, term_in: int, term_out: int) -> str:
        """The weights of a pair, with the channels of a product as one axis."""
        flat = ".flatten(2)" if self.plan.problem.full else ""
        return f"self.{self.plan.weight_name(term_in, term_out)}{flat}"

    def bias(self, term: int) -> str:
        """The biases of an output term."""
        return f"self.{self.plan.bias_name(term)}"

    def parameters(self) -> list[str]:
        """The names of all parameters."""
        plan = self.plan
        names = [plan.weight_name(pair.term_in, pair.term_out) for pair in plan.pairs]
        return names + [plan.bias_name(term) for term, dim in enumerate(plan.bias_dims) if dim]

    def products(self) -> str:
        """The channels of each product of inputs."""
        problem = self.plan.problem
        assert isinstance(problem, ProductHom)  # noqa: S101 - linear layers have no products
        channels = [
            " * ".join(map(self.c_input, term)) if problem.full else self.c_input(term[0]) for term in problem.terms
        ]
        return channels[0] if len(channels) == 1 else f"({', '.join(channels)})"


def times(factors: Iterable[Size]) -> str:
    """A product in code, with the numbers multiplied.

    >>> from eqsynth.codegen.names import times
    >>> times([2, "n", 3, "n"]), times([]), times([1, "n"])
    ('6 * n * n', '1', 'n')
    """
    listed = list(factors)
    number = prod(factor for factor in listed if isinstance(factor, int))
    symbols = [factor for factor in listed if isinstance(factor, str)]
    return " * ".join([str(number), *symbols] if number != 1 or not symbols else symbols)


def whole_length(own: Sequence[Size]) -> Size:
    """The length of an axis that is made of indices.

    >>> from eqsynth.codegen.names import whole_length
    >>> whole_length([4, 3]), whole_length(["n", 3])
    (12, '3 * n')
    """
    known = [size for size in own if isinstance(size, int)]
    return prod(known) if len(known) == len(own) else own[0] if len(own) == 1 else times(own)


def shape(*parts: Size | Iterable[Size]) -> str:
    """The lengths of axes, with commas between them.

    >>> from eqsynth.codegen.names import shape
    >>> shape("b", ["n", 3], "channels_in")
    'b, n, 3, channels_in'
    """
    flat = [size for part in parts for size in ([part] if isinstance(part, int | str) else part)]
    return ", ".join(map(str, flat))


def literal(text: str) -> str:
    """A text as it is written in an f-string."""
    return text.replace("{", "{{").replace("}", "}}")


def half(size: Size) -> str:
    """Half a size."""
    return str(size // 2) if isinstance(size, int) else f"{size} // 2"


def packing_function(symmetry: Symmetry) -> str:
    """The function of emitted code that says where packed entries stand."""
    return "_packing" if symmetry.short else "_packing_of"


def packing_arguments(symmetry: Symmetry) -> str:
    """What it is told about a symmetry."""
    return f"{symmetry.order}, {symmetry.kind == 'A'}" if symmetry.short else f'"{symmetry.kind.strip("[]")}"'


def binomial(n: Size, symmetry: Symmetry) -> str:
    """How many entries a tensor with a symmetry has, in code.

    >>> from eqsynth.codegen.names import binomial
    >>> from eqsynth.spaces.space import Symmetry
    >>> binomial("n", Symmetry("S", 2)), binomial("n", Symmetry("[ijk=jki]", 3))
    ('n * (n + 1) // 2', '(2 * n + n**3) // 3')
    """
    if not symmetry.short:
        counted = enumerate(exchanges.length_coefficients(symmetry.kind, symmetry.order))
        powers = [(count, str(n) if power == 1 else f"{n}**{power}") for power, count in counted if count]
        terms = " + ".join(power if count == 1 else f"{count} * {power}" for count, power in powers)
        return f"({terms.replace('+ -', '- ')}) // {symmetry.size}"
    by = "+" if symmetry.kind == "S" else "-"
    factors = " * ".join([str(n), *(f"({n} {by} {step})" for step in range(1, symmetry.order))])
    return f"{factors} // {factorial(symmetry.order)}"


def permuted(code: str, order: Sequence[int]) -> str:
    """A tensor with its axes, between batch and channels, in another order.

    >>> from eqsynth.codegen.names import permuted
    >>> permuted("x", (0, 1)), permuted("x", (1, 0)), permuted("x", (1, 2, 0))
    ('x', 'x.transpose(1, 2)', 'x.permute(0, 2, 3, 1, 4)')
    """
    exchanged = [axis for axis, source in enumerate(order) if axis != source]
    if not exchanged:
        return code
    if len(exchanged) == 2:
        return f"{code}.transpose({exchanged[0] + 1}, {exchanged[1] + 1})"
    return f"{code}.permute(0, {', '.join(str(axis + 1) for axis in order)}, {len(order) + 1})"
