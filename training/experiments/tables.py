"""Per-query values of several conditions -> rows with intervals, differences and corrected p-values.

Invariant: conditions are compared query by query, each query's value being the mean over the seeds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean, stdev

import numpy as np

from benchmarks.report import Cell, Table
from training.evaluate.judged import Split
from training.experiments.lab import Measured
from training.experiments.sets import ByQuery, HeldOut
from training.metrics.significance import Comparison, bootstrap_interval, compare_all

# condition -> set -> query -> NDCG@10
Found = Mapping[str, Mapping[str, ByQuery]]


def over_seeds(values: Sequence[ByQuery]) -> ByQuery:
    """Each query's mean over networks that differ in their seed."""
    return {query: fmean(each[query] for each in values) for query in values[0]}


def found_of(measured: Mapping[str, Sequence[Measured]], tests: Sequence[HeldOut]) -> Found:
    """NDCG@10 by condition, set and query, as the mean over the condition's networks."""
    return {
        condition: {test.name: over_seeds([test.ndcg(each.scores[test.name]) for each in networks]) for test in tests}
        for condition, networks in measured.items()
    }


def means(found: Found) -> dict[str, dict[str, float]]:
    """The mean over queries."""
    return {condition: {name: fmean(values.values()) for name, values in by_set.items()} for condition, by_set in found.items()}


def comparison_table(title: str, found: Found, baseline: str, *, split: Split = "test", notes: Sequence[str] = ()) -> Table:
    """NDCG@10 of every condition on every set, and its difference to the baseline."""
    sets = list(found[baseline])
    against = {name: differences(found, baseline, name) for name in sets}
    columns = ["", *(f"{name}: {what}" for name in sets for what in ("NDCG@10 (95 %)", f"minus {baseline} (95 %), p"))]
    rows: list[tuple[Cell, ...]] = []
    for condition, by_set in found.items():
        cells = [(interval(by_set[name]), "" if condition == baseline else difference(against[name][condition])) for name in sets]
        rows.append((condition, *(cell for pair in cells for cell in pair)))
    counted = ", ".join(f"{len(found[baseline][name])} of {name}" for name in sets)
    about = (
        f"{split.capitalize()} queries: {counted}; judged hits alone are ordered, NDCG@10 with the gain 2^grade - 1. In brackets 95 % "
        "bootstrap intervals over queries; p by the paired randomization test, corrected by Holm's method within a column."
    )
    return Table(title, tuple(columns), tuple(rows), (about, *notes))


def differences(found: Found, baseline: str, name: str) -> Mapping[str, Comparison]:
    """Every other condition minus the baseline on one set."""
    others = {condition: by_set[name] for condition, by_set in found.items() if condition != baseline}
    return compare_all(others, found[baseline][name]) if others else {}


def interval(values: ByQuery) -> str:
    """The mean over queries with its interval."""
    column = np.array(list(values.values()))
    low, high = bootstrap_interval(column)
    return f"{column.mean():.3f} ({low:.3f} to {high:.3f})"


def difference(comparison: Comparison) -> str:
    """A difference with its interval and corrected p-value."""
    return f"{comparison.difference:+.3f} ({comparison.low:+.3f} to {comparison.high:+.3f}), p {comparison.p_corrected:.3f}"


def seeds_note(measured: Mapping[str, Sequence[Measured]], tests: Sequence[HeldOut]) -> str:
    """How far networks of one condition differ by their seed alone."""
    spreads = {
        test.name: max(_spread([fmean(test.ndcg(each.scores[test.name]).values()) for each in networks]) for networks in measured.values())
        for test in tests
    }
    count = len(next(iter(measured.values())))
    if count < 2:
        return "One seed: how far a network's figure moves by its seed is not known."
    widest = ", ".join(f"{value:.3f} on {name}" for name, value in spreads.items())
    return f"{count} seeds a row; the widest standard deviation between seeds of one row is {widest}."


def _spread(values: Sequence[float]) -> float:
    return stdev(values) if len(values) > 1 else 0.0
