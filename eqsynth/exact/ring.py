"""The exact ring: rational functions of letters with rational coefficients, among them polynomials and numbers.

>>> from eqsynth.exact.ring import RationalFunction
>>> n = RationalFunction("n")
>>> (n**2 - 1) / (n + 1) == n - 1, 1 / n + 1
(True, RationalFunction('(n + 1)/n'))

Polynomials add and multiply as dicts of whole numbers, which needs nothing but Python; python-flint, loaded when first
needed, divides, factors and expands. A product of powers of (n - root) stays one, of whatever degree, until something
is added to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache, lru_cache, reduce
from math import comb, gcd, lcm, prod
from operator import add, mul
from sys import hash_info
from typing import TYPE_CHECKING, Any

from eqsynth.errors import SizeError, SymbolicError, explain_calls, shown
from eqsynth.exact.limits import afford
from eqsynth.exact.numbers import binary, fraction, ordered, whole

if TYPE_CHECKING:
    from fractions import Fraction

    import flint
    import sympy
    from typing_extensions import TypeIs

#: A product of powers: (letter, exponent) sorted by letter.
Monomial = tuple[tuple[str, int], ...]
#: Monomial to coefficient, none zero.
Terms = dict[Monomial, int]

#: The largest degree that a power or a product of roots is expanded to.
MAX_DEGREE = 20_000
#: The largest degree of a polynomial in one letter that FLINT is given, who writes out all coefficients.
MAX_FLINT = 1_000_000
#: The most terms that a power in several letters may have.
MAX_TERMS = 1_000_000
#: Binary digits of the largest number that a power is computed to.
MAX_BITS = 1 << 26
#: More products of terms than this are left to FLINT.
MANY = 1 << 12
#: The longest text that a repr shows whole.
MAX_REPR = 240

_ONE: Terms = {(): 1}


@explain_calls
class RationalFunction:
    """A rational function of any number of letters, exactly: a polynomial or a number where it is one.

    >>> from fractions import Fraction
    >>> from eqsynth.exact.ring import RationalFunction
    >>> n = RationalFunction("n")
    >>> value = (2 * n + 2) / (n**2 - n) - Fraction(1, 2)
    >>> value, value(3)
    (RationalFunction('-(n² - 5 n - 4)/(2 n (n - 1))'), Fraction(5, 6))
    >>> import sympy
    >>> sympy.sympify(n / (n + 1)), n - sympy.Symbol("n") == 0
    (n/(n + 1), True)

    Made from a text, a number, an expression of SymPy, a dict of terms, or the coefficients of a polynomial in
    ``letter``, lowest power first; a second one of these is the denominator.

    Sums, products, quotients and whole powers, with whole numbers, Fractions and SymPy's numbers and expressions on
    either side, are exact, and equal values are equal and have equal hashes. Calling a value puts numbers, or other
    values, in place of letters: ``value(3)`` where there is one letter, ``value({"n": 3, "c": 2})`` or
    ``value(n=3, c=2)``. The result is an int or a Fraction once no letter is left. A dict may name letters that do not
    occur, as one that serves many values does; a keyword may not. Values without letters can be ordered.

    Symbols of SymPy are the letters of their names: what they assume is left out, and two symbols of one name in an
    expression are refused.

    Raises SymbolicError for floats, division by zero and poles, ParseError for texts that do not parse, SizeError for
    powers, products and quotients that are too large to be written out.
    """

    __slots__ = ("_factors", "_quotient")

    #: Numerator, denominator that is a number, denominator that is a primitive polynomial with letters (None: none).
    #: In lowest terms, the denominators positive; None until a product of roots is expanded.
    _quotient: tuple[Terms, int, Terms | None] | None
    #: Letter, whole numerator and denominator of the factor in front, and the power of each root.
    _factors: tuple[str, int, int, dict[int, int]] | None

    def __new__(cls, value: object = 0, denominator: object = 1, letter: str = "n") -> RationalFunction:
        """Read; every other value is made by a function below."""
        undivided = type(denominator) is int and denominator == 1
        if undivided and type(value) is int:
            return _element({(): value} if value else {})
        if undivided and isinstance(value, str) and value.isidentifier():
            return _symbol(value)
        above = _from_any(value, letter)
        if undivided:
            return above
        if _is_sequence(denominator) and not _is_sequence(value):
            raise SymbolicError(
                f"{shown(denominator)} is a list of coefficients, and {shown(value)} none: give two of them and a "
                'letter, as in RationalFunction((0, 1), (-1, 1), "n")'
            )
        return above / _from_any(denominator, letter)

    @classmethod
    def of(cls, value: object = 0, denominator: object = 1, letter: str = "n") -> RationalFunction:
        """The same as calling the class.

        >>> from eqsynth.exact.ring import RationalFunction
        >>> print(RationalFunction.of((0, 2, 2), (0, -2, 0, 2)))
        1/(n - 1)
        """
        return cls(value, denominator, letter)

    @classmethod
    @explain_calls
    def from_roots(
        cls, roots: Mapping[int, int] | Iterable[tuple[int, int]], letter: str = "n", factor: object = 1
    ) -> RationalFunction:
        """A product of powers of (letter - root), one (root, power) each, that is not multiplied out.

        >>> from eqsynth.exact.ring import RationalFunction
        >>> value = RationalFunction.from_roots({0: 3, 1: 2, -2: 1})
        >>> print(value, value(2), value.degree, value.roots)
        n³ (n - 1)² (n + 2) 32 6 ((0, 3), (1, 2), (-2, 1))

        Raises SymbolicError for other pairs than whole numbers.
        """
        _check_letter(letter)
        if not (ordered(roots) or isinstance(roots, Mapping)):
            raise SymbolicError(f"{shown(roots)} lists no roots: write each with its power, as in {{0: 3, 1: 2}}")
        powers: dict[int, int] = {}
        for pair in roots.items() if isinstance(roots, Mapping) else roots:
            listed = tuple(map(whole, pair)) if _is_sequence(pair) else ()
            if len(listed) != 2 or None in listed:
                raise SymbolicError(
                    f"{shown(pair)} is no root and its power: both are whole numbers, as in {{0: 3, 1: 2}} or [(0, 3)]"
                )
            root, power = (number or 0 for number in listed)
            powers[root] = powers.get(root, 0) + power
        return _product(letter, 1, 1, powers) * _as_value(factor)

    # What it is.

    @property
    def letters(self) -> tuple[str, ...]:
        """The letters that occur, in the order of the alphabet."""
        if self._factors is not None:
            return (self._factors[0],)
        above, _, below = self._parts()
        return _letters(above, below or _ONE)

    @property
    def free_symbols(self) -> set[sympy.Symbol]:
        """The letters as symbols of SymPy."""
        from sympy import Symbol

        return {Symbol(letter) for letter in self.letters}

    @property
    def polynomial(self) -> bool:
        """Whether the denominator is a number."""
        if self._factors is not None:
            return min(self._factors[3].values()) > 0
        return self._parts()[2] is None

    @property
    def constant(self) -> int | Fraction | None:
        """The number that this is; None where there is a letter.

        >>> from eqsynth.exact.ring import RationalFunction
        >>> RationalFunction("n/(2 n)").constant, RationalFunction("n").constant
        (Fraction(1, 2), None)
        """
        if self._factors is not None:
            return None
        above, divisor, below = self._parts()
        if below is not None or above.keys() - {()}:
            return None
        return _number(above.get((), 0), divisor)

    @property
    def terms(self) -> dict[Monomial, int | Fraction]:
        """The terms of a polynomial: monomial, as pairs of a letter and its power, to coefficient.

        >>> from eqsynth.exact.ring import RationalFunction
        >>> RationalFunction("3 n² c + 1/2").terms
        {(('c', 1), ('n', 2)): 3, (): Fraction(1, 2)}

        Raises SymbolicError for what is no polynomial.
        """
        above, divisor, below = self._parts()
        if below is not None:
            raise SymbolicError(f"{self} is no polynomial: ask for the terms of its numerator or its denominator")
        return {monomial: _number(value, divisor) for monomial, value in above.items()}

    @property
    def coefficients(self) -> tuple[int | Fraction, ...]:
        """The coefficients of a polynomial in one letter, lowest power first.

        >>> from eqsynth.exact.ring import RationalFunction
        >>> RationalFunction("n² - 1").coefficients, RationalFunction(0).coefficients
        ((-1, 0, 1), ())

        Raises SymbolicError for several letters, and for what is no polynomial.
        """
        if len(self.letters) > 1:
            raise SymbolicError(f"{self} has the letters {', '.join(self.letters)}: ask for its terms")
        powers = {sum(power for _, power in monomial): value for monomial, value in self.terms.items()}
        return tuple(powers.get(power, 0) for power in range(max(powers, default=-1) + 1))

    @property
    def numerator(self) -> RationalFunction:
        """The numerator in lowest terms, a polynomial with whole coefficients."""
        return _element(self._parts()[0])

    @property
    def denominator(self) -> RationalFunction:
        """The denominator in lowest terms: whole coefficients, the leading one positive."""
        _, divisor, below = self._parts()
        return _element({monomial: value * divisor for monomial, value in (below or _ONE).items()})

    @property
    def degree(self) -> int:
        """The degree of the numerator less that of the denominator, in all letters together; 0 for the number 0."""
        if self._factors is not None:
            return sum(self._factors[3].values())
        above, _, below = self._parts()
        return _degree(above) - _degree(below or _ONE)

    @property
    def roots(self) -> tuple[tuple[int, int], ...]:
        """The whole numbers at which a function of one letter is zero or has a pole, with the power of each.

        >>> from eqsynth.exact.ring import RationalFunction
        >>> RationalFunction("(n³ - 2 n²)/(n + 1)").roots
        ((0, 2), (2, 1), (-1, -1))

        Powers are negative at poles. Raises SymbolicError for several letters.
        """
        if self._factors is not None:
            powers = self._factors[3]
        elif len(self.letters) > 1:
            raise SymbolicError(f"{self} has the letters {', '.join(self.letters)}: put numbers for all but one")
        else:
            above, _, below = self._parts()
            powers = {}
            for sign, terms in ((1, above), (-1, below or _ONE)):
                for irreducible, power in factor(terms)[1] if terms else ():
                    if (root := _root(irreducible)) is not None:
                        powers[root] = sign * power
        return tuple(sorted(powers.items(), key=lambda pair: root_key(pair[0])))

    def expand(self) -> RationalFunction:
        """The same value, multiplied out.

        >>> from eqsynth.exact.ring import RationalFunction
        >>> print(RationalFunction("n (n - 1)²").expand())
        n³ - 2 n² + n
        """
        return _element(*self._parts())

    # Arithmetic.

    def _parts(self) -> tuple[Terms, int, Terms | None]:
        if self._quotient is None:
            assert self._factors is not None  # noqa: S101 - one of both is there
            self._quotient = _expanded(*self._factors)
        return self._quotient

    def __add__(self, other: object) -> RationalFunction:
        if (value := _value(other)) is None:
            return NotImplemented
        first, divisor, below = self._quotient or self._parts()
        second, over, under = value._quotient or value._parts()
        if below is not None or under is not None:
            return from_quotient(*_crossed(self, value, "+"))
        if divisor != over:
            shared = lcm(divisor, over)
            first = _scaled(first, shared // divisor)
            second = _scaled(second, shared // over)
            divisor = shared
        if len(first) < len(second):
            first, second = second, first
        merged = first.copy()
        for monomial, coefficient in second.items():
            if total := merged.get(monomial, 0) + coefficient:
                merged[monomial] = total
            else:
                merged.pop(monomial, None)
        return _element(merged) if divisor == 1 else _reduced(merged, divisor)

    __radd__ = __add__

    def __mul__(self, other: object) -> RationalFunction:
        if (value := _value(other)) is None:
            return NotImplemented
        if (self._factors or value._factors) and (product := _joined_factors(self, value, 1)) is not None:
            return product
        first, divisor, below = self._quotient or self._parts()
        second, over, under = value._quotient or value._parts()
        if below is not None or under is not None or len(first) * len(second) > MANY:
            return from_quotient(*_crossed(self, value, "*"))
        terms = _times(first, second)
        return _element(terms) if divisor == over == 1 else _reduced(terms, divisor * over)

    __rmul__ = __mul__

    def __truediv__(self, other: object) -> RationalFunction:
        if (value := _value(other)) is None:
            return NotImplemented
        if not value:
            raise SymbolicError(f"the denominator of {self} is zero: give another")
        if (self._factors or value._factors) and (product := _joined_factors(self, value, -1)) is not None:
            return product
        first, divisor, below = self._parts()
        second, over, under = value._parts()
        if below is None and under is None and second.keys() == {()}:
            sign = -1 if second[()] < 0 else 1
            return _reduced(_scaled(first, sign * over), divisor * abs(second[()]))
        return from_quotient(*_crossed(self, value, "/"))

    def __rtruediv__(self, other: object) -> RationalFunction:
        value = _value(other)
        return NotImplemented if value is None else value / self

    def __neg__(self) -> RationalFunction:
        return self * -1

    def __pos__(self) -> RationalFunction:
        return self

    def __sub__(self, other: object) -> RationalFunction:
        value = _value(other)
        return NotImplemented if value is None else self + value * -1

    def __rsub__(self, other: object) -> RationalFunction:
        value = _value(other)
        return NotImplemented if value is None else value + self * -1

    def __pow__(self, exponent: object) -> RationalFunction:
        power = whole(exponent)
        if power is None:
            raise SymbolicError(f"({self})^{shown(exponent)} is no rational function: the power is a whole number")
        if power < 0:
            return 1 / self**-power
        if self._factors is not None:
            letter, above, below, roots = self._factors
            raised_roots = {root: count * power for root, count in roots.items()}
            return _product(letter, _power(above, power), _power(below, power), raised_roots)
        above_terms, divisor, below_terms = self._parts()
        degree = max(_degree(above_terms), _degree(below_terms or _ONE)) * power
        count = len(self.letters)
        several = len(above_terms) + len(below_terms or ()) > 1
        if several and (degree > MAX_DEGREE or (count > 1 and comb(degree + count, count) > MAX_TERMS)):
            raise SizeError(
                f"({self})^{power} is of degree {degree:,}, too high to be multiplied out: "
                "RationalFunction.from_roots keeps products of roots as they are"
            )
        if len(above_terms) == 1 and below_terms is None:
            ((monomial, value),) = above_terms.items()
            raised = tuple((letter, count * power) for letter, count in monomial) if power else ()
            return _element({raised: _power(value, power)}, _power(divisor, power))
        for value in (*above_terms.values(), divisor):
            _afford(value, power)
        product, square = _element(_ONE), self
        while power:
            if power & 1:
                product *= square
            power >>= 1
            if power:
                square *= square
        return product

    # Comparison.

    def __eq__(self, other: object) -> bool:
        try:
            value = _value(other)
        except SymbolicError:
            return False
        if value is None:
            return NotImplemented
        if self._factors is not None and value._factors is not None:
            return self._factors == value._factors
        # A product of roots is expanded only where that is likely to say yes, and so is as small as the other side.
        compact = self._quotient is None or value._quotient is None
        if compact and (self.degree != value.degree or hash(self) != hash(value)):
            return False
        return self._parts() == value._parts()

    def __hash__(self) -> int:
        """The value modulo a prime at a point of its own for each letter; for numbers, the hash of the number."""
        constant = self.constant
        if constant is not None:
            return hash(constant)
        prime = hash_info.modulus
        if self._factors is not None:
            letter, top, bottom, roots = self._factors
            sides = [top % prime, bottom % prime]
            for root, power in roots.items():
                side = power < 0
                sides[side] = sides[side] * pow(_point(letter) - root, abs(power), prime) % prime
            above, below = sides
        else:
            terms, divisor, under = self._parts()
            above, below = _residue(terms), divisor * _residue(under or _ONE) % prime
        return above * pow(below, -1, prime) % prime if below else hash_info.inf

    def _difference(self, other: object) -> int | Fraction | None:
        """How much more than the other this is."""
        if (value := _value(other)) is None:
            return None
        difference = (self - value).constant
        if difference is None:
            raise SymbolicError(f"{self} and {value} have no order: put numbers for the letters first")
        return difference

    def __lt__(self, other: object) -> bool:
        difference = self._difference(other)
        return NotImplemented if difference is None else difference < 0

    def __le__(self, other: object) -> bool:
        difference = self._difference(other)
        return NotImplemented if difference is None else difference <= 0

    def __gt__(self, other: object) -> bool:
        difference = self._difference(other)
        return NotImplemented if difference is None else difference > 0

    def __ge__(self, other: object) -> bool:
        difference = self._difference(other)
        return NotImplemented if difference is None else difference >= 0

    def __bool__(self) -> bool:
        return self._factors is not None or bool(self._parts()[0])

    def __index__(self) -> int:
        number = self.constant
        if not isinstance(number, int):
            raise TypeError(f"{self} is no whole number")
        return number

    def __float__(self) -> float:
        number = self.constant
        if number is None:
            raise TypeError(f"{self} is no number while {self.letters[0]} is a letter")
        return float(number)

    # Values.

    def __call__(self, values: object = None, /, **named: object) -> Any:
        """The value at numbers, or with other values in place of letters."""
        if type(values) is dict and not named and self._quotient is not None and self._quotient[2] is None:
            numerator, divisor, _ = self._quotient
            try:
                total: Any = 0
                for monomial, coefficient in numerator.items():
                    product: Any = coefficient
                    for letter, power in monomial:
                        product *= values[letter] ** power
                    total += product
            except (KeyError, TypeError):
                pass
            else:
                if type(total) is int:
                    return total if divisor == 1 else _number(total, divisor)
        at = {name: _argument(name, value) for name, value in self._places(values, named).items()}
        if not at.keys() >= set(self.letters) or any(isinstance(value, RationalFunction) for value in at.values()):
            return self._composed(at)
        above: Any
        below: Any
        if self._factors is not None:
            letter, top, bottom, roots = self._factors
            sides: list[Any] = [top, bottom]
            for root, power in roots.items():
                sides[power < 0] *= _power(at[letter] - root, abs(power))
            above, below = sides
        else:
            terms, divisor, under = self._parts()
            above, below = _evaluated(terms, at), _evaluated(under or _ONE, at) * divisor
        if not below:
            places = ", ".join(f"{letter} = {at[letter]}" for letter in self.letters)
            raise SymbolicError(f"{self} has a pole at {places}: ask for another {self.letters[0]}")
        return _number(above, below)

    def _places(self, values: object, named: Mapping[str, object]) -> dict[str, object]:
        """What is put in place of each letter."""
        letters = self.letters if named or not isinstance(values, Mapping) else ()
        if letters and (unknown := named.keys() - set(letters)):
            raise SymbolicError(
                f"there is no letter {', '.join(sorted(unknown))} in {shown(str(self))[1:-1]}: "
                f"name {' or '.join(letters)}"
            )
        if values is None:
            return dict(named)
        if named and not isinstance(values, Mapping):
            given = ", ".join(named)
            raise SymbolicError(f"{shown(values)} stands for the only letter, and {given} is given, too: name all")
        if isinstance(values, Mapping):
            return {str(name): value for name, value in values.items()} | dict(named)
        if len(letters) > 1:
            raise SymbolicError(
                f"{self} has the letters {', '.join(letters)}: say which is {shown(values)}, as in "
                f"value({letters[0]}={shown(values)})"
            )
        return {letters[0] if letters else "n": values, **named}

    def _composed(self, at: Mapping[str, Any]) -> Any:
        """With values that may have letters of their own."""
        above, divisor, below = self._parts()

        def put(terms: Terms) -> RationalFunction:
            total = _element({})
            for monomial, coefficient in terms.items():
                powers = (_as_value(at[a]) ** power if a in at else _symbol(a, power) for a, power in monomial)
                total += reduce(mul, powers, _element({(): coefficient}))
            return total

        value = put(above) / put(below or _ONE) / divisor
        number = value.constant
        return value if number is None else number

    # Text.

    def __str__(self) -> str:
        from eqsynth.exact.writing import text

        return text(self)

    def __repr__(self) -> str:
        text = str(self)
        return f"{type(self).__name__}({text!r})" if len(text) <= MAX_REPR else f"<{shown(text, MAX_REPR)[1:-1]}>"

    def latex(self) -> str:
        r"""The value in LaTeX, without dollar signs.

        >>> from eqsynth.exact.ring import RationalFunction
        >>> print(RationalFunction("(n + 1)/(2 n²)").latex())
        \frac{n + 1}{2 n^{2}}
        """
        from eqsynth.exact.writing import latex

        return latex(self)

    def _repr_latex_(self) -> str:
        return f"${self.latex()}$"

    def _latex(self, printer: object) -> str:  # noqa: ARG002 - what sympy.latex calls
        return self.latex()

    def _sympy_(self) -> sympy.Expr:
        from sympy import Integer, Mul, Rational, Symbol

        if self._factors is not None:
            letter, top, bottom, roots = self._factors
            ordered = sorted(roots.items(), key=lambda pair: root_key(pair[0]))
            return Mul(Rational(top, bottom), *((Symbol(letter) - root) ** power for root, power in ordered))

        def expression(terms: Terms) -> sympy.Expr:
            products = (Mul(c, *(Symbol(letter) ** power for letter, power in m)) for m, c in terms.items())
            return sum(products, Integer(0))

        above, divisor, below = self._parts()
        if below is None:
            return sum((expression({m: c}) / divisor for m, c in above.items()), Integer(0))
        sides = [factored(terms) for terms in (above, below)]
        upper, lower = (Mul(content, *(expression(f) ** power for f, power in factors)) for content, factors in sides)
        return upper / (divisor * lower)

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (self._quotient, self._factors)


# --- Making -------------------------------------------------------------------------------------------


def _element(above: Terms, divisor: int = 1, below: Terms | None = None) -> RationalFunction:
    """A value from parts in lowest terms."""
    value = object.__new__(RationalFunction)
    value._quotient = above, divisor, below
    value._factors = None
    return value


def _restored(quotient: Any, factors: Any) -> RationalFunction:
    value = object.__new__(RationalFunction)
    value._quotient, value._factors = quotient, factors
    return value


def _reduced(above: Terms, divisor: int) -> RationalFunction:
    """A polynomial over a positive number."""
    common = gcd(divisor, *above.values())
    if common > 1:
        above = {monomial: value // common for monomial, value in above.items()}
    return _element(above, divisor // common)


def _product(letter: str, above: int, below: int, roots: Mapping[int, int]) -> RationalFunction:
    """A number times powers of (letter - root); no root is a number alone."""
    powers = {root: power for root, power in roots.items() if power}
    if below < 0:
        above, below = -above, -below
    common = gcd(above, below)
    above, below = above // common, below // common
    if not powers or not above:
        return _element({(): above} if above else {}, below)
    return _restored(None, (letter, above, below, powers))


def _joined_factors(left: RationalFunction, right: RationalFunction, sign: int) -> RationalFunction | None:
    """The product (``sign`` 1) or quotient (-1) as roots; None where one of both has none."""
    sides = []
    letter = (left._factors or right._factors or ("",))[0]
    for value in (left, right):
        if value._factors is None:
            number = value.constant
            if number is None:
                return None
            sides.append((letter, number.numerator, number.denominator, dict[int, int]()))
        else:
            sides.append(value._factors)
    (one, top, bottom, roots), (two, over, under, others) = sides
    if one != two:
        return None
    if sign < 0:
        over, under = under, over
    powers = dict(roots)
    for root, power in others.items():
        powers[root] = powers.get(root, 0) + sign * power
    return _product(letter, top * over, bottom * under, powers)


def _number(above: Any, below: Any = 1) -> int | Fraction:
    """A quotient as an int where it is whole, else a Fraction."""
    if type(above) is type(below) is int and not above % below:
        return above // below
    from fractions import Fraction

    value = Fraction(above) / Fraction(below)
    return value.numerator if value.denominator == 1 else value


# --- Reading ------------------------------------------------------------------------------------------


def _value(other: object) -> RationalFunction | None:
    """A scalar of any kind as a value; None for what is none, SymbolicError for floats."""
    if type(other) is RationalFunction:
        return other
    if type(other) is int:
        return _element({(): other} if other else {})
    return _scalar(other)


def _scalar(other: object) -> RationalFunction | None:
    number = whole(other)
    if number is not None:
        return _element({(): number} if number else {})
    if isinstance(other, str | bool) or tuple(getattr(other, "shape", None) or ()):
        return None
    if binary(other):
        raise SymbolicError(
            f"{shown(other)} is a float, which is not exact: write a whole number or a Fraction, such as Fraction(1, 2)"
        )
    if type(other).__module__.partition(".")[0] == "sympy":
        check_symbols(other)
        return _from_sympy(other)
    try:
        exact = fraction(other)
    except ValueError:
        return None
    return _element({(): exact.numerator} if exact else {}, exact.denominator)


def check_symbols(expression: Any) -> None:
    """Refuse an expression of SymPy with two symbols of one name, which would become one letter.

    >>> import sympy
    >>> from eqsynth.exact.ring import check_symbols
    >>> check_symbols(sympy.Symbol("n") * sympy.Symbol("n", positive=True))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    eqsynth.errors.SymbolicError: n*n has two symbols with the name n: name one otherwise, since a letter is ...
    """
    names: set[str] = set()
    for symbol in getattr(expression, "free_symbols", ()):
        if symbol.name in names:
            raise SymbolicError(
                f"{shown(expression)} has two symbols with the name {symbol.name}: name one otherwise, since a letter "
                "is its name"
            )
        names.add(symbol.name)


def _from_sympy(expression: Any) -> RationalFunction | None:
    """An expression of SymPy; None for what is no rational function, such as a root."""
    if binary(expression):
        raise SymbolicError(f"{shown(expression)} is a float, which is not exact: write Rational(1, 2) for a half")
    if getattr(expression, "is_Rational", False):
        return _product("", int(expression.p), int(expression.q), {})
    if getattr(expression, "is_Symbol", False):
        if expression.is_commutative is False or type(expression).__name__ == "Dummy":
            raise SymbolicError(f"{expression} is a Dummy, or does not commute: use a plain sympy.Symbol")
        return _symbol(str(expression.name))
    if getattr(expression, "is_Pow", False) and expression.exp.is_Integer:
        base = _from_sympy(expression.base)
        return None if base is None else rooted(base) ** int(expression.exp)
    for kind, combine in (("is_Add", add), ("is_Mul", mul)):
        if getattr(expression, kind, False):
            parts = [_from_sympy(part) for part in expression.args]
            if any(part is None for part in parts):
                return None
            if combine is mul:
                parts = [rooted(part) for part in parts if part is not None]
            return reduce(combine, parts)
    return None


def _check_letter(letter: object) -> None:
    """Refuse a name that could not be read again."""
    if not isinstance(letter, str) or not _can_be_written(letter):
        raise SymbolicError(f"{shown(letter)} is no letter that can be written: use one such as n or c_in")


@cache
def _can_be_written(letter: str) -> bool:
    from eqsynth.exact.reading import is_letter

    return is_letter(letter)


def _symbol(letter: str, power: int = 1) -> RationalFunction:
    _check_letter(letter)
    return _element({((letter, power),) if power else (): 1})


def _is_sequence(value: object) -> TypeIs[Sequence[Any]]:
    return isinstance(value, Sequence) and ordered(value)


def _from_any(value: object, letter: str) -> RationalFunction:
    """A value from a text, terms, coefficients or a scalar."""
    if isinstance(value, str):
        from eqsynth.exact.reading import read

        return read(value)
    if isinstance(value, Mapping):
        return sum_of(_of_pairs(monomial) * _as_value(c) for monomial, c in value.items())
    if _is_sequence(value):
        return sum_of(_symbol(letter, i) * _as_value(c) for i, c in enumerate(value))
    return _as_value(value)


def _of_pairs(monomial: object) -> RationalFunction:
    """A product of powers from pairs of a letter and its power."""
    if not isinstance(monomial, tuple) or not all(
        isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[0], str) and whole(pair[1]) is not None
        for pair in monomial
    ):
        raise SymbolicError(
            f"{shown(monomial)} is no product of powers: write a dict of terms as {{(('c', 1), ('n', 2)): 3, (): 1}}"
        )
    return reduce(mul, (_symbol(letter) ** power for letter, power in monomial), _element(_ONE))


def _as_value(value: object) -> RationalFunction:
    read = _value(value)
    if read is None:
        raise SymbolicError(
            f"{shown(value)} is no exact scalar: write a number, a Fraction, a text such as '1/(n - 1)' or an "
            "expression of SymPy"
        )
    return read


def _argument(letter: str, value: object) -> Any:
    """What is put in place of a letter: a number where it is one."""
    if type(value) is int:
        return value
    read = None if isinstance(value, bool) else _value(value)
    if read is None:
        raise SymbolicError(f"the letter {letter} stands for a number or another value, not for {shown(value)}")
    number = read.constant
    return read if number is None else number


def rooted(value: RationalFunction) -> RationalFunction:
    """(letter - root) as a product of roots, which powers do not expand; anything else as it is.

    >>> from eqsynth.exact.ring import RationalFunction, rooted
    >>> print(rooted(RationalFunction("n - 1")) ** 2, "and", rooted(RationalFunction("2 n - 1")) ** 2)
    (n - 1)² and 4 n² - 4 n + 1
    """
    if value._factors is None:
        above, divisor, below = value._parts()
        if divisor == 1 and below is None and (root := _root(above)) is not None:
            return _product(_letters(above)[0], 1, 1, {root: 1})
    return value


# --- Terms --------------------------------------------------------------------------------------------


def _letters(*polynomials: Terms) -> tuple[str, ...]:
    return tuple(sorted({letter for terms in polynomials for monomial in terms for letter, _ in monomial}))


def _degree(terms: Terms) -> int:
    return max((sum(power for _, power in monomial) for monomial in terms), default=0)


def _scaled(terms: Terms, factor: int) -> Terms:
    return {monomial: value * factor for monomial, value in terms.items()} if factor != 1 else terms


def _times(left: Terms, right: Terms) -> Terms:
    product: Terms = {}
    for first, value in left.items():
        for second, factor in right.items():
            monomial = _monomial(first, second) if first and second else first or second
            product[monomial] = product.get(monomial, 0) + value * factor
    return product if all(product.values()) else {monomial: value for monomial, value in product.items() if value}


@lru_cache(maxsize=4096)
def _monomial(left: Monomial, right: Monomial) -> Monomial:
    powers = dict(left)
    for letter, power in right:
        powers[letter] = powers.get(letter, 0) + power
    return tuple(sorted(powers.items()))


def _power(base: Any, power: int) -> Any:
    _afford(base, power)
    return base**power


def _afford(base: Any, power: int) -> None:
    bits = max(abs(base.numerator), base.denominator).bit_length()
    if bits > 1 and bits * power > MAX_BITS:
        raise SizeError(f"{shown(base)}^{power} has more than {MAX_BITS:,} binary digits: ask for a smaller one")


def _evaluated(terms: Terms, at: Mapping[str, Any]) -> Any:
    return sum(value * prod(_power(at[letter], power) for letter, power in m) for m, value in terms.items())


def _root(terms: Terms) -> int | None:
    """The root of (letter - root); None for what is not of this form."""
    if len(terms) > 2 or sum(1 for monomial in terms if monomial) != 1:
        return None
    (monomial,) = filter(None, terms)
    if len(monomial) > 1 or monomial[0][1] != 1 or terms[monomial] != 1:
        return None
    return -terms.get((), 0)


def linear(letter: str, root: int) -> Terms:
    """The terms of (letter - root).

    >>> from eqsynth.exact.ring import linear
    >>> linear("n", 2)
    {(('n', 1),): 1, (): -2}
    """
    return {((letter, 1),): 1, (): -root} if root else {((letter, 1),): 1}


def root_key(root: int) -> tuple[bool, int]:
    """What roots are ordered by.

    >>> from eqsynth.exact.ring import root_key
    >>> sorted(range(-2, 3), key=root_key)
    [0, 1, 2, -1, -2]
    """
    return (root < 0, abs(root))


@cache
def _point(letter: str) -> int:
    """Where a letter is evaluated for a hash."""
    return pow(int.from_bytes(letter.encode(), "big") + 2, 0x9E3779B97F4A7C15, hash_info.modulus)


def _residue(terms: Terms) -> int:
    prime = hash_info.modulus
    points = ((value, [pow(_point(letter), power, prime) for letter, power in m]) for m, value in terms.items())
    return sum(value * prod(powers) for value, powers in points) % prime


# --- FLINT --------------------------------------------------------------------------------------------


def to_polynomial(terms: dict[Monomial, Any], letters: Sequence[str]) -> Any:
    """A polynomial of FLINT from terms with whole coefficients: in one letter of the kind for one, which is faster.

    >>> from eqsynth.exact.ring import RationalFunction, to_polynomial
    >>> to_polynomial(RationalFunction("n c - 1").terms, ("c", "n"))
    c*n - 1
    """
    import flint

    if len(letters) < 2:
        if (degree := _degree(terms)) > MAX_FLINT:
            raise SizeError(
                f"a polynomial of degree {degree:,} is too long to be divided or factored: ask for a lower one"
            )
        powers = {sum(power for _, power in monomial): value for monomial, value in terms.items()}
        return flint.fmpz_poly([powers.get(power, 0) for power in range(max(powers, default=-1) + 1)])
    context = flint.fmpz_mpoly_ctx.get(tuple(letters), "lex")
    return context.from_dict({tuple(dict(m).get(a, 0) for a in letters): value for m, value in terms.items()})


def _terms(polynomial: Any, letters: Sequence[str]) -> Terms:
    if len(letters) < 2:
        letter = letters[0] if letters else "n"
        return {((letter, i),) if i else (): int(c) for i, c in enumerate(polynomial.coeffs()) if c}
    return {
        tuple((letter, int(i)) for letter, i in zip(letters, powers, strict=True) if i): int(value)
        for powers, value in polynomial.to_dict().items()
    }


def from_flint(numerator: Any, denominator: Any = None, letter: str = "n") -> RationalFunction:
    """The quotient of two ``flint.fmpz_poly`` in a letter.

    >>> import flint
    >>> from eqsynth.exact.ring import from_flint
    >>> print(from_flint(flint.fmpz_poly([0, 2]), flint.fmpz_poly([0, 0, 4])))
    1/(2 n)
    """
    if denominator is None:
        return _element(_terms(numerator, (letter,)))
    return from_quotient(numerator, denominator, (letter,))


def to_flint(value: RationalFunction) -> tuple[flint.fmpz_poly, flint.fmpz_poly]:
    """Numerator and denominator of a value with at most one letter, as ``flint.fmpz_poly``.

    >>> from eqsynth.exact.ring import RationalFunction, to_flint
    >>> to_flint(RationalFunction("n/(2 n + 2)"))
    (x, 2*x + 2)
    """
    letters = value.letters
    if len(letters) > 1:
        raise SymbolicError(f"{value} has the letters {', '.join(letters)}: put numbers for all but one")
    above, divisor, below = value._parts()
    return to_polynomial(above, letters), to_polynomial(below or _ONE, letters) * divisor


def from_quotient(above: Any, below: Any, letters: Sequence[str]) -> RationalFunction:
    """The quotient of two polynomials of FLINT, as :func:`to_polynomial` makes them.

    >>> from eqsynth.exact.ring import RationalFunction, from_quotient, to_polynomial
    >>> n, c = (to_polynomial(RationalFunction(letter).terms, ("c", "n")) for letter in "nc")
    >>> print(from_quotient(n * c, c * c, ("c", "n")))
    n/c
    """
    if below == 1:
        return _element(_terms(above, letters))
    common = above.gcd(below)
    if below.leading_coefficient() < 0:
        common = -common
    above, below = above // common, below // common
    under = _terms(below, letters)
    divisor = gcd(*under.values())
    return _element(
        _terms(above, letters),
        divisor,
        {monomial: value // divisor for monomial, value in under.items()} if under.keys() != {()} else None,
    )


def _crossed(left: RationalFunction, right: RationalFunction, operation: str) -> tuple[Any, Any, tuple[str, ...]]:
    """A new numerator and denominator from those of two values, by FLINT."""
    (above, divisor, below), (over, factor, under) = left._parts(), right._parts()
    below, under = _scaled(below or _ONE, divisor), _scaled(under or _ONE, factor)
    letters = _letters(above, below, over, under)
    if len(letters) > 1:
        pairs = {"+": ((above, under), (over, below), (below, under)), "*": ((above, over), (below, under))}
        steps = sum(_product_steps(one, two, len(letters)) for one, two in pairs.get(operation, pairs["+"][:2]))
        afford(
            f"a result in {len(letters)} letters", "put numbers for some of them, or take smaller values", steps=steps
        )
    a, b, c, d = (to_polynomial(terms, letters) for terms in (above, below, over, under))
    match operation:
        case "+":
            return a * d + c * b, b * d, letters
        case "*":
            return a * c, b * d, letters
    return a * d, b * c, letters


def _product_steps(left: Terms, right: Terms, letters: int) -> int:
    """About how many steps a product takes: each pair of terms, and more for each term of the result."""
    pairs, degree = len(left) * len(right), _degree(left) + _degree(right)
    return pairs + 20 * min(pairs, comb(degree + letters, letters))


def factor(terms: Terms) -> tuple[int, list[tuple[Terms, int]]]:
    """The content, with the sign, and the irreducible factors of a polynomial that is not zero.

    >>> from eqsynth.exact.ring import RationalFunction, factor
    >>> factor({(("n", 2),): 2, (("n", 1),): -2})
    (2, [({(('n', 1),): 1}, 1), ({(): -1, (('n', 1),): 1}, 1)])

    Raises SizeError for a polynomial of high degree or many terms.
    """
    letters = _letters(terms)
    size = 2 * _degree(terms) if len(letters) < 2 else len(terms)
    afford(f"to factor a polynomial of {len(terms):,} terms", "ask for what needs no factors", steps=size**2)
    content, factors = to_polynomial(terms, letters).factor()
    # FLINT knows factors up to the sign.
    listed, sign = [], 1
    for irreducible, power in factors:
        turned = irreducible.leading_coefficient() < 0
        sign *= -1 if turned and power % 2 else 1
        listed.append((_terms(-irreducible if turned else irreducible, letters), int(power)))
    ordered = sorted(listed, key=lambda pair: (_degree(pair[0]), root_key(-pair[0].get((), 0)), sorted(pair[0])))
    return sign * int(content), ordered


def factored(terms: Terms) -> tuple[int, list[tuple[Terms, int]]]:
    """:func:`factor`, and where that takes too long the polynomial as its only factor."""
    try:
        return factor(terms)
    except SizeError:
        return 1, [(terms, 1)]


def _expanded(letter: str, top: int, bottom: int, roots: Mapping[int, int]) -> tuple[Terms, int, Terms | None]:
    import flint

    degree = sum(map(abs, roots.values()))
    if degree > MAX_DEGREE:
        raise SizeError(
            f"a product of {degree:,} factors in {letter} is beyond {MAX_DEGREE:,} to be multiplied out: "
            "multiply, divide and evaluate it as it is"
        )
    sides = [flint.fmpz_poly([top]), flint.fmpz_poly([1])]
    for root, power in roots.items():
        sides[power < 0] *= flint.fmpz_poly([-root, 1]) ** abs(power)
    above, below = (_terms(side, (letter,)) for side in sides)
    return above, bottom, below if below != _ONE else None


def sum_of(values: Iterable[RationalFunction]) -> RationalFunction:
    """The sum, a value where there is nothing to add, too.

    >>> from eqsynth.exact.ring import RationalFunction, sum_of
    >>> sum_of([RationalFunction("n"), RationalFunction(1)])
    RationalFunction('n + 1')
    """
    return reduce(add, values, _element({}))
