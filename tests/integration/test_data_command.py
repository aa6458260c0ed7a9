"""`rerank data lists --mine` on a live node: hard negatives are what the index's own first pass ranks below the top."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from opensearchpy import OpenSearch

from cluster.node import Node
from cluster.workspace import CHECKOUT
from scripts.cli import main
from training.batches import TrainingList
from training.evaluate import node as searched
from training.evaluate.candidates import BM25
from training.metrics.ranking import ranking
from training.training_set import read_lists

SAMPLES = CHECKOUT / "samples"
DEPTH, BELOW, WANTED = 40, 10, 3


def mine(node: Node, first_pass: str, index: str, out: Path) -> Result:
    data = ["--judgments", str(SAMPLES / "judgments.json"), "--catalogue", str(SAMPLES / "products.jsonl"), "--preset", "products"]
    where = ["--mine", first_pass, "--url", node.url, "--index", index, "--mine-depth", str(DEPTH)]
    how = ["--hard-below", str(BELOW), "--hard-negatives", str(WANTED), "--random-negatives", "0"]
    return CliRunner().invoke(main, ["data", "lists", *data, *where, *how, "--out", str(out)])


def negatives(item: TrainingList, judged: set[str]) -> set[str]:
    return set(item.doc_ids) - judged


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """The judged hits of each train query: its list without negatives."""
    out = tmp_path_factory.mktemp("judged")
    data = ["--judgments", str(SAMPLES / "judgments.json"), "--catalogue", str(SAMPLES / "products.jsonl"), "--preset", "products"]
    result = CliRunner().invoke(main, ["data", "lists", *data, "--random-negatives", "0", "--keep-single-grade", "--out", str(out)])
    assert result.exit_code == 0, result.output
    return {item.query: set(item.doc_ids) for item in read_lists(out / "train")}


def test_hard_negatives_rank_below_the_top_of_the_index(
    node: Node, client: OpenSearch, sample_index: str, judged: dict[str, set[str]], tmp_path: Path
) -> None:
    result = mine(node, "bm25", sample_index, tmp_path)
    assert result.exit_code == 0, result.output
    source = searched.Node(client, sample_index, None)
    lists = read_lists(tmp_path / "train")
    for item in lists:
        found = ranking(source.search(item.query, DEPTH)[BM25])
        assert negatives(item, judged[item.query]) <= set(found[BELOW:])
    assert sum(len(negatives(item, judged[item.query])) for item in lists) > len(lists)


@pytest.mark.parametrize("first_pass", ["knn", "rrf"])
def test_vectors_give_every_query_all_the_hard_negatives_that_it_wants(
    node: Node, sample_index: str, judged: dict[str, set[str]], first_pass: str, tmp_path: Path
) -> None:
    result = mine(node, first_pass, sample_index, tmp_path)
    assert result.exit_code == 0, result.output
    lists = read_lists(tmp_path / "train")
    assert {len(negatives(item, judged[item.query])) for item in lists} == {WANTED}
    assert f"mined queries: {len(judged)} rows, {len(judged)} kept" in result.output


def test_an_index_of_other_documents_is_refused(node: Node, client: OpenSearch, tmp_path: Path) -> None:
    client.index(index="other-shop", id="x1", body={"title": "lamp"}, params={"refresh": "true"})
    result = mine(node, "bm25", "other-shop", tmp_path)
    client.indices.delete(index="other-shop")
    assert result.exit_code == 1
    assert "index other-shop, 1 documents: bm25: none of " in result.output
    assert "name another index (--index), or read a run file (--run)" in result.output
