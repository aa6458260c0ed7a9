"""Two systems' values per query -> how sure their difference is: p-value, interval, correction for many comparisons.

Invariant: systems are compared query by query, on the same queries; a fixed seed gives the same figures again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import stats

Values = npt.NDArray[np.float64]
# Bounds memory: resamples x queries numbers would otherwise stand in memory at once.
_BATCH = 500


@dataclass(frozen=True, slots=True)
class Comparison:
    """The mean of system minus baseline over queries, its confidence interval, and how likely chance alone makes it so large."""

    difference: float
    low: float
    high: float
    p_value: float
    p_corrected: float
    queries: int


def compare(
    system: Mapping[str, float],
    baseline: Mapping[str, float],
    *,
    confidence: float = 0.95,
    resamples: int = 9_999,
    seed: int = 0,
) -> Comparison:
    """One system against one baseline, by query id; `p_corrected` is the p-value until `holm` corrects several comparisons."""
    differences = _differences(system, baseline)
    low, high = bootstrap_interval(differences, confidence=confidence, resamples=resamples, seed=seed)
    p_value = randomization_test(differences, resamples=resamples, seed=seed)
    return Comparison(float(differences.mean()), low, high, p_value, p_value, len(differences))


def compare_all(
    systems: Mapping[str, Mapping[str, float]],
    baseline: Mapping[str, float],
    *,
    confidence: float = 0.95,
    resamples: int = 9_999,
    seed: int = 0,
) -> Mapping[str, Comparison]:
    """Every system against one baseline, p-values corrected by Holm's method over all of them."""
    found = {name: compare(values, baseline, confidence=confidence, resamples=resamples, seed=seed) for name, values in systems.items()}
    corrected = holm([comparison.p_value for comparison in found.values()])
    return {name: replace(c, p_corrected=p) for (name, c), p in zip(found.items(), corrected, strict=True)}


def randomization_test(differences: Values, *, resamples: int = 9_999, seed: int = 0) -> float:
    """Two-sided p-value of the paired randomization test: differences [queries] under random signs (Smucker et al., CIKM 2007).

    Exact, over all 2^queries signs, when those are fewer than `resamples`: 1 for a single query, whose size is the same with either sign.
    """
    if len(differences) < 2 or not differences.any():
        return 1.0
    result = stats.permutation_test(
        (differences,),
        _mean,
        permutation_type="samples",
        vectorized=True,
        n_resamples=resamples,
        batch=_BATCH,
        rng=np.random.default_rng(seed),
    )
    return float(result.pvalue)


def bootstrap_interval(differences: Values, *, confidence: float = 0.95, resamples: int = 9_999, seed: int = 0) -> tuple[float, float]:
    """Confidence interval of the mean of differences [queries], by the bias-corrected and accelerated bootstrap over queries.

    Unbounded for a single query: how far queries differ is not known from one.
    """
    if len(differences) < 2:
        return -math.inf, math.inf
    if np.ptp(differences) == 0:
        return float(differences[0]), float(differences[0])
    result = stats.bootstrap(
        (differences,),
        _mean,
        vectorized=True,
        confidence_level=confidence,
        n_resamples=resamples,
        batch=_BATCH,
        rng=np.random.default_rng(seed),
    )
    return float(result.confidence_interval.low), float(result.confidence_interval.high)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction, in the order given: the chance of one false finding among all stays below the level."""
    corrected = [0.0] * len(p_values)
    highest = 0.0
    for step, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        highest = max(highest, min(1.0, (len(p_values) - step) * p_values[index]))
        corrected[index] = highest
    return corrected


def _mean(values: Values, axis: int = -1) -> Values:
    return np.asarray(values.mean(axis=axis))


def _differences(system: Mapping[str, float], baseline: Mapping[str, float]) -> Values:
    if system.keys() != baseline.keys():
        raise ValueError(f"the systems are measured on different queries: {len(system)} and {len(baseline)}")
    if not system:
        raise ValueError("there is no query to compare on")
    return np.array([system[query_id] - baseline[query_id] for query_id in sorted(system)])
