"""Check that a layer keeps its promise: equivariant, independent, complete, and computed as written."""

from __future__ import annotations

import ast
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eqsynth.bases import basis as bases
from eqsynth.bases import dimension, index_symmetries, irreps
from eqsynth.bases.basis import Basis
from eqsynth.bases.constraints import nullspace
from eqsynth.bases.couplings import degree_of
from eqsynth.bases.decomposed import packed, unpacked
from eqsynth.codegen.artifact import artifact_of
from eqsynth.diagrams import bilabelled, functor, gram, standard
from eqsynth.diagrams.diagram import Diagram, Element, Orbit
from eqsynth.diagrams.enumeration import count as count_diagrams
from eqsynth.diagrams.enumeration import diagrams as enumerated
from eqsynth.diagrams.enumeration import misfit
from eqsynth.diagrams.transfer import WORDS
from eqsynth.errors import (
    EqsynthError,
    ExportError,
    SizeError,
    VerificationError,
    abridged,
    counted,
    shown,
)
from eqsynth.families.group import Group
from eqsynth.families.hom import (
    Hom,
    Problem,
    ProductHom,
    index_counts,
    index_sizes,
    maps_of,
    mixed,
    parse_problem,
    split_turn,
)
from eqsynth.families.irreps import vectors
from eqsynth.families.representation import afford_elements
from eqsynth.graphs import orbits
from eqsynth.plans.lowering import constants, plan_hom
from eqsynth.plans.plan import POWERS, Plan
from eqsynth.plans.powers import ARGUMENTS, PRIME, check_powers
from eqsynth.plans.products import coupling_of, maps, plan_problem, plan_products
from eqsynth.proof import couplings
from eqsynth.proof.trials import check_draws, concrete_factors, prepared, sizes_to_try, try_layer
from eqsynth.spaces.exchanges import Turn
from eqsynth.spaces.space import (
    Irrep,
    Order,
    all_turns,
    axes_of,
    axis_counts,
    generators_of,
    irreps_of,
    is_plain,
    least_shown,
    lengths,
    order_text,
    orders_of,
    plain,
    products,
    stored_full,
    tensor_parts,
    twists_of,
)
from eqsynth.store import files

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from eqsynth.exact.permutations import Permutation
    from eqsynth.layers.emitted import EmittedLayer

#: Arguments that name the prime modulo which a rank was found.
MODULAR = ("gram", "values", "orbits", "means", "images")
#: What an exported class says about itself, and the type of each.
FACTS = {
    **dict.fromkeys(("group", "space_in", "space_u", "space_v", "space_out", "mode", "normalization", "transfer"), str),
    "method": str,
    "parameters_are": str,
    "bias_terms": bool,
    "degrees": tuple,
}
#: Larger files are no layers.
MAX_EXPORTED = 20_000_000
#: Sizes at which a letter is tried in products.
PRODUCT_SIZES, EVEN_PRODUCT_SIZES = (1, 2, 3), (2, 4)
#: Matrices of a basis with more entries than this are not added up one by one.
MAX_MEANING = 2_000_000


@dataclass(frozen=True, slots=True)
class Report:
    """What ``eq.verify`` checked, one line each; ``print`` shows them."""

    subject: str
    checks: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join([f"verified {self.subject}", *(f"  ok  {check}" for check in self.checks)])


def prove(subject: EmittedLayer | Plan | Problem | str | os.PathLike[str], *, trials: int = 5, seed: int = 0) -> Report:
    """What ``eq.verify`` does with a layer: its bases are proven, its weights counted, and it is run.

    >>> import eqsynth as eq
    >>> from eqsynth.proof.verification import prove
    >>> prove(eq.plan("O(3)", "2x2", "3x2"), trials=1).checks[0]
    'independent and complete, 2 -> 2: 3 maps, all independent for n >= 2'

    Raises VerificationError with the failed check; ParseError or ExportError for what cannot be read.
    """
    trials, seed = check_draws(trials, seed)
    # What torch.compile gives runs the layer that it holds.
    subject = getattr(subject, "_orig_mod", subject)
    plan, checks = _plan_of(subject)
    # One without weights of its own is the layer of its plan, for which they are drawn.
    own = getattr(subject, "plan", None) is plan and not getattr(subject, "external", False)
    layer = subject if own else None
    problem, group = plan.problem, plan.problem.group
    for sizes in sizes_to_try(group):
        for factor in concrete_factors(group, sizes):
            afford_elements(factor)
    for i, k in enumerate(plan.hom.space_in.orders):
        for o, lo in enumerate(problem.space_out.orders):
            names, independent = f"{order_text(k)} -> {order_text(lo)}", maps(problem, i, o)
            if plan.dims.get((i, o), 0) != len(independent):
                raise VerificationError(
                    f"{problem} has {counted(plan.dims.get((i, o), 0), 'weight')} for {names}, but "
                    f"{counted(len(independent), 'map')} exist"
                )
            if independent.certificate.independence == "coupling":
                checks.append(f"independent and complete, {names}: {_check_coupling(independent, problem, i, o)}")
                continue
            if isinstance(problem, ProductHom) and independent.certificate.independence in ARGUMENTS:
                checks.append(f"independent and complete, {names}: {_check_powers(independent, problem, i)}")
                continue
            linear = bases.basis(group, k, lo, transfer=plan.hom.transfer)
            some = f", {len(independent)} of them independent on equal or symmetric inputs, or irreps" * (
                len(independent) < len(linear)
            )
            checks.append(f"independent and complete, {names}: {check_basis(linear)}{some}")
    _check_weights(plan)
    checks += check_module(plan, trials=trials, seed=seed, layer=layer)
    checks += plan.notes()
    return Report(abridged(problem), tuple(dict.fromkeys(checks)))


def _check_coupling(maps_of_product: Basis, problem: Problem, number: int, term_out: int) -> str:
    """Raise where there are other maps of a product of two irreps, or rotations do not keep it; the argument."""
    one = coupling_of(problem, number, term_out)
    diagrams = () if one is None else (one.diagram,)
    wrong = "" if one is None else couplings.misfit(one)
    if maps_of_product.diagrams != diagrams:
        wrong = "they are not that of the coupling coefficients"
    if wrong:
        raise VerificationError(f"the maps of {problem} are wrong: {wrong}")
    first, second = (problem.inputs[factor][1] for factor in problem.terms[number])
    orders = first, second, problem.space_out.orders[term_out]
    left, right, out = (int(degree_of(order) or 0) for order in orders)
    count = couplings.multiplicity(left, right, out, equal=len({*problem.terms[number]}) == 1)
    if problem.group.flips and (left + right + out + sum(sum(twists_of(order)) for order in orders)) % 2:
        count = 0  # The inversion changes the sign of one side alone.
    if count != len(maps_of_product):
        raise VerificationError(
            f"{problem} has {counted(len(maps_of_product), 'map')} where highest weights count {count}"
        )
    return f"{counted(count, 'map')}, by highest weights, which rotations keep"


def _check_powers(independent: Basis, problem: ProductHom, number: int) -> str:
    """Raise where maps of equal factors, listed by their patterns, are wrong; the argument in words."""
    if wrong := check_powers(independent, problem, number):
        raise VerificationError(f"the maps of {problem} are wrong: {wrong}")
    return f"{len(independent)} maps, whose values at random tensors have full rank modulo {PRIME}"


def _check_weights(plan: Plan) -> None:
    """Raise unless a plan has all biases, and its weights are as large at the start as they should be."""
    problem = plan.problem
    for o, order in enumerate(problem.space_out.orders):
        count = len(constants(plan.hom, order)) if plan.bias else 0
        if plan.bias_dims[o] != count:
            raise VerificationError(f"{problem} has {plan.bias_dims[o]} biases for output {o}, but {count} exist")
    # Gains and squares are seen in what the layer computes, the variances nowhere else.
    ours, anew = ({(p.term_in, p.term_out): p.variances for p in one.pairs} for one in (plan, _anew(plan)))
    if ours != anew:
        raise VerificationError(f"the weights of {problem} begin with other variances than their maps ask for")


def _anew(plan: Plan) -> Plan:
    """The plan that is made for the same problem."""
    return plan_problem(plan.problem, plan.bias, plan.normalization, plan.method, plan.parameters)


def check_basis(basis: Basis) -> str:
    """Re-check the claims of a basis without the enumerator; returns the argument in words.

    Every diagram must be allowed by the group and stand once; their number must be the dimension;
    their independence is re-derived. Raises VerificationError.
    """
    if basis.transfer:
        return _check_transfer(basis)
    _check_certificate(basis)
    if basis.group.maps == "factors":
        return _check_product(basis)
    if irreps.has_irreps(basis.inputs, basis.outputs):
        return _check_irreps(basis)
    if not basis.plain_orders:
        return _check_symmetric(basis)
    if basis.group.maps == "nested":
        kernel = bases.takes_kernel(basis.group, basis.inputs, basis.outputs)
        return _check_signed_nested(basis) if kernel else _check_nested(basis)
    if not basis.group.diagrammatic:
        return _check_tables(basis)
    _check_diagrams(basis)
    return _check_independence(basis)


def _check_transfer(basis: Basis) -> str:
    """The basis of all maps is checked, and that those of it are kept whose blocks say that they commute."""
    whole = bases.basis(basis.group, basis.inputs, basis.outputs)
    checked = check_basis(whole)
    kept = [index for index in range(len(whole)) if basis.transfer in whole.transfers(index)]
    wanted = [(whole[index], whole.turned(index)) for index in kept]
    if [(basis[index], basis.turned(index)) for index in range(len(basis))] != wanted:
        raise VerificationError(f"the maps are not the {len(kept)} of all that transfer={basis.transfer!r} asks for")
    return f"{checked}; {len(kept)} of them commute with {WORDS[str(basis.transfer)]}"


def _check_certificate(basis: Basis) -> None:
    """Raise where a certificate speaks of other numbers, arguments or primes than there can be."""
    group, certificate = basis.group, basis.certificate
    if certificate.dimension != len(basis) or certificate.spanning < len(basis):
        raise VerificationError(
            f"the certificate speaks of {certificate.dimension} of {certificate.spanning} elements, "
            f"but there are {len(basis)}"
        )
    known = group.arguments if basis.plain_orders or group.maps == "factors" else ("cosets", "means", "orbits of all")
    if irreps.has_irreps(basis.inputs, basis.outputs) and group.maps != "factors":
        known = irreps.ARGUMENTS
    if basis.plain_orders and bases.takes_kernel(group, basis.inputs, basis.outputs):
        known = ("kernel",)
    argument, prime = certificate.independence, certificate.prime
    if argument not in known:
        raise VerificationError(f"the certificate's argument {argument!r} proves nothing for {group}")
    primes = {"representatives": (bilabelled.PRIME,)}.get(argument, gram.PRIMES if argument in MODULAR else (0,))
    if prime not in primes:
        raise VerificationError(f"the certificate names the prime {prime}, but {argument!r} takes one of {primes}")
    if basis.turns and (is_plain(basis.outputs) or len(basis.turns) != len(basis)):
        raise VerificationError(f"{len(basis.turns)} sums over exchanges of axes are given for {len(basis)} maps")


def _vertices(basis: Basis) -> int:
    """The vertices of the diagrams of a basis between plain tensors of one group."""
    return axes_of(basis.inputs) + axes_of(basis.outputs)


def _check_diagrams(basis: Basis) -> None:
    """Raise unless the group allows each diagram, and there are as many different ones as the dimension."""
    group, total = maps_of(basis.group, basis.inputs, basis.outputs), _vertices(basis)
    inputs, outputs = axes_of(basis.inputs), axes_of(basis.outputs)
    expected = dimension.dimension(group, total)
    for diagram in basis:
        if not isinstance(diagram, Diagram):
            raise VerificationError(f"{diagram!r} is no diagram of {group}")
        if (diagram.outputs, diagram.inputs) != (outputs, inputs):
            raise VerificationError(f"{diagram.formula()} does not map order {inputs} to {outputs}")
        problem = misfit(group, diagram)
        if problem:
            raise VerificationError(f"{diagram.formula()} is not equivariant under {group}: {problem}")
    if len(set(basis.diagrams)) != len(basis):
        raise VerificationError(f"a diagram stands twice among the {len(basis)} of {group}")
    if len(basis) != expected:
        raise VerificationError(f"{len(basis)} diagrams, but the dimension of the equivariant maps is {expected}")
    _check_spanning(basis, count_diagrams(group, total))


def _check_independence(basis: Basis) -> str:
    """Raise unless the argument of the certificate holds; it is returned in words."""
    group = maps_of(basis.group, basis.inputs, basis.outputs)
    certificate, total, expected = basis.certificate, _vertices(basis), len(basis)
    argument, prime = certificate.independence, certificate.prime
    if argument == "stable":
        if certificate.spanning != expected:
            raise VerificationError(
                f"the certificate says that all {certificate.spanning} diagrams are independent, "
                f"but the dimension is {expected}"
            )
        least = dimension.stable_from(group, total)
        below = not group.symbolic and group.number < least
        return f"{counted(expected, 'map')}, all independent {'at this n' if below else f'for n >= {least}'}"
    if isinstance(group.n, str):
        raise VerificationError(f"the certificate's argument {argument!r} needs a number for n, and {group} has none")
    if argument == "blocks":
        if not all(diagram.head or len(diagram.blocks) <= group.n for diagram in basis.plain()[0]):
            raise VerificationError(
                f"a partition has more than n = {group.n} blocks, so that the argument is not 'blocks'"
            )
        return f"{counted(expected, 'map')}, partitions into at most n blocks and heads of disjoint support"
    if argument == "standard":
        if certificate.spanning == expected:
            raise VerificationError(f"all {expected} diagrams are independent, so that the argument is not 'standard'")
        for diagram in basis.plain()[0]:
            if problem := standard.excess(group, diagram):
                raise VerificationError(f"{diagram.formula()} is no standard diagram of {group}: {problem}")
        why = "no subsequence of a word is longer than n and monotone as the group's is"
        return f"{counted(expected, 'map')}, all standard: {why}"
    if argument == "orbits":
        _check_partitions(basis, group, total)
        return f"{counted(expected, 'map')}, coordinates in the orbit basis of full rank modulo {prime}"
    listed = basis.plain()[0]
    several = any(len(diagram.head) > group.number for diagram in listed)
    if several != (argument == "values"):
        raise VerificationError(
            f"the argument for diagrams with {'several heads' if several else 'one head or none'} is not {argument!r}"
        )
    if several:
        rank = len(gram.pivots_modulo(gram.values(group, listed), prime))
        how = "values at the index tuples of standard diagrams"
    else:
        rank, how = gram.gram_modulo(group, listed, prime).rank(), "Gram matrix"
    if rank != len(basis):
        raise VerificationError(
            f"the {len(basis)} diagrams of {group} have rank {rank} modulo {prime}: they are dependent, or it is "
            "another prime that shows that they are not"
        )
    return f"{counted(expected, 'map')}, {how} of full rank modulo {prime}"


def _check_spanning(basis: Basis, spanning: int) -> None:
    if basis.certificate.spanning != spanning:
        raise VerificationError(
            f"the certificate speaks of {basis.certificate.spanning} elements to choose from, but there are {spanning}"
        )


def _check_partitions(basis: Basis, group: Group, total: int) -> None:
    """Raise unless the partitions are independent at n, modulo the prime of the certificate.

    In the orbit basis of all partitions those with more than n blocks are zero. So partitions are a basis where their
    coordinates at the others have full rank; or, the same seen from the other side and often much smaller, where
    the zero orbits have coordinates of full rank at the partitions that were left out.
    """
    prime, n = basis.certificate.prime, group.number
    partitions = [diagram for diagram in basis.plain()[0] if not diagram.head]
    every = [Diagram(total, 0, blocks) for blocks in group.headless_blocks(total)]
    flat = {tuple(diagram.blocks) for diagram in partitions}
    zero = [diagram for diagram in every if len(diagram.blocks) > n]
    if len(zero) < len(partitions):
        left_out = [diagram for diagram in every if tuple(diagram.blocks) not in flat]
        matrix: NDArray[Any] = gram.relations(left_out, zero)
        wanted = len(zero)
    else:
        smaller = [diagram for diagram in every if len(diagram.blocks) <= n]
        wanted = len(smaller)
        matrix = gram.coarser([Diagram(total, 0, diagram.blocks) for diagram in partitions], smaller)
    rank = len(gram.pivots_modulo(matrix, prime)) if matrix.size else 0
    if matrix.shape != (wanted, wanted) or rank != wanted:
        raise VerificationError(
            f"the {len(partitions)} partitions of {basis.group} are dependent: {rank} of {wanted} modulo {prime}"
        )


def _check_product(basis: Basis) -> str:
    """Every factor's basis is checked, and the elements must be all their products, once each."""
    inputs, outputs = basis.inputs, basis.outputs
    parts = [
        _factor_basis(basis, place, *problem)
        for place, problem in enumerate(zip(basis.group.factors, orders_of(inputs), orders_of(outputs), strict=True))
    ]
    for part in parts:
        check_basis(part)
    expected = {
        tuple(single for number, part in zip(numbers, parts, strict=True) for single in part.parts(number))
        for numbers in product(*(range(len(part)) for part in parts))
    }
    if len(set(basis.diagrams)) != len(basis) or set(basis.diagrams) != expected:
        raise VerificationError(f"the {len(basis)} elements are not the {len(expected)} products of the factors' bases")
    _check_spanning(basis, prod(part.certificate.spanning for part in parts))
    for number in range(len(basis)):
        at = [part.diagrams.index(d) for part, d in zip(parts, basis.factor_parts(number), strict=True)]
        if basis.turned(number) != products([part.turned(place) for part, place in zip(parts, at, strict=True)]):
            raise VerificationError("an element is added in other orders of its axes than its factors are")
    return f"{counted(len(basis), 'map')}, the products of {' and '.join(str(len(part)) for part in parts)}"


def _check_nested(basis: Basis) -> str:
    """Every element must be a nested partition within the sizes, once, and there must be as many as the dimension.

    Then they are a basis: the change to the orbits that are there is unitriangular.
    """
    group, total = basis.group, _vertices(basis)
    for element in basis.diagrams:
        if problem := _nested_misfit(basis, element):
            raise VerificationError(f"{element!r} {problem}")
    if len(set(basis.diagrams)) != len(basis):
        raise VerificationError(f"a nested partition stands twice among the {len(basis)} of {group}")
    expected, spanning = dimension.dimension(group, total), count_diagrams(group, total)
    if len(basis) != expected:
        raise VerificationError(
            f"{counted(len(basis), 'map')}, but the dimension of the equivariant maps is {expected}"
        )
    _check_spanning(basis, spanning)
    argument = "stable" if spanning == expected else "nested"
    if basis.certificate.independence != argument:
        raise VerificationError(f"the certificate's argument is {argument!r} for {expected} of {spanning} maps")
    return f"{counted(expected, 'map')}, nested partitions of at most n blocks, each cut into at most m"


def _check_signed_nested(basis: Basis) -> str:
    """Maps of twisted tensors to others: as many as orbits that even permutations alone keep, equivariant."""
    expected = basis.group.headed_dimension(_vertices(basis))
    if len(basis) != expected:
        raise VerificationError(f"{len(basis)} maps, but the dimension of the equivariant maps is {expected}")
    _check_spanning(basis, expected)
    return _check_kernel(basis) if expected else "0 maps: odd permutations keep indices in every orbit"


def _nested_misfit(basis: Basis, element: Element) -> str:
    """Why an element is no nested partition of the group of a basis; empty where it is."""
    group, orders = basis.group, (axes_of(basis.outputs), axes_of(basis.inputs))
    parts = [part for part in _factors(element) if isinstance(part, Diagram) and not (part.edges or part.head)]
    if len(parts) != len(group.indices) or len(parts) != len(_factors(element)):
        return f"is no nested partition of {group}"
    if any((part.outputs, part.inputs) != orders for part in parts):
        return f"does not map order {orders[1]} to {orders[0]}"
    problem = group.nested_misfit(*(part.blocks for part in parts))
    return f"is no nested partition of {group}: {problem}" if problem else ""


def _factor_basis(basis: Basis, place: int, group: Group, inputs: Order, outputs: Order) -> Basis:
    """The basis of a factor: that which layers use, or the other one where the product is made of it."""
    usual = bases.basis(group, inputs, outputs)
    if group.diagrammatic and is_plain(inputs) and is_plain(outputs):
        several = len(basis.group.indices)
        places = [number for number, element in enumerate(basis.diagrams) if len(_factors(element)) == several]
        taken = {basis.factor_parts(number)[place] for number in places}
        if taken and taken != set(usual.diagrams):
            return bases.basis(group, inputs, outputs, choose="standard")
    return usual


def _factors(element: Element) -> tuple[Element, ...]:
    """The elements of the factors, of an element of a product."""
    return element if isinstance(element, tuple) else (element,)


def _check_irreps(basis: Basis) -> str:
    """Maps of irreps: as many as Schur's lemma says, equivariant diagrams, with independent images of one vector.

    And the vectors of the irreps span a space that the group keeps, of the dimension of the irrep: exactly.
    """
    group, inputs, outputs = basis.group, basis.inputs, basis.outputs
    allowed, count = maps_of(group, inputs, outputs), irreps.dimension(group, inputs, outputs)
    for one in (*irreps_of(inputs), *irreps_of(outputs)):
        if one is not None:
            _check_irrep(group, one)
    if len(basis) != count:
        raise VerificationError(f"{counted(len(basis), 'map')}, but the dimension of the equivariant maps is {count}")
    _check_spanning(basis, count_diagrams(allowed, _vertices(basis)))
    diagrams = [one for one in basis if isinstance(one, Diagram)]
    problems = [misfit(allowed, one) for one in diagrams]
    if any(problems) or len(diagrams) < count:
        raise VerificationError(
            f"an element is not equivariant under {group}: {next(filter(None, problems), 'no diagram')}"
        )
    if basis.certificate.independence == "schur":
        if diagrams != [irreps.identity(inputs)] * count or (count and not irreps.unchanged(group, inputs, outputs)):
            raise VerificationError(f"the maps of {group} are not the multiples of the identity of an irrep alone")
        return f"{counted(count, 'map')}, by Schur's lemma"
    rows, turns = irreps.images(group, diagrams, inputs, outputs)
    if turns != [basis.turned(number) for number in range(count)]:
        raise VerificationError("a map is not added in all orders of the axes of its output in which it differs")
    rank = len(gram.pivots_modulo(rows, basis.certificate.prime))
    if rank != count:
        raise VerificationError(f"the images of a vector under the {count} maps of {group} have rank {rank}")
    return f"{counted(count, 'map')}, images of a vector of full rank modulo {basis.certificate.prime}"


def _check_irrep(group: Group, one: Irrep) -> None:
    """Raise unless the vectors of an irrep are orthogonal, and span a space that the group keeps, of its dimension."""
    import numpy as np

    rows = vectors(one)
    squares = [int(value) for value in (rows**2).sum(1)]
    inner = rows @ rows.T
    if rows.shape != (one.dim, group.number**one.order) or not all(squares) or (inner != np.diag(squares)).any():
        raise VerificationError(f"the vectors of {one} of {group} are not orthogonal, or not {one.dim}")
    elements, algebra = group.generating_matrices()
    for generator, derived in (*((g, False) for g in elements), *((x, True) for x in algebra)):
        moved = _moved(rows, generator, one.order, derived)
        # Times all lengths, so that numbers stay whole: what is moved lies in the span of the rows.
        whole = prod(set(squares))
        weights = np.array([whole // square for square in squares], object)
        within = ((moved @ rows.T).astype(object) * weights) @ rows.astype(object)
        if (within != moved.astype(object) * whole).any():
            raise VerificationError(f"the vectors of {one} do not span a space that {group} keeps")


def _moved(rows: NDArray[np.int64], generator: NDArray[np.int64], order: int, derived: bool) -> NDArray[np.int64]:
    """Tensors, one in each row, under an element of a group, or of its Lie algebra."""
    import numpy as np

    n = len(generator)
    tensors = rows.reshape(len(rows), *[n] * order)
    total = np.zeros_like(tensors) if derived else tensors
    for axis in range(1, 1 + order):
        image = np.moveaxis(np.tensordot(generator, tensors if derived else total, (1, axis)), 0, axis)
        total = total + image if derived else image
    return np.asarray(total.reshape(rows.shape))


def _check_symmetric(basis: Basis) -> str:
    """Maps of symmetric tensors: those of all tensors are checked, and these must make up the means of all of them.

    Their number is counted without diagrams where that can be done. With a number for n and matrices that are not too
    large, exact ranks say that the maps and the means span the same space; else orbits of diagrams are compared.
    """
    group, inputs, outputs = basis.group, basis.inputs, basis.outputs
    every, count = basis.certificate.independence == "orbits of all", len(basis)
    if not every:
        whole = bases.basis(group, plain(inputs), plain(outputs))
        check_basis(whole)
        _check_spanning(basis, whole.certificate.spanning)
        closed = group.coarsens or index_symmetries.by_diagrams(group, whole.diagrams, inputs, outputs) is not None
        if basis.certificate.independence == "cosets" and group.diagrammatic and not closed:
            raise VerificationError(f"exchanges of axes lead out of the {len(whole)} diagrams: cosets prove nothing")
    if group.diagrammatic:
        allowed = maps_of(group, inputs, outputs)
        expected = dimension.symmetric_dimension(allowed, *tensor_parts(inputs), *tensor_parts(outputs))
        if count != expected:
            raise VerificationError(f"{counted(count, 'map')}, but the dimension of the equivariant maps is {expected}")
        if group.maps == "nested":
            problems = [_nested_misfit(basis, one) for one in basis]
        else:
            problems = [misfit(allowed, one) if isinstance(one, Diagram) else "it is no diagram" for one in basis]
        if any(problems):
            raise VerificationError(f"an element is not equivariant under {group}: {next(filter(None, problems))}")
    if every:
        return _check_orbits(basis)
    sizes = () if group.symbolic else whole.sizes()
    entries = len(whole) * prod(n ** (axes_of(inputs) + axes_of(outputs)) for n in sizes)
    if sizes and (basis.certificate.independence == "means" or entries <= MAX_MEANING):
        _check_span(basis, whole)
        return f"{counted(count, 'map')}, which span the means of {len(whole)} over exchanges of axes"
    _check_one_of_each(basis)
    return f"{counted(count, 'map')}, one for each orbit of diagrams under exchanges of axes"


def _check_orbits(basis: Basis) -> str:
    """One diagram of each orbit of all diagrams under exchanges of axes, that does not vanish; they span all maps."""
    allowed = maps_of(basis.group, basis.inputs, basis.outputs)
    listed = set(enumerated(allowed, axes_of(basis.outputs), axes_of(basis.inputs)))
    _check_spanning(basis, len(listed))
    if len(listed) == dimension.dimension(allowed, _vertices(basis)):
        raise VerificationError("all diagrams are independent, so that their number proves no more than they do")
    orbits_of_maps = _check_one_of_each(basis)
    above, below = _moves(basis)
    listed = listed.difference(*orbits_of_maps)
    if any(_images(basis, diagram, [*above, *below]) for diagram in listed):
        raise VerificationError(f"there are other orbits of diagrams than those of the {len(basis)} maps")
    return f"{counted(len(basis), 'map')}, one for each orbit of all diagrams under exchanges of axes"


def _check_one_of_each(basis: Basis) -> list[frozenset[Diagram]]:
    """Raise unless maps are in orbits of their own under exchanges of axes, and made of all of them; the orbits."""
    orbits_of_all = [_orbit_of_exchanges(basis, number) for number in range(len(basis))]
    if len(set(orbits_of_all)) != len(basis) or not all(orbits_of_all):
        raise VerificationError(f"two of the {len(basis)} maps are the same up to exchanges of axes, or one vanishes")
    if not all(map(partial(_is_turned, basis), range(len(basis)))):
        raise VerificationError("a map is not added in all orders of the axes of its output")
    return orbits_of_all


def _check_span(basis: Basis, whole: Basis) -> None:
    """Raise unless the maps, and the means of all maps, are the same space, and outputs have their symmetry."""
    import numpy as np

    ours, all_maps = _means(basis, False), _means(replace(whole, inputs=basis.inputs, outputs=basis.outputs), True)
    above = axes_of(basis.outputs)
    for swap, sign in generators_of(basis.outputs):
        axes = (0, *(1 + axis for axis in swap), *range(1 + above, ours.ndim))
        if not np.array_equal(sign * np.transpose(ours, axes), ours):
            raise VerificationError("the output of a map has not the symmetry that it should have")
    entries = prod(ours.shape[1:])
    ours, all_maps = (rows.reshape(len(rows), entries) for rows in (ours, all_maps))
    # The rank of vectors is that of their inner products.
    products, count = gram.products_of_rows(np.concatenate([ours, all_maps])), len(ours)
    ranks = [gram.rank_of(part) for part in (products[:count, :count], products[count:, count:], products)]
    prime = basis.certificate.prime
    if prime and len(basis):
        # Which prime shows the rank is part of what the certificate says.
        ranks.append(len(gram.pivots_modulo(products[:count, :count], prime)))
    if set(ranks) != {len(basis)}:
        raise VerificationError(
            f"the {len(basis)} maps have rank {ranks[0]}, the means of all {len(whole)} have rank {ranks[1]}, "
            f"and both together {ranks[2]}: these must be the same"
        )


def _means(basis: Basis, outputs_too: bool) -> NDArray[np.int64]:
    """Matrices added up over the exchanges of symmetric axes of the input, and perhaps of the output."""
    import numpy as np

    axes = [lengths(stored_full(order), basis.sizes()) for order in (basis.outputs, basis.inputs)]
    split = basis.matrices().reshape(len(basis), *axes[0], *axes[1])
    above = len(axes[0])
    total = np.zeros_like(split)
    for first, sign in all_turns(basis.outputs) if outputs_too else [(tuple(range(above)), 1)]:
        for second, other in all_turns(basis.inputs):
            moved = (0, *(1 + axis for axis in first), *(1 + above + axis for axis in second))
            total += sign * other * np.transpose(split, moved)
    return total


#: Diagrams with signs.
Signs = dict[Diagram, int]


def _images(basis: Basis, start: Diagram, moves: Sequence[tuple[Turn, int]]) -> Signs:
    """The images of a diagram under exchanges of axes from some vertex on, with signs; none where it vanishes."""
    signs, agenda = {start: 1}, [start]
    forms = index_symmetries.forms_of(basis.group, start.outputs + start.inputs)
    known = {(start.blocks, start.head): start}
    exchanges = [(index_symmetries.images_under(swap, first, forms), sign) for (swap, sign), first in moves]
    while agenda:
        at = agenda.pop()
        for exchange, sign in exchanges:
            key, by = exchange(at)
            image = known.get(key)
            if image is None:
                image = known[key] = Diagram(start.outputs, start.inputs, key[0], head=key[1])
                signs[image] = signs[at] * sign * by
                agenda.append(image)
            elif signs[image] != signs[at] * sign * by:
                return {}
    return signs


def _moves(basis: Basis) -> tuple[list[tuple[Turn, int]], list[tuple[Turn, int]]]:
    start = sum(index_counts(basis.group, basis.outputs))
    sides = ((basis.outputs, 0), (basis.inputs, start))
    above, below = (
        [(split_turn(basis.group, axis_counts(order), swap), first) for swap in generators_of(order)]
        for order, first in sides
    )
    return above, below


def _orbit_of_exchanges(basis: Basis, number: int) -> frozenset[Diagram]:
    above, below = _moves(basis)
    return frozenset(_images(basis, basis.flat(number), [*above, *below]))


def _is_turned(basis: Basis, number: int) -> bool:
    """Whether a map of symmetric inputs is the sum of all images of its diagram under exchanges of output axes."""
    above, below = _moves(basis)

    def read(diagram: Diagram, sign: int) -> tuple[Diagram, int]:
        """The least diagram that is the same for symmetric inputs, and the sign between the two."""
        images = _images(basis, diagram, below)
        least = min(images, key=lambda image: image.key)
        return least, sign * images[least]

    added = []
    for axes, sign in (split_turn(basis.group, axis_counts(basis.outputs), turn) for turn in basis.turned(number)):
        # Axis i of the result is axis axes[i]: that axis moves to i.
        back = [axes.index(axis) for axis in range(len(axes))]
        image, by = index_symmetries.permuted(
            basis.flat(number), back, 0, index_symmetries.forms_of(basis.group, axes_of(basis.outputs))
        )
        added.append(read(image, sign * by))
    needed = {read(image, sign) for image, sign in _images(basis, basis.flat(number), above).items()}
    return len(added) == len(needed) and set(added) == needed


def _check_tables(basis: Basis) -> str:
    """Orbits, bilabelled graphs and kernels: re-derived from the generators."""
    group, inputs, outputs = basis.group, axes_of(basis.inputs), axes_of(basis.outputs)
    if any((d.outputs, d.inputs) != (outputs, inputs) for d in basis if not isinstance(d, tuple)):
        raise VerificationError(f"an element does not map order {inputs} to {outputs}")
    if bases.takes_kernel(group, basis.inputs, basis.outputs):
        _check_spanning(basis, len(basis))
        signed = None if mixed(group, basis.inputs, basis.outputs) else group.signed_permutations
        return _check_kernel(basis) if signed is None else _check_signed(basis, signed)
    labels = functor.orbits_of(group, inputs + outputs)
    orbits.check_orbits(group.permutations, labels)
    count = int(labels.max()) + 1
    numbers = [int(labels[element.representative]) for element in basis if isinstance(element, Orbit)]
    diagrams = tuple(element for element in basis if isinstance(element, Diagram))
    if len(basis) != count or len(set(numbers)) != len(numbers):
        raise VerificationError(f"{len(basis)} elements, but {group} has {count} orbits; each must stand once")
    graph = group.kept_graph
    if graph is not None:
        # The orbits, and the graphs that were tried: at least those that were kept, at most those that are considered.
        least, most = count + len(diagrams), count + bilabelled.Budget().candidates
        if not least <= basis.certificate.spanning <= most:
            raise VerificationError(
                f"the certificate speaks of {basis.certificate.spanning} elements to choose from, but there are "
                f"{least} to {most}"
            )
    else:
        _check_spanning(basis, count)
    if diagrams:
        assert graph is not None  # noqa: S101 - diagrams with edges belong to graphs
        bilabelled.check_basis(graph, labels, bilabelled.Chosen(diagrams, tuple(numbers), 0))
        why = f"values on representatives of full rank modulo {bilabelled.PRIME}"
        return f"{counted(count, 'map')} for {counted(count, 'orbit')}, {why}"
    return f"{counted(count, 'map')}, one for each orbit"


def _check_kernel(basis: Basis) -> str:
    """Each element satisfies every constraint exactly, they are independent, and the null space has their number."""
    import flint
    import numpy as np

    kernel = nullspace(basis.group, basis.inputs, basis.outputs)
    n = basis.size()
    entries = n ** (axes_of(basis.inputs) + axes_of(basis.outputs))
    given = basis.matrices().reshape(len(basis), entries)
    both = np.concatenate([kernel.reshape(len(kernel), entries), given])
    ranks = [flint.fmpz_mat(rows.tolist()).rank() if len(rows) else 0 for rows in (given, both)]
    if not ranks[0] == ranks[1] == len(given) == len(kernel):
        raise VerificationError(
            f"the {len(given)} elements do not span the {len(kernel)} equivariant maps of {basis.group}"
        )
    return f"{counted(len(given), 'map')}, a basis of the exact null space of the generators' constraints"


def _check_signed(basis: Basis, generators: Sequence[Permutation]) -> str:
    """Each element is kept by every generator, no two share an entry, and characters or orbits give their number."""
    import numpy as np

    n, total = basis.size(), axes_of(basis.inputs) + axes_of(basis.outputs)
    used = np.zeros((n,) * total, bool)
    for element, matrix in zip(basis, (functor.matrix(basis.group, e, n) for e in basis), strict=True):
        tensor = matrix.reshape((n,) * total)
        for generator in generators:
            images = np.array(generator[:n])
            moved = tensor
            for axis in range(total):
                signs = np.where(images < n, 1, -1).reshape(-1, *[1] * (total - 1 - axis))
                moved = (moved * signs).take(np.argsort(images % n), axis)
            if not np.array_equal(moved, tensor):
                raise VerificationError(f"{element!r} does not commute with a generator of {basis.group}"[:400])
        if not tensor.any() or (used & (tensor != 0)).any():
            raise VerificationError(f"two of the {len(basis)} maps of {basis.group} share an entry, or one is zero")
        used |= tensor != 0
    try:
        count, how = orbits.signed_count(generators, n, total), "the mean of its characters"
    except SizeError:
        labels, signs = orbits.signed_orbits(generators, n, total)
        count, how = len(np.unique(labels[signs != 0])), "the number of its orbits"
    if count != len(basis):
        raise VerificationError(f"{len(basis)} elements, but {basis.group} has {count} maps: {how}")
    return f"{counted(count, 'map')}, one for each orbit of index tuples that keeps its sign: {how}"


def check_module(plan: Plan, *, trials: int = 5, seed: int = 0, layer: Any = None) -> list[str]:
    """Run a layer in float64 against random group elements and against the meaning of its diagrams.

    >>> import eqsynth as eq
    >>> from eqsynth.proof.verification import check_module
    >>> len(check_module(eq.TensorProduct("SO(3)", 1, 1, 1).plan))
    3

    A given layer is copied, and checked with random weights; its tables must be those of its recipe. Raises
    VerificationError.
    """
    import numpy as np
    import torch

    from eqsynth.layers.emitted import layer_of
    from eqsynth.plans.interpret import interpret

    problem, rng = plan.problem, np.random.default_rng(seed)
    #: Whether the matrices of the maps were compared at a size where different diagrams are different maps.
    compared = False

    def meant(parameters: Mapping[str, Any], inputs: Sequence[Any], ns: Sequence[int]) -> list[Any] | None:
        nonlocal compared
        outputs = meaning(plan, parameters, inputs, ns)
        large = all(n > 1 for n, factor in zip(ns, problem.group.factors, strict=True) if isinstance(factor.n, str))
        compared |= outputs is not None and large
        return outputs

    # Products are larger than their factors.
    sizes = {"sizes": PRODUCT_SIZES, "even_sizes": EVEN_PRODUCT_SIZES} if problem.multilinear else {}
    dtype = torch.complex128 if problem.group.over_complex else torch.float64
    module = prepared(layer if layer is not None else layer_of(plan, dtype=dtype), rng)
    _check_shapes(plan, module)
    checks = try_layer(
        problem,
        problem.group,
        problem.operands,
        problem.space_out,
        module,
        partial(interpret, plan),
        meant,
        sizes_to_try(problem.group, **sizes, least=max(map(least_shown, problem.operands))),
        rng,
        trials,
    )
    if not compared and plan.steps != _anew(plan).steps:
        raise VerificationError(
            f"{problem} is too large to compare with the matrices of its diagrams, and its plan is not the one that is "
            "made for it: ask for lower orders or a smaller n"
        )
    return checks


def _check_shapes(plan: Plan, module: Any) -> None:
    """Raise unless a module has the parameters of a plan."""
    problem, wanted = plan.problem, {}
    for pair in plan.pairs:
        wide = [problem.inputs[number][0] for number in problem.terms[pair.term_in]]
        channels = problem.space_out.channels[pair.term_out], *(wide if problem.full else wide[:1])
        wanted[plan.weight_name(pair.term_in, pair.term_out)] = (pair.dim, *channels)
    for term, dim in enumerate(plan.bias_dims):
        if dim:
            wanted[plan.bias_name(term)] = (dim, problem.space_out.channels[term])
    shapes = {name: tuple(parameter.shape) for name, parameter in module.named_parameters()}
    if shapes != wanted:
        raise VerificationError(f"{problem} has parameters of shapes {shapes}, but its maps ask for {wanted}")


def meaning(
    plan: Plan, parameters: Mapping[str, Any], inputs: Sequence[Any], ns: Sequence[int]
) -> list[NDArray[np.float64]] | None:
    """What a layer must compute, straight from the matrices of its maps; None where they are too large.

    Maps of products are applied to the product itself, with all its entries.
    """
    import numpy as np

    from eqsynth.plans.interpret import block_coefficients

    problem, group, power = plan.problem, plan.problem.group, POWERS[plan.normalization]
    inputs = [unpacked(x, order, ns) for x, (_, order) in zip(inputs, problem.inputs, strict=True)]
    outputs = []
    for o, (c_out, order_out) in enumerate(problem.space_out.terms):
        shape = lengths(stored_full(order_out), ns)
        total = np.zeros((len(inputs[0]), prod(shape), c_out), np.result_type(*inputs, float))
        for i in range(len(problem.terms)):
            basis = maps(problem, i, o)
            if len(basis) * prod(shape) * prod(lengths(stored_full(basis.inputs), ns)) > MAX_MEANING:
                return None
            if not len(basis):
                continue
            x = _multiplied(problem, i, inputs)
            weight = parameters[plan.weight_name(i, o)].reshape(len(basis), c_out, -1)
            if plan.parameters == "blocks":
                mixed = block_coefficients(plan, parameters, i, o)
                total += np.einsum("mji,bic,moc->bjo", basis.matrices(ns).astype(float), x, mixed, optimize=True)
                continue
            counts = index_counts(group, basis.inputs), index_counts(group, order_out)
            gains = zip(group.indices, index_sizes(group, ns), *counts, strict=True)
            lift = 1.0 if basis.transfer else prod(n ** (factor.gain(k, lo) / 4) for factor, n, k, lo in gains)
            for of_map, matrix, one in zip(weight, basis.matrices(ns), basis.matrices(ns, turned=False), strict=True):
                scale = lift * float((one**2).sum(1).max()) ** power
                total += np.einsum("ji,bic,oc->bjo", matrix.astype(float) * scale, x, of_map, optimize=True)
        if plan.bias_dims[o]:
            fixed = constants(plan.hom, order_out)
            single = fixed.matrices(ns, turned=False)
            for element, (matrix, one) in enumerate(zip(fixed.matrices(ns), single, strict=True)):
                total += matrix * float((one**2).max()) ** power * parameters[plan.bias_name(o)][element]
        outputs.append(packed(total.reshape(len(inputs[0]), *shape, c_out), order_out))
    return outputs


def _multiplied(problem: Problem, number: int, inputs: Sequence[Any]) -> NDArray[np.float64]:
    """The product of inputs that a map is applied to, with all its entries, (batch, entries, channels)."""
    import numpy as np

    term = problem.terms[number]
    if not isinstance(problem, ProductHom):
        (x,) = (inputs[place] for place in term)
        return np.asarray(x.reshape(len(x), prod(x.shape[1:-1]), x.shape[-1]))
    # Labels: 0 is the batch, then the axes of the product, then channels.
    owners = problem.owners(term, whole=True)
    arguments: list[Any] = []
    for place, factor in enumerate(term):
        axes = sorted((axis, 1 + position) for position, (owner, axis) in enumerate(owners) if owner == place)
        channels = len(owners) + 1 + place * problem.full
        arguments += [inputs[factor], [0, *(label for _, label in axes), channels]]
    channels_of = range(len(owners) + 1, len(owners) + 1 + (len(term) if problem.full else 1))
    product_of = np.einsum(*arguments, [*range(len(owners) + 1), *channels_of])
    return np.asarray(product_of.reshape(len(product_of), prod(product_of.shape[1 : 1 + len(owners)]), -1))


def _plan_of(subject: Any) -> tuple[Plan, list[str]]:
    if isinstance(subject, str) and ":" in subject and "->" in subject:
        return plan_problem(parse_problem(subject)), []
    if isinstance(subject, str | os.PathLike):
        return _read_exported(files.path_of(subject))
    if isinstance(subject, Problem):
        return plan_problem(subject), []
    plan = subject if isinstance(subject, Plan) else getattr(subject, "plan", None)
    if not isinstance(plan, Plan):
        raise EqsynthError(
            f"only a layer, network, plan, Hom or exported file can be verified, not {type(subject).__name__}"
        )
    return plan, []


def facts_of(name: str, path: Path, body: Sequence[ast.stmt]) -> dict[str, Any]:
    """What an exported class says about itself, each of the kind that eqsynth writes."""
    facts: dict[str, Any] = {}
    for node in body:
        if not (isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)):
            continue
        key = node.targets[0].id
        if key not in FACTS:
            continue
        try:
            value = ast.literal_eval(node.value)
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            value = None
        if type(value) is not FACTS[key]:
            kinds = {str: "a text", bool: "True or False", tuple: "a tuple"}
            raise VerificationError(
                f"{path}, line {node.lineno}: the {key} of {name} is not {kinds[FACTS[key]]}, as eqsynth writes it: "
                "export the layer again"
            )
        facts[key] = value
    needed = {"space_u", "mode"} if "space_u" in facts else {"space_in"}
    missing = {"group", *needed, "space_out", "normalization", "bias_terms"} - facts.keys()
    if missing:
        raise VerificationError(f"{path} is no layer exported by eqsynth: it lacks {', '.join(sorted(missing))}")
    return facts


def plan_of_facts(facts: Mapping[str, Any]) -> Plan:
    """The plan of the problem that an exported class names. A group is read from no other file."""
    bias, normalization = facts["bias_terms"], facts["normalization"]
    if "space_u" in facts:
        operands = [facts[name] for name in ("space_u", "space_v") if name in facts]
        degrees = facts.get("degrees", ())
        how = facts["mode"], degrees, False, facts.get("transfer")
        problem = ProductHom.parse(facts["group"], operands, facts["space_out"], *how)
        return plan_products(problem, bias, normalization)
    hom = Hom.parse(facts["group"], facts["space_in"], facts["space_out"], False, facts.get("transfer"))
    more = facts.get("method", "diagrams"), facts.get("parameters_are", "diagrams")
    return plan_hom(hom, bias, normalization, *more)


def _read_exported(path: Path) -> tuple[Plan, list[str]]:
    try:
        text = files.read(path, MAX_EXPORTED).decode("utf-8")
    except FileNotFoundError as error:
        raise ExportError(
            f"cannot read {str(path)!r}: it is neither a file nor a problem. "
            "Give an exported file, or a problem such as 'S(n): 2x2 -> 2x1'"
        ) from error
    except (OSError, ValueError) as error:
        raise ExportError(
            f"cannot read {shown(str(path))}: {getattr(error, 'strerror', None) or error}. "
            "Give an exported file, or a problem: 'S(n): 2x2 -> 2x1'"
        ) from error
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise VerificationError(f"{path} is not Python source: {error}") from error
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    if not classes:
        raise VerificationError(f"{path} is no layer exported by eqsynth: it lacks a class")
    plan = plan_of_facts(facts_of(classes[-1].name, path, classes[-1].body))
    return plan, [same_source(path, text, artifact_of(plan, classes[-1].name).source, plan.problem)]


def same_source(path: Path, text: str, source: str, problem: object) -> str:
    """That a file has the text that is emitted for its problem, in words; raises VerificationError with the place."""
    written = files.plain(text.encode()).decode()
    if source != written:
        for number, (theirs, ours) in enumerate(zip(written.splitlines(), source.splitlines(), strict=False), 1):
            if theirs != ours:
                raise VerificationError(
                    f"{path} differs from what eqsynth emits for {problem}, first in line {number}:\n"
                    f"  file: {theirs.strip()}\n  ours: {ours.strip()}\n"
                    "It was edited, or made by another version: export it again"
                )
        raise VerificationError(f"{path} differs from what eqsynth emits for {problem} in length: export it again")
    exactly = "byte for byte" if written == text else "but for the ends of its lines"
    return f"the file is {exactly} what eqsynth emits for {abridged(problem)}"


def is_exported(path: Path) -> bool:
    """Whether a file is a layer as this version of eqsynth exports it: replacing it loses nothing."""
    try:
        _read_exported(path)
    except EqsynthError:
        return False
    return True
