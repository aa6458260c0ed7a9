"""Logs of every format become one table of interactions, and bad rows are named by file and line."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest
from ibis.expr.types import Table

from training.data.engine import Engine, open_engine
from training.data.interactions import SCHEMA, InteractionColumns, read_interactions
from training.data.judgments import JudgmentColumns, read_judgments
from training.data.report import Sample, locate

COLUMNS = InteractionColumns(item="item", user="user", type="action", timestamp="time", position="rank", quantity="count")
HEADER = "user,item,action,time,rank,count"


def rows(table: Table, *order: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = table.order_by(list(order or ("item_id",))).to_pyarrow().to_pylist()
    return found


def write(path: Path, *lines: str) -> Path:
    text = "".join(line + "\n" for line in lines)
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text)
    return path


@pytest.mark.parametrize("name", ["log.csv", "log.csv.gz", "log.tsv"])
def test_a_delimited_log_becomes_interactions(engine: Engine, tmp_path: Path, name: str) -> None:
    mark = "\t" if ".tsv" in name else ","
    lines = [HEADER, "u1,i1,click,2024-05-01 10:00:00,3,2.5", ",i2,cart,,,"]
    path = write(tmp_path / name, *(line.replace(",", mark) for line in lines))
    read = read_interactions(engine, [path], COLUMNS)
    first, second = rows(read.rows)
    assert first == {
        **dict.fromkeys(SCHEMA),
        "user_id": "u1",
        "item_id": "i1",
        "type": "click",
        "timestamp_ms": 1714557600000,
        "position": 3,
        "quantity": 2.5,
    }
    assert second == {**dict.fromkeys(SCHEMA), "item_id": "i2", "type": "cart"}
    assert (read.report.rows, read.report.kept, read.report.examples) == (2, 2, ())


def test_a_csv_log_is_split_where_its_first_line_is(engine: Engine, tmp_path: Path) -> None:
    path = write(tmp_path / "log.csv", "item;query;rank", 'i1;"lamp, red; small";3', "i2;rug;soon")
    read = read_interactions(engine, [path], InteractionColumns(item="item", query="query", position="rank"))
    assert [(row["item_id"], row["query"], row["position"]) for row in rows(read.rows)] == [("i1", "lamp, red; small", 3)]
    assert [row.line for row in read.report.examples] == [3]


def test_a_json_log_is_read_by_dotted_paths(engine: Engine, tmp_path: Path) -> None:
    path = write(tmp_path / "log.jsonl", '{"object": {"id": "i1"}, "who": null, "client": "c1", "at": {"rank": 0}}')
    columns = InteractionColumns(item="object.id", user="who|client", position="at.rank", position_base=0, constant_type="view")
    (row,) = rows(read_interactions(engine, [path], columns).rows)
    assert row == {**dict.fromkeys(SCHEMA), "item_id": "i1", "user_id": "c1", "position": 1, "type": "view"}


def test_a_parquet_log_is_read_with_its_own_types(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "log.parquet"
    engine.connection.raw_sql(
        "COPY (SELECT 1 AS user, 7 AS item, 'click' AS action, TIMESTAMP '2024-05-01 10:00:00' AS time, 3 AS rank, 2.5 AS count) "
        f"TO '{path}'"
    )
    (row,) = rows(read_interactions(engine, [path], COLUMNS).rows)
    assert (row["item_id"], row["timestamp_ms"], row["position"], row["quantity"]) == ("7", 1714557600000, 3, 2.5)


def test_several_files_are_one_log(engine: Engine, tmp_path: Path) -> None:
    paths = [write(tmp_path / f"{day}.csv", "item", f"i{day}") for day in (1, 2)]
    read = read_interactions(engine, paths, InteractionColumns(item="item"))
    assert [row["item_id"] for row in rows(read.rows)] == ["i1", "i2"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1714557600", 1714557600000),
        ("1714557600.0", 1714557600000),
        ("1714557600123", 1714557600123),
        ("2024-05-01T10:00:00.123Z", 1714557600123),
        ("2024-05-01T12:00:00+02:00", 1714557600000),
        ("2024-05-01", 1714521600000),
        ("20240501", 1714521600000),
        ("1714557600123456", 1714557600123),
        ("1714557600123999999", 1714557600123),
        ("631152000", 631152000000),
        ("662688000000000", 662688000000),
    ],
)
def test_a_time_is_read_as_milliseconds(engine: Engine, tmp_path: Path, text: str, expected: int) -> None:
    path = write(tmp_path / "log.csv", "item,time", f"i1,{text}")
    (row,) = rows(read_interactions(engine, [path], InteractionColumns(item="item", timestamp="time")).rows)
    assert row["timestamp_ms"] == expected


@pytest.mark.parametrize(
    "text", ["0", "5", "2024", "20241301", "99999999", "20240501100000", "99999999999", "1" * 20, "1900-01-01", "2100-01-01"]
)
def test_a_time_before_1990_or_after_2099_is_no_time(engine: Engine, tmp_path: Path, text: str) -> None:
    path = write(tmp_path / "log.csv", "item,time", f"i1,{text}")
    report = read_interactions(engine, [path], InteractionColumns(item="item", timestamp="time")).report
    assert (report.dropped, str(report.examples[0])) == ({"time is no time": 1}, f"{path}:2: time is no time")


def test_bad_rows_are_counted_by_reason_and_named_by_file_and_line(engine: Engine, tmp_path: Path) -> None:
    path = write(
        tmp_path / "log.csv",
        HEADER,
        'u1,"i1\nover two lines",click,2024-05-01 10:00:00,1,1',
        "u1,,click,2024-05-01 10:00:00,1,1",
        "u1,i3,,2024-05-01 10:00:00,1,1",
        "u1,i4,click,yesterday,1,1",
        "u1,i5,click,2024-05-01 10:00:00,0,1",
        "u1,i6,click,2024-05-01 10:00:00,first,1",
        "u1,i7,click,2024-05-01 10:00:00,1,nan",
        "u1,i8,click",
        "u1,i9,click,2024-05-01 10:00:00,1,1,more,and more",
    )
    report = read_interactions(engine, [path], COLUMNS).report
    assert report.dropped == {
        "no item": 1,
        "no action": 1,
        "time is no time": 1,
        "rank is no position from 1": 2,
        "count is no number": 1,
        "cannot be split into the columns of the header, or is not UTF-8": 2,
    }
    assert (report.rows, report.kept) == (9, 1)
    # The first row ends on line 3.
    found = sorted((row.line, row.reason) for row in report.examples)
    assert [line for line, _ in found] == [4, 5, 6, 7, 8, 9, 10, 11]
    assert found[0][1] == "no item"
    assert found[-1][1] == "cannot be split into the columns of the header, or is not UTF-8"
    assert f"{path}:6: time is no time" in str(report)


@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["LF", "CRLF"])
def test_lines_that_an_unclosed_quote_takes_in_are_counted_as_lost(engine: Engine, tmp_path: Path, end: str) -> None:
    lines = ['"running shoes,i' if i in {250, 750} else f"lamp,i{i}" for i in range(1000)]
    path = tmp_path / "log.csv"
    path.write_bytes(end.join(["query,item", *lines, 'lamp,"two\n\nlines"', ""]).encode())
    report = read_interactions(engine, [path], InteractionColumns(item="item", query="query")).report
    assert (report.rows, report.kept, sum(report.dropped.values())) == (1001, 500, 501)
    assert str(report.examples[0]).endswith("or is not UTF-8, and 500 lines after it are lost with it")


def test_a_row_whose_cell_takes_in_the_lines_after_it_is_a_bad_row(engine: Engine, tmp_path: Path) -> None:
    path = write(tmp_path / "log.csv", "query,item", '"running shoes,i1', *["lamp,i2"] * 9, '12",i3', 'lamp,"two\nlines"')
    report = read_interactions(engine, [path], InteractionColumns(item="item", query="query")).report
    assert (report.rows, report.kept, sorted(report.dropped.values())) == (12, 1, [1, 10])
    assert str(report.examples[0]).startswith(f"{path}:2: a cell goes on over the end of a line")


def test_bad_rows_are_named_by_line_beside_cells_of_any_length_that_the_engine_takes(engine: Engine, tmp_path: Path) -> None:
    path = write(tmp_path / "log.csv", "item,query", f"i1,{'x' * 140_000}", ",lamp")
    report = read_interactions(engine, [path], InteractionColumns(item="item", query="query")).report
    assert [str(row) for row in report.examples] == [f"{path}:3: no item"]


def test_a_bad_row_in_a_file_that_cannot_be_read_by_lines_is_named_without_one(tmp_path: Path) -> None:
    path = write(tmp_path / "log.csv", "item,query", f"i1,{'x' * 17_000_000}", ",lamp")
    (row,) = locate([Sample(str(path), "no item", cells=(None, "lamp"))], ",")
    assert str(row) == f"{path}: no item"


def test_lines_that_are_not_json_are_named_by_line_and_blank_ones_passed_over(engine: Engine, tmp_path: Path) -> None:
    path = write(tmp_path / "log.jsonl.gz", '{"item": "i1"}', "", "{item: i2}", '{"item": ""}', '["i3"]')
    report = read_interactions(engine, [path], InteractionColumns(item="item")).report
    assert report.dropped == {"not JSON": 1, "no item": 2}
    assert [(row.line, row.reason) for row in report.examples] == [(3, "not JSON"), (4, "no item"), (5, "no item")]


def test_a_frequent_fault_does_not_hide_a_rare_one(engine: Engine, tmp_path: Path) -> None:
    path = write(tmp_path / "log.jsonl", *(["{}"] * 50), "not JSON at all")
    report = read_interactions(engine, [path], InteractionColumns(item="item")).report
    assert report.dropped == {"no item": 50, "not JSON": 1}
    assert [row.line for row in report.examples] == [1, 2, 3, 4, 5, 51]


def test_bad_rows_of_parquet_name_the_file(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "log.parquet"
    engine.connection.raw_sql(f"COPY (SELECT NULL::VARCHAR AS item) TO '{path}'")
    report = read_interactions(engine, [path], InteractionColumns(item="item")).report
    assert [str(row) for row in report.examples] == [f"{path}: no item"]


def test_a_column_that_is_not_there_is_refused_with_those_that_are(engine: Engine, tmp_path: Path) -> None:
    path = write(tmp_path / "log.csv", "sku,user", "1,2")
    with pytest.raises(ValueError, match="no column 'item'; there are sku, user"):
        read_interactions(engine, [path], InteractionColumns(item="item"))


def test_a_path_at_which_no_line_of_a_json_log_has_anything_is_refused(engine: Engine, tmp_path: Path) -> None:
    path = write(tmp_path / "log.jsonl", '{"item": "i1"}', '{"item": "i2", "at": {"rank": 1}}')
    assert read_interactions(engine, [path], InteractionColumns(item="item", position="at.rank")).report.kept == 2
    with pytest.raises(ValueError, match=r"no line has anything at 'at\.rnak'"):
        read_interactions(engine, [path], InteractionColumns(item="item", position="at.rnak"))


def test_keys_of_a_json_log_are_named_as_they_are(engine: Engine, tmp_path: Path) -> None:
    path = write(tmp_path / "log.jsonl", '{"@timestamp": 1714557600, "search-term": "lamp", "user.id": "u1", "the item": {"sku": "i1"}}')
    columns = InteractionColumns(item="the item.sku", user="user.id", query="search-term", timestamp="@timestamp", constant_type="view")
    (row,) = rows(read_interactions(engine, [path], columns).rows)
    assert (row["item_id"], row["user_id"], row["query"], row["timestamp_ms"]) == ("i1", "u1", "lamp", 1714557600000)


@pytest.mark.parametrize("several", ['["i1", "i2"]', '["i1"]', "[1, 2]", "[]", '{"id": "i1"}', "{}", '[{"id": 1}]'])
def test_an_array_or_an_object_is_no_item(engine: Engine, tmp_path: Path, several: str) -> None:
    path = write(tmp_path / "log.jsonl", f'{{"item": {several}}}', '{"item": "[sale] lamp"}', '{"item": "{x}"}')
    read = read_interactions(engine, [path], InteractionColumns(item="item"))
    assert [row["item_id"] for row in rows(read.rows)] == ["[sale] lamp", "{x}"]
    assert read.report.dropped == {"no item": 1}


def test_a_judgment_of_several_documents_is_none(engine: Engine, tmp_path: Path) -> None:
    path = write(
        tmp_path / "judgments.jsonl", '{"query": "lamp", "doc_id": ["d1"], "grade": 2}', '{"query": "lamp", "doc_id": "d2", "grade": 1}'
    )
    assert read_judgments(engine, [path], JudgmentColumns()).report.dropped == {"no document id": 1}


@pytest.mark.parametrize("path", ["a[0]", "$.a", "a..b", "a'b", 'a"b', "a.*"])
def test_a_json_path_is_names_joined_by_dots(engine: Engine, tmp_path: Path, path: str) -> None:
    log = write(tmp_path / "log.jsonl", "{}")
    with pytest.raises(ValueError, match="no column path"):
        read_interactions(engine, [log], InteractionColumns(item=path))


def test_files_that_cannot_be_one_log_are_refused(engine: Engine, tmp_path: Path) -> None:
    one, other, text = (write(tmp_path / name, "item", "1") for name in ("a.csv", "b.tsv", "c.txt"))
    third = write(tmp_path / "d.csv", "sku", "1")
    columns = InteractionColumns(item="item")
    with pytest.raises(ValueError, match="different kinds"):
        read_interactions(engine, [one, other], columns)
    with pytest.raises(ValueError, match="different columns"):
        read_interactions(engine, [one, third], columns)
    with pytest.raises(ValueError, match=r"ends in none of \.csv"):
        read_interactions(engine, [text], columns)
    with pytest.raises(FileNotFoundError, match=r"no such file: .*missing\.csv"):
        read_interactions(engine, [tmp_path / "missing.csv"], columns)


def test_a_header_with_a_repeated_name_is_refused(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="empty or repeats"):
        read_interactions(engine, [write(tmp_path / "a.csv", "item,item", "1,2")], InteractionColumns(item="item"))


def test_a_byte_order_mark_is_no_part_of_the_first_column(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"\xef\xbb\xbfitem,user\ni1,u1\n")
    (row,) = rows(read_interactions(engine, [path], InteractionColumns(item="item", user="user")).rows)
    assert (row["item_id"], row["user_id"]) == ("i1", "u1")


@pytest.mark.parametrize("content", [gzip.compress(b"sku\n" + b"a\n" * 9_000)[:-12], b"sku\na\n"], ids=["cut off", "not gzipped"])
@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_a_file_that_is_no_whole_gzip_is_refused_by_name(engine: Engine, tmp_path: Path, ending: str, content: bytes) -> None:
    path = tmp_path / f"log.{ending}.gz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"log\.{ending}\.gz is no whole gzip file"):
        read_interactions(engine, [path], InteractionColumns(item="sku"))


def test_a_row_that_is_not_utf_8_is_a_bad_row(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"item,user\ni1,u1\ncaf\xe9,u2\n")
    report = read_interactions(engine, [path], InteractionColumns(item="item")).report
    assert (report.kept, sum(report.dropped.values())) == (1, 1)


def test_the_engine_removes_its_folder_when_it_closes() -> None:
    with open_engine("duckdb") as opened:
        (found,) = opened.connection.raw_sql("SELECT path FROM duckdb_databases() WHERE path IS NOT NULL").fetchall()
        folder = Path(found[0]).parent
        assert folder.is_dir()
    assert not folder.exists()
