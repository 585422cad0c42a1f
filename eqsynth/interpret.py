"""The reference meaning of a plan, in NumPy: slow, short, and what the emitted source is tested against."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from eqsynth.errors import ShapeError
from eqsynth.plans import Input, Mix, Output, Part, Plan, Reduce, Spread
from eqsynth.space import axes_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]


def interpret(plan: Plan, parameters: Mapping[str, Array], inputs: Sequence[Array], n: int) -> list[Array]:
    """Run a plan on inputs of shape ``(batch, n, ..., n, channels)``, one per input term.

    >>> import numpy as np, eqsynth as eq
    >>> from eqsynth.interpret import interpret
    >>> plan = eq.plan("S(2)", 1, 0, bias=False, normalization="sum")
    >>> interpret(plan, {"weight": np.ones((1, 1, 1))}, [np.array([[[3.0], [4.0]]])], 2)
    [array([[7.]])]

    ``parameters`` has the names and shapes of the layer's state_dict. Returns one array per output term.
    """
    import numpy as np

    scale = {"variance": n**-0.5, "mean": 1 / n, "sum": 1.0}[plan.normalization]
    gains = {(pair.term_in, pair.term_out): n ** (pair.gain / 4) for pair in plan.pairs}
    batch = inputs[0].shape[0]
    values: dict[str, Array] = {}
    outputs: list[Array] = []
    for step in plan.steps:
        match step:
            case Input(target, term, axes):
                wanted = (batch, *[n] * axes, plan.hom.space_in.channels[term])
                if inputs[term].shape != wanted:
                    raise ShapeError(f"input {term} has shape {inputs[term].shape}, expected {wanted}")
                values[target] = inputs[term]
            case Reduce(target, source, pattern):
                # Axis 0 is the batch, 1 the channels, 2 and on the kept axes, then the summed ones.
                summed = iter(range(2 + step.axes, 2 + len(pattern)))
                labels = [2 + axis if axis is not None else next(summed) for axis in pattern]
                kept = [0, *range(2, 2 + step.axes), 1]
                values[target] = np.einsum(values[source], [0, *labels, 1], kept) * scale**step.summed  # type: ignore[arg-type]  # numpy's stubs lack this form
            case Mix(axes, operands, targets, entries, biases):
                for index, made in enumerate(targets):
                    total = np.zeros((batch, *[n] * axes, plan.hom.space_out.channels[made.term]))
                    for entry in entries:
                        if entry.target == index:
                            operand = operands[entry.operand]
                            pair = (operand.term, made.term)
                            weight = parameters[plan.weight_name(*pair)][entry.element] * gains[pair]
                            moved = np.transpose(
                                values[operand.source], (0, *[1 + m for m in operand.middle], axes + 1)
                            )
                            total += moved @ weight.T
                    for position, element in biases:
                        if position == index:
                            total += parameters[plan.bias_name(made.term)][element]
                    values[made.name] = total
            case Spread(target, axes, term, parts):
                total = np.zeros((batch, *[n] * axes, plan.hom.space_out.channels[term]))
                for part in parts:
                    _add(total, values[part.source], part, n)
                values[target] = total
            case Output(term, None):
                order = plan.hom.space_out.orders[term]
                outputs.append(np.zeros((batch, *[n] * axes_of(order), plan.hom.space_out.channels[term])))
            case Output(term, str(source)):
                outputs.append(values[source])
    return outputs


def _add(total: Array, source: Array, part: Part, n: int) -> None:
    """total[..., J, :] += source[..., I, :] wherever J carries I, entry by entry of J."""
    import numpy as np

    axes = len(part.pattern)
    for index in np.ndindex(*[n] * axes):
        carried: dict[int, int] = {}
        for axis, position in zip(part.pattern, index, strict=True):
            if axis is not None and carried.setdefault(axis, position) != position:
                break
        else:
            where = tuple(carried[axis] for axis in sorted(carried))
            total[(slice(None), *index)] += source[(slice(None), *where)]  # type: ignore[arg-type]  # numpy's stubs
