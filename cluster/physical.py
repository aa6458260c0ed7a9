"""The indices behind an alias: which one is live, which one is being built, and what we noted on them.

Invariant: what the commands remember of an index lies in its own mapping's `_meta`, under one key, so it survives this machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
from opensearchpy import OpenSearch

from cluster.errors import ClusterError

_KEY = "rerank"


class Note(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the commands noted on an index: what it was built from, whether it is whole, and its pipeline before ours."""

    source: str = ""
    complete: bool = False
    pipeline: str = ""
    previous_pipeline: str = ""


@dataclass(frozen=True, slots=True)
class PhysicalIndex:
    """An index as it lies in the cluster."""

    name: str
    note: Note
    default_pipeline: str


def behind(client: OpenSearch, name: str) -> list[PhysicalIndex]:
    """The indices that a name (an alias or an index) stands for; empty where there is none."""
    return _found(client, name)


def builds_of(client: OpenSearch, alias: str) -> list[PhysicalIndex]:
    """All indices that were built for an alias, live or not, oldest first."""
    return _found(client, f"{alias}-*")


def write_note(client: OpenSearch, index: str, note: Note) -> None:
    """Replace our note on an index and leave what others wrote into `_meta` alone; an empty note leaves no trace."""
    mapping = client.indices.get_mapping(index=index)[index]["mappings"]
    meta = {key: value for key, value in mapping.get("_meta", {}).items() if key != _KEY}
    if note != Note():
        meta[_KEY] = msgspec.to_builtins(note)
    client.indices.put_mapping(index=index, body={"_meta": meta})


def set_default_pipeline(client: OpenSearch, index: str, pipeline: str) -> None:
    """Make a pipeline the default of an index; empty: remove the setting."""
    client.indices.put_settings(index=index, body={"index.search.default_pipeline": pipeline or None})


def _found(client: OpenSearch, pattern: str) -> list[PhysicalIndex]:
    try:
        found = client.indices.get(index=pattern, params={"ignore_unavailable": "true"})
    except Exception as error:
        raise ClusterError(f"{pattern}: {error}") from error
    return [_physical(name, body) for name, body in sorted(found.items())]


def _physical(name: str, body: dict[str, Any]) -> PhysicalIndex:
    note = msgspec.convert(body["mappings"].get("_meta", {}).get(_KEY, {}), Note)
    pipeline = body["settings"]["index"].get("search", {}).get("default_pipeline", "")
    return PhysicalIndex(name, note, pipeline)
