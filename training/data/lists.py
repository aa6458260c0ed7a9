"""Judged hits, mined and random negatives -> `QueryList`: one query's hits with their grades, the unit of all training.

Invariant: a list's hits are distinct, and its grades are aligned with them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sidecar.encoding import Fields

Catalogue = Mapping[str, Fields]


@dataclass(frozen=True, slots=True)
class QueryList:
    """One query, its hits by document id and their grades (0 = irrelevant), and the source that the list came from."""

    query_id: str
    query: str
    doc_ids: tuple[str, ...]
    grades: tuple[float, ...]
    source: str

    def __post_init__(self) -> None:
        if len(self.doc_ids) != len(self.grades):
            raise ValueError(f"query {self.query_id!r} has {len(self.doc_ids)} hits and {len(self.grades)} grades")
        if len(set(self.doc_ids)) != len(self.doc_ids):
            raise ValueError(f"query {self.query_id!r} lists a hit twice")
