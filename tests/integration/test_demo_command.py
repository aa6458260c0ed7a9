"""`rerank demo` on the stack of the tests: what a first-time user sees."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cluster.node import Node
from cluster.service import Service
from cluster.workspace import CHECKOUT
from scripts.cli import main

ESCI = Path(os.environ.get("RERANK_DATA", CHECKOUT.parent / "shared" / "data")) / "esci"


@pytest.fixture(scope="module")
def demo(node: Node, sidecar: Service) -> Callable[..., Result]:
    """Runs `rerank demo ...` on the running node and sidecar; the deadline is long, so that a busy machine fails no test."""
    where = ["--name", node.name, "--port", str(node.port), "--sidecar-port", str(sidecar.port), "--deadline-ms", "20000"]
    return lambda *more: CliRunner().invoke(main, ["demo", *where, *more])


@pytest.fixture(scope="module")
def first_run(demo: Callable[..., Result]) -> Result:
    """The demo on a cluster that does not know the catalogue."""
    return demo("--query", "running shoes")


@pytest.fixture(scope="module")
def second_run(demo: Callable[..., Result], first_run: Result) -> Result:
    """The demo again, for a script."""
    assert first_run.exit_code == 0, first_run.output
    return demo("--json", "--query", "kids sneakers")


def test_the_demo_shows_both_pages_figures_and_addresses(first_run: Result, node: Node, sidecar: Service) -> None:
    assert first_run.exit_code == 0, first_run.output
    for shown in ("“running shoes”", "first pass, ", "re-ranked, ", "NDCG@10 first pass", node.url, sidecar.url, "rerank down"):
        assert shown in first_run.stdout
    assert "NOT re-ranked" not in first_run.stdout


def test_a_second_run_indexes_nothing(second_run: Result) -> None:
    assert "holds the catalogue already" in second_run.stderr


def test_the_demo_reranks_every_judged_query(second_run: Result) -> None:
    told = json.loads(second_run.stdout)
    summaries = told["summaries"]

    assert [page["query"] for page in told["pages"]] == ["kids sneakers"]
    assert {shape: (each["queries"], each["not_applied"]) for shape, each in summaries.items()} == {"match": (60, 0), "hybrid": (60, 0)}


def test_the_shipped_model_betters_the_first_pass_of_the_samples(second_run: Result) -> None:
    summary = json.loads(second_run.stdout)["summaries"]["match"]

    assert summary["reranked_ndcg"] > summary["first_pass_ndcg"]


@pytest.mark.skipif(not ESCI.is_dir(), reason=f"the ESCI sample is not at {ESCI}; RERANK_DATA names its parent")
def test_the_demo_takes_a_catalogue_of_ones_own(demo: Callable[..., Result]) -> None:
    result = demo("--data", str(ESCI), "--no-vectors", "--json")

    assert result.exit_code == 0, result.output
    shown = json.loads(result.stdout)
    assert (shown["index"], shown["summaries"]["match"]["queries"]) == ("esci", 150)


def test_a_catalogue_without_judgments_is_shown_by_the_queries_that_are_asked(demo: Callable[..., Result], tmp_path: Path) -> None:
    folder = tmp_path / "Unjudged Shop"
    folder.mkdir()
    (folder / "products.csv").write_text("id,title\n1,Red kettle\n2,Kettle stand\n")

    result = demo("--data", str(folder), "--query", "kettle")

    assert result.exit_code == 0, result.output
    assert "“kettle”" in result.stdout
    assert "has no judgments.json: no figures" in result.stdout
    assert "--index unjudged-shop" in result.stdout
