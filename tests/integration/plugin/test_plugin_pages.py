"""Pages re-ranked by a sidecar that answers: right order, right slice, and everything else of the response as it was."""

from __future__ import annotations

import pytest
from opensearchpy import OpenSearch

from cluster.releases import REFERENCE
from tests.integration.plugin import shop
from tests.integration.plugin.pages import first_pass, ids, scores, search, upside_down, without_tail_scores
from tests.integration.plugin.stub_sidecar import StubSidecar, hang


@pytest.mark.parametrize("name", shop.READER_REQUESTS)
def test_a_page_is_the_slice_of_the_re_ranked_window_and_keeps_everything_else(shopper: OpenSearch, name: str) -> None:
    body = shop.READER_REQUESTS[name]
    page = search(shopper, body)
    assert without_tail_scores(page, body) == without_tail_scores(upside_down(shopper, body), body)


@pytest.mark.parametrize("version", [REFERENCE], indirect=True)
@pytest.mark.parametrize("name", shop.KNN_REQUESTS)
def test_a_page_of_words_and_vectors_is_re_ranked(shopper: OpenSearch, name: str) -> None:
    body = shop.KNN_REQUESTS[name]
    assert search(shopper, body) == upside_down(shopper, body)


def test_five_pages_show_the_window_once_without_overlap_or_gap(shopper: OpenSearch) -> None:
    pages = [ids(search(shopper, {"query": shop.MATCH, "from": 7 * number, "size": 7})) for number in range(5)]
    shown = [identity for page in pages for identity in page]
    found = ids(first_pass(shopper, {"query": shop.MATCH, "size": 35}))
    assert shown == found[: shop.WINDOW][::-1] + found[shop.WINDOW :]


def test_scores_fall_also_where_a_page_leaves_the_window(shopper: OpenSearch) -> None:
    shown = scores(search(shopper, {"query": shop.MATCH, "from": 15, "size": 20}))
    assert shown == sorted(shown, reverse=True)


def test_took_includes_the_re_ranking(shopper: OpenSearch, stub: StubSidecar) -> None:
    stub.behaviour = hang
    page = shopper.search(index=shop.INDEX, body={"query": shop.MATCH} | shop.IN_HASTE)
    assert page["took"] >= shop.IN_HASTE["ext"]["sidecar_rerank"]["deadline_ms"] - 1


def test_phase_took_is_kept(shopper: OpenSearch) -> None:
    page = shopper.search(index=shop.INDEX, body={"query": shop.MATCH}, params={"phase_took": "true"})
    assert set(page["phase_took"]) >= {"query", "fetch"}


def test_profile_results_are_kept(shopper: OpenSearch) -> None:
    page = shopper.search(index=shop.INDEX, body={"query": shop.MATCH, "profile": True})
    assert len(page["profile"]["shards"]) == 2
    assert ids(page) == ids(upside_down(shopper, {"query": shop.MATCH}))


@pytest.mark.parametrize("index", [shop.ALIAS, f"{shop.INDEX},{shop.OTHER}", "shop,shop-o*"])
def test_a_page_over_several_indices_is_re_ranked(shopper: OpenSearch, stub: StubSidecar, index: str) -> None:
    body = {"query": shop.MATCH, "size": 15}
    assert search(shopper, body, index=index) == upside_down(shopper, body, index=index)
    assert {hit["index"] for hit in stub.calls[0]["hits"]} == {shop.INDEX, shop.OTHER}


def test_every_search_of_an_msearch_is_re_ranked(shopper: OpenSearch) -> None:
    bodies = [{"query": shop.MATCH, "size": size} for size in range(1, 13)]
    lines = [line for body in bodies for line in ({"index": shop.INDEX}, body)]
    responses = shopper.msearch(body=lines)["responses"]
    assert [ids(page) for page in responses] == [ids(upside_down(shopper, body)) for body in bodies]


def test_collapsed_searches_do_not_switch_off_their_neighbours(shopper: OpenSearch) -> None:
    collapsing, _ = shop.LEFT_ALONE["collapse with inner hits"]
    bodies = [collapsing, {"query": shop.MATCH}] * 6
    lines = [line for body in bodies for line in ({"index": shop.INDEX}, body)]
    responses = shopper.msearch(body=lines, params={"max_concurrent_searches": 1})["responses"]
    wanted = [ids(first_pass(shopper, collapsing)), ids(upside_down(shopper, {"query": shop.MATCH}))] * 6
    assert [ids(page) for page in responses] == wanted


def test_a_search_template_is_re_ranked(shopper: OpenSearch) -> None:
    template = {"source": {"query": {"match": {"name": "{{words}}"}}, "size": "{{size}}"}, "params": {"words": "red shoe", "size": 4}}
    page = shopper.search_template(index=shop.INDEX, body=template)
    assert ids(page) == ids(upside_down(shopper, {"query": shop.MATCH, "size": 4}))


def test_rank_eval_measures_what_readers_see(shopper: OpenSearch) -> None:
    best = ids(upside_down(shopper, {"query": shop.MATCH}))[0]
    rated = {"id": "q", "request": {"query": shop.MATCH}, "ratings": [{"_index": shop.INDEX, "_id": best, "rating": 1}]}
    body = {"requests": [rated], "metric": {"mean_reciprocal_rank": {"k": 10, "relevant_rating_threshold": 1}}}
    assert shopper.rank_eval(index=shop.INDEX, body=body)["metric_score"] == 1.0


def test_the_sidecar_gets_what_the_contract_says(shopper: OpenSearch, stub: StubSidecar) -> None:
    search(shopper, {"query": shop.MATCH, "size": 1, "_source": False})
    call = stub.calls[0]
    product = shop.product(int(call["hits"][0]["id"][1:]))
    assert call["query"] == "red shoe"
    assert len(call["hits"]) == shop.WINDOW
    assert 0 < call["deadline_ms"] <= shop.DEADLINE_MS
    assert (call["user"], call["profile"], call["explain"]) == (None, None, False)
    assert call["hits"][0]["fields"] == {
        "title": product["name"].strip(),
        "brand": product["attributes"]["maker"],
        "category": product["tags"],
        "description": product["text"].strip(),
        "price": product["price"],
    }


def test_the_client_s_request_id_reaches_the_sidecar(shopper: OpenSearch, stub: StubSidecar) -> None:
    shopper.search(index=shop.INDEX, body={"query": shop.MATCH}, headers={"X-Opaque-Id": "basket-7"})
    assert stub.headers[0]["x-request-id"] == "basket-7"
