"""What converts a module over the complex numbers. Emitted files carry this text, without annotations."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import nn


def apply_complex(module: nn.Module, fn: Callable[[torch.Tensor], torch.Tensor], recurse: bool = True) -> Any:
    """What ``_apply`` of torch does, where some numbers are complex and others real: each stays what it is.

    What leaves complex numbers as they are, as ``.double()`` does, leaves real ones beside them as they are, too.
    Imaginary parts are not dropped, but the conversion is refused, with the ``ShapeError``
    that the module knows, in a file ValueError.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        made = fn(torch.zeros((), dtype=torch.complex64)).dtype
    tensors = (*module.parameters(recurse=False), *module.buffers(recurse=False))
    if not made.is_complex and any(tensor.is_complex() for tensor in tensors):
        raise getattr(module, "ShapeError", ValueError)(
            f"parameters of this {type(module).__name__} are complex numbers, not {made}: convert it to "
            "torch.complex64 or torch.complex128, module.to(torch.complex128)"
        )

    def converted(own: torch.Tensor) -> torch.Tensor:
        result = fn(own)
        if result.is_complex() and not own.is_complex():
            return result.real.clone()
        stays = made == torch.complex64 and own.is_floating_point() and result.dtype != own.dtype
        return own.to(result.device) if stays else result

    for child in module.children() if recurse else ():
        child._apply(fn)  # type: ignore[no-untyped-call]
    return nn.Module._apply(module, converted, False)  # type: ignore[no-untyped-call]
