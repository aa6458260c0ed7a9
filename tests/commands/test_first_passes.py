"""A first pass is one of the ordinary ones, or a search of the shop's own, whose name and file are checked before anything is asked."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from cluster.workspace import CHECKOUT
from scripts.cli import main

DATA = ["--data", str(CHECKOUT / "samples"), "--split", "all", "--url", "http://127.0.0.1:9"]


@pytest.fixture
def search(tmp_path: Path) -> Path:
    """A file with a search of the shop's own."""
    path = tmp_path / "search.json"
    path.write_text('{"query": {"match": {"name": "{{query}}"}}}')
    return path


def refusal(tmp_path: Path, *given: str) -> str:
    result = CliRunner().invoke(main, ["evaluate", *DATA, *given, "--out", str(tmp_path / "out")])
    assert result.exit_code == 2, result.output
    return " ".join(result.output.split())


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("bm52", "'bm52' is none of bm25, knn, rrf; a search of your own is NAME=FILE"),
        ("rrf={}", "'rrf' cannot name a search of your own"),
        ("a/b={}", "'a/b' cannot name a search of your own"),
        ("shop={}.gone", "no search template"),
    ],
)
def test_a_first_pass_that_there_is_not_is_named(tmp_path: Path, search: Path, given: str, message: str) -> None:
    assert message in refusal(tmp_path, "--first-pass", given.format(search))


def test_a_search_of_the_shops_own_needs_a_node(tmp_path: Path, search: Path) -> None:
    assert "runs on a node: leave --offline out" in refusal(tmp_path, "--first-pass", f"shop={search}", "--offline")
    assert "leave --offline out, or --pipeline" in refusal(tmp_path, "--pipeline", "shop", "--offline")


def test_two_first_passes_of_one_name_are_refused(tmp_path: Path, search: Path) -> None:
    assert "--first-pass names shop twice" in refusal(tmp_path, "--first-pass", f"shop={search}", "--first-pass", f"shop={search}")


def test_a_model_is_not_called_as_a_first_pass_is(tmp_path: Path, search: Path) -> None:
    model = CHECKOUT / "sidecar" / "models" / "fast"

    assert "shop is a first pass" in refusal(tmp_path, "--first-pass", f"shop={search}", "--models", f"shop={model}")


def test_cards_are_not_annotated_with_figures_of_misspelt_queries(tmp_path: Path) -> None:
    assert "leave --misspelt out" in refusal(tmp_path, "--misspelt", "--annotate")
