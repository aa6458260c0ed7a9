"""Graded judgments of a catalogue's queries, in the ESCI and Quepid shape.

Invariant: grades are 0 to 3; the file's ratings 100, 10, 1 and 0 (Exact, Substitute, Complement, Irrelevant) become 3, 2, 1 and 0.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from cluster.errors import InvalidCatalogue

_GRADES = {100.0: 3, 10.0: 2, 1.0: 1, 0.0: 0}


class _Rating(msgspec.Struct, frozen=True):
    docId: str | int  # noqa: N815 - the file's own name
    rating: str | float | int


class _Query(msgspec.Struct, frozen=True):
    query: str
    ratings: list[_Rating]


class _File(msgspec.Struct, frozen=True):
    judgmentRatings: list[_Query]  # noqa: N815 - the file's own name


@dataclass(frozen=True, slots=True)
class JudgedQuery:
    """A query and the grades of its judged documents."""

    text: str
    grades: dict[str, int]


def read_judgments(path: Path) -> Sequence[JudgedQuery]:
    """The judged queries of a file; raises InvalidCatalogue where it has another shape."""
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        parsed = msgspec.json.decode(content, type=_File)
        return [
            JudgedQuery(query.query, {str(rating.docId): _grade(rating.rating) for rating in query.ratings})
            for query in parsed.judgmentRatings
        ]
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise InvalidCatalogue(f"{path}: not a judgments file: {error}") from error


def _grade(rating: str | float) -> int:
    value = float(rating)
    if value not in _GRADES:
        raise ValueError(f"rating {rating} is none of {', '.join(str(int(known)) for known in _GRADES)}")
    return _GRADES[value]
