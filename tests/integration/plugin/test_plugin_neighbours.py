"""Neighbours: documents near the query in meaning join the window, under the client's filters; without them pages are as before.

The stub's vector is nearest to the shop's last products: p59, p58, and so on.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from opensearchpy import OpenSearch

from cluster.releases import REFERENCE
from tests.integration.conftest import NEWEST
from tests.integration.plugin import shop
from tests.integration.plugin.pages import first_pass, ids, search, upside_down
from tests.integration.plugin.stub_sidecar import Behaviour, StubSidecar, garbage, hang, refusing

Counted = Callable[[], dict[str, int]]
Store = Callable[[shop.Body], str]
Search = Callable[[shop.Body], shop.Body]

NEIGHBOURS = {"field": "vector", "k": 4}
# Only p7 has this word.
RARE: shop.Body = {"match": {"name": "7"}}
with_vectors = pytest.mark.parametrize("version", [REFERENCE], indirect=True)


@pytest.fixture
def find(shopper: OpenSearch, stub: StubSidecar, stored: Store) -> Search:
    """Searches with neighbours."""
    name = stored(shop.pipeline(stub.url, neighbours=NEIGHBOURS, annotate=True))
    return lambda body: search(shopper, body, search_pipeline=name)


@with_vectors
def test_neighbours_join_what_the_words_found(find: Search, stub: StubSidecar, counted: Counted) -> None:
    page = find({"query": RARE})
    assert stub.embedded[0]["texts"] == ["7"]
    assert [hit["id"] for hit in stub.calls[0]["hits"]] == ["p7", "p59", "p58", "p57", "p56"]
    assert ids(page) == ["p56", "p57", "p58", "p59", "p7"]
    assert page["hits"]["total"] == {"value": 5, "relation": "eq"}
    assert page["ext"]["rerank"]["neighbours"] == 4
    assert counted() == {"searches": 1, "applied": 1, "neighbours.asked": 1, "neighbours.added": 4}


@with_vectors
def test_a_search_whose_words_found_nothing_shows_neighbours(find: Search) -> None:
    page = find({"query": {"match": {"name": "sandal"}}, "size": 3})
    assert ids(page) == ["p56", "p57", "p58"]
    assert page["hits"]["total"]["value"] == 4


@with_vectors
def test_totals_and_aggregations_are_those_of_the_words(find: Search, shopper: OpenSearch) -> None:
    body = {"query": shop.MATCH, "aggs": {"groups": {"terms": {"field": "group"}}}}
    page, plain = find(body), first_pass(shopper, body)
    assert page["aggregations"] == plain["aggregations"]
    assert page["hits"]["total"] == plain["hits"]["total"]


@with_vectors
@pytest.mark.parametrize(
    "demand",
    [
        {"query": {"bool": {"must": [RARE], "filter": [{"term": {"group": "group-1"}}]}}},
        {"query": {"bool": {"must": [RARE, {"term": {"group": "group-1"}}]}}},
        {"query": {"bool": {"must": [RARE], "must_not": [{"terms": {"group": [f"group-{number}" for number in (0, 2, 3, 4, 5)]}}]}}},
        {"query": RARE, "post_filter": {"term": {"group": "group-1"}}},
    ],
)
def test_neighbours_meet_the_clients_demands(find: Search, demand: shop.Body) -> None:
    page = find({**demand, "_source": ["group"]})
    assert len(ids(page)) == 5
    assert {hit["_source"]["group"] for hit in page["hits"]["hits"]} == {"group-1"}


@with_vectors
def test_neighbours_meet_the_filter_of_an_alias(shopper: OpenSearch, stub: StubSidecar, stored: Store) -> None:
    shopper.indices.put_alias(index=shop.INDEX, name="shop-group-1", body={"filter": {"term": {"group": "group-1"}}})
    name = stored(shop.pipeline(stub.url, neighbours=NEIGHBOURS))
    page = search(shopper, {"query": RARE, "_source": ["group"]}, index="shop-group-1", search_pipeline=name)
    shopper.indices.delete_alias(index=shop.INDEX, name="shop-group-1")
    # The vector search does not know of it: what it takes away is not made up for.
    assert set(ids(page)) == {"p7", "p55"}
    assert {hit["_source"]["group"] for hit in page["hits"]["hits"]} == {"group-1"}


@with_vectors
@pytest.mark.parametrize("place", [0, 1], ids=["before", "behind"])
def test_neighbours_meet_a_filter_that_the_pipeline_adds(shopper: OpenSearch, stub: StubSidecar, stored: Store, place: int) -> None:
    pipeline = shop.pipeline(stub.url, neighbours=NEIGHBOURS)
    pipeline["request_processors"].insert(place, {"filter_query": {"query": {"term": {"group": "group-1"}}}})
    page = search(shopper, {"query": RARE, "_source": ["group"]}, search_pipeline=stored(pipeline))
    assert len(ids(page)) == 5
    assert {hit["_source"]["group"] for hit in page["hits"]["hits"]} == {"group-1"}


@with_vectors
@pytest.mark.parametrize("name", shop.READER_REQUESTS)
def test_every_kind_of_request_is_answered_with_neighbours(find: Search, shopper: OpenSearch, name: str) -> None:
    body = shop.READER_REQUESTS[name]
    page, plain = find(body), first_pass(shopper, body)
    told = page.pop("ext")["rerank"]
    assert told["applied"], told
    assert len(set(ids(page))) == len(ids(page)) >= len(ids(plain))
    assert page.keys() == plain.keys()
    parts = {part for hit in plain["hits"]["hits"][:1] for part in hit} - {"_explanation", "matched_queries", "inner_hits"}
    assert all(hit.keys() >= parts for hit in page["hits"]["hits"])


@with_vectors
@pytest.mark.parametrize(
    "query",
    [
        {"bool": {"must": [RARE, {"match": {"attributes.maker": "maker 1"}}]}},
        {"bool": {"must": {"match": {"sku": "sku-007"}}, "should": RARE}},
        {"query_string": {"query": "name:7 -sandal"}},
        {"function_score": {"query": RARE, "min_score": 0.1}},
    ],
)
def test_a_query_that_is_not_understood_gets_no_neighbours(find: Search, stub: StubSidecar, query: shop.Body) -> None:
    assert ids(find({"query": query})) == ["p7"]
    assert stub.embedded == []


@with_vectors
@pytest.mark.parametrize("kind", ["dis_max", "bool"])
def test_a_query_without_text_is_a_demand_as_a_whole(find: Search, kind: str) -> None:
    alternatives = [{"term": {"group": f"group-{number}"}} for number in (1, 2, 3)]
    query = {kind: {"should" if kind == "bool" else "queries": alternatives}}
    page = find({"query": query, "ext": {"sidecar_rerank": {"query": "red shoe", "window": 5}}, "size": 5, "_source": ["group"]})
    assert page["ext"]["rerank"]["neighbours"] > 0
    assert {hit["_source"]["group"] for hit in page["hits"]["hits"]} <= {"group-1", "group-2", "group-3"}


@with_vectors
def test_other_words_than_the_querys_get_no_neighbours(find: Search, stub: StubSidecar) -> None:
    assert ids(find({"query": RARE, "ext": {"sidecar_rerank": {"query": "sandal"}}})) == ["p7"]
    assert stub.embedded == []


@with_vectors
def test_a_page_that_goes_on_behind_the_window_shows_no_hit_twice(find: Search) -> None:
    shown = ids(find({"query": shop.MATCH, "size": 60}))
    assert len(set(shown)) == len(shown) == shop.PRODUCTS


@with_vectors
def test_neighbours_have_the_parts_that_the_client_asked_for(find: Search) -> None:
    body = {
        "query": {"match": {"name": "7 shoe"}},
        "size": shop.WINDOW,
        "_source": ["sku"],
        "version": True,
        "docvalue_fields": ["group"],
        "highlight": {"fields": {"name": {}}},
    }
    neighbour = next(hit for hit in find(body)["hits"]["hits"] if hit["_id"] == "p58")
    assert neighbour["_source"] == {"sku": "sku-058"}
    assert neighbour["_version"] == 1
    assert neighbour["fields"] == {"group": ["group-4"]}
    assert "<em>shoe</em>" in neighbour["highlight"]["name"][0]


@with_vectors
def test_pages_show_the_window_once_without_overlap_or_gap(find: Search) -> None:
    pages = [ids(find({"query": shop.MATCH, "from": 5 * number, "size": 5})) for number in range(4)]
    shown = [identity for page in pages for identity in page]
    assert len(set(shown)) == shop.WINDOW
    assert {"p59", "p58", "p57", "p56"} <= set(shown)
    assert shown == ids(find({"query": shop.MATCH, "size": shop.WINDOW}))


@with_vectors
def test_neighbours_are_sought_in_all_indices_of_the_search(stored: Store, stub: StubSidecar, shopper: OpenSearch) -> None:
    name = stored(shop.pipeline(stub.url, neighbours={**NEIGHBOURS, "k": 20}))
    page = search(shopper, {"query": RARE, "size": 20}, index=shop.ALIAS, search_pipeline=name)
    assert len(ids(page)) == shop.WINDOW


@with_vectors
def test_neighbours_that_score_too_low_stay_away(stored: Store, stub: StubSidecar, shopper: OpenSearch) -> None:
    # With l2, the score is 1 / (1 + the squared distance): 0.094 for p59, 0.089 for p58, 0.084 for p57.
    name = stored(shop.pipeline(stub.url, neighbours={**NEIGHBOURS, "min_score": 0.087}))
    assert set(ids(search(shopper, {"query": RARE}, search_pipeline=name))) == {"p7", "p59", "p58"}


@pytest.mark.parametrize("embedding", [garbage, hang, refusing(422), refusing(503)], ids=["garbage", "silence", "422", "503"])
def test_without_a_vector_the_page_is_as_it_was(
    shopper: OpenSearch, stub: StubSidecar, stored: Store, counted: Counted, embedding: Behaviour
) -> None:
    stub.embedding = embedding
    name = stored(shop.pipeline(stub.url, neighbours=NEIGHBOURS, deadline_ms=2_000))
    assert search(shopper, {"query": shop.MATCH}, search_pipeline=name) == upside_down(shopper, {"query": shop.MATCH})
    counts = counted()
    assert (counts["applied"], counts["neighbours.asked"], counts["neighbours.failed"]) == (1, 1, 1)


@pytest.mark.parametrize("version", [REFERENCE, NEWEST], indirect=True)
def test_without_such_a_field_the_page_is_as_it_was(shopper: OpenSearch, stub: StubSidecar, stored: Store, counted: Counted) -> None:
    name = stored(shop.pipeline(stub.url, neighbours={"field": "no_vector"}))
    assert search(shopper, {"query": shop.MATCH}, search_pipeline=name) == upside_down(shopper, {"query": shop.MATCH})
    assert counted() == {"searches": 1, "applied": 1, "neighbours.asked": 1, "neighbours.failed": 1}


@with_vectors
def test_a_page_that_is_not_re_ranked_has_no_neighbours(find: Search, stub: StubSidecar, shopper: OpenSearch) -> None:
    stub.behaviour = refusing(500)
    page = find({"query": RARE})
    assert page.pop("ext")["rerank"]["applied"] is False
    assert page == first_pass(shopper, {"query": RARE})
