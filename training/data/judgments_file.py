"""A judgments file of any known format, as the options of the commands name it -> checked judgments.

Invariant: one reader for all commands, so that what a model is trained on and what it is measured by are read alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from training.data.engine import Engine
from training.data.files import first_delimiter, open_text
from training.data.judgments import JudgmentColumns, Judgments, read_judgments, read_qrels, read_quepid
from training.data.trec import read_queries, read_texts

_TABLES = {".csv", ".tsv", ".jsonl", ".ndjson", ".parquet"}


@dataclass(frozen=True, slots=True)
class JudgmentsFile:
    """A Quepid document (.json), a table (.csv, .tsv, .jsonl, .parquet) with its columns, or else TREC qrels, all but Parquet also .gz.

    `ratings` maps the file's ratings to grades (none: as each format is read unasked); `queries` is the file of the qrels' texts: a CSV
    or TSV with the columns `query_id` and `query`, or lines `ID<TAB>TEXT` without a header.
    """

    path: Path
    columns: JudgmentColumns = field(default_factory=JudgmentColumns)
    ratings: Mapping[float, float] | None = None
    queries: Path | None = None

    def read(self, engine: Engine) -> Judgments:
        """The judgments; raises ValueError where qrels come without texts, or texts with what holds its own."""
        path = self.path
        kind = path.with_suffix("").suffix if path.suffix == ".gz" else path.suffix
        texts = None if self.queries is None else _topics(engine, self.queries)
        form = "a Quepid document" if kind == ".json" else "a table" if kind in _TABLES else "TREC qrels"
        if form != "TREC qrels" and texts is not None:
            raise ValueError(
                f"{path} is read as {form} by its name, which holds its own texts: leave --queries out, or where the lines are "
                "`query_id 0 doc_id grade`, give the file a name such as judgments.qrels"
            )
        if form == "a Quepid document":
            return read_quepid(path, self.ratings)
        if form == "a table":
            return read_judgments(engine, [path], self.columns, self.ratings)
        if texts is None:
            raise ValueError(f"{path} is read as TREC qrels, which hold no texts: give the queries' file too (--queries)")
        return read_qrels(engine, [path], texts, self.ratings)


def _topics(engine: Engine, path: Path) -> Mapping[str, str]:
    delimiter = first_delimiter([path], "," if path.name.removesuffix(".gz").endswith(".csv") else "\t")
    with open_text(path) as file:
        first = {name.strip().strip('"') for name in file.readline().split(delimiter)}
    # Collections of queries mostly come without a header; so does what `rerank evaluate` writes.
    if delimiter == "\t" and not first & {"query_id", "query"}:
        return read_texts(path)
    return read_queries(engine, [path], query_id="query_id", query="query", delimiter=delimiter)
