"""`rerank search` on the sample catalogue: the unchanged request in every shape, both pages."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from click.testing import CliRunner
from opensearchpy import OpenSearch

from cluster import pipelines
from cluster.node import Node
from cluster.queries import SHAPES
from cluster.service import Service
from cluster.workspace import CHECKOUT
from scripts.cli import main


@pytest.fixture(scope="module")
def reranked_index(client: OpenSearch, sidecar: Service, sample_index: str) -> Iterator[str]:
    """The samples with re-ranking on; the deadline is long, so that a busy machine fails no test."""
    path = CHECKOUT / "opensearch" / "pipelines" / "products.json"
    body = pipelines.read_pipeline(path, {"url": sidecar.url, "deadline_ms": 20_000})
    pipelines.put(client, sample_index, f"rerank-{sample_index}", body)
    yield sample_index
    pipelines.off(client, sample_index)


@pytest.mark.parametrize("shape", SHAPES)
def test_both_pages_of_a_request_are_shown(node: Node, sidecar: Service, reranked_index: str, shape: str) -> None:
    where = ["--index", reranked_index, "--url", node.url, "--sidecar", sidecar.url]

    result = CliRunner().invoke(main, ["search", "running shoes", *where, "--shape", shape, "--json"])

    comparison = json.loads(result.stdout)
    assert (len(comparison["first_pass"]["hits"]), len(comparison["reranked"]["hits"])) == (10, 10)
    assert comparison["first_pass"]["applied"] is None
    if shape != "knn":
        assert comparison["reranked"]["applied"] is True


def test_grades_stand_beside_the_pages_for_scripts_too(node: Node, reranked_index: str) -> None:
    where = ["--index", reranked_index, "--url", node.url, "--judgments", str(CHECKOUT / "samples" / "judgments.json")]

    found = json.loads(CliRunner().invoke(main, ["search", "kids sneakers", *where, "--json"]).stdout)

    assert set(found["grades"].values()) <= {0, 1, 2, 3}
    assert found["grades"].keys() & {hit["id"] for hit in found["reranked"]["hits"]}


def test_a_mistyped_query_is_reranked_as_its_hits_spell_it_and_the_page_says_so(client: OpenSearch, reranked_index: str) -> None:
    def page(text: str) -> tuple[list[str], str | None]:
        # Only right words lead to these hits, so that both queries have the same window.
        body = {"query": {"multi_match": {"query": text, "fields": ["title"], "fuzziness": "AUTO", "prefix_length": 1}}, "size": 10}
        found = client.search(index=reranked_index, body=body)
        return [hit["_id"] for hit in found["hits"]["hits"]], found["ext"]["rerank"].get("read_as")

    assert page("children's traniers")[1] == "children's trainers"
    assert page("children's trainers")[1] is None
    assert set(page("children's traniers")[0][:3]) == set(page("children's trainers")[0][:3])


def test_a_pure_vector_request_has_no_text_and_keeps_its_order(node: Node, sidecar: Service, reranked_index: str) -> None:
    where = ["--index", reranked_index, "--url", node.url, "--sidecar", sidecar.url]

    comparison = json.loads(CliRunner().invoke(main, ["search", "running shoes", *where, "--shape", "knn", "--json"]).stdout)

    assert comparison["reranked"]["applied"] is False
    assert comparison["reranked"]["hits"] == comparison["first_pass"]["hits"]


def test_titles_are_shown_from_where_the_pipeline_reads_them(node: Node, sidecar: Service, client: OpenSearch) -> None:
    client.index(index="own-names", id="k1", body={"product": {"name": "Kettle"}, "description": "boils water"}, refresh=True)
    body = pipelines.read_pipeline(CHECKOUT / "opensearch" / "pipelines" / "products.json", {"url": sidecar.url})
    body["request_processors"][0]["rerank_window"]["fields"] = {"title": "product.name", "description": "description"}
    pipelines.put(client, "own-names", "rerank-own-names", body)

    found = json.loads(CliRunner().invoke(main, ["search", "water", "--index", "own-names", "--url", node.url, "--json"]).stdout)

    assert [hit["title"] for hit in found["reranked"]["hits"]] == ["Kettle"]


def test_vectors_are_searched_and_never_returned(client: OpenSearch, sample_index: str) -> None:
    found = client.search(index=sample_index, body={"query": {"match": {"title": "shoes"}}, "size": 1})

    (hit,) = found["hits"]["hits"]
    assert "vector" not in hit["_source"]
