"""The same expressions on Spark give what they give on DuckDB, from the same files."""

from __future__ import annotations

import importlib
import importlib.util
import json
import shutil
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ibis.expr.types import Table

from training.data.cleaning import Cleaning, clean
from training.data.engine import Engine, open_engine
from training.data.grading import PositionModel, grade_by_position
from training.data.interactions import InteractionColumns, read_interactions
from training.data.judgments import JudgmentColumns, read_judgments, read_qrels
from training.data.report import Report
from training.data.sources import read_ubi
from training.data.splits import split_by_time
from training.data.trec import read_run

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("pyspark") is None, reason="pyspark is not installed"),
    pytest.mark.skipif(shutil.which("java") is None, reason="Spark needs Java on the path"),
    # pyspark and pandas say so on import, whatever is done with them.
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore:.*distutils.*"),
]

Step = Callable[[Engine, Path], tuple[Table, list[Report]]]
COLUMNS = InteractionColumns(
    item="sku", user="who", type="action", timestamp="time", session="visit", query="search", position="rank", device="agent", name="name"
)


# Few rows: most of Spark's time would go into compiling what runs once.
QUICK = {
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1",
    "spark.driver.memory": "1g",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.shuffle.partitions": "1",
    "spark.ui.enabled": "false",
}


@pytest.fixture(scope="module")
def spark() -> Iterator[Engine]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        session = importlib.import_module("pyspark.sql").SparkSession.builder.master("local[1]")
        for name, value in QUICK.items():
            session = session.config(name, value)
        session = session.getOrCreate()
        # The engine takes the session that runs already.
        opened = open_engine("spark")
    with opened:
        yield opened
    session.stop()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("log")
    lines = ["who,sku,action,time,visit,search,rank,agent,name"]
    for i in range(400):
        kind = "click" if i % 7 == 0 else "cart" if i % 31 == 0 else "impression"
        query = "" if i % 13 == 0 else ["Red lamp", "red  LAMP", "żółta lampa"][i % 3]
        agent = "a crawler" if i % 50 == 49 else "phone"
        name = ["LAMP", "LAMP", "damaged", "?"][i % 41 % 4] if i % 41 < 4 else "LAMP"
        lines.append(f'u{i % 9},"i{i % 5}",{kind},2024-05-{1 + i % 28:02}T10:00:{i % 60:02}Z,v{i % 40},{query},{1 + i % 12},{agent},{name}')
    lines += [*lines[1:4], 'u1,"two\nlines",click,1714557600,v1,lamp,1,phone,', "u1,i1", "u1,i1,click,soon,,,,,", "u1,,click,,,,,,"]
    times = ["1714557600123", "1714557600123456", "1714557600123999999", "20240501", "2024-05-01T12:00:00.5+02:00"]
    lines += [
        f"u2,i{i},click,{time},,,,," for i, time in enumerate([*times, "0", "2024", "20241301", "20240501100000", "1900-01-01", "1" * 20])
    ]
    (folder / "log.csv").write_text("\n".join(lines) + "\n")
    (folder / "judgments.tsv").write_text("query\tdoc_id\tgrade\nlamp\td1\t3\nlamp\td2\t0.0\nlamp\td3\tbad\n\td4\t1\n")
    (folder / "qrels").write_text("1 0 d1 3\n1\t0 d2 0\n2 0 d1 1\n1 0 d3\n")
    (folder / "run").write_text("1 Q0 d1 1 2.5 bm25\n1 Q0 d2 2 -1e-3 bm25\n1 Q0 d3 3 nan bm25\n")
    asked = [{"query_id": f"q{i}", "user_query": "lamp", "timestamp": f"2024-05-0{1 + i % 3}"} for i in (1, 2, 2, 3)]
    done = [
        {"action_name": "item_click", "query_id": f"q{i}", "timestamp": 1717527762025 + i, "event_attributes": {"object": {"object_id": i}}}
        for i in range(5)
    ]
    odd = ({"@time": f"2024-05-0{1 + i % 3}", "item.id": f"i{i}", "a b": {"c-d": "x"}, "q": ["1"] if i % 2 else "[1"} for i in range(6))
    (folder / "odd.jsonl").write_text("\n".join([*map(json.dumps, odd), '{"item.id": [7]}', '{"item.id": {"x": 1}}']))
    (folder / "queries.jsonl").write_text("\n".join(map(json.dumps, asked)) + "\n\nnot json\n")
    (folder / "events.jsonl").write_text("\n".join(map(json.dumps, done)) + '\n{"action_name": "page_exit"}\n')
    return folder


def interactions(engine: Engine, folder: Path) -> tuple[Table, list[Report]]:
    read = read_interactions(engine, [folder / "log.csv"], COLUMNS)
    return read.rows, [read.report]


def keys(engine: Engine, folder: Path) -> tuple[Table, list[Report]]:
    read = read_interactions(
        engine, [folder / "odd.jsonl"], InteractionColumns(item="item.id", user="a b.c-d", timestamp="@time", query="q")
    )
    return read.rows, [read.report]


def cleaned(engine: Engine, folder: Path) -> tuple[Table, list[Report]]:
    rules = Cleaning(notes=True, max_events_per_hour=2, searched_sessions_only=True, item_pattern=r"^i[0-9]")
    read = clean(engine, interactions(engine, folder)[0], rules)
    return read.rows, [read.report]


def graded(engine: Engine, folder: Path) -> tuple[Table, list[Report]]:
    read = grade_by_position(engine, interactions(engine, folder)[0], PositionModel(), {"click": 1.0})
    return read.rows, list(read.reports)


def past(engine: Engine, folder: Path) -> tuple[Table, list[Report]]:
    return split_by_time(interactions(engine, folder)[0], 1715100000000, 1716000000000).train, []


def judged(engine: Engine, folder: Path) -> tuple[Table, list[Report]]:
    read = read_judgments(engine, [folder / "judgments.tsv"], JudgmentColumns(), {3.0: 3.0, 0.0: 0.0})
    return read.rows, [read.report]


def qrels(engine: Engine, folder: Path) -> tuple[Table, list[Report]]:
    read = read_qrels(engine, [folder / "qrels"], {"1": "lamp"})
    return read.rows, [read.report]


def run(engine: Engine, folder: Path) -> tuple[Table, list[Report]]:
    read = read_run(engine, [folder / "run"])
    return read.rows, [read.report]


def ubi(engine: Engine, folder: Path) -> tuple[Table, list[Report]]:
    found = read_ubi(engine, [folder / "queries.jsonl"], [folder / "events.jsonl"], ordinal_base=0)
    return found.interactions, list(found.reports)


def rows(table: Table) -> list[tuple[Any, ...]]:
    found = table.to_pyarrow().to_pylist()
    whole = [tuple(round(value, 9) if isinstance(value, float) else value for value in row.values()) for row in found]
    return sorted(whole, key=repr)


@pytest.mark.parametrize("step", [interactions, keys, cleaned, graded, past, judged, qrels, run, ubi], ids=lambda step: step.__name__)
def test_spark_gives_what_duckdb_gives(step: Step, engine: Engine, spark: Engine, files: Path) -> None:
    here, reports = step(engine, files)
    there, others = step(spark, files)
    assert there.columns == here.columns
    assert rows(there) == rows(here)
    assert [str(report) for report in others] == [str(report) for report in reports]
    assert rows(here), "an empty table would be equal to anything"
