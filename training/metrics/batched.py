"""NDCG on batches of lists as tensors: what validation inside training reads, on the device where the logits are."""

from __future__ import annotations

import torch
from torch import Tensor


def list_ndcg(logits: Tensor, grades: Tensor, mask: Tensor, *, k: int = 10) -> Tensor:
    """NDCG@k with gains 2^grade - 1 of each list: [lists, hits] -> [lists]; NaN where no hit has a positive grade."""
    gains = torch.where(mask, torch.exp2(grades.nan_to_num(0.0)) - 1.0, 0.0)
    places = torch.arange(1, min(k, gains.shape[1]) + 1, device=gains.device)
    discounts = 1.0 / torch.log2(1.0 + places)
    order = logits.masked_fill(~mask, -torch.inf).argsort(dim=-1, descending=True, stable=True)
    top = gains.gather(-1, order)[:, : len(places)]
    ideal = gains.sort(dim=-1, descending=True).values[:, : len(places)]
    return (top * discounts).sum(-1) / (ideal * discounts).sum(-1).where((ideal > 0).any(-1), torch.nan)
