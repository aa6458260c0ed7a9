"""Search pipelines: switched on for an index, shown, and switched off so that the index is what it was.

Invariant: `off` undoes `put` exactly: the index's own default pipeline is back, and a pipeline that another index still
names is not deleted, because every search on that index would fail.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from opensearchpy import OpenSearch
from opensearchpy.exceptions import NotFoundError

from cluster.errors import ClusterError
from cluster.physical import PhysicalIndex, behind, set_default_pipeline, write_note

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Switched:
    """What was switched: the pipeline and the indices whose default it now is, or was."""

    pipeline: str
    indices: tuple[str, ...]
    deleted: bool = False


def read_pipeline(path: Path, overrides: Mapping[str, Any] | None = None) -> Body:
    """A pipeline definition from a file, with settings of `sidecar_rerank` replaced."""
    body: Body = msgspec.json.decode(path.read_bytes())
    for processor in body["response_processors"]:
        if "sidecar_rerank" in processor:
            processor["sidecar_rerank"].update(overrides or {})
    return body


def put(client: OpenSearch, index: str, pipeline: str, body: Body) -> Switched:
    """Store the pipeline and make it the default of every index behind the name."""
    indices = _existing(client, index)
    client.transport.perform_request("PUT", f"/_search/pipeline/{pipeline}", body=body)
    for physical in indices:
        if physical.default_pipeline != pipeline:
            note = msgspec.structs.replace(physical.note, pipeline=pipeline, previous_pipeline=physical.default_pipeline)
            write_note(client, physical.name, note)
            set_default_pipeline(client, physical.name, pipeline)
    return Switched(pipeline, tuple(physical.name for physical in indices))


def get(client: OpenSearch, index: str) -> dict[str, Body]:
    """The default pipelines of the indices behind a name, by pipeline name."""
    names = sorted({physical.default_pipeline for physical in _existing(client, index) if physical.default_pipeline})
    found: dict[str, Body] = {}
    for name in names:
        if name != "_none":
            found |= client.transport.perform_request("GET", f"/_search/pipeline/{name}")
    return found


def off(client: OpenSearch, index: str) -> Switched | None:
    """Give the indices behind a name their own default back and delete our pipeline; None where it was not on."""
    ours = [physical for physical in _existing(client, index) if physical.note.pipeline]
    if not ours:
        return None
    pipeline = ours[0].note.pipeline
    for physical in ours:
        if physical.default_pipeline == pipeline:
            set_default_pipeline(client, physical.name, physical.note.previous_pipeline)
        write_note(client, physical.name, msgspec.structs.replace(physical.note, pipeline="", previous_pipeline=""))
    deleted = not _in_use(client, pipeline) and _delete(client, pipeline)
    return Switched(pipeline, tuple(physical.name for physical in ours), deleted)


def _existing(client: OpenSearch, index: str) -> list[PhysicalIndex]:
    found = behind(client, index)
    if not found:
        raise ClusterError(f"there is no index or alias named {index}")
    return found


def _in_use(client: OpenSearch, pipeline: str) -> bool:
    setting = "index.search.default_pipeline"
    answer = client.indices.get_settings(index="*", name=setting, params={"expand_wildcards": "all", "flat_settings": "true"})
    return any(entry["settings"].get(setting) == pipeline for entry in answer.values())


def _delete(client: OpenSearch, pipeline: str) -> bool:
    try:
        client.transport.perform_request("DELETE", f"/_search/pipeline/{pipeline}")
    except NotFoundError:
        return False
    return True
