"""Prove again what a layer, a network or a file of one claims."""

from __future__ import annotations

import ast
import os
import re
import sys
from collections.abc import Mapping
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eqsynth.errors import VerificationError, abridged, counted, explain_calls, shown
from eqsynth.plans.plan import Plan
from eqsynth.proof import verification
from eqsynth.proof.testing import assert_equivariant
from eqsynth.proof.trials import check_draws
from eqsynth.proof.verification import Report
from eqsynth.store import files

if TYPE_CHECKING:
    from torch import nn

    from eqsynth.families.hom import Problem
    from eqsynth.layers.emitted import EmittedLayer

#: A file and the network agree up to rounding in float64.
TOLERANCE = 1e-9


@explain_calls
def verify(
    subject: EmittedLayer | nn.Module | Plan | Problem | str | os.PathLike[str], *, trials: int = 5, seed: int = 0
) -> Report:
    """Prove again what a layer or a network claims, and try it on random group elements in float64.

    >>> import eqsynth as eq
    >>> print(eq.verify(eq.Hom.parse("O(3)", "2x2", "3x2 + 1x0")))  # doctest: +ELLIPSIS
    verified O(3): 2x2 -> 3x2 + 1x0
      ok  independent and complete, 2 -> 2: 3 maps...
    >>> print(eq.verify(eq.nn.MLP("S(n)", ["1x1", "2x1", "1x0"])))
    verified MLP S(n): 1x1 -> 1x0
      ok  0, S(n): 1x1 -> 2x1: 2 maps, proven as a layer by itself
      ok  2, S(n): 2x1 -> 1x0: 1 map, proven as a layer by itself
      ok  equivariant as a whole, in float64, in evaluation

    ``subject`` is a layer, a plan, a Hom, its text (``"S(n): 16x2 -> 32x2"``, or ``"O(3): 4x1 (x) 4x1 -> 4x2"`` for
    products), a network of ``eq.nn``, or the path of an exported file of any of these. A file is read, never run: what
    it says of its problem or of its modules is parsed, the source emitted anew and compared, and the new source is what
    runs. In a network each layer is proven, and the whole is tried, as :func:`eqsynth.testing.assert_equivariant` does.

    Raises VerificationError with the failed check; ParseError or ExportError for what cannot be read.
    """
    check_draws(trials, seed)
    if isinstance(subject, str | os.PathLike) and not (isinstance(subject, str) and ":" in subject and "->" in subject):
        path = files.path_of(subject)
        text = _text_of_network(path)
        return verification.prove(path, trials=trials, seed=seed) if text is None else _file(path, text, trials, seed)
    torch = sys.modules.get("torch")  # who has a network has loaded it
    inner = getattr(subject, "_orig_mod", subject)
    if torch is None or not isinstance(inner, torch.nn.Module) or isinstance(getattr(inner, "plan", None), Plan):
        return verification.prove(subject, trials=trials, seed=seed)  # type: ignore[arg-type]  # all but networks
    return Report(_named(inner), tuple(_network(inner, trials, seed)))


def _named(network: Any) -> str:
    from eqsynth.nn.networks import problem_of

    hom = problem_of(network)
    return f"{type(network).__name__} {abridged(hom.group)}: {hom.space_in} -> {hom.space_out}"


def _network(network: Any, trials: int, seed: int) -> list[str]:
    """The checks of a network: each layer by itself, and the whole."""
    from eqsynth.layers.emitted import EmittedLayer

    checks = []
    for place, module in network.named_modules():
        if isinstance(module, EmittedLayer):
            what = f"{place or 'the network'}, {abridged(module.problem)}"
            try:
                verification.prove(module, trials=trials, seed=seed)
            except VerificationError as error:
                raise VerificationError(f"{what}: {error}") from error
            count = counted(sum(pair.dim for pair in module.plan.pairs), "map")
            checks.append(f"{what}: {count}, proven as a layer by itself")
    training = network.training
    try:
        assert_equivariant(network.eval(), trials=trials, seed=seed)
    finally:
        network.train(training)
    return [*checks, "equivariant as a whole, in float64, in evaluation"]


def _text_of_network(path: Path) -> str | None:
    """The text of a file that says that it is an exported network; None for any other, and where there is none."""
    from eqsynth.project.networks import SIGNED

    try:
        text = files.read(path, verification.MAX_EXPORTED).decode("utf-8")
    except (OSError, ValueError):
        return None
    return text if files.plain(text.encode()).decode().rpartition("\n" + SIGNED)[1] else None


def _file(path: Path, text: str, trials: int, seed: int) -> Report:
    """A file of a network: the network is made anew from what the file says, written, compared, and checked."""
    import torch

    from eqsynth.layers.emitted import compile_source
    from eqsynth.project.networks import network_artifact

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network, name = rebuilt(path, text)
        artifact = network_artifact(network, name)
        same = verification.same_source(path, text, artifact.source, artifact.problem)
        checks = _network(network, trials, seed)
        alone: Any = compile_source(artifact)()
        error = _difference(network, alone)
    if not error <= TOLERANCE:
        raise VerificationError(f"{path} and the network that it is of differ: relative error {error:.1e}")
    return Report(
        _named(network), (same, *checks, f"the file computes what the network computes: relative error {error:.1e}")
    )


def _difference(network: Any, alone: Any) -> float:
    """How far the outputs of a network and of its file are apart, in float64, in evaluation."""
    import numpy as np
    import torch
    from torch.utils._pytree import tree_leaves

    from eqsynth.bases.decomposed import random_tensor
    from eqsynth.nn.activations import joined
    from eqsynth.nn.networks import problem_of, sizes_asked
    from eqsynth.nn.padding import Padded
    from eqsynth.nn.sparse import Sparse
    from eqsynth.proof.testing import converted
    from eqsynth.proof.trials import concrete_factors, distance, sizes_to_try
    from eqsynth.spaces.space import least_shown

    inside = network.module if isinstance(network, Sparse) else network
    hom, asked, worst = problem_of(network), sizes_asked(inside), 0.0
    rng = np.random.default_rng(0)
    dtype = torch.complex128 if hom.group.over_complex else torch.float64
    both = [converted(module, torch.float64).eval() for module in (network, alone)]
    both[1].load_state_dict(both[0].state_dict())
    tried = sizes_to_try(hom.group, least=least_shown(hom.space_in))
    for sizes in tried[-1:]:
        ns = [int(factor.n) for factor in concrete_factors(hom.group, sizes)]
        drawn = [random_tensor(rng, order, ns, wide, 3, hom.group.over_complex) for wide, order in hom.space_in]
        if isinstance(network, Sparse):
            drawn = network.thinned(drawn, rng)
        x: Any = joined([torch.as_tensor(term, dtype=dtype) for term in drawn])
        outputs = []
        others: list[Any] = [sizes[letter] for letter in asked]
        if isinstance(network, Padded):  # samples of different sizes, and of size 0
            others = [{letter: [sizes[letter], tried[0][letter], 0] for letter in sizes}]
        if isinstance(network, Sparse):
            x, *others = network.entries_of(x, *others)
        with torch.no_grad():
            for module in both:
                y = [term for term in tree_leaves(module(x, *others)) if term.is_floating_point() or term.is_complex()]
                outputs.append([term.numpy() for term in y])
        worst = max(worst, distance("the file", *outputs))
    return worst


# --- a network from what its file says ----------------------------------------------------------------


def rebuilt(path: Path, text: str) -> tuple[Any, str]:
    """The network that an exported file describes, with new weights, and the name of its class. Nothing of it is run.

    >>> import pathlib, tempfile, eqsynth as eq
    >>> from eqsynth.project.verifying import rebuilt
    >>> path = pathlib.Path(tempfile.mkdtemp(), "network.py")
    >>> artifact = eq.export(eq.nn.MLP("O(3)", ["2x1", "3x1 + 2x0", "1x0"]), path)
    >>> network, name = rebuilt(path, artifact.source)
    >>> name, [type(module).__name__ for module in network]
    ('Network', ['Linear', 'Pairings', 'Gated', 'Linear'])

    Raises VerificationError for a file that describes none.
    """
    from eqsynth.project.networks import RECIPES, SIGNED

    lines = files.plain(text.encode()).decode()
    above, marked, below = lines.rpartition(f"\n{RECIPES}\n")
    if not marked:
        raise VerificationError(
            f"{path} does not say how its modules are made, as files of networks do since eqsynth 0.2: export it again"
        )
    try:
        tree = ast.parse(above)
        recipes = ast.parse("\n".join(line.removeprefix("#").strip() for line in _until(below, SIGNED)))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise VerificationError(f"{path} is not Python source: {error}") from error
    dtype = re.search(r"^    network = \w+\(dtype=torch\.(\w+)\)$", ast.get_docstring(tree, clean=False) or "", re.M)
    maker = _Maker(path, dtype[1] if dtype else None)
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            maker.layer(node)
    name = ""
    for line in recipes.body:
        if not (isinstance(line, ast.Assign) and isinstance(line.targets[0], ast.Name)):
            raise VerificationError(f"{path} says of its modules {shown(ast.unparse(line))}: export it again")
        name = line.targets[0].id
        maker.modules[name] = maker.value(line.value)
    if not name:
        raise VerificationError(f"{path} describes no modules: export it again")
    return maker.made(name), name


def _until(text: str, mark: str) -> list[str]:
    return text.rpartition(mark)[0].splitlines()


class _Maker:
    """Makes modules from calls as files of networks have them: of eq.nn, with numbers, texts and functions of torch."""

    def __init__(self, path: Path, dtype: str | None) -> None:
        import torch

        from eqsynth.project.networks import HOLDING, SINGLE

        self.path = path
        self.kinds = {kind.__name__: kind for kind in (*SINGLE, *HOLDING)}
        self.dtype = getattr(torch, dtype, None) if dtype else None
        self.modules: dict[str, Any] = {}
        self.plans: dict[str, Plan] = {}

    def layer(self, node: ast.ClassDef) -> None:
        """Note the plan of a layer, whose class says its problem."""
        names = {target.id for one in node.body if isinstance(one, ast.Assign) for target in one.targets
                 if isinstance(target, ast.Name)}  # fmt: skip
        if "space_out" in names:
            self.plans[node.name] = verification.plan_of_facts(verification.facts_of(node.name, self.path, node.body))

    def made(self, name: str) -> Any:
        """A module of its own of a class in the file."""
        from copy import deepcopy

        from eqsynth.layers.emitted import layer_of

        if name in self.plans:
            return layer_of(self.plans[name], dtype=self.dtype)
        if name not in self.modules:
            raise self.refused(name)
        return deepcopy(self.modules[name])

    def value(self, node: ast.expr) -> Any:
        """What an expression stands for."""
        match node:
            case ast.Constant(str() | int() | float() | bool() as value):
                return value
            case ast.UnaryOp(ast.USub(), ast.Constant(int() | float() as value)):
                return -value
            case ast.List(items):
                return [self.value(item) for item in items]
            case ast.Name(name):
                return self.made(name)
            case ast.Attribute(ast.Name("torch") | ast.Attribute(ast.Name("nn"), "functional"), name):
                return self.function(node, name)
            case ast.Call(ast.Attribute(ast.Name("nn"), name), arguments, named):
                return self.activation(node, name, arguments, named)
            case ast.Call(ast.Name(name), arguments, named) if name in self.kinds:
                listed = [self.value(one) for one in arguments]
                return self.module(node, name, listed, {str(one.arg): self.value(one.value) for one in named})
        raise self.refused(ast.unparse(node))

    def function(self, node: ast.expr, name: str) -> Any:
        """A function of torch of one tensor, entry by entry."""
        import torch

        from eqsynth.bases.pointwise import PROPERTIES

        home = torch if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) else torch.nn.functional
        # Methods of tensors, and functions that are known: nothing that sets, loads or saves.
        known = name in PROPERTIES or home is torch.nn.functional or hasattr(torch.Tensor, name)
        function = getattr(home, name, None)
        if name.startswith("_") or name.endswith("_") or not known or not callable(function):
            raise self.refused(ast.unparse(node))
        return function

    def activation(self, node: ast.expr, name: str, arguments: list[ast.expr], named: list[ast.keyword]) -> Any:
        """A module of torch that is a pointwise function."""
        from torch import nn

        kind: Any = getattr(nn, name, None)
        module = getattr(kind, "__module__", "")
        if not (kind is nn.Identity or (module == "torch.nn.modules.activation" and kind is not nn.MultiheadAttention)):
            raise self.refused(ast.unparse(node))
        try:
            made = kind(*(self.value(one) for one in arguments), **{str(o.arg): self.value(o.value) for o in named})
        except (TypeError, ValueError, RuntimeError) as error:
            raise self.refused(ast.unparse(node)) from error
        return made.to(self.dtype) if self.dtype else made

    def module(self, node: ast.expr, name: str, arguments: list[Any], named: Mapping[str, Any]) -> Any:
        """A module of eq.nn."""
        from eqsynth.families.group import Group
        from eqsynth.nn.activations import Activation, EquivariantModule, NormActivation
        from eqsynth.nn.padding import Padded
        from eqsynth.nn.sparse import Sparse

        kind, options = self.kinds[name], dict(named)
        called = options.pop("called", name)
        if issubclass(kind, EquivariantModule) and kind not in (Padded, Sparse):
            if not arguments or not isinstance(arguments[0], str):
                raise self.refused(ast.unparse(node))
            arguments[0] = Group.parse(arguments[0], files=False)
        if kind is Activation:
            functions = arguments[2]
            for place, one in enumerate(functions):
                functions[place] = functions[one] if isinstance(one, int) else one
        if kind is NormActivation and arguments[3] == 0:
            arguments[3] = arguments[2]
        if self.dtype and "dtype" in signature(kind).parameters:
            options["dtype"] = self.dtype
        try:
            made = kind(*arguments, **options)
        except (TypeError, IndexError) as error:
            raise self.refused(ast.unparse(node)) from error
        if called != name:
            made.__class__ = type(str(called), (kind,), {})
        return made

    def refused(self, what: str) -> VerificationError:
        """The error for what no file of a network says."""
        return VerificationError(
            f"{self.path} says of its modules {shown(what)}, as no file of eqsynth does: export it again"
        )
