"""A log that is split by time gives two judgments files: the past to train on, the future to test on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.training.test_prepare import rerank_data

LOG = "sku,search,at\na,lamp,2024-04-30 23:59:59\nb,lamp,2024-05-01 00:00:00\nc,desk,2024-05-02 10:00:00\nd,desk,\n"


def grade(folder: Path, *options: object) -> tuple[int, str]:
    (folder / "log.csv").write_text(LOG)
    columns = ["--item-column", "sku", "--query-column", "search", "--timestamp-column", "at", "--by", "type"]
    result = rerank_data("grade", folder / "log.csv", *columns, *options, "--out", folder / "past.tsv")
    return result.exit_code, result.output


def test_the_past_and_the_future_are_graded_apart(tmp_path: Path) -> None:
    code, output = grade(tmp_path, "--test-from", "2024-05-01", "--test-out", tmp_path / "future.tsv")
    assert code == 0, output
    assert (tmp_path / "past.tsv").read_text().splitlines()[1:] == ["lamp\ta\t1"]
    assert (tmp_path / "future.tsv").read_text().splitlines()[1:] == ["desk\tc\t1", "lamp\tb\t1"]
    assert "split by time: 4 rows, 3 kept\n  dropped 1: no time" in output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--test-from", "2025-01-01", "--test-out", "future.tsv"], "0 from it on: choose a moment within the log"),
        (["--test-from", "soon", "--test-out", "future.tsv"], "'soon' is no ISO date"),
        (["--test-from", "2024-05-01"], "--test-from and --test-out go together"),
    ],
    ids=["outside", "no time", "alone"],
)
def test_a_split_that_cannot_be_is_refused_and_nothing_is_written(tmp_path: Path, options: list[str], message: str) -> None:
    code, output = grade(tmp_path, *options)
    assert code != 0
    assert message in output
    assert not (tmp_path / "past.tsv").exists()
