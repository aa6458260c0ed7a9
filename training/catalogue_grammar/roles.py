"""The lists that the generator hands out: documents keyed by the text template's roles, one grade each."""

from __future__ import annotations

from dataclasses import dataclass

from sidecar.encoding import Fields, FieldValue

__all__ = ["ROLES", "FieldValue", "Fields", "GradedList"]

ROLES = frozenset({"title", "brand", "color", "size", "category", "attributes", "description", "tags", "creator", "year"})


@dataclass(frozen=True)
class GradedList:
    """A query with documents and their grades: 3 exact, 2 substitute, 1 complement, 0 irrelevant."""

    query: str
    documents: tuple[Fields, ...]
    grades: tuple[int, ...]
