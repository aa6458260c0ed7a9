"""Queries -> candidates -> teacher logits: turns a catalogue and unlabelled queries into lists that a student learns from.

A list holds the mixture's best hits, some of its middle and tail, and random documents, so that the student learns to re-rank a
window and not only its top. The teacher logit of a hit is the weighted sum of the retrievers' scores, each standardised over the
query's window, plus a bonus for the document that the query was made from.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from training.batches import TrainingList
from training.data.lists import Catalogue
from training.distil.queries import GeneratedQuery
from training.distil.retrievers import Retriever, Scores

# Scores of one teacher in memory: 64 MB, of which mixing holds several.
_MOST_SCORES = 2**24


@dataclass(frozen=True, slots=True)
class Teacher:
    """A retriever and its weight in the mixture."""

    retriever: Retriever
    weight: float


@dataclass(frozen=True, slots=True)
class Sampling:
    """How many hits of a list come from the mixture's top, from its middle, from the window's tail, and at random."""

    top: int = 8
    middle: int = 5
    tail: int = 4
    random: int = 3
    window: int = 100
    source_bonus: float = 1.0


def label(
    catalogue: Catalogue,
    queries: Sequence[GeneratedQuery | str],
    teachers: Mapping[str, Teacher],
    *,
    sampling: Sampling,
    seed: int,
    source: str,
    chunk: int = 256,
) -> Iterator[TrainingList]:
    """Yield one list a query, in order, with teacher logits. `chunk` queries are scored at once, fewer where the catalogue is large."""
    doc_ids = list(catalogue)
    chunk = max(1, min(chunk, _MOST_SCORES // max(1, len(doc_ids))))
    positions = {doc_id: index for index, doc_id in enumerate(doc_ids)}
    rng = np.random.default_rng(seed)
    for start in range(0, len(queries), chunk):
        part = queries[start : start + chunk]
        texts = [query if isinstance(query, str) else query.query for query in part]
        mixed = mix({name: (teacher.retriever.scores(texts), teacher.weight) for name, teacher in teachers.items()}, sampling.window)
        for query, text, scores in zip(part, texts, mixed, strict=True):
            origin = None if isinstance(query, str) else positions[query.doc_id]
            if origin is not None:
                scores[origin] += sampling.source_bonus
            chosen = sample_candidates(scores, origin, sampling, rng)
            yield TrainingList(
                text,
                tuple(doc_ids[index] for index in chosen),
                teacher=tuple(round(float(scores[index]), 4) for index in chosen),
                source=source,
            )


def mix(parts: Mapping[str, tuple[Scores, float]], window: int) -> Scores:
    """The weighted sum [queries, documents] of scores, each standardised over the union of all parts' top `window` documents.

    Statistics of the window, not of the catalogue: over a whole catalogue nearly every score is a floor, and what separates good
    hits from each other would be squeezed into a sliver.
    """
    first = next(iter(parts.values()))[0]
    keep = min(window, first.shape[1])
    member = np.zeros(first.shape, dtype=bool)
    for scores, _ in parts.values():
        np.put_along_axis(member, np.argpartition(-scores, keep - 1, axis=1)[:, :keep], values=True, axis=1)
    return sum((standardise(scores, member) * np.float32(weight) for scores, weight in parts.values()), np.zeros_like(first))


def standardise(scores: Scores, member: np.ndarray) -> Scores:
    """(score - mean) / deviation with the statistics of each row's members; a row of equal scores becomes zeros."""
    count = member.sum(1, keepdims=True)
    mean = np.where(member, scores, 0).sum(1, keepdims=True) / count
    variance = np.where(member, (scores - mean) ** 2, 0).sum(1, keepdims=True) / count
    standardised: Scores = ((scores - mean) / np.sqrt(np.maximum(variance, 1e-12))).astype(np.float32)
    return np.where(variance < 1e-12, np.float32(0), standardised)


def sample_candidates(scores: Scores, origin: int | None, sampling: Sampling, rng: np.random.Generator) -> list[int]:
    """Distinct document positions for one list: top, middle (to rank 30), tail (to the window's end), random, and the source."""
    best = np.argsort(-scores, kind="stable")[: sampling.window]
    middle_end = min(30, len(best))
    groups = (
        best[: sampling.top],
        _draw(best[sampling.top : middle_end], sampling.middle, rng),
        _draw(best[middle_end:], sampling.tail, rng),
        rng.integers(0, len(scores), sampling.random),
        [] if origin is None else [origin],
    )
    return list(dict.fromkeys(int(index) for group in groups for index in group))


def _draw(items: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    return rng.choice(items, min(count, len(items)), replace=False)
