"""The shipped mappings take their kind of catalogue, on the real node."""

from __future__ import annotations

import json
from pathlib import Path
from uuid import uuid4

import pytest
from click.testing import CliRunner
from opensearchpy import OpenSearch

from cluster.node import Node
from scripts.cli import main

FILM = {
    "id": "1",
    "title": "The Long Voyage",
    "director": "Ada Marsh",
    "genres": ["Drama", "Sea Stories"],
    "tags": ["slow"],
    "year": 1998,
    "overview": "Two sailors.",
}
SHOE = {"id": "1", "title": "Trail shoe", "brand": "Acme", "color": "Navy", "size": "10", "category": ["Shoes"], "price": 80}


@pytest.mark.parametrize(
    ("mapping", "row", "exact"),
    [
        pytest.param("content", FILM, {"creator.exact": "ada marsh", "category.exact": "sea stories"}, id="content"),
        pytest.param("products", SHOE, {"color.exact": "navy", "category.exact": "shoes"}, id="products"),
    ],
)
def test_a_catalogue_keeps_its_exact_forms(
    client: OpenSearch, node: Node, tmp_path: Path, *, mapping: str, row: dict[str, object], exact: dict[str, str]
) -> None:
    alias = f"{mapping}-{uuid4().hex[:8]}"
    (tmp_path / "a.jsonl").write_text(json.dumps(row))
    where = ["--index", alias, "--url", node.url, "--mapping", mapping, "--no-vectors"]

    result = CliRunner().invoke(main, ["index", str(tmp_path / "a.jsonl"), *where])

    assert result.exit_code == 0, result.output
    for field, value in exact.items():
        assert client.count(index=alias, body={"query": {"term": {field: value}}})["count"] == 1
