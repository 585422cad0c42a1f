"""For tests of your own: whether a module commutes with its group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from eqsynth.bases.decomposed import act, random_tensor
from eqsynth.diagrams.transfer import WORDS
from eqsynth.errors import EqsynthError, EquivarianceError, explain_calls, shown
from eqsynth.exact.numbers import bounded, choice, flag
from eqsynth.families.group import Group
from eqsynth.families.hom import TRANSFERS, Hom, ProductHom
from eqsynth.families.representation import elements_to_try, packed, symmetrised, unpacked
from eqsynth.proof.trials import check_draws, concrete_factors, copied, sizes_to_try
from eqsynth.spaces.space import Order, Space, axes_of, axis_counts, is_plain, least_shown, lengths, order_text

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

#: Sizes that stand for a letter where none is given.
SIZES = (2, 3, 5)
EVEN_SIZES = (2, 4)
#: How many samples are tried at once.
BATCH = 4
#: Below this, differences are rounding: relative to the largest entry, per floating type.
TOLERANCES = {"float64": 1e-9, "float32": 1e-4, "bfloat16": 5e-2, "float16": 1e-2}


@explain_calls
def assert_equivariant(
    module: Any,
    group: str | Group | None = None,
    space_in: str | int | Space | None = None,
    space_out: str | int | Space | None = None,
    n: int | Mapping[str, int] | None = None,
    trials: int = 3,
    dtype: torch.dtype | None = None,
    tolerance: float | None = None,
    perturb: float = 0.1,
    seed: int = 0,
    positions: bool = False,
) -> None:
    """Raise EquivarianceError unless module(g x) = g module(x) for group elements g and random inputs x.

    >>> import torch, eqsynth as eq
    >>> eq.testing.assert_equivariant(eq.nn.MLP("O(3)", ["4x1", "8x1 + 8x0", "1x1"]))
    >>> eq.testing.assert_equivariant(torch.relu, "S(n)", "2x2", "2x2")
    >>> eq.testing.assert_equivariant(torch.relu, "O(3)", "2x1", "2x1")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    eqsynth.errors.EquivarianceError: relu is not equivariant under O(3): module(g x) is ... at entry ...

    Put it in your tests, for modules of eqsynth and for your own: anything that takes the tensors of ``space_in`` (one,
    or a tuple) and gives those of ``space_out``, channels last. Group and spaces are needed where the module has no
    attributes ``group``, ``space_in`` and ``space_out``. An eq.TensorProduct gets both of its inputs, an eq.nn.Sparse
    tensors of which half of the entries are there, an eq.nn.Padded samples of one size. ``n`` is the size of a letter,
    or a dict of sizes; without it several are tried. A module is copied, in ``dtype`` (float64), on the CPU, and keeps
    its mode: call ``.eval()`` first to try evaluation. Every generator of the group is tried, so that each of its
    components is reached (reflections, odd permutations), and ``trials`` random elements. Where there are two trials or
    more, all is tried again with parameters to which normal noise of size ``perturb`` is added, so that a bias that
    starts at zero counts. Both runs of a trial see the same random numbers, so that dropout is no difference.

    ``positions=True`` is for modules of points in space, called as ``module(x, positions)``, where the points are the
    batch axis of x and the group turns vectors, as in eq.nn.Message("O(3)", ...). Random points are turned with x,
    moved by a random translation and listed in another order: the output must turn, and be listed so, too.

    Raises EquivarianceError, an AssertionError, with the worst entry; also for outputs of wrong shape.
    Raises EqsynthError for positions beside a product of groups.
    """
    import numpy as np

    hom = _problem(module, group, space_in, space_out)
    if flag("positions", positions) and len(hom.group.factors) != 1:
        raise EqsynthError(f"positions are vectors of one group, such as O(3), not of {hom.group}")
    trials, seed = check_draws(trials, seed)
    dtype, bound, noises = _precision(module, dtype, tolerance, perturb, trials)
    rng = np.random.default_rng(seed)
    name = getattr(module, "__name__", type(module).__name__)
    with _own_random_numbers():
        exact = converted(module, dtype)
        for sizes in _sizes_to_try(hom, n):
            factors = concrete_factors(hom.group, sizes)
            for noise in noises:
                for trial, elements in enumerate(elements_to_try(factors, rng, trials)):
                    _seed(seed + trial)
                    run = _copied(exact, noise)
                    _try_once(run, name, hom, sizes, elements, rng, dtype, bound, seed + trial, bool(positions))


@explain_calls
def assert_transfers(
    module: Any,
    transfer: str,
    group: str | Group | None = None,
    space_in: str | int | Space | None = None,
    space_out: str | int | Space | None = None,
    n: int | Mapping[str, int] | None = None,
    trials: int = 2,
    dtype: torch.dtype | None = None,
    tolerance: float | None = None,
    perturb: float = 0.1,
    seed: int = 0,
) -> None:
    """Raise EquivarianceError unless a module gives the same for a larger input that means the same.

    >>> import torch, eqsynth as eq
    >>> layer = eq.Linear("S(n)", "2x2", "3x1", transfer="repeat")
    >>> eq.testing.assert_transfers(layer, "repeat")
    >>> eq.testing.assert_transfers(torch.relu, "pad", "S(n)", "2x2", "2x2")
    >>> eq.testing.assert_transfers(torch.exp, "pad", "S(n)", "2x1", "2x1")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    eqsynth.errors.EquivarianceError: exp does not carry over from n = 2 to n = 3 with nodes of zeros: ...

    With ``"repeat"`` every node is repeated, twice and three times: entry (i, j) of an input becomes a block of equal
    entries, and so must that of the output; invariants stay as they are. With ``"pad"`` there are one and two more
    nodes, with zeros at all of their entries, in the input and in the output. Sizes that are numbers stay. The other
    arguments are those of :func:`assert_equivariant`; ``n`` is the smaller size.

    Raises EquivarianceError, an AssertionError, with the worst entry, and GroupError where no size is a letter.
    """
    import numpy as np

    choice("transfer", transfer, tuple(TRANSFERS))
    hom = replace(_problem(module, group, space_in, space_out), transfer=transfer)
    trials, seed = check_draws(trials, seed)
    dtype, bound, noises = _precision(module, dtype, tolerance, perturb, trials)
    rng = np.random.default_rng(seed)
    name = getattr(module, "__name__", type(module).__name__)
    with _own_random_numbers():
        exact = converted(module, dtype)
        for sizes in _sizes_to_try(hom, n):
            for noise in noises:
                for trial in range(trials):
                    _seed(seed + trial)
                    run = _copied(exact, noise)
                    _try_larger(run, name, hom, sizes, 1 + trial % 2, rng, dtype, bound, seed + trial)


def _precision(
    module: Any, dtype: Any, tolerance: float | None, perturb: float, trials: int
) -> tuple[torch.dtype, float, tuple[float, ...]]:
    """The dtype to try a module in, what counts as rounding there, and how much noise is added to its parameters."""
    import torch

    dtype = torch.float64 if dtype is None else dtype
    if not isinstance(dtype, torch.dtype) or str(dtype).removeprefix("torch.") not in TOLERANCES:
        raise EqsynthError(f"a module is tried in one of {', '.join(TOLERANCES)}, not in {shown(dtype)}")
    own = TOLERANCES[str(dtype).removeprefix("torch.")]
    bound, perturb = bounded("tolerance", own if tolerance is None else tolerance), bounded("perturb", perturb)
    noisy = trials > 1 and perturb > 0 and isinstance(module, torch.nn.Module)
    return dtype, bound, (0.0, perturb)[: 1 + noisy]


def _own_random_numbers() -> AbstractContextManager[None]:
    """Random numbers that are drawn inside are drawn again outside."""
    import torch

    started = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]  # torch has no hint
    return torch.random.fork_rng(range(torch.cuda.device_count()) if started else ())


def _problem(module: Any, group: Any, space_in: Any, space_out: Any) -> Hom:
    hom, operands = getattr(module, "hom", None), _operands(module)
    own: tuple[Any, Any, Any] = (None, None, None)
    if isinstance(hom, Hom):
        own = hom.group, hom.space_in, hom.space_out
    elif operands:
        # The terms of all inputs, one behind the other.
        own = None, Space(tuple(term for space in operands for term in space.terms)), None
    values: list[Any] = []
    for name, given, known in zip(("group", "space_in", "space_out"), (group, space_in, space_out), own, strict=True):
        value = given if given is not None else known if known is not None else getattr(module, name, None)
        if value is None:
            raise EqsynthError(
                f"what is the {name} of {type(module).__name__}? Give it, as in assert_equivariant(module, "
                "'S(n)', '2x2', '3x1'), or make it an attribute of the module"
            )
        values.append(value)
    tried = Hom.parse(*values)
    if operands and len(tried.space_in) != len(own[1]):
        raise EqsynthError(
            f"{type(module).__name__} takes {len(own[1])} tensors, those of {' and of '.join(map(str, operands))}, not "
            f"{tried.space_in}: leave space_in out, or give all of them, as in {own[1]}"
        )
    return tried


def _operands(module: Any) -> tuple[Space, ...]:
    """The spaces of the inputs of a module that takes several, as eq.TensorProduct does; none of others."""
    problem = getattr(module, "problem", None)
    return problem.operands if isinstance(problem, ProductHom) and len(problem.operands) > 1 else ()


def _arguments(module: Any, tensors: Sequence[torch.Tensor]) -> list[Any]:
    """The tensors of all terms as the inputs of a module: a tensor, or a tuple where an input has several terms."""
    rest = iter(tensors)
    counts = [len(space) for space in _operands(module)] or [len(tensors)]
    inputs = [tuple(islice(rest, count)) for count in counts]
    return [one[0] if len(one) == 1 else one for one in inputs]


def _seed(seed: int) -> None:
    """As torch.manual_seed, which also keeps a traceback for each kind of device that is not there: milliseconds."""
    import torch

    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]  # torch has no hint
        torch.cuda.manual_seed_all(seed)


def _sizes_to_try(hom: Hom, n: int | Mapping[str, int] | None) -> list[dict[str, int]]:
    group = hom.group
    letters = sorted({factor.n for factor in group.factors if isinstance(factor.n, str)})
    if n is not None:
        given = dict(n) if isinstance(n, Mapping) else dict.fromkeys(letters, n)
        if set(given) != set(letters):
            raise EqsynthError(f"{group} has the letters {letters or 'none'}, but sizes were given for {sorted(given)}")
        return [given]
    return sizes_to_try(group, SIZES, EVEN_SIZES, least_shown(hom.space_in))


def converted(module: Any, dtype: torch.dtype) -> Any:
    """A copy of a module in a dtype, complex numbers in the complex one of as many digits."""
    import torch

    if not isinstance(module, torch.nn.Module):
        return module
    other = copied(module).cpu()
    if any(tensor.is_complex() for tensor in other.state_dict().values()):
        return other._apply(partial(_cast, dtype=dtype))
    return other.to(dtype)


def _copied(module: Any, perturb: float) -> Any:
    """A module of its own for a trial: runs may change its buffers."""
    import torch

    if not isinstance(module, torch.nn.Module):
        return module
    other = copied(module)
    with torch.no_grad():
        for parameter in other.parameters():
            if perturb:
                parameter.add_(torch.randn_like(parameter), alpha=perturb)
    return other


def _cast(tensor: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """The tensor in a dtype, or in the complex one of as many digits."""
    return tensor.to(dtype.to_complex() if tensor.is_complex() else dtype) if _has_digits(tensor) else tensor


def _has_digits(tensor: torch.Tensor) -> bool:
    return tensor.is_complex() or tensor.is_floating_point()


def _try_once(
    run: Any,
    name: str,
    hom: Hom,
    sizes: dict[str, int],
    elements: list[np.ndarray],
    rng: np.random.Generator,
    dtype: torch.dtype,
    bound: float,
    seed: int,
    positions: bool,
) -> None:
    import numpy as np

    ns = [len(element) for element in elements]
    inputs = _random_inputs(rng, hom, ns)
    if hasattr(run, "thinned"):
        # A module for lists of entries: some of the entries are left out.
        inputs = run.thinned(inputs, rng)
    points = [rng.standard_normal((BATCH, ns[0]))] * positions
    # Points may also be moved, all alike, and listed in another order.
    listed = rng.permutation(BATCH) if positions else np.arange(BATCH)
    moved_points = [(act(elements, 1, x[..., None])[..., 0] + rng.standard_normal(ns[0]))[listed] for x in points]
    outputs = partial(_outputs, run, name, hom, sizes, ns, dtype, seed)
    still = outputs(inputs, points)
    at = f" at {_told(sizes)}" if sizes else ""
    for place, (order, tensor) in enumerate(zip(hom.space_out.orders, still, strict=True)):
        off = np.abs(symmetrised(tensor, order) - tensor) if not is_plain(order) else np.zeros(1)
        if float(off.max(initial=0.0)) > bound * max(1.0, float(np.abs(tensor).max(initial=0.0))):
            raise EquivarianceError(
                f"{name} leaves the space {hom.space_out}{at}: output {place} differs from the nearest tensor of "
                f"{order_text(order)} by {float(off.max()):.1e} (see eq.symmetrise)"
            )
    turned = [act(elements, order, x)[listed] for order, x in zip(hom.space_in.orders, inputs, strict=True)]
    moved = outputs(turned, moved_points)
    for place, (order, ours, theirs) in enumerate(zip(hom.space_out.orders, moved, still, strict=True)):
        if not (np.isfinite(ours).all() and np.isfinite(theirs).all()):
            raise EquivarianceError(f"{name} gives values in output {place}{at} that are not finite")
        meant = act(elements, order, theirs)[listed]
        errors = np.abs(ours - meant)
        worst = float(errors.max(initial=0.0))
        if worst > bound * max(1.0, float(np.abs(meant).max(initial=0.0))):
            entry = tuple(int(i) for i in np.unravel_index(int(errors.argmax()), errors.shape))
            shown = " x ".join(str(np.round(element, 3).tolist()) for element in elements)
            raise EquivarianceError(
                f"{name} is not equivariant under {hom.group}{at}: module(g x) is {ours[entry]:.6g}, but "
                f"g module(x) is {meant[entry]:.6g} at entry {list(entry)} of output {place} (batch, positions, "
                f"channel), a difference of {worst:.1e}\nspaces: {hom.space_in} -> {hom.space_out}\ng = {shown}"
            )


def _random_inputs(rng: np.random.Generator, hom: Hom, ns: Sequence[int]) -> list[Any]:
    over_complex = hom.group.over_complex
    return [random_tensor(rng, order, ns, channels, BATCH, over_complex) for channels, order in hom.space_in]


def _told(sizes: Mapping[str, int]) -> str:
    return ", ".join(f"{letter} = {size}" for letter, size in sizes.items())


def _outputs(
    run: Any,
    name: str,
    hom: Hom,
    sizes: Mapping[str, int],
    ns: Sequence[int],
    dtype: torch.dtype,
    seed: int,
    arrays: Sequence[Any],
    positions: Sequence[Any] = (),
) -> list[Any]:
    """What a module gives for inputs at certain sizes; EquivarianceError for outputs of other shapes."""
    import numpy as np
    import torch

    tensors = tuple(_cast(torch.from_numpy(np.ascontiguousarray(array)), dtype) for array in arrays)
    _seed(seed)
    points = [_cast(torch.from_numpy(array), dtype) for array in positions]
    # A module for lists of entries takes dense tensors so, and asks for the sizes that the one inside asks for.
    call, asked = (run.on_dense, _asked(run.module, hom)) if hasattr(run, "on_dense") else (run, _asked(run, hom))
    with torch.no_grad():
        result = call(*_arguments(run, tensors), *points, *[sizes[letter] for letter in asked])
    listed = result if isinstance(result, tuple | list) else (result,)
    given = [_cast(tensor.detach(), torch.float64).resolve_conj().numpy() for tensor in listed]
    shapes = [(BATCH, *lengths(order, ns), channels) for channels, order in hom.space_out]
    if [tensor.shape for tensor in given] != shapes:
        raise EquivarianceError(
            f"{name} gives tensors of shapes {[tensor.shape for tensor in given]} for a batch of {BATCH}"
            f"{f' at {_told(sizes)}' if sizes else ''}, but {hom.space_out} of {hom.group} has {shapes}"
        )
    return given


def _try_larger(
    run: Any,
    name: str,
    hom: Hom,
    sizes: dict[str, int],
    more: int,
    rng: np.random.Generator,
    dtype: torch.dtype,
    bound: float,
    seed: int,
) -> None:
    """Hold the output of an input that is enlarged, by ``more``, against the output that is enlarged."""
    import numpy as np

    ns = [factor.number for factor in concrete_factors(hom.group, sizes)]
    places = [_places(hom, factor, n, more) for factor, n in zip(hom.group.factors, ns, strict=True)]
    grown = [len(place) for place in places]
    pairs = zip(hom.group.factors, grown, strict=True)
    larger = {factor.n: size for factor, size in pairs if isinstance(factor.n, str)}
    inputs = _random_inputs(rng, hom, ns)
    small = _outputs(run, name, hom, sizes, ns, dtype, seed, inputs)
    enlarged = [_enlarged(x, order, ns, places) for x, order in zip(inputs, hom.space_in.orders, strict=True)]
    large = _outputs(run, name, hom, larger, grown, dtype, seed, enlarged)
    for number, (order, ours, y) in enumerate(zip(hom.space_out.orders, large, small, strict=True)):
        meant = _enlarged(y, order, ns, places)
        errors = np.abs(ours - meant)
        # Written so that NaN fails.
        if not float(errors.max(initial=0.0)) <= bound * max(1.0, float(np.abs(meant).max(initial=0.0))):
            entry = tuple(int(i) for i in np.unravel_index(int(errors.argmax()), errors.shape))
            why = f"it gives {ours[entry]:.6g} where {meant[entry]:.6g} would mean the same"
            if np.isnan(meant[entry]):
                why = f"it gives nan already at {_told(sizes)}"
            raise EquivarianceError(
                f"{name} does not carry over from {_told(sizes)} to {_told(larger)} with {WORDS[str(hom.transfer)]}: "
                f"{why}, at entry {list(entry)} of output {number} (batch, positions, channel)\n"
                f"spaces: {hom.space_in} -> {hom.space_out}"
            )


def _places(hom: Hom, factor: Group, n: int, more: int) -> NDArray[np.int64]:
    """For each entry of an axis of the larger size that of the smaller which is there; -1 for none."""
    import numpy as np

    places = np.arange(n).reshape(factor.index_lengths(n))
    for axis, index in enumerate(factor.indices):
        if index.symbolic and hom.transfer == "repeat":
            places = places.repeat(1 + more, axis)
        elif index.symbolic:
            widths = [(0, more * index.multiple * (one == axis)) for one in range(places.ndim)]
            places = np.pad(places, widths, constant_values=-1)
    return places.ravel()


def _enlarged(x: Any, order: Order, ns: Sequence[int], places: Sequence[NDArray[np.int64]]) -> Any:
    """A tensor with its axes at these places."""
    full = unpacked(x, order, ns)
    axis = full.ndim - 1 - axes_of(order)
    for place, count in zip(places, axis_counts(order), strict=True):
        for _ in range(count):
            full = full.take(place, axis)
            full[(slice(None),) * axis + (place < 0,)] = 0
            axis += 1
    return packed(full, order)


def _asked(run: Any, hom: Hom) -> tuple[str, ...]:
    """The letters whose size the module takes behind its input."""
    import torch

    if not isinstance(run, torch.nn.Module):
        return ()
    from eqsynth.nn.networks import sizes_asked

    return sizes_asked(run) if hasattr(run, "sizes") or hasattr(run, "hom") else _named(run, hom)


def _named(run: Any, hom: Hom) -> tuple[str, ...]:
    import inspect

    letters = {factor.n for factor in hom.group.factors}
    return tuple(name for name in inspect.signature(run.forward).parameters if name in letters)
