"""The dense oracle: every map as a matrix, added up with its weight. Slow and obvious."""

from dataclasses import replace
from math import prod

import numpy as np
import torch

import eqsynth as eq
from eqsynth.families.representation import random_tensor, symmetrised, unpacked
from eqsynth.plans import lowering
from eqsynth.plans.interpret import interpret
from eqsynth.spaces.space import axis_counts, entries_of, is_packed, is_plain, lengths, none_of, plain, stored_full


def sizes_of(layer, n):
    """The size of each factor of the group: its own, or the one given (one for all letters, or a list)."""
    factors = layer.hom.group.factors
    given = [n] * len(factors) if isinstance(n, int) else n
    return [f.n if isinstance(f.n, int) else size for f, size in zip(factors, given, strict=True)]


def shape(order, sizes):
    """The lengths of the axes of a tensor as it is stored."""
    return lengths(order, sizes)


def expansion(order, sizes):
    """The matrix that takes what is stored of a tensor to all its entries, and the places of what is stored."""
    stored = prod(shape(order, sizes))
    if not stored:
        return torch.zeros(prod(shape(stored_full(order), sizes)), 0), []
    units = unpacked(np.eye(stored).reshape(stored, *shape(order, sizes), 1), order, sizes)
    matrix = torch.from_numpy(np.array(units, float).reshape(stored, -1).T.copy())
    places = [int(np.flatnonzero(column)[0]) for column in matrix.T.numpy()]
    return matrix, places


def dense(layer, inputs, n):
    """What ``layer`` must compute, from integer matrices of the basis, differentiable in everything."""
    plan, hom, sizes = layer.plan, layer.hom, sizes_of(layer, n)
    parameters = dict(layer.named_parameters())
    batch = inputs[0].shape[: inputs[0].ndim - 1 - len(shape(hom.space_in.orders[0], sizes))]
    outputs = []
    for o, (c_out, order_out) in enumerate(hom.space_out):
        rows = prod(shape(stored_full(order_out), sizes))
        total = torch.zeros(batch.numel(), rows, c_out, dtype=inputs[0].dtype)
        for i, (c_in, order_in) in enumerate(hom.space_in):
            basis = eq.basis(hom.group, order_in, order_out)
            if not len(basis):
                continue
            matrices = torch.from_numpy(basis.matrices(sizes)).to(total.dtype)
            # Each map is divided by a power of the largest sum of squares in a row of its diagram's matrix.
            single = torch.from_numpy(basis.matrices(sizes, turned=False)).to(total.dtype)
            scale = (single**2).sum(-1).amax(-1) ** {"variance": -0.5, "mean": -1.0, "sum": 0.0}[plan.normalization]
            for factor, size, k, lo in zip(
                hom.group.factors, sizes, axis_counts(order_in), axis_counts(order_out), strict=True
            ):
                scale = scale * (size ** (max(lo - k, 0) / 4) if factor.family in ("O", "SO", "Sp", "H") else 1.0)
            weight = parameters[plan.weight_name(i, o)] * scale[:, None, None]
            x = inputs[i].reshape(batch.numel(), prod(shape(order_in, sizes)), c_in)
            x = torch.einsum("ij,bjc->bic", expansion(order_in, sizes)[0].to(x.dtype), x)
            total = total + torch.einsum("doc,dyx,bxc->byo", weight, matrices, x)
        if plan.bias_dims[o]:
            constants = eq.basis(hom.group, none_of(order_out), order_out)
            matrices = torch.from_numpy(constants.matrices(sizes)).to(total.dtype)
            single = torch.from_numpy(constants.matrices(sizes, turned=False)).to(total.dtype)
            scale = (single**2).sum(-1).amax(-1) ** {"variance": -0.5, "mean": -1.0, "sum": 0.0}[plan.normalization]
            total = total + torch.einsum("do,dyx->yo", parameters[plan.bias_name(o)] * scale[:, None], matrices)
        total = total[:, expansion(order_out, sizes)[1]]
        outputs.append(total.reshape(*batch, *shape(order_out, sizes), c_out))
    return outputs


def inputs_for(layer, n, batch=(2, 3), dtype=torch.float64):
    sizes = sizes_of(layer, n)
    rng = np.random.default_rng(int(torch.randint(1 << 30, ())))
    made = [random_tensor(rng, k, sizes, c, prod(batch)) for c, k in layer.hom.space_in]
    shapes = [(*batch, *shape(k, sizes), c) for c, k in layer.hom.space_in]
    pairs = zip(made, shapes, strict=True)
    return [torch.from_numpy(x.copy()).to(dtype).reshape(s).requires_grad_() for x, s in pairs]


def run(layer, inputs, n):
    needs_n = layer.hom.group.symbolic and not any(any(axis_counts(order)) for order in layer.hom.space_in.orders)
    made = layer(inputs[0] if len(inputs) == 1 else tuple(inputs), *([n] if needs_n else []))
    return list(made) if isinstance(made, tuple) else [made]


def randomise(layer):
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    return layer


def _kept(gradient, order, sizes):
    """The part of a gradient of a packed input that symmetric tensors see, where some other axes are symmetric."""
    full = stored_full(order)
    rest = tuple(one if one in entries_of(order) else plain(one) for one in entries_of(full))
    inside = rest if isinstance(order, tuple) else rest[0]
    matrix = expansion(order, sizes)[0]
    flat = gradient.reshape(gradient.shape[:2].numel(), matrix.shape[1], gradient.shape[-1])
    spread = torch.einsum("ij,bjc->bic", matrix, flat / matrix.abs().sum(0)[:, None])
    spread = spread.reshape(len(spread), *shape(full, sizes), gradient.shape[-1])
    return torch.from_numpy(symmetrised(spread.numpy(), inside))


def assert_all_agree(layer, n):
    """Values of oracle, interpreter and module; gradients of oracle and module."""
    inputs = inputs_for(layer, n)
    ours, meant = run(layer, inputs, n), dense(layer, inputs, n)
    parameters = {name: value.detach().numpy() for name, value in layer.named_parameters()}
    flat = [x.detach().flatten(0, 1).numpy() for x in inputs]
    reference = interpret(layer.plan, parameters, flat, sizes_of(layer, n))
    for mine, theirs, third in zip(ours, meant, reference, strict=True):
        assert mine.shape == theirs.shape
        assert mine.is_contiguous()
        torch.testing.assert_close(mine, theirs)
        torch.testing.assert_close(mine.detach().reshape(third.shape), torch.from_numpy(third))
    cotangents = [torch.randn_like(y) for y in ours]
    wanted = [*inputs, *layer.parameters()]
    loss = sum((y * g).sum() for y, g in zip(ours, cotangents, strict=True))
    oracle_loss = sum((y * g).sum() for y, g in zip(meant, cotangents, strict=True))
    if not loss.requires_grad:
        assert not oracle_loss.requires_grad
        return
    gradients = torch.autograd.grad(loss, wanted, allow_unused=True)
    expected = torch.autograd.grad(oracle_loss, wanted, allow_unused=True)
    orders = [*layer.hom.space_in.orders, *[0] * len(list(layer.parameters()))]
    for order, x, mine, theirs in zip(orders, wanted, gradients, expected, strict=True):
        zero = torch.zeros_like(x)
        both = [zero if gradient is None else gradient for gradient in (mine, theirs)]
        if not is_plain(order) and not is_packed(order):
            # Of a symmetric input the part of a gradient that is symmetric too is what counts.
            flat = [gradient.flatten(0, 1) for gradient in both]
            both = [torch.from_numpy(symmetrised(gradient.numpy(), order)) for gradient in flat]
        elif is_packed(order):
            both = [_kept(gradient, order, sizes_of(layer, n)) for gradient in both]
        torch.testing.assert_close(*both)


def ways(problem, normalization="variance"):
    """Every plan by diagrams: bilabelled graphs contracted with A, and added up to tables."""
    plan = eq.plan(*problem, normalization=normalization, method="diagrams")
    hom = plan.hom
    ins, outs = hom.space_in.orders, hom.space_out.orders
    bases = {(i, o): eq.basis(hom.group, k, lo) for i, k in enumerate(ins) for o, lo in enumerate(outs)}
    biases = {o: eq.basis(hom.group, none_of(lo), lo) for o, lo in enumerate(outs)}
    for steps, packs, halves in lowering._ways(hom, bases, biases, "diagrams", None):
        yield replace(plan, steps=steps, packs=packs, halves=halves)
