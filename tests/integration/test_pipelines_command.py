"""`rerank pipelines` on the real node: `off` leaves the index as it was."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from click.testing import CliRunner, Result
from opensearchpy import OpenSearch

from cluster.node import Node
from cluster.workspace import CHECKOUT
from scripts.cli import main

SETTING = "index.search.default_pipeline"


@pytest.fixture
def index(client: OpenSearch) -> str:
    """An empty index of a shop's own."""
    name = f"own-{uuid4().hex[:8]}"
    client.indices.create(index=name)
    return name


@pytest.fixture
def rerank(node: Node, index: str) -> Callable[..., Result]:
    """Runs `rerank pipelines ...` for the index."""
    return lambda action, *more: CliRunner().invoke(main, ["pipelines", action, "--index", index, "--url", node.url, *more])


def whole_state(client: OpenSearch, index: str) -> dict[str, Any]:
    """All that the cluster says of the index, and all its pipelines."""
    pipelines = client.transport.perform_request("GET", "/_search/pipeline")
    return {"index": client.indices.get(index=index), "pipelines": pipelines}


def own_pipeline(client: OpenSearch, name: str) -> None:
    body = {"request_processors": [{"filter_query": {"query": {"match_all": {}}}}]}
    client.transport.perform_request("PUT", f"/_search/pipeline/{name}", body=body)


def test_put_makes_the_pipeline_the_default(client: OpenSearch, rerank: Callable[..., Result], index: str) -> None:
    result = rerank("put", "--sidecar", "http://one:8080", "--sidecar", "http://two:8080", "--deadline-ms", "150")

    assert result.exit_code == 0
    (body,) = json.loads(rerank("get").stdout).values()
    processor = body["response_processors"][0]["sidecar_rerank"]
    assert (processor["url"], processor["deadline_ms"]) == (["http://one:8080", "http://two:8080"], 150)
    assert client.indices.get_settings(index=index, flat_settings=True)[index]["settings"][SETTING] == f"rerank-{index}"


@pytest.mark.parametrize("times", [pytest.param(1, id="put once"), pytest.param(2, id="put twice")])
def test_off_restores_an_index_without_a_default(client: OpenSearch, rerank: Callable[..., Result], index: str, times: int) -> None:
    before = whole_state(client, index)

    for _ in range(times):
        rerank("put")
    assert rerank("off").exit_code == 0

    assert whole_state(client, index) == before


@pytest.mark.parametrize("own", ["_none", "a-pipeline-of-the-shop"])
def test_off_restores_the_default_that_the_index_had(client: OpenSearch, rerank: Callable[..., Result], index: str, own: str) -> None:
    if own != "_none":
        own_pipeline(client, own)
    client.indices.put_settings(index=index, body={SETTING: own})
    before = whole_state(client, index)

    rerank("put")
    rerank("off")

    assert whole_state(client, index) == before


def test_off_keeps_a_pipeline_that_another_index_names(client: OpenSearch, rerank: Callable[..., Result], index: str) -> None:
    rerank("put")
    client.indices.create(index=f"{index}-other", body={"settings": {SETTING: f"rerank-{index}"}})

    result = rerank("off")

    assert "kept" in result.stdout
    assert client.search(index=f"{index}-other")["hits"]["hits"] == []


def test_off_keeps_a_pipeline_that_another_index_is_to_go_back_to(client: OpenSearch, rerank: Callable[..., Result], index: str) -> None:
    other = f"{index}-other"
    client.indices.create(index=other)
    for name, pipeline in ((index, "shared"), (other, "shared"), (index, "trial")):
        assert rerank("put", "--index", name, "--pipeline", f"{index}-{pipeline}").exit_code == 0

    assert "kept" in rerank("off", "--index", other).stdout
    assert "deleted" in rerank("off").stdout
    assert list(json.loads(rerank("get").stdout)) == [f"{index}-shared"]
    assert "deleted" in rerank("off").stdout
    assert client.search(index=index)["hits"]["hits"] == []


def test_off_does_not_restore_a_default_that_is_gone(client: OpenSearch, rerank: Callable[..., Result], index: str) -> None:
    own_pipeline(client, f"{index}-own")
    client.indices.put_settings(index=index, body={SETTING: f"{index}-own"})
    rerank("put")
    client.transport.perform_request("DELETE", f"/_search/pipeline/{index}-own")

    assert f"{index}-own does not exist" in rerank("off").stdout
    assert client.search(index=index)["hits"]["hits"] == []


def test_off_takes_away_a_default_that_does_not_exist(client: OpenSearch, rerank: Callable[..., Result], index: str) -> None:
    rerank("put")
    client.transport.perform_request("DELETE", f"/_search/pipeline/rerank-{index}")

    assert f"rerank-{index} does not exist" in rerank("off").stdout
    assert client.search(index=index)["hits"]["hits"] == []


def test_off_undoes_one_put_of_every_index_of_an_alias(client: OpenSearch, rerank: Callable[..., Result], index: str) -> None:
    both, other = f"{index}-both", f"{index}-other"
    client.indices.create(index=other)
    for name in (index, other):
        client.indices.put_alias(index=name, name=both)
    rerank("put", "--index", both)
    rerank("put")

    rerank("off", "--index", both)

    assert list(json.loads(rerank("get").stdout)) == [f"rerank-{both}"]
    assert json.loads(rerank("get", "--index", other).stdout) == {}
    rerank("off", "--index", both)
    assert json.loads(rerank("get", "--index", both).stdout) == {}


def test_a_foreign_pipeline_is_never_overwritten(client: OpenSearch, rerank: Callable[..., Result]) -> None:
    own_pipeline(client, "of-the-shop")

    result = rerank("put", "--pipeline", "of-the-shop")

    assert (result.exit_code, "of-the-shop is there already" in result.stderr) == (1, True)


def test_put_and_off_take_over_a_pipeline_that_was_switched_on_by_hand(
    client: OpenSearch, rerank: Callable[..., Result], index: str
) -> None:
    body = json.loads((CHECKOUT / "opensearch" / "pipelines" / "products.json").read_text())
    client.transport.perform_request("PUT", f"/_search/pipeline/rerank-{index}", body=body)
    client.indices.put_settings(index=index, body={SETTING: f"rerank-{index}"})

    rerank("put")

    assert "deleted" in rerank("off").stdout
    assert SETTING not in client.indices.get_settings(index=index, flat_settings=True)[index]["settings"]


def test_off_without_put_says_so_and_changes_nothing(client: OpenSearch, rerank: Callable[..., Result], index: str) -> None:
    before = whole_state(client, index)

    result = rerank("off")

    assert (result.exit_code, "nothing to do" in result.stdout) == (0, True)
    assert whole_state(client, index) == before


def test_a_wrong_setting_is_refused_by_its_name_and_nothing_is_switched(
    client: OpenSearch, rerank: Callable[..., Result], index: str, tmp_path: Path
) -> None:
    before = whole_state(client, index)
    definition = json.loads((CHECKOUT / "opensearch" / "pipelines" / "products.json").read_text())
    definition["response_processors"][0]["sidecar_rerank"]["dead_line"] = 5
    (tmp_path / "wrong.json").write_text(json.dumps(definition))

    result = rerank("put", "--definition", str(tmp_path / "wrong.json"))

    assert result.exit_code == 4
    assert "dead_line" in result.stderr
    assert whole_state(client, index) == before


def test_an_unknown_index_is_an_error(node: Node) -> None:
    result = CliRunner().invoke(main, ["pipelines", "put", "--index", "nowhere", "--url", node.url])

    assert (result.exit_code, "no index or alias named nowhere" in result.stderr) == (1, True)


def test_put_takes_neighbours_by_a_vector_field_that_is_there(client: OpenSearch, node: Node) -> None:
    name = f"vectors-{uuid4().hex[:8]}"
    vector = {"type": "knn_vector", "dimension": 3, "method": {"name": "hnsw", "engine": "lucene"}}
    mappings = {"properties": {"title": {"type": "text"}, "texts": {"properties": {"vector": vector}}}}
    client.indices.create(index=name, body={"settings": {"index.knn": True}, "mappings": mappings})
    put = ["pipelines", "put", "--index", name, "--url", node.url, "--neighbours"]

    refused = CliRunner().invoke(main, [*put, "title"])
    accepted = CliRunner().invoke(main, [*put, "texts.vector"])

    assert refused.exit_code == 1
    assert f"{name} has no knn_vector field 'title'; it has texts.vector" in refused.stderr
    assert accepted.exit_code == 0
    (body,) = json.loads(CliRunner().invoke(main, ["pipelines", "get", "--index", name, "--url", node.url]).stdout).values()
    assert body["response_processors"][0]["sidecar_rerank"]["neighbours"] == {"field": "texts.vector"}
