"""Check that a layer of products keeps its promise: equivariant, and computed as its diagrams say."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import accumulate, pairwise
from math import prod
from typing import TYPE_CHECKING, Any

from eqsynth.bases import basis
from eqsynth.errors import VerificationError
from eqsynth.functor import matrix
from eqsynth.interpret_products import interpret_products
from eqsynth.plans import POWERS
from eqsynth.products import ProductPlan
from eqsynth.representation import act, elements_to_try
from eqsynth.space import Order, each, none_of
from eqsynth.trials import BATCH, concrete_factors, distance, run_in_batches, sizes_to_try

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

TOLERANCE = 1e-9
#: Sizes at which a letter is tried: products are larger than their factors.
SIZES, EVEN_SIZES = (1, 2, 3), (2, 4)
#: Matrices with more entries than this are not added up one by one.
MAX_MEANING = 2_000_000


def check_products(plan: ProductPlan, *, trials: int = 5, seed: int = 0, layer: Any = None) -> list[str]:
    """Run a layer of products in float64 against random group elements and against the meaning of its diagrams.

    >>> from eqsynth.products import Problem, plan_products
    >>> from eqsynth.verify_products import check_products
    >>> len(check_products(plan_products(Problem.parse("SO(3)", [1, 1], 1))))
    3

    A given layer is copied, and checked with random weights. Raises VerificationError.
    """
    import numpy as np

    problem, rng = plan.problem, np.random.default_rng(seed)
    layer = _random(plan, layer, rng)
    parameters = {name: value.detach().numpy() for name, value in layer.named_parameters()}
    what = str(problem)
    moved = planned = written = 0.0
    tried: list[object] = []
    elements_tried = 0
    for sizes in sizes_to_try(problem.group, SIZES, EVEN_SIZES):
        factors = concrete_factors(problem.group, sizes)
        ns = [int(factor.n) for factor in factors]
        run = partial(_run, layer, plan, sizes)
        inputs = [rng.standard_normal((prod(BATCH), *_lengths(order, ns), wide)) for wide, order in problem.inputs]
        outputs = run_in_batches(what, run, inputs)
        planned = max(planned, distance(what, outputs, interpret_products(plan, parameters, inputs, ns)))
        dense = meaning(plan, parameters, inputs, ns)
        if dense is not None:
            tried.append(ns[0] if len(ns) == 1 else tuple(ns))
            written = max(written, distance(what, outputs, dense))
        for elements in elements_to_try(factors, rng, trials):
            elements_tried += 1
            before = [act(elements, order, x) for x, (_, order) in zip(inputs, problem.inputs, strict=True)]
            after = [act(elements, order, y) for y, order in zip(outputs, problem.space_out.orders, strict=True)]
            moved = max(moved, distance(what, run(before), after))
    for error, fault in (
        (moved, "is not equivariant"),
        (planned, "differs from its plan"),
        (written, "does not add up the matrices of its diagrams"),
    ):
        if error > TOLERANCE:
            raise VerificationError(f"{what} {fault}: relative error {error:.1e}")
    checks = [
        f"equivariant: relative error {moved:.1e} over {elements_tried} generators and random elements, float64",
        f"emitted source agrees with the plan's reference meaning: relative error {planned:.1e}",
    ]
    if tried:
        at = ", ".join(map(str, tried))
        checks.append(f"and with the matrices, applied to the dense product: relative error {written:.1e}, n = {at}")
    return checks


def meaning(
    plan: ProductPlan, parameters: Mapping[str, Array], inputs: Sequence[Array], ns: Sequence[int]
) -> list[Array] | None:
    """What a layer must compute, from integer matrices applied to the dense product; None where they are too large."""
    import numpy as np

    problem, power = plan.problem, POWERS[plan.normalization]
    outputs = []
    for o, (wide, order) in enumerate(problem.space_out):
        shape = _lengths(order, ns)
        total = np.zeros((len(inputs[0]), prod(shape), wide))
        for i, term in enumerate(problem.terms):
            found = plan.basis(i, o)
            columns = prod(_lengths(found.inputs, ns))
            if len(found) * columns * prod(shape) > MAX_MEANING:
                return None
            if not len(found):
                continue
            x = _dense(plan, term, inputs)
            weight = parameters[plan.weight_name(i, o)].reshape(len(found), wide, -1)
            lift = prod(
                n ** (max(lo - k, 0) / 4)
                for factor, n, k, lo in zip(problem.group.factors, ns, each(found.inputs), each(order), strict=True)
                if factor.family in ("O", "SO", "Sp")
            )
            for element, of_map in zip(found.diagrams, weight, strict=True):
                entries = matrix(problem.group, element, ns).astype(float)
                scale = lift * (entries**2).sum(1).max() ** power
                total += np.einsum("ji,bic,oc->bjo", entries * scale, x, of_map, optimize=True)
        if plan.bias_dims[o]:
            zero = none_of(order)
            for element, value in zip(
                basis(problem.group, zero, order).diagrams, parameters[plan.bias_name(o)], strict=True
            ):
                entries = matrix(problem.group, element, ns).astype(float)
                total += entries * (entries**2).max() ** power * value
        outputs.append(total.reshape(len(total), *shape, wide))
    return outputs


def _dense(plan: ProductPlan, term: Sequence[int], inputs: Sequence[Array]) -> Array:
    """The product of some inputs with all its entries, (batch, entries, channels)."""
    import numpy as np

    #: Axes: 0 is the batch, then those of the product, then channels.
    owners = plan.problem.owners(tuple(term))
    full = plan.problem.mode == "full"
    arguments: list[Any] = []
    for place, number in enumerate(term):
        axes = sorted((axis, 1 + position) for position, (owner, axis) in enumerate(owners) if owner == place)
        arguments += [inputs[number], [0, *(label for _, label in axes), len(owners) + 1 + place * full]]
    channels = range(len(owners) + 1, len(owners) + 1 + (len(term) if full else 1))
    found = np.einsum(*arguments, [*range(len(owners) + 1), *channels])
    return np.asarray(found.reshape(len(found), prod(found.shape[1 : 1 + len(owners)]), -1))


def _random(plan: ProductPlan, layer: Any, rng: np.random.Generator) -> Any:
    """The layer in float64 with random weights: a copy of the one given, or what the plan emits."""
    import torch

    from eqsynth.emit_products import emit_products
    from eqsynth.module import compile_source

    if layer is None:
        layer = compile_source(emit_products(plan), "EquivariantProduct")()
    layer = copy.deepcopy(layer).cpu().double()
    for parameter in layer.parameters():
        with torch.no_grad():
            parameter.copy_(torch.from_numpy(rng.standard_normal(parameter.shape)))
    return layer


def _run(layer: Any, plan: ProductPlan, sizes: Mapping[str, int], inputs: Sequence[Array]) -> list[Array]:
    import torch

    tensors = [torch.from_numpy(array) for array in inputs]
    ends = [0, *accumulate(map(len, plan.problem.operands))]
    parts = [tuple(tensors[start:end]) for start, end in pairwise(ends)]
    operands = [part if len(part) > 1 else part[0] for part in parts]
    factors = plan.problem.group.factors
    shown = {factors[f].n for _, order in plan.problem.inputs for f, count in enumerate(each(order)) if count}
    with torch.no_grad():
        outputs = layer(*operands, *[size for letter, size in sorted(sizes.items()) if letter not in shown])
    return [tensor.numpy() for tensor in (outputs if isinstance(outputs, tuple) else (outputs,))]


def _lengths(order: Order, ns: Sequence[int]) -> list[int]:
    return [n for n, count in zip(ns, each(order), strict=True) for _ in range(count)]
