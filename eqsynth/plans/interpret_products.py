"""The reference meaning of a plan of products, in NumPy: what the emitted source is tested against."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from eqsynth.errors import ShapeError
from eqsynth.families.symplectic import omega
from eqsynth.plans.interpret import _hodge, _reduce, _weight, interpret
from eqsynth.plans.plan import POWERS, Hodge, Input, Reduce
from eqsynth.plans.products import Join, ProductPlan, Twist, Weigh

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]


def interpret_products(
    plan: ProductPlan, parameters: Mapping[str, Array], inputs: Sequence[Array], n: int | Sequence[int]
) -> list[Array]:
    """Run a plan of products on inputs of shape ``(batch, n, ..., n, channels)``, one per term of every operand.

    >>> import numpy as np
    >>> from eqsynth.plans.interpret_products import interpret_products
    >>> from eqsynth.plans.products import Problem, plan_products
    >>> plan = plan_products(Problem.parse("O(2)", [1, 1], 0), False, "sum")
    >>> u, v = np.array([[[3.0], [4.0]]]), np.array([[[1.0], [2.0]]])
    >>> interpret_products(plan, {"weight": np.ones((1, 1, 1, 1))}, [u, v], 2)
    [array([[11.]])]

    ``parameters`` has the names and shapes of the layer's state_dict. Returns one array per output term.
    """
    import numpy as np

    ns = [n] * len(plan.hom.group.factors) if isinstance(n, int) else list(n)
    power = POWERS[plan.sums]
    values: dict[str, Array] = {}
    sizes: dict[str, tuple[int, ...]] = {}
    flat = {
        name: value.reshape(*value.shape[:2], -1) if name.startswith("weight") else value
        for name, value in parameters.items()
    }
    for step in (*plan.before, *plan.joins, *plan.weighed):
        match step:
            case Input(target, number, axes):
                wanted = (len(inputs[0]), *[ns[factor] for factor in axes], plan.problem.inputs[number][0])
                if inputs[number].shape != wanted:
                    raise ShapeError(f"input {number} has shape {inputs[number].shape}, expected {wanted}")
                values[target], sizes[target] = inputs[number], axes
            case Reduce(target, source, pattern):
                values[target] = _reduce(values[source], step, [ns[factor] for factor in sizes[source]], power)
                kept = {axis: sizes[source][place] for place, axis in enumerate(pattern) if axis is not None}
                sizes[target] = tuple(kept[axis] for axis in sorted(kept))
            case Twist(target, source, axis):
                form = omega(ns[sizes[source][axis]])
                moved = np.tensordot(form, values[source], (1, 1 + axis))
                values[target], sizes[target] = np.moveaxis(moved, 0, 1 + axis), sizes[source]
            case Hodge(target, source, order, factor):
                values[target] = _hodge(values[source], step, power)
                sizes[target] = (*(sizes[source][axis] for axis in order[: step.carried]), *[factor] * step.given)
            case Join(target, (left, right), axes_left, axes_right):
                first, second = values[left], values[right]
                channels = [99, 100] if step.full else [99, 99]
                # 98 is the batch, 99 and 100 are channels.
                labels = [[98, *axes_left, channels[0]], [98, *axes_right, channels[1]]]
                made = [98, *range(step.axes), *dict.fromkeys(channels)]
                product = _einsum(first, labels[0], second, labels[1], made)
                scale = (
                    np.prod([float(ns[step.sizes[label]]) for label in step.scaled], initial=float(step.terms)) ** power
                )
                values[target] = product.reshape(*product.shape[: 1 + step.axes], -1) * scale
                sizes[target] = step.sizes[: step.axes]
            case Weigh(names, (left, right), axes_left, axes_right):
                first, second = values[left], values[right]
                made = [98, *range(len(step.sizes)), 99, 100]
                product = _einsum(first, [98, *axes_left, 99], second, [98, *axes_right, 100], made)
                product = product.reshape(*product.shape[:-2], -1)
                for name, element in zip(names, step.elements, strict=True):
                    weight = _weight(plan, flat, step.term_in, step.term_out, element, ns)
                    values[name] = product @ weight.T
    return interpret(plan, flat, [], ns, values)


def _einsum(first: Array, labels: Sequence[int], second: Array, others: Sequence[int], made: Sequence[int]) -> Array:
    """``numpy.einsum`` with labels of any size."""
    import numpy as np

    number = {label: place for place, label in enumerate(dict.fromkeys([*labels, *others]))}
    named = [[number[label] for label in each] for each in (labels, others, made)]
    arguments: list[Any] = [first, named[0], second, named[1], named[2]]
    return np.asarray(np.einsum(*arguments))
