"""Lists and interactions -> train, validation and test, the same at every run and on every machine, and refused where they leak.

Invariant: a query's part depends on its text alone, so a query that is judged next year joins the part that it would have been in today.
`part_of` reads the lower-cased text, as the documented split of MSRD does; the fifth of a split file's train part, any spelling alike.
"""

from __future__ import annotations

import re
import unicodedata
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec
from ibis.expr.types import Table

from training.data.lists import QueryList
from training.data.report import Report, count

Part = Literal["train", "validation", "test"]
PARTS: tuple[Part, ...] = ("train", "validation", "test")
_BUCKETS = 10
# One of so many train queries validates.
_VALIDATION_SHARE = 5


class Leakage(ValueError):
    """Two parts share what they must not: a model would be tested on what it was trained on."""


@dataclass(frozen=True, slots=True)
class TimeSplit:
    """Interactions before the first cut, between the cuts, and from the second on."""

    train: Table
    validation: Table
    test: Table
    undated: int


def part_of(query: str) -> Part:
    """The part of a query: CRC-32 of the lower-cased text in UTF-8, modulo 10; 0 is test, 1 is validation, the rest is train."""
    bucket = zlib.crc32(query.lower().encode()) % _BUCKETS
    return "test" if bucket == 0 else "validation" if bucket == 1 else "train"


def split_without_leaks(
    lists: Sequence[QueryList], named: Mapping[Part, Sequence[str]] | None = None
) -> tuple[Mapping[Part, list[QueryList]], Report]:
    """The lists of each part, by a split file or else by query, for whatever trains, fits or tests; raises Leakage where a file's leak.

    The checksum parts spellings of one query at random: there training gives way to what is held out, and the report counts it.
    """
    dropped = 0
    parts = dict(split_by_query(lists) if named is None else split_by_names(lists, named))
    if named is None:
        parts["validation"], in_test = without_leaks(parts["validation"], parts["test"])
        parts["train"], held_out = without_leaks(parts["train"], parts["validation"], parts["test"])
        dropped = in_test + held_out
    check_leakage(parts)
    return parts, count({None: len(lists) - dropped, "another spelling is in a later part": dropped}, "split")


def split_by_query(lists: Iterable[QueryList]) -> Mapping[Part, list[QueryList]]:
    """The lists of each part, by `part_of`."""
    parts: dict[Part, list[QueryList]] = {part: [] for part in PARTS}
    for item in lists:
        parts[part_of(item.query)].append(item)
    return parts


def read_split(path: Path) -> Mapping[Part, Sequence[str]]:
    """A split file: a JSON object with the queries of each part."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[Part, list[str]])
    except msgspec.DecodeError as error:
        raise ValueError(f"{path} is no split file: {error}") from error


def split_by_names(lists: Iterable[QueryList], named: Mapping[Part, Sequence[str]]) -> Mapping[Part, list[QueryList]]:
    """The lists of each part that a split file names by query; raises ValueError where it does not name a query exactly once."""
    of = named_parts(named)
    parts: dict[Part, list[QueryList]] = {part: [] for part in PARTS}
    for item in lists:
        if item.query not in of:
            raise ValueError(f"the split does not name the query {item.query!r}: add it to one of its parts, or drop its judgments")
        parts[of[item.query]].append(item)
    return parts


def named_parts(named: Mapping[Part, Sequence[str]]) -> Mapping[str, Part]:
    """The part of each query of a split file; a file that names no validation part has a fifth of its train part for one, by checksum."""
    of: dict[str, Part] = {}
    for part, queries in named.items():
        for query in queries:
            if query in of:
                raise Leakage(f"the split names a query twice: {query!r}, in {of[query]} and in {part}; keep it in one")
            of[query] = part
    if "validation" not in named:
        of |= {query: "validation" for query, part in of.items() if part == "train" and _validates(query)}
    return of


def _validates(query: str) -> bool:
    return zlib.crc32(canonical(query).encode()) % _VALIDATION_SHARE == 0


def split_by_time(interactions: Table, validation_from_ms: int, test_from_ms: int) -> TimeSplit:
    """The past trains, the future tests: three parts of one log; rows without a time belong to none and are counted."""
    if validation_from_ms > test_from_ms:
        raise ValueError("validation starts after test")
    moment = interactions.timestamp_ms
    return TimeSplit(
        train=interactions.filter(moment < validation_from_ms),
        validation=interactions.filter(moment >= validation_from_ms, moment < test_from_ms),
        test=interactions.filter(moment >= test_from_ms),
        undated=int(moment.isnull().sum().to_pyarrow().as_py() or 0),
    )


def canonical(query: str) -> str:
    """What makes two spellings one query: compatibility forms, case, punctuation and spaces do not count."""
    return " ".join(re.sub(r"[^\w\s]|_", " ", unicodedata.normalize("NFKC", query).casefold()).split())


def check_leakage(parts: Mapping[Part, Iterable[QueryList]]) -> None:
    """Raises Leakage where a query, in any spelling, is in two parts; says which, and how many."""
    seen: dict[str, str] = {}
    leaks: dict[str, str] = {}
    for part, lists in parts.items():
        for item in lists:
            other = seen.setdefault(canonical(item.query), part)
            if other != part:
                leaks[item.query] = f"{item.query!r} ({other} and {part})"
    if leaks:
        shown = ", ".join(list(leaks.values())[:5])
        raise Leakage(
            f"{len(leaks)} queries are in two parts: {shown}. Name all spellings of a query in one part of the split file, or leave the "
            "file out: queries are then parted by checksum, and other spellings of a held-out query are dropped from train and counted"
        )


def without_leaks(train: Iterable[QueryList], *held_out: Iterable[QueryList]) -> tuple[list[QueryList], int]:
    """The training lists whose query no held-out part has in any spelling, and how many were dropped."""
    held = {canonical(item.query) for lists in held_out for item in lists}
    found = list(train)
    kept = [item for item in found if canonical(item.query) not in held]
    return kept, len(found) - len(kept)


def check_time_leakage(train: Table, held_out: Table) -> None:
    """Raises Leakage where training interactions are not all older than the held-out ones."""
    latest = train.timestamp_ms.max().to_pyarrow().as_py()
    earliest = held_out.timestamp_ms.min().to_pyarrow().as_py()
    if latest is not None and earliest is not None and latest >= earliest:
        raise Leakage(f"training interactions reach {latest} ms, held-out ones start at {earliest} ms: the model would see the future")
