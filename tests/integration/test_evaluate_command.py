"""`rerank evaluate` on a live node: first passes as its clients send them, models on the fields that its index holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cluster.node import Node
from cluster.workspace import CHECKOUT
from scripts.cli import main

SAMPLES = CHECKOUT / "samples"
MODEL = CHECKOUT / "sidecar" / "models" / "fast"
PRODUCTS, QUERIES, WINDOW = 481, 12, 50


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the report goes."""
    return tmp_path_factory.mktemp("report")


@pytest.fixture(scope="module")
def result(node: Node, sample_index: str, folder: Path) -> Result:
    """The samples' judgments, measured on the index that holds the samples."""
    data = ["--data", str(SAMPLES), "--split", "all", "--limit-queries", str(QUERIES)]
    where = ["--url", node.url, "--index", sample_index, "--cache", str(folder / "cache"), "--out", str(folder)]
    how = ["--models", str(MODEL), "--first-pass", "bm25", "--window", str(WINDOW), "--depths", "10,50"]
    return CliRunner().invoke(main, ["evaluate", *data, *where, *how, "--json"])


@pytest.fixture(scope="module")
def measured(result: Result) -> Any:
    """The one judged set of the report that a script reads."""
    assert result.exit_code == 0, result.output
    (judged,) = json.loads(result.stdout)["sets"]
    return judged


def test_the_index_is_what_is_measured(measured: Any, sample_index: str) -> None:
    assert (measured["documents"], measured["queries"], measured["window"]) == (PRODUCTS, QUERIES, WINDOW)
    assert f"index {sample_index}, " in measured["source"]


def test_every_first_pass_and_the_model_have_a_line_and_better_chance(measured: Any) -> None:
    figures = {system["name"]: system["means"]["ndcg@10"] for system in measured["full"]["systems"]}

    assert all(figures["random"] < figures[name] <= 1 for name in ("bm25", "knn", "rrf", "fast"))


def test_the_report_and_every_run_are_written(result: Result, folder: Path) -> None:
    assert result.exit_code == 0, result.output
    assert (folder / "report.html").stat().st_size > 0
    assert len(list(folder.rglob("*.run"))) >= 4


def test_a_node_that_does_not_answer_has_its_own_exit_code(tmp_path: Path) -> None:
    nowhere = ["--url", "http://127.0.0.1:9", "--out", str(tmp_path)]

    assert CliRunner().invoke(main, ["evaluate", "--data", str(SAMPLES), "--split", "all", *nowhere]).exit_code == 4
