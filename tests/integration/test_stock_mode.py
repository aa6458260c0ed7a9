"""The stock mode as far as it can be tried here: ml-commons and neural-search are not published for the nodes of these tests.

Tried: the processors that every node has, and the connector's question, filled in as ml-commons does, asked of the real sidecar.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from opensearchpy import OpenSearch

from cluster.service import Service
from cluster.workspace import CHECKOUT

STOCK = CHECKOUT / "opensearch" / "stock"
OF_OTHER_PLUGINS = {"ml_inference", "rerank"}
QUERY = 'running "shoes"\n42'
Body = dict[str, Any]


@pytest.fixture(scope="module")
def core_pipeline(client: OpenSearch) -> Iterator[str]:
    """The stock pipeline without the two processors that these nodes lack."""
    body = json.loads((STOCK / "pipeline.json").read_bytes())
    body["response_processors"] = [each for each in body["response_processors"] if not OF_OTHER_PLUGINS & each.keys()]
    client.transport.perform_request("PUT", "/_search/pipeline/stock-core", body=body)
    yield "stock-core"
    client.transport.perform_request("DELETE", "/_search/pipeline/stock-core")


@pytest.mark.parametrize(
    "more",
    [{}, {"size": 3}, {"size": 0}, {"from": 10}, {"sort": [{"price": "asc"}]}],
    ids=["page 1", "size 3", "size 0", "page 2", "sorted"],
)
def test_widening_and_cutting_alone_give_the_clients_own_page(
    client: OpenSearch, sample_index: str, core_pipeline: str, more: Body
) -> None:
    body = {"query": {"match": {"title": "shoes"}}, **more}

    page = client.search(index=sample_index, body=body, params={"search_pipeline": core_pipeline})

    assert page["hits"] == client.search(index=sample_index, body=body, params={"search_pipeline": "_none"})["hits"]


def test_the_connectors_question_gets_a_float_for_every_document(client: OpenSearch, sample_index: str, sidecar: Service) -> None:
    hits = client.search(index=sample_index, body={"query": {"match": {"title": "shoes"}}, "size": 20})["hits"]["hits"]
    question = filled(json.loads((STOCK / "connector.json").read_bytes()), [hit["_source"] for hit in hits])

    answer = requests.post(f"{sidecar.url}/v1/rerank", data=question.encode(), timeout=30)

    assert answer.status_code == 200, answer.text
    results = answer.json()["results"]
    assert sorted(each["index"] for each in results) == list(range(len(hits)))
    assert {type(each["relevance_score"]) for each in results} == {float}


def filled(connector: Body, documents: list[Body]) -> str:
    """The body that ml-commons sends: texts are escaped, everything else is written as JSON."""
    template: str = connector["actions"][0]["request_body"]
    parameters = {"query": json.dumps(QUERY)[1:-1], "documents": json.dumps(documents)}
    for name, value in parameters.items():
        template = template.replace(f"${{parameters.{name}}}", value)
    return template
