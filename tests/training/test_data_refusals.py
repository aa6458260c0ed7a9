"""A preparation from which nothing comes out ends with an error that names the option to look at."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.training.test_prepare import COLUMNS, JUDGED, LOG, rerank_data, shop
from training.data.refusals import NothingLeft, refuse_nothing
from training.data.report import Report


def test_a_step_that_keeps_something_goes_on() -> None:
    refuse_nothing(Report("train lists", 2, {"all hits have one grade": 2}), Report("test lists", 1, {}))


def test_the_most_frequent_reason_of_all_parts_is_named() -> None:
    reports = (Report("train lists", 3, {"all hits have one grade": 3}), Report("test lists", 1, {"no judged hit is in the catalogue": 1}))
    with pytest.raises(NothingLeft, match=r"nothing is left of 4, of which 3 .* 'all hits have one grade'; check --rating"):
        refuse_nothing(*reports)


def test_an_empty_file_is_refused() -> None:
    with pytest.raises(NothingLeft, match="judgments: there was nothing to read"):
        refuse_nothing(Report("judgments", 0, {}))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--preset", "msrd", "--id-column", "id"],
            "no row has the id's column 'id': name it by --id-column or --preset; the rows have name, sku",
        ),
        (["--id-column", "name"], "check --id-column or --preset, and --doc-column"),
        (["--rating", "7=1"], "--rating RATING=GRADE must name each rating"),
        (["--grade-column", "query"], "check --grade-column"),
    ],
    ids=["preset", "id-column", "rating", "grade-column"],
)
def test_lists_of_nothing_are_refused_with_the_likely_option(tmp_path: Path, arguments: list[str], message: str) -> None:
    result = rerank_data("lists", *shop(tmp_path, *JUDGED), *arguments)
    assert result.exit_code == 1
    assert message in result.output
    assert "the training sets are in" not in result.output
    assert not (tmp_path / "sets").exists()


@pytest.mark.parametrize("rating", [31, 100, 255])
def test_ratings_that_no_metric_reads_are_refused_with_the_option_that_maps_them(tmp_path: Path, rating: int) -> None:
    paths = shop(tmp_path, *JUDGED, ("lamp", "d7", rating))
    result = rerank_data("lists", *paths)
    assert result.exit_code == 1
    assert f"query 'lamp' has the grade {rating}, and 30 is the highest" in result.output
    assert f"--rating {rating}=3" in result.output
    assert not (tmp_path / "sets").exists()


def test_the_highest_grade_that_metrics_read_is_taken(tmp_path: Path) -> None:
    assert rerank_data("lists", *shop(tmp_path, *JUDGED, ("lamp", "d7", 30))).exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--impression-type", "seen"], "check --impression-type and --position-column"),
        (["--by", "type", "--weight", "wish=1"], "give those types a weight"),
        (["--item-pattern", "^x"], "check --item-pattern"),
        (["--item-pattern", "(["], "'([' is no regular expression"),
        (["--item-pattern", "(?!a)"], "Look at --item-pattern"),
    ],
    ids=["impressions", "weight", "items", "pattern", "lookahead"],
)
def test_grades_of_nothing_are_refused_with_the_likely_option(tmp_path: Path, arguments: list[str], message: str) -> None:
    (tmp_path / "log.csv").write_text("\n".join(LOG) + "\n")
    out = tmp_path / "judgments.tsv"
    result = rerank_data("grade", tmp_path / "log.csv", *COLUMNS, *arguments, "--out", out)
    assert result.exit_code in {1, 2}
    assert message in result.output
    assert not out.exists()


def test_a_log_without_queries_is_told_of_the_query_column(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("sku\na\nb\n")
    result = rerank_data("grade", tmp_path / "log.csv", "--item-column", "sku", "--out", tmp_path / "out.tsv")
    assert result.exit_code == 1
    assert "--query-column" in result.output


def test_grade_without_a_file_says_that_one_is_missing(tmp_path: Path) -> None:
    result = rerank_data("grade", "--out", tmp_path / "out.tsv")
    assert result.exit_code == 2
    assert "Missing argument 'PATHS...'" in result.output


def test_a_queries_file_without_ids_is_refused_with_the_columns_that_it_has(tmp_path: Path) -> None:
    (tmp_path / "queries.tsv").write_text("id\tquery\n1\tlamp\n")
    result = rerank_data("lists", *shop(tmp_path, *JUDGED), "--queries", tmp_path / "queries.tsv")
    assert result.exit_code == 1
    assert "queries.tsv has no column 'query_id'; there are id, query" in result.output


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("log.csv", b"item,kind\r\n1,click\n2,click\r\n", "some lines with LF and others with CRLF"),
        ("log.jsonl", b'{"item": "caf\xe9", "kind": "click"}\n', "is not UTF-8"),
    ],
    ids=["line ends", "encoding"],
)
def test_a_file_that_the_engine_cannot_read_is_refused_with_what_is_wrong_with_it(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    columns = ["--item-column", "item", "--type-column", "kind"]
    result = rerank_data("grade", str(tmp_path / name), "--by", "type", *columns, "--out", str(tmp_path / "out.tsv"))
    assert result.exit_code == 1
    assert message in result.output
