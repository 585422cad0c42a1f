"""Numbers as people bring them, of every library, read exactly or refused."""

from __future__ import annotations

import difflib
import operator
import re
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import TYPE_CHECKING, Any

from eqsynth.errors import EqsynthError, shown

if TYPE_CHECKING:
    from fractions import Fraction

    from typing_extensions import TypeIs

#: Longest text that is read as a number: as many digits as the largest entry of a matrix group has, many times over.
MAX_TEXT = 80

_TEXT = re.compile(r"\s*[-+]?[0-9]*(?:\.[0-9]*)?(?:[eE][-+]?[0-9]{1,3}|/[0-9]+)?\s*", re.ASCII)
_ANY = "write 3, -1/2 or 0.25"

_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def whole(value: Any) -> int | None:
    """A whole number of any type as an int; None for everything else, truth values and floats among it.

    >>> import numpy as np
    >>> from eqsynth.exact.numbers import whole
    >>> whole(np.int64(3)), whole(np.array(3)), whole(3.0), whole(True), whole("3")
    (3, 3, None, None, None)
    """
    if type(value) is int:
        return value
    if _truth(value) or tuple(getattr(value, "shape", None) or ()):
        return None
    try:
        return operator.index(value)
    except (TypeError, ValueError, RuntimeError):
        return None


def fraction(value: Any) -> Fraction:
    """A rational number of any type, exactly.

    >>> import numpy as np
    >>> from eqsynth.exact.numbers import fraction
    >>> fraction("1/2"), fraction(np.float32(-0.5)), fraction("0.1")
    (Fraction(1, 2), Fraction(-1, 2), Fraction(1, 10))
    >>> fraction(0.1)
    Fraction(3602879701896397, 36028797018963968)

    Whole numbers, fractions, rational numbers of SymPy and FLINT, decimals and their texts are what they say; a
    binary float of any library is the fraction that it stores, which for 0.1 is not 1/10 (:func:`binary` tells).

    Raises ValueError for what is no rational number, or none that is known exactly: nan, infinity, complex
    numbers, truth values, irrational numbers of SymPy, texts of more than 80 characters or with an exponent above 999,
    decimals and floats of any library that a float64 has no place for, such as Decimal("1e999").
    """
    from fractions import Fraction

    number = whole(value)
    if number is not None:
        return Fraction(number)
    if isinstance(value, str):
        if len(value) > MAX_TEXT or not _TEXT.fullmatch(value):
            raise ValueError(f"{shown(value)} is no number: {_ANY}")
        try:
            return Fraction(value)
        except (ValueError, ZeroDivisionError):
            raise ValueError(f"{shown(value)} is no number: {_ANY}") from None
    if _truth(value):
        raise ValueError(f"{shown(value)} is a truth value: write 1 or 0")
    if tuple(getattr(value, "shape", None) or ()):
        raise ValueError(f"{shown(value)} is an array where one number is expected")
    try:
        ratio = _ratio(value)
    except (ArithmeticError, ValueError, TypeError, RuntimeError, NotImplementedError, AttributeError):
        ratio = None
    if ratio is None:
        raise ValueError(f"{shown(value)} is no rational number that can be read exactly: {_ANY}")
    return Fraction(*ratio)


def binary(value: Any) -> bool:
    """Whether a number is a binary float, of whatever library: one that cannot store 1/3 or 1/10.

    >>> import numpy as np
    >>> from eqsynth.exact.numbers import binary
    >>> binary(0.5), binary(np.float32(0.5)), binary("0.5"), binary(1)
    (True, True, False, False)
    """
    return isinstance(value, float) or hasattr(value, "_mpf_") or "float" in str(getattr(value, "dtype", ""))


def precision(value: Any) -> int:
    """How many binary digits a binary float has; for floats of any length, as many as this one uses, at most 53.

    >>> import numpy as np
    >>> from eqsynth.exact.numbers import precision
    >>> precision(0.5), precision(np.float32(0.5)), precision(np.float16(0.5))
    (53, 24, 11)
    """
    if isinstance(value, float):
        return 53
    kind = str(getattr(value, "dtype", "")).removeprefix("torch.")
    return {"bfloat16": 8, "float16": 11, "float32": 24}.get(kind, min(abs(fraction(value).numerator).bit_length(), 53))


def flag(name: str, value: Any) -> bool:
    """An option that is on or off, as a bool: True or False, also of NumPy.

    >>> import numpy as np
    >>> from eqsynth.exact.numbers import flag
    >>> flag("bias", np.bool_(True))
    True
    >>> flag("bias", "no")
    Traceback (most recent call last):
    ...
    eqsynth.errors.EqsynthError: bias is True or False, not 'no'

    Raises EqsynthError for everything else: texts, numbers, None.
    """
    if isinstance(value, bool):
        return value
    if str(getattr(value, "dtype", "")) == "bool" and not tuple(value.shape):
        return bool(value)
    raise EqsynthError(f"{name} is True or False, not {shown(value)}")


def choice(name: str, value: Any, known: Sequence[str | None]) -> None:
    """Refuse what is none of the words that an option may be; EqsynthError with the nearest one.

    >>> from eqsynth.exact.numbers import choice
    >>> choice("reduce", "mean", ("sum", "mean", "max"))
    >>> choice("reduce", "maxx", ("sum", "mean", "max"))
    Traceback (most recent call last):
    ...
    eqsynth.errors.EqsynthError: reduce is 'sum', 'mean' or 'max', not 'maxx': did you mean 'max'?
    """
    if value is None or isinstance(value, str):
        if value in known:
            return
        near = difflib.get_close_matches((value or "").lower()[:80], list(filter(None, known)), n=1)
    else:
        near = []
    *others, last = map(repr, known)
    listed = f"{', '.join(others)} or {last}" if others else last
    hint = f": did you mean {near[0]!r}?" if near else ""
    raise EqsynthError(f"{name} is {listed}, not {shown(value)}{hint}")


def bounded(name: str, value: Any, most: int | None = None) -> float:
    """An option that is a number from 0 on, up to ``most`` where that is given, as a float; no text.

    >>> from eqsynth.exact.numbers import bounded
    >>> bounded("p", 0.25, 1), bounded("eps", 1)
    (0.25, 1.0)
    >>> bounded("p", "0.5", 1)
    Traceback (most recent call last):
    ...
    eqsynth.errors.EqsynthError: p is a number from 0 to 1, not '0.5'

    Raises EqsynthError for everything else: texts, truth values, nan, numbers that no float64 can hold.
    """
    try:
        number = -1.0 if isinstance(value, str) else float(fraction(value))
    except (ValueError, OverflowError):
        number = -1.0
    if number < 0 or (most is not None and number > most):
        within = "from 0 on, such as 1e-5" if most is None else f"from 0 to {most}"
        raise EqsynthError(f"{name} is a number {within}, not {shown(value)}")
    return number


def ordered(value: Any) -> TypeIs[Iterable[Any]]:
    """Whether a value is a list of others, in an order: no text, no bytes, which would be numbers, no dict, no set.

    >>> import numpy as np
    >>> from eqsynth.exact.numbers import ordered
    >>> ordered([1, 2]), ordered(np.arange(2)), ordered(np.array(3)), ordered(b"12"), ordered({1, 2})
    (True, True, False, False, False)
    """
    if type(value) in (tuple, list):
        return True
    if isinstance(value, str | bytes | bytearray | memoryview | Mapping | Set) or hasattr(value, "mask"):
        return False
    return isinstance(value, Iterable) and tuple(getattr(value, "shape", (0,))) != ()


def _truth(value: Any) -> bool:
    return isinstance(value, bool) or "bool" in str(getattr(value, "dtype", ""))


def _ratio(value: Any) -> tuple[int, int] | None:
    """Numerator and denominator of a scalar; None where it has none, or a number of digits that nobody would write."""
    # Scalars of NumPy and torch hand out the Python number they hold; those of more than 53 bits are no float.
    if not hasattr(value, "as_integer_ratio") and hasattr(value, "item"):
        value = value.item()
        if (number := whole(value)) is not None:
            return number, 1
        if _truth(value):
            return None
    # Rational numbers: fractions of Python, and those of SymPy and FLINT.
    for above, below in (("p", "q"), ("numerator", "denominator")):
        parts = getattr(value, above, None), getattr(value, below, None)
        numerator, denominator = (whole(part() if callable(part) else part) for part in parts)
        if numerator is not None and denominator:
            return numerator, denominator
    # An exponent may stand for any number of digits, which a float64 has not.
    near = float(value)
    if near - near != 0 or (near == 0 and bool(value)):
        return None
    if hasattr(value, "_mpf_"):
        # A ball of FLINT stands for all numbers in it.
        if hasattr(value, "is_exact") and not value.is_exact():
            return None
        sign, mantissa, exponent, _ = (int(part) for part in value._mpf_)
        mantissa = -mantissa if sign else mantissa
        return (mantissa << exponent, 1) if exponent >= 0 else (mantissa, 1 << -exponent)
    if hasattr(value, "as_integer_ratio"):
        numerator, denominator = map(int, value.as_integer_ratio())
        return numerator, denominator
    return None


def raised(power: int) -> str:
    """A whole number in superscripts.

    >>> from eqsynth.exact.numbers import raised
    >>> raised(12)
    '¹²'
    """
    return str(power).translate(_SUPERSCRIPTS)
