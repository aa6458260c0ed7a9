"""`deadline_ms` holds over the whole of re-ranking: a page is re-ranked within it, or it is the first pass's and comes at once."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from opensearchpy import OpenSearch

from tests.integration.plugin import shop
from tests.integration.plugin import stub_sidecar as sidecar
from tests.integration.plugin.pages import comparable, first_pass, ids, upside_down
from tests.integration.plugin.stub_sidecar import StubSidecar, running_stub
from tests.integration.plugin.ways_to_fail import NOWHERE, WAYS_TO_FAIL, WAYS_TO_HANG

DEADLINE_MS = 200
LATEST_MS = 250
Store = Callable[[shop.Body], str]


def annotated(client: OpenSearch, pipeline: str) -> tuple[shop.Body, shop.Body]:
    """A page, and what the plugin says of it."""
    page = client.search(index=shop.INDEX, body={"query": shop.MATCH}, params={"search_pipeline": pipeline})
    told = page.pop("ext")["rerank"]
    return comparable(page), told


def took_ms(client: OpenSearch, pipeline: str) -> float:
    """What re-ranking usually adds to a search that it fails for; the first search may load what a failure needs."""
    told = [annotated(client, pipeline)[1] for _ in range(6)][1:]
    assert not any(each["applied"] for each in told)
    return statistics.median(each["took_ms"] for each in told)


@pytest.mark.parametrize("way", WAYS_TO_HANG)
def test_a_page_waits_for_the_deadline_and_no_longer_when_the_sidecar(
    shopper: OpenSearch, stub: StubSidecar, stored: Store, way: str
) -> None:
    stub.behaviour = WAYS_TO_HANG[way]
    assert DEADLINE_MS - 1 <= took_ms(shopper, stored(shop.pipeline(stub.url, deadline_ms=DEADLINE_MS, annotate=True))) < LATEST_MS


@pytest.mark.parametrize("way", WAYS_TO_FAIL)
def test_a_page_comes_within_the_deadline_when_the_sidecar(shopper: OpenSearch, stub: StubSidecar, stored: Store, way: str) -> None:
    stub.behaviour, _ = WAYS_TO_FAIL[way]
    assert took_ms(shopper, stored(shop.pipeline(stub.url, deadline_ms=DEADLINE_MS, annotate=True))) < LATEST_MS


@pytest.mark.parametrize("url", [NOWHERE, "http://192.0.2.1:80", "http://no-such-host.invalid"], ids=["refused", "unroutable", "no name"])
def test_a_page_comes_within_the_deadline_when_there_is_no_sidecar(shopper: OpenSearch, stored: Store, url: str) -> None:
    assert took_ms(shopper, stored(shop.pipeline(url, deadline_ms=DEADLINE_MS, annotate=True))) < LATEST_MS


def test_no_page_is_re_ranked_after_the_deadline_however_many_are_asked_for(shopper: OpenSearch, stub: StubSidecar, stored: Store) -> None:
    # Answers that come just before and after the deadline, on a node that has too much to do.
    stub.behaviour = sidecar.after(0.15)
    pipeline = stored(shop.pipeline(stub.url, deadline_ms=DEADLINE_MS, annotate=True))
    with ThreadPoolExecutor(24) as pool:
        pages = list(pool.map(lambda _: annotated(shopper, pipeline), range(120)))
    wanted = {True: ids(upside_down(shopper, {"query": shop.MATCH})), False: ids(first_pass(shopper, {"query": shop.MATCH}))}
    for page, told in pages:
        assert not told["applied"] or told["took_ms"] <= DEADLINE_MS
        assert ids(page) == wanted[told["applied"]]


def test_a_new_sidecar_is_greeted_before_the_first_search(stored: Store) -> None:
    with running_stub() as newcomer:
        stored(shop.pipeline(newcomer.url))
        give_up = time.monotonic() + 10
        while not newcomer.greetings:
            assert time.monotonic() < give_up, "nobody greeted"
        stored(shop.pipeline(newcomer.url))
        assert (newcomer.greetings, newcomer.calls) == (["/live"], [])
