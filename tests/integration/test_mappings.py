"""The shipped mappings take their kind of catalogue, on the real node."""

from __future__ import annotations

import json
from pathlib import Path
from uuid import uuid4

import pytest
from click.testing import CliRunner
from opensearchpy import OpenSearch

from cluster.node import Node
from cluster.workspace import CHECKOUT
from scripts.cli import main
from training.distil.analysis import words

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

TEXTS = (
    "iPhone 8's case, 3.5mm wi_fi wi-fi don't O'Neil 1,000 U.S.A. c++ 5\" x 3' 1/2 12gb a:b a.b http://x.y/z me@x.com",
    "The not AND women\u2019s dogs' James's running quickly flies studies organization generously",
    "geology geologies psychology biology trilogy possibly assemblies incredibly ably bubbly",
    "crème brûlée l\u2019été Straße Łódź ½ x² Åre þorn jalapeño Ñandú \uff26\uff35\uff2c\uff2c\uff11 so\u00adft e\u0301t 200ºF ™",
    "हिन्दी किताब 日本語 テスト 한국어 검색 ไทยภาษา 😀 shoe 👍🏽 ✔",
    "<p>Soft &amp; warm</p><br>one<br/>two 3 < 5 > 2 <script>var x=1;</script>done &nbsp;x &eacute;t&eacute; <!-- no -->",
)


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


def test_texts_are_found_by_their_stem_and_by_their_exact_form(client: OpenSearch, node: Node, tmp_path: Path) -> None:
    alias = f"products-{uuid4().hex[:8]}"
    (tmp_path / "a.jsonl").write_text(json.dumps({"id": "1", "title": "Electric kettles", "brand": "Acme Café"}))
    CliRunner().invoke(main, ["index", str(tmp_path / "a.jsonl"), "--index", alias, "--url", node.url, "--no-vectors"])

    stemmed = client.count(index=alias, body={"query": {"match": {"title": "kettle"}}})
    exact = client.count(index=alias, body={"query": {"term": {"brand.exact": "acme cafe"}}})
    part = client.count(index=alias, body={"query": {"term": {"brand.exact": "acme"}}})

    assert [answer["count"] for answer in (stemmed, exact, part)] == [1, 1, 0]


@pytest.mark.parametrize("mapping", ["content", "products"])
def test_words_in_memory_are_those_of_the_index(client: OpenSearch, tmp_path: Path, *, node: Node, mapping: str) -> None:
    """So a report without a node, and BM25 as a teacher, speak of the same first pass as the index."""
    alias = f"{mapping}-{uuid4().hex[:8]}"
    (tmp_path / "a.jsonl").write_text(json.dumps(FILM))
    where = ["--index", alias, "--url", node.url, "--mapping", mapping, "--no-vectors"]
    assert CliRunner().invoke(main, ["index", str(tmp_path / "a.jsonl"), *where]).exit_code == 0
    samples = (json.loads(line) for line in (CHECKOUT / "samples" / "products.jsonl").read_text(encoding="utf-8").splitlines())
    texts = [" ".join(value for value in product.values() if isinstance(value, str)) for product in samples]

    for text in [*TEXTS, *texts]:
        answered = client.indices.analyze(index=alias, body={"field": "title", "text": text})["tokens"]
        assert words(text) == [token["token"] for token in answered], text
