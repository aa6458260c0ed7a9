"""The real stack for the tests: one node for the whole run, with its own name, port and data.

Invariant: a run holds the lock of the node that it uses, so two runs on one machine never share or stop each other's.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from opensearchpy import OpenSearch

from cluster.catalogue import FieldNames
from cluster.embedding import SidecarEmbedder
from cluster.indexing import Job, index_catalogue
from cluster.node import Node, built_plugin
from cluster.ports import free_port
from cluster.service import Service
from cluster.workspace import CHECKOUT, default_workspace

NEWEST = "3.8.0"
_HEAP = "1g"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All tests of this folder need the real stack."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.integration)


@pytest.fixture(scope="session")
def node() -> Iterator[Node]:
    """OpenSearch 3.5.0 with k-NN and our plugin: empty at the start of the run, shared by all tests."""
    with running_node("3.5.0") as running:
        yield running


@pytest.fixture(scope="module")
def newest_node() -> Iterator[Node]:
    """The newest OpenSearch with our plugin (no k-NN is published for it), for the module that asks for it."""
    with running_node(NEWEST) as running:
        yield running


@pytest.fixture(scope="session")
def client(node: Node) -> Iterator[OpenSearch]:
    """The ordinary client of a shop: it knows nothing of re-ranking."""
    with OpenSearch(node.url, timeout=30) as connected:
        yield connected


@pytest.fixture(scope="session")
def sidecar(node: Node) -> Iterator[Service]:
    """The real sidecar with the shipped models, under gunicorn."""
    service = Service(name=node.name, port=free_port())
    try:
        service.up()
        yield service
    finally:
        service.down()


@pytest.fixture(scope="session")
def sample_index(client: OpenSearch, sidecar: Service) -> str:
    """The sample catalogue with its vectors, behind an alias; its name. Nobody writes to it."""
    samples = CHECKOUT / "samples" / "products.jsonl"
    job = Job(samples, "samples", CHECKOUT / "mappings" / "products.json", FieldNames(), SidecarEmbedder(sidecar.url))
    index_catalogue(client, job, lambda _: None)
    return job.alias


@contextmanager
def running_node(version: str) -> Iterator[Node]:
    """A node of this version for the length of the block: no indices at the start, down at the end."""
    with free_name(f"test-{version}") as name:
        running = Node(name=name, version=version, port=free_port(), heap=_HEAP)
        running.down()
        running.forget()
        try:
            running.up(built_plugin())
            yield running
        finally:
            running.down()


@contextmanager
def free_name(prefix: str) -> Iterator[str]:
    """The first name that no other run holds."""
    for number in range(16):
        name = f"{prefix}-{number}"
        with (default_workspace().make_node_folder(name) / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield name
            return
    raise RuntimeError(f"16 runs hold nodes named {prefix}: is this machine meant to run so many?")
