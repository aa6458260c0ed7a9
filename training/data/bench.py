"""How much memory the preparation of a large log takes: a log of any size is made, prepared, and the peak measured.

    rerank data bench --rows 50000000 --memory-limit 2GB

Invariant: the figure is the process's own peak resident memory, as the operating system counts it, generation included.
"""

from __future__ import annotations

import resource
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from training.data.cleaning import Cleaning, clean
from training.data.duckdb_engine import DuckDbEngine
from training.data.grading import PositionModel, grade_by_position
from training.data.interactions import InteractionColumns, read_interactions
from training.data.report import Report

_COLUMNS = InteractionColumns(
    item="item", user="user", type="type", timestamp="time", session="session", query="query", position="position", device="device"
)
# Users, queries and items follow power laws; every fiftieth row is written twice, every tenth session has no search, one device in a
# hundred is a bot's and the busiest users are as fast as bots: each rule of the cleaning has work to do. Items and queries grow with the
# log, so that in one of any size pairs are shown and clicked more than once.
_LOG = """
COPY (
    SELECT * EXCLUDE (row, copy) FROM (
        SELECT
            row,
            'u' || (pow(random(), 3) * {rows} / 20)::BIGINT AS user,
            'i' || (pow(random(), 2) * {rows} / 250)::BIGINT AS item,
            CASE WHEN random() < 0.85 THEN 'impression' WHEN random() < 0.8 THEN 'click' WHEN random() < 0.7 THEN 'cart'
                ELSE 'purchase' END AS type,
            1700000000000 + (random() * 7776000000)::BIGINT AS time,
            's' || (row // 12) AS session,
            CASE WHEN row // 12 % 10 > 0 THEN 'query ' || (pow(random(), 3) * {rows} * 3 / 500)::BIGINT END AS query,
            1 + (pow(random(), 2) * 40)::BIGINT AS position,
            CASE WHEN random() < 0.01 THEN 'examplebot' ELSE 'phone' END AS device
        FROM range({start}, {end}) AS t(row)
    ), unnest(CASE WHEN row % 50 = 0 THEN [1, 2] ELSE [1] END) AS copies(copy)
) TO '{path}' (FORMAT parquet)
"""
_RULES = Cleaning(searched_sessions_only=True, max_events_per_hour=60)
_PART_ROWS = 5_000_000


@dataclass(frozen=True, slots=True)
class Measured:
    """What the preparation of a made log took, and what came out."""

    reports: tuple[Report, ...]
    memory_limit: str
    log_bytes: int
    seconds: float
    peak_rss_bytes: int

    def __str__(self) -> str:
        reports = "\n".join(map(str, self.reports))
        return (
            f"{reports}\n"
            f"{self.reports[0].rows:,} rows ({self.log_bytes / 2**30:.2f} GiB of Parquet) prepared in {self.seconds:,.0f} s, "
            f"DuckDB limit {self.memory_limit}, peak resident memory {self.peak_rss_bytes / 2**30:.2f} GiB"
        )


def bench(rows: int, memory_limit: str, folder: Path) -> Measured:
    """Make a log of so many rows in the folder; read, clean and grade it within DuckDB's memory limit."""
    paths = make_log(rows, memory_limit, folder)
    started = time.monotonic()
    with DuckDbEngine(memory_limit=memory_limit) as engine:
        cleaned = clean(engine, read_interactions(engine, paths, _COLUMNS).rows, _RULES)
        graded = grade_by_position(engine, cleaned.rows, PositionModel())
    seconds = time.monotonic() - started
    # Linux counts in KiB.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    size = sum(path.stat().st_size for path in paths)
    return Measured((cleaned.report, *graded.reports), memory_limit, size, seconds, peak)


def make_log(rows: int, memory_limit: str, folder: Path) -> list[Path]:
    """Parquet files of a made interaction log, and a fiftieth more rows than asked for: the duplicates."""
    paths = []
    with DuckDbEngine(memory_limit=memory_limit) as engine:
        engine.connection.raw_sql("SELECT setseed(0.5)")
        for part, start in enumerate(range(0, rows, _PART_ROWS)):
            paths.append(folder / f"log-{part:03}.parquet")
            end = min(rows, start + _PART_ROWS)
            engine.connection.raw_sql(_LOG.format(rows=max(rows, 20), start=start, end=end, path=paths[-1]))
    return paths


def bench_in_folder(rows: int, memory_limit: str, folder: Path | None = None) -> Measured:
    """`bench` in a temporary folder, which is removed; `folder` says where it is made."""
    with tempfile.TemporaryDirectory(prefix="rerank-bench-", dir=folder) as temporary:
        return bench(rows, memory_limit, Path(temporary))
