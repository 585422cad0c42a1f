"""Which functions may be applied to tensors entry by entry: exact, decided from the generators of the group.

The theorem (arXiv 2401.09235, after Wood and Shawe-Taylor 1996): let f be continuous and M an invertible matrix, and
let f act on vectors entry by entry. If a row of M has two non-zero entries and f(M x) = M f(x) for all x, then f is
affine. If every row has one non-zero entry m, then f(M x) = M f(x) exactly where f(m t) = m f(t) for each of these m.
"""

from __future__ import annotations

from dataclasses import dataclass

from eqsynth.errors import SpaceError
from eqsynth.families.group import Group
from eqsynth.families.hom import Hom
from eqsynth.spaces.space import (
    Decomposed,
    FactorAxes,
    Irrep,
    Order,
    Space,
    Symmetry,
    axis_counts,
    entries_of,
    order_text,
    orders_of,
    stored_full,
    stored_packed,
    twists_of,
)

THEOREM = "arXiv 2401.09235"

ODD = ("asinh", "atan", "erf", "hardshrink", "hardtanh", "sin", "softshrink", "softsign", "tanh", "tanhshrink")
HOMOGENEOUS = ("abs", "leaky_relu", "relu")
PLAIN = (
    *("celu", "cos", "elu", "exp", "gelu", "hardsigmoid", "hardswish", "logsigmoid", "mish", "relu6", "selu"),
    *("sigmoid", "silu", "softplus", "square"),
)
#: What functions are known to be, by name; "plain" ones have no property that helps.
PROPERTIES: dict[str, frozenset[str]] = {
    "identity": frozenset({"odd", "homogeneous", "linear"}),
    **dict.fromkeys(ODD, frozenset({"odd"})),
    **dict.fromkeys(HOMOGENEOUS, frozenset({"homogeneous"})),
    **dict.fromkeys(PLAIN, frozenset[str]()),
}


@dataclass(frozen=True, slots=True)
class Demand:
    """What a function must be, to commute with a group that acts on tensors of one order.

    >>> from eqsynth import Group
    >>> from eqsynth.bases.pointwise import demand
    >>> demand(Group.parse("S(n)"), 2).free
    True
    >>> print(demand(Group.parse("O(1)"), 1).properties)
    ('odd',)
    >>> print(demand(Group.parse("O(3)"), 1).reason)
    elements of O(3) have rows with several non-zero entries

    ``properties`` is empty where every function commutes. ``odd`` is f(-t) = -f(t), ``homogeneous`` is f(m t) = m f(t)
    for m > 0, and ``linear`` is f(t) = a t, which always commutes. ``reason`` says why something is asked.
    """

    properties: tuple[str, ...] = ()
    reason: str = ""

    @property
    def free(self) -> bool:
        """Whether every function commutes with the group."""
        return not self.properties

    def allows(self, properties: frozenset[str]) -> bool:
        """Whether a function with these properties commutes with the group."""
        return "linear" in properties or properties.issuperset(self.properties)


def demand(group: Group, order: Order) -> Demand:
    """What a function must be to commute with the group on tensors of this order.

    >>> from eqsynth import Group, MatrixGroup
    >>> quarter = MatrixGroup([[[0, -1], [1, 0]]])
    >>> [demand(quarter, order).properties for order in (0, 1, 2)]
    [(), ('odd',), ('odd',)]
    >>> demand(Group.parse("S(n) x O(3)"), (2, 0)).free
    True

    Order 0 is invariant: every function commutes. A product group asks for what each of its factors asks for, which
    acts on axes of its own. Source: arXiv 2401.09235.
    """
    properties: set[str] = set()
    reasons = []
    parts = zip(group.factors, axis_counts(order), entries_of(order), twists_of(order), strict=True)
    for factor, count, one, twisted in parts:
        for part in (_demand_of_factor(factor, one, count, twisted), _demand_of_exchanges(one)):
            properties.update(part.properties)
            if part.reason and part.reason not in reasons:
                reasons.append(part.reason)
    if "linear" in properties:
        properties = {"linear"}
    return Demand(tuple(sorted(properties)), ", and ".join(reasons))


def _demand_of_exchanges(one: FactorAxes) -> Demand:
    """What it takes to keep the symmetry of a tensor."""
    if not isinstance(one, Symmetry) or not one.signed:
        return Demand()
    flips = "an exchange of two axes flips the signs of alternating" if one.short else f"the signs of {one.full}"
    return Demand(("odd",), f"{flips} tensors" if one.short else f"exchanges of axes flip {flips} tensors")


def _read_by_position(factor: Group, one: FactorAxes, count: int) -> bool:
    """Whether values can be read one by one: the group only moves them, and so do exchanges of axes."""
    return _demand_of_factor(factor, one, count, False).free and _demand_of_exchanges(one).free


def _demand_of_factor(group: Group, one: FactorAxes, count: int, twisted: bool) -> Demand:
    """What it takes to commute with the group on V^count, perhaps times its determinant, which is V where n = 1."""
    if isinstance(one, Decomposed):
        return Demand(("linear",), f"elements of {group} mix the coordinates of the parts of {one}")
    if isinstance(one, Irrep) and count:
        return Demand(("linear",), f"elements of {group} mix the coordinates of the irrep {one}")
    twisted = twisted and group.flips
    if twisted and group.n == 1:
        count, twisted = count + 1, False
    properties, reason = group.pointwise(count) if count else ((), "")
    if not twisted or "odd" in properties or "linear" in properties:
        return Demand(properties, reason)
    signs = f"elements of {group} with determinant -1 flip the signs of twisted tensors"
    return Demand(tuple(sorted((*properties, "odd"))), ", and ".join(filter(None, (reason, signs))))


def positions(group: Group, order: Order, added: bool = True) -> tuple[bool, ...]:
    """For each axis of a tensor, whether the group only moves its positions, so that values can be read one by one.

    >>> from eqsynth import Group
    >>> positions(Group.parse("S(n) x O(3)"), (2, 1))
    (True, True, False)

    The other axes hold components, which the group mixes or changes in sign; a sign that a determinant gives to the
    whole tensor moves no position and is left out here. Raises SpaceError where these are packed, unless they are not
    ``added`` up: sums over all entries are more than those over the entries that are held once.
    """
    readable: list[bool] = []
    for factor, count, one in zip(group.factors, axis_counts(order), entries_of(order), strict=True):
        free = _read_by_position(factor, one, count)
        packed = stored_packed(one)
        if added and packed and not free and isinstance(one, Symmetry):
            raise SpaceError(
                f"the components of {order_text(order)} of {group} are packed: ask for "
                f"{order_text(stored_full(order))}, and use eq.unpack and eq.pack before and behind"
            )
        readable += [free] * (1 if packed else count)
    return tuple(readable)


def require_full(space: Space, what: str) -> None:
    """Raise SpaceError where a space has packed tensors, of which sums would count some entries too little.

    Coordinates of irreps are orthonormal, and sums of their squares those of the tensors.
    """
    for order in space.orders:
        if any(isinstance(one, Symmetry) and one.packed for one in entries_of(order)):
            raise SpaceError(
                f"{what} adds up all entries, and {order_text(order)} holds some once that stand in several places: "
                f"ask for {order_text(stored_full(order))}, and use eq.unpack and eq.pack before and behind"
            )


def positional(group: Group, order: Order) -> Order:
    """The order that is left when the axes of components are contracted: the order of gates and norms.

    >>> from eqsynth import Group
    >>> positional(Group.parse("S(n) x O(3)"), (2, 1)), positional(Group.parse("O(3)"), 2)
    ((2, 0), 0)

    Gates and norms have no sign: they are not twisted, but by determinants that are always 1.
    """
    listed = zip(group.factors, axis_counts(order), entries_of(order), orders_of(order), strict=True)
    parts = tuple(
        (one if one != given and factor.flips else given) if _read_by_position(factor, one, count) else 0
        for factor, count, one, given in listed
    )
    return parts if isinstance(order, tuple) else parts[0]


def gates(group: Group, space: Space) -> Space | None:
    """One gate for each channel that has components, as a space; None where every value can be read by itself.

    >>> from eqsynth import Group, Space
    >>> print(gates(Group.parse("O(3)"), Space.parse("8x2 + 4x1 + 2x0")))
    8x0 + 4x0
    """
    Hom(group, space, space)
    terms = tuple(
        (channels, positional(group, order)) for channels, order in space if positional(group, order) != order
    )
    return Space(terms) if terms else None


def refusal(group: Group, order: Order, name: str, known: frozenset[str]) -> str:
    """Why a function is refused, and what to use instead."""
    asked = demand(group, order)
    where = f"tensors of order {order_text(order)} of {group}"
    if asked.properties == ("linear",):
        only = "only affine functions, such as the identity, can commute"
        cure = (
            "Use eq.nn.Gated (channels of order 0 scale the others), eq.nn.NormActivation, eq.nn.Pairings or eq.Power "
            "(products of the input with itself), and pointwise functions on terms of order 0"
        )
    elif asked.properties == ("odd",):
        only = "only odd functions, f(-t) = -f(t), commute with it"
        cure = "Use an odd one such as tanh, sin or softsign; declare one of your own with odd=True"
    elif asked.properties == ("homogeneous",):
        only = "only functions with f(m t) = m f(t) for m > 0 commute with it"
        cure = "Use relu, leaky_relu or abs; declare one of your own with homogeneous=True"
    else:
        only = "only functions with f(-t) = -f(t) and f(m t) = m f(t), the multiples of the identity, commute with it"
        cure = "Use eq.nn.Gated, eq.nn.NormActivation, eq.nn.Pairings or eq.Power"
    what = f"{name} is {', '.join(sorted(known))}" if known else f"{name} is not known to be {asked.properties[0]}"
    return (
        f"{name} cannot be applied entry by entry to {where}: {asked.reason}, and then {only}; {what} "
        f"({THEOREM}). {cure}"
    )
