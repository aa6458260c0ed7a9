"""Kinds of queries: where a model helps and where it harms.

Invariant: a kind is told from the query, its grades and its documents, never from what a system made of it.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from sidecar.encoding import field_text
from sidecar.query_kinds import NEGATED, NUMBERED, length_of, negated, numbered
from training.data.splits import canonical
from training.evaluate.evidence import Evidence
from training.evaluate.report import SliceRow
from training.metrics.significance import bootstrap_interval

_FEWEST = 5
_RESAMPLES = 2_000
_OTHER = "other"
Kinds = Mapping[str, Mapping[str, str]]
ByQuery = Mapping[str, float]


def slice_rows(evidence: Sequence[Evidence], values: Mapping[str, ByQuery], baseline: str, models: Sequence[str]) -> tuple[SliceRow, ...]:
    """One row for every kind that holds at least five queries; `values` is NDCG@10 by system and query."""
    rows = []
    for name, kinds in kinds_of(evidence).items():
        for kind in sorted(set(kinds.values()), key=_position):
            members = sorted(query_id for query_id, found in kinds.items() if found == kind)
            if len(members) >= _FEWEST:
                rows.append(_row(name, kind, members, values, baseline, models))
    return tuple(rows)


def kinds_of(evidence: Sequence[Evidence]) -> Kinds:
    """Slice -> query id -> the query's kind; a slice that tells no two kinds apart is left out."""
    exact = {each.query.query_id: _exact(each) for each in evidence}
    middle = statistics.median(map(len, exact.values())) if exact else 0
    slices = {
        "query length": {each.query.query_id: length_of(each.query.query) for each in evidence},
        "negation": {each.query.query_id: NEGATED if negated(each.query.query) else "plain" for each in evidence},
        "number": {each.query.query_id: NUMBERED if numbered(each.query.query) else "without a number" for each in evidence},
        "brand": {each.query.query_id: _named(each, "brand") for each in evidence},
        "creator": {each.query.query_id: _named(each, "creator") for each in evidence},
        "exact hits": {query_id: _head(len(doc_ids), middle) for query_id, doc_ids in exact.items()},
        "category": _common({each.query.query_id: _category(each, exact[each.query.query_id]) for each in evidence}),
    }
    return {name: kinds for name, kinds in slices.items() if len(set(kinds.values())) > 1}


def _row(name: str, kind: str, members: Sequence[str], values: Mapping[str, ByQuery], baseline: str, models: Sequence[str]) -> SliceRow:
    means = {system: statistics.fmean(by_query[query_id] for query_id in members) for system, by_query in values.items()}
    differences = {}
    for model in models:
        gains = np.array([values[model][query_id] - values[baseline][query_id] for query_id in members])
        differences[model] = (float(gains.mean()), *bootstrap_interval(gains, resamples=_RESAMPLES))
    return SliceRow(name, kind, len(members), means, differences)


def _named(evidence: Evidence, role: str) -> str:
    """Whether the query names the brand (the maker, the actor) of one of its own judged documents."""
    asked = f" {canonical(evidence.query.query)} "
    for doc_id in evidence.query.doc_ids:
        value = evidence.fields.get(doc_id, {}).get(role)
        names = [value] if isinstance(value, str) else value if isinstance(value, list | tuple) else []
        if any(len(name := canonical(str(each))) >= 3 and f" {name} " in asked for each in names):
            return f"{role} named"
    return f"no {role} named"


def _exact(evidence: Evidence) -> list[str]:
    """The documents of the query's highest grade."""
    highest = max(evidence.query.grades)
    return [doc_id for doc_id, grade in zip(evidence.query.doc_ids, evidence.query.grades, strict=True) if grade == highest]


def _head(count: int, middle: float) -> str:
    return f"tail: at most {middle:g}" if count <= middle else f"head: more than {middle:g}"


def _category(evidence: Evidence, exact: Sequence[str]) -> str:
    """The department that most of the best documents are in."""
    found = Counter(_department(evidence.fields.get(doc_id, {}).get("category")) for doc_id in exact)
    found.pop("", None)
    return min(found, key=lambda name: (-found[name], name)) if found else _OTHER


def _department(category: object) -> str:
    first = category[0] if isinstance(category, list | tuple) and category else category
    return field_text(first) if isinstance(first, str) else ""


def _common(kinds: Mapping[str, str]) -> dict[str, str]:
    """Departments of few queries become one."""
    counts = Counter(kinds.values())
    return {query_id: kind if counts[kind] >= _FEWEST else _OTHER for query_id, kind in kinds.items()}


def _position(kind: str) -> tuple[bool, str]:
    return kind == _OTHER, kind
