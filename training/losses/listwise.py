"""Losses over a whole list by its grades: ListNet, softmax, ListMLE, p-ListMLE, ApproxNDCG, NeuralNDCG.

Invariant: a list whose hits all have one grade contributes nothing; equal grades ask for no order among themselves.
"""

from __future__ import annotations

import torch
from torch import Tensor

from training.losses.masked import (
    LOWEST,
    differences,
    discounts,
    gains,
    has_order,
    log_softmax,
    log_sum_exp,
    mean_over_lists,
    pairs,
    prepare,
)


def listnet(logits: Tensor, grades: Tensor, mask: Tensor) -> Tensor:
    """-sum softmax(y)_i * log softmax(s)_i (Cao et al., ICML 2007, top-one probabilities).

    Shapes: logits, grades, mask [lists, hits] -> scalar.
    """
    logits, grades, mask = prepare(logits, grades, mask)
    target = log_softmax(grades, mask).exp() * mask
    return mean_over_lists(-(target * log_softmax(logits, mask)).sum(-1), has_order(grades, mask))


def softmax(logits: Tensor, grades: Tensor, mask: Tensor) -> Tensor:
    """-sum (y_i / sum y) * log softmax(s)_i, for grades >= 0 (Bruch et al., ICTIR 2019).

    Shapes: logits, grades, mask [lists, hits] -> scalar.
    """
    logits, grades, mask = prepare(logits, grades, mask)
    total = grades.sum(-1, keepdim=True)
    target = grades / torch.where(total > 0, total, torch.ones_like(total))
    return mean_over_lists(-(target * log_softmax(logits, mask)).sum(-1), has_order(grades, mask) & (total[:, 0] > 0))


def listmle(logits: Tensor, grades: Tensor, mask: Tensor) -> Tensor:
    """sum_i [logsumexp_{j at or below i} s_j - s_i] in the order of the grades (Xia et al., ICML 2008).

    Shapes: logits, grades, mask [lists, hits] -> scalar. Hits of one grade share one denominator (Breslow's treatment of
    ties): the published value when no grade repeats, and one that does not depend on the order of the hits when one does.
    """
    logits, grades, mask = prepare(logits, grades, mask)
    values = torch.where(mask, _plackett_luce(logits, grades, mask), torch.zeros_like(logits)).sum(-1)
    return mean_over_lists(values, has_order(grades, mask))


def p_listmle(logits: Tensor, grades: Tensor, mask: Tensor, *, normalized: bool = True) -> Tensor:
    """ListMLE with place i of n weighted by 2^(n-i) - 1 (Lan et al., UAI 2014): the top of the list matters most.

    Shapes: logits, grades, mask [lists, hits] -> scalar. `normalized` divides a list's weights by the first, 2^(n-1) - 1:
    otherwise a long list outweighs every short one, and beyond 128 hits float32 overflows. Hits of one grade share the mean
    weight of their places.
    """
    logits, grades, mask = prepare(logits, grades, mask)
    weights = _place_weights(grades, mask, normalized)
    values = torch.where(mask, weights * _plackett_luce(logits, grades, mask), torch.zeros_like(logits)).sum(-1)
    return mean_over_lists(values, has_order(grades, mask))


def approx_ndcg(logits: Tensor, grades: Tensor, mask: Tensor, *, temperature: float = 0.1) -> Tensor:
    """-sum G_i / log2(1 + r_i) with r_i = 1 + sum_{j != i} sigmoid((s_j - s_i) / T) (Qin et al., 2010; Bruch et al., SIGIR 2019).

    Shapes: logits, grades, mask [lists, hits] -> scalar in [-1, 0]. A small temperature is closer to NDCG and flatter.
    """
    logits, grades, mask = prepare(logits, grades, mask)
    others = pairs(mask) & ~torch.eye(logits.shape[1], dtype=torch.bool, device=logits.device)
    above = torch.sigmoid(-differences(logits) / temperature)
    soft_ranks = 1.0 + torch.where(others, above, torch.zeros_like(above)).sum(-1)
    return mean_over_lists(-(gains(grades, mask) * discounts(soft_ranks)).sum(-1), has_order(grades, mask))


def neural_ndcg(logits: Tensor, grades: Tensor, mask: Tensor, *, temperature: float = 1.0, iterations: int = 50) -> Tensor:
    """-NDCG in the order of NeuralSort's soft permutation, made doubly stochastic by Sinkhorn (Pobrotyn & Bialobrzeski, 2021).

    Shapes: logits, grades, mask [lists, hits] -> scalar; the permutation is [lists, places, hits]. Sinkhorn runs on
    logarithms, a fixed number of iterations, so that no list depends on how soon its neighbours converge.
    """
    logits, grades, mask = prepare(logits, grades, mask)
    permutation = _sinkhorn(*_neural_sort(logits, mask, temperature), iterations)
    sorted_gains = (permutation * gains(grades, mask)[:, None, :]).sum(-1)
    places = torch.arange(1, logits.shape[1] + 1, device=logits.device)
    return mean_over_lists(-(sorted_gains * discounts(places)).sum(-1), has_order(grades, mask))


def _plackett_luce(logits: Tensor, grades: Tensor, mask: Tensor) -> Tensor:
    """-log probability that hit i is drawn first among the hits of its grade and below: [lists, hits]."""
    not_above = differences(grades) >= 0
    return log_sum_exp(logits[:, None, :].expand_as(not_above), not_above & pairs(mask)) - logits


def _place_weights(grades: Tensor, mask: Tensor, normalized: bool) -> Tensor:
    count = mask.sum(-1, keepdim=True).float()
    order = grades.masked_fill(~mask, LOWEST).argsort(dim=-1, descending=True)
    place = order.argsort(dim=-1) + 1
    # 2^(n-i) - 1 over 2^(n-1) - 1, written with exponents <= 0.
    scaled = torch.exp2(1.0 - place) - torch.exp2(1.0 - count)
    scale = (1.0 - torch.exp2(1.0 - count)).clamp(min=0.5) if normalized else torch.exp2(1.0 - count)
    tied = ((differences(grades) == 0) & pairs(mask)).float()
    shared = (tied * scaled[:, None, :]).sum(-1) / tied.sum(-1).clamp(min=1)
    return shared / scale


def _neural_sort(logits: Tensor, mask: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """Log of NeuralSort's row-stochastic matrix, and its mask: [lists, places, hits] each (Grover et al., ICLR 2019)."""
    count = mask.sum(-1)
    # The matrix does not change when all logits shift, but float32 keeps more of centred ones.
    centred = logits - (logits.sum(-1) / count.clamp(min=1))[:, None]
    distances = torch.where(pairs(mask), differences(centred).abs(), torch.zeros((), device=logits.device)).sum(-1)
    places = torch.arange(1, logits.shape[1] + 1, device=logits.device)
    scaling = (count[:, None] + 1 - 2 * places).float()
    scores = (scaling[:, :, None] * centred[:, None, :] - distances[:, None, :]) / temperature
    cells = (places[None, :] <= count[:, None])[:, :, None] & mask[:, None, :]
    return _normalize(scores.masked_fill(~cells, LOWEST), cells, dim=-1), cells


def _sinkhorn(log_matrix: Tensor, cells: Tensor, iterations: int) -> Tensor:
    for _ in range(iterations):
        log_matrix = _normalize(_normalize(log_matrix, cells, dim=-2), cells, dim=-1)
    return log_matrix.exp()


def _normalize(log_matrix: Tensor, cells: Tensor, dim: int) -> Tensor:
    return torch.log_softmax(log_matrix, dim=dim).masked_fill(~cells, LOWEST)
