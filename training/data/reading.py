"""Raw rows -> checked rows: the good ones typed, the bad ones counted by reason and found by file and line.

Invariant: every raw row is in one of the two.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import ibis
from ibis.expr.types import BooleanScalar, StringScalar, Table, Value
from pyarrow.parquet import read_schema

from training.data.columns import get_json_object, json_text, one_value
from training.data.engine import Engine
from training.data.files import dotted_keys, first_delimiter, refuse_reserved
from training.data.quotes import LOST, SWALLOWED, lost_lines, lost_with, swallows
from training.data.report import EXAMPLES, BadRow, Report, Sample, count, locate, without_lines

_DELIMITERS = {".csv": ",", ".tsv": "\t"}
_JSON = {".jsonl", ".ndjson", ".json"}


_MALFORMED = "cannot be split into the columns of the header, or is not UTF-8"


# Cells of a CSV row, a JSON object a line, a line of text, typed columns of Parquet, or rows of a document with their `place` in it.
Form = Literal["cells", "json", "text", "parquet", "document"]


@dataclass(frozen=True, slots=True)
class Raw:
    """Rows as columns by name and the engine's `file`, and those that could not be split into columns (`file`, `text`)."""

    rows: Table
    form: Form
    malformed: Table | None = None
    delimiter: str = ","
    paths: tuple[Path, ...] = ()
    # Keys of a JSON log with dots in their own names.
    dotted: frozenset[str] = frozenset()

    def column(self, path: str, option: str = "") -> StringScalar:
        """The column of this name or path, as text, empty as null; of `a|b`, b where a is empty.

        Raises ValueError for one that the rows do not have, with the `option` that names another.
        """
        return ibis.coalesce(*(self._column(name, option) for name in path.split("|")))

    def single(self, path: str, option: str = "") -> StringScalar:
        """The column, null too where a JSON log has an array or an object: what must be one item, one query."""
        column = self.column(path, option)
        return one_value(column) if self.form == "json" else column

    def _column(self, path: str, option: str) -> StringScalar:
        if self.form == "json":
            return json_text(self.rows.text, path, flat=path in self.dotted)
        if path not in self.rows.columns or path == "file":
            known = ", ".join(name for name in self.rows.columns if name != "file")
            raise ValueError(f"there is no column {path!r}; there are {known}" + (f": name yours by {option}" if option else ""))
        return self.rows[path].cast("string").strip().nullif("")

    def swallowed(self) -> tuple[BooleanScalar, str]:
        """The fault of a row that took in lines after it, for logs: their cells are short, and no text with line breaks and delimiters."""
        return (swallows(self.rows, self.delimiter) if self.form == "cells" else ibis.literal(False), SWALLOWED)

    def refuse_unknown(self, paths: Sequence[str]) -> None:
        """Raises ValueError for a path at which no line of a JSON log has anything; `column` does where a log names its columns."""
        if self.form != "json" or not _any(self.rows):
            return
        for path in paths:
            if not _any(self.rows.filter(self.column(path).notnull())):
                raise ValueError(f"no line has anything at {path!r}: check the name, or name no column for what the log does not know")


@dataclass(frozen=True, slots=True)
class Read:
    """Checked rows, and the report of those that were not good enough."""

    rows: Table
    report: Report


def open_raw(engine: Engine, paths: Sequence[Path]) -> Raw:
    """Files of one kind, told by their names: .csv, .tsv, .jsonl (or .ndjson, .json: one object a line), each also .gz, or .parquet."""
    kinds = {_kind(path) for path in paths}
    if not kinds:
        raise ValueError("no file was given: name at least one .csv, .tsv, .jsonl or .parquet file")
    if len(kinds) > 1:
        raise ValueError(f"files of different kinds cannot be read together: {', '.join(sorted(kinds))}")
    kind = kinds.pop()
    if kind in _DELIMITERS:
        return open_delimited(engine, paths, first_delimiter(paths, _DELIMITERS[kind]))
    if kind in _JSON:
        return Raw(engine.lines(paths), "json", dotted=dotted_keys(paths))
    if kind == ".parquet":
        for path in paths:
            if path.is_file():
                refuse_reserved(path, read_schema(path).names)
        return Raw(engine.parquet(paths), "parquet")
    raise ValueError(f"{paths[0]}: the name ends in none of .csv, .tsv, .jsonl, .ndjson, .json, .parquet (or .gz of the first five)")


def open_delimited(engine: Engine, paths: Sequence[Path], delimiter: str) -> Raw:
    """CSV files, whatever their names and their delimiter."""
    found = engine.delimited(paths, delimiter)
    return Raw(found.rows, "cells", found.malformed, delimiter, tuple(paths))


def check(raw: Raw, step: str, faults: Sequence[tuple[BooleanScalar, str]], columns: Mapping[str, Value]) -> Read:
    """The typed columns of the rows without a fault; `faults` are conditions on a row and what they mean, first match first."""
    if raw.form == "json":
        faults = [(get_json_object(raw.rows.text, "$").isnull(), "not JSON"), *faults]
    reason = ibis.cases(*((condition.fill_null(False), text) for condition, text in faults), else_=ibis.null("string"))
    labelled = raw.rows.mutate(bad_reason=reason)
    counts = labelled.group_by("bad_reason").agg(rows=labelled.count()).to_pyarrow().to_pylist()
    by_reason = {row["bad_reason"]: row["rows"] for row in counts}
    examples: tuple[BadRow, ...] = ()
    malformed = 0 if raw.malformed is None else int(raw.malformed.count().to_pyarrow().as_py())
    if malformed or any(by_reason.keys()):
        by_reason |= {_MALFORMED: malformed, LOST: _lost(raw, labelled, by_reason, malformed)}
        examples = _examples(raw, labelled.filter(labelled.bad_reason.notnull()))
    good = labelled.filter(labelled.bad_reason.isnull()).select(**columns)
    return Read(good, count(by_reason, step, examples))


def _lost(raw: Raw, labelled: Table, counts: Mapping[str | None, int], malformed: int) -> int:
    """Lines that bad rows took with them; the files are read once more only where such rows were found."""
    if raw.form != "cells" or not (malformed or SWALLOWED in counts):
        return 0
    good = labelled.filter(labelled.bad_reason.fill_null("") != SWALLOWED).select(*raw.rows.columns)
    return lost_lines(raw.paths, good, sum(counts.values()) + malformed)


def _examples(raw: Raw, bad: Table) -> tuple[BadRow, ...]:
    samples = []
    if raw.malformed is not None:
        rows = raw.malformed.limit(EXAMPLES).to_pyarrow().to_pylist()
        samples = [Sample(row["file"], _MALFORMED + lost_with(row["text"]), text=row["text"]) for row in rows]
    # A frequent fault must not hide a rare one.
    place = ibis.row_number().over(group_by="bad_reason", order_by="file")
    shown = bad.mutate(bad_place=place).filter(lambda t: t.bad_place < EXAMPLES).drop("bad_place")
    samples += [_sample(raw.form, row) for row in shown.to_pyarrow().to_pylist()]
    return without_lines(samples) if raw.form in {"parquet", "document"} else locate(samples, raw.delimiter)


def _sample(form: Form, row: dict[str, Any]) -> Sample:
    file, reason = row.pop("file"), row.pop("bad_reason")
    if form == "cells":
        return Sample(file, reason, cells=tuple(row.values()))
    if form == "document":
        return Sample(file, f"{row['place']}: {reason}")
    return Sample(file, reason, text=row.get("text"))


def _any(rows: Table) -> bool:
    """Whether there is a row; it stops at the first."""
    return bool(rows.select("file").limit(1).to_pyarrow().num_rows)


def _kind(path: Path) -> str:
    return Path(path.stem).suffix if path.suffix == ".gz" else path.suffix
