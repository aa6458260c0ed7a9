"""Whatever goes wrong with the sidecar, the client gets exactly the page that it would have had without the pipeline."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from opensearchpy import OpenSearch

from tests.integration.plugin import shop
from tests.integration.plugin import stub_sidecar as sidecar
from tests.integration.plugin.pages import comparable, first_pass, ids, search, upside_down
from tests.integration.plugin.stub_sidecar import StubSidecar, running_stub
from tests.integration.plugin.waiting import wait_for
from tests.integration.plugin.ways_to_fail import NOWHERE, WAYS_TO_FAIL, WAYS_TO_HANG

Store = Callable[[shop.Body], str]
Counted = Callable[[], dict[str, int]]
Requests = dict[str, shop.Body]
THE_SIX_WAYS = ["is down", "hangs", "answers late", "answers garbage", "answers too few scores", "answers NaN"]


@pytest.fixture
def lonely(shopper: OpenSearch, stored: Store) -> Iterator[OpenSearch]:
    """The client of a shop whose default pipeline names a sidecar that does not listen."""
    shop.make_default(shopper, stored(shop.pipeline(NOWHERE, deadline_ms=shop.HASTE_MS)))
    yield shopper
    shop.make_default(shopper)


@pytest.fixture(params=THE_SIX_WAYS)
def unlucky(request: pytest.FixtureRequest, shopper: OpenSearch, stub: StubSidecar, stored: Store) -> Iterator[OpenSearch]:
    """The client of a shop whose default pipeline's sidecar fails in this way, also for requests that can say nothing of haste."""
    behaviours = WAYS_TO_HANG | {way: behaviour for way, (behaviour, _) in WAYS_TO_FAIL.items()}
    stub.behaviour = behaviours.get(request.param, sidecar.hang)
    url = NOWHERE if request.param == "is down" else stub.url
    shop.make_default(shopper, stored(shop.pipeline(url, deadline_ms=shop.HASTE_MS)))
    yield shopper
    shop.make_default(shopper)


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
    page = search(shopper, hasty)
    stub.release.set()
    assert page == first_pass(shopper, hasty)
    wait_for(lambda: counted().get("late") == 1)
    assert "in_flight" not in counted()


def test_five_pages_are_those_of_the_first_pass_when_the_sidecar_fails(unlucky: OpenSearch) -> None:
    for number in range(5):
        body = {"query": shop.MATCH, "from": 7 * number, "size": 7} | shop.IN_HASTE
        assert search(unlucky, body) == first_pass(unlucky, body), number


@pytest.mark.parametrize("index", [shop.ALIAS, "shop,shop-o*"])
def test_pages_over_several_indices_are_those_of_the_first_pass_when_the_sidecar_fails(unlucky: OpenSearch, index: str) -> None:
    body = {"query": shop.MATCH, "size": 15} | shop.IN_HASTE
    assert search(unlucky, body, index=index) == first_pass(unlucky, body, index=index)


def test_an_msearch_shows_first_pass_pages_when_the_sidecar_fails(unlucky: OpenSearch) -> None:
    bodies = [{"query": shop.MATCH, "size": size} | shop.IN_HASTE for size in range(1, 7)]
    lines = [line for body in bodies for line in ({"index": shop.INDEX}, body)]
    responses = unlucky.msearch(body=lines)["responses"]
    assert [comparable(page, "status") for page in responses] == [first_pass(unlucky, body) for body in bodies]


def test_a_template_search_shows_the_first_pass_when_the_sidecar_fails(unlucky: OpenSearch) -> None:
    source = {"query": {"match": {"name": "{{words}}"}}, "size": 4} | shop.IN_HASTE
    page = unlucky.search_template(index=shop.INDEX, body={"source": source, "params": {"words": "red shoe"}})
    assert comparable(page, "status") == first_pass(unlucky, {"query": shop.MATCH, "size": 4})


def test_rank_eval_measures_the_first_pass_when_the_sidecar_fails(unlucky: OpenSearch) -> None:
    best = ids(first_pass(unlucky, {"query": shop.MATCH}))[0]
    rated = {"id": "q", "request": {"query": shop.MATCH}, "ratings": [{"_index": shop.INDEX, "_id": best, "rating": 1}]}
    body = {"requests": [rated], "metric": {"mean_reciprocal_rank": {"k": 10, "relevant_rating_threshold": 1}}}
    assert unlucky.rank_eval(index=shop.INDEX, body=body)["metric_score"] == 1.0


def test_what_is_left_alone_needs_no_sidecar(lonely: OpenSearch) -> None:
    for name, (body, _) in shop.LEFT_ALONE.items():
        assert search(lonely, body) == first_pass(lonely, body), name
    assert lonely.count(index=shop.INDEX, body={"query": shop.MATCH})["count"] == shop.PRODUCTS


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
        pipeline = stored(shop.pipeline(failing.url, failures=3, open_ms=3_000))
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


def test_a_pipeline_in_a_search_body_cannot_switch_re_ranking_off_for_others(shopper: OpenSearch, stored: Store) -> None:
    with running_stub() as shared:
        pipeline = stored(shop.pipeline(shared.url))
        shared.behaviour = sidecar.refusing(500)
        own = {"query": shop.MATCH, "search_pipeline": shop.pipeline(shared.url, failures=1, open_ms=600_000)}
        assert search(shopper, own) == first_pass(shopper, {"query": shop.MATCH})
        assert circuit(shopper, shared.url) == "closed"
        shared.behaviour = sidecar.upside_down
        assert search(shopper, {"query": shop.MATCH}, search_pipeline=pipeline) == upside_down(shopper, {"query": shop.MATCH})


def test_a_url_that_no_pipeline_names_any_more_leaves_the_statistics(shopper: OpenSearch, stub: StubSidecar, stored: Store) -> None:
    gone = "http://127.0.0.1:10"
    pipeline = stored(shop.pipeline(gone))
    assert circuit(shopper, gone) == "closed"
    shop.put_pipeline(shopper, shop.pipeline(stub.url), pipeline)
    wait_for(lambda: circuit(shopper, gone) is None)


def test_no_more_calls_than_allowed_are_under_way(shopper: OpenSearch, stored: Store, counted: Counted) -> None:
    with running_stub() as hanging:
        hanging.behaviour = sidecar.hang
        pipeline = stored(shop.pipeline(hanging.url, max_in_flight=2, deadline_ms=2_000))
        with ThreadPoolExecutor(5) as shoppers:
            list(shoppers.map(lambda _: search(shopper, {"query": shop.MATCH}, search_pipeline=pipeline), range(5)))
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


def circuit(client: OpenSearch, url: str) -> str | None:
    """The circuit's state of one sidecar; None where the node knows none at this url."""
    (node,) = client.transport.perform_request("GET", "/_plugins/_rerank/stats")["nodes"].values()
    return next((entry["circuit"] for entry in node["sidecars"] if entry["url"].startswith(url + "/")), None)
