"""A node is searched as its clients search it, around its own pipeline, and its fields are read as its re-ranking reads them."""

# ruff: noqa: ARG002 - the stand-ins take all that the real ones take

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from cluster.embedding import VECTOR_FIELD
from cluster.errors import ClusterError
from cluster.search_template import SearchTemplate
from sidecar.encoding import Fields
from training.evaluate.candidates import BM25, KNN, SIMILARITY, Scores
from training.evaluate.node import Node, Searches

OWN = Searches(("shop",), (SearchTemplate("shop", "{{query}}"),))


class Embedder:
    """One vector for everything."""

    def model(self) -> str:
        return "fixed"

    def documents(self, bodies: Sequence[Mapping[str, Any]]) -> list[list[float]]:
        return [[1.0, 0.0] for _ in bodies]

    def query(self, text: str) -> list[float]:
        return [0.0, 1.0]


class Client:
    """An index of one document that remembers what it was asked."""

    def __init__(
        self, *, knn_score: float = 1.0, vectors: bool = True, words: bool = True, pipeline: Mapping[str, Any] | None = None
    ) -> None:
        self.searches: list[tuple[dict[str, Any], dict[str, str]]] = []
        self._knn_score = knn_score
        self._vectors = vectors
        self._words = words
        self._pipeline = pipeline
        self.indices = self
        self.transport = self

    def count(self, index: str) -> dict[str, int]:
        return {"count": 1}

    def get(self, index: str, params: Mapping[str, str]) -> dict[str, Any]:
        default = {"search": {"default_pipeline": "ours"}} if self._pipeline else {}
        return {f"{index}-1": {"mappings": {}, "settings": {"index": default}}}

    def field_caps(self, index: str, fields: str) -> dict[str, Any]:
        return {"fields": {"title": {"text": {}}} if self._words and "title" in fields.split(",") else {}}

    def render_search_template(self, body: Mapping[str, Any]) -> dict[str, Any]:
        return {"template_output": {"query": {"match": {"name": body["params"]["query"]}}}}

    def perform_request(self, method: str, url: str) -> dict[str, Any]:
        return {"ours": self._pipeline}

    def search(
        self, index: str, body: dict[str, Any], params: dict[str, str] | None = None, headers: dict[str, str] | None = None
    ) -> dict[str, Any]:
        self.searches.append((body, params or headers or {}))
        if "exists" in body["query"] and not self._vectors:
            return {"hits": {"hits": []}}
        score = self._knn_score if "knn" in body["query"] else 7.0
        return {"hits": {"hits": [{"_id": "p1", "_score": score, "_source": {"title": "Shoe"}}]}}

    def mget(self, index: str, body: dict[str, Any]) -> dict[str, Any]:
        source = {"title": "Shoe", "name": "Named", "detail": {"text": "long"}}
        return {"docs": [{"_id": doc_id, "found": doc_id == "p1", "_source": source} for doc_id in body["ids"]]}


def test_every_search_goes_around_the_indexs_pipeline() -> None:
    client = Client()
    node = Node(client, "products", Embedder())
    node.search("shoe", 50)
    node.score("shoe", ["p1"])

    assert len(client.searches) == 6
    assert all(params == {"search_pipeline": "_none"} for _, params in client.searches)


def test_neighbours_are_asked_to_the_whole_depth() -> None:
    client = Client()
    Node(client, "products", Embedder()).search("shoe", 200)
    body, _ = client.searches[-1]

    assert body["size"] == 200
    assert body["query"]["knn"][VECTOR_FIELD]["k"] == 200


def test_judged_documents_are_scored_by_the_same_query_among_themselves() -> None:
    client = Client()
    node = Node(client, "products", Embedder())
    assert node.score("shoe", ["p1", "p2"]) == {BM25: {"p1": 7.0}, KNN: {"p1": 1.0}}
    words, vectors = (body for body, _ in client.searches[-2:])

    assert words["query"]["bool"]["filter"] == [{"ids": {"values": ["p1", "p2"]}}]
    assert vectors["query"]["knn"][VECTOR_FIELD]["filter"] == {"ids": {"values": ["p1", "p2"]}}


def test_without_an_embedder_there_are_words_alone() -> None:
    assert set(Node(Client(), "products", None).search("shoe", 10)) == {BM25}


def test_an_index_with_another_embedders_vectors_is_refused() -> None:
    with pytest.raises(ClusterError, match="other vectors"):
        Node(Client(knn_score=0.9), "products", Embedder())


def test_how_well_the_vectors_agree_is_told() -> None:
    assert "cosine of 0.990" in Node(Client(knn_score=0.995), "products", Embedder()).describe()


def test_an_index_without_vectors_is_refused() -> None:
    with pytest.raises(ClusterError, match="no vectors"):
        Node(Client(vectors=False), "products", Embedder())


def test_fields_are_read_by_the_roles_of_the_indexs_own_pipeline() -> None:
    fields = {"title": "name", "description": "detail.text"}
    client = Client(pipeline={"request_processors": [{"rerank_window": {"fields": fields}}]})

    assert Node(client, "products", None).fields(["p1", "p2"]) == {"p1": {"title": "Named", "description": "long"}}


def test_without_a_pipeline_a_role_is_the_field_of_its_name() -> None:
    assert Node(Client(), "products", None).fields(["p1"]) == {"p1": {"title": "Shoe"}}


def test_a_pattern_names_no_pipeline() -> None:
    with pytest.raises(ClusterError, match=r"no pipeline our\*"):
        Node(Client(pipeline={}), "products", None, Searches(pipeline="our*"))


def test_with_a_search_of_the_shops_own_only_what_is_named_runs() -> None:
    client = Client(words=False, vectors=False)
    node = Node(client, "shop", None, OWN)

    assert node.search("shoe", 50) == {"shop": {"p1": 7.0}}
    assert node.score("shoe", ["p1"]) == {"shop": {"p1": 7.0}}
    assert all(asked == {"X-Rerank": "off"} for _, asked in client.searches)
    assert node.describe() == "index shop, 1 documents: shop (the shop's own search)"


def test_ordinary_passes_run_beside_the_shops_own_where_they_are_named() -> None:
    node = Node(Client(), "shop", Embedder(), Searches((BM25, "shop"), OWN.own))

    assert list(node.search("shoe", 50)) == [BM25, "shop"]


def test_an_index_without_the_fields_that_words_are_looked_for_in_is_refused() -> None:
    with pytest.raises(ClusterError, match=r"shop has none of the fields title, .*--first-pass NAME=FILE"):
        Node(Client(words=False), "shop", None)


def test_similarity_to_the_shops_own_hits_is_of_the_indexs_vectors_where_they_are_the_embedders() -> None:
    client = Client()
    node = Node(client, "shop", Embedder(), OWN)

    assert node.score("shoe", ["p1"]) == {"shop": {"p1": 7.0}, SIMILARITY: {"p1": 1.0}}


@pytest.mark.parametrize("client", [Client(vectors=False), Client(knn_score=0.9)], ids=["none", "another embedder's"])
def test_similarity_is_computed_where_the_index_holds_no_vectors_of_the_embedder(client: Client) -> None:
    def similar(query: str, documents: Mapping[str, Fields]) -> Scores:
        assert query == "shoe"
        return dict.fromkeys(documents, 0.25)

    node = Node(client, "shop", Embedder(), OWN, similar)

    assert node.score("shoe", ["p1"])[SIMILARITY] == {"p1": 0.25}


def test_fields_are_read_by_the_pipeline_that_is_named() -> None:
    client = Client(pipeline={"request_processors": [{"rerank_window": {"fields": {"title": "name"}}}]})
    node = Node(client, "products", None, Searches(pipeline="ours"))

    assert node.fields(["p1"]) == {"p1": {"title": "Named"}}


def test_a_pipeline_that_reads_nothing_is_refused() -> None:
    with pytest.raises(ClusterError, match="no pipeline ours with `fields`"):
        Node(Client(pipeline={"request_processors": []}), "products", None, Searches(pipeline="ours"))
