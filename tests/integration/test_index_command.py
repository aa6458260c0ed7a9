"""`rerank index` on the real node: whole or not at all, resumed, never seen half-built."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from click.testing import CliRunner, Result
from opensearchpy import OpenSearch

from cluster import pipelines
from cluster.bulk import BATCH
from cluster.catalogue import FieldNames
from cluster.embedding import DIMENSION
from cluster.errors import ServiceFailed
from cluster.indexing import Job, index_catalogue
from cluster.node import Node
from cluster.workspace import CHECKOUT
from scripts.cli import main

PRODUCTS = CHECKOUT / "mappings" / "products.json"


class CountingEmbedder:
    """Gives every text one vector; runs `before` with the number of the call."""

    def __init__(self, before: Callable[[int], None] = lambda _: None) -> None:
        self.calls = 0
        self._before = before

    def model(self) -> str:
        return "counting"

    def documents(self, bodies: Sequence[Mapping[str, Any]]) -> list[list[float]]:
        self.calls += 1
        self._before(self.calls)
        return [[1.0] * DIMENSION for _ in bodies]

    def query(self, text: str) -> list[float]:
        raise NotImplementedError(f"indexing asks for no query's vector, but it did for {text}")


@pytest.fixture
def alias() -> str:
    """A name that no other test uses."""
    return f"shop-{uuid4().hex[:8]}"


@pytest.fixture
def rerank(node: Node, alias: str) -> Callable[..., Result]:
    """Runs `rerank index FILE ...` on the node, without vectors."""
    return lambda file, *more: CliRunner().invoke(main, ["index", str(file), "--index", alias, "--url", node.url, "--no-vectors", *more])


def catalogue(path: Path, *rows: dict[str, Any] | str) -> Path:
    path.write_text("".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows))
    return path


def kettles(count: int, **fields: Any) -> list[dict[str, Any] | str]:
    return [{"id": f"k{number}", "title": f"Kettle {number}", **fields} for number in range(count)]


def titles(client: OpenSearch, alias: str) -> list[str]:
    found = client.search(index=alias, body={"query": {"match_all": {}}, "size": 10, "sort": ["id"]})
    return [hit["_source"]["title"] for hit in found["hits"]["hits"]]


def job(file: Path, alias: str, embedder: CountingEmbedder, **options: bool) -> Job:
    return Job(file, alias, PRODUCTS, FieldNames(), embedder, **options)


def test_a_catalogue_is_searchable_behind_its_alias(client: OpenSearch, rerank: Callable[..., Result], alias: str, tmp_path: Path) -> None:
    result = rerank(catalogue(tmp_path / "a.jsonl", *kettles(2)), "--json")

    outcome = json.loads(result.stdout)
    assert (result.exit_code, outcome["indexed"]) == (0, 2)
    assert outcome["index"].startswith(f"{alias}-")
    assert titles(client, alias) == ["Kettle 0", "Kettle 1"]


def test_the_same_file_again_does_nothing(rerank: Callable[..., Result], tmp_path: Path) -> None:
    file = catalogue(tmp_path / "a.jsonl", *kettles(2))
    first = json.loads(rerank(file, "--json").stdout)

    again = json.loads(rerank(file, "--json").stdout)

    assert again["unchanged"]
    assert again["index"] == first["index"]


def test_bad_rows_are_named_left_out_and_told_by_the_exit_code(
    client: OpenSearch, rerank: Callable[..., Result], alias: str, tmp_path: Path
) -> None:
    cheap = {"id": "cheap", "title": "Kettle", "price": "a bargain"}
    file = catalogue(tmp_path / "a.jsonl", "{broken", {"title": "no id"}, cheap, *kettles(1))

    result = rerank(file)

    assert result.exit_code == 8
    assert [f"{file}:{line}: " in result.stderr for line in (1, 2, 3, 4)] == [True, True, True, False]
    assert "price" in result.stderr
    assert titles(client, alias) == ["Kettle 0"]


def test_a_row_that_replaces_an_earlier_one_with_its_id_is_named_and_not_counted_as_another_document(
    client: OpenSearch, rerank: Callable[..., Result], alias: str, tmp_path: Path
) -> None:
    others: list[dict[str, Any] | str] = kettles(BATCH)
    file = catalogue(tmp_path / "a.jsonl", {"id": "pan", "title": "Pan"}, *others, {"id": "pan", "title": "Frying pan"})

    result = rerank(file, "--json")

    outcome = json.loads(result.stdout)
    assert (result.exit_code, outcome["indexed"], outcome["left_out"]) == (8, BATCH + 1, 1)
    assert f"{file}:{BATCH + 2}: replaces an earlier row of the same id" in result.stderr
    assert client.get(index=alias, id="pan")["_source"]["title"] == "Frying pan"


@pytest.mark.parametrize(
    ("row", "options", "exit_code"),
    [("{broken", (), 7), ({"id": "p1", "name": "Pan"}, ("--field", "title=titel"), 6)],
    ids=["bad rows alone", "a slip in a column"],
)
def test_a_file_that_cannot_go_live_changes_nothing_and_leaves_no_index(
    client: OpenSearch, rerank: Callable[..., Result], alias: str, tmp_path: Path, row: Any, options: tuple[str, ...], exit_code: int
) -> None:
    rerank(catalogue(tmp_path / "a.jsonl", *kettles(1)))
    before = set(client.indices.get(index=f"{alias}-*"))

    result = rerank(catalogue(tmp_path / "b.jsonl", row), *options)

    assert result.exit_code == exit_code
    assert titles(client, alias) == ["Kettle 0"]
    assert set(client.indices.get(index=f"{alias}-*")) == before


def test_a_catalogue_of_which_little_is_left_does_not_take_a_live_ones_place_unless_it_is_told_to(
    client: OpenSearch, rerank: Callable[..., Result], alias: str, tmp_path: Path
) -> None:
    old = json.loads(rerank(catalogue(tmp_path / "a.jsonl", *kettles(4)), "--json").stdout)["index"]
    broken = catalogue(tmp_path / "b.jsonl", *kettles(3, price="n/a"), {"id": "k9", "title": "Kettle 9"})

    refused = rerank(broken, "--remove-old")
    assert refused.exit_code == 7
    assert f"3 of 4 rows of {broken} were left out; {alias} stays as it was" in refused.output
    assert "--allow-left-out 75" in refused.output
    assert len(titles(client, alias)) == 4

    told = rerank(broken, "--remove-old", "--allow-left-out", "75")
    assert told.exit_code == 8
    assert titles(client, alias) == ["Kettle 9"]
    assert f"not removed, as it holds what was left out now: {old}" in told.stderr
    assert client.indices.exists(index=old)


def test_a_field_that_nothing_reads_is_told(rerank: Callable[..., Result], tmp_path: Path) -> None:
    result = rerank(catalogue(tmp_path / "a.jsonl", {"id": "p", "name": "Pan"}), "--field", "titel=name")

    assert "titel is no field of products.json, and models read none of that name: did you mean title?" in result.stderr


def test_a_new_catalogue_takes_the_old_ones_place_which_stays_for_a_roll_back(
    client: OpenSearch, rerank: Callable[..., Result], alias: str, tmp_path: Path
) -> None:
    old = json.loads(rerank(catalogue(tmp_path / "a.jsonl", *kettles(3)), "--json").stdout)["index"]

    new = json.loads(rerank(catalogue(tmp_path / "b.jsonl", *kettles(1, brand="Acme")), "--json").stdout)["index"]

    assert list(client.indices.get_alias(name=alias)) == [new]
    assert client.indices.exists(index=old)


def test_what_an_alias_hides_stays_hidden_after_a_new_catalogue(
    client: OpenSearch, rerank: Callable[..., Result], alias: str, tmp_path: Path
) -> None:
    shown = {"filter": {"term": {"brand.exact": "acme"}}, "index_routing": "a", "search_routing": "a"}
    old = json.loads(rerank(catalogue(tmp_path / "a.jsonl", *kettles(2)), "--json").stdout)["index"]
    client.indices.put_alias(index=old, name=alias, body={"filter": shown["filter"], "routing": "a"})

    new = json.loads(rerank(catalogue(tmp_path / "b.jsonl", *kettles(1), {"id": "z", "title": "Pot", "brand": "Acme"}), "--json").stdout)

    assert client.indices.get_alias(name=alias) == {new["index"]: {"aliases": {alias: shown}}}
    assert titles(client, alias) == ["Pot"]


def test_a_repeated_id_names_the_row_that_was_refused(
    client: OpenSearch, rerank: Callable[..., Result], alias: str, tmp_path: Path
) -> None:
    rows = [{"id": "1", "title": "Pan", "price": "cheap"}, {"id": "1", "title": "Pan", "price": 9}, {"id": "2", "title": "Pot"}]
    rows += [{"id": "1", "title": "Frying pan", "price": 8}]
    file = catalogue(tmp_path / "a.jsonl", *rows)

    result = rerank(file, "--json")

    outcome = json.loads(result.stdout)
    assert (outcome["indexed"], outcome["left_out"]) == (2, 2)
    assert f"{file}:1: failed to parse field [price]" in result.stderr
    assert f"{file}:4: replaces an earlier row" in result.stderr
    assert titles(client, alias) == ["Frying pan", "Pot"]


def test_the_old_index_is_removed_when_asked(client: OpenSearch, rerank: Callable[..., Result], alias: str, tmp_path: Path) -> None:
    old = json.loads(rerank(catalogue(tmp_path / "a.jsonl", *kettles(3)), "--json").stdout)["index"]

    rerank(catalogue(tmp_path / "b.jsonl", *kettles(1)), "--remove-old")

    assert not client.indices.exists(index=old)
    assert titles(client, alias) == ["Kettle 0"]


def test_searches_see_the_old_catalogue_until_the_new_one_is_whole(client: OpenSearch, alias: str, tmp_path: Path) -> None:
    index_catalogue(client, job(catalogue(tmp_path / "a.jsonl", *kettles(1)), alias, CountingEmbedder()), lambda _: None)
    seen: list[list[str]] = []
    watching = CountingEmbedder(lambda _: seen.append(titles(client, alias)))

    index_catalogue(client, job(catalogue(tmp_path / "b.jsonl", *kettles(2)), alias, watching), lambda _: None)

    assert seen == [["Kettle 0"]]
    assert titles(client, alias) == ["Kettle 0", "Kettle 1"]


def test_a_run_that_was_cut_off_goes_on_where_it_stopped(client: OpenSearch, alias: str, tmp_path: Path) -> None:
    file = catalogue(tmp_path / "a.jsonl", *kettles(BATCH + 3))

    def fail_in_the_second_batch(call: int) -> None:
        if call == 2:
            raise ServiceFailed("no vectors any more")

    with pytest.raises(ServiceFailed):
        index_catalogue(client, job(file, alias, CountingEmbedder(fail_in_the_second_batch)), lambda _: None)
    assert not client.indices.exists_alias(name=alias)

    embedder = CountingEmbedder()
    outcome = index_catalogue(client, job(file, alias, embedder), lambda _: None)

    assert (outcome.resumed, outcome.already, outcome.indexed, embedder.calls) == (True, BATCH, 3, 1)
    assert client.count(index=alias)["count"] == BATCH + 3


def test_a_build_that_another_catalogue_left_unfinished_is_named(client: OpenSearch, alias: str, tmp_path: Path) -> None:
    def fail(_: int) -> None:
        raise ServiceFailed("no vectors any more")

    with pytest.raises(ServiceFailed):
        index_catalogue(client, job(catalogue(tmp_path / "a.jsonl", *kettles(1)), alias, CountingEmbedder(fail)), lambda _: None)
    (left,) = client.indices.get(index=f"{alias}-*")
    client.indices.create(index=f"{alias}-eu-20260101-000000-000", body={"mappings": {"_meta": {"rerank": {"source": "x"}}}})

    outcome = index_catalogue(client, job(catalogue(tmp_path / "b.jsonl", *kettles(2)), alias, CountingEmbedder()), lambda _: None)

    assert outcome.unfinished == (left,)


def test_reranking_stays_on_and_can_be_switched_off_after_a_new_catalogue(
    client: OpenSearch, rerank: Callable[..., Result], alias: str, tmp_path: Path
) -> None:
    rerank(catalogue(tmp_path / "a.jsonl", *kettles(1)))
    definition = pipelines.read_pipeline(CHECKOUT / "opensearch" / "pipelines" / "products.json")
    pipelines.put(client, alias, f"rerank-{alias}", definition)

    for night in range(2, 5):
        rerank(catalogue(tmp_path / "b.jsonl", *kettles(night)), "--remove-old")

    (stored,) = pipelines.get(client, alias).values()
    # The live one, and the one before, which was there when the alias moved.
    assert len(set(re.findall(rf"{alias}-[0-9-]+", stored["description"]))) <= 2
    (switched,) = pipelines.off(client, alias)
    assert switched.deleted
    assert pipelines.get(client, alias) == {}


def test_an_index_of_the_aliass_name_is_left_alone(client: OpenSearch, rerank: Callable[..., Result], alias: str, tmp_path: Path) -> None:
    client.indices.create(index=alias)

    result = rerank(catalogue(tmp_path / "a.jsonl", *kettles(1)))

    assert result.exit_code == 1
    assert "is an index, not an alias" in result.stderr


def test_a_column_that_the_mapping_has_as_a_field_of_its_own_is_found_by_the_shops_own_query(
    client: OpenSearch, rerank: Callable[..., Result], alias: str, tmp_path: Path
) -> None:
    mapping = tmp_path / "own.json"
    mapping.write_text(json.dumps({"mappings": {"properties": {"product_name": {"type": "text", "analyzer": "english"}}}}))

    rerank(catalogue(tmp_path / "a.jsonl", {"id": "1", "product_name": "Electric kettles"}), "--mapping", str(mapping))

    assert client.count(index=alias, body={"query": {"match": {"product_name": "kettle"}}})["count"] == 1
