"""Repeated measurements -> the figures that are reported: median, spread, percentiles, ratios, and how far two orders agree.

Invariant: plain functions of their arguments; a figure of no samples is an error and never a zero.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of repeated measurements and the quartiles around it."""

    median: float
    lower: float
    upper: float
    count: int

    def __str__(self) -> str:
        return f"{number(self.median)} ({number(self.lower)}-{number(self.upper)})"


def spread(values: Sequence[float]) -> Spread:
    """Median and quartiles."""
    return Spread(statistics.median(values), percentile(values, 25), percentile(values, 75), len(values))


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least `percent` of all values do not exceed (nearest rank): it always is one of them."""
    if not values:
        raise ValueError("no values have no percentile")
    ordered = sorted(values)
    rank = -(-len(ordered) * percent // 100)
    return ordered[max(0, int(rank) - 1)]


def paired_ratio(values: Sequence[float], reference: Sequence[float]) -> Spread:
    """values / reference, round by round: what changed between rounds changed both."""
    return spread([value / base for value, base in zip(values, reference, strict=True)])


@dataclass(frozen=True, slots=True)
class Agreement:
    """How the order by one list of scores compares with the order by another: swapped pairs, and whether all are in place."""

    same: bool
    swapped: int
    pairs: int
    top: int
    top_kept: int

    def __str__(self) -> str:
        if self.same:
            return "equal"
        return f"{self.swapped} of {self.pairs} pairs swapped, {self.top_kept} of the top {self.top} kept"


def agreement(scores: Sequence[float], reference: Sequence[float], *, top: int = 10) -> Agreement:
    """Compare the orders of two score lists; a tie in either of them is no swap."""
    count = len(scores)
    if count != len(reference):
        raise ValueError(f"{count} scores cannot be compared with {len(reference)}")
    swapped = sum((scores[i] - scores[j]) * (reference[i] - reference[j]) < 0 for i in range(count) for j in range(i + 1, count))
    kept = set(_best(scores)[:top]) & set(_best(reference)[:top])
    return Agreement(swapped == 0, swapped, count * (count - 1) // 2, min(top, count), len(kept))


def number(value: float) -> str:
    """Three significant digits, without an exponent."""
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _best(scores: Sequence[float]) -> list[int]:
    return sorted(range(len(scores)), key=lambda position: -scores[position])
