"""Groups as text: ``S(5)``, ``Aut(petersen)``, ``S(4) x O(3)``; and what to write for those that are not here."""

from __future__ import annotations

import difflib
import re
from itertools import accumulate
from pathlib import Path

from eqsynth.errors import NAMED, EqsynthError, GroupError, ParseError, shown
from eqsynth.families.group import FAMILIES, OTHERS, SIGNED, Group
from eqsynth.families.product import ProductGroup
from eqsynth.families.reflections import ComplexReflections, reads_reflections
from eqsynth.families.wreath import WreathProduct, split_text

_SIZE = r"(?P<open>\s*\(\s*)?(?P<size>-?\w+)?(?P<close>\s*\))?"
_GROUP = re.compile(rf"\s*(?P<family>[A-Za-z]+'?){_SIZE}")
#: Families whose names have a number, as C4(5x5) has.
_NUMBERED = re.compile(rf"\s*(?P<family>[A-Za-z]+[0-9]+)(?=\s*\(){_SIZE}")
_POWER = re.compile(r"\s*\^\s*(?P<power>-?\w+)\s*")
_SECOND = re.compile(r"(?P<more>\.\w+)?\s*,\s*(?P<size>-?[\w.]+)?(?P<close>\s*\))?")
_CURE = "Write a family and a size, such as S(5) or O(3); a letter, S(n), leaves the size open."
_SPACE = "This is a space, and the group comes first: eq.Linear('O(3)', '4x1', '8x1'), and all other layers as well."

#: Signs that keyboards and editors put in place of an apostrophe.
_PRIMES = str.maketrans(dict.fromkeys("\u2019\u2032\u02b9", "'"))


def parse(text: str, files: bool | Path) -> Group:
    """A group as text; ``files`` as in :meth:`Group.parse`."""
    if not isinstance(text, str):
        graph = ": for a graph write eq.Aut(graph)" if hasattr(text, "nodes") else ""
        raise GroupError(f"a group is a string such as 'S(5)', not {shown(text)}{graph}")
    return _parse_product(text.translate(_PRIMES), 0, len(text), files)


def _parse_product(text: str, start: int, stop: int, files: bool | Path) -> Group:
    pieces = _pieces(text, start, stop)
    if len(pieces) == 1:
        return _parse_factor(text, start, stop, files)
    return ProductGroup([_parse_factor(text, *piece, files) for piece in pieces])


def _pieces(text: str, start: int, stop: int) -> list[tuple[int, int]]:
    """The places of the factors: text between the signs x outside of brackets."""
    depth, before, pieces = 0, "", []
    for position in range(start, stop):
        mark = text[position]
        depth += (mark == "(") - (mark == ")")
        if mark in "x\u00d7" and depth == 0 and before == ")":
            pieces.append((start, position))
            start = position + 1
        # A power belongs to what it stands behind.
        behind = mark.isspace() or mark == "^" or (before == ")" and mark.isdecimal())
        before = before if behind else mark
    return [*pieces, (start, stop)]


def _in_brackets(text: str, start: int, stop: int) -> tuple[int, int] | None:
    """The place of what stands between two brackets, where these hold all of a piece of text."""
    written = text[start:stop]
    first, last = start + len(written) - len(written.lstrip()), start + len(written.rstrip())
    if last - first < 2 or text[first] != "(" or text[last - 1] != ")":
        return None
    depths = [*accumulate((mark == "(") - (mark == ")") for mark in text[first : last - 1])]
    return (first + 1, last - 1) if min(depths) > 0 else None


def _parse_factor(text: str, start: int, stop: int, files: bool | Path) -> Group:
    """A factor: a group, a wreath product of two, or one of these in brackets."""
    if inside := _in_brackets(text, start, stop):
        return _parse_product(text, *inside, files)
    sides = split_text(text[start:stop])
    if len(sides) == 1:
        return _parse_single(text, start, stop, files)
    if len(sides) > 2:
        raise ParseError(
            "group",
            text,
            start,
            "wreath products of more than two groups are not here: where they permute points, give generators to "
            "eq.PermutationGroup",
            WreathProduct.how,
        )
    outer = _parse_factor(text, stop - len(sides[1]), stop, files)
    inside = start, start + len(sides[0])
    while within := _in_brackets(text, *inside):
        inside = within
    try:
        reflections = reads_reflections(text[slice(*inside)], outer)
    except GroupError as error:
        raise ParseError("group", text, start, str(error), ComplexReflections.how) from None
    if reflections is not None:
        return reflections
    inner = _parse_factor(text, start, start + len(sides[0]), files)
    try:
        return WreathProduct(inner, outer)
    except GroupError as error:
        raise ParseError("group", text, start, str(error), WreathProduct.how) from None


def _parse_single(text: str, start: int, stop: int, files: bool | Path) -> Group:
    lead = start + len(text[start:stop]) - len(text[start:stop].lstrip())
    match = _NUMBERED.match(text, start, stop)
    if match is None or match["family"] not in OTHERS:
        match = _GROUP.match(text, start, stop)
    if match is None:
        cure = _SPACE if re.compile(r"\s*[0-9]+\s*x").match(text, lead) else _CURE
        raise ParseError("group", text, lead, "a group name is expected", cure)
    name = match["family"]
    if name not in FAMILIES and name not in OTHERS:
        raise ParseError("group", text, match.start("family"), f"no family is called {shown(name)}", suggestion(name))
    if not match["open"]:
        digits = re.compile(r"[_\[ ]?([0-9]{1,7})").match(text, match.end("family"))
        cure = OTHERS[name].how if name in OTHERS else _CURE
        if digits and _sized(name, digits[1]) and not text.startswith("(", digits.end()):
            cure = f"Write {name}({digits[1]})."
        if re.compile(r"[0-9][hvd](?![a-zA-Z])").match(text, match.end("family")):
            cure = _CRYSTAL
        raise ParseError("group", text, match.end("family"), "( and a size are expected here", cure)
    if name in OTHERS:
        inside = match.end("open")
        close = text.rfind(")", inside, stop)
        if close < 0:
            raise ParseError("group", text, stop, ") is expected here", _CURE)
        power = _POWER.fullmatch(text, close + 1, stop)
        if text[close + 1 : stop].strip() and power is None:
            raise ParseError("group", text, close + 1, "nothing more is expected here", _CURE)
        written = text[inside:close].strip()
        try:
            if power:
                return OTHERS[name].of_power(written, power["power"])
            return OTHERS[name].of_text(written, files)
        except EqsynthError as error:
            raise ParseError("group", text, inside, str(error), OTHERS[name].how) from None
    if not match["size"]:
        raise ParseError("group", text, match.end("open"), "a size is expected here", _CURE)
    if not match["close"]:
        second = _SECOND.match(text, match.end(), stop)
        if second is None:
            raise ParseError("group", text, match.end("size"), ") is expected here", _CURE)
        return _signed(text, match, second, stop)
    rest = text[match.end() : stop]
    if rest.strip():
        at = match.end() + len(rest) - len(rest.lstrip())
        raise ParseError("group", text, at, "nothing more is expected here", _CURE)
    try:
        return FAMILIES[name](name, _size(match["size"]))
    except GroupError as error:
        raise ParseError("group", text, match.start("size"), str(error), _CURE) from None


def _sized(name: str, digits: str) -> bool:
    """Whether a family takes a size."""
    try:
        return name in FAMILIES or bool(OTHERS[name].of_text(digits, False))
    except EqsynthError:
        return False


def _size(text: str) -> int | str:
    return int(text[:20]) if re.fullmatch(r"-?[0-9]+", text) else text


def _signed(text: str, match: re.Match[str], second: re.Match[str], stop: int) -> Group:
    """A family and two numbers: the signs of a form."""
    name = match["family"]
    if name not in SIGNED:
        cure = _OVER_COMPLEX if FAMILIES[name].rational else f"{_CURE} {_LORENTZ}"
        raise ParseError("group", text, match.end("size"), f"{name} takes one size", cure)
    if not second["size"]:
        raise ParseError("group", text, second.end(), "a number of signs - is expected here", _LORENTZ)
    if not second["close"]:
        raise ParseError("group", text, second.end("size"), ") is expected here", _LORENTZ)
    rest = text[second.end() : stop]
    if rest.strip():
        at = second.end() + len(rest) - len(rest.lstrip())
        raise ParseError("group", text, at, "nothing more is expected here", _CURE)
    try:
        return SIGNED[name].of_signs(_size(match["size"] + (second["more"] or "")), _size(second["size"]))
    except GroupError as error:
        raise ParseError("group", text, match.start("size"), str(error), _LORENTZ) from None


_COMPLEX = (
    "Unitary matrices, on complex tensors, are U(n), and with determinant 1 SU(n). USp(2n) has on complex tensors the "
    "maps of Sp(2n): take that, and convert the layer, layer.to(torch.complex64)."
)
_OVER_COMPLEX = (
    "GL(n) and SL(n) are over the real numbers. On complex tensors GL(n, C) and U(p,q) have the maps of U(n), "
    "n = p + q, SL(n, C) and SU(p,q) those of SU(n), with V* the dual of V: write U(2) or SU(2)."
)
_RIGID = (
    "A layer that commutes with translations, too, reads differences of positions (to a neighbour, or to the mean): "
    "take those with O(n), or with SO(n) where mirror images differ."
)
_LORENTZ = (
    "O(p,q) and SO(p,q) keep a form with p signs + and q signs -: the Lorentz group is O(1,3), or with determinant 1 "
    "SO(1,3). Sp(n) keeps the symplectic form."
)
_LINEAR = "Scalars change no maps of PGL(n) and PSL(n) but those of GL(n) and SL(n): take these."
_CRYSTAL = (
    "The point groups of crystals are eq.point_group('m-3m') and so on, or 'Oh'; other ones are groups of matrices, "
    "eq.MatrixGroup([quarter_turn, inversion]). C(n) and D(n) permute n points instead."
)
_CYCLIC = (
    "Rotations of n points in a ring are C(5), quarter turns of an image C4(5x5), those of the plane "
    "Matrix([[0,-1],[1,0]]; )."
)
_DIHEDRAL = (
    "Rotations and reflections of n points in a ring are D(5), those of an image D4(5x5), those of the plane "
    "Matrix([[0,-1],[1,0]] [[1,0],[0,-1]]; )."
)
_SIGNED = "The group of all permutations with signs is H(n)."
#: Names of groups that are no families here, and what there is instead.
ELSEWHERE = {
    **dict.fromkeys(("Oh", "Th", "Td", "Ih", "Ci", "Cs", "mm", "m", "PointGroup", "Laue"), _CRYSTAL),
    **dict.fromkeys(("USp", "Unitary"), _COMPLEX),
    **dict.fromkeys(("SE", "E", "ISO", "Euclidean", "T", "Translation", "Galilei", "Aff"), _RIGID),
    **dict.fromkeys(("Lorentz", "Poincare", "Minkowski"), _LORENTZ),
    **dict.fromkeys(("PGL", "PSL"), _LINEAR),
    **dict.fromkeys(("Cyclic", "Cyc", "Zn"), _CYCLIC),
    **dict.fromkeys(("Dih", "Dihedral"), _DIHEDRAL),
    **dict.fromkeys(("BC", "Hyperoctahedral"), _SIGNED),
    **dict.fromkeys(("Sym", "Symmetric"), "The group of all permutations is S(n)."),
    **dict.fromkeys(("Alt", "Alternating"), "The group of even permutations is A(n)."),
    **dict.fromkeys(("Orthogonal", "Rot", "Rotation"), "Rotations are SO(n), and with reflections O(n)."),
    "Symplectic": "The symplectic group is Sp(n), n even.",
    **dict.fromkeys(("Spin", "Pin"), "Tensors of R^n see no more of Spin(n) and Pin(n) than SO(n) and O(n)."),
    **dict.fromkeys(("Trivial", "Identity"), "The group of one element is Perm(4: ), with a number of points."),
}


def checked_name(name: object) -> str:
    """The name that somebody gave to a group; GroupError for what is no name, or could be read as another group.

    >>> from eqsynth.families.text import checked_name
    >>> checked_name("Rubik 2x2"), checked_name("-43m"), checked_name("4/m")
    ('Rubik 2x2', '-43m', '4/m')
    """
    if not isinstance(name, str):
        raise GroupError(f"the name of a group is a text, not {shown(name)}: write name='rotations'")
    if name and (name != name.strip() or not NAMED.fullmatch(f"{name} = ")):
        raise GroupError(
            f"{shown(name)} is no name of a group: take at most 40 letters, digits, blanks and the signs _ . + - /, a "
            "letter, a digit or - first"
        )
    family = re.fullmatch(r"([A-Za-z]+?)[\s_.-]?[0-9n]*", name)
    if " x " in name:
        raise GroupError(f"{shown(name)} reads as a product of groups: take a name without an x between blanks")
    if family and family[1] in (*FAMILIES, *OTHERS):
        raise GroupError(
            f"{shown(name)} reads as a member of the family {family[1]}, and this may be another group: put a word in "
            f"front, name={f'group {name}'!r}"
        )
    return name


def named_text(family: str, name: str, inside: str) -> str:
    """A group that is written out, as text, with its name if it has one.

    >>> from eqsynth.families.text import named_text
    >>> named_text("Perm", "ring", "4: 1 2 3 0")
    'Perm(ring = 4: 1 2 3 0)'
    """
    return f"{family}({name} = {inside})" if name else f"{family}({inside})"


def split_name(inside: str) -> tuple[str, str]:
    """What stands in brackets, as the name and the rest.

    >>> from eqsynth.families.text import split_name
    >>> split_name("ring = 4: 1 2 3 0"), split_name("4: 1 2 3 0")
    (('ring', '4: 1 2 3 0'), ('', '4: 1 2 3 0'))
    """
    match = NAMED.match(inside)
    return (match["name"], inside[match.end() :]) if match else ("", inside)


def suggestion(name: str) -> str:
    """What to write in place of a name that is no family's."""
    known = ", ".join([*(f"{family}(n)" for family in FAMILIES), *(f"{other}(...)" for other in OTHERS)])
    names = {other.lower(): other for other in (*ELSEWHERE, *FAMILIES, *OTHERS)}
    close = difflib.get_close_matches(name[:20].lower(), names, n=1, cutoff=0.7)
    near = names.get(name.lower()) or (names[close[0]] if close else "")
    if near in ELSEWHERE:
        return f"{ELSEWHERE[near]} The families are {known}."
    return f"Did you mean {near}? The families are {known}." if near else f"The families are {known}."
