"""Products of inputs: all multilinear equivariant maps, and polynomials of one input, as plans.

A product of tensors u and v is one tensor x = u (x) v, and an equivariant map of u and v is a linear map of x.
So the maps are the diagrams of order k + l, and what follows the product is the plan of a linear layer. The
reductions of x that it starts from are made from reductions of u and of v, by one contraction each: x is never formed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from itertools import product
from math import perm, prod

from eqsynth.bases.basis import Basis, Certificate, basis
from eqsynth.bases.couplings import Coupling, coupling, is_coupled
from eqsynth.bases.irreps import has_irreps, unchanged
from eqsynth.diagrams.diagram import Half, MatrixMap, Orbit
from eqsynth.errors import EqsynthError, SizeError, explain_calls
from eqsynth.exact.numbers import flag
from eqsynth.families.group import Group
from eqsynth.families.hom import Problem, ProductHom, parse_problem, problem_of, with_transfer
from eqsynth.plans.equal_operands import afford_irreps, coupled_variance, independent, moments
from eqsynth.plans.infer import full_axes, stored_axes
from eqsynth.plans.lowering import (
    BIAS,
    Profile,
    _largest,
    _Lowering,
    _name,
    _pair,
    _squares,
    _Use,
    _uses,
    constants,
    plan_hom,
    scaled,
    whole,
)
from eqsynth.plans.plan import NOMINAL_N, Plan
from eqsynth.plans.powers import power_maps
from eqsynth.plans.steps import (
    AXES,
    Contract,
    Couple,
    Entry,
    Hodge,
    Input,
    Join,
    Mix,
    Operand,
    Pair,
    Part,
    Reduce,
    Schur,
    Step,
    Target,
    Tied,
    Twist,
    Weigh,
)
from eqsynth.spaces.space import Order, Space, axes_of, is_packed, order_text
from eqsynth.store.waiting import waiting

#: Up to this many entries a product of each channel with its own is made entry by entry.
TINY = 128


@explain_calls
def plan(
    group: str | Group,
    space_in: str | int | Space | None = None,
    space_out: str | int | Space | None = None,
    *,
    mode: str | None = None,
    bias: bool = True,
    normalization: str = "variance",
    method: str = "auto",
    parameters: str = "diagrams",
    transfer: str | None = None,
) -> Plan:
    """The plan of the layer with all equivariant maps between two spaces, or of a product of inputs.

    >>> import eqsynth as eq
    >>> print(eq.plan("O(3)", "2x2", "2x2", bias=False).dims)
    {(0, 0): 3}
    >>> print(eq.plan("O(3): 4x1 (x) 4x1 -> 4x2", mode="paired").dims)
    {(0, 0): 3}

    The problem is a group and two spaces, or one text as layers print it. A product is ``4x1 (x) 4x2`` in place of a
    space, whose channels meet as ``mode`` says (:class:`eqsynth.TensorProduct`), or ``powers 1, 2 of 4x1``.

    ``normalization`` scales each sum over an index of length n by n^(-1/2) (``"variance"``, which
    keeps the variance of random inputs), n^-1 (``"mean"``) or 1 (``"sum"``).

    ``method`` says how the layer is computed; the function is the same. ``"diagrams"``: work that diagrams share is
    done once. ``"fourier"`` (S(n)): the same, with a Fourier transform over the permutations of the transferred axes.
    ``"irreps"``: in bases adapted to irreducible parts, where mixing channels costs as little as Schur's lemma
    allows. ``"matrix"``: one matrix with tied entries. ``"auto"``: what is estimated to cost least; with n a letter,
    diagrams.

    ``parameters="blocks"`` (with ``"irreps"``): the weights are the entries of the irreps' blocks themselves, as many
    as there are diagrams; they need no map from coefficients of diagrams to blocks.

    ``transfer="repeat"`` or ``"pad"`` keeps the maps that mean the same at every size, as in :class:`eqsynth.Linear`.

    Raises EqsynthError for a text that is no problem, and where a method, parameters or a mode do not exist for it.
    """
    if space_in is None and space_out is None:
        problem = with_transfer(parse_problem(str(group), mode=mode), transfer)
    elif space_in is None or space_out is None:
        raise EqsynthError("a plan is that of a group and two spaces, eq.plan('S(n)', '2x2', '3x1'), or of one text")
    else:
        problem = with_transfer(problem_of(group, space_in, space_out, mode=mode), transfer)
    return plan_problem(problem, bias, normalization, method, parameters)


def plan_products(problem: ProductHom, bias: bool = True, normalization: str = "variance") -> Plan:
    """The plan of a layer of products; with ``transfer`` the normalization is that which goes with it.

    >>> from eqsynth.families.hom import ProductHom
    >>> from eqsynth.plans.products import plan_products
    >>> plan = plan_products(ProductHom.parse("S(n)", ["4x2", "4x2"], "4x2"))
    >>> plan.dims, str(plan.largest)
    ({(0, 0): 203}, 'n²')

    Raises EqsynthError for a normalization that does not exist, SizeError for orders that are too high.
    """
    return _planned(problem, flag("bias", bias), scaled(problem.hom, normalization))


@lru_cache(maxsize=256)
def _planned(problem: ProductHom, bias: bool, normalization: str) -> Plan:
    with waiting(f"planning {problem}"):
        return _product_plan(problem, bias, normalization)


def _product_plan(problem: ProductHom, bias: bool, normalization: str) -> Plan:
    hom, group = problem.hom, problem.group
    ins, outs = hom.space_in.orders, hom.space_out.orders
    for (i, order), (o, target) in product(enumerate(ins), enumerate(outs)):
        axes = max(axes_of(order), axes_of(target))
        if axes > len(AXES) and not is_coupled(group, _factors(problem, i), problem.space_out.orders[o]):
            raise SizeError(
                f"a product of order {order_text(order)} into {order_text(target)} has {axes} axes, more than "
                f"{len(AXES)}: ask for lower orders"
            )
    biases = {o: constants(hom, lo) for o, lo in enumerate(outs)} if bias else {}
    bases: dict[tuple[int, int], Basis] = {}
    pairs = []
    for i, o in product(range(len(ins)), range(len(outs))):
        own = bases[i, o] = maps(problem, i, o)
        if len(own):
            one = coupling_of(problem, i, o)
            if one is not None:
                variance = coupled_variance(one, problem, i, normalization)
                pairs.append(Pair(i, o, 1, (0,) * len(group.indices), (variance,)))
                continue
            pair = _pair(i, o, own, normalization)
            pairs.append(replace(pair, variances=moments(own, problem, i, pair)))
    lowering = _Products(problem)
    steps = lowering.steps(bases, biases, "diagrams" if _has_diagrams(group) else "matrix")
    return Plan(
        problem,
        bias,
        normalization,
        steps,
        tuple(pairs),
        tuple(len(biases[o]) if bias else 0 for o in range(len(outs))),
        tuple(_largest(_squares(biases[o])) if bias else () for o in range(len(outs))),
        packs=tuple(lowering.packs),
        halves=lowering.halves,
    )


def plan_problem(
    problem: Problem,
    bias: bool = True,
    normalization: str = "variance",
    method: str = "auto",
    parameters: str = "diagrams",
) -> Plan:
    """The plan of any problem. Layers of products are computed in one way, with weights of diagrams."""
    if isinstance(problem, ProductHom):
        if (method, parameters) not in (("auto", "diagrams"), ("diagrams", "diagrams")):
            raise EqsynthError("layers of products are computed in one way: leave the method and the parameters out")
        return plan_products(problem, bias, normalization)
    return plan_hom(problem, bias, normalization, method, parameters)


#: The largest matrix, in entries per pair of channels, for maps of products that are no diagrams.
MAX_TIED = 1 << 22


def _check_tied(problem: ProductHom, term_in: int, term_out: int) -> None:
    """Raise SizeError where maps that are no diagrams would be too large a matrix."""
    axes = axes_of(problem.hom.space_in.orders[term_in]) + axes_of(problem.space_out.orders[term_out])
    n = int(problem.group.n)
    if n**axes > MAX_TIED:
        raise SizeError(
            f"the maps of {problem} are no diagrams but one matrix of {n}^{axes} entries per pair of channels, more "
            f"than {MAX_TIED:,}: ask for lower orders, or for a larger group, which has diagrams, such as S({n})"
        )


def _has_diagrams(group: Group) -> bool:
    """Whether some maps of the group are diagrams, or are planned factor by factor: for Aut(G) perhaps not all are."""
    return group.maps in ("diagrams", "graphs", "factors", "nested")


@lru_cache(maxsize=256)
def maps(problem: Problem, term_in: int, term_out: int) -> Basis:
    """The maps behind the weights of a product of inputs, ``problem.terms[term_in]``, and an output term.

    Where equal inputs are multiplied, those that stay independent; with one input, the basis.
    """
    group = problem.group
    orders = problem.hom.space_in.orders[term_in], problem.space_out.orders[term_out]
    if not isinstance(problem, ProductHom):
        return basis(group, *orders, transfer=problem.transfer)
    if is_coupled(group, _factors(problem, term_in), orders[1]):
        one = coupling_of(problem, term_in, term_out)
        diagrams = () if one is None else (one.diagram,)
        return Basis(group, *orders, diagrams, Certificate(len(diagrams), len(diagrams), "coupling"))
    if not _has_diagrams(group):
        _check_tied(problem, term_in, term_out)
    some_irreps = has_irreps(orders[1], *(problem.inputs[number][1] for number in problem.terms[term_in]))
    powers = None if some_irreps or problem.transfer else power_maps(problem, term_in, term_out)
    if powers is not None:
        return powers
    if some_irreps:
        afford_irreps(problem, term_in, term_out)
    linear = basis(group, *orders, transfer=problem.transfer)
    if any(isinstance(element, Orbit | MatrixMap) for element in linear.diagrams):
        _check_tied(problem, term_in, term_out)
    places = independent(linear, problem, term_in)
    if len(places) == len(linear):
        return linear
    turns = tuple(linear.turns[place] for place in places) if linear.turns else ()
    return replace(linear, diagrams=tuple(linear.diagrams[place] for place in places), turns=turns)


def coupling_of(problem: Problem, term_in: int, term_out: int) -> Coupling | None:
    """The one map of a product of two irreps of O(3) or SO(3) into a third; None where there is none, or are others."""
    if not isinstance(problem, ProductHom):
        return None
    one = coupling(problem.group, _factors(problem, term_in), problem.space_out.orders[term_out])
    return None if one is not None and one.crossed and len({*problem.terms[term_in]}) == 1 else one


def _factors(problem: ProductHom, term_in: int) -> tuple[Order, ...]:
    return tuple(problem.inputs[number][1] for number in problem.terms[term_in])


#: The name of a value, and the label of each of its axes.
Value = tuple[str, tuple[int, ...]]


class _Products(_Lowering):
    """The lowering of a linear layer whose inputs are products: their reductions are made by joins."""

    def __init__(self, problem: ProductHom) -> None:
        super().__init__(problem.hom)
        self.problem = problem
        self._add_packs(order for _, order in problem.inputs)
        self.real: list[dict[Half, str]] = [{} for _ in problem.inputs]
        self.twists: list[Twist] = []
        self.stars: list[Hodge] = []
        self.joins: list[Join] = []
        self.weighed: list[Weigh] = []
        self.biases: dict[int, Basis] = {}
        self.joined: dict[tuple[object, ...], str] = {}

    def steps(
        self,
        bases: dict[tuple[int, int], Basis],
        biases: dict[int, Basis],
        method: str = "diagrams",
        schur: Schur | None = None,
    ) -> tuple[Step, ...]:
        """Reductions of the inputs, their products, and the steps of the linear layer that read these."""
        self.biases = biases
        found = {pair: coupling_of(self.problem, *pair) for pair in bases}
        coupled = {pair: one for pair, one in found.items() if one is not None or self._is_kept(*pair)}
        couples = self._coupled(coupled)
        # Constants are added where couplings are mixed.
        biases = {o: maps for o, maps in biases.items() if o not in {o for _, o in coupled}}
        others = {pair: maps for pair, maps in bases.items() if pair not in coupled}
        linear = self._reading_products(super().steps(others, biases, method, schur))
        return (*self._reduced_inputs(), *self.joins, *self.weighed, *couples, *linear)

    def _is_kept(self, number: int, term_out: int) -> bool:
        """Whether an irrep goes as it is into an output of the same irrep."""
        factors, target = _factors(self.problem, number), self.problem.space_out.orders[term_out]
        alone = len(factors) == 1 and len(self.hom.group.factors) == 1
        return alone and has_irreps(target) and unchanged(self.hom.group, factors[0], target)

    def _coupled(self, coupled: Mapping[tuple[int, int], Coupling | None]) -> list[Step]:
        """Products of irreps in coordinates: of each two all entries, from which the parts of all degrees are taken.

        Irreps alone go as they are. What is mixed for an output is added to what the linear layer mixes for it.
        """
        couples: dict[tuple[object, ...], Couple] = {}
        mixes: list[Step] = []
        group, packs = self.hom.group, self.packs
        for o, order in enumerate(self.hom.space_out.orders):
            own = {i: one for (i, to), one in coupled.items() if to == o}
            if not own:
                continue
            axes = stored_axes(group, order, packs)
            operands, straight = [], tuple(range(len(axes)))
            for i, one in own.items():
                if one is None:
                    (factor,) = self.problem.terms[i]
                    operands.append(Operand(self._packed_name(factor), i, straight))
                    continue
                source, given = self._outer(i)
                key = source, axes
                if given != axes and key not in couples:
                    couples[key] = Couple(self._fresh(f"{source}_l{one.out}"), source, one, axes)
                operands.append(Operand(couples[key].target if given != axes else source, i, straight))
            name = self._fresh(_name("z", o, whole(0), self.several_out))
            entries = tuple(Entry(0, at, 0) for at in range(len(operands)))
            constants = tuple(Entry(0, -1, element) for element in range(len(self.biases.get(o, ()))))
            mixes.append(Mix(axes, tuple(operands), (Target(name, o),), entries, constants))
            if is_packed(order):
                self.ready[o].append(name)
            else:
                self.tops[o].setdefault(whole(len(axes)), []).append(Part(name, straight))
        return [*couples.values(), *mixes]

    def _outer(self, number: int) -> tuple[str, tuple[int, ...]]:
        """All products of the coordinates of two irreps, and the sizes of their axes."""
        sources, sizes = [], list[tuple[int, ...]]()
        for factor in self.problem.terms[number]:
            order = self.problem.inputs[factor][1]
            packed, axes = is_packed(order), stored_axes(self.hom.group, order, self.packs)
            sources.append(self._packed_name(factor) if packed else self._operand(factor, whole(len(axes))))
            sizes.append(axes)
        first, second = sizes
        left, right = tuple(range(len(first))), tuple(range(len(first), len(first) + len(second)))
        key = ("outer", *sources)
        if key not in self.joined:
            full, axes = self.problem.full, (*first, *second)
            names = [self.problem.input_name(factor) for factor in self.problem.terms[number]]
            self.joined[key] = self._fresh("_".join(["x", *names]))
            join = Join(self.joined[key], (sources[0], sources[1]), left, right, len(axes), axes, full)
            self.joins.append(replace(join, entrywise=not full))
        return self.joined[key], (*first, *second)

    def _mix(self, profile: Profile, uses: Sequence[_Use]) -> None:
        """One mixing, without the maps that are mixed as they are multiplied."""
        loose = not any(heads for _, heads, _ in profile)
        graphs = any(factor.kept_graph is not None for factor in self.factors)
        if self.problem.mode == "full" and loose and not graphs and not uses[0].tabled:
            same: dict[tuple[int, int, Half], list[_Use]] = {}
            for use in uses:
                if use.term_in != BIAS:
                    same.setdefault((use.term_in, use.term_out, use.bottom), []).append(use)
            weighed = [use for alike in same.values() if self._mix_first(alike) for use in alike]
            uses = [use for use in uses if use not in weighed]
            if weighed and uses and all(use.term_in == BIAS for use in uses):
                # Constants were to be added where the output is mixed whole, and here nothing is any more.
                for use in uses:
                    constants = _uses(self.hom.group, BIAS, use.term_out, self.biases[use.term_out])
                    own = next(constant for constant in constants if constant.element == use.element)
                    super()._mix(own.profile, [own])
                return
        if uses:
            super()._mix(profile, uses)

    def _mix_first(self, uses: Sequence[_Use]) -> bool:
        """Whether maps of one product are cheaper mixed on the way; if so the step, and its places in the output."""
        first_use = uses[0]
        number, o = first_use.term_in, first_use.term_out
        values, label_sizes = self._factored(number, first_use.bottom.headless)
        (left, left_axes), (right, right_axes) = values
        if len(label_sizes) > len(first_use.bottom.kept) or not (
            set(left_axes) - set(right_axes) and set(right_axes) - set(left_axes)
        ):
            return False
        wide = [self.problem.inputs[factor][0] for factor in self.problem.terms[number]]
        mixed = len(uses) * self.problem.space_out.channels[o]
        factors = self.hom.group.indices
        lengths = [n if isinstance(n := factors[factor].n, int) else NOMINAL_N for factor in label_sizes]
        places = prod(lengths)
        work = [
            prod(lengths[label] for label in axes) * wide[0] * wide[1] * mixed + places * wide[1 - side] * mixed
            for side, axes in enumerate((left_axes, right_axes))
        ]
        first = work.index(min(work))
        if work[first] >= places * wide[0] * wide[1] * (1 + mixed):
            return False
        names = []
        for use in uses:
            names.append(self._fresh(self._half_name("z", o, use.top.headless, self.several_out)))
            row = self._row(use.top, use, "given", full_axes(self.hom.group, self.hom.space_out.orders[o]))
            pattern = tuple(use.middle[int(label[1])] for label in row)
            self._place(use, Part(names[-1], pattern))
        elements = tuple(use.element for use in uses)
        axes = (left_axes, right_axes)
        self.weighed.append(Weigh(tuple(names), (left, right), *axes, tuple(label_sizes), number, o, elements, first))
        return True

    def _reading_products(self, steps: Sequence[Step]) -> list[Step]:
        """The steps of the linear layer, with reductions of its input replaced by joins; fills ``joins``."""
        names: dict[str, str] = {}
        halves = {name: (number, half) for number, wanted in enumerate(self.bottoms) for half, name in wanted.items()}
        middle = set(self.middle_steps)
        rest = [step for step in steps if step in middle or not isinstance(step, Input | Reduce)]
        for star in [step for step in rest if isinstance(step, Hodge) and step.source in halves]:
            number, half = halves[star.source]
            if starred := self._starred(number, half, star):
                names[star.target] = starred
                rest.remove(star)
        read = {name for step in rest for name in step.reads}
        for name, (number, half) in sorted(
            halves.items(), key=lambda item: (item[1][0], len(item[1][1].kept), item[1][1].key)
        ):
            if name in read:
                values, label_sizes = self._factored(number, half)
                names[name] = self._multiply(values, len(half.kept), label_sizes, name)
        return [_reading(step, names) for step in rest]

    def _reduced_inputs(self) -> list[Step]:
        """The reductions of the inputs that the joins need."""
        steps: list[Step] = []
        for number, wanted in enumerate(self.real):
            order, name = self.problem.inputs[number][1], partial(self._operand_name, number)
            if is_packed(order) and not wanted:
                steps.append(Input(self._packed_name(number), number, stored_axes(self.hom.group, order, self.packs)))
                continue
            # Every input is there, whether a map needs it or not.
            start = whole(len(full_axes(self.hom.group, order)))
            read = self._reductions(number, order, {start: name(start), **wanted}, name)
            steps += self._unpacked_input(number, order, read) if is_packed(order) else read
        return [*steps, *self.twists, *self.stars]

    def _packed_name(self, term: int) -> str:
        return f"p_{self.problem.input_name(term)}"

    def _factored(self, number: int, half: Half) -> tuple[list[Value], list[int]]:
        """The reduced inputs that make a reduced product, with the labels of their axes, and the factor of each label.

        The first labels are the axes of the product, those behind are summed over when inputs are multiplied.
        """
        term = self.problem.terms[number]
        owners = self.problem.owners(term)
        sizes = full_axes(self.hom.group, self.hom.space_in.orders[number])
        forms = self._forms(self.hom.space_in.orders[number])
        #: For each operand its blocks with their labels; None is a block that is summed there.
        rows: list[list[tuple[tuple[int, ...], int | None]]] = [[] for _ in term]
        label_sizes = [sizes[half.blocks[block][0]] for block in half.kept]
        twisted: set[tuple[int, tuple[int, ...]]] = set()
        for block, vertices in enumerate(half.blocks):
            split: dict[int, list[int]] = {}
            for vertex in vertices:
                place, axis = owners[vertex]
                split.setdefault(place, []).append(axis)
            label = half.kept.index(block) if block in half.kept else None
            if label is None and len(split) > 1:
                label = len(label_sizes)
                label_sizes.append(sizes[vertices[0]])
                if vertices[0] in forms:
                    twisted.add((max(split), tuple(split[max(split)])))
            for place, axes in split.items():
                rows[place].append((tuple(axes), label))
        values: list[Value] = []
        for place, row in enumerate(rows):
            row.sort()
            kept = tuple(index for index, (_, label) in enumerate(row) if label is not None)
            source = self._operand(term[place], Half(tuple(axes for axes, _ in row), kept))
            labels = tuple(label for _, label in row if label is not None)
            for axis, (index, label) in enumerate(zip(kept, labels, strict=True)):
                if (place, row[index][0]) in twisted:
                    source = self._twist(source, axis, label_sizes[label])
            values.append((source, labels))
        return values, label_sizes

    def _starred(self, number: int, half: Half, star: Hodge) -> str | None:
        """A head that takes axes of several inputs, as a head of one of them that is contracted with the others.

        epsilon(J, I_1, I_2), where input p has the labels I_p, is applied to the input that has most of them. What
        comes out has the labels J and those of the others. None where the product itself is smaller, and for A(n),
        whose heads hold blocks that several inputs share.
        """
        values, sizes = self._factored(number, half)
        taken = star.order[star.carried :]
        shares = [sum(label in taken for label in labels) for _, labels in values]
        place = max(range(len(values)), key=lambda p: (shares[p], p))
        if self.hom.group.indices[star.factor].jellyfish or len(values) == 1 or star.given > shares[place]:
            return None
        others = [label for label in taken if label not in values[place][1]]
        given = list(range(len(sizes), len(sizes) + star.given))
        source, labels = values[place]
        carried = [label for label in labels if label not in taken]
        eaten = [label for label in labels if label in taken]
        if shares[place] * sum(shares[place + 1 :]) % 2:
            # The labels of later inputs come before this one's; there are two or more to exchange.
            eaten[:2] = eaten[1::-1]
        if self.hom.group.indices[star.factor].signature is not None:
            # Each label that epsilon takes has a sign: those of the others have it there.
            for other, (name, axes) in enumerate(values):
                twisted = name
                for axis in [axis for axis, label in enumerate(axes) if label in others]:
                    twisted = self._twist(twisted, axis, star.factor)
                values[other] = twisted, axes
        order = tuple(labels.index(label) for label in [*carried, *eaten])
        free = star.given + len(others)
        key = ("star", source, order, free)
        if key not in self.joined:
            self.joined[key] = self._fresh(f"{source}_h{free}")
            self.stars.append(Hodge(self.joined[key], source, order, star.factor, star.n, 0, len(eaten), free))
        values[place] = self.joined[key], (*carried, *given, *others)
        # Axes of the result come first, then what is summed.
        front = [*star.order[: star.carried], *given]
        back = [*others, *range(len(half.kept), len(sizes))]
        sizes = [*sizes, *[star.factor] * star.given]
        number_of = {label: position for position, label in enumerate([*front, *back])}
        values = [(name, tuple(number_of[label] for label in axes)) for name, axes in values]
        sizes = [sizes[label] for label in [*front, *back]]
        heads = {number_of[label] for label in others}
        # As many labels as the output leaves, one of them perhaps that no axis has.
        terms = perm(star.n - star.given, len(others))
        return self._multiply(values, len(front), sizes, star.target, heads, terms)

    def _operand(self, number: int, half: Half) -> str:
        return self.real[number].setdefault(half, self._operand_name(number, half))

    def _operand_name(self, number: int, half: Half) -> str:
        mark, term, several = self.problem.named_inputs[number]
        return _name(mark, term, half, several)

    def _twist(self, source: str, axis: int, factor: int) -> str:
        key = ("twist", source, axis)
        if key not in self.joined:
            self.joined[key] = f"{source}_w{axis}"
            self.twists.append(Twist(self.joined[key], source, axis, self.hom.group.indices[factor].form))
        return self.joined[key]

    def _multiply(
        self,
        values: list[Value],
        axes: int,
        sizes: Sequence[int],
        name: str,
        heads: Collection[int] = (),
        terms: int = 1,
    ) -> str:
        """Joins of two values at a time, in the order that makes the fewest entries; the last one has all axes."""
        while len(values) > 1:
            pairs = [(a, b) for b in range(len(values)) for a in range(b)]
            (a, b) = min(pairs, key=lambda pair: self._work(values, pair, axes))
            last = name if len(values) == 2 else f"{name}_p"
            kept = self._left(values, (a, b), axes)
            joined = self._join(values[a], values[b], kept, sizes, last, heads, terms if len(values) == 2 else 1)
            values = [value for place, value in enumerate(values) if place not in (a, b)]
            values.insert(a, joined)
        return values[0][0]

    @staticmethod
    def _left(values: Sequence[Value], pair: tuple[int, int], axes: int) -> tuple[int, ...]:
        """The labels that a product of two values keeps: those of the result and of the other values."""
        others = {label for place, (_, labels) in enumerate(values) if place not in pair for label in labels}
        there = {label for place in pair for label in values[place][1]}
        return tuple(sorted(label for label in there if label < axes or label in others))

    def _work(self, values: Sequence[Value], pair: tuple[int, int], axes: int) -> tuple[int, ...]:
        touched = len({label for place in pair for label in values[place][1]})
        return (len(self._left(values, pair, axes)), touched, *pair)

    def _join(
        self,
        first: Value,
        second: Value,
        kept: tuple[int, ...],
        sizes: Sequence[int],
        name: str,
        heads: Collection[int],
        terms: int,
    ) -> Value:
        full = self.problem.mode == "full"
        if not full and second < first:
            # Channel by channel a product has no order, and is made once for both.
            first, second = second, first
        summed = sorted({*first[1], *second[1]} - set(kept))
        number = {label: place for place, label in enumerate([*kept, *summed])}
        left, right = (tuple(number[label] for label in labels) for _, labels in (first, second))
        tied = tuple(number[label] for label in summed if label in heads)
        key = (first[0], second[0], left, right, len(kept), tied, terms)
        if key not in self.joined:
            self.joined[key] = self._fresh(name)
            label_sizes = tuple(sizes[label] for label in [*kept, *summed])
            sources = (first[0], second[0])
            join = Join(self.joined[key], sources, left, right, len(kept), label_sizes, full, tied, terms)
            self.joins.append(replace(join, entrywise=self._entrywise(join)))
        return self.joined[key], kept

    def _entrywise(self, join: Join) -> bool:
        """Whether a product, channel by channel, is best made entry by entry: where that is no larger, or tiny.

        The others are a matrix product for each channel, which pays only where the matrices are not tiny.
        """
        inside = set(join.left) <= set(join.right) or set(join.right) <= set(join.left)
        sizes = [self.hom.group.indices[factor].n for factor in join.sizes]
        tiny = prod(size if isinstance(size, int) else TINY + 1 for size in sizes) <= TINY
        return not join.full and (inside or not join.summed or tiny)


def _reading(step: Step, names: Mapping[str, str]) -> Step:
    """A step that reads values under other names: one product may stand for several that are equal."""
    match step:
        case Mix():
            operands = tuple(replace(one, source=names.get(one.source, one.source)) for one in step.operands)
            return replace(step, operands=operands)
        case Tied():
            return replace(
                step, tables=tuple(replace(one, source=names.get(one.source, one.source)) for one in step.tables)
            )
        case Reduce() | Hodge() | Contract():
            return replace(step, source=names.get(step.source, step.source))
    return step
