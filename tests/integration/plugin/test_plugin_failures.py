"""Whatever goes wrong with the sidecar, the client gets exactly the page that it would have had without the pipeline."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import pytest
from opensearchpy import OpenSearch

from tests.integration.plugin import shop
from tests.integration.plugin import stub_sidecar as sidecar
from tests.integration.plugin.pages import first_pass, ids, search, upside_down
from tests.integration.plugin.stub_sidecar import StubSidecar, running_stub

WAYS_TO_FAIL: dict[str, tuple[sidecar.Behaviour, str]] = {
    "answers garbage": (sidecar.garbage, "garbage"),
    "does not speak HTTP": (sidecar.no_http, "unreachable"),
    "cuts the answer off": (sidecar.cut_off, "unreachable"),
    "answers megabytes": (sidecar.oversized, "garbage"),
    "answers too few scores": (sidecar.too_few, "wrong_count"),
    "answers too many scores": (sidecar.too_many, "wrong_count"),
    "answers NaN": (sidecar.not_a_number, "garbage"),  # NaN is no JSON
    "answers infinity": (sidecar.infinite, "not_finite"),
    "answers nulls": (sidecar.null_scores, "garbage"),
    "refuses the request": (sidecar.refusing(422), "rejected"),
    "wants a token": (sidecar.refusing(401), "rejected"),
    "is overloaded": (sidecar.refusing(429), "overloaded"),
    "is not ready": (sidecar.refusing(503), "overloaded"),
    "gives up in time": (sidecar.refusing(504), "deadline"),
    "breaks": (sidecar.refusing(500), "sidecar_error"),
}
WAYS_TO_HANG: dict[str, sidecar.Behaviour] = {
    "hangs": sidecar.hang,
    "hangs in the body": sidecar.hang_in_the_body,
    "answers late": sidecar.late,
}
NOWHERE = "http://127.0.0.1:9"
Store = Callable[[shop.Body], str]
Counted = Callable[[], dict[str, int]]
Requests = dict[str, shop.Body]


@pytest.mark.parametrize("way", WAYS_TO_HANG)
def test_every_page_is_the_first_pass_when_the_sidecar_lets_it_wait(
    shopper: OpenSearch, stub: StubSidecar, requests: Requests, counted: Counted, way: str
) -> None:
    stub.behaviour = WAYS_TO_HANG[way]
    for name, body in requests.items():
        hasty = body | shop.IN_HASTE
        assert search(shopper, hasty) == first_pass(shopper, hasty), name
    grown = counted()
    assert grown["failed.deadline"] == len(requests) - 1, grown
    assert "applied" not in grown


@pytest.mark.parametrize("way", WAYS_TO_FAIL)
def test_every_page_is_the_first_pass_when_the_sidecar(
    shopper: OpenSearch, stub: StubSidecar, requests: Requests, counted: Counted, way: str
) -> None:
    stub.behaviour, reason = WAYS_TO_FAIL[way]
    for name, body in requests.items():
        assert search(shopper, body) == first_pass(shopper, body), name
    grown = counted()
    assert grown[f"failed.{reason}"] == len(requests) - 1, grown  # "no hits" has nothing to ask about
    assert "applied" not in grown


def test_every_page_is_the_first_pass_when_the_sidecar_is_down(
    shopper: OpenSearch, stored: Store, requests: Requests, counted: Counted
) -> None:
    pipeline = stored(shop.pipeline(NOWHERE))
    for name, body in requests.items():
        assert search(shopper, body, search_pipeline=pipeline) == first_pass(shopper, body), name
    assert counted()["failed.unreachable"] == len(requests) - 1


def test_a_late_answer_is_counted_and_changes_nothing(shopper: OpenSearch, stub: StubSidecar, counted: Counted) -> None:
    stub.behaviour = sidecar.late
    hasty = {"query": shop.MATCH} | shop.IN_HASTE
    assert search(shopper, hasty) == first_pass(shopper, hasty)
    stub.release.set()
    wait_for(lambda: counted().get("late") == 1)
    assert "in_flight" not in counted()


def test_an_msearch_shows_first_pass_pages_when_the_sidecar_hangs(shopper: OpenSearch, stub: StubSidecar) -> None:
    stub.behaviour = sidecar.hang
    bodies = [{"query": shop.MATCH, "size": size} | shop.IN_HASTE for size in range(1, 7)]
    lines = [line for body in bodies for line in ({"index": shop.INDEX}, body)]
    responses = shopper.msearch(body=lines)["responses"]
    assert [ids(page) for page in responses] == [ids(first_pass(shopper, body)) for body in bodies]


def test_a_page_arrives_within_50_ms_of_a_200_ms_deadline(shopper: OpenSearch, stub: StubSidecar, stored: Store) -> None:
    stub.behaviour = sidecar.hang
    pipeline = stored(shop.pipeline(stub.url, deadline_ms=200, annotate=True))
    search(shopper, {"query": shop.MATCH}, search_pipeline=pipeline)
    tooks = [
        shopper.search(index=shop.INDEX, body={"query": shop.MATCH}, params={"search_pipeline": pipeline})["ext"]["rerank"]["took_ms"]
        for _ in range(9)
    ]
    assert min(tooks) >= 199
    assert statistics.median(tooks) < 250


def test_the_next_sidecar_answers_where_the_first_is_down(shopper: OpenSearch, stub: StubSidecar, stored: Store) -> None:
    pipeline = stored(shop.pipeline([NOWHERE, stub.url]))
    pages = [search(shopper, {"query": shop.MATCH}, search_pipeline=pipeline) for _ in range(4)]
    assert pages == [upside_down(shopper, {"query": shop.MATCH})] * 4


def test_sidecars_take_turns(shopper: OpenSearch, stub: StubSidecar, stored: Store) -> None:
    with running_stub() as second:
        pipeline = stored(shop.pipeline([stub.url, second.url]))
        for _ in range(6):
            search(shopper, {"query": shop.MATCH}, search_pipeline=pipeline)
        assert (len(stub.calls), len(second.calls)) == (3, 3)


def test_a_sidecar_that_keeps_failing_is_left_alone_and_tried_again(shopper: OpenSearch, stored: Store, counted: Counted) -> None:
    with running_stub() as failing:
        pipeline = stored(shop.pipeline(failing.url, failures=3, open_ms=300))
        failing.behaviour = sidecar.refusing(500)
        for _ in range(8):
            search(shopper, {"query": shop.MATCH}, search_pipeline=pipeline)
        assert len(failing.calls) == 3
        assert counted()["failed.circuit_open"] == 5
        assert circuit(shopper, failing.url) == "open"
        failing.behaviour = sidecar.upside_down
        wanted = upside_down(shopper, {"query": shop.MATCH})
        wait_for(lambda: search(shopper, {"query": shop.MATCH}, search_pipeline=pipeline) == wanted)
        assert circuit(shopper, failing.url) == "closed"


def test_no_more_calls_than_allowed_are_under_way(shopper: OpenSearch, stored: Store, counted: Counted) -> None:
    with running_stub() as hanging:
        hanging.behaviour = sidecar.hang
        pipeline = stored(shop.pipeline(hanging.url, max_in_flight=2, deadline_ms=40))
        for _ in range(5):
            search(shopper, {"query": shop.MATCH}, search_pipeline=pipeline)
        assert len(hanging.calls) == 2
        assert counted()["failed.busy"] == 3


def test_a_connection_that_the_sidecar_closed_meanwhile_costs_nothing(shopper: OpenSearch, stub: StubSidecar, stored: Store) -> None:
    def answer_and_close(state: StubSidecar, handler: sidecar.Handler, body: shop.Body) -> None:
        sidecar.upside_down(state, handler, body)
        handler.close_connection = True

    stub.behaviour = answer_and_close
    pipeline = stored(shop.pipeline(stub.url))
    pages = [search(shopper, {"query": shop.MATCH}, search_pipeline=pipeline) for _ in range(10)]
    assert pages == [upside_down(shopper, {"query": shop.MATCH})] * 10


def circuit(client: OpenSearch, url: str) -> str:
    """The circuit's state of one sidecar."""
    (node,) = client.transport.perform_request("GET", "/_plugins/_rerank/stats")["nodes"].values()
    return next(entry["circuit"] for entry in node["sidecars"] if entry["url"].startswith(url))


def wait_for(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Until the condition holds; the test fails when it never does."""
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up, "the condition never held"
