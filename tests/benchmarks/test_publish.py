"""Tables on the page are those of finished runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.publish import PAGE, newest_runs, publish, replaced
from cluster.errors import ClusterError


def write_run(folder: Path, stamp: str, text: str, *, name: str = "peers", quick: bool = False, place: str = "") -> None:
    run = folder / f"{name}-{stamp}"
    run.mkdir(parents=True)
    (run / "report.json").write_text(json.dumps({"name": name, "quick": quick, "tables": [], "place": place}))
    (run / "report.md").write_text(text)


def test_the_newest_run_is_published_word_for_word(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- bench:peers -->\nold\n<!-- /bench:peers -->\nafter\n")
    write_run(tmp_path, "20260102-000000", "| new \\1 |\n")
    write_run(tmp_path, "20260101-000000", "| older |\n")

    assert publish(page, tmp_path) == ("peers",)
    assert page.read_text() == "before\n<!-- bench:peers -->\n| new \\1 |\n<!-- /bench:peers -->\nafter\n"


def test_a_run_with_other_settings_has_a_place_of_its_own_or_none(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("<!-- bench:peers -->\n<!-- /bench:peers -->\n<!-- bench:peers-small -->\n<!-- /bench:peers-small -->\n")
    write_run(tmp_path, "20260101-000000", "| usual |\n")
    write_run(tmp_path, "20260102-000000", "| small |\n", place="peers-small")
    write_run(tmp_path, "20260103-000000", "| huge |\n", place="peers-huge")

    assert publish(page, tmp_path) == ("peers", "peers-small")
    assert "usual |\n<!-- /bench:peers -->" in page.read_text()
    assert "small |\n<!-- /bench:peers-small -->" in page.read_text()


def test_a_quick_run_is_never_published(tmp_path: Path) -> None:
    write_run(tmp_path, "20260101-000000", "figures")
    write_run(tmp_path, "20260102-000000", "noise", quick=True)

    assert newest_runs(tmp_path)["peers"].name == "peers-20260101-000000"


def test_a_page_without_a_place_is_refused() -> None:
    with pytest.raises(ClusterError, match="no place for peers"):
        replaced("nothing here", "peers", "a table")


@pytest.mark.parametrize("name", ["peers", "search", "search-instant", "load", "scale", "train"])
def test_the_documentation_has_a_place_for_each_benchmark(name: str) -> None:
    assert replaced(PAGE.read_text(), name, "a table\n").count("a table\n") == 1
