"""A shop's own search is rendered by the cluster and sent as its clients send it, but for its page, and with re-ranking off."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from opensearchpy.exceptions import RequestError, SerializationError

from cluster.errors import ClusterError, InvalidCatalogue
from cluster.search_template import SearchTemplate, read_search_template

WORDS = '{"query": {"match": {"name": "{{query}}"}}}'


class Client:
    """Renders every template to one body, and remembers what it was asked."""

    def __init__(self, rendered: Any = None, *, reranked: bool = False, refused: str = "") -> None:
        self.rendered = {"query": {"match": {"name": "lamp"}}} if rendered is None else rendered
        self.parameters: Mapping[str, Any] = {}
        self.sent: list[Mapping[str, Any]] = []
        self.headers: Mapping[str, str] = {}
        self._reranked = reranked
        self._refused = refused

    def render_search_template(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        self.parameters = body["params"]
        if isinstance(self.rendered, Exception):
            raise self.rendered
        return {"template_output": self.rendered}

    def search(self, index: str, body: Mapping[str, Any], headers: Mapping[str, str]) -> Mapping[str, Any]:
        assert index == "shop"
        if self._refused:
            raise RequestError(400, "parsing_exception", {"error": {"root_cause": [{"reason": self._refused}]}})
        self.sent.append(body)
        self.headers = headers
        return {"hits": {"hits": []}, "ext": {"rerank": {"applied": self._reranked}}}


def read(tmp_path: Path, text: str) -> SearchTemplate:
    path = tmp_path / "search.json"
    path.write_text(text, encoding="utf-8")
    return read_search_template("shop", path)


def search(client: Any, source: str = WORDS) -> None:
    SearchTemplate("shop", source).search(client, "shop", "lamp", 50, None)


def test_what_orders_hits_is_sent_and_the_page_is_the_callers() -> None:
    query = {"match": {"name": "lamp"}}
    client = Client({"query": query, "min_score": 2, "size": 10, "from": 20, "aggs": {}, "ext": {"sidecar_rerank": {"enabled": True}}})
    search(client)

    assert client.sent == [{"query": query, "min_score": 2, "size": 50, "_source": False, "track_total_hits": False}]


def test_the_search_goes_through_the_indexs_own_pipeline_with_reranking_off() -> None:
    client = Client()
    search(client)

    assert client.headers == {"X-Rerank": "off"}


def test_a_page_that_came_back_reranked_is_no_first_pass() -> None:
    with pytest.raises(ClusterError, match="first pass shop came back re-ranked"):
        search(Client(reranked=True))


def test_documents_are_looked_for_behind_the_shops_own_filter() -> None:
    client = Client({"query": {"match_all": {}}, "post_filter": {"term": {"sold": True}}})
    SearchTemplate("shop", WORDS).search_among(client, "shop", "lamp", ["a", "b"], None)  # type: ignore[arg-type]

    (sent,) = client.sent
    assert sent["post_filter"] == {"bool": {"filter": [{"term": {"sold": True}}, {"ids": {"values": ["a", "b"]}}]}}
    assert sent["size"] == 2


def test_a_template_may_ask_for_the_text_by_any_of_its_names_and_for_the_page() -> None:
    client = Client()
    search(client)

    assert {name: client.parameters[name] for name in ("query", "query_string", "q", "text", "size", "from")} == {
        **dict.fromkeys(("query", "query_string", "q", "text"), "lamp"),
        "size": 50,
        "from": 0,
    }


def test_the_vector_is_made_only_for_a_template_that_asks_for_it() -> None:
    source = '{"query": {"knn": {"v": {"vector": {{#toJson}}vector{{/toJson}}, "k": 5}}}}'
    client = Client()
    SearchTemplate("shop", source).search(client, "shop", "lamp", 5, lambda _: (0.5, 1.0))  # type: ignore[arg-type]
    assert client.parameters["vector"] == [0.5, 1.0]

    with pytest.raises(ClusterError, match="asks for the query's vector: leave --no-vectors out"):
        search(Client(), source)


@pytest.mark.parametrize(
    ("rendered", "message"),
    [
        ({"query": {}, "sort": ["price"]}, "first pass shop has `sort`: re-ranking leaves such a search as it is"),
        ({"query": {}, "collapse": {"field": "brand"}}, "first pass shop has `collapse`"),
        ({"query": {}, "rescore": {}}, "first pass shop has `rescore`"),
        ({"qeury": {}}, "first pass shop has no `query`: it holds qeury"),
        (RequestError(400, "x", {"error": {"root_cause": [{"reason": "Mustache"}]}}), "does not render for the query 'lamp': Mustache"),
        (SerializationError("{]"), "renders to no JSON for the query 'lamp'"),
    ],
    ids=["sort", "collapse", "rescore", "no query", "template", "no JSON"],
)
def test_a_search_that_cannot_be_measured_is_refused_by_its_name(rendered: Any, message: str) -> None:
    with pytest.raises(ClusterError, match=message):
        search(Client(rendered))


def test_what_the_cluster_refuses_is_told_in_its_words() -> None:
    with pytest.raises(ClusterError, match=r"first pass shop is refused by the cluster: unknown query \[hybrid\]"):
        search(Client(refused="unknown query [hybrid]"))


def test_a_file_may_hold_a_stored_template(tmp_path: Path) -> None:
    assert read(tmp_path, '{"script": {"lang": "mustache", "source": {"query": {"match": {"name": "{{q}}"}}}}}').source == (
        '{"query": {"match": {"name": "{{q}}"}}}'
    )
    assert read(tmp_path, '{"source": "{\\"query\\": \\"{{text}}\\"}", "params": {}}').source == '{"query": "{{text}}"}'


def test_a_template_without_a_place_for_the_query_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidCatalogue, match="no place for the query"):
        read(tmp_path, '{"query": {"match": {"name": "lamp"}}, "size": {{size}}}')


def test_a_parameter_that_nobody_gives_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidCatalogue, match=r"\{\{shop\}\} would be empty: there are from, q, query, query_string, size, text, vector"):
        read(tmp_path, '{"query": {"match": {"name": "{{query}}"}}, "post_filter": {"term": {"shop": "{{shop}}"}}}')


def test_parameters_with_a_default_and_in_optional_parts_are_none_of_ours(tmp_path: Path) -> None:
    optional = '{{#shop}}, "post_filter": {"term": {"shop": "{{shop}}"}}{{/shop}}'
    default = '"boost": {{boost}}{{^boost}}1{{/boost}}'

    assert read(tmp_path, '{"query": {"match": {"name": {"query": "{{query}}", ' + default + "}}}" + optional + "}").name == "shop"


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"], ids=["missing", "no text"])
def test_a_file_that_is_no_template_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "nothing.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InvalidCatalogue, match=r"nothing\.json: no search template"):
        read_search_template("shop", path)
