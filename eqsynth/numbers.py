"""Numbers as people bring them, of every library, read exactly or refused."""

from __future__ import annotations

import operator
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fractions import Fraction

#: Longest text that is read as a number: as many digits as the largest entry of a matrix group has, many times over.
MAX_TEXT = 80

_TEXT = re.compile(r"\s*[-+]?[0-9]*(?:\.[0-9]*)?(?:[eE][-+]?[0-9]{1,3}|/[0-9]+)?\s*", re.ASCII)


def whole(value: Any) -> int | None:
    """A whole number of any type as an int; None for everything else, truth values and floats among it.

    >>> import numpy as np
    >>> from eqsynth.numbers import whole
    >>> whole(np.int64(3)), whole(np.array(3)), whole(3.0), whole(True), whole("3")
    (3, 3, None, None, None)
    """
    if type(value) is int:
        return value
    if isinstance(value, bool) or "bool" in str(getattr(value, "dtype", "")):
        return None
    try:
        return operator.index(value)
    except (TypeError, ValueError, RuntimeError):
        return None


def fraction(value: Any) -> Fraction:
    """A rational number of any type, exactly.

    >>> import numpy as np
    >>> from eqsynth.numbers import fraction
    >>> fraction("1/2"), fraction(np.float32(-0.5)), fraction("0.1")
    (Fraction(1, 2), Fraction(-1, 2), Fraction(1, 10))
    >>> fraction(0.1)
    Fraction(3602879701896397, 36028797018963968)

    Whole numbers, fractions, rational numbers of SymPy and FLINT, decimals and their texts are what they say; a
    binary float of any library is the fraction that it stores, which for 0.1 is not 1/10.

    Raises ValueError for what is no rational number, or none that is known exactly: nan, infinity, complex
    numbers, truth values, irrational numbers of SymPy, texts of more than 80 characters or with an exponent above 999.
    """
    from fractions import Fraction

    number = whole(value)
    if number is not None:
        return Fraction(number)
    if isinstance(value, str):
        if len(value) > MAX_TEXT or not _TEXT.fullmatch(value):
            shown = value if len(value) <= MAX_TEXT else value[:20] + "..."
            raise ValueError(f"{shown!r} is no number: write 3, -1/2 or 0.25")
        return _checked(lambda: Fraction(value), value)
    if isinstance(value, bool) or "bool" in str(getattr(value, "dtype", "")):
        raise ValueError(f"{value!r} is a truth value: write 1 or 0")
    if getattr(value, "shape", ()) != ():
        raise ValueError(f"{value!r} is an array where one number is expected")
    # Scalars of NumPy and torch hand out the Python number they hold; those of more than 53 bits are no float.
    if not hasattr(value, "as_integer_ratio") and hasattr(value, "item"):
        value = value.item()
    # SymPy's numbers and FLINT's rational numbers.
    if getattr(value, "is_Float", False):
        from sympy import Rational

        value = Rational(value)
    for above, below in (("p", "q"), ("numerator", "denominator")):
        parts = getattr(value, above, None), getattr(value, below, None)
        numerator, denominator = (whole(part() if callable(part) else part) for part in parts)
        if numerator is not None and denominator:
            return Fraction(numerator, denominator)
    if hasattr(value, "as_integer_ratio"):
        return _checked(lambda: Fraction(*map(int, value.as_integer_ratio())), value)
    raise ValueError(f"{value!r} is no rational number that can be read exactly: write a fraction such as '1/2'")


def _checked(read: Any, value: Any) -> Fraction:
    try:
        found: Fraction = read()
    except (ValueError, ArithmeticError, TypeError):
        raise ValueError(f"{value!r} is no rational number: write 3, -1/2 or 0.25") from None
    return found
