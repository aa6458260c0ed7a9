"""The indices behind an alias: which one is live, which one is being built, and what we noted on them.

Invariant: notes lie in the mapping's `_meta` of indices that we built, and of no others: `_meta` cannot be taken away again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
from opensearchpy import OpenSearch

_KEY = "rerank"


class Note(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the commands noted on an index that they built: what it was built from and whether it is whole."""

    source: str = ""
    complete: bool = False


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
    """Replace our note on an index that we built, beside what its mapping says of itself."""
    meta = client.indices.get_mapping(index=index)[index]["mappings"].get("_meta", {})
    client.indices.put_mapping(index=index, body={"_meta": {**meta, _KEY: msgspec.to_builtins(note)}})


def set_default_pipeline(client: OpenSearch, index: str, pipeline: str) -> None:
    """Make a pipeline the default of an index; empty: remove the setting."""
    client.indices.put_settings(index=index, body={"index.search.default_pipeline": pipeline or None})


def _found(client: OpenSearch, pattern: str) -> list[PhysicalIndex]:
    found = client.indices.get(index=pattern, params={"ignore_unavailable": "true"})
    return [_physical(name, body) for name, body in sorted(found.items())]


def _physical(name: str, body: dict[str, Any]) -> PhysicalIndex:
    note = msgspec.convert(body["mappings"].get("_meta", {}).get(_KEY, {}), Note)
    pipeline = body["settings"]["index"].get("search", {}).get("default_pipeline", "")
    return PhysicalIndex(name, note, pipeline)
