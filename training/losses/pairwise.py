"""Losses over pairs of hits in one list: RankNet and the LambdaLoss family. They read grades, never teacher scores.

Invariant: a list whose hits all have one grade has no pair and contributes nothing.
"""

from __future__ import annotations

import math

from torch import Tensor
from torch.nn.functional import logsigmoid

from training.losses.masked import (
    differences,
    discounts,
    gains,
    has_order,
    mean_over_hits,
    mean_over_lists,
    pairs,
    prepare,
    ranks,
)


def ranknet(logits: Tensor, grades: Tensor, mask: Tensor) -> Tensor:
    """Mean over y_i > y_j of log(1 + e^-(s_i - s_j)) (Burges et al., ICML 2005).

    Shapes: logits, grades, mask [lists, hits] -> scalar. A list's pairs are averaged, then the lists that have a pair.
    """
    logits, grades, mask = prepare(logits, grades, mask)
    ordered = pairs(mask) & (differences(grades) > 0)
    return mean_over_lists(mean_over_hits(-logsigmoid(differences(logits)), ordered), has_order(grades, mask))


def lambdarank(logits: Tensor, grades: Tensor, mask: Tensor) -> Tensor:
    """LambdaLoss with w = |G_i - G_j| * |1/D_i - 1/D_j|: what NDCG loses when the pair swaps places (Wang et al., CIKM 2018).

    Shapes: logits, grades, mask [lists, hits] -> scalar. The mean over y_i > y_j of -w * log2 sigmoid(s_i - s_j), with
    D = log2(1 + rank by logits).
    """
    logits, grades, mask = prepare(logits, grades, mask)
    return _lambda_loss(logits, grades, mask, _swap_weights(logits, grades, mask))


def ndcg_loss1(logits: Tensor, grades: Tensor, mask: Tensor) -> Tensor:
    """LambdaLoss with w = G_i / D_i (Wang et al., CIKM 2018, NDCG-Loss1): every ordered pair counts, a hit with itself included.

    Shapes: logits, grades, mask [lists, hits] -> scalar.
    """
    logits, grades, mask = prepare(logits, grades, mask)
    weights = (gains(grades, mask) * discounts(ranks(logits, grades, mask)))[:, :, None]
    values = mean_over_hits(weights * _log2_loss(logits), pairs(mask))
    return mean_over_lists(values, has_order(grades, mask))


def ndcg_loss2(logits: Tensor, grades: Tensor, mask: Tensor) -> Tensor:
    """LambdaLoss with w = |1/D_|i-j| - 1/D_|i-j|+1| * |G_i - G_j| (Wang et al., CIKM 2018, NDCG-Loss2), i and j being ranks.

    Shapes: logits, grades, mask [lists, hits] -> scalar.
    """
    logits, grades, mask = prepare(logits, grades, mask)
    return _lambda_loss(logits, grades, mask, _distance_weights(logits, grades, mask))


def ndcg_loss2pp(logits: Tensor, grades: Tensor, mask: Tensor, *, mu: float = 10.0) -> Tensor:
    """mu * NDCG-Loss2 + LambdaRank in one pass (Wang et al., CIKM 2018, NDCG-Loss2++).

    Shapes: logits, grades, mask [lists, hits] -> scalar.
    """
    logits, grades, mask = prepare(logits, grades, mask)
    weights = mu * _distance_weights(logits, grades, mask) + _swap_weights(logits, grades, mask)
    return _lambda_loss(logits, grades, mask, weights)


def _lambda_loss(logits: Tensor, grades: Tensor, mask: Tensor, weights: Tensor) -> Tensor:
    ordered = pairs(mask) & (differences(grades) > 0)
    return mean_over_lists(mean_over_hits(weights * _log2_loss(logits), ordered), has_order(grades, mask))


def _log2_loss(logits: Tensor) -> Tensor:
    return -logsigmoid(differences(logits)) / math.log(2.0)


def _swap_weights(logits: Tensor, grades: Tensor, mask: Tensor) -> Tensor:
    by_rank = discounts(ranks(logits, grades, mask))
    return differences(gains(grades, mask)).abs() * differences(by_rank).abs()


def _distance_weights(logits: Tensor, grades: Tensor, mask: Tensor) -> Tensor:
    # Two hits are never at one rank, so only a hit's distance to itself is clamped, and that pair is no pair.
    distance = differences(ranks(logits, grades, mask)).abs().clamp(min=1)
    return (discounts(distance) - discounts(distance + 1)).abs() * differences(gains(grades, mask)).abs()
