"""What first passes find -> lists of candidates: each pass alone, reciprocal rank fusion of them, and random order.

Invariant: a list's order is descending score, equal scores by ascending id, as in every metric.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from sidecar.encoding import Fields
from training.data.lists import QueryList
from training.metrics.ranking import ranking

Scores = Mapping[str, float]
BM25, KNN, RRF, RANDOM = "bm25", "knn", "rrf", "random"
# Not a pass: how similar documents are to the query by vectors, where kNN is no pass that was asked for.
SIMILARITY = "similarity"
FIRST_PASSES = (BM25, KNN, RRF)
# The constant of Cormack et al. (SIGIR 2009), and OpenSearch's own default.
_RRF_K = 60


class Source(Protocol):
    """Where candidates come from: a live node, or a catalogue in memory."""

    @property
    def documents(self) -> int:
        """How many there are to find."""
        ...

    def describe(self) -> str:
        """A few words for the report."""
        ...

    def search(self, query: str, depth: int) -> Mapping[str, Scores]:
        """The `depth` best documents of each pass: BM25, kNN where there are vectors, searches of the shop's own by their names."""
        ...

    def score(self, query: str, doc_ids: Sequence[str]) -> Mapping[str, Scores]:
        """The same passes' scores of these documents alone, and similarities where kNN is not among them; one that a pass does not find
        is left out."""
        ...

    def fields(self, doc_ids: Sequence[str]) -> Mapping[str, Fields]:
        """What the re-ranker gets of these documents; an unknown one is left out."""
        ...


@dataclass(frozen=True, slots=True)
class Candidates:
    """One query's documents in the order of a pass, its scores (none: not found by it) and their similarities to the query by vectors."""

    doc_ids: tuple[str, ...]
    scores: tuple[float | None, ...]
    dense: tuple[float | None, ...]

    def top(self, count: int) -> Candidates:
        """The first `count`."""
        return Candidates(self.doc_ids[:count], self.scores[:count], self.dense[:count])


@dataclass(frozen=True, slots=True)
class Retrieved:
    """One query's candidates by pass: from the whole catalogue, and the judged documents alone; and the query as models read it."""

    full: Mapping[str, Candidates]
    judged: Mapping[str, Candidates]
    read_as: str


# The query as models read it among the documents that each pass found, best first.
Reading = Callable[[Mapping[str, Sequence[str]]], str]


def retrieve(
    source: Source, query: QueryList, *, depth: int, window: int, similarity: bool = True, seed: int = 0, read: Reading | None = None
) -> Retrieved:
    """Ask the source; `depth` candidates of each pass, of which `window` are put into random order; without `similarity` none is known.

    Passes get the query as it was typed; similarities are those of the query as it is read.
    """
    found = with_fusion(source.search(query.query, depth))
    full = {name: ranking(scores)[:depth] for name, scores in found.items()}
    text = read(full) if read is not None else query.query
    known = source.fields(query.doc_ids)
    judged_ids = [doc_id for doc_id in query.doc_ids if doc_id in known]
    wanted = list(dict.fromkeys([*judged_ids, *(doc_id for doc_ids in full.values() for doc_id in doc_ids)]))
    scored = dict(source.score(query.query, wanted))
    dense = _similarities(scored if text == query.query else source.score(text, wanted)) if similarity else {}
    scored.pop(SIMILARITY, None)
    judged_scores = with_fusion({name: _among(judged_ids, scores) for name, scores in scored.items()})
    last = next(name for name in (RRF, BM25, *full) if name in full)
    rng = random.Random(f"{seed}:{query.query_id}")
    return Retrieved(
        {
            **{name: _candidates(doc_ids, found[name], dense) for name, doc_ids in full.items()},
            RANDOM: _shuffled(full[last][:window], dense, rng),
        },
        {
            **{name: _candidates(_all(judged_ids, scores), scores, dense) for name, scores in judged_scores.items()},
            RANDOM: _shuffled(judged_ids, dense, rng),
        },
        text,
    )


def _similarities(scored: Mapping[str, Scores]) -> Scores:
    return scored.get(SIMILARITY, scored.get(KNN, {}))


def with_fusion(found: Mapping[str, Scores]) -> dict[str, Scores]:
    """The passes and, where both words and vectors are among them, reciprocal rank fusion of these two."""
    both = [found[name] for name in (BM25, KNN) if name in found]
    return {**found, RRF: reciprocal_rank_fusion(both)} if len(both) > 1 else dict(found)


def reciprocal_rank_fusion(parts: Iterable[Scores], k: int = _RRF_K) -> dict[str, float]:
    """Sum over the parts of 1 / (k + rank)."""
    fused: dict[str, float] = {}
    for scores in parts:
        for rank, doc_id in enumerate(ranking(scores), start=1):
            fused[doc_id] = fused.get(doc_id, 0.0) + 1 / (k + rank)
    return fused


def _among(doc_ids: Sequence[str], scores: Scores) -> dict[str, float]:
    return {doc_id: scores[doc_id] for doc_id in doc_ids if doc_id in scores}


def _all(doc_ids: Sequence[str], scores: Scores) -> list[str]:
    """The scored documents in order, then those that the pass does not find."""
    return [*ranking(scores), *sorted(set(doc_ids) - set(scores))]


def _candidates(doc_ids: Sequence[str], scores: Scores, dense: Scores) -> Candidates:
    return Candidates(tuple(doc_ids), tuple(map(scores.get, doc_ids)), tuple(map(dense.get, doc_ids)))


def _shuffled(doc_ids: Sequence[str], dense: Scores, rng: random.Random) -> Candidates:
    shuffled = rng.sample(sorted(doc_ids), len(doc_ids))
    return _candidates(shuffled, {doc_id: -float(rank) for rank, doc_id in enumerate(shuffled)}, dense)
