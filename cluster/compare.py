"""The same unchanged request twice, without and with the index's pipeline -> two pages side by side, and NDCG@10 of both.

Invariant: the only difference between the two requests is `search_pipeline=_none`, so what differs in the pages is the re-ranking.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import ir_measures
from opensearchpy import OpenSearch

from cluster.errors import ServiceFailed
from cluster.judgments import JudgedQuery
from cluster.paths import texts_at
from cluster.pipelines import NO_PIPELINE
from sidecar.encoding import FieldValue

# 2^grade - 1, the gain of the ranking losses; ESCI's Exact, Substitute, Complement, Irrelevant are grades 3, 2, 1, 0.
NDCG = ir_measures.nDCG(gains={0: 0, 1: 1, 2: 3, 3: 7}) @ 10
Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Hit:
    """One hit of a page."""

    id: str
    title: str


@dataclass(frozen=True, slots=True)
class Page:
    """One answer: its hits, how long the caller waited, and what it says: whether it was re-ranked (None: it says nothing), if not, why,
    and how the query was read where that is not as it was sent."""

    hits: tuple[Hit, ...]
    wait_ms: float
    applied: bool | None = None
    reason: str = ""
    read_as: str = ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One query's two pages."""

    query: str
    first_pass: Page
    reranked: Page


@dataclass(frozen=True, slots=True)
class Summary:
    """Many comparisons in figures: mean NDCG@10 and median waiting time of both passes, and how many pages were not re-ranked."""

    queries: int
    first_pass_ndcg: float
    reranked_ndcg: float
    first_pass_ms: float
    reranked_ms: float
    not_applied: int


def compare(client: OpenSearch, index: str, query: str, body: Body, title: str = "title") -> Comparison:
    """Both pages of one request, after one that nobody counts: whoever comes first would pay for the cold caches of both.

    `title` is the path in `_source` at which a hit's title lies.
    """

    def page(**params: str) -> Page:
        return _page(client, index, body, params, title)

    page(search_pipeline=NO_PIPELINE)
    return Comparison(query, page(search_pipeline=NO_PIPELINE), page())


def compare_judged(
    client: OpenSearch, index: str, *, judged: Iterable[JudgedQuery], body: Callable[[str], Body], advance: Callable[[int], None]
) -> list[Comparison]:
    """Both pages of every judged query."""
    compared = []
    for query in judged:
        compared.append(compare(client, index, query.text, body(query.text)))
        advance(1)
    return compared


def summarize(comparisons: Sequence[Comparison], judged: Sequence[JudgedQuery]) -> Summary:
    """The figures of comparisons whose queries are judged."""
    return Summary(
        len(comparisons),
        mean_ndcg({each.query: each.first_pass for each in comparisons}, judged),
        mean_ndcg({each.query: each.reranked for each in comparisons}, judged),
        statistics.median(each.first_pass.wait_ms for each in comparisons),
        statistics.median(each.reranked.wait_ms for each in comparisons),
        sum(each.reranked.applied is False for each in comparisons),
    )


def fail_unless_reranked(comparisons: Sequence[Comparison]) -> None:
    """Raise ServiceFailed where every page came back in first-pass order: the caller would compare a page with itself."""
    if comparisons and all(each.reranked.applied is not True for each in comparisons):
        reasons = sorted({each.reranked.reason or "the pipeline does not annotate" for each in comparisons})
        raise ServiceFailed(f"no page was re-ranked: {', '.join(reasons)}")


def mean_ndcg(pages: dict[str, Page], judged: Sequence[JudgedQuery]) -> float:
    """Mean NDCG@10 of the pages; a query without a hit counts 0, a query without a judgment is left out."""
    qrels = {query.text: query.grades for query in judged if query.text in pages}
    run = {text: {hit.id: -float(rank) for rank, hit in enumerate(page.hits)} for text, page in pages.items() if page.hits}
    return float(ir_measures.calc_aggregate([NDCG], qrels, run)[NDCG]) if qrels else 0.0


def _page(client: OpenSearch, index: str, body: Body, params: dict[str, str], title: str) -> Page:
    started = time.perf_counter()
    answer = client.search(index=index, body=body, params=params)
    wait_ms = (time.perf_counter() - started) * 1000
    hits = tuple(Hit(hit["_id"], _text(texts_at(hit.get("_source", {}), title))) for hit in answer["hits"]["hits"])
    told = answer.get("ext", {}).get("rerank", {})
    return Page(hits, wait_ms, told.get("applied"), told.get("reason") or "", told.get("read_as") or "")


def _text(value: FieldValue) -> str:
    """A title as a page shows it: a list's values beside each other, nothing where there is none."""
    return ", ".join(value) if isinstance(value, list) else "" if value is None else str(value)
