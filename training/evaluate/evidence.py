"""A judged set, a source and the models -> evidence: every query's candidates, every model's logits of them, and the times.

What is asked for once: each document is scored once for a query and a model, the window in one request as the service gets it, the
deeper and the judged documents in a second one. Every order that a report shows is made of this.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sidecar.encoding import Fields
from sidecar.ranker import Pair
from training.data.lists import QueryList
from training.evaluate.candidates import BM25, RANDOM, RRF, Candidates, Retrieved, Source, retrieve
from training.evaluate.served import Scored, Served


@dataclass(frozen=True, slots=True)
class Plan:
    """How deep first passes go, which of them models re-rank (the first one is timed), and how many of their hits.

    `timed_again` queries are asked twice, to time windows of known documents: enough for a median and a 95th percentile, where asking
    all again would double the costliest part. Without `similarity` hits come without their similarity by vectors.
    """

    window: int = 100
    depths: tuple[int, ...] = (10, 20, 50, 100, 200)
    first_passes: tuple[str, ...] = (RRF,)
    timed_again: int = 50
    similarity: bool = True
    seed: int = 0

    @property
    def depth(self) -> int:
        """Hits asked of each pass. Not less than 200, so that RRF does not depend on the options where that can be avoided."""
        return max(200, self.deepest)

    @property
    def deepest(self) -> int:
        """Hits of the largest window that models re-rank."""
        return max((self.window, *self.depths))


@dataclass(frozen=True, slots=True)
class Timing:
    """Milliseconds of one window: documents seen for the first time, and seen before (none: not timed)."""

    first_ms: float
    known_ms: float | None


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that is known of one query."""

    query: QueryList
    retrieved: Retrieved
    fields: Mapping[str, Fields]
    pairs: Mapping[str, Mapping[str, Pair]]
    timings: Mapping[str, Timing]

    @property
    def judged_ids(self) -> tuple[str, ...]:
        """The judged documents that the source has."""
        return self.retrieved.judged[RANDOM].doc_ids

    @property
    def grades(self) -> dict[str, int]:
        """All grades of the query by document."""
        return dict(zip(self.query.doc_ids, map(int, self.query.grades), strict=True))

    def title(self, doc_id: str) -> str:
        """A document's title, or its id where it has none."""
        title = self.fields.get(doc_id, {}).get("title")
        return title if isinstance(title, str) else doc_id


def collect(source: Source, served: Served, queries: Sequence[QueryList], plan: Plan, advance: Callable[[int], None]) -> list[Evidence]:
    """The evidence of each query, in order; `advance` is told of queries done."""
    collected = []
    for number, query in enumerate(queries):
        collected.append(_evidence(source, served, query, plan, timed_again=number < plan.timed_again))
        advance(1)
    return collected


def reranked_passes(plan: Plan, found: Mapping[str, object]) -> tuple[str, ...]:
    """The passes whose windows models re-rank: those asked for that the source has; BM25 where it has words alone."""
    return tuple(name for name in plan.first_passes if name in found and name != RANDOM) or (BM25,)


def _evidence(source: Source, served: Served, query: QueryList, plan: Plan, *, timed_again: bool) -> Evidence:
    def read(found: Mapping[str, Sequence[str]]) -> str:
        window = dict.fromkeys(doc_id for name in reranked_passes(plan, found) for doc_id in found[name][: plan.window])
        return served.read(query.query, list(source.fields(list(window)).values()))

    retrieved = retrieve(source, query, depth=plan.depth, window=plan.window, similarity=plan.similarity, seed=plan.seed, read=read)
    passes = reranked_passes(plan, retrieved.full)
    windows = [retrieved.full[name].top(plan.deepest).doc_ids for name in passes]
    judged = retrieved.judged[RANDOM].doc_ids
    shown = [doc_id for candidates in retrieved.full.values() for doc_id in candidates.doc_ids[:10]]
    fields = source.fields(list(dict.fromkeys([doc_id for window in windows for doc_id in window] + [*judged, *shown])))
    timed = retrieved.full[passes[0]].top(plan.window)
    first = set(timed.doc_ids)
    others = [doc_id for doc_id in dict.fromkeys([doc_id for window in windows for doc_id in window] + [*judged]) if doc_id not in first]
    pairs, timings = {}, {}
    for model in served.rankers:
        fresh = _score(served, model, retrieved.read_as, timed, fields)
        again = _score(served, model, retrieved.read_as, timed, fields) if timed_again else None
        rest = served.score(model, retrieved.read_as, [fields[doc_id] for doc_id in others]) if others else Scored((), (), 0.0)
        pairs[model] = dict(zip((*timed.doc_ids, *others), (*fresh.pairs, *rest.pairs), strict=True))
        timings[model] = Timing(fresh.ms, again.ms if again else None)
    return Evidence(query, retrieved, fields, pairs, timings)


def _score(served: Served, model: str, query: str, window: Candidates, fields: Mapping[str, Fields]) -> Scored:
    documents = [fields[doc_id] for doc_id in window.doc_ids]
    return served.score(model, query, documents, window.scores, window.dense)
