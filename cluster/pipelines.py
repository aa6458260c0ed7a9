"""Search pipelines: switched on for an index, shown, and switched off so that the index is what it was.

What was the default before lies in our pipeline's description: it survives this machine and is gone without a trace with it.
Invariant: `off` undoes `put` exactly: the index's own default pipeline is back, and a pipeline that another index still
names, or is to go back to, is not deleted. No index is left with a default that does not exist: every search on it would fail.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from opensearchpy import OpenSearch
from opensearchpy.exceptions import NotFoundError

from cluster.definitions import read_definition
from cluster.errors import ClusterError, InvalidCatalogue, NoIndex
from cluster.physical import PhysicalIndex, behind, set_default_pipeline
from cluster.roles import check_roles

Body = dict[str, Any]
NO_PIPELINE = "_none"
_BEFORE = " | defaults before: "


@dataclass(frozen=True, slots=True)
class Switched:
    """What was switched: the pipeline and the indices whose default it now is, or was.

    `lost` are pipelines that were to be the default again, or were it until now, and do not exist: there is none in their place.
    """

    pipeline: str
    indices: tuple[str, ...]
    deleted: bool = False
    lost: tuple[str, ...] = ()


class _Pipeline(msgspec.Struct):
    """What is read of a pipeline's definition."""

    request_processors: list[dict[str, dict[str, Any]]] = []
    response_processors: list[dict[str, dict[str, Any]]] = []
    description: str = ""


def read_pipeline(path: Path, overrides: Mapping[str, Any] | None = None) -> Body:
    """A pipeline definition from a file, with settings of `sidecar_rerank` replaced.

    Raises InvalidCatalogue where it re-ranks nothing, or its `fields` name what is no role.
    """
    body: Body = read_definition(path, _Pipeline)
    for kind, processor in (("request_processors", "rerank_window"), ("response_processors", "sidecar_rerank")):
        if not any(processor in each for each in body.get(kind, [])):
            raise InvalidCatalogue(f"{path}: no {processor} among its {kind}, so that nothing would be re-ranked")
    for processor in body["request_processors"]:
        fields = processor.get("rerank_window", {}).get("fields")
        try:
            # What is no object at all is told by the plugin.
            check_roles(fields if isinstance(fields, dict) else ())
        except ValueError as error:
            raise InvalidCatalogue(f"{path}: `fields` of rerank_window: {error}") from error
    for processor in body.get("response_processors", []):
        if "sidecar_rerank" in processor:
            processor["sidecar_rerank"].update(overrides or {})
    return body


def sidecars(body: Body) -> list[tuple[list[str], str | None]]:
    """The addresses and the profile (None: the sidecar's default) of each `sidecar_rerank` of a definition."""
    found = []
    for settings in (each["sidecar_rerank"] for each in body.get("response_processors", []) if "sidecar_rerank" in each):
        url, profile = settings.get("url"), settings.get("profile")
        urls = url if isinstance(url, list) else [url]
        # Values of other types are refused by the plugin, with the key's name.
        found.append(([each for each in urls if isinstance(each, str)], profile if isinstance(profile, str) else None))
    return found


def put(client: OpenSearch, index: str, pipeline: str, body: Body) -> Switched:
    """Store the pipeline and make it the default of every index behind the name; raises ClusterError over a foreign one."""
    indices = _existing(client, index)
    there = _definition(client, pipeline)
    if there and not _is_ours(there):
        raise ClusterError(f"a pipeline named {pipeline} is there already and does not re-rank: choose another name")
    before = _defaults_before(there)
    for physical in indices:
        if physical.default_pipeline != pipeline:
            before[physical.name] = physical.default_pipeline
        else:
            # Made the default by hand: what was before is not known, so there is none to go back to.
            before.setdefault(physical.name, "")
    _store(client, pipeline, body, before)
    for physical in indices:
        set_default_pipeline(client, physical.name, pipeline)
    return Switched(pipeline, tuple(physical.name for physical in indices))


def check_vectors(client: OpenSearch, index: str, field: str) -> None:
    """Raise ClusterError where an index behind the name has no such vectors: `neighbours` would find nothing, at every search."""
    for physical in _existing(client, index):
        answer = client.indices.get_mapping(index=physical.name)[physical.name]["mappings"]
        found = _vector_fields(answer.get("properties", {}))
        if field not in found:
            known = f"it has {', '.join(found)}" if found else "it has none: `rerank index` makes one"
            raise ClusterError(f"{physical.name} has no knn_vector field {field!r}; {known}")


def _vector_fields(properties: Mapping[str, Any], path: str = "") -> list[str]:
    names = [path + name for name, field in properties.items() if field.get("type") == "knn_vector"]
    for name, field in properties.items():
        names += _vector_fields(field.get("properties", {}), f"{path}{name}.")
    return names


def inherit(client: OpenSearch, old: PhysicalIndex, new: str) -> None:
    """Give an index that takes another's place the same default pipeline, and the same one to go back to."""
    if not old.default_pipeline:
        return
    body = _definition(client, old.default_pipeline)
    if _is_named(old.default_pipeline) and not body:
        # The old index cannot be searched with it; the new one can without.
        return
    before = _defaults_before(body)
    if old.name in before:
        # Indices that are gone need nothing to go back to: a catalogue of every night would make the list of them endless.
        there = {index.name for index in behind(client, ",".join(before))}
        left = {name: default for name, default in before.items() if name in there}
        _store(client, old.default_pipeline, body, left | {new: before[old.name]})
    set_default_pipeline(client, new, old.default_pipeline)


def get(client: OpenSearch, index: str) -> dict[str, Body]:
    """The default pipelines of the indices behind a name, by pipeline name."""
    names = sorted({physical.default_pipeline for physical in _existing(client, index)} - {"", NO_PIPELINE})
    return {name: _definition(client, name) for name in names}


def named(client: OpenSearch, pipeline: str) -> Body:
    """A pipeline's definition; empty where there is none of the name."""
    return _definition(client, pipeline)


def off(client: OpenSearch, index: str) -> tuple[Switched, ...]:
    """Give the indices behind a name their own defaults back and delete our pipelines; empty where re-ranking was not on.

    A default that does not exist is taken away: whoever made it, every search fails for it.
    """
    indices = _existing(client, index)
    names = sorted({physical.default_pipeline for physical in indices} - {"", NO_PIPELINE})
    switched = [_off(client, name, [each.name for each in indices if each.default_pipeline == name]) for name in names]
    return tuple(each for each in switched if each.indices)


def _off(client: OpenSearch, pipeline: str, indices: Sequence[str]) -> Switched:
    body = _definition(client, pipeline)
    before = _defaults_before(body)
    ours = [name for name in indices if name in before or not body]
    lost = {pipeline} if ours and not body else set()
    for name in ours:
        own = before.get(name, "")
        if _is_named(own) and not _definition(client, own):
            lost.add(own)
            own = ""
        set_default_pipeline(client, name, own)
    deleted = bool(ours) and not _in_use(client, pipeline) and _delete(client, pipeline)
    return Switched(pipeline, tuple(ours), deleted, tuple(sorted(lost)))


def _is_named(default: str) -> bool:
    return default not in {"", NO_PIPELINE}


def _definition(client: OpenSearch, pipeline: str) -> Body:
    """The body of a pipeline; empty where there is none of this name."""
    if not _is_named(pipeline):
        return {}
    try:
        found: dict[str, Body] = client.transport.perform_request("GET", f"/_search/pipeline/{pipeline}")
    except NotFoundError:
        return {}
    # A pattern or a list is answered with the pipelines that it means.
    return found.get(pipeline, {})


def _store(client: OpenSearch, pipeline: str, body: Body, before: Mapping[str, str]) -> None:
    text = body.get("description", "").split(_BEFORE)[0]
    description = f"{text}{_BEFORE}{msgspec.json.encode(before).decode()}"
    client.transport.perform_request("PUT", f"/_search/pipeline/{pipeline}", body={**body, "description": description})


def _defaults_before(body: Body) -> dict[str, str]:
    _, _, noted = body.get("description", "").partition(_BEFORE)
    return msgspec.json.decode(noted, type=dict[str, str]) if noted else {}


def _is_ours(body: Body) -> bool:
    return _BEFORE in body.get("description", "") or any("sidecar_rerank" in each for each in body.get("response_processors", []))


def _existing(client: OpenSearch, index: str) -> list[PhysicalIndex]:
    found = behind(client, index)
    if not found:
        raise NoIndex(index)
    return found


def _in_use(client: OpenSearch, pipeline: str) -> bool:
    setting = "index.search.default_pipeline"
    answer = client.indices.get_settings(index="*", name=setting, params={"expand_wildcards": "all", "flat_settings": "true"})
    defaults = {index: entry["settings"].get(setting) for index, entry in answer.items()}
    stored: dict[str, Body] = client.transport.perform_request("GET", "/_search/pipeline")
    # What an index goes back to when another pipeline of ours is switched off.
    returns = [_defaults_before(body).get(index) for index, name in defaults.items() if (body := stored.get(name or "")) is not None]
    return pipeline in defaults.values() or pipeline in returns


def _delete(client: OpenSearch, pipeline: str) -> bool:
    try:
        client.transport.perform_request("DELETE", f"/_search/pipeline/{pipeline}")
    except NotFoundError:
        return False
    return True
