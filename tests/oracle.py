"""The dense oracle: every map as a matrix, added up with its weight. Slow and obvious."""

from math import prod

import torch

import eqsynth as eq
from eqsynth.interpret import interpret
from eqsynth.space import each


def sizes_of(layer, n):
    """The size of each factor of the group: its own, or the one given (one for all letters, or a list)."""
    factors = layer.hom.group.factors
    given = [n] * len(factors) if isinstance(n, int) else n
    return [f.n if isinstance(f.n, int) else size for f, size in zip(factors, given, strict=True)]


def shape(order, sizes):
    """The lengths of the axes of a tensor."""
    return [size for size, count in zip(sizes, each(order), strict=True) for _ in range(count)]


def dense(layer, inputs, n):
    """What ``layer`` must compute, from integer matrices of the basis, differentiable in everything."""
    plan, hom, sizes = layer.plan, layer.hom, sizes_of(layer, n)
    parameters = dict(layer.named_parameters())
    batch = inputs[0].shape[: inputs[0].ndim - 1 - len(shape(hom.space_in.orders[0], sizes))]
    outputs = []
    for o, (c_out, order_out) in enumerate(hom.space_out):
        rows = prod(shape(order_out, sizes))
        total = torch.zeros(batch.numel(), rows, c_out, dtype=inputs[0].dtype)
        for i, (c_in, order_in) in enumerate(hom.space_in):
            basis = eq.basis(hom.group, order_in, order_out)
            if not len(basis):
                continue
            matrices = torch.from_numpy(basis.matrices(sizes)).to(total.dtype)
            # Each map is divided by a power of the largest sum of squares in a row of its matrix.
            scale = (matrices**2).sum(-1).amax(-1) ** {"variance": -0.5, "mean": -1.0, "sum": 0.0}[plan.normalization]
            for factor, size, k, lo in zip(hom.group.factors, sizes, each(order_in), each(order_out), strict=True):
                scale = scale * (size ** (max(lo - k, 0) / 4) if factor.family in ("O", "SO", "Sp") else 1.0)
            weight = parameters[plan.weight_name(i, o)] * scale[:, None, None]
            x = inputs[i].reshape(batch.numel(), prod(shape(order_in, sizes)), c_in)
            total = total + torch.einsum("doc,dyx,bxc->byo", weight, matrices, x)
        if plan.bias_dims[o]:
            zero = tuple(0 for _ in sizes) if isinstance(order_out, tuple) else 0
            matrices = torch.from_numpy(eq.basis(hom.group, zero, order_out).matrices(sizes)).to(total.dtype)
            scale = (matrices**2).sum(-1).amax(-1) ** {"variance": -0.5, "mean": -1.0, "sum": 0.0}[plan.normalization]
            total = total + torch.einsum("do,dyx->yo", parameters[plan.bias_name(o)] * scale[:, None], matrices)
        outputs.append(total.reshape(*batch, *shape(order_out, sizes), c_out))
    return outputs


def inputs_for(layer, n, batch=(2, 3), dtype=torch.float64):
    sizes = sizes_of(layer, n)
    return [torch.randn(*batch, *shape(k, sizes), c, dtype=dtype, requires_grad=True) for c, k in layer.hom.space_in]


def run(layer, inputs, n):
    needs_n = layer.hom.group.symbolic and not any(any(each(order)) for order in layer.hom.space_in.orders)
    made = layer(inputs[0] if len(inputs) == 1 else tuple(inputs), *([n] if needs_n else []))
    return list(made) if isinstance(made, tuple) else [made]


def randomise(layer):
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    return layer


def assert_all_agree(layer, n):
    """Values of oracle, interpreter and module; gradients of oracle and module."""
    inputs = inputs_for(layer, n)
    ours, meant = run(layer, inputs, n), dense(layer, inputs, n)
    parameters = {name: value.detach().numpy() for name, value in layer.named_parameters()}
    flat = [x.detach().numpy().reshape(-1, *x.shape[2:]) for x in inputs]
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
    for x, mine, theirs in zip(wanted, gradients, expected, strict=True):
        zero = torch.zeros_like(x)
        torch.testing.assert_close(zero if mine is None else mine, zero if theirs is None else theirs)
