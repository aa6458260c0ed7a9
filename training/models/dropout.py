"""Dropout without random numbers of its own: a tensor takes a window, at a place drawn for it, of one random sequence.

On CPUs torch draws a number an element on one thread, which is a third of a fine-tuning step.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.nn import functional

_SHORTEST = 1 << 22
_SEED = 7


def dropout(x: Tensor, chance: float, *, training: bool) -> Tensor:
    """x with elements zeroed by chance and the rest scaled, so that the mean stays."""
    if not training or not chance:
        return x
    if x.device.type != "cpu":
        return functional.dropout(x, chance)
    return x * kept(x, chance, 1.0 / (1.0 - chance))


def kept(like: Tensor, chance: float, value: float = 1.0) -> Tensor:
    """Which elements stay, in shape and type of `like`: `value` for those, 0 with the given chance; not to be written to."""
    count = like.numel()
    length = max(_SHORTEST, 1 << (2 * count).bit_length())
    start = int(torch.randint(length - count, (1,)))
    return _sequence(chance, value, like.dtype, length)[start : start + count].view(like.shape)


@lru_cache(maxsize=8)
def _sequence(chance: float, value: float, dtype: torch.dtype, length: int) -> Tensor:
    draws = torch.rand(length, generator=torch.Generator().manual_seed(_SEED))
    return (draws >= chance).to(dtype).mul_(value)


class WindowDropout(nn.Dropout):
    """`dropout` as a module, in place of torch's."""

    def forward(self, x: Tensor) -> Tensor:
        """x with elements dropped, while training."""
        return dropout(x, self.p, training=self.training)


def replace_dropout(model: nn.Module) -> None:
    """Put WindowDropout in place of every torch dropout below the module; there are no weights in either."""
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is nn.Dropout:
                setattr(parent, name, WindowDropout(child.p))
