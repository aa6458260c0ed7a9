"""The queries that a model changes most, each with both pages: what figures do not say, eyes see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from training.evaluate.evidence import Evidence
from training.evaluate.report import Extremes, PageHit, TwoPages
from training.evaluate.systems import System, page

_SHOWN = 10
ByQuery = Mapping[str, float]


def extremes(
    system: System, baseline: System, evidence: Sequence[Evidence], values: Mapping[str, ByQuery], window: int, shown: int = _SHOWN
) -> Extremes:
    """The worst and the best `shown` queries by the difference in NDCG@10; queries that did not change are in neither."""
    ours, theirs = values[system.name], values[baseline.name]
    gains = {query_id: ours[query_id] - theirs[query_id] for query_id in ours}
    by_id = {each.query.query_id: each for each in evidence}
    ordered = sorted(gains, key=lambda query_id: (gains[query_id], query_id))
    worst = [query_id for query_id in ordered if gains[query_id] < 0][:shown]
    best = [query_id for query_id in reversed(ordered) if gains[query_id] > 0][:shown]

    def pages(query_id: str) -> TwoPages:
        each = by_id[query_id]
        first, second = (_hits(shown_system, each, window) for shown_system in (baseline, system))
        return TwoPages(each.query.query, theirs[query_id], ours[query_id], first, second)

    return Extremes(tuple(map(pages, worst)), tuple(map(pages, best)))


def _hits(system: System, evidence: Evidence, window: int) -> tuple[PageHit, ...]:
    return tuple(PageHit(doc_id, evidence.title(doc_id), evidence.grades.get(doc_id)) for doc_id in page(system, evidence, window))
