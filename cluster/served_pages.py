"""Pages as a pipeline makes them: ordinary searches through one that is stored, or through a definition that is tried before it is.

Invariant: nothing is stored. The definition travels in the search's body, where the plugin lets it ask the sidecars of stored pipelines
alone, and where no failure of it counts against them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opensearchpy import OpenSearch
from opensearchpy.exceptions import RequestError

from cluster import pipelines
from cluster.errors import ClusterError
from cluster.search_template import reason_of

Body = dict[str, Any]
_PROCESSORS = ("request_processors", "phase_results_processors", "response_processors")
# What is measured is the page, on any machine: whether it comes in time is told apart.
_TIME_ENOUGH_MS = 60_000
_DEFAULT_DEADLINE_MS = 200


@dataclass(frozen=True, slots=True)
class PipelineName:
    """A pipeline to measure: a stored one, or NAME=FILE, a definition."""

    name: str
    path: Path | None = None


@dataclass(frozen=True, slots=True)
class ServedPage:
    """One page: its documents, best first; whether it was re-ranked, else why not; hits of the window that only the vector search found;
    and what re-ranking added in milliseconds."""

    doc_ids: tuple[str, ...]
    applied: bool = False
    reason: str = ""
    neighbours: int = 0
    added_ms: int = 0


@dataclass(frozen=True, slots=True)
class ServedPipeline:
    """A pipeline as searches bring it, and the deadline that it has where it is stored."""

    name: str
    body: Body
    deadline_ms: int

    def page(self, client: OpenSearch, index: str, search: Body, size: int) -> ServedPage:
        """The first `size` hits of a search; raises ClusterError where the cluster refuses it."""
        asked = {**search, "size": size, "_source": False, "track_total_hits": False, "search_pipeline": self.body}
        try:
            answer = client.search(index=index, body=asked)
        except RequestError as error:
            raise ClusterError(f"the cluster refuses searches through {self.name}: {reason_of(error)}") from error
        told = answer.get("ext", {}).get("rerank", {})
        return ServedPage(
            doc_ids(answer),
            bool(told.get("applied")),
            str(told.get("reason") or ""),
            int(told.get("neighbours", 0)),
            int(told.get("took_ms", 0)),
        )


def served_pipeline(client: OpenSearch, index: str, named: PipelineName) -> ServedPipeline:
    """The pipeline of a name; a definition from a file asks the sidecars of the index's own pipeline, where it has one that re-ranks.

    Raises ClusterError where no pipeline has the name, or it re-ranks nothing.
    """
    body = pipelines.named(client, named.name) if named.path is None else pipelines.read_pipeline(named.path)
    settings = _settings(body)
    if settings is None:
        raise ClusterError(f"there is no pipeline {named.name} that re-ranks: name a stored one, or a definition as NAME=FILE")
    deadline_ms = int(settings.get("deadline_ms", _DEFAULT_DEADLINE_MS))
    if named.path is not None:
        settings.update(_sidecars(client, index))
    settings.update(annotate=True, deadline_ms=_TIME_ENOUGH_MS)
    return ServedPipeline(named.name, {kind: body[kind] for kind in _PROCESSORS if kind in body}, deadline_ms)


def doc_ids(answer: Body) -> tuple[str, ...]:
    """The documents of an answer, best first."""
    return tuple(hit["_id"] for hit in answer["hits"]["hits"])


def _settings(body: Mapping[str, Any]) -> Body | None:
    """Those of `sidecar_rerank`, to be changed in place."""
    found: list[Body] = [each["sidecar_rerank"] for each in body.get("response_processors", []) if "sidecar_rerank" in each]
    return found[0] if found else None


def _sidecars(client: OpenSearch, index: str) -> Body:
    """Where the index's own pipeline finds its sidecars."""
    for body in pipelines.get(client, index).values():
        settings = _settings(body)
        if settings is not None:
            return {key: settings[key] for key in ("url", "connect_timeout_ms") if key in settings}
    return {}
