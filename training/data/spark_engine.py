"""The engine for logs that one machine has outgrown: Spark, in the session that it is given, or a local one.

Invariant: the tables are those of DuckDB's engine, column for column.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import ibis
from ibis.expr.types import Table
from pyspark.sql import SparkSession
from pyspark.sql.functions import input_file_name

from training.data.columns import empty_as_null, without_blanks
from training.data.engine import Delimited
from training.data.files import existing, read_header


class SparkEngine:
    """A Spark session: the caller's own, on a cluster, or a local one."""

    def __init__(self, session: Any | None = None) -> None:
        self._owned = session is None
        self._session = session or _local_session()
        self.connection = ibis.pyspark.connect(self._session)

    def lines(self, paths: Sequence[Path]) -> Table:
        frame = self._session.read.text(existing(paths)).withColumnRenamed("value", "text")
        return without_blanks(self._table(frame))

    def delimited(self, paths: Sequence[Path], delimiter: str) -> Delimited:
        columns = [*read_header(paths, delimiter), "malformed_text"]
        reader = self._session.read.options(
            header=True,
            sep=delimiter,
            quote='"',
            escape='"',
            multiLine=True,
            mode="PERMISSIVE",
            columnNameOfCorruptRecord="malformed_text",
            enforceSchema=True,
        )
        schema = ", ".join(f"`{column}` STRING" for column in columns)
        # Spark refuses to filter by the malformed rows alone unless the parsed rows are kept.
        table = self._table(reader.schema(schema).csv(existing(paths)), keep=True)
        malformed = table.filter(table.malformed_text.notnull()).select("file", text="malformed_text")
        rows = table.filter(table.malformed_text.isnull()).drop("malformed_text")
        return Delimited(empty_as_null(rows), malformed)

    def parquet(self, paths: Sequence[Path]) -> Table:
        return self._table(self._session.read.parquet(*existing(paths)))

    def keep(self, table: Table) -> Table:
        return self._view(self._session.sql(self.connection.compile(table)).cache())

    def close(self) -> None:
        if self._owned:
            self._session.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _table(self, frame: Any, *, keep: bool = False) -> Table:
        frame = frame.withColumn("file", input_file_name())
        return self._view(frame.cache() if keep else frame)

    def _view(self, frame: Any) -> Table:
        name = ibis.util.gen_name("files")
        frame.createOrReplaceTempView(name)
        return self.connection.table(name)


def _local_session() -> Any:
    settings = {
        "spark.ui.enabled": "false",
        "spark.sql.session.timeZone": "UTC",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.log.level": "ERROR",
    }
    builder = SparkSession.builder.appName("rerank").master("local[*]")
    for name, value in settings.items():
        builder = builder.config(name, value)
    return builder.getOrCreate()
