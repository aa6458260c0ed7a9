"""Operations on masked lists, under every loss: [lists, hits] tensors in which only hits under the mask exist.

Invariant: what stands outside the mask, NaN too, reaches neither a value nor a gradient; everything is computed in float32;
a list's value does not depend on the order of its hits, ties included, nor on its neighbours in the batch.
"""

from __future__ import annotations

import torch
from torch import Tensor

# Stands for minus infinity where infinity itself would make NaN gradients.
LOWEST = torch.finfo(torch.float32).min


def prepare(logits: Tensor, grades: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Float32 logits and grades with zeros outside the mask, and the mask: [lists, hits] each.

    A hit whose grade is not finite is masked: it is unjudged.
    """
    if logits.ndim != 2 or logits.shape != grades.shape or logits.shape != mask.shape:
        shapes = ", ".join(str(tuple(tensor.shape)) for tensor in (logits, grades, mask))
        raise ValueError(f"logits, grades and mask must share one shape [lists, hits], not {shapes}")
    mask = mask & torch.isfinite(grades)
    zero = torch.zeros((), device=logits.device)
    return torch.where(mask, logits.float(), zero), torch.where(mask, grades.float(), zero), mask


def mean_over_lists(values: Tensor, valid: Tensor) -> Tensor:
    """Mean of values [lists] over the valid lists; zero, with a zero gradient, when there is none."""
    kept = torch.where(valid, values, torch.zeros_like(values))
    return kept.sum() / valid.sum().clamp(min=1)


def mean_over_hits(values: Tensor, mask: Tensor) -> Tensor:
    """Mean of values [lists, ...] over the true places of a mask of the same shape: [lists], zero where there is none."""
    dims = tuple(range(1, values.ndim))
    kept = torch.where(mask, values, torch.zeros_like(values))
    return kept.sum(dims) / mask.sum(dims).clamp(min=1)


def has_order(grades: Tensor, mask: Tensor) -> Tensor:
    """Which lists [lists] hold two hits of different grades: without those there is nothing to rank."""
    highest = grades.masked_fill(~mask, LOWEST).amax(-1)
    lowest = grades.masked_fill(~mask, -LOWEST).amin(-1)
    return highest > lowest


def pairs(mask: Tensor) -> Tensor:
    """Mask of pairs [lists, hits, hits] of which both hits are real."""
    return mask[:, :, None] & mask[:, None, :]


def differences(values: Tensor) -> Tensor:
    """values_i - values_j: [lists, hits] -> [lists, hits, hits]."""
    return values[:, :, None] - values[:, None, :]


def log_softmax(logits: Tensor, mask: Tensor) -> Tensor:
    """Log of the softmax over real hits [lists, hits]; zero outside the mask."""
    log_probabilities = torch.log_softmax(logits.masked_fill(~mask, LOWEST), dim=-1)
    return log_probabilities.masked_fill(~mask, 0.0)


def log_sum_exp(logits: Tensor, mask: Tensor) -> Tensor:
    """Log of the sum of exponentials over the last axis, where the mask is true; very low, never infinite, where it never is."""
    return torch.logsumexp(logits.masked_fill(~mask, LOWEST), dim=-1)


def ranks(logits: Tensor, grades: Tensor, mask: Tensor) -> Tensor:
    """1-based ranks by descending logits [lists, hits], int64.

    Equal logits rank the lower grade first, the worst order: a model that gives every hit one score still learns from losses
    that weigh pairs by rank.
    """
    logits, grades = logits.detach(), grades.detach()
    above, same = differences(logits) < 0, differences(logits) == 0
    worse, alike = differences(grades) > 0, differences(grades) == 0
    index = torch.arange(logits.shape[1], device=logits.device)
    earlier = index[None, :, None] > index[None, None, :]
    before = above | (same & (worse | (alike & earlier)))
    return 1 + (before & mask[:, None, :]).sum(-1)


def discounts(ranks: Tensor) -> Tensor:
    """1 / log2(1 + rank): NDCG's discount."""
    return 1.0 / torch.log2(1.0 + ranks)


def gains(grades: Tensor, mask: Tensor) -> Tensor:
    """(2^grade - 1) / maxDCG [lists, hits]: the ideal order sums to one after discounting; zero where no grade is positive."""
    raw = torch.where(mask, torch.exp2(grades) - 1.0, torch.zeros_like(grades))
    places = torch.arange(1, grades.shape[1] + 1, device=grades.device)
    ideal = (raw.sort(dim=-1, descending=True).values * discounts(places)).sum(-1, keepdim=True)
    return torch.where(ideal > 0, raw / ideal.clamp(min=torch.finfo(torch.float32).tiny), torch.zeros_like(raw))
