"""A real OpenSearch node on this machine: up, down, and what it says of itself.

Flow: release -> installation (Maven, unpack, plugins) -> configuration -> daemon -> ready.
Invariant: `up` on a node that runs as asked changes nothing; ready means that the cluster answers and our processors are listed.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from cluster.addresses import session_to
from cluster.daemon import Daemon, PidFile
from cluster.errors import MissingTool, NodeFailed
from cluster.installation import Installation
from cluster.jdk import find_jdk
from cluster.ports import LOCALHOST, is_taken
from cluster.releases import REFERENCE, release_of
from cluster.workspace import CHECKOUT, Workspace, default_workspace

DEFAULT_NAME = "demo"
DEFAULT_PORT = 9200
DEFAULT_HEAP = "1g"
PROCESSORS = {"request_processors": "rerank_window", "response_processors": "sidecar_rerank"}
PLUGIN_FOLDER = CHECKOUT / "opensearch" / "plugin" / "target"
_POLL_S = 0.25


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """What a node says of itself; `processors` are ours that it has."""

    name: str
    running: bool
    url: str = ""
    version: str = ""
    health: str = ""
    plugins: tuple[str, ...] = ()
    processors: tuple[str, ...] = ()
    log: str = ""


@dataclass(frozen=True, slots=True)
class Node:
    """A named node of one release on one port; the folder keeps its files between runs.

    `heap` None: the heap of the node that runs; a node that is started gets `DEFAULT_HEAP`.
    """

    name: str = DEFAULT_NAME
    version: str = REFERENCE
    port: int = DEFAULT_PORT
    heap: str | None = None
    workspace: Workspace | None = None
    settings: Sequence[str] = ()

    @property
    def url(self) -> str:
        """Where the node answers."""
        return f"http://{LOCALHOST}:{self.port}"

    @property
    def folder(self) -> Path:
        """All that belongs to the node."""
        return (self.workspace or default_workspace()).node_folder(self.name)

    @property
    def daemon(self) -> Daemon:
        """The node's process."""
        return Daemon(self.folder)

    def up(self, plugin: Path | None, *, timeout_s: float = 300.0) -> NodeStatus:
        """Have the node running with this zip of our plugin (None: without it) and return once it is ready."""
        installation = Installation(self.folder, release_of(self.version), find_jdk())
        known = self.daemon.running()
        if known and not (self._is_asked_for(known) and installation.is_current(plugin)):
            self.down()
            known = None
        if not known:
            self._start(installation, plugin)
        self._wait(timeout_s, with_plugin=plugin is not None)
        return self.status()

    def down(self) -> bool:
        """Stop the node; whether it ran."""
        return self.daemon.stop()

    def forget(self) -> None:
        """Drop the node's indices and logs; it must be down. The unpacked server stays."""
        for name in ("data", "logs"):
            shutil.rmtree(self.folder / name, ignore_errors=True)

    def status(self) -> NodeStatus:
        """What the node says of itself now, at whatever address it was started with."""
        known = self.daemon.running()
        if not known:
            return NodeStatus(self.name, running=False)
        try:
            version = _get(f"{known.url}/")["version"]["number"]
            health = _get(f"{known.url}/_cluster/health")["status"]
            plugins = tuple(sorted(entry["component"] for entry in _get(f"{known.url}/_cat/plugins?format=json")))
        except (requests.RequestException, KeyError, ValueError):
            return NodeStatus(self.name, running=True, url=known.url, health="starting", log=str(self.daemon.log))
        return NodeStatus(self.name, True, known.url, version, health, plugins, our_processors(known.url), str(self.daemon.log))

    def _is_asked_for(self, known: PidFile) -> bool:
        # A node of an older checkout does not say its heap: it is started anew where one is asked for.
        return known.url == self.url and self.heap in {None, known.facts.get("heap")}

    def _start(self, installation: Installation, plugin: Path | None) -> None:
        if is_taken(self.port):
            raise NodeFailed(f"port {self.port} is taken by another process; choose another with --port")
        workspace = self.workspace or default_workspace()
        workspace.make_node_folder(self.name)
        installation.make_current(plugin)
        self._configure(installation)
        workspace.give_to_account(self.folder)
        heap = self.heap or DEFAULT_HEAP
        environment = installation.environment() | {"OPENSEARCH_JAVA_OPTS": f"-Xms{heap} -Xmx{heap}"}
        command = [installation.home / "bin" / "opensearch"]
        facts = {"version": self.version, "heap": heap}
        self.daemon.start(command, url=self.url, environment=environment, cwd=self.folder, account=workspace.account, facts=facts)

    def _configure(self, installation: Installation) -> None:
        lines = (
            f"cluster.name: rerank-{self.name}",
            f"node.name: {self.name}",
            f"path.data: {self.folder / 'data'}",
            f"path.logs: {self.folder / 'logs'}",
            f"http.port: {self.port}",
            "transport.port: 0",
            "discovery.type: single-node",
            # A laptop's disk is often fuller than a data node's may be; without this the index would turn read-only.
            "cluster.routing.allocation.disk.threshold_enabled: false",
            *self.settings,
        )
        (installation.home / "config" / "opensearch.yml").write_text("\n".join(lines) + "\n")

    def _wait(self, timeout_s: float, *, with_plugin: bool) -> None:
        deadline = time.monotonic() + timeout_s
        while not self._is_ready(with_plugin):
            if not self.daemon.running():
                raise NodeFailed(f"the node ended while starting; the end of {self.daemon.log}:\n{self.daemon.last_lines()}")
            if time.monotonic() > deadline:
                raise NodeFailed(
                    f"the node is not ready after {timeout_s:.0f} s; the end of {self.daemon.log}:\n{self.daemon.last_lines()}"
                )
            time.sleep(_POLL_S)

    def _is_ready(self, with_plugin: bool) -> bool:
        try:
            health = _get(f"{self.url}/_cluster/health")["status"]
            ours = our_processors(self.url)
        except (requests.RequestException, KeyError, ValueError):
            return False
        return health in {"green", "yellow"} and (not with_plugin or len(ours) == len(PROCESSORS))


def our_processors(url: str) -> tuple[str, ...]:
    """Which of our processors every node of the cluster has."""
    nodes = _get(f"{url}/_nodes/search_pipelines")["nodes"].values()
    found = []
    for kind, name in PROCESSORS.items():
        types = [{entry["type"] for entry in node["search_pipelines"][kind]} for node in nodes]
        if types and all(name in of_node for of_node in types):
            found.append(name)
    return tuple(found)


def built_plugin(folder: Path = PLUGIN_FOLDER) -> Path:
    """The newest zip that the plugin's build left; raises MissingTool where there is none."""
    zips = sorted(folder.glob("*.zip"), key=lambda path: path.stat().st_mtime)
    if not zips:
        raise MissingTool(f"no plugin zip in {folder}: build it with `make plugin`")
    return zips[-1]


def _get(url: str) -> Any:
    answer = session_to(url).get(url, timeout=5)
    answer.raise_for_status()
    return answer.json()
