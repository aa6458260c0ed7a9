"""The shipped mappings and pipelines."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from cluster.embedding import DIMENSION, VECTOR_FIELD
from cluster.errors import InvalidCatalogue
from cluster.indexing import read_mapping
from cluster.pipelines import read_pipeline
from cluster.workspace import CHECKOUT

MAPPINGS = sorted((CHECKOUT / "mappings").glob("*.json"))
PIPELINES = sorted((CHECKOUT / "opensearch" / "pipelines").glob("*.json"))


@pytest.mark.parametrize("path", MAPPINGS, ids=lambda path: path.stem)
def test_a_mapping_keeps_vectors_of_the_embedders_size_out_of_the_source(path: Path) -> None:
    mappings = read_mapping(path, vectors=True)["mappings"]

    assert mappings["properties"][VECTOR_FIELD]["dimension"] == DIMENSION
    assert mappings["_source"]["excludes"] == [VECTOR_FIELD]


@pytest.mark.parametrize("path", MAPPINGS, ids=lambda path: path.stem)
def test_without_vectors_a_mapping_needs_no_knn_plugin(path: Path) -> None:
    assert "knn" not in msgspec.json.encode(read_mapping(path, vectors=False)).decode()


@pytest.mark.parametrize("path", PIPELINES, ids=lambda path: path.stem)
def test_a_pipeline_reads_fields_that_its_mapping_has(path: Path) -> None:
    fields = read_pipeline(path)["request_processors"][0]["rerank_window"]["fields"]
    mapping = read_mapping(CHECKOUT / "mappings" / path.name, vectors=True)

    assert set(fields.values()) <= set(mapping["mappings"]["properties"])


def test_settings_of_the_sidecar_can_be_replaced_and_the_others_stay() -> None:
    body = read_pipeline(CHECKOUT / "opensearch" / "pipelines" / "products.json", {"deadline_ms": 50})

    (processor,) = body["response_processors"]
    assert processor["sidecar_rerank"]["deadline_ms"] == 50
    assert processor["sidecar_rerank"]["url"] == "http://127.0.0.1:8080"


@pytest.mark.parametrize("text", ["{", "[]", '{"mappings": []}', '{"settings": 1}', '{"mappings": {"properties": {"title": "text"}}}'])
def test_a_mapping_of_another_shape_is_refused_by_its_file(tmp_path: Path, text: str) -> None:
    path = tmp_path / "own.json"
    path.write_text(text)

    with pytest.raises(InvalidCatalogue, match=r"own\.json cannot be read"):
        read_mapping(path, vectors=False)


def test_a_mapping_without_a_vector_field_is_for_indexing_without_vectors(tmp_path: Path) -> None:
    path = tmp_path / "own.json"
    path.write_text('{"mappings": {"properties": {"title": {"type": "text"}}}}')

    with pytest.raises(InvalidCatalogue, match="--no-vectors"):
        read_mapping(path, vectors=True)
    assert read_mapping(path, vectors=False)["mappings"]["properties"] == {"title": {"type": "text"}}


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("{}", "rerank_window among its request_processors"),
        ('{"request_processors": [{"rerank_window": {}}]}', "sidecar_rerank among its response_processors"),
    ],
)
def test_a_pipeline_that_reranks_nothing_is_refused(tmp_path: Path, text: str, missing: str) -> None:
    path = tmp_path / "own.json"
    path.write_text(text)

    with pytest.raises(InvalidCatalogue, match=f"no {missing}, so that nothing would be re-ranked"):
        read_pipeline(path)


def test_a_pipeline_that_misspells_a_role_is_refused_with_the_one_that_is_meant(tmp_path: Path) -> None:
    path = tmp_path / "own.json"
    processors = {
        "request_processors": [{"rerank_window": {"fields": {"title": "product_name", "Brnd": "maker"}}}],
        "response_processors": [{"sidecar_rerank": {"url": "http://127.0.0.1:8080"}}],
    }
    path.write_bytes(msgspec.json.encode(processors))

    with pytest.raises(
        InvalidCatalogue, match=r"own\.json: `fields` of rerank_window: 'Brnd' is no role .*: did you mean brand\? The roles"
    ):
        read_pipeline(path)


@pytest.mark.parametrize("text", ["{", "[]", '{"response_processors": {}}'])
def test_a_pipeline_of_another_shape_is_refused_by_its_file(tmp_path: Path, text: str) -> None:
    path = tmp_path / "own.json"
    path.write_text(text)

    with pytest.raises(InvalidCatalogue, match=r"own\.json cannot be read"):
        read_pipeline(path)
