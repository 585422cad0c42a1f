"""The 32 point groups of crystals by name, as groups of matrices.

Source: International Tables for Crystallography A, chapter 10.
"""

from __future__ import annotations

from eqsynth.errors import GroupError, explain_calls, shown
from eqsynth.families.matrix import MatrixGroup

Rows = tuple[tuple[int, int, int], ...]


def _diagonal(*entries: int) -> Rows:
    first, second, third = entries
    return ((first, 0, 0), (0, second, 0), (0, 0, third))


def _negative(rows: Rows) -> Rows:
    return tuple((-a, -b, -c) for a, b, c in rows)


INVERSION = _diagonal(-1, -1, -1)
HALF_X, HALF_Y, HALF_Z = _diagonal(1, -1, -1), _diagonal(-1, 1, -1), _diagonal(-1, -1, 1)
MIRROR_X, MIRROR_Y = _negative(HALF_X), _negative(HALF_Y)
QUARTER: Rows = ((0, -1, 0), (1, 0, 0), (0, 0, 1))
#: A third of a turn about (1, 1, 1).
SPACE_DIAGONAL: Rows = ((0, 0, 1), (1, 0, 0), (0, 1, 0))
#: On the lattice vectors a and b, 120 degrees apart, and c: a third and a sixth of a turn about c, half of one about
#: a + b.
THIRD: Rows = ((0, -1, 0), (1, -1, 0), (0, 0, 1))
SIXTH: Rows = ((1, -1, 0), (1, 0, 0), (0, 0, 1))
SWAP: Rows = ((0, 1, 0), (1, 0, 0), (0, 0, -1))
#: Generators of each class, by its name of Hermann and Mauguin; Schoenflies' name beside it.
CLASSES: dict[str, tuple[str, tuple[Rows, ...]]] = {
    "1": ("C1", (_diagonal(1, 1, 1),)),
    "-1": ("Ci", (INVERSION,)),
    "2": ("C2", (HALF_Y,)),
    "m": ("Cs", (MIRROR_Y,)),
    "2/m": ("C2h", (HALF_Y, INVERSION)),
    "222": ("D2", (HALF_Z, HALF_Y)),
    "mm2": ("C2v", (HALF_Z, MIRROR_Y)),
    "mmm": ("D2h", (HALF_Z, HALF_Y, INVERSION)),
    "4": ("C4", (QUARTER,)),
    "-4": ("S4", (_negative(QUARTER),)),
    "4/m": ("C4h", (QUARTER, INVERSION)),
    "422": ("D4", (QUARTER, HALF_X)),
    "4mm": ("C4v", (QUARTER, MIRROR_X)),
    "-42m": ("D2d", (_negative(QUARTER), HALF_X)),
    "4/mmm": ("D4h", (QUARTER, HALF_X, INVERSION)),
    "3": ("C3", (THIRD,)),
    "-3": ("S6", (THIRD, INVERSION)),
    "32": ("D3", (THIRD, SWAP)),
    "3m": ("C3v", (THIRD, _negative(SWAP))),
    "-3m": ("D3d", (THIRD, SWAP, INVERSION)),
    "6": ("C6", (SIXTH,)),
    "-6": ("C3h", (_negative(SIXTH),)),
    "6/m": ("C6h", (SIXTH, INVERSION)),
    "622": ("D6", (SIXTH, SWAP)),
    "6mm": ("C6v", (SIXTH, _negative(SWAP))),
    "-6m2": ("D3h", (_negative(SIXTH), _negative(SWAP))),
    "6/mmm": ("D6h", (SIXTH, SWAP, INVERSION)),
    "23": ("T", (HALF_Z, SPACE_DIAGONAL)),
    "m-3": ("Th", (HALF_Z, SPACE_DIAGONAL, INVERSION)),
    "432": ("O", (QUARTER, SPACE_DIAGONAL)),
    "-43m": ("Td", (_negative(QUARTER), SPACE_DIAGONAL)),
    "m-3m": ("Oh", (QUARTER, SPACE_DIAGONAL, INVERSION)),
}


@explain_calls
def point_group(name: str) -> MatrixGroup:
    """One of the 32 point groups of crystals, by its name of Hermann and Mauguin or of Schoenflies.

    >>> import eqsynth as eq
    >>> cubic = eq.point_group("m-3m")
    >>> cubic, cubic.order
    (<MatrixGroup point group Oh: 3 x 3, 3 generators, 0 of its Lie algebra>, 48)
    >>> elasticity, piezoelectricity = "[ijkl=jikl=klij]", "[ijk=ikj]"
    >>> [len(eq.basis(eq.point_group(name), 0, elasticity)) for name in ("-1", "mmm", "6/mmm", "m-3m")]
    [21, 9, 5, 3]
    >>> len(eq.basis(eq.point_group("-43m"), 0, piezoelectricity))
    1

    The result goes wherever a group does: ``eq.Linear(eq.point_group("4mm"), "8xS2", "8x1")``.

    Axes are Cartesian: z is the main axis, y that of the monoclinic classes 2, m and 2/m. Trigonal and hexagonal
    classes act on coordinates along the lattice vectors a, b (120 degrees apart) and c instead, where their entries are
    whole numbers. Numbers of independent constants are the same in all coordinates; components are those along a, b, c.

    Raises GroupError for other names. Source: International Tables for Crystallography A, chapter 10.
    """
    schoenflies = {symbol: international for international, (symbol, _) in CLASSES.items()}
    known = schoenflies.get(name, name) if isinstance(name, str) else ""
    if known not in CLASSES:
        raise GroupError(f"{shown(name)} is no point group of crystals: they are {', '.join(CLASSES)}")
    symbol, generators = CLASSES[known]
    return MatrixGroup(generators, name=f"point group {symbol}")
