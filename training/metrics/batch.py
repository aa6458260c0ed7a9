"""NDCG of many lists at once, in numpy: validation inside training, where a run file per step would cost more than the step.

Invariant: equal to `ranking.evaluate` on the same judged hits, when each list's hits are in ascending order of document id (equal
scores rank by place in the list).
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

Gain = Literal["exponential", "linear"]
Floats = npt.NDArray[np.floating]
Bools = npt.NDArray[np.bool_]


def ndcg(scores: Floats, grades: Floats, mask: Bools, *, k: int = 10, gain: Gain = "exponential") -> npt.NDArray[np.float64]:
    """NDCG at k of each list: scores, grades, mask (true = real hit) [lists, hits] -> [lists]; zero where no grade is positive."""
    if not np.isfinite(scores[mask]).all():
        raise ValueError("a score is not finite")
    gains = np.where(mask, np.exp2(grades) - 1.0 if gain == "exponential" else grades, 0.0).astype(np.float64)
    order = np.argsort(np.where(mask, -scores, np.inf), axis=1, kind="stable")
    achieved = _dcg(np.take_along_axis(gains, order, axis=1), k)
    ideal = _dcg(-np.sort(-gains, axis=1), k)
    return np.divide(achieved, ideal, out=np.zeros_like(ideal), where=ideal > 0)


def _dcg(gains: npt.NDArray[np.float64], k: int) -> npt.NDArray[np.float64]:
    top = gains[:, :k]
    discounted: npt.NDArray[np.float64] = top @ (1.0 / np.log2(np.arange(2, top.shape[1] + 2)))
    return discounted
