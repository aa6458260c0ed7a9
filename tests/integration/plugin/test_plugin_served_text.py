"""The text that the sidecar is asked to judge is the text that training read of the same row: catalogue file -> index -> plugin."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from opensearchpy import OpenSearch

from cluster.catalogue import FieldNames
from cluster.indexing import Job, index_catalogue
from cluster.pipelines import read_pipeline
from cluster.service import Service
from cluster.workspace import CHECKOUT
from sidecar.manifest import read_manifest
from tests.commands.test_served_text import PIPELINES, WRITTEN
from tests.integration.plugin import shop
from tests.integration.plugin.stub_sidecar import StubSidecar
from training.data import catalogue as training

Store = Callable[[shop.Body], str]


@pytest.mark.parametrize("preset", WRITTEN)
def test_the_sidecar_gets_the_text_that_training_read(
    shopper: OpenSearch, stub: StubSidecar, stored: Store, preset: str, tmp_path: Path
) -> None:
    kind = PIPELINES[preset]
    path = tmp_path / "catalogue.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in WRITTEN[preset]))
    alias = f"text-{preset}"
    done = index_catalogue(
        shopper, Job(path, alias, CHECKOUT / "mappings" / f"{kind}.json", FieldNames(), None, rebuild=True), lambda _: None
    )
    pipeline = stored(
        read_pipeline(CHECKOUT / "opensearch" / "pipelines" / f"{kind}.json", {"url": stub.url, "deadline_ms": shop.DEADLINE_MS})
    )

    shopper.search(index=alias, body={"query": {"match": {"title": "kettle smile lamp"}}}, params={"search_pipeline": pipeline})
    shopper.indices.delete(index=done.index)

    template = read_manifest(CHECKOUT / "sidecar" / "models" / "fast").template.text_template()
    served = {hit["id"]: template.compose(hit["fields"]) for hit in stub.calls[0]["hits"]}
    trained, _ = training.read_catalogue([path], training.PRESETS[preset])
    assert served == {identity: template.compose(fields) for identity, fields in trained.items()}


def test_half_a_character_in_a_document_costs_no_page(shopper: OpenSearch, sidecar: Service, stored: Store) -> None:
    for identity, title in {"1": "red shoe", "2": "red shoe \\ud83d", "3": "\\udc5f shoe"}.items():
        # As a text: the client would write half a pair as bytes that are no UTF-8.
        shopper.index(index="cut-emoji", id=identity, body=f'{{"title": "{title}"}}', refresh=True)
    overrides = {"url": sidecar.url, "deadline_ms": shop.DEADLINE_MS, "annotate": True}
    pipeline = stored(read_pipeline(CHECKOUT / "opensearch" / "pipelines" / "products.json", overrides))
    page = shopper.search(index="cut-emoji", body={"query": {"match": {"title": "red shoe"}}}, params={"search_pipeline": pipeline})
    shopper.indices.delete(index="cut-emoji")
    assert page["ext"]["rerank"]["applied"], page["ext"]
    assert {"1", "3"} <= {hit["_id"] for hit in page["hits"]["hits"]}
