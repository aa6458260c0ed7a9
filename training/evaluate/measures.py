"""Runs and grades -> figures: means, differences to the best first pass with intervals and corrected p-values, quality by depth.

Invariant: what is compared is compared query by query, on the same queries.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from training.evaluate.candidates import RANDOM
from training.evaluate.evidence import Evidence
from training.evaluate.report import Latency, ModeReport, SystemReport
from training.evaluate.systems import Mode, System, run_of
from training.metrics.ranking import Qrels, Run, evaluate, means
from training.metrics.significance import Comparison, compare_all

NDCG = "ndcg@10"
_METRICS = (NDCG, "ndcg_linear@10", "map", "mrr")
ByQuery = Mapping[str, float]
Curve = Mapping[int, float]


def qrels_of(evidence: Sequence[Evidence], mode: Mode) -> Qrels:
    """The grades of the queries; judged-only ones of the documents that the source has."""
    if mode == "full":
        return {each.query.query_id: each.grades for each in evidence}
    return {each.query.query_id: {doc_id: each.grades[doc_id] for doc_id in each.judged_ids} for each in evidence}


def runs_of(systems: Sequence[System], evidence: Sequence[Evidence], mode: Mode, window: int) -> dict[str, Run]:
    """Every system's run."""
    return {system.name: run_of(system, evidence, mode, window) for system in systems}


def ndcg_by_query(run: Run, qrels: Qrels) -> ByQuery:
    """NDCG@10 with the gain 2^grade - 1."""
    return evaluate(run, qrels, [NDCG])[NDCG]


def mode_report(systems: Sequence[System], runs: Mapping[str, Run], qrels: Qrels, *, window: int | None, relevant_from: int) -> ModeReport:
    """The table of one mode; recall is of the window, and of no use where only judged documents are ordered."""
    metrics = [*_METRICS, *([f"recall@{window}"] if window else [])]
    values = {system.name: evaluate(runs[system.name], qrels, metrics, relevant_from=relevant_from) for system in systems}
    baseline = best_first_pass(systems, {name: values[name][NDCG] for name in values})
    differences = _differences(systems, {name: values[name][NDCG] for name in values}, baseline)
    rows = tuple(
        SystemReport(
            system.name, system.model, system.first_pass, system.served, dict(means(values[system.name])), differences.get(system.name)
        )
        for system in systems
    )
    return ModeReport(baseline, rows)


def best_first_pass(systems: Sequence[System], values: Mapping[str, ByQuery]) -> str:
    """The first pass with the highest mean: what a model has to beat. Random order is none that anybody serves."""
    passes = [system.name for system in systems if system.model is None and system.name != RANDOM]
    return max(passes, key=lambda name: statistics.fmean(values[name].values()))


def depth_curve(systems: Sequence[System], evidence: Sequence[Evidence], qrels: Qrels, depths: Sequence[int]) -> Mapping[str, Curve]:
    """NDCG@10 of each model when it re-ranks the first 10, 20, ... hits."""
    return {
        system.name: {depth: statistics.fmean(ndcg_by_query(run_of(system, evidence, "full", depth), qrels).values()) for depth in depths}
        for system in systems
        if system.model is not None
    }


def latency(model: str, kind: str, evidence: Sequence[Evidence]) -> Latency:
    """Median and 95th percentile of the requests that this run made."""
    timings = [each.timings[model] for each in evidence]
    first = [timing.first_ms for timing in timings]
    known = [timing.known_ms for timing in timings if timing.known_ms is not None]
    return Latency(
        model,
        kind,
        first_median_ms=percentile(first, 50),
        first_p95_ms=percentile(first, 95),
        known_median_ms=percentile(known, 50),
        known_p95_ms=percentile(known, 95),
        first_requests=len(first),
        known_requests=len(known),
    )


def percentile(values: Sequence[float], percent: int) -> float:
    """The smallest value that at least so many percent of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]


def _differences(systems: Sequence[System], values: Mapping[str, ByQuery], baseline: str) -> dict[str, Comparison]:
    """Models against the baseline. What is served is corrected apart from diagnostics, which choose nothing and must not make it unsure."""
    found: dict[str, Comparison] = {}
    for served in (True, False):
        family = {system.name: values[system.name] for system in systems if system.model is not None and system.served is served}
        found |= compare_all(family, values[baseline])
    return found
