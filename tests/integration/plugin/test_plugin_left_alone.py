"""Everything that is not a reader's page by relevance passes through as if the pipeline were not there, and says why."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from opensearchpy import OpenSearch

from tests.integration.plugin import shop
from tests.integration.plugin.pages import comparable, first_pass, ids, search
from tests.integration.plugin.stub_sidecar import StubSidecar

Counted = Callable[[], dict[str, int]]
Store = Callable[[shop.Body], str]


@pytest.mark.parametrize("name", shop.LEFT_ALONE)
def test_a_request_is_left_alone(shopper: OpenSearch, stub: StubSidecar, counted: Counted, name: str) -> None:
    body, reason = shop.LEFT_ALONE[name]
    assert search(shopper, body) == first_pass(shopper, body)
    assert counted()[f"skipped.{reason}"] == 1
    assert stub.calls == []


def test_the_groups_of_a_collapsed_page_are_left_alone(shopper: OpenSearch, stub: StubSidecar, counted: Counted) -> None:
    body, _ = shop.LEFT_ALONE["collapse with inner hits"]
    page = search(shopper, body)
    assert first_pass(shopper, body) == page
    assert counted()["skipped.inner_search"] == 2 * len(page["hits"]["hits"])
    assert stub.calls == []


def test_an_index_without_source_is_left_alone(shopper: OpenSearch, counted: Counted) -> None:
    body = {"query": shop.MATCH, "size": 3}
    assert search(shopper, body, index=shop.BARE) == first_pass(shopper, body, index=shop.BARE)
    assert counted() == {"searches": 1, "skipped.source_disabled": 1}


def test_a_search_that_touches_an_index_without_source_is_left_alone(shopper: OpenSearch) -> None:
    index = f"{shop.INDEX},{shop.BARE}"
    body = {"query": shop.MATCH, "size": 30, "_source": False}
    assert search(shopper, body, index=index) == first_pass(shopper, body, index=index)


def test_every_batch_of_a_scroll_is_left_alone(shopper: OpenSearch, counted: Counted) -> None:
    body = {"query": shop.MATCH, "size": 25}
    first = shopper.search(index=shop.INDEX, body=body, params={"scroll": "1m"})
    second = shopper.scroll(scroll_id=first["_scroll_id"], params={"scroll": "1m"})
    shopper.clear_scroll(scroll_id=first["_scroll_id"])
    assert ids(first) + ids(second) == ids(first_pass(shopper, {**body, "size": 50}))
    assert counted() == {"searches": 1, "skipped.scroll": 1}


def test_creating_and_reading_a_point_in_time_is_left_alone(shopper: OpenSearch, stub: StubSidecar, counted: Counted) -> None:
    pit = shopper.create_pit(index=shop.INDEX, params={"keep_alive": "1m"})["pit_id"]
    page = shopper.search(body={"query": shop.MATCH, "pit": {"id": pit}})
    shopper.delete_pit(body={"pit_id": [pit]})
    assert ids(page) == ids(first_pass(shopper, {"query": shop.MATCH}))
    assert counted() == {"searches": 2, "skipped.no_text": 1, "skipped.point_in_time": 1}
    assert stub.calls == []


def test_a_count_is_left_alone(shopper: OpenSearch, counted: Counted) -> None:
    assert shopper.count(index=shop.INDEX, body={"query": shop.MATCH})["count"] == shop.PRODUCTS
    assert counted() == {"searches": 1, "skipped.size_0": 1}


def test_update_by_query_changes_every_match_and_asks_nobody(shopper: OpenSearch, counted: Counted) -> None:
    script = {"source": "ctx._source.group = ctx._source.group", "lang": "painless"}
    done = shopper.update_by_query(index=shop.OTHER, body={"query": shop.MATCH, "script": script}, params={"refresh": "true"})
    assert (done["total"], done["updated"]) == (5, 5)
    assert counted() == {"searches": 1, "skipped.scroll": 1}


@pytest.mark.parametrize("max_docs", [3, 45])
def test_delete_by_query_deletes_what_it_would_have_deleted(shopper: OpenSearch, counted: Counted, max_docs: int) -> None:
    with_pipeline, without = "deleting-with", "deleting-without"
    for index in (with_pipeline, without):
        copy_of_shop(shopper, index)
    shopper.indices.put_settings(index=with_pipeline, body={"index.search.default_pipeline": shop.PIPELINE})
    before = counted()
    for index in (with_pipeline, without):
        body = {"query": shop.MATCH, "max_docs": max_docs}
        assert shopper.delete_by_query(index=index, body=body, params={"refresh": "true"})["deleted"] == max_docs
    assert counted()["skipped.scroll"] == before.get("skipped.scroll", 0) + 1
    left = [remaining(shopper, index) for index in (with_pipeline, without)]
    shopper.indices.delete(index=f"{with_pipeline},{without}")
    assert left[0] == left[1]


@pytest.mark.parametrize("max_docs", [3, 45])
def test_reindex_copies_the_best_hits_of_the_first_pass(shopper: OpenSearch, counted: Counted, max_docs: int) -> None:
    body = {"max_docs": max_docs, "source": {"index": shop.INDEX, "query": shop.MATCH}, "dest": {"index": "reindexed"}}
    assert shopper.reindex(body=body, params={"refresh": "true"})["created"] == max_docs
    assert counted() == {"searches": 1, "skipped.scroll": 1}
    copied = remaining(shopper, "reindexed")
    shopper.indices.delete(index="reindexed")
    assert len(copied) == max_docs


def test_a_search_on_no_existing_index_fails_as_it_would_anyway(shopper: OpenSearch) -> None:
    answer = shopper.search(
        index="nothing-*", body={"query": shop.MATCH}, params={"search_pipeline": shop.PIPELINE, "allow_no_indices": "true"}
    )
    assert comparable(answer)["hits"]["total"]["value"] == 0


def copy_of_shop(client: OpenSearch, index: str) -> None:
    """An index of its own with the shop's products, without a pipeline."""
    client.indices.create(index=index, body=shop.without_vectors(shop.MAPPING))
    client.reindex(
        body={"source": {"index": shop.INDEX, "_source": {"excludes": ["vector"]}}, "dest": {"index": index}}, params={"refresh": "true"}
    )


def remaining(client: OpenSearch, index: str) -> list[str]:
    """The ids that an index holds, sorted."""
    page = client.search(index=index, body={"size": 1000, "_source": False}, params={"search_pipeline": "_none"})
    return sorted(ids(page))
