"""Graded judgments -> one table: CSV and TSV, TREC qrels, Quepid and ESCI JSON.

Invariant: `query_id, query, doc_id, grade`, none of them null, grades counting up from 0 = irrelevant; a pair that the files name is among
the rows or among the ungraded ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from pathlib import Path

import ibis
import msgspec
import pyarrow as pa
from ibis.expr.types import BooleanScalar, FloatingScalar, StringScalar, Table

from training.data.columns import number, real, trec_columns
from training.data.engine import Engine
from training.data.files import open_text
from training.data.reading import Raw, Read, check, open_raw

# Exact, Substitute, Complement, Irrelevant as ESCI's judgments write them -> grades.
ESCI_RATINGS: Mapping[float, float] = {100.0: 3.0, 10.0: 2.0, 1.0: 1.0, 0.0: 0.0}


@dataclass(frozen=True, slots=True)
class JudgmentColumns:
    """A file's own names; without a `query_id` the query's text is its id."""

    query: str = "query"
    doc: str = "doc_id"
    grade: str = "grade"
    query_id: str | None = None


MSRD_COLUMNS = JudgmentColumns(query_id="query_id")


@dataclass(frozen=True, slots=True)
class Judgments(Read):
    """Checked judgments, and the pairs (`query_id`, `doc_id`) that the files name but that were left out, such as for their ratings."""

    ungraded: Table

    def ungraded_by_query(self) -> Mapping[str, set[str]]:
        """The documents of the ungraded pairs by query id: somebody looked at them, so that they are no negatives that nobody judged."""
        by_query: dict[str, set[str]] = {}
        # A second look at the files, for nothing where no row was left out.
        for row in self.ungraded.to_pyarrow().to_pylist() if self.report.dropped else ():
            by_query.setdefault(row["query_id"], set()).add(row["doc_id"])
        return by_query


def read_judgments(
    engine: Engine, paths: Sequence[Path], columns: JudgmentColumns, ratings: Mapping[float, float] | None = None
) -> Judgments:
    """The judgments of CSV, TSV, JSONL or Parquet files; `ratings` maps the files' ratings to grades."""
    raw = open_raw(engine, paths)
    query, doc = raw.single(columns.query, "--query-column"), raw.single(columns.doc, "--doc-column")
    rating = raw.column(columns.grade, "--grade-column")
    query_id = query if columns.query_id is None else raw.column(columns.query_id, "--query-id-column")
    faults = [(query.isnull(), f"no {columns.query}"), (query_id.isnull(), f"no {columns.query_id}")]
    return _checked(raw, "judgments", faults, (query_id, query, doc, rating), ratings)


def read_qrels(
    engine: Engine, paths: Sequence[Path], queries: Mapping[str, str], ratings: Mapping[float, float] | None = None
) -> Judgments:
    """The judgments of TREC qrels (`query_id 0 doc_id grade`), whose queries' texts are given by id; `ratings` as for tables."""
    topics = ibis.memtable(pa.table({"topic": list(queries), "query": list(queries.values())}))
    lines = engine.lines(paths)
    split = lines.mutate(**trec_columns(lines.text, ("query_id", None, "doc_id", "grade")))
    rows = split.left_join(topics, split.query_id == topics.topic)
    faults = [(rows.query_id.isnull(), "not four columns: query_id 0 doc_id grade"), (rows.query.isnull(), "a query without a text")]
    return _checked(Raw(rows, "text"), "qrels", faults, (rows.query_id, rows.query, rows.doc_id, rows.grade), ratings)


def read_quepid(path: Path, ratings: Mapping[float, float] | None = None) -> Judgments:
    """The judgments of one JSON document, `judgmentRatings[].{query, ratings[].{docId, rating}}`; a query's text is its id.

    Without `ratings` they are ESCI's where every rating is one of ESCI's, else grades as written.
    """
    with open_text(path) as file:
        try:
            document = msgspec.json.decode(file.read(), type=_Document)
        except msgspec.DecodeError as error:
            raise ValueError(f"{path} is not a judgments document: {error}") from error
    found = [
        (judged.query, _text(rating.docId), _text(rating.rating), f"judgmentRatings[{i}].ratings[{j}]")
        for i, judged in enumerate(document.judgmentRatings)
        for j, rating in enumerate(judged.ratings)
    ]
    columns = list(zip(*found, strict=True)) or [()] * 4
    names = ("query", "doc_id", "rating", "place")
    table = pa.table({name: pa.array(column, pa.string()) for name, column in zip(names, columns, strict=True)})
    raw = Raw(ibis.memtable(table).mutate(file=ibis.literal(str(path))), "document")
    query, doc, rating = (raw.column(name) for name in names[:3])

    def read(ratings: Mapping[float, float] | None) -> Judgments:
        return _checked(raw, "judgments", [(query.isnull(), "no query")], (query, query, doc, rating), ratings)

    written = read(ratings)
    return read(ESCI_RATINGS) if ratings is None and _rated_as_esci(written) else written


class _Rating(msgspec.Struct, frozen=True):
    docId: str | int | None = None  # noqa: N815 - the file's own name
    rating: str | float | None = None


class _Judged(msgspec.Struct, frozen=True):
    query: str
    ratings: list[_Rating]


class _Document(msgspec.Struct, frozen=True):
    judgmentRatings: list[_Judged]  # noqa: N815 - the file's own name


def _rated_as_esci(read: Read) -> bool:
    return {float(rating) for rating in read.rows.grade.to_pyarrow().unique().to_pylist()} <= set(ESCI_RATINGS)


def _text(value: str | float | None) -> str | None:
    return None if value is None else str(value)


def _checked(
    raw: Raw,
    step: str,
    faults: list[tuple[BooleanScalar, str]],
    texts: tuple[StringScalar, StringScalar, StringScalar, StringScalar],
    ratings: Mapping[float, float] | None,
) -> Judgments:
    query_id, query, doc, rating = texts
    grade = _grade(number(rating), ratings)
    meaning = "no grade from 0" if ratings is None else f"a rating that is none of {', '.join(f'{known:g}' for known in ratings)}"
    faults = [raw.swallowed(), *faults, (doc.isnull(), "no document id"), (grade.isnull(), meaning)]
    read = check(raw, step, faults, {"query_id": query_id, "query": query, "doc_id": doc, "grade": grade})
    faulty = reduce(or_, (condition.fill_null(False) for condition, _ in faults))
    ungraded = raw.rows.filter(faulty, query_id.notnull(), doc.notnull()).select(query_id=query_id, doc_id=doc)
    return Judgments(read.rows, read.report, ungraded)


def _grade(rating: FloatingScalar, ratings: Mapping[float, float] | None) -> FloatingScalar:
    if ratings is None:
        return (rating >= 0).ifelse(rating, ibis.null("float64"))
    return ibis.cases(*((rating == known, real(grade)) for known, grade in ratings.items()), else_=ibis.null("float64"))
