"""Files -> raw tables: what runs the data preparation, DuckDB on one machine or Spark on many.

Everything after it is Ibis expressions, the same for both. Invariant: raw columns are text, empty text is null, and no row is lost:
one without as many columns as its header is in `malformed`, not gone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, Self

from ibis.expr.types import Table

EngineName = Literal["duckdb", "spark"]


@dataclass(frozen=True, slots=True)
class Delimited:
    """A CSV or TSV: its rows as text columns and `file`, and the rows (`file`, `text`) that have not as many columns as the header."""

    rows: Table
    malformed: Table


class Engine(Protocol):
    """What reads files into tables; expressions on those tables run where the engine runs."""

    connection: Any

    def lines(self, paths: Sequence[Path]) -> Table:
        """The lines that are not blank, of text files, plain or gzipped: columns `file`, `text`."""
        ...

    def delimited(self, paths: Sequence[Path], delimiter: str) -> Delimited:
        """The rows of CSV or TSV files of one header."""
        ...

    def parquet(self, paths: Sequence[Path]) -> Table:
        """The rows of Parquet files, with their own types and the column `file`."""
        ...

    def keep(self, table: Table) -> Table:
        """The table computed once and stored until the engine closes, for results that several steps read."""
        ...

    def close(self) -> None:
        """Free what the engine holds, its temporary files included."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


def open_engine(name: EngineName, *, memory_limit: str = "4GB") -> Engine:
    """The engine of this name; `memory_limit` bounds DuckDB's memory, while Spark's is its own session's setting."""
    # Either engine's library is loaded only where it runs.
    if name == "duckdb":
        from training.data.duckdb_engine import DuckDbEngine  # noqa: PLC0415

        return DuckDbEngine(memory_limit=memory_limit)
    try:
        from training.data.spark_engine import SparkEngine  # noqa: PLC0415
    except ImportError as error:
        raise RuntimeError("the Spark engine needs pyspark, and Java 17 or later") from error
    return SparkEngine()
