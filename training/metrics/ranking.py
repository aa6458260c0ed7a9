"""Runs and judgments -> ranking metrics per query, by ir-measures: what every report and gate reads.

Invariant: hits of equal score rank by document id, ascending, whatever the metric: the order is made here, strictly descending,
before any library sees it. Every judged query has a value; one that the run lacks has zero.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean

import ir_measures

Run = Mapping[str, Mapping[str, float]]
"""Query id -> document id -> score."""
Qrels = Mapping[str, Mapping[str, int]]
"""Query id -> document id -> grade, 0 = irrelevant."""
Values = Mapping[str, Mapping[str, float]]
"""Metric -> query id -> value."""

_NAME = re.compile(r"(?P<metric>[a-z_]+)(?:@(?P<cutoff>[1-9][0-9]*))?")
# The Shopping Queries data set's own gains, 1 / 0.1 / 0.01 / 0: NDCG is the same for gains a hundred times as high.
_ESCI_GAINS = {0: 0, 1: 1, 2: 10, 3: 100}
# The highest grade of TREC's web track: with one fixed scale, ERR compares between data sets.
_ERR_MAX_GRADE = 4
# pytrec_eval computes in 64-bit integers of gain.
MAX_EXPONENTIAL_GRADE = 30


def evaluate(run: Run, qrels: Qrels, metrics: Sequence[str], *, relevant_from: int = 1) -> Values:
    """The metrics by name for every judged query.

    `ndcg@10` has the gain 2^grade - 1, `ndcg_linear@10` the grade itself (trec_eval's), `ndcg_esci@10` 100 / 10 / 1 / 0; `map`,
    `mrr`, `precision`, `recall` and `success` count a hit as relevant from the grade `relevant_from`; `err` reads grades up to 4.
    A cutoff follows the `@`; without one the whole run counts.
    """
    ordered = {query_id: _strictly_descending(hits) for query_id, hits in run.items() if query_id in qrels}
    judged = {query_id: {doc_id: _grade(grade) for doc_id, grade in grades.items()} for query_id, grades in qrels.items()}
    return {name: _values(name, ordered, judged, relevant_from) for name in metrics}


def means(values: Values) -> Mapping[str, float]:
    """The mean of each metric over its queries."""
    return {metric: fmean(by_query.values()) if by_query else math.nan for metric, by_query in values.items()}


def ranking(hits: Mapping[str, float]) -> list[str]:
    """Document ids by descending score, equal scores by ascending id."""
    for doc_id, score in hits.items():
        if not math.isfinite(score):
            raise ValueError(f"document {doc_id!r} has the score {score}: a run holds finite scores")
    return sorted(hits, key=lambda doc_id: (-hits[doc_id], doc_id))


def _values(name: str, run: Run, qrels: Qrels, relevant_from: int) -> Mapping[str, float]:
    metric, cutoff = _parse(name)
    if metric == "err":
        return {query_id: _err(run.get(query_id, {}), grades, cutoff) for query_id, grades in qrels.items()}
    values = dict.fromkeys(qrels, 0.0)
    for result in ir_measures.iter_calc([_measure(metric, cutoff, qrels, relevant_from)], qrels, run):
        values[result.query_id] = float(result.value)
    return values


def _parse(name: str) -> tuple[str, int | None]:
    match = _NAME.fullmatch(name)
    if match is None or match["metric"] not in _METRICS:
        raise ValueError(f"there is no metric {name!r}; there are {', '.join(_METRICS)}, each with @ and a cutoff")
    if match["cutoff"] is None and match["metric"] in {"precision", "recall", "success"}:
        raise ValueError(f"metric {name!r} needs a cutoff, such as {name}@10")
    return match["metric"], int(match["cutoff"]) if match["cutoff"] else None


def _measure(metric: str, cutoff: int | None, qrels: Qrels, relevant_from: int) -> ir_measures.Measure:
    if metric == "ndcg":
        measure = ir_measures.nDCG(gains=_exponential_gains(qrels.values()))
    elif metric == "ndcg_esci":
        measure = ir_measures.nDCG(gains=_ESCI_GAINS)
    elif metric == "ndcg_linear":
        measure = ir_measures.nDCG
    else:
        measure = _BINARY[metric](rel=relevant_from)
    return measure if cutoff is None else measure @ cutoff


_BINARY = {
    "map": ir_measures.AP,
    "mrr": ir_measures.RR,
    "precision": ir_measures.P,
    "recall": ir_measures.R,
    "success": ir_measures.Success,
}
_METRICS = ("ndcg", "ndcg_linear", "ndcg_esci", "err", *_BINARY)


def _exponential_gains(judgments: Iterable[Mapping[str, int]]) -> dict[int, int]:
    grades = {grade for by_doc in judgments for grade in by_doc.values()}
    highest = max(grades, default=0)
    if highest > MAX_EXPONENTIAL_GRADE:
        raise ValueError(f"grade {highest} is too high for the gain 2^grade - 1: map ratings to grades such as 0 to 3 first")
    return {grade: 2**grade - 1 for grade in grades | {0} if grade >= 0}


def _err(hits: Mapping[str, float], grades: Mapping[str, int], cutoff: int | None) -> float:
    """Expected reciprocal rank: sum over ranks of P(the user stops here) / rank, P(satisfied) = (2^grade - 1) / 2^4.

    ir-measures has it only through a Perl script that reads numeric query ids and rounds to five digits.
    """
    total, still_looking = 0.0, 1.0
    for rank, doc_id in enumerate(ranking(hits)[:cutoff], start=1):
        satisfied = (2 ** min(max(grades.get(doc_id, 0), 0), _ERR_MAX_GRADE) - 1) / 2**_ERR_MAX_GRADE
        total += still_looking * satisfied / rank
        still_looking *= 1 - satisfied
    return total


def _strictly_descending(hits: Mapping[str, float]) -> dict[str, float]:
    return {doc_id: float(-rank) for rank, doc_id in enumerate(ranking(hits))}


def _grade(grade: float) -> int:
    if grade != int(grade):
        raise ValueError(f"grade {grade} is not whole: metrics read graded judgments, not scores")
    return int(grade)
