"""Settings are checked when the pipeline is put; requests may differ from them; responses may say what happened."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from opensearchpy import OpenSearch
from opensearchpy.exceptions import RequestError

from tests.integration.plugin import shop
from tests.integration.plugin.pages import first_pass, ids, scores, search, upside_down
from tests.integration.plugin.stub_sidecar import MODEL, StubSidecar, hang

Counted = Callable[[], dict[str, int]]
Store = Callable[[shop.Body], str]
URL = "http://127.0.0.1:8080"
QUERY: shop.Body = {"query": shop.MATCH}

WRONG_WINDOW: dict[str, tuple[shop.Body, str]] = {
    "no fields": ({}, "fields"),
    "empty fields": ({"fields": {}}, "fields"),
    "fields of numbers": ({"fields": {"title": 3}}, "fields"),
    "a wildcard path": ({"fields": {"title": "na*"}}, "fields"),
    "window 0": ({"fields": shop.FIELDS, "window": 0}, "window"),
    "window too large": ({"fields": shop.FIELDS, "window": 1001}, "window"),
    "window in words": ({"fields": shop.FIELDS, "window": "many"}, "window"),
    "max_query_chars 0": ({"fields": shop.FIELDS, "max_query_chars": 0}, "max_query_chars"),
    "max_field_chars -1": ({"fields": shop.FIELDS, "max_field_chars": -1}, "max_field_chars"),
    "an unknown key": ({"fields": shop.FIELDS, "widow": 5}, "widow"),
}
WRONG_CALL: dict[str, tuple[shop.Body, str]] = {
    "no url": ({}, "url"),
    "no urls": ({"url": []}, "url"),
    "a scheme that it cannot reach": ({"url": "ftp://sidecar"}, "url"),
    "no scheme": ({"url": "sidecar:8080"}, "url"),
    "no host": ({"url": "http:///v1"}, "url"),
    "a password in the url": ({"url": "http://me:secret@sidecar"}, "url"),
    "a port that no service has": ({"url": "http://sidecar:65536"}, "url"),
    "one bad url among good ones": ({"url": [URL, "gopher://x"]}, "url"),
    "deadline_ms 0": ({"url": URL, "deadline_ms": 0}, "deadline_ms"),
    "deadline_ms with a fraction": ({"url": URL, "deadline_ms": 1.5}, "deadline_ms"),
    "connect_timeout_ms too large": ({"url": URL, "connect_timeout_ms": 100_000}, "connect_timeout_ms"),
    "max_in_flight 0": ({"url": URL, "max_in_flight": 0}, "max_in_flight"),
    "failures 0": ({"url": URL, "failures": 0}, "failures"),
    "open_ms 0": ({"url": URL, "open_ms": 0}, "open_ms"),
    "blend above 1": ({"url": URL, "blend": 1.1}, "blend"),
    "annotate in words": ({"url": URL, "annotate": "yes"}, "annotate"),
    "profile of spaces": ({"url": URL, "profile": " "}, "profile"),
    "an unknown key": ({"url": URL, "deadline": 5}, "deadline"),
    "neighbours without a field": ({"url": URL, "neighbours": {"k": 5}}, "neighbours.field"),
    "neighbours of another kind": ({"url": URL, "neighbours": "embedding"}, "neighbours"),
    "an unknown key of neighbours": ({"url": URL, "neighbours": {"field": "vector", "count": 5}}, "neighbours.count"),
}
WRONG_EXT: dict[str, tuple[Any, str]] = {
    "window 0": ({"window": 0}, "window"),
    "deadline_ms in words": ({"deadline_ms": "soon"}, "deadline_ms"),
    "enabled in words": ({"enabled": "no"}, "enabled"),
    "an unknown key": ({"profil": "best"}, "profil"),
    "no object": (False, "sidecar_rerank"),
    "a list": (["best"], "sidecar_rerank"),
}


def complaint(client: OpenSearch, window: shop.Body, call: shop.Body) -> str:
    """What the node says to a pipeline of these two processors."""
    body = {"request_processors": [{"rerank_window": window}], "response_processors": [{"sidecar_rerank": call}]}
    with pytest.raises(RequestError) as refused:
        shop.put_pipeline(client, body, "refused")
    assert refused.value.status_code == 400
    return str(refused.value.info["error"]["reason"])


@pytest.mark.parametrize("name", WRONG_WINDOW)
def test_rerank_window_refuses(shopper: OpenSearch, name: str) -> None:
    settings, key = WRONG_WINDOW[name]
    assert f"[{key}]" in complaint(shopper, dict(settings), {"url": URL})


@pytest.mark.parametrize("name", WRONG_CALL)
def test_sidecar_rerank_refuses(shopper: OpenSearch, name: str) -> None:
    settings, key = WRONG_CALL[name]
    assert f"[{key}]" in complaint(shopper, {"fields": shop.FIELDS}, dict(settings))


@pytest.mark.parametrize("name", WRONG_EXT)
def test_a_request_s_own_settings_are_checked(shopper: OpenSearch, name: str) -> None:
    settings, key = WRONG_EXT[name]
    with pytest.raises(RequestError, match=rf"\[{key}\]"):
        search(shopper, {**QUERY, "ext": {"sidecar_rerank": settings}})


@pytest.mark.parametrize("missing", ["request_processors", "response_processors"])
def test_half_a_pipeline_is_refused(shopper: OpenSearch, missing: str) -> None:
    body = {kind: processors for kind, processors in shop.pipeline(URL).items() if kind != missing}
    with pytest.raises(RequestError, match="exactly one"):
        shop.put_pipeline(shopper, body, "refused")


def test_a_pipeline_of_others_is_none_of_our_business(shopper: OpenSearch, stored: Store) -> None:
    pipeline = stored({"request_processors": [{"filter_query": {"query": {"term": {"group": "group-1"}}}}]})
    assert len(ids(search(shopper, QUERY, search_pipeline=pipeline))) == 10


def test_a_pipeline_in_the_body_may_use_a_stored_pipeline_s_sidecar(shopper: OpenSearch, stub: StubSidecar) -> None:
    body = {**QUERY, "search_pipeline": shop.pipeline(stub.url)}
    assert ids(search(shopper, body)) == ids(upside_down(shopper, QUERY))


def test_a_pipeline_in_the_body_cannot_make_the_node_call_elsewhere(shopper: OpenSearch) -> None:
    body = {**QUERY, "search_pipeline": shop.pipeline("http://127.0.0.1:1/elsewhere")}
    with pytest.raises(RequestError, match=r"\[url\]"):
        search(shopper, body)


def test_half_a_pipeline_in_the_body_is_refused(shopper: OpenSearch) -> None:
    half = {"request_processors": shop.pipeline("http://127.0.0.1:1")["request_processors"]}
    with pytest.raises(RequestError, match=r"\[sidecar_rerank\]"):
        search(shopper, {**QUERY, "search_pipeline": half})


@pytest.mark.parametrize("value", ["off", "OFF"])
def test_the_header_switches_re_ranking_off(shopper: OpenSearch, counted: Counted, value: str) -> None:
    page = shopper.search(index=shop.INDEX, body=QUERY, headers={"X-Rerank": value})
    assert ids(page) == ids(first_pass(shopper, QUERY))
    assert counted() == {"searches": 1, "skipped.off": 1}


def test_headers_name_profile_and_user_in_any_case(shopper: OpenSearch, stub: StubSidecar) -> None:
    shopper.search(index=shop.INDEX, body=QUERY, headers={"x-rerank": "best", "X-RERANK-USER": "u-17"})
    assert (stub.calls[0]["profile"], stub.calls[0]["user"]) == ("best", "u-17")


def test_the_pipeline_s_profile_is_sent(shopper: OpenSearch, stub: StubSidecar, stored: Store) -> None:
    search(shopper, QUERY, search_pipeline=stored(shop.pipeline(stub.url, profile="fast")))
    assert stub.calls[0]["profile"] == "fast"


def test_the_request_s_own_section_goes_before_header_and_pipeline(shopper: OpenSearch, stub: StubSidecar, stored: Store) -> None:
    pipeline = stored(shop.pipeline(stub.url, profile="fast"))
    section = {"window": 4, "profile": "instant", "deadline_ms": 9000, "query": "my own words", "user": "u-1", "enabled": True}
    body = {**QUERY, "ext": {"sidecar_rerank": section}}
    page = shopper.search(index=shop.INDEX, body=body, params={"search_pipeline": pipeline}, headers={"X-Rerank": "best"})
    call = stub.calls[0]
    assert (call["profile"], call["query"], call["user"], len(call["hits"])) == ("instant", "my own words", "u-1", 4)
    assert 8000 < call["deadline_ms"] <= 9000
    found = ids(first_pass(shopper, QUERY))
    assert ids(page) == found[:4][::-1] + found[4:]


def test_a_request_can_switch_itself_off(shopper: OpenSearch, stub: StubSidecar) -> None:
    body = {**QUERY, "ext": {"sidecar_rerank": {"enabled": False}}}
    assert search(shopper, body) == first_pass(shopper, body)
    assert stub.calls == []


def test_a_query_text_of_its_own_re_ranks_a_search_without_any(shopper: OpenSearch) -> None:
    body = {"query": {"match_all": {}}, "ext": {"sidecar_rerank": {"query": "something soft"}}}
    assert ids(search(shopper, body)) == ids(upside_down(shopper, body))


def test_long_texts_are_cut(shopper: OpenSearch, stub: StubSidecar, stored: Store) -> None:
    pipeline = shop.pipeline(stub.url)
    pipeline["request_processors"][0]["rerank_window"] |= {"max_query_chars": 5, "max_field_chars": 8}
    search(shopper, QUERY, search_pipeline=stored(pipeline))
    call = stub.calls[0]
    assert call["query"] == "red s"
    assert {len(hit["fields"]["title"]) for hit in call["hits"]} == {8}


def test_blend_mixes_both_normalised_scores(shopper: OpenSearch, stub: StubSidecar, stored: Store) -> None:
    pipeline = stored(shop.pipeline(stub.url, blend=0.5))
    page = search(shopper, {**QUERY, "size": shop.WINDOW}, search_pipeline=pipeline)
    wide = first_pass(shopper, {**QUERY, "size": shop.WINDOW})
    found = dict(zip(ids(wide), scores(wide), strict=True))
    low, high = min(found.values()), max(found.values())
    wanted = {
        identity: 0.5 * position / (shop.WINDOW - 1) + 0.5 * (score - low) / (high - low)
        for position, (identity, score) in enumerate(found.items())
    }
    assert dict(zip(ids(page), scores(page), strict=True)) == pytest.approx(wanted, abs=1e-5)
    assert scores(page) == sorted(scores(page), reverse=True)


def test_blend_1_is_the_order_of_the_first_pass(shopper: OpenSearch, stub: StubSidecar, stored: Store) -> None:
    page = search(shopper, QUERY, search_pipeline=stored(shop.pipeline(stub.url, blend=1)))
    assert ids(page) == ids(first_pass(shopper, QUERY))


def annotation(client: OpenSearch, pipeline: str, body: shop.Body) -> dict[str, Any]:
    """The response's own account, without the time it took."""
    section: dict[str, Any] = client.search(index=shop.INDEX, body=body, params={"search_pipeline": pipeline})["ext"]["rerank"]
    assert section.pop("took_ms") >= 0
    return section


def test_an_annotated_page_says_what_happened(shopper: OpenSearch, stub: StubSidecar, stored: Store) -> None:
    pipeline = stored(shop.pipeline(stub.url, annotate=True))
    assert annotation(shopper, pipeline, QUERY) == {"applied": True, "model": MODEL, "window": shop.WINDOW}
    stub.behaviour = hang
    assert annotation(shopper, pipeline, QUERY | shop.IN_HASTE) == {"applied": False, "reason": "deadline", "window": shop.WINDOW}
    sorted_by_price = {**QUERY, "sort": [{"price": "asc"}]}
    assert annotation(shopper, pipeline, sorted_by_price) == {"applied": False, "reason": "sort", "window": 0}


def test_pages_carry_no_annotation_by_default(shopper: OpenSearch) -> None:
    assert "ext" not in search(shopper, QUERY)


@pytest.mark.parametrize("name", shop.LEFT_ALONE)
def test_an_annotated_page_that_was_left_alone_is_otherwise_the_same(
    shopper: OpenSearch, stub: StubSidecar, stored: Store, name: str
) -> None:
    body, reason = shop.LEFT_ALONE[name]
    page = search(shopper, body, search_pipeline=stored(shop.pipeline(stub.url, annotate=True)))
    assert page.pop("ext")["rerank"]["reason"] == reason
    assert page == first_pass(shopper, body)


def test_a_verbose_pipeline_shows_both_processors(shopper: OpenSearch) -> None:
    page = shopper.search(index=shop.INDEX, body={**QUERY, "verbose_pipeline": True})
    assert [entry["processor_name"] for entry in page["processor_results"]] == ["rerank_window", "sidecar_rerank"]
    assert ids(page) == ids(upside_down(shopper, QUERY))


def test_an_index_with_a_small_result_window_limits_ours(shopper: OpenSearch, stub: StubSidecar) -> None:
    shopper.indices.put_settings(index=shop.INDEX, body={"index.max_result_window": 12})
    page = search(shopper, QUERY)
    shopper.indices.put_settings(index=shop.INDEX, body={"index.max_result_window": None})
    assert len(stub.calls[0]["hits"]) == 12
    assert len(page["hits"]["hits"]) == 10


def test_the_statistics_count_searches_answers_and_times(shopper: OpenSearch, counted: Counted) -> None:
    before = node_statistics(shopper)
    search(shopper, QUERY)
    after = node_statistics(shopper)
    assert counted() == {"searches": 1, "applied": 1}
    for histogram in ("latency_ms", "sidecar_ms"):
        assert after[histogram]["count"] == before[histogram]["count"] + 1
        assert after[histogram]["sum"] > before[histogram]["sum"]
        assert sum(bucket["count"] for bucket in after[histogram]["buckets"]) == after[histogram]["count"]


def node_statistics(client: OpenSearch) -> dict[str, Any]:
    """The only node's statistics."""
    (node,) = client.transport.perform_request("GET", "/_plugins/_rerank/stats")["nodes"].values()
    statistics: dict[str, Any] = node
    return statistics
