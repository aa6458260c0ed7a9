"""Queries are told apart by their ids, and a report says where there are too few of them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from scripts.cli import main
from tests.training.progress import no_progress
from tests.training.shop import JUDGED, write_models, write_shop
from training.evaluate.evidence import Plan
from training.evaluate.judged import JudgedSet, read_folder, too_few
from training.evaluate.report import SetReport
from training.evaluate.run import evaluate_all
from training.evaluate.setup import Place


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_shop(tmp_path_factory.mktemp("shop"))


def by_words(judged: JudgedSet, cache: Path) -> SetReport:
    """The report of BM25 and random order alone."""
    plan = Plan(window=10, depths=(10,))
    return evaluate_all([judged], Place(None, cache=cache), {}, None, plan, labels={}, relevant_from=1, progress=no_progress)[0].sets[0]


def test_two_queries_of_one_text_both_stand_in_the_report(shop: Path, tmp_path: Path) -> None:
    first, second, *others = read_folder(shop, "test").queries
    judged = JudgedSet("shop", "all", read_folder(shop, "test").catalogue, (first, replace(second, query=first.query), *others))
    found = by_words(judged, tmp_path)

    assert len(found.by_query) == len(found.query_texts) == found.queries == len(JUDGED)
    assert [found.query_texts[query_id] for query_id in (first.query_id, second.query_id)] == [first.query, first.query]


def evaluate_one(shop: Path, out: Path, *given: str) -> Result:
    data = ["--data", str(shop), "--split", "all", "--limit-queries", "1", "--no-vectors", "--out", str(out)]
    return CliRunner().invoke(main, ["evaluate", *data, "--depths", "10", "--first-pass", "bm25", *given])


def test_one_query_ends_in_a_report_that_is_sure_of_nothing(shop: Path, tmp_path: Path) -> None:
    write_models(tmp_path)
    result = evaluate_one(shop, tmp_path / "out", "--offline", "--models", str(tmp_path / "plain"))

    assert result.exit_code == 0, result.output
    (judged,) = json.loads((tmp_path / "out" / "report.json").read_bytes())["sets"]
    assert any("fewer than 10 queries" in note for note in judged["notes"])
    (difference,) = [row["difference"] for row in judged["full"]["systems"] if row["difference"]]
    assert (difference["p_value"], difference["low"], difference["high"]) == (1.0, None, None)
    assert "-inf to +inf" in (tmp_path / "out" / "report.html").read_text()


def test_too_few_queries_are_told_of_before_anything_is_asked(shop: Path, tmp_path: Path) -> None:
    result = evaluate_one(shop, tmp_path, "--url", "http://127.0.0.1:9")

    assert result.exit_code == 4
    assert "fewer than 10 queries tell nothing" in result.stderr


def test_one_line_names_every_set_of_too_few_queries_and_no_other(shop: Path) -> None:
    enough = read_folder(shop, "test")
    few, one = (replace(enough, name=name, queries=enough.queries[:count]) for name, count in (("few", 9), ("one", 1)))

    (line,) = too_few([few, enough, one])
    assert line.endswith("few has 9, one has 1")
    assert too_few([enough]) == ()
