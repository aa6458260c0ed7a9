"""Judged queries through whole pipelines -> what readers see of them: the cluster's own pages, nothing of it computed here.

Invariant: a pipeline's pages are compared with those of the same search without re-ranking, query by query.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeVar

from cluster.served_pages import ServedPage
from training.data.build import to_qrels
from training.data.lists import QueryList
from training.evaluate.measures import NDCG, percentile
from training.evaluate.report import ServedRow
from training.metrics.ranking import Qrels, Run, evaluate, means
from training.metrics.significance import Comparison, compare_all

SIZE = 10
Item = TypeVar("Item")


class PageSource(Protocol):
    """A node that answers searches as readers get them."""

    @property
    def searches(self) -> tuple[str, ...]:
        """The searches whose pages are asked for."""
        ...

    @property
    def pipelines(self) -> Mapping[str, int]:
        """The pipelines that they go through, and the deadline in milliseconds that each has of its own."""
        ...

    def page(self, search: str, query: str, size: int, pipeline: str | None) -> ServedPage:
        """A page of a search, through a pipeline or (none) as the first pass leaves it."""
        ...


def served_rows(source: PageSource, queries: Sequence[QueryList], advance: Callable[[int], None]) -> tuple[ServedRow, ...]:
    """A line for each search as it is, and one for each pipeline that it goes through; `advance` is told of queries done."""
    pages: dict[tuple[str, str | None], dict[str, ServedPage]] = {
        (search, pipeline): {} for search in source.searches for pipeline in (None, *source.pipelines)
    }
    for number, query in enumerate(queries):
        # Whoever comes first pays for documents that the sidecar has not seen: each is that in turn.
        for search, pipeline in _rotated(list(pages), number):
            pages[search, pipeline][query.query_id] = source.page(search, query.query, SIZE, pipeline)
        advance(1)
    qrels = to_qrels(queries)
    rows: list[ServedRow] = []
    for search in source.searches:
        rows += _rows(search, {name: found for (of, name), found in pages.items() if of == search}, qrels, source.pipelines)
    return tuple(rows)


def _rotated(items: list[Item], count: int) -> list[Item]:
    turn = count % len(items)
    return items[turn:] + items[:turn]


def _rows(search: str, pages: Mapping[str | None, Mapping[str, ServedPage]], qrels: Qrels, deadlines: Mapping[str, int]) -> list[ServedRow]:
    values = {name: evaluate(_run(found), qrels, [NDCG]) for name, found in pages.items()}
    differences = compare_all({name: value[NDCG] for name, value in values.items() if name is not None}, values[None][NDCG])
    first_pass = ServedRow(search, None, means(values[None])[NDCG], None, len(pages[None]))
    return [
        first_pass,
        *(
            _row(search, name, list(found.values()), means(values[name])[NDCG], differences[name], deadlines[name])
            for name, found in pages.items()
            if name is not None
        ),
    ]


def _row(search: str, name: str, pages: Sequence[ServedPage], ndcg: float, difference: Comparison, deadline_ms: int) -> ServedRow:
    added = [page.added_ms for page in pages if page.applied]
    return ServedRow(
        search=search,
        pipeline=name,
        ndcg=ndcg,
        difference=difference,
        pages=len(pages),
        reranked=len(added),
        reasons=dict(Counter(page.reason for page in pages if not page.applied)),
        neighbours=sum(page.neighbours for page in pages) / max(1, len(pages)),
        median_ms=percentile(added, 50) if added else None,
        p95_ms=percentile(added, 95) if added else None,
        deadline_ms=deadline_ms,
        late=sum(ms > deadline_ms for ms in added),
    )


def _run(pages: Mapping[str, ServedPage]) -> Run:
    return {query_id: {doc_id: -float(rank) for rank, doc_id in enumerate(page.doc_ids)} for query_id, page in pages.items()}
