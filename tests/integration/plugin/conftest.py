"""The shop on the real node with a scripted sidecar behind its default pipeline; the sidecar answers rightly at every test's start."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from opensearchpy import OpenSearch

from cluster.releases import REFERENCE
from tests.integration.conftest import NEWEST, running_node
from tests.integration.plugin import shop
from tests.integration.plugin.stub_sidecar import StubSidecar, running_stub
from tests.integration.plugin.waiting import wait_for

Counters = dict[str, dict[str, int]]


@pytest.fixture(scope="session")
def stub_of_session() -> Iterator[StubSidecar]:
    """One stub for all tests; each test uses it through `stub`."""
    with running_stub() as running:
        yield running


@pytest.fixture(scope="session", params=[REFERENCE, NEWEST])
def version(request: pytest.FixtureRequest) -> str:
    """The plugin's own tests run on the oldest and on the newest server that it supports."""
    return str(request.param)


@pytest.fixture(scope="session")
def plugin_client(version: str, request: pytest.FixtureRequest) -> Iterator[OpenSearch]:
    """A client of a node of this version; the reference node is the one of all integration tests."""
    if version == REFERENCE:
        yield request.getfixturevalue("client")
    else:
        with running_node(version) as node, OpenSearch(node.url, timeout=30) as client:
            yield client


@pytest.fixture(scope="session")
def filled_shop(plugin_client: OpenSearch, version: str, stub_of_session: StubSidecar) -> Iterator[OpenSearch]:
    """The shop's indices, with the pipeline as their default."""
    client = plugin_client
    shop.create(client, knn=version == REFERENCE)
    shop.put_pipeline(client, shop.pipeline(stub_of_session.url))
    shop.make_default(client)
    yield client
    shop.make_default(client, None)
    client.indices.delete(index=f"{shop.INDEX},{shop.OTHER},{shop.BARE}")
    client.transport.perform_request("DELETE", f"/_search/pipeline/{shop.PIPELINE}")


@pytest.fixture
def requests(version: str) -> dict[str, shop.Body]:
    """Every kind of reader's request that the node of this version can answer."""
    return shop.READER_REQUESTS | (shop.KNN_REQUESTS if version == REFERENCE else {})


@pytest.fixture
def stub(stub_of_session: StubSidecar) -> StubSidecar:
    """The scripted sidecar, answering rightly until told otherwise."""
    stub_of_session.reset()
    return stub_of_session


@pytest.fixture
def shopper(filled_shop: OpenSearch, stub: StubSidecar) -> OpenSearch:
    """The unchanged client of the shop's readers, before a sidecar that answers rightly."""
    assert stub.url
    return filled_shop


@pytest.fixture
def stored(shopper: OpenSearch) -> Iterator[Callable[[shop.Body], str]]:
    """Stores a pipeline beside the default one and gives its name; gone after the test."""
    names: list[str] = []

    def store(body: shop.Body) -> str:
        names.append(f"{shop.PIPELINE}-{len(names)}")
        shop.put_pipeline(shopper, body, names[-1])
        return names[-1]

    yield store
    for name in names:
        shopper.transport.perform_request("DELETE", f"/_search/pipeline/{name}")


@pytest.fixture
def counted(shopper: OpenSearch) -> Callable[[], dict[str, int]]:
    """What the plugin's counters have grown by since the test's start; calls that an earlier test gave up on have ended by then."""
    wait_for(lambda: flat_counters(shopper)["in_flight"] == 0)
    before = flat_counters(shopper)
    return lambda: {name: count - before[name] for name, count in flat_counters(shopper).items() if count != before[name]}


def flat_counters(client: OpenSearch) -> dict[str, int]:
    """The node's counters, reasons as `skipped.sort`."""
    (node,) = client.transport.perform_request("GET", "/_plugins/_rerank/stats")["nodes"].values()
    counters = {name: node[name] for name in ("searches", "applied", "late", "in_flight")}
    for kind in ("skipped", "failed"):
        counters |= {f"{kind}.{reason}": count for reason, count in node[kind]["reasons"].items()}
    counters |= {f"neighbours.{name}": count for name, count in node["neighbours"].items()}
    return counters
