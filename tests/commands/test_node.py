"""A node is left alone where it runs as asked, and started anew where it does not."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import psutil
import pytest

from cluster.installation import Installed
from cluster.node import Node
from cluster.ports import free_port
from cluster.releases import REFERENCE
from cluster.workspace import Workspace

# Answers what the commands ask of a node; the real one takes half a minute to start.
_SERVER = """#!{python}
import json, sys
from http.server import BaseHTTPRequestHandler, HTTPServer

ANSWERS = {{
    "/": {{"version": {{"number": "{version}"}}}},
    "/_cluster/health": {{"status": "green"}},
    "/_cat/plugins?format=json": [],
    "/_nodes/search_pipelines": {{"nodes": {{}}}},
}}

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(ANSWERS[self.path]).encode())

HTTPServer(("127.0.0.1", {port}), Handler).serve_forever()
"""


@pytest.fixture
def running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Node]:
    """A node that was started without a word on its heap."""
    monkeypatch.setattr("cluster.node.find_jdk", lambda: tmp_path)
    node = Node(port=free_port(), workspace=Workspace(tmp_path, None))
    for name in ("bin", "config"):
        (node.folder / "home" / name).mkdir(parents=True)
    program = node.folder / "home" / "bin" / "opensearch"
    program.write_text(_SERVER.format(python=sys.executable, version=REFERENCE, port=node.port))
    program.chmod(0o755)
    (node.folder / "installed.json").write_bytes(msgspec.json.encode(Installed(REFERENCE)))
    try:
        node.up(None)
        yield node
    finally:
        node.down()


def with_heap(node: Node, heap: str | None) -> Node:
    return Node(port=node.port, workspace=node.workspace, heap=heap)


def java_options(node: Node) -> str:
    known = node.daemon.running()
    assert known is not None
    return psutil.Process(known.pid).environ()["OPENSEARCH_JAVA_OPTS"]


@pytest.mark.parametrize("heap", [pytest.param("1g", id="the same heap"), pytest.param(None, id="any heap")])
def test_a_node_of_the_heap_that_is_asked_for_is_left_alone(running: Node, heap: str | None) -> None:
    before = running.daemon.running()

    with_heap(running, heap).up(None)

    assert running.daemon.running() == before


def test_a_node_of_another_heap_is_started_anew_and_keeps_it_where_none_is_asked_for(running: Node) -> None:
    with_heap(running, "4g").up(None)
    with_heap(running, None).up(None)

    assert java_options(running) == "-Xms4g -Xmx4g"


def test_a_node_that_does_not_say_its_heap_is_started_anew(running: Node) -> None:
    before = running.daemon.running()
    assert before is not None
    older = msgspec.structs.replace(before, facts={"version": REFERENCE})
    (running.folder / "process.json").write_bytes(msgspec.json.encode(older))

    with_heap(running, "1g").up(None)

    after = running.daemon.running()
    assert after is not None
    assert after.pid != before.pid
