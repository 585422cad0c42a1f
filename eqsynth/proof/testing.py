"""For tests of your own: whether a module commutes with its group."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from eqsynth.bases.decomposed import act, random_tensor
from eqsynth.errors import EqsynthError, EquivarianceError, explain_calls, shown
from eqsynth.exact.numbers import bounded
from eqsynth.families.group import Group
from eqsynth.families.hom import Hom, ProductHom
from eqsynth.families.representation import elements_to_try, symmetrised
from eqsynth.proof.trials import check_draws, concrete_factors, copied, sizes_to_try
from eqsynth.spaces.space import Space, is_plain, least_shown, lengths, order_text

if TYPE_CHECKING:
    import numpy as np
    import torch

#: Sizes that stand for a letter where none is given.
SIZES = (2, 3, 5)
EVEN_SIZES = (2, 4)
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
    attributes ``group``, ``space_in`` and ``space_out``. ``n`` is the size of a letter, or a dict of sizes; without it
    several are tried. A module is copied, in ``dtype`` (float64), on the CPU, and keeps its mode: call ``.eval()``
    first to try evaluation. Every generator of the group is tried, so that each of its components is reached
    (reflections, odd permutations), and ``trials`` random elements. Where there are two trials or more, all is tried
    again with parameters to which normal noise of size ``perturb`` is added, so that a bias that starts at zero counts.
    Both runs of a trial see the same random numbers, so that dropout is no difference.

    Raises EquivarianceError, an AssertionError, with the worst entry; also for outputs of wrong shape.
    """
    import numpy as np
    import torch

    hom = _problem(module, group, space_in, space_out)
    trials, seed = check_draws(trials, seed)
    dtype = torch.float64 if dtype is None else dtype
    if not isinstance(dtype, torch.dtype) or str(dtype).removeprefix("torch.") not in TOLERANCES:
        raise EqsynthError(f"a module is tried in one of {', '.join(TOLERANCES)}, not in {shown(dtype)}")
    own = TOLERANCES[str(dtype).removeprefix("torch.")]
    bound, perturb = bounded("tolerance", own if tolerance is None else tolerance), bounded("perturb", perturb)
    rng = np.random.default_rng(seed)
    name = getattr(module, "__name__", type(module).__name__)
    started = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]  # torch has no hint
    devices = range(torch.cuda.device_count()) if started else ()
    with torch.random.fork_rng(devices):
        converted = _converted(module, dtype)
        for sizes in _sizes_to_try(hom, n):
            factors = concrete_factors(hom.group, sizes)
            for noise in (0.0, perturb)[: 1 + (trials > 1 and perturb > 0 and isinstance(module, torch.nn.Module))]:
                for trial, elements in enumerate(elements_to_try(factors, rng, trials)):
                    _seed(seed + trial)
                    run = _copied(converted, noise)
                    _try_once(run, name, hom, sizes, elements, rng, dtype, bound, seed + trial)


def _problem(module: Any, group: Any, space_in: Any, space_out: Any) -> Hom:
    hom, problem = getattr(module, "hom", None), getattr(module, "problem", None)
    if isinstance(problem, ProductHom) and len(problem.operands) > 1:
        raise EqsynthError(f"{type(module).__name__} takes several inputs: eq.verify(layer) tries and proves it")
    own = (hom.group, hom.space_in, hom.space_out) if isinstance(hom, Hom) else (None, None, None)
    values: list[Any] = []
    for name, given, known in zip(("group", "space_in", "space_out"), (group, space_in, space_out), own, strict=True):
        value = given if given is not None else known if known is not None else getattr(module, name, None)
        if value is None:
            raise EqsynthError(
                f"what is the {name} of {type(module).__name__}? Give it, as in assert_equivariant(module, "
                "'S(n)', '2x2', '3x1'), or make it an attribute of the module"
            )
        values.append(value)
    return Hom.parse(*values)


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


def _converted(module: Any, dtype: torch.dtype) -> Any:
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
) -> None:
    import numpy as np
    import torch

    ns = [len(element) for element in elements]
    batch = 4
    inputs = [
        random_tensor(rng, order, ns, channels, batch, hom.group.over_complex) for channels, order in hom.space_in
    ]
    asked = _asked(run, hom)

    def outputs(arrays: list[Any]) -> list[Any]:
        tensors = tuple(_cast(torch.from_numpy(np.ascontiguousarray(array)), dtype) for array in arrays)
        _seed(seed)
        with torch.no_grad():
            result = run(tensors[0] if len(tensors) == 1 else tensors, *[sizes[letter] for letter in asked])
        listed = result if isinstance(result, tuple | list) else (result,)
        return [_cast(tensor.detach(), torch.float64).resolve_conj().numpy() for tensor in listed]

    still = outputs(inputs)
    shapes = [(batch, *lengths(order, ns), channels) for channels, order in hom.space_out]
    at = f" at {', '.join(f'{letter} = {size}' for letter, size in sizes.items())}" if sizes else ""
    if [tensor.shape for tensor in still] != shapes:
        raise EquivarianceError(
            f"{name} gives tensors of shapes {[tensor.shape for tensor in still]} for a batch of {batch}{at}, "
            f"but {hom.space_out} of {hom.group} has {shapes}"
        )
    for place, (order, tensor) in enumerate(zip(hom.space_out.orders, still, strict=True)):
        off = np.abs(symmetrised(tensor, order) - tensor) if not is_plain(order) else np.zeros(1)
        if float(off.max(initial=0.0)) > bound * max(1.0, float(np.abs(tensor).max(initial=0.0))):
            raise EquivarianceError(
                f"{name} leaves the space {hom.space_out}{at}: output {place} differs from the nearest tensor of "
                f"{order_text(order)} by {float(off.max()):.1e} (see eq.symmetrise)"
            )
    moved = outputs([act(elements, order, x) for order, x in zip(hom.space_in.orders, inputs, strict=True)])
    for place, (order, ours, theirs) in enumerate(zip(hom.space_out.orders, moved, still, strict=True)):
        if not (np.isfinite(ours).all() and np.isfinite(theirs).all()):
            raise EquivarianceError(f"{name} gives values in output {place}{at} that are not finite")
        meant = act(elements, order, theirs)
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
