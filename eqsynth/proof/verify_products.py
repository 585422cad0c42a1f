"""Check that a layer of products keeps its promise: equivariant, and computed as its diagrams say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from math import prod
from typing import TYPE_CHECKING, Any

from eqsynth.bases.basis import basis
from eqsynth.diagrams.functor import matrix
from eqsynth.plans.interpret_products import interpret_products
from eqsynth.plans.plan import POWERS
from eqsynth.plans.products import ProductPlan
from eqsynth.proof.trials import prepared, sizes_to_try, try_layer
from eqsynth.spaces.space import Order, axis_counts, none_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

#: Sizes at which a letter is tried: products are larger than their factors.
SIZES, EVEN_SIZES = (1, 2, 3), (2, 4)
#: Matrices with more entries than this are not added up one by one.
MAX_MEANING = 2_000_000


def check_products(plan: ProductPlan, *, trials: int = 5, seed: int = 0, layer: Any = None) -> list[str]:
    """Run a layer of products in float64 against random group elements and against the meaning of its diagrams.

    >>> from eqsynth.plans.products import Problem, plan_products
    >>> from eqsynth.proof.verify_products import check_products
    >>> len(check_products(plan_products(Problem.parse("SO(3)", [1, 1], 1))))
    3

    A given layer is copied, and checked with random weights. Raises VerificationError.
    """
    import numpy as np

    from eqsynth.codegen.emit_products import emit_products
    from eqsynth.layers.linear import compile_source

    problem, rng = plan.problem, np.random.default_rng(seed)
    if layer is None:
        layer = compile_source(emit_products(plan), "EquivariantProduct")()
    return try_layer(
        problem,
        problem.group,
        problem.operands,
        problem.space_out,
        prepared(layer, rng),
        partial(interpret_products, plan),
        partial(meaning, plan),
        sizes_to_try(problem.group, SIZES, EVEN_SIZES),
        rng,
        trials,
    )


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
                n ** (factor.gain(k, lo) / 4)
                for factor, n, k, lo in zip(
                    problem.group.factors, ns, axis_counts(found.inputs), axis_counts(order), strict=True
                )
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


def _lengths(order: Order, ns: Sequence[int]) -> list[int]:
    return [n for n, count in zip(ns, axis_counts(order), strict=True) for _ in range(count)]
