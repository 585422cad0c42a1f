"""The constant tables of an emitted layer: what they hold, and the lines that make them from short exact recipes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from math import perm
from typing import Literal

from eqsynth.codegen import carry
from eqsynth.codegen.analysis import Epsilon, is_small
from eqsynth.graphs.graph import Graph

#: From more terms on a sum of lists is written as one list.
MAX_TERMS = 500
#: A is applied by gathers over its edges where it has fewer entries than 1 / GATHER of all.
GATHER = 16


@dataclass(frozen=True, slots=True)
class Buffer:
    """Whole numbers that a layer holds: places, factors of weights, or sums of squares that are raised to a power."""

    values: tuple[int, ...]
    kind: Literal["places", "factors", "squares"] = "places"


@dataclass(slots=True)
class GraphTables:
    """What contractions with a graph need: gathers over its edges, its matrix A, products of entries of A."""

    graph: Graph
    #: What the names of tables end with.
    suffix: str = ""
    gathers: bool = False
    adjacency: bool = False
    factors: list[str] = field(default_factory=list)

    def neighbours(self, transposed: bool, flat: str) -> str:
        """The adjacency matrix, or its transpose, times the middle axis of ``flat``."""
        transposed &= self.graph.directed
        if _both_ways(self.graph) * GATHER < self.graph.n**2:
            self.gathers = True
            tails, heads = f"self.tails{self.suffix}", f"self.heads{self.suffix}"
            return f"_along({f'{heads}, {tails}' if transposed else f'{tails}, {heads}'}, {flat})"
        self.adjacency = True
        return f"_multiply(self.adjacency{self.suffix}{'.mT' if transposed else ''}, {flat})"

    def factor(self, code: str) -> str:
        """The name of a product of entries of A, which values are multiplied by."""
        if code not in self.factors:
            self.factors.append(code)
        return f"factor{self.suffix}_{self.factors.index(code)}"

    def lines(self, helpers: set[str]) -> list[str]:
        """Lines that build them; the functions that these need are added to ``helpers``."""
        lines = edge_lines(self.graph)
        if self.gathers:
            helpers.add("_along")
            lines += [
                f'self._table("tails{self.suffix}", torch.tensor([i for i, _ in edges]))',
                f'self._table("heads{self.suffix}", torch.tensor([j for _, j in edges]))',
            ]
        if self.adjacency or self.factors:
            helpers.add("_adjacency")
            lines.append(f"A = _adjacency({self.graph.n}, edges)")
        if self.adjacency:
            helpers.add("_multiply")
            lines.append(f'self._table("adjacency{self.suffix}", A)')
        for number, code in enumerate(self.factors):
            lines.append(f'self._table("factor{self.suffix}_{number}", {code})')
        return lines


@dataclass(slots=True)
class Tables:
    """What the code of a plan needs to be there before it runs.

    ``power``: what sums of squares are raised to, in code; ``helpers``: the functions that the file carries.
    """

    power: str
    buffers: dict[str, Buffer] = field(default_factory=dict)
    #: Lines that build tables, in order.
    builders: list[str] = field(default_factory=list)
    helpers: set[str] = field(default_factory=set)
    epsilons: list[Epsilon] = field(default_factory=list)
    #: Those that are applied as matrices.
    applied: set[int] = field(default_factory=set)
    #: What contractions with the graphs of factors need, by what names of their tables end with.
    graphs: dict[str, GraphTables] = field(default_factory=dict)

    def epsilon(self, epsilon: Epsilon) -> int:
        """The number of a Levi-Civita tensor."""
        if epsilon not in self.epsilons:
            self.epsilons.append(epsilon)
            names = {"_epsilon"} if is_small(epsilon) else {"_star_tables", "_antisymmetrise", "_star"}
            self.helpers |= names | ({"_eta"} if epsilon[-1] < epsilon[0] else set())
        return self.epsilons.index(epsilon)

    def graph(self, graph: Graph, suffix: str) -> GraphTables:
        """What contractions with a graph need; ``suffix``: what tells its tables from those of other factors."""
        return self.graphs.setdefault(suffix, GraphTables(graph, suffix))

    def add_graphs(self) -> None:
        """Lines that build what contractions need, before all others."""
        lines: list[str] = []
        for tables in self.graphs.values():
            lines += tables.lines(self.helpers)
        self.builders = lines + self.builders

    def methods(self, first: str) -> list[str]:
        """The method that makes the tables, which no state_dict holds; ``first``: a parameter that they are like."""
        if not (self.buffers or self.epsilons or self.builders):
            return []
        lines = [*self._buffer_lines(), *self._epsilon_lines(), *self.builders]
        return [
            "def reset_tables(self):",
            '    """Constants from exact recipes, on the device and in the dtype of the weights; not in state_dict."""',
            '    with torch.device("cpu"):',
            *(f"        {line}" for line in lines),
            "",
            carry.methods("_apply", "_table", "set_extra_state", first=first),
        ]

    def _buffer_lines(self) -> list[str]:
        lines = []
        for name, buffer in self.buffers.items():
            dtype = "" if buffer.kind == "places" else ", dtype=torch.float64"
            power = self.power if buffer.kind == "squares" else ""
            lines.append(f'self._table("{name}", torch.tensor({runs(buffer.values)}{dtype}){power})')
        return lines

    def _epsilon_lines(self) -> list[str]:
        lines: list[str] = []
        for number, epsilon in enumerate(self.epsilons):
            n, tied, taken, given, plus = epsilon
            scale = f"{perm(n - tied - given, taken)}{self.power}"
            # All labels have the sign det eta together: those that are taken have that of the others, up to it.
            turned = f" * _eta({n}, {plus}, {given})[:, None]" if plus < n else ""
            scale = f"-{scale}" if (n - plus) % 2 else scale
            if is_small(epsilon):
                lines.append(f"epsilon_{number} = {scale} * _epsilon({n}, {tied}, {taken}, {given}){turned}")
                if number in self.applied:
                    lines.append(f'self._table("epsilon_{number}", epsilon_{number})')
                continue
            lines.append(f"even, odd, give, sign = _star_tables({n}, {tied}, {taken}, {given})")
            if taken > 1:
                lines.append(f'self._table("even_{number}", torch.tensor(even))')
                lines.append(f'self._table("odd_{number}", torch.tensor(odd))')
            lines.append(f'self._table("give_{number}", torch.tensor(give))')
            listed = "torch.tensor(sign, dtype=torch.float64)"
            signs = f"{scale} * {f'({listed}{turned})' if turned else listed}.reshape(-1, 1)"
            lines.append(f'self._table("sign_{number}", {signs})')
        return lines


def _both_ways(graph: Graph) -> int:
    """How many entries of the adjacency matrix are 1."""
    return len(graph.edges) * (1 if graph.directed else 2)


def edge_lines(graph: Graph) -> list[str]:
    """Lines that list the edges of a graph, both ways round unless it is directed."""
    lines = [f"edges = {[list(edge) for edge in graph.edges]}"]
    if not graph.directed:
        lines.append("edges += [[j, i] for i, j in edges]")
    return lines


def runs(values: Sequence[float]) -> str:
    """A list of numbers as source, with long repeats folded.

    >>> from eqsynth.codegen.tables import runs
    >>> runs([1, 2, 2, 2, 2, 3])
    '[1] + [2] * 4 + [3]'
    """
    parts: list[str] = []
    single: list[float] = []
    for value, count in ((v, len(list(group))) for v, group in groupby(values)):
        if count < 4:
            single += [value] * count
            continue
        parts += [repr(single)] if single else []
        parts.append(f"[{value!r}] * {count}")
        single = []
    terms = [*parts, repr(single)] if single or not parts else parts
    # Python compiles only so many sums inside one another; the items of a list are no deeper for being many.
    return " + ".join(terms) if len(terms) <= MAX_TERMS else f"[{', '.join(f'*{term}' for term in terms)}]"
