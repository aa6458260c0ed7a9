"""What a model reads of a hit is what it read of the same row in training: catalogue -> index -> pipeline -> template, compared."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cluster.catalogue import Document, FieldNames, read_catalogue
from cluster.paths import texts_at
from cluster.pipelines import read_pipeline
from cluster.sent import as_hit
from cluster.workspace import CHECKOUT
from sidecar.encoding import Fields, TextTemplate
from sidecar.manifest import read_manifest
from training.data import catalogue as training

DATA = Path(os.environ.get("RERANK_DATA", CHECKOUT.parent / "shared" / "data"))
# Written so that every column that a preset reads is there, empty, missing, or of another shape.
WRITTEN: Mapping[str, list[dict[str, object]]] = {
    "esci": [
        {"_id": "B1", "title": "Kettle", "brand": "Acme", "color": "red", "category": ["Home", "Tea"], "description": "One.",
         "bullet_points": "Two.\nThree."},
        {"_id": "B2", "title": "Kettle", "description": "", "bullet_points": "Two.", "category": [], "brand": None},
        {"_id": "B3", "title": "Kettle", "description": "One.", "bullet_points": ""},
        {"_id": "B4", "title": "<b>Kettle</b>", "description": None, "bullet_points": None, "color": ""},
    ],
    "msrd": [
        {"id": "1", "title": "Smile", "overview": "A doctor.", "tags": ["fear"], "genres": ["Horror", "Drama"], "director": "P. Finn",
         "actors": ["A", "B", "C", "D", "E", "F"], "year": 2022},
        {"id": "2", "title": "Smile", "overview": "", "tags": [], "genres": [], "director": "", "actors": ["A"], "year": None},
        {"id": "3", "title": "Smile", "director": "P. Finn", "actors": [], "year": 2022.0},
    ],
    "products": [
        {"id": "p1", "title": "Lamp", "brand": "Lux", "color": ["red", "blue"], "size": 40, "category": "X", "attributes": ["E27", "LED"],
         "creator": "N. N.", "tags": ["new"], "year": 1999, "description": "Bright. " * 400, "price": 3.5},
        {"id": "p2", "title": "Lamp", "size": 1.5, "description": "", "attributes": []},
    ],
}  # fmt: skip
PIPELINES = {"esci": "products", "msrd": "content", "products": "products"}
REAL = {
    "esci": DATA / "esci" / "products.jsonl.gz",
    "msrd": DATA / "msrd" / "movies-corpus.jsonl.gz",
    "products": CHECKOUT / "samples" / "products.jsonl",
}


@pytest.fixture(params=["fast", "embedder"])
def template(request: pytest.FixtureRequest) -> TextTemplate:
    return read_manifest(CHECKOUT / "sidecar" / "models" / request.param).template.text_template()


@pytest.fixture(params=WRITTEN)
def preset(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def sent_by_the_plugin(preset: str) -> Callable[[Document], Fields]:
    """Reads a document as `rerank_window` does with the shipped pipeline (HitFields; its own test covers dotted paths and cuts)."""
    pipeline = read_pipeline(CHECKOUT / "opensearch" / "pipelines" / f"{PIPELINES[preset]}.json")
    fields: Mapping[str, str] = pipeline["request_processors"][0]["rerank_window"]["fields"]
    return lambda document: {role: document.body[path] for role, path in fields.items() if path in document.body}


def sent_by_the_indexer(document: Document) -> Fields:
    """What the embedder gets: the document as it is indexed."""
    return document.body


def documents(path: Path) -> dict[str, Document]:
    """The catalogue's documents as they are indexed."""
    return {each.id: each for each in read_catalogue(path, FieldNames()) if isinstance(each, Document)}


def assert_same_text(path: Path, preset: str, template: TextTemplate) -> None:
    trained, _ = training.read_catalogue([path], training.PRESETS[preset])
    indexed, plugin = documents(path), sent_by_the_plugin(preset)
    assert indexed.keys() == trained.keys()
    for identity, fields in trained.items():
        text = template.compose(fields)
        assert template.compose(plugin(indexed[identity])) == text, identity
        assert template.compose(sent_by_the_indexer(indexed[identity])) == text, identity


def test_a_written_row_is_served_as_the_text_that_training_read(preset: str, template: TextTemplate, tmp_path: Path) -> None:
    path = tmp_path / "catalogue.jsonl"
    path.write_bytes(b"".join(msgspec.json.encode(row) + b"\n" for row in WRITTEN[preset]))

    assert_same_text(path, preset, template)


def test_every_row_of_a_real_catalogue_is_served_as_the_text_that_training_read(preset: str, template: TextTemplate) -> None:
    if not REAL[preset].is_file():
        pytest.skip(f"{REAL[preset]} is not there: RERANK_DATA names the folder of the data sets")

    assert_same_text(REAL[preset], preset, template)


def test_a_shops_own_columns_are_served_as_the_text_that_training_read(template: TextTemplate) -> None:
    row: dict[str, Any] = {"sku": "1", "label": "Kettle", "short": "For tea.", "long": "Holds 1.7 l."}
    columns = training.catalogue_columns(None, ["title=label", "description=short,long"], "sku")
    indexed = FieldNames({"label": "title", "short": "description", "long": "description"}, id_field="sku").document(row, 1)

    assert template.compose(indexed.body) == template.compose(training.document(row, columns))


def test_objects_are_served_as_the_values_in_them(template: TextTemplate) -> None:
    row: dict[str, Any] = {"id": "1", "title": "Lamp", "creator": {"name": "N. N.", "home": {"town": "Bern"}}}
    row["attributes"] = [{"name": "cap", "value": "E27"}, "LED", ["dim", 40]]
    body = FieldNames().document(row, 1).body

    text = template.compose(training.document(row, training.PRODUCTS))
    assert {"N. N., Bern", "cap, E27, LED, dim, 40"} <= set(text)
    assert template.compose({role: texts_at(body, role) for role in body}) == text
    assert template.compose(as_hit(body)) == text


@pytest.mark.parametrize("maker", [{"name": "Ann"}, [{"name": "Ann"}, {"name": "Bo"}], {"name": {"first": "Ann", "last": "Lee"}}])
def test_a_path_into_an_object_is_served_as_the_text_that_training_read(template: TextTemplate, maker: Any) -> None:
    row: dict[str, Any] = {"codes": {"sku": 1}, "label": "Kettle", "maker": maker}
    columns = training.catalogue_columns(None, ["title=label", "brand=maker.name"], "codes.sku")
    indexed = FieldNames({"label": "title", "maker.name": "brand"}, id_field="codes.sku").document(row, 1)

    assert template.compose(indexed.body) == template.compose(training.document(row, columns))


def test_a_pipeline_sends_every_role_that_training_reads_without_a_preset() -> None:
    for path in sorted((CHECKOUT / "opensearch" / "pipelines").glob("*.json")):
        fields = read_pipeline(path)["request_processors"][0]["rerank_window"]["fields"]
        assert tuple(fields) == training.ROLES, path
