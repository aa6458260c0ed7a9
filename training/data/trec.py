"""TREC runs and queries' texts: what retrieval tools exchange.

Invariant: a run that is written reads back with the same order of hits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from training.data.columns import number, trec_columns
from training.data.engine import Engine
from training.data.files import open_text
from training.data.reading import Raw, Read, check, open_delimited
from training.metrics.ranking import Qrels, Run, ranking


def read_run(engine: Engine, paths: Sequence[Path]) -> Read:
    """`query_id, doc_id, score` of TREC runs: `query_id Q0 doc_id rank score tag`."""
    lines = engine.lines(paths)
    columns = trec_columns(lines.text, ("query_id", None, "doc_id", None, "score", None))
    score = number(columns["score"])
    faults = [
        (columns["query_id"].isnull(), "not six columns: query_id Q0 doc_id rank score tag"),
        (score.isnull(), "a score that is no number"),
    ]
    return check(Raw(lines, "text"), "run", faults, {**columns, "score": score})


def to_run(read: Read) -> Run:
    """A run that was read, by query and document."""
    run: dict[str, dict[str, float]] = {}
    for row in read.rows.to_pyarrow().to_pylist():
        run.setdefault(row["query_id"], {})[row["doc_id"]] = row["score"]
    return run


def read_queries(engine: Engine, paths: Sequence[Path], *, query_id: str, query: str, delimiter: str = "\t") -> Mapping[str, str]:
    """Queries' texts by id, of CSV files with the columns of these names; raises ValueError for broken rows and ids of two texts."""
    raw = open_delimited(engine, paths, delimiter)
    missing = [name for name in (query_id, query) if name not in raw.rows.columns]
    if missing:
        there = ", ".join(name for name in raw.rows.columns if name != "file")
        raise ValueError(f"{paths[0]} has no column {missing[0]!r}; there are {there}. Its first line must name {query_id} and {query}")
    read = check(raw, "queries", [raw.swallowed()], {name: raw.rows[name] for name in (query_id, query)})
    if read.report.dropped:
        raise ValueError(f"{paths[0]} cannot be read whole, and judgments would lose their texts:\n{read.report}")
    rows = read.rows
    texts: dict[str, str] = {}
    for row in rows.filter(rows[query_id].notnull(), rows[query].notnull()).select(query_id, query).to_pyarrow().to_pylist():
        if (known := texts.setdefault(row[query_id], row[query])) != row[query]:
            raise ValueError(f"{paths[0]}: the query id {row[query_id]!r} has several texts, such as {known!r} and {row[query]!r}")
    return texts


def read_texts(path: Path) -> Mapping[str, str]:
    """Queries' texts by id, of lines `ID<TAB>TEXT` without a header: what `rerank evaluate` writes beside its runs."""
    texts: dict[str, str] = {}
    with open_text(path) as file:
        for number, line in enumerate(file, start=1):
            query_id, tab, text = line.strip().partition("\t")
            if line.strip() and not tab:
                raise ValueError(f"{path}:{number}: {line.strip()!r} is not an id, a tab and a text")
            if tab and (known := texts.setdefault(query_id, text)) != text:
                raise ValueError(f"{path}:{number}: the query id {query_id!r} has several texts, such as {known!r} and {text!r}")
    return texts


def write_run(path: Path, run: Run, tag: str) -> None:
    """Write a run with its hits in order of rank."""
    lines = [
        f"{query_id} Q0 {doc_id} {rank} {hits[doc_id]:.9g} {tag}\n"
        for query_id, hits in run.items()
        for rank, doc_id in enumerate(ranking(hits), start=1)
    ]
    path.write_text("".join(lines), encoding="utf-8")


def write_qrels(path: Path, qrels: Qrels) -> None:
    """Write judgments by query."""
    lines = [f"{query_id} 0 {doc_id} {grade}\n" for query_id, grades in qrels.items() for doc_id, grade in grades.items()]
    path.write_text("".join(lines), encoding="utf-8")
