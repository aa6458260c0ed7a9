"""The stack that end-to-end figures are measured on: a real node, a real sidecar under gunicorn, a catalogue, a pipeline.

Invariants: named apart from every other stack, on free ports, stopped when the block ends; the client is the ordinary one and its
requests are the same with and without re-ranking: the index's default pipeline alone is switched.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import requests
from opensearchpy import OpenSearch

from cluster import pipelines
from cluster.catalogue import FieldNames
from cluster.connection import connected
from cluster.daemon import Daemon
from cluster.demo import find_catalogue
from cluster.embedding import SidecarEmbedder
from cluster.errors import ServiceFailed
from cluster.indexing import Job, index_catalogue
from cluster.node import Node, built_plugin
from cluster.physical import behind, set_default_pipeline
from cluster.ports import free_port
from cluster.service import Service
from cluster.workspace import CHECKOUT
from sidecar.manifest import read_manifest

NAME = "bench"
INDEX = "bench-products"
PIPELINE = "bench"


@dataclass(frozen=True, slots=True)
class Stack:
    """A running node with its catalogue, and what is needed to start sidecars beside it."""

    node: Node
    client: OpenSearch
    models: Path
    profile: str
    store: Path

    @contextmanager
    def sidecar(self, settings: Mapping[str, str]) -> Iterator[Service]:
        """A sidecar with these settings for the length of the block."""
        fixed = {
            "RERANK_MODELS": str(self.models.resolve()),
            "RERANK_DEFAULT_PROFILE": self.profile,
            "RERANK_RELOAD_INTERVAL_S": "0",
            "RERANK_LOG_LEVEL": "warning",
            # Vectors of the catalogue, as indexing left them: a shop that indexes through the sidecar has them.
            "RERANK_STORE": str(self.store),
        }
        service = Service(name=NAME, port=free_port(), settings={**fixed, **settings})
        service.up()
        try:
            yield service
        finally:
            service.down()

    def rerank(self, service: Service, *, window: int, deadline_ms: int, max_in_flight: int = 64) -> None:
        """Make re-ranking of so many hits the index's default."""
        body = pipelines.read_pipeline(
            CHECKOUT / "opensearch" / "pipelines" / "products.json",
            {"url": service.url, "deadline_ms": deadline_ms, "annotate": True, "max_in_flight": max_in_flight},
        )
        body["request_processors"][0]["rerank_window"]["window"] = window
        pipelines.put(self.client, INDEX, PIPELINE, body)

    def first_pass_only(self) -> None:
        """Let the index answer without a pipeline."""
        for physical in behind(self.client, INDEX):
            set_default_pipeline(self.client, physical.name, "")


@contextmanager
def running_stack(catalogue: Path, models: Path, profile: str) -> Iterator[Stack]:
    """A node with the catalogue of a folder, indexed through the sidecar where its models can embed; the first pass is BM25."""
    node = Node(name=NAME, port=free_port())
    node.down()
    node.up(built_plugin())
    try:
        with connected(node.url) as client, tempfile.TemporaryDirectory(prefix="rerank-store-") as store:
            stack = Stack(node, client, models, profile, Path(store))
            with stack.sidecar({}) as service:
                embedder = SidecarEmbedder(service.url) if _embeds(models) else None
                products, mapping = find_catalogue(catalogue).products, CHECKOUT / "mappings" / "products.json"
                # Anew each time: the node keeps an index from one run to the next, the store of its vectors ends with the run.
                job = Job(products, INDEX, mapping, FieldNames(), embedder, remove_old=True, rebuild=True)
                index_catalogue(client, job, lambda _: None)
            # One segment: what merging does in the background would disturb a part of the figures.
            client.indices.forcemerge(index=INDEX, params={"max_num_segments": "1"})
            yield stack
    finally:
        node.down()


def _embeds(models: Path) -> bool:
    return any(read_manifest(directory.parent).kind == "embedder" for directory in models.glob("*/manifest.json"))


def process_of(daemon: Daemon) -> psutil.Process:
    """The running process of a daemon; raises ServiceFailed where it ended."""
    known = daemon.running()
    if known is None:
        raise ServiceFailed(f"a process of the benchmark ended; the end of {daemon.log}:\n{daemon.last_lines()}")
    return psutil.Process(known.pid)


def processor_seconds(process: psutil.Process) -> float:
    """Processor time that a process and its living children have used."""
    family = (process, *process.children(recursive=True))
    return sum(times.user + times.system for times in (each.cpu_times() for each in family))


@dataclass(frozen=True, slots=True)
class Counters:
    """Milliseconds since the start, of all searches: in the plugin, waiting for the sidecar, in the service, scoring."""

    plugin_ms: float
    call_ms: float
    service_ms: float
    scoring_ms: float
    applied: int

    def since(self, before: Counters) -> Counters:
        """What was added."""
        return Counters(
            self.plugin_ms - before.plugin_ms,
            self.call_ms - before.call_ms,
            self.service_ms - before.service_ms,
            self.scoring_ms - before.scoring_ms,
            self.applied - before.applied,
        )


def read_counters(stack: Stack, service: Service) -> Counters:
    """The node's and the sidecar's own figures now."""
    stats = stack.client.transport.perform_request("GET", "/_plugins/_rerank/stats")["nodes"].values()
    text = requests.get(f"{service.url}/metrics", timeout=10).text
    return Counters(
        sum(node["latency_ms"]["sum"] for node in stats),
        sum(node["sidecar_ms"]["sum"] for node in stats),
        1000 * metric(text, "rerank_request_seconds_sum", 'route="/v1/hits"'),
        1000 * metric(text, "rerank_stage_seconds_sum", 'stage="score"'),
        sum(node["applied"] for node in stats),
    )


def metric(exposition: str, name: str, label: str = "") -> float:
    """A metric's value in Prometheus' text format, the sum over all labels that match; 0 where it was never counted."""
    lines = (line for line in exposition.splitlines() if line.startswith((f"{name}{{", f"{name} ")) and label in line)
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines)
