"""Which function the weights of a layer belong to, as a line of text: equal weights and lines give equal functions."""

from __future__ import annotations

from hashlib import sha256
from itertools import product

from eqsynth.bases.basis import Basis, basis, takes_kernel
from eqsynth.bases.dimension import symmetric_dimension
from eqsynth.bases.irreps import has_irreps
from eqsynth.diagrams.diagram import Diagram, MatrixMap
from eqsynth.families.group import Group
from eqsynth.families.hom import ProductHom, maps_of, negated
from eqsynth.plans.plan import POWERS, Plan
from eqsynth.plans.products import maps
from eqsynth.spaces.space import (
    Order,
    Space,
    axes_of,
    none_of,
    order_text,
    orders_of,
    stored_full,
    tensor_parts,
    with_twists,
)

#: The length of the text in a state_dict, the same for all layers, so that checkpoints of others can be read and named.
LENGTH = 256


def weights_of(plan: Plan) -> str:
    """Which function the weights of a plan belong to.

    >>> import eqsynth as eq
    >>> from eqsynth.codegen.meaning import weights_of
    >>> weights_of(eq.plan("S(2)", "16x2 + 8x1", "4x1"))
    'eqsynth 1; S(2): 2 + 1 -> 1; normalization=variance; parameters=diagrams'
    >>> weights_of(eq.plan("S(7)", "8x2", "8x1"))
    'eqsynth 1; S(n): 2 -> 1; normalization=variance; parameters=diagrams'
    >>> weights_of(eq.plan("O(3)", "8x1", "8x1"))
    'eqsynth 1; O(n): 1 -> 1; parameters=diagrams'

    What does not change the function is left out: numbers of channels, the method, the bias, how tensors are stored; a
    number n where the maps are those of the letter, in the same order; the normalization where nothing is summed.
    Texts of more than ``LENGTH`` bytes end with a digest.
    """
    fields = [f"{_group_text(plan)}: {_spaces_text(plan)}"]
    if isinstance(plan.problem, ProductHom) and not plan.problem.degrees:
        fields.append(f"mode={plan.problem.mode}")
    if plan.hom.transfer:
        fields.append(f"transfer={plan.hom.transfer}")
    if plan.parameters == "diagrams" and _sums(plan):
        fields.append(f"normalization={plan.normalization}")
    text = "; ".join(["eqsynth 1", *fields, f"parameters={plan.parameters}"])
    content = text.encode()
    if len(content) <= LENGTH:
        return text
    digest = f"... sha256={sha256(content).hexdigest()}"
    return content[: LENGTH - len(digest)].decode(errors="ignore") + digest


def refusal(key: str, saved: str, plan: Plan) -> str:
    """Why weights of another function are not loaded, and what to do: ``key`` is the entry that says what they are."""
    here = weights_of(plan)
    theirs, ours = (dict(part.partition("=")[::2] for part in text.split("; ")) for text in (saved, here))
    differing = [name for name in {**ours, **theirs} if ours.get(name) != theirs.get(name)]
    cure = "Build the layer that they belong to."
    if differing == ["normalization"] and {theirs.get("normalization"), ours.get("normalization")} <= set(POWERS):
        old, new = theirs["normalization"], ours["normalization"]
        power = POWERS[old] - POWERS[new]
        cure = (
            f"Build the layer with normalization={old!r}. At one n they can be converted: multiply the weights of each "
            f"map by t ** {power:g}, where t is the largest sum of squares in a row of its matrix, "
            "eq.basis(...).matrices(n, turned=False)."
        )
    elif differing == ["parameters"] and theirs["parameters"] in ("diagrams", "blocks"):
        cure = f"Build the layer with parameters={theirs['parameters']!r}: no map from the one to the other is kept."
    # Where both have the maps of one family, such as U(n), messages name the group that the user wrote.
    family, own = f"{_group_text(plan)}: ", f"{plan.hom.group}: "
    named = [text.removeprefix("eqsynth 1; ") for text in (saved, here)]
    if all(text.startswith(family) for text in named):
        named = [own + text.removeprefix(family) for text in named]
    return (
        f"these weights belong to another function:\n    they are those of {named[0]}\n"
        f"    the layer is      {named[1]}\n"
        f"{cure} To load them all the same, delete {key!r} from the state_dict."
    )


def _group_text(plan: Plan) -> str:
    factors = []
    for place, factor in enumerate(plan.hom.group.factors):
        pairs = [(orders_of(k)[place], orders_of(lo)[place]) for k, lo in _pairs(plan)]
        if factor.maps == "nested" and not any(takes_kernel(factor, *pair) for pair in pairs):
            factors.append(factor.named_by_letters(max(axes_of(k) + axes_of(lo) for k, lo in pairs)))
        elif plan.parameters == "diagrams" and all(_as_for_letter(factor, k, lo) for k, lo in pairs):
            factors.append(f"{factor.headless or factor.family}(n)")
        else:
            factors.append(str(factor.unnamed))
    return " x ".join(factors)


def _pairs(plan: Plan) -> list[tuple[Order, Order]]:
    """The orders between which the plan has weights, those of the bias among them."""
    ins, outs = plan.hom.space_in.orders, plan.hom.space_out.orders
    listed = [(k, lo) for k, lo in product(ins, outs)]
    listed += [(none_of(lo), lo) for lo, dim in zip(outs, plan.bias_dims, strict=True) if dim]
    return list(dict.fromkeys((stored_full(k), stored_full(lo)) for k, lo in listed))


def _as_for_letter(factor: Group, inputs: Order, outputs: Order) -> bool:
    """Whether the basis is that for n a letter, element by element."""
    if factor.maps != "diagrams" or has_irreps(inputs, outputs):
        return False
    if factor.symbolic:
        return True
    letter = factor.at("n")
    if letter.form != factor.form:
        return False
    ours, theirs = (maps_of(group, inputs, outputs) for group in (factor, letter))
    parts, total = (*tensor_parts(inputs), *tensor_parts(outputs)), axes_of(inputs) + axes_of(outputs)
    if symmetric_dimension(ours, *parts) != symmetric_dimension(theirs, *parts):
        return False
    if ours.dimension(total) == ours.count(total) == theirs.count(total):
        return True
    own = basis(factor, inputs, outputs)
    if own.certificate.independence in ("stable", "cosets") and not any(map(_has_head, own)):
        # All diagrams, or one of each orbit: there are no others.
        return True
    general = basis(letter, inputs, outputs)
    return (own.diagrams, own.turns) == (general.diagrams, general.turns)


def _has_head(element: object) -> bool:
    return isinstance(element, Diagram) and bool(element.head)


def _spaces_text(plan: Plan) -> str:
    problem = plan.problem
    group = problem.group
    inputs = " (x) ".join(_orders_text(group, space) for space in problem.operands)
    if isinstance(problem, ProductHom) and problem.degrees:
        inputs = f"powers {', '.join(map(str, problem.degrees))} of {inputs}"
    return f"{inputs} -> {_orders_text(group, plan.hom.space_out)}"


def _orders_text(group: Group, space: Space) -> str:
    # Without the twists that change nothing, by determinants that are always 1.
    told = (with_twists(order, negated(group, order)) for order in space.orders)
    return " + ".join(order_text(stored_full(order)) for order in told)


def _sums(plan: Plan) -> bool:
    """Whether some map adds entries up, which is what normalization scales."""
    return any(_adds(maps(plan.problem, pair.term_in, pair.term_out)) for pair in plan.pairs)


def _adds(maps_of: Basis) -> bool:
    if not maps_of.group.diagrammatic or any(isinstance(element, MatrixMap) for element in maps_of):
        return True
    return any(diagram.bottom.dropped or diagram.head for at in range(len(maps_of)) for diagram in maps_of.factors(at))
