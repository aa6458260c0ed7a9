"""Dropout whose random numbers cost an eighth: one draw of 64 bits decides for eight elements.

On CPUs torch draws a number an element on one thread, and its fused attention has no dropout: both together are half of a fine-tuning step.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

_LEVELS = 256
_LOWEST = -(2**63)


def dropout(x: Tensor, chance: float, *, training: bool) -> Tensor:
    """x with elements zeroed by chance and the rest scaled, so that the mean stays; the chance is rounded to 1/256 on CPUs."""
    if not training:
        return x
    if x.device.type != "cpu":
        return functional.dropout(x, chance)
    dropped = round(chance * _LEVELS)
    if not dropped:
        return x
    draws = torch.empty(-(-x.numel() // 8), dtype=torch.int64).random_(_LOWEST, None)
    kept = draws.view(torch.uint8)[: x.numel()].view(x.shape) >= dropped
    return x * kept.to(x.dtype).mul_(_LEVELS / (_LEVELS - dropped))


class ByteDropout(nn.Dropout):
    """`dropout` as a module, in place of torch's."""

    def forward(self, x: Tensor) -> Tensor:
        """x with elements dropped, while training."""
        return dropout(x, self.p, training=self.training)


def replace_dropout(model: nn.Module) -> None:
    """Put ByteDropout in place of every torch dropout below the module; there are no weights in either."""
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is nn.Dropout:
                setattr(parent, name, ByteDropout(child.p))
