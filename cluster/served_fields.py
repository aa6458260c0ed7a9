"""Which fields of an index's documents models read, and what they read there: by the pipeline's `fields`, as the plugin does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opensearchpy import OpenSearch

from cluster import pipelines
from cluster.errors import ClusterError
from cluster.paths import texts_at
from cluster.roles import ROLES
from sidecar.encoding import Fields


def served_roles(client: OpenSearch, index: str, pipeline: str | None = None) -> Mapping[str, str]:
    """Role -> path in `_source`, as a pipeline reads it, by default the index's own; roles by their own names where re-ranking is off.

    Raises ClusterError where there is no such index, or the pipeline that is named does not exist or reads nothing.
    """
    for body in [pipelines.named(client, pipeline)] if pipeline else pipelines.get(client, index).values():
        for processor in body.get("request_processors", []):
            fields: Mapping[str, str] = processor.get("rerank_window", {}).get("fields", {})
            if fields:
                return fields
    if pipeline:
        raise ClusterError(f"there is no pipeline {pipeline} with `fields` of a `rerank_window`: put it first, or leave --pipeline out")
    return {role: role for role in ROLES}


def read_roles(source: Mapping[str, Any], roles: Mapping[str, str]) -> Fields:
    """The roles of a `_source`, empty ones left out."""
    found = {role: texts_at(source, path) for role, path in roles.items()}
    return {role: value for role, value in found.items() if value is not None}
