"""How checks run a layer: different letters at different sizes, batches of every shape, exact shapes, no NaN passed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from eqsynth.errors import EqsynthError, VerificationError, shown
from eqsynth.group import Group
from eqsynth.numbers import whole

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

#: A batch of the first shape is run, and batches of the others must give its first samples.
BATCH = (2, 3)
OTHER_BATCHES: tuple[tuple[int, ...], ...] = ((), (0,), (1,), (2,), (6,))
#: Sizes at which a group with n open is tried.
SIZES, EVEN_SIZES = (1, 2, 3, 5), (2, 4, 6)


def check_draws(trials: object, seed: object) -> tuple[int, int]:
    """How many random elements to draw, and the seed, as plain ints; EqsynthError for what is no number of them."""
    read = whole(trials), whole(seed)
    if read[0] is None or read[1] is None or read[0] < 1 or not 0 <= read[1] < 1 << 32:
        raise EqsynthError(
            f"trials are a whole number from 1 on, and a seed one from 0 on, not {shown(trials)} and {shown(seed)}"
        )
    return read[0], read[1]


def sizes_to_try(
    group: Group, sizes: Sequence[int] = SIZES, even_sizes: Sequence[int] = EVEN_SIZES, least: int = 1
) -> list[dict[str, int]]:
    """Sizes for the letters of a group, a dict for each trial; different letters get different sizes.

    >>> from eqsynth import Group
    >>> from eqsynth.trials import sizes_to_try
    >>> sizes_to_try(Group.parse("S(n) x O(m)"))[:2]
    [{'m': 1, 'n': 2}, {'m': 2, 'n': 3}]
    >>> sizes_to_try(Group.parse("O(3)"))
    [{}]
    """
    letters = sorted({factor.n for factor in group.factors if isinstance(factor.n, str)})
    if not letters:
        return [{}]
    even = any(factor.family == "Sp" and factor.symbolic for factor in group.factors)
    step = 2 if even else 1
    return [
        {letter: size + step * place for place, letter in enumerate(letters)}
        for size in (even_sizes if even else sizes)
        if size >= least
    ]


def concrete_factors(group: Group, sizes: dict[str, int]) -> list[Group]:
    """The factors of a group, with numbers in place of letters."""
    return [Group(f.family, sizes[f.n]) if isinstance(f.n, str) else f for f in group.factors]


def run_in_batches(what: str, run: Callable[[list[Array]], list[Array]], inputs: Sequence[Array]) -> list[Array]:
    """The outputs for inputs with one batch axis of 6, the same for batches of every shape.

    ``run`` takes inputs with any batch axes, those of :data:`BATCH` and :data:`OTHER_BATCHES`. Raises VerificationError
    where another shape of the batch gives other numbers, or outputs of another shape.
    """
    outputs = run([x.reshape(*BATCH, *x.shape[1:]) for x in inputs])
    if any(y.shape[: len(BATCH)] != BATCH for y in outputs):
        raise VerificationError(f"{what} gives tensors of shapes {[y.shape for y in outputs]} for a batch {BATCH}")
    outputs = [y.reshape(len(inputs[0]), *y.shape[len(BATCH) :]) for y in outputs]
    for batch in OTHER_BATCHES:
        count = batch[0] if batch else 1
        meant = [y[:count].reshape(*batch, *y.shape[1:]) for y in outputs]
        error = distance(what, run([x[:count].reshape(*batch, *x.shape[1:]) for x in inputs]), meant)
        if error > 1e-9:
            raise VerificationError(
                f"{what} gives other values for a batch of shape {batch} than for one of shape {BATCH}: "
                f"relative error {error:.1e}"
            )
    return outputs


def distance(what: str, ours: Sequence[Any], meant: Sequence[Any]) -> float:
    """The largest difference between two lists of tensors, relative to the second; infinite for what is no number.

    >>> import numpy as np
    >>> from eqsynth.trials import distance
    >>> distance("a layer", [np.array([1.0, np.nan])], [np.array([1.0, 2.0])])
    inf

    Raises VerificationError for tensors of other shapes, which NumPy would stretch to fit.
    """
    import numpy as np

    shapes = [[np.shape(tensor) for tensor in tensors] for tensors in (ours, meant)]
    if shapes[0] != shapes[1]:
        raise VerificationError(f"{what} gives tensors of shapes {shapes[0]}, not {shapes[1]}")
    worst = 0.0
    for tensor, other in zip(ours, meant, strict=True):
        with np.errstate(invalid="ignore", over="ignore"):
            error = np.abs(tensor - other).max(initial=0.0) / max(1.0, np.abs(other).max(initial=0.0))
        worst = max(worst, float(error) if np.isfinite(error) else float("inf"))
    return worst
