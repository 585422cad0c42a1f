"""How checks run a layer: different letters at different sizes, batches of every shape, exact shapes, no NaN passed."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate, pairwise
from math import lcm, prod
from typing import TYPE_CHECKING, Any

from eqsynth.bases.decomposed import act, random_tensor
from eqsynth.errors import EqsynthError, VerificationError, shown
from eqsynth.exact.numbers import whole
from eqsynth.families.group import Group
from eqsynth.families.representation import elements_to_try
from eqsynth.spaces.space import Space, axis_counts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    #: What a layer must give, from its parameters, its inputs and a size per factor; None where that is too large.
    Meaning = Callable[[Mapping[str, Array], list[Array], Sequence[int]], list[Array] | None]

#: Differences below this, relative to the largest entry, are rounding.
TOLERANCE = 1e-9
#: A batch of the first shape is run, and batches of the others must give its first samples.
BATCH = (2, 3)
OTHER_BATCHES: tuple[tuple[int, ...], ...] = ((), (0,), (1,), (2,), (6,))
#: Sizes at which a group with n open is tried.
SIZES, EVEN_SIZES = (1, 2, 3, 5), (2, 4, 6)


#: More random elements tell nothing new.
MAX_TRIALS = 100_000


def check_draws(trials: object, seed: object) -> tuple[int, int]:
    """How many random elements to draw, and the seed, as plain ints; EqsynthError for what is no number of them."""
    read = whole(trials), whole(seed)
    if read[0] is None or read[1] is None or not 1 <= read[0] <= MAX_TRIALS or not 0 <= read[1] < 1 << 32:
        raise EqsynthError(
            f"trials are a whole number from 1 to {MAX_TRIALS:,}, and a seed one from 0 on, below 2^32, not "
            f"{shown(trials)} and {shown(seed)}"
        )
    return read[0], read[1]


def sizes_to_try(
    group: Group, sizes: Sequence[int] = SIZES, even_sizes: Sequence[int] = EVEN_SIZES, least: int = 1
) -> list[dict[str, int]]:
    """Sizes for the letters of a group, a dict for each trial; different letters get different sizes.

    >>> from eqsynth import Group
    >>> from eqsynth.proof.trials import sizes_to_try
    >>> sizes_to_try(Group.parse("S(n) x O(m)"))[:2]
    [{'m': 1, 'n': 2}, {'m': 3, 'n': 2}]
    >>> sizes_to_try(Group.parse("O(3)"))
    [{}]

    Each letter is the least in one trial and the greatest in another, and in the last trial all are the same.
    """
    letters = sorted({factor.n for factor in group.factors if isinstance(factor.n, str)})
    if not letters:
        return [{}]
    step = lcm(*(factor.multiple for factor in group.factors if factor.symbolic))
    usual = {1: sizes, 2: even_sizes}.get(step) or [step * size for size in sizes[:3]]
    # Where none of the usual sizes is large enough, the least that is: something must be tried.
    fitting = [size for size in usual if size >= least] or [least + -least % step]
    tried = []
    for number, size in enumerate(fitting):
        ascending = letters[:: -1 if number % 2 else 1]
        tried.append({letter: size + step * ascending.index(letter) for letter in letters})
    return [*tried, dict.fromkeys(letters, fitting[-1])] if len(letters) > 1 else tried


def concrete_factors(group: Group, sizes: dict[str, int]) -> list[Group]:
    """The factors of a group, with numbers in place of letters."""
    return [f.at(sizes[f.n]) if isinstance(f.n, str) else f for f in group.factors]


def copied(module: Any) -> Any:
    """A copy of a module that runs the same code.

    >>> import copy, eqsynth as eq
    >>> from eqsynth.proof.trials import copied
    >>> layer = eq.Linear("S(n)", 1, 1)
    >>> layer.__class__ = type("Changed", (type(layer),), {}, generated=True)
    >>> type(copied(layer)).__name__, type(copy.deepcopy(layer)).__name__
    ('Changed', 'Linear')

    Other copies of a layer are made anew from its problem, as what is read from a pickle is: they would hide that a
    layer runs something else.
    """
    from torch import nn

    from eqsynth.layers.emitted import EmittedLayer

    memo: dict[int, Any] = {}
    modules = module.modules() if hasattr(module, "modules") else ()
    layers = [layer for layer in modules if isinstance(layer, EmittedLayer)]
    for layer in layers:
        memo[id(layer)] = nn.Module.__new__(type(layer))
    for layer in layers:
        memo[id(layer)].__dict__.update(copy.deepcopy(layer.__dict__, memo))
    return copy.deepcopy(module, memo)


def prepared(layer: Any, rng: np.random.Generator) -> Any:
    """A copy of a layer in float64 on the CPU, with random weights; VerificationError for wrong tables of constants."""
    import torch

    if any(tensor.is_meta for tensor in (*layer.parameters(), *layer.buffers())):
        raise EqsynthError(
            "a layer on the meta device has no numbers to verify: verify its plan, eq.verify(layer.plan)"
        )
    layer = copied(layer).cpu()
    _check_tables(layer)
    over_complex = any(parameter.is_complex() for parameter in layer.parameters())
    if over_complex:
        layer = layer._apply(lambda tensor: tensor.to(torch.complex128) if tensor.is_complex() else tensor)
    else:
        layer = layer.double()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(torch.from_numpy(rng.standard_normal(parameter.shape)))
            if over_complex:
                parameter.imag.copy_(torch.from_numpy(rng.standard_normal(parameter.shape)))
    return layer


def _check_tables(layer: Any) -> None:
    """Raise VerificationError where a table of constants is not what its recipe makes."""
    import torch

    tables = {name: table.clone() for name, table in layer.named_buffers()}
    if tables:
        # The recipe itself, not what a class has kept of it.
        inspect.unwrap(type(layer).reset_tables)(layer)
    for name, table in layer.named_buffers():
        if name not in tables or not torch.equal(tables[name], table):
            raise VerificationError(f"the table {name} is not what its recipe makes: build the layer anew")


def try_layer(
    what: object,
    group: Group,
    operands: Sequence[Space],
    space_out: Space,
    layer: Any,
    interpret: Meaning,
    meaning: Meaning,
    sizes: Sequence[dict[str, int]],
    rng: np.random.Generator,
    trials: int,
) -> list[str]:
    """Run a layer that :func:`prepared` gave at some sizes; what was checked, or VerificationError.

    Outputs must be the same for batches of every shape, those that ``interpret`` and ``meaning`` give for the same
    parameters, and must move with the group: with every generator, and with ``trials`` random elements.
    """
    name = str(what)
    parameters = {key: value.detach().numpy() for key, value in layer.named_parameters()}
    terms = [term for space in operands for term in space]
    equivariance = planned = written = 0.0
    tried, tried_by_matrices = [], []
    elements_tried = 0
    for trial in sizes:
        factors = concrete_factors(group, trial)
        ns = [int(factor.n) for factor in factors]
        tried.append(str(ns[0] if len(ns) == 1 else tuple(ns)))

        def run(inputs: list[Array], trial: dict[str, int] = trial) -> list[Array]:
            return _run(layer, group, operands, trial, inputs)

        inputs = [random_tensor(rng, order, ns, channels, prod(BATCH), group.over_complex) for channels, order in terms]
        outputs = run_in_batches(name, run, inputs)
        reference = interpret(parameters, inputs, ns)
        if reference is not None:
            planned = max(planned, distance(name, outputs, reference))
        direct = meaning(parameters, inputs, ns)
        if direct is not None:
            tried_by_matrices.append(tried[-1])
            written = max(written, distance(name, outputs, direct))
        for elements in elements_to_try(factors, rng, trials):
            elements_tried += 1
            before = [act(elements, order, x) for x, (_, order) in zip(inputs, terms, strict=True)]
            after = [act(elements, order, y) for y, order in zip(outputs, space_out.orders, strict=True)]
            equivariance = max(equivariance, distance(name, run(before), after))
    for error, fault in (
        (equivariance, "is not equivariant"),
        (planned, "differs from its plan"),
        (written, "does not add up the matrices of its diagrams"),
    ):
        if error > TOLERANCE:
            raise VerificationError(f"{name} {fault}: relative error {error:.1e}")
    checks = [
        f"equivariant: relative error {equivariance:.1e} over {elements_tried} generators and random elements, "
        f"{'complex128' if group.over_complex else 'float64'}, n = {', '.join(tried)}",
        f"emitted source agrees with the plan's reference meaning: relative error {planned:.1e}",
    ]
    if tried_by_matrices:
        at = ", ".join(tried_by_matrices)
        checks.append(f"and with weight times matrix, diagram by diagram: relative error {written:.1e}, n = {at}")
    return checks


def _run(
    layer: Any, group: Group, operands: Sequence[Space], sizes: Mapping[str, int], inputs: Sequence[Array]
) -> list[Array]:
    """Call a layer as its users do: a tensor or a tuple for each operand, then sizes that no tensor shows."""
    import torch

    tensors = [torch.from_numpy(array) for array in inputs]
    ends = [0, *accumulate(map(len, operands))]
    arguments = [tuple(tensors[start:end]) for start, end in pairwise(ends)]
    factors, orders = group.factors, [order for space in operands for order in space.orders]
    shown_sizes = {factors[place].n for order in orders for place, count in enumerate(axis_counts(order)) if count}
    missing = [size for letter, size in sorted(sizes.items()) if letter not in shown_sizes]
    with torch.no_grad():
        outputs = layer(*[terms if len(terms) > 1 else terms[0] for terms in arguments], *missing)
    return [tensor.numpy() for tensor in (outputs if isinstance(outputs, tuple) else (outputs,))]


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
        if error > TOLERANCE:
            raise VerificationError(
                f"{what} gives other values for a batch of shape {batch} than for one of shape {BATCH}: "
                f"relative error {error:.1e}"
            )
    return outputs


def distance(what: str, ours: Sequence[Any], meant: Sequence[Any]) -> float:
    """The largest difference between two lists of tensors, relative to the second; infinite for what is no number.

    >>> import numpy as np
    >>> from eqsynth.proof.trials import distance
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
