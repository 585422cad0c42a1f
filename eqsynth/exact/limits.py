"""One budget of steps and of bytes, asked before work starts: what would not fit is refused, with the cure."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from eqsynth.errors import ConfigError, EqsynthError, SizeError, shown

#: How many steps one call may take: evaluations of Python's size, some 10 to 30 seconds of them.
MAX_STEPS = 100_000_000
#: How many bytes one call may hold at once, parameters of layers apart.
MAX_BYTES = 8_000_000_000


def budget(name: str, default: int) -> int:
    """The limit ``EQSYNTH_MAX_STEPS`` or ``EQSYNTH_MAX_BYTES``, or the default; ConfigError for what is no number."""
    text = os.environ.get(name, "").strip().replace("_", "")
    if not text:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) <= 30):
        raise ConfigError(f"{name} is {text[:40]!r}: set it to a whole number, or leave it out for {default:,}")
    return int(text)


def afford(what: str, cure: str, *, steps: int = 0, size: int = 0) -> None:
    """Refuse work that would take more steps, or more bytes (``size``), than one call may.

    >>> from eqsynth.exact.limits import afford
    >>> afford("a basis of 15 diagrams", "ask for lower orders", steps=1_000)
    >>> afford("10**9 diagrams", "ask for lower orders", steps=10**12)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    eqsynth.errors.SizeError: 10**9 diagrams would take about 1e+12 steps, more than 100,000,000: ask for lower ...

    Raises SizeError.
    """
    for unit, name, asked, default in (
        ("steps", "EQSYNTH_MAX_STEPS", steps, MAX_STEPS),
        ("bytes", "EQSYNTH_MAX_BYTES", size, MAX_BYTES),
    ):
        if asked and asked > (limit := budget(name, default)):
            raise SizeError(
                f"{what} would take about {_short(asked)} {unit}, more than {limit:,}: {cure}, or raise {name}"
            )


def check_factory(device: Any, dtype: Any) -> None:
    """Refuse a device that torch cannot use here, and a dtype that parameters cannot have; None is torch's default.

    >>> from eqsynth.exact.limits import check_factory
    >>> check_factory("cpu", None)
    >>> check_factory("gpu", None)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    eqsynth.errors.EqsynthError: torch has no device 'gpu' here: ask for 'cpu'...

    Raises EqsynthError.
    """
    import torch

    if dtype is not None and not isinstance(dtype, torch.dtype):
        raise EqsynthError(f"a dtype is one of torch, such as torch.float64, not {shown(dtype)}")
    if dtype is not None and not ((dtype.is_floating_point and dtype.itemsize > 1) or dtype.is_complex):
        raise EqsynthError(f"parameters are floating-point or complex numbers, not {dtype}: ask for torch.float32")
    if device is None:
        return
    try:
        torch.empty(0, device=device)
    except (RuntimeError, TypeError, ValueError, AssertionError, OverflowError) as error:
        known = ["cpu", *(f"cuda:{number}" for number in range(torch.cuda.device_count())), "meta"]
        why = str(error).split("\n", maxsplit=1)[0][:120]
        raise EqsynthError(
            f"torch has no device {shown(device)} here: ask for {', '.join(map(repr, known[:-1]))} or 'meta', or leave "
            f"it out. Torch says: {why}"
        ) from None


def afford_parameters(what: str, cure: str, count: int, device: Any, dtype: Any) -> None:
    """Refuse a module whose parameters do not fit on its device; on ``meta`` they take no room.

    The limit is the memory of the machine or of the CUDA device, or EQSYNTH_MAX_BYTES where that is set.
    """
    import torch

    check_factory(device, dtype)
    place = torch.get_default_device() if device is None else torch.device(device)
    size = count * (dtype or torch.get_default_dtype()).itemsize
    if (limit := _room(place, size)) is not None:
        raise SizeError(
            f"{what} has {count:,} parameters of {size:,} bytes in all, more than the {limit:,} bytes that there are: "
            f"{cure}, or build it with device='meta'"
        )


def afford_tensors(what: str, cure: str, size: int, device: Any) -> None:
    """Refuse tensors of so many bytes where they do not fit on a device of torch; on ``meta`` they take no room.

    The limit is that of :func:`afford_parameters`.
    """
    if (limit := _room(device, size)) is not None:
        raise SizeError(f"{what} would take {_short(size)} bytes, more than the {limit:,} bytes that there are: {cure}")


def _room(place: Any, size: int) -> int | None:
    """The bytes that a device of torch has, where they are fewer than ``size``; None where so many fit."""
    import torch

    if place.type == "meta" or (place.type not in ("cpu", "cuda") and "EQSYNTH_MAX_BYTES" not in os.environ):
        return None
    memory = torch.cuda.get_device_properties(place).total_memory if place.type == "cuda" else _memory()
    limit = budget("EQSYNTH_MAX_BYTES", memory)
    return limit if size > limit else None


def _memory() -> int:
    """The memory of this machine, in bytes."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 8 * MAX_BYTES


@dataclass(slots=True)
class Steps:
    """Steps counted while they are taken, where their number is not known before.

    >>> from eqsynth.exact.limits import Steps
    >>> steps = Steps("the search", "ask for less")
    >>> steps.take(10)
    >>> steps.taken
    10

    ``take`` raises SizeError when the budget is spent.
    """

    what: str
    cure: str
    taken: int = 0
    most: int = 0

    def take(self, count: int = 1) -> None:
        """Count some steps."""
        self.most = self.most or budget("EQSYNTH_MAX_STEPS", MAX_STEPS)
        self.taken += count
        if self.taken > self.most:
            raise SizeError(f"{self.what} takes more than {self.most:,} steps: {self.cure}, or raise EQSYNTH_MAX_STEPS")


def _short(number: int) -> str:
    return f"{number:,}" if number < 10**10 else f"{number:.0e}" if number < 10**300 else "more than 1e+300"
