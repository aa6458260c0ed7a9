"""Losses over single hits: binary cross-entropy on grades, squared error on grades or on a teacher's scores.

Invariant: a list's hits are averaged before lists are, so a long list weighs as much as a short one.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import softplus

from training.losses.masked import mean_over_hits, mean_over_lists, prepare


def bce(logits: Tensor, grades: Tensor, mask: Tensor, *, max_grade: float = 3.0) -> Tensor:
    """Mean of log(1 + e^s) - p*s, the cross-entropy of sigmoid(s) with p = y / max_grade, clamped to [0, 1].

    Shapes: logits, grades, mask [lists, hits] -> scalar. `max_grade` tops the scale: 3 for graded judgments, 1 for binary ones.
    """
    logits, grades, mask = prepare(logits, grades, mask)
    target = (grades / max_grade).clamp(0.0, 1.0)
    return mean_over_lists(mean_over_hits(softplus(logits) - target * logits, mask), mask.any(-1))


def mse(logits: Tensor, grades: Tensor, mask: Tensor) -> Tensor:
    """Mean of (s - y)^2, y being grades or a teacher's scores.

    Shapes: logits, grades, mask [lists, hits] -> scalar.
    """
    logits, grades, mask = prepare(logits, grades, mask)
    return mean_over_lists(mean_over_hits((logits - grades).square(), mask), mask.any(-1))
