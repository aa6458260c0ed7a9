"""Judgments or grades, a first pass and a catalogue -> the lists that training reads, with hard and random negatives.

Invariant: what a list holds depends on the seed and its own query alone, not on the other lists; every list and every judged hit that is
left out is counted.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ibis.expr.types import Table

from training.data.lists import QueryList
from training.data.report import Report, count
from training.data.splits import canonical
from training.metrics.ranking import Qrels, Run, ranking

NO_HIT = "no judged hit is in the catalogue"
ONE_GRADE = "all hits have one grade"


@dataclass(frozen=True, slots=True)
class ListSettings:
    """How a training list is made from judged hits.

    `hard_negatives` are unjudged hits of the first pass below rank `hard_below`: from the very top, too many are relevant hits that nobody
    judged; without `random_negatives` beside them a model forgets what is plainly irrelevant. Lists longer than `max_hits` lose judged
    hits at random, the best grade last. `keep_single_grade` is for losses over single hits, which need no order.
    """

    hard_negatives: int = 4
    hard_below: int = 10
    random_negatives: int = 4
    max_hits: int = 32
    keep_single_grade: bool = False
    seed: int = 0


def query_lists(judgments: Table, source: str) -> tuple[list[QueryList], Report]:
    """The lists of a judgments table, by query id; of a pair judged twice the highest grade, the others counted.

    The report says how many pairs have several grades, with one of them. Raises ValueError where one query id has several texts: a list
    has one, and the others would be lost.
    """
    total = int(judgments.count().to_pyarrow().as_py())
    query = judgments["query"]
    pairs = judgments.group_by(["query_id", "doc_id"]).agg(
        query=query.min(), other=query.max(), least=judgments.grade.min(), grade=judgments.grade.max()
    )
    hits: dict[str, list[tuple[str, float]]] = {}
    queries: dict[str, str] = {}
    disputed: list[dict[str, Any]] = []
    for row in pairs.order_by(["query_id", "doc_id"]).to_pyarrow().to_pylist():
        hits.setdefault(row["query_id"], []).append((row["doc_id"], row["grade"]))
        disputed += [row] if row["least"] < row["grade"] else []
        _refuse_texts(row["query_id"], queries.setdefault(row["query_id"], row["query"]), row["query"], row["other"])
    lists = [_list(query_id, queries[query_id], found, source) for query_id, found in hits.items()]
    judged_twice = total - sum(len(item.doc_ids) for item in lists)
    return lists, Report("lists", total, {f"judged twice{_of_grades(disputed)}": judged_twice} if judged_twice else {})


def _of_grades(disputed: Sequence[Mapping[str, Any]]) -> str:
    """How many of the pairs judged twice have several grades; empty where none has."""
    if not disputed:
        return ""
    first = disputed[0]
    grades = f"{first['grade']:g} of {first['least']:g} and {first['grade']:g}"
    return (
        f"; {len(disputed):,} pairs have several grades, of which the highest is kept, such as {grades} "
        f"for {first['doc_id']!r} of the query {first['query']!r}"
    )


def _refuse_texts(query_id: str, *texts: str) -> None:
    # Spellings of one query are one text.
    if len({*texts}) > 1 and len(found := [*{canonical(text): text for text in sorted(texts)}.values()]) > 1:
        raise ValueError(
            f"the query id {query_id!r} has several texts, such as {found[0]!r} and {found[1]!r}: --query-id-column must name a column "
            "with one id for each query; left out, the text itself is the id"
        )


def graded_lists(grades: Table, source: str) -> list[QueryList]:
    """The lists of a grades table (`query, item_id, grade`), by query."""
    renamed = grades.select(query_id="query", query="query", doc_id="item_id", grade="grade")
    return query_lists(renamed, source)[0]


def to_qrels(lists: Iterable[QueryList]) -> Qrels:
    """The judgments of lists, as metrics read them; raises ValueError where a grade is not whole."""
    return {item.query_id: {doc_id: _whole(grade) for doc_id, grade in zip(item.doc_ids, item.grades, strict=True)} for item in lists}


def training_lists(
    judged: Iterable[QueryList],
    doc_ids: Sequence[str],
    run: Run | None = None,
    settings: ListSettings | None = None,
    ungraded: Mapping[str, Collection[str]] | None = None,
) -> tuple[list[QueryList], tuple[Report, Report]]:
    """Training lists: judged hits of the catalogue, hard negatives of the first pass by query id, random negatives.

    `ungraded` are documents by query id that were judged but have no grade: they are never negatives of that query. The first report
    counts lists: those without a hit in the catalogue, and those of one grade even with the negatives. The second counts judged hits:
    those that the catalogue does not have, that a list has no room for, or whose list is left out.
    """
    settings = settings or ListSettings()
    known = frozenset(doc_ids)
    built: list[QueryList] = []
    lists: Counter[str | None] = Counter()
    hits: Counter[str | None] = Counter()
    for item in judged:
        taken = {*item.doc_ids, *(ungraded or {}).get(item.query_id, ())}
        found = _build(item, doc_ids, known, taken, (run or {}).get(item.query_id, {}), settings)
        reason = _left_out(found, settings)
        lists[reason] += 1
        hits.update(_hits(item, found, known, settings.max_hits, left_out=reason is not None))
        if found is not None and reason is None:
            built.append(found)
    return built, (count(lists, "training lists"), count(hits, "judged hits"))


def _left_out(found: QueryList | None, settings: ListSettings) -> str | None:
    """Why a list is not for training, if so."""
    if found is None:
        return NO_HIT
    return ONE_GRADE if len(set(found.grades)) < 2 and not settings.keep_single_grade else None


def _hits(item: QueryList, found: QueryList | None, known: frozenset[str], max_hits: int, *, left_out: bool) -> dict[str | None, int]:
    """The judged hits of a list by the reason why they are not in what was made of it, none for those that are."""
    present = {doc_id for doc_id in item.doc_ids if doc_id in known}
    kept = 0 if found is None else len(present.intersection(found.doc_ids))
    return {
        "not in the catalogue": len(item.doc_ids) - len(present),
        f"no room in a list of {max_hits:,} hits": len(present) - kept,
        "in a list that is left out" if left_out else None: kept,
    }


def _build(
    item: QueryList, doc_ids: Sequence[str], known: frozenset[str], taken: set[str], hits: Mapping[str, float], settings: ListSettings
) -> QueryList | None:
    rng = random.Random(f"{settings.seed}:{item.query_id}")
    judged = [(doc_id, grade) for doc_id, grade in zip(item.doc_ids, item.grades, strict=True) if doc_id in known]
    if not judged:
        return None
    hard = [doc_id for doc_id in ranking(hits)[settings.hard_below :] if doc_id in known and doc_id not in taken]
    negatives = rng.sample(hard, min(settings.hard_negatives, len(hard)))
    negatives += _random(doc_ids, taken | set(negatives), settings.random_negatives, rng)
    judged = _capped(judged, max(1, settings.max_hits - len(negatives)), rng)
    found = judged + [(doc_id, 0.0) for doc_id in negatives[: settings.max_hits - len(judged)]]
    return _list(item.query_id, item.query, found, item.source)


def _capped(judged: list[tuple[str, float]], limit: int, rng: random.Random) -> list[tuple[str, float]]:
    """At most `limit` hits, drawn grade by grade in turns, so that no grade is lost before another is thinned."""
    by_grade: dict[float, list[tuple[str, float]]] = {}
    for hit in rng.sample(judged, len(judged)):
        by_grade.setdefault(hit[1], []).append(hit)
    turns = [by_grade[grade] for grade in sorted(by_grade, reverse=True)]
    drawn: list[tuple[str, float]] = []
    while len(drawn) < limit and any(turns):
        drawn += [grade.pop() for grade in turns if grade][: limit - len(drawn)]
    return sorted(drawn)


def _random(doc_ids: Sequence[str], taken: set[str], count: int, rng: random.Random) -> list[str]:
    """`count` documents that are not taken; fewer where the catalogue has no more."""
    drawn = rng.sample(doc_ids, min(len(doc_ids), count + len(taken)))
    return [doc_id for doc_id in drawn if doc_id not in taken][:count]


def _list(query_id: str, query: str, hits: Sequence[tuple[str, float]], source: str) -> QueryList:
    return QueryList(query_id, query, tuple(doc_id for doc_id, _ in hits), tuple(grade for _, grade in hits), source)


def _whole(grade: float) -> int:
    if grade != int(grade):
        raise ValueError(f"grade {grade} is not whole")
    return int(grade)
