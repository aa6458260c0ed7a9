"""Rows of like length computed together: a CPU pays for padding, and for tensors that its caches do not hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

_TOKENS_AT_ONCE = 2048


def by_length(compute: Callable[..., Tensor], mask: Tensor, *inputs: Tensor) -> Tensor:
    """`compute(*inputs, mask)`, one result a row of arrays [rows, tokens] or [rows]; on CPUs for rows of like length, a few at a time."""
    if mask.device.type != "cpu":
        return compute(*inputs, mask)
    rows = [*rows_of_like_length(mask.sum(1), _TOKENS_AT_ONCE)]
    parts = [compute(*(array[some, :length] if array.dim() > 1 else array[some] for array in (*inputs, mask))) for some, length in rows]
    return torch.cat(parts)[torch.argsort(torch.cat([some for some, _ in rows]))]


def rows_of_like_length(lengths: Tensor, tokens: int) -> Iterator[tuple[Tensor, int]]:
    """Row numbers, longest first, so many that they have at most `tokens` in all, and the length of the longest, rounded up to 2."""
    order = torch.argsort(lengths, descending=True, stable=True)
    start = 0
    while start < len(order):
        longest = int(lengths[order[start]])
        count = max(1, tokens // max(1, longest))
        yield order[start : start + count], -(-longest // 2) * 2
        start += count
