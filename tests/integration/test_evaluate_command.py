"""`rerank evaluate` on a live node: first passes as its clients send them, models on the fields that its index holds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from opensearchpy import OpenSearch, helpers

from cluster import pipelines
from cluster.node import Node
from cluster.service import Service
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


@pytest.fixture(scope="module")
def own_shop(client: OpenSearch) -> str:
    """The samples under names of a shop's own, mapped by nobody, and a pipeline that knows what they stand for."""
    products = map(json.loads, (SAMPLES / "products.jsonl").read_text().splitlines())
    helpers.bulk(
        client,
        (
            {"_index": "own-shop", "_id": each["id"], "name": each["title"], "maker": each["brand"], "text": each["description"]}
            for each in products
        ),
        refresh=True,
    )
    fields = {"title": "name", "brand": "maker", "description": "text"}
    pipeline = {
        "request_processors": [{"rerank_window": {"window": 100, "fields": fields}}],
        "response_processors": [{"sidecar_rerank": {"url": "http://127.0.0.1:9"}}],
    }
    client.transport.perform_request("PUT", "/_search/pipeline/own-shop", body=pipeline)
    return "own-shop"


@pytest.fixture(scope="module")
def own_search(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The search that the shop's clients send."""
    path = tmp_path_factory.mktemp("search") / "search.json"
    path.write_text('{"query": {"multi_match": {"query": "{{query}}", "fields": ["name^3", "maker", "text"]}}, "size": {{size}}}')
    return path


def on_own_shop(command: list[str], node: Node, index: str, *given: str) -> Result:
    return CliRunner().invoke(main, [*command, "--url", node.url, "--index", index, *given])


def measured_on(node: Node, index: str, folder: Path, *given: str) -> Result:
    data = ["--data", str(SAMPLES), "--split", "all", "--limit-queries", str(QUERIES), "--depths", "10", "--cache", str(folder)]
    return on_own_shop(["evaluate"], node, index, *data, *given, "--out", str(folder / "out"), "--json")


def test_a_shops_own_search_is_the_first_pass_on_an_index_of_its_own(node: Node, own_shop: str, own_search: Path, tmp_path: Path) -> None:
    given = ["--pipeline", "own-shop", "--first-pass", f"shop={own_search}", "--models", str(MODEL)]
    result = measured_on(node, own_shop, tmp_path, *given)
    assert result.exit_code == 0, result.output
    (judged,) = json.loads(result.stdout)["sets"]
    figures = {system["name"]: system["means"]["ndcg@10"] for system in judged["full"]["systems"]}

    assert list(figures) == ["shop", "random", "fast", "fast without fusion"]
    assert figures["random"] < figures["shop"] <= 1
    # Computed here, as the index holds no vectors.
    assert figures["fast"] != figures["fast without fusion"]


def test_a_shops_own_search_orders_hits_as_the_cluster_does(
    node: Node, client: OpenSearch, own_shop: str, own_search: Path, tmp_path: Path
) -> None:
    result = measured_on(node, own_shop, tmp_path, "--pipeline", "own-shop", "--first-pass", f"shop={own_search}", "--no-vectors")
    assert result.exit_code == 0, result.output
    run = [line.split() for line in (tmp_path / "out" / "runs" / "samples" / "shop.run").read_text().splitlines()]
    names = dict(line.split("\t", 1) for line in (tmp_path / "out" / "runs" / "samples" / "queries.tsv").read_text().splitlines())
    first = run[0][0]
    body = json.loads(own_search.read_text().replace("{{query}}", names[first]).replace("{{size}}", "10"))
    scores = {hit["_id"]: hit["_score"] for hit in client.search(index=own_shop, body=body)["hits"]["hits"]}

    assert sorted(scores, key=lambda doc_id: (-scores[doc_id], doc_id)) == [row[2] for row in run if row[0] == first][:10]


def test_an_index_that_is_read_by_no_pipeline_is_refused(node: Node, own_shop: str, own_search: Path, tmp_path: Path) -> None:
    result = measured_on(node, own_shop, tmp_path, "--first-pass", f"shop={own_search}")

    assert result.exit_code == 1
    assert "no model reads any of their fields" in result.output
    assert "--pipeline" in result.output


def test_a_search_that_the_cluster_refuses_is_told_in_its_words(node: Node, own_shop: str, tmp_path: Path) -> None:
    path = tmp_path / "hybrid.json"
    path.write_text('{"query": {"nothing": {"queries": ["{{query}}"]}}}')
    result = measured_on(node, own_shop, tmp_path, "--pipeline", "own-shop", "--first-pass", f"shop={path}")

    assert result.exit_code == 1
    assert "first pass shop is refused by the cluster: unknown query [nothing]" in result.output


def test_hard_negatives_come_from_the_shops_own_search(node: Node, own_shop: str, own_search: Path, tmp_path: Path) -> None:
    files = ["--judgments", str(SAMPLES / "judgments.json"), "--catalogue", str(SAMPLES / "products.jsonl"), "--preset", "products"]
    result = on_own_shop(["data", "lists"], node, own_shop, *files, "--mine", f"shop={own_search}", "--out", str(tmp_path / "sets"))

    assert result.exit_code == 0, result.output
    assert "mined hits: " in result.output


@pytest.fixture
def stored(client: OpenSearch, sidecar: Service, sample_index: str) -> Iterator[str]:
    """The shipped pipeline as the samples' default."""
    settings = {"url": sidecar.url, "deadline_ms": 1, "profile": "fast"}
    body = pipelines.read_pipeline(CHECKOUT / "opensearch" / "pipelines" / "products.json", settings)
    yield pipelines.put(client, sample_index, "measured", body).pipeline
    pipelines.off(client, sample_index)


def test_pages_are_measured_as_pipelines_make_them_also_before_they_are_stored(
    node: Node, stored: str, sample_index: str, tmp_path: Path
) -> None:
    near = json.loads((CHECKOUT / "opensearch" / "pipelines" / "products.json").read_text())
    near["response_processors"][0]["sidecar_rerank"] |= {"url": "http://127.0.0.1:9", "profile": "fast", "neighbours": {"field": "vector"}}
    (tmp_path / "near.json").write_text(json.dumps(near))
    given = ["--first-pass", "bm25", "--served", stored, "--served", f"near={tmp_path / 'near.json'}"]
    result = measured_on(node, sample_index, tmp_path, *given)

    assert result.exit_code == 0, result.output
    (judged,) = json.loads(result.stdout)["sets"]
    plain, served, neighbours = judged["served"]
    assert (plain["pipeline"], served["pipeline"], neighbours["pipeline"]) == (None, "measured", "near")
    assert (served["reranked"], neighbours["reranked"]) == (QUERIES, QUERIES)
    assert (served["deadline_ms"], neighbours["deadline_ms"]) == (1, 200)
    assert neighbours["neighbours"] > served["neighbours"] == 0
    assert served["ndcg"] == pytest.approx(plain["ndcg"] + served["difference"]["difference"])
    assert plain["ndcg"] < min(served["ndcg"], neighbours["ndcg"])


def test_pages_that_no_sidecar_re_ranks_are_told_with_their_reason(node: Node, own_shop: str, own_search: Path, tmp_path: Path) -> None:
    given = ["--pipeline", "own-shop", "--first-pass", f"shop={own_search}", "--served", "own-shop"]
    result = measured_on(node, own_shop, tmp_path, *given)

    assert result.exit_code == 0, result.output
    (judged,) = json.loads(result.stdout)["sets"]
    plain, served = judged["served"]
    assert served["reasons"] == {"unreachable": QUERIES}
    assert served["ndcg"] == plain["ndcg"]


def test_a_pipeline_that_is_not_there_is_named(node: Node, sample_index: str, tmp_path: Path) -> None:
    result = measured_on(node, sample_index, tmp_path, "--served", "nothing")

    assert result.exit_code == 1
    assert "there is no pipeline nothing that re-ranks" in result.output
