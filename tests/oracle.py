"""The dense oracle: every map as a matrix, added up with its weight. Slow and obvious."""

import torch

import eqsynth as eq


def dense(layer, inputs, n):
    """What ``layer`` must compute, from integer matrices of the basis, differentiable in everything."""
    plan, hom = layer.plan, layer.hom
    group_n = n if hom.group.symbolic else None
    parameters = dict(layer.named_parameters())
    batch = inputs[0].shape[: inputs[0].ndim - 1 - hom.space_in.orders[0]]
    outputs = []
    for o, (c_out, order_out) in enumerate(hom.space_out):
        total = torch.zeros(batch.numel(), n**order_out, c_out, dtype=inputs[0].dtype)
        for i, (c_in, order_in) in enumerate(hom.space_in):
            basis = eq.basis(hom.group, order_in, order_out)
            if not len(basis):
                continue
            matrices = torch.from_numpy(basis.matrices(group_n)).to(total.dtype)
            # Each map is divided by a power of the number of input entries that it adds up.
            added = (matrices != 0).sum(-1).amax(-1).to(total.dtype)
            scale = added ** {"variance": -0.5, "mean": -1.0, "sum": 0.0}[plan.normalization]
            lift = n ** (max(order_out - order_in, 0) / 4) if hom.group.family in ("O", "SO", "Sp") else 1.0
            weight = parameters[plan.weight_name(i, o)] * scale[:, None, None] * lift
            x = inputs[i].reshape(batch.numel(), n**order_in, c_in)
            total = total + torch.einsum("doc,dyx,bxc->byo", weight, matrices, x)
        if plan.bias_dims[o]:
            matrices = torch.from_numpy(eq.basis(hom.group, 0, order_out).matrices(group_n)).to(total.dtype)
            total = total + torch.einsum("do,dyx->yo", parameters[plan.bias_name(o)], matrices)
        outputs.append(total.reshape(*batch, *[n] * order_out, c_out))
    return outputs


def inputs_for(layer, n, batch=(2, 3), dtype=torch.float64):
    return [torch.randn(*batch, *[n] * k, c, dtype=dtype, requires_grad=True) for c, k in layer.hom.space_in]


def run(layer, inputs, n):
    needs_n = layer.hom.group.symbolic and not any(layer.hom.space_in.orders)
    made = layer(inputs[0] if len(inputs) == 1 else tuple(inputs), *([n] if needs_n else []))
    return list(made) if isinstance(made, tuple) else [made]


def randomise(layer):
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    return layer
