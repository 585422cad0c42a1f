"""``eqsynth.Linear``: all equivariant linear maps between two spaces, as a torch.nn.Module."""

from __future__ import annotations

from typing import Any

import torch

from eqsynth.errors import explain_calls
from eqsynth.exact.numbers import flag
from eqsynth.families.group import Group
from eqsynth.families.hom import Hom
from eqsynth.layers.emitted import EmittedLayer, become_layer
from eqsynth.plans.lowering import plan_hom
from eqsynth.spaces.space import Space
from eqsynth.store.cache import no_collection


@explain_calls
class Linear(EmittedLayer, kind=True):
    """Every linear map between two spaces that commutes with a group, with one weight per map.

    >>> import torch, eqsynth as eq
    >>> layer = eq.Linear("S(n)", "16x2 + 8x1", "32x1")
    >>> layer
    Linear(S(n): 16x2 + 8x1 -> 32x1, 7 maps, 3104 parameters, bias=True, normalization='variance')
    >>> layer((torch.randn(4, 9, 9, 16), torch.randn(4, 9, 8))).shape
    torch.Size([4, 9, 32])

    Tensors are channels-last, ``(*batch, n, ..., n, channels)`` with as many axes of length n as the
    order. A space of one term takes and gives a tensor, several terms a tuple. With n a letter one
    set of weights serves every n; where no input has an axis of length n, pass it: ``layer(x, n)``.

    Parameters: ``weight`` of shape ``(maps, channels_out, channels_in)``, one matrix per diagram of
    ``eq.basis(group, k, l)``, and ``bias`` of shape ``(maps of order 0 -> l, channels_out)``; in a layer
    of several terms ``weight_i_o`` and ``bias_o``. The layer computes the sum over diagrams of
    weight times diagram, where each sum over an index of length n is scaled by ``normalization``:
    n^(-1/2) (``"variance"``), 1/n (``"mean"``) or 1 (``"sum"``). For O(n) with output order l above input
    order k the weights are also multiplied by n^((l-k)/4), since most output entries are zero.

    Initial weights give outputs of variance near 1 for inputs of independent entries of variance 1:
    for n a number the mean over entries is exactly 1, for n a letter it lies between 0.8 and 1.2, at
    every n, k and l (``"sum"`` and ``"mean"`` scale with n as they say). Of symmetric and alternating tensors each
    entry counts once, as where they are packed; with them and n a letter the mean is exactly 1 at n = 16. (Where it
    would take long to compute, at high orders and large n, it is near to that.) Biases start at zero.

    ``method`` says how the layer is computed, never what: ``"diagrams"``, ``"fourier"``, ``"irreps"``, ``"matrix"``, or
    ``"auto"`` for what is estimated to cost least; ``print(layer.plan)`` compares them (:func:`eqsynth.plan`). With
    ``parameters="blocks"`` the weights are not coefficients of diagrams but entries of the blocks of irreducible
    parts, as many as before: these layers need no map from the one to the other.

    ``transfer``, with n a letter, keeps the maps that mean the same at every size, in weights and biases. ``"repeat"``:
    those that commute with repeating every node, sums divided by n (``normalization="mean"``), for graphons and for
    sets that are samples; ``"pad"``: those that commute with more nodes of zeros, sums plain (``"sum"``). Each brings
    its normalization, so leave that out. ``docs/guide/sizes.md`` says which to choose, and
    :func:`eqsynth.testing.assert_transfers` tries whole networks.

    ``layer(x, weights=w)`` takes other weights, one set or one for each sample, of the shapes ``layer.weight_shapes``
    behind batch axes; with ``weights="external"`` the layer has none of its own. ``layer.prepare()`` keeps what
    depends on weights alone.

    ``layer.basis``, ``layer.plan`` and ``layer.source`` show how it was made.

    Raises ParseError, GroupError, SpaceError or SizeError for the problem, ShapeError for a tensor.
    """

    hom: Hom

    def __init__(
        self,
        group: str | Group,
        space_in: str | int | Space,
        space_out: str | int | Space,
        bias: bool = True,
        device: Any = None,
        dtype: torch.dtype | None = None,
        normalization: str = "variance",
        method: str = "auto",
        parameters: str = "diagrams",
        transfer: str | None = None,
        weights: str = "own",
    ) -> None:
        with no_collection():
            hom = Hom.parse(group, space_in, space_out, transfer=transfer)
            plan = plan_hom(hom, flag("bias", bias), normalization, method, parameters)
            become_layer(self, plan, device, dtype, weights)
