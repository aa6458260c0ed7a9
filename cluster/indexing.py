"""A catalogue file -> a new index behind an alias: built beside the live one, switched to at once when whole (blue/green).

Invariants: searches on the alias never see a half-built index; a run that was cut off goes on where it stopped; a run on
unchanged input does nothing; re-ranking that was switched on stays on across the switch.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
from opensearchpy import OpenSearch

from cluster.bulk import BulkWriter, Tally
from cluster.catalogue import BadRow, FieldNames, read_catalogue
from cluster.definitions import read_definition
from cluster.embedding import VECTOR_FIELD, Embedder
from cluster.errors import ClusterError, IndexingFailed, InvalidCatalogue
from cluster.physical import Note, PhysicalIndex, behind, builds_of, write_note
from cluster.pipelines import inherit
from sidecar.manifest import file_sha256

# What follows the alias in the name of an index that was built for it: the time.
_BUILT = re.compile(r"-\d{8}-\d{6}-\d{3}")


@dataclass(frozen=True, slots=True)
class Job:
    """One catalogue to be indexed behind one alias."""

    file: Path
    alias: str
    mapping: Path
    names: FieldNames
    embedder: Embedder | None
    remove_old: bool = False
    rebuild: bool = False
    # The share of rows that may be left out of an index that takes a live one's place.
    allowed_left_out: float = 0.5

    def source(self) -> str:
        """Identifies what the index is built from: the same text means that the same documents would come out."""
        settings = (self.names.rules(), self.embedder.model() if self.embedder else "")
        content = f"{self.alias} {file_sha256(self.file)} {file_sha256(self.mapping)} {settings}"
        return hashlib.sha256(content.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run did: `unchanged` where the live index already held this catalogue."""

    index: str
    indexed: int = 0
    already: int = 0
    left_out: int = 0
    bad: tuple[BadRow, ...] = ()
    removed: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    resumed: bool = False
    unchanged: bool = False
    # Begun for other catalogues, and never finished.
    unfinished: tuple[str, ...] = ()


def index_catalogue(client: OpenSearch, job: Job, advance: Callable[[int], None]) -> Outcome:
    """Index the catalogue and switch the alias to it; `advance` is told of rows done."""
    # A faulty mapping is told before anything is embedded or written.
    mapping = read_mapping(job.mapping, vectors=job.embedder is not None)
    source = job.source()
    live = _live(client, job.alias)
    whole = [index for index in live if index.note.complete and index.note.source == source]
    if whole and not job.rebuild:
        return Outcome(whole[0].name, unchanged=True)
    begun = [index for index in builds_of(client, job.alias) if index.note.source == source and not index.note.complete]
    name = begun[-1].name if begun else _create(client, job, source)
    tally = Tally()
    writer = BulkWriter(client, name, job.file, job.embedder, resume=bool(begun))
    names = replace(job.names, own=mapping["mappings"]["properties"].keys())
    try:
        writer.write(read_catalogue(job.file, names), tally, advance)
    except InvalidCatalogue:
        # The same file would end so again: no run will go on from this index.
        _remove(client, [name])
        raise
    if tally.indexed + tally.already == 0:
        _remove(client, [name])
        first = tally.bad[0] if tally.bad else "none"
        raise IndexingFailed(f"no row of {job.file} could be indexed; {job.alias} stays as it was. First: {first}")
    if live:
        _refuse_remnant(job, tally)
    _go_live(client, job, name, live)
    # Noted last: a run that ends before is taken up again, and finds nothing left to do.
    write_note(client, name, Note(source=source, complete=True))
    old = [index.name for index in live if index.name != name] if job.remove_old else []
    # The index before holds what was left out now.
    kept = tuple(old) if tally.left_out else ()
    removed = () if kept else _remove(client, old)
    unfinished = tuple(index.name for index in builds_of(client, job.alias) if _is_unfinished(index, job.alias))
    return Outcome(
        name, tally.indexed, tally.already, tally.left_out, tuple(tally.bad), removed, kept, resumed=bool(begun), unfinished=unfinished
    )


def _is_unfinished(index: PhysicalIndex, alias: str) -> bool:
    """Whether a build of this very alias was cut off: `shop-*` are those of `shop-eu` too."""
    return bool(index.note.source) and not index.note.complete and bool(_BUILT.fullmatch(index.name.removeprefix(alias)))


def _refuse_remnant(job: Job, tally: Tally) -> None:
    """Raises IndexingFailed where too little of a catalogue was indexed to take the place of what is live; a repeated run goes on."""
    rows = tally.indexed + tally.already + tally.left_out
    if tally.left_out > job.allowed_left_out * rows:
        percent = -(-100 * tally.left_out // rows)
        raise IndexingFailed(
            f"{tally.left_out} of {rows} rows of {job.file} were left out; {job.alias} stays as it was. First: {tally.bad[0]}. Mend the "
            f"file, or let the rest go live: the same command with --allow-left-out {percent}"
        )


class _Mappings(msgspec.Struct):
    properties: dict[str, dict[str, Any]] = {}


class _Settings(msgspec.Struct):
    index: dict[str, Any] = {}


class _Definition(msgspec.Struct):
    """What is read of an index's definition."""

    settings: _Settings = msgspec.field(default_factory=_Settings)
    mappings: _Mappings = msgspec.field(default_factory=_Mappings)


def read_mapping(path: Path, *, vectors: bool) -> dict[str, Any]:
    """The body that creates the index; without vectors it needs no k-NN plugin. Raises InvalidCatalogue where it cannot be one."""
    body = read_definition(path, _Definition)
    index = body.setdefault("settings", {}).setdefault("index", {})
    properties = body.setdefault("mappings", {}).setdefault("properties", {})
    if not vectors:
        properties.pop(VECTOR_FIELD, None)
        index.pop("knn", None)
    elif properties.get(VECTOR_FIELD, {}).get("type") != "knn_vector":
        raise InvalidCatalogue(f"{path} has no field {VECTOR_FIELD!r} of type knn_vector: add it, or index without vectors (--no-vectors)")
    return body


def vector_dimension(path: Path) -> int | None:
    """How many numbers a vector of the mapping has; None where it does not say, as with a model's id."""
    found = read_mapping(path, vectors=True)["mappings"]["properties"][VECTOR_FIELD].get("dimension")
    return found if isinstance(found, int) else None


def _live(client: OpenSearch, alias: str) -> list[PhysicalIndex]:
    found = behind(client, alias)
    if any(index.name == alias for index in found):
        raise ClusterError(f"{alias} is an index, not an alias: choose another name, or re-index it behind an alias first")
    return found


def _create(client: OpenSearch, job: Job, source: str) -> str:
    now = time.time()
    name = f"{job.alias}-{time.strftime('%Y%m%d-%H%M%S', time.gmtime(now))}-{int(now % 1 * 1000):03d}"
    body = read_mapping(job.mapping, vectors=job.embedder is not None)
    # Nothing searches the index before it is whole: refreshing it would only make small segments.
    body["settings"]["index"]["refresh_interval"] = "-1"
    client.indices.create(index=name, body=body)
    write_note(client, name, Note(source=source))
    return name


def _go_live(client: OpenSearch, job: Job, name: str, live: list[PhysicalIndex]) -> None:
    wanted = read_mapping(job.mapping, vectors=False)["settings"]["index"].get("refresh_interval")
    client.indices.put_settings(index=name, body={"index.refresh_interval": wanted})
    client.indices.refresh(index=name)
    others = [index for index in live if index.name != name]
    if others:
        inherit(client, others[0], name)
    actions: list[dict[str, Any]] = [{"remove": {"index": index.name, "alias": job.alias}} for index in others]
    kept = _alias_settings(client, job.alias, others[0].name) if others else {}
    client.indices.update_aliases(body={"actions": [*actions, {"add": {**kept, "index": name, "alias": job.alias}}]})


def _alias_settings(client: OpenSearch, alias: str, index: str) -> dict[str, Any]:
    """What the alias says of an index beside its name: a filter hides documents, and would let them be seen if it did not move on."""
    found: dict[str, Any] = client.indices.get_alias(index=index, name=alias)[index]["aliases"][alias]
    return found


def _remove(client: OpenSearch, names: list[str]) -> tuple[str, ...]:
    if names:
        client.indices.delete(index=",".join(names))
    return tuple(names)
