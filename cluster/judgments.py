"""Graded judgments of a catalogue's queries, in the ESCI and Quepid shape.

Invariant: grades are 0 to 3. Where all ratings of a file are ESCI's 100, 10, 1 and 0 (Exact, Substitute, Complement, Irrelevant), they
become 3, 2, 1 and 0; else they are the grades themselves, as in Quepid.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from cluster.errors import InvalidCatalogue

_ESCI = {100.0: 3, 10.0: 2, 1.0: 1, 0.0: 0}
_AS_WRITTEN = {float(grade): grade for grade in (3, 2, 1, 0)}


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
        grades = _scale([float(rating.rating) for query in parsed.judgmentRatings for rating in query.ratings])
        return [
            JudgedQuery(query.query, {str(rating.docId): grades[float(rating.rating)] for rating in query.ratings})
            for query in parsed.judgmentRatings
        ]
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise InvalidCatalogue(f"{path}: not a judgments file: {error}") from error


def _scale(ratings: Sequence[float]) -> Mapping[float, int]:
    """What the ratings of a file mean, all of them together."""
    if scale := next((scale for scale in (_ESCI, _AS_WRITTEN) if scale.keys() >= set(ratings)), None):
        return scale
    odd = next(rating for rating in ratings if rating not in _ESCI)
    raise ValueError(f"rating {odd:g} is none of {_told(_ESCI)}; nor are all ratings of the file grades of {_told(_AS_WRITTEN)}")


def _told(scale: Mapping[float, int]) -> str:
    return ", ".join(f"{known:g}" for known in scale)
