"""The engine for one machine: DuckDB on a file in a temporary folder, which is removed on close.

Invariant: memory stays below the limit, whatever the size of the logs: what does not fit is spilled to that folder.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import duckdb
import ibis
from ibis.expr.types import Table

from training.data.columns import empty_as_null, without_blanks
from training.data.engine import Delimited
from training.data.files import MAX_LINE_BYTES, existing, read_header

# Stands where neither engine may find a separator, a quote or a null: the byte never occurs in text files.
_NEVER = "\x01"


class DuckDbEngine:
    """One machine: a DuckDB file in a temporary folder, removed on close."""

    def __init__(self, *, memory_limit: str = "4GB", threads: int | None = None) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="rerank-data-")
        self._reads = 0
        settings = {
            "memory_limit": memory_limit,
            "temp_directory": f"{self._folder.name}/spill",
            # Order is asked for where it matters; keeping it everywhere costs memory.
            "preserve_insertion_order": False,
        }
        if threads is not None:
            settings["threads"] = threads
        try:
            self.connection = ibis.duckdb.connect(f"{self._folder.name}/data.duckdb", **settings)
        except duckdb.Error as error:
            self._folder.cleanup()
            raise ValueError(f"DuckDB takes no memory limit {memory_limit!r}: give a number and a unit, such as 4GB. {error}") from error
        # Times without a zone are read as UTC, as Spark is told to.
        self.connection.raw_sql("SET TimeZone = 'UTC'")
        # Spark's name and meaning: null where the text is no JSON or has no such path. A key in brackets is one in quotes here.
        self.connection.raw_sql(
            r"""CREATE MACRO get_json_object(line, path) AS CASE WHEN json_valid(line) THEN
            json_extract_string(line, regexp_replace(path, '\[''([^'']*)''\]', '."\1"', 'g')) END"""
        )

    def lines(self, paths: Sequence[Path]) -> Table:
        table = self.connection.read_csv(
            existing(paths),
            columns={"text": "VARCHAR"},
            header=False,
            auto_detect=False,
            delim=_NEVER,
            quote="",
            escape="",
            filename="file",
            max_line_size=MAX_LINE_BYTES,
        )
        return without_blanks(table)

    def delimited(self, paths: Sequence[Path], delimiter: str) -> Delimited:
        header = read_header(paths, delimiter)
        self._reads += 1
        rows, rejects, scans = (f"{kind}_{self._reads}" for kind in ("rows", "rejects", "scans"))
        # A rejected row is known only once the file was read: so it is read once, into a table on disk.
        self.connection.raw_sql(
            f"CREATE TABLE {rows} AS SELECT * FROM read_csv({_sql_list(existing(paths))}, columns = {_sql_columns(header)}, "
            f"header = true, auto_detect = false, delim = {_sql_text(delimiter)}, quote = '\"', escape = '\"', filename = 'file', "
            f"max_line_size = {MAX_LINE_BYTES}, store_rejects = true, rejects_table = '{rejects}', rejects_scan = '{scans}', "
            f"rejects_limit = 0)"
        )
        # A row that lacks two columns is rejected twice.
        malformed = self.connection.sql(
            f"SELECT file, text FROM (SELECT DISTINCT s.file_path AS file, r.line, r.csv_line AS text FROM {rejects} r "
            f"JOIN {scans} s USING (scan_id, file_id))"
        )
        return Delimited(empty_as_null(self.connection.table(rows)), malformed)

    def parquet(self, paths: Sequence[Path]) -> Table:
        return self.connection.read_parquet(existing(paths), filename="file")

    def keep(self, table: Table) -> Table:
        # Not Ibis' own cache: its tables vanish with the Python object, and stand uncompressed in memory before they spill.
        return self.connection.create_table(ibis.util.gen_name("kept"), table)

    def close(self) -> None:
        self.connection.disconnect()
        self._folder.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _sql_text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _sql_list(texts: Sequence[str]) -> str:
    return "[" + ", ".join(map(_sql_text, texts)) + "]"


def _sql_columns(names: Sequence[str]) -> str:
    return "{" + ", ".join(f"{_sql_text(name)}: 'VARCHAR'" for name in names) + "}"
