"""Losses that read a teacher's scores where others read grades: MarginMSE, listwise KL, RankDistil.

Invariant: a list needs two hits, not two grades: a teacher that ties two hits says something too.
"""

from __future__ import annotations

import torch
from torch import Tensor

from training.losses.masked import differences, log_softmax, log_sum_exp, mean_over_lists, pairs, prepare


def margin_mse(logits: Tensor, grades: Tensor, mask: Tensor) -> Tensor:
    """Mean over pairs of ((s_i - s_j) - (t_i - t_j))^2 (Hofstaetter et al., 2020), `grades` being the teacher's scores t.

    Shapes: logits, grades, mask [lists, hits] -> scalar. Every pair of a list counts once; their mean is 2/(n-1) times the
    squared deviation of s - t from its mean, which needs no [hits, hits] matrix.
    """
    logits, teacher, mask = prepare(logits, grades, mask)
    gaps = logits - teacher
    count = mask.sum(-1)
    centred = torch.where(mask, gaps - (gaps.sum(-1) / count.clamp(min=1))[:, None], torch.zeros_like(gaps))
    return mean_over_lists(2.0 / (count - 1).clamp(min=1) * centred.square().sum(-1), count >= 2)


def kl(logits: Tensor, grades: Tensor, mask: Tensor, *, temperature: float = 1.0) -> Tensor:
    """T^2 * KL(softmax(t/T) || softmax(s/T)) (Hinton et al., 2015, over a list's hits), `grades` being the teacher's scores t.

    Shapes: logits, grades, mask [lists, hits] -> scalar.
    """
    logits, teacher, mask = prepare(logits, grades, mask)
    target, log_student = log_softmax(teacher / temperature, mask), log_softmax(logits / temperature, mask)
    divergence = (target.exp() * (target - log_student)).sum(-1)
    return mean_over_lists(temperature**2 * divergence, mask.sum(-1) >= 2)


def rank_distil(
    logits: Tensor,
    grades: Tensor,
    mask: Tensor,
    *,
    k: int = 10,
    samples: int = 4,
    temperature: float = 1.0,
    generator: torch.Generator | None = None,
) -> Tensor:
    """-E_{p ~ PL(t/T)} sum_{i <= k} [s_p(i) - logsumexp_{j >= i} s_p(j)] (Reddi et al., AISTATS 2021, coupled), `grades` being t.

    Shapes: logits, grades, mask [lists, hits] -> scalar. The expectation is the mean over orders drawn from the teacher's
    Plackett-Luce model by adding Gumbel noise to t/T.
    """
    logits, teacher, mask = prepare(logits, grades, mask)
    noise = torch.empty(samples, *logits.shape, device=logits.device)
    noise = -noise.exponential_(generator=generator).clamp(min=torch.finfo(torch.float32).tiny).log()
    drawn = torch.stack([_drawn_order_loss(logits, teacher / temperature + sample, mask, k) for sample in noise.unbind(0)])
    return mean_over_lists(drawn.mean(0), mask.sum(-1) >= 2)


def _drawn_order_loss(logits: Tensor, keys: Tensor, mask: Tensor, k: int) -> Tensor:
    """The loss [lists] of the order in which the keys descend."""
    remaining = (differences(keys) >= 0) & pairs(mask)
    above = ((differences(keys) < 0) & pairs(mask)).sum(-1)
    terms = log_sum_exp(logits[:, None, :].expand_as(remaining), remaining) - logits
    return torch.where(mask & (above < k), terms, torch.zeros_like(terms)).sum(-1)
