"""The real stack for the tests: one node for the whole run, with its own name, port and data.

Invariant: a run holds the lock of the node that it uses, so two runs on one machine never share or stop each other's.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from opensearchpy import OpenSearch

from cluster.node import Node, built_plugin
from cluster.ports import free_port
from cluster.workspace import default_workspace

NEWEST = "3.8.0"
_HEAP = "1g"


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


@contextmanager
def running_node(version: str) -> Iterator[Node]:
    """A node of this version for the length of the block: no indices at the start, down at the end."""
    with free_name(f"test-{version}") as name:
        running = Node(name=name, version=version, port=free_port(), heap=_HEAP)
        running.down()
        running.forget()
        running.up(built_plugin())
        try:
            yield running
        finally:
            running.down()


@contextmanager
def free_name(prefix: str) -> Iterator[str]:
    """The first name that no other run holds."""
    for number in range(16):
        name = f"{prefix}-{number}"
        with (default_workspace().node_folder(name) / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield name
            return
    raise RuntimeError(f"16 runs hold nodes named {prefix}: is this machine meant to run so many?")
