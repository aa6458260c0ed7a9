"""Judged data on disk -> `JudgedSet`: a catalogue and the queries of one part of its split, with their grades.

Invariant: a part never holds a query of another part; what is left out is counted in `notes`.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import duckdb
import msgspec

from cluster.errors import InvalidCatalogue
from training.batches import TrainingList, with_typo
from training.data.build import query_lists
from training.data.catalogue import ESCI, MSRD, PRODUCTS, CatalogueColumns, read_catalogue
from training.data.engine import open_engine
from training.data.judgments import MSRD_COLUMNS, read_judgments, read_quepid
from training.data.judgments_file import JudgmentsFile
from training.data.lists import Catalogue, QueryList
from training.data.reading import Read
from training.data.refusals import refuse_nothing
from training.data.report import Report
from training.data.splits import PARTS, Part, read_split, split_without_leaks
from training.metrics.ranking import MAX_EXPONENTIAL_GRADE
from training.training_set import read_documents, read_lists

Split = Literal["train", "validation", "test", "all"]
# Where all of five queries gain, p is still 0.06, and several models are corrected for: below this no report tells anything.
_FEWEST = 10


@dataclass(frozen=True, slots=True)
class JudgedSet:
    """What an evaluation looks at. Every query has a hit of a positive grade; the catalogue may be empty where a node holds it."""

    name: str
    part: str
    catalogue: Catalogue
    queries: tuple[QueryList, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OwnFiles:
    """A shop's own files: judgments and, unless a node holds it, the catalogue."""

    judgments: JudgmentsFile
    catalogue: Path | None = None
    columns: CatalogueColumns = PRODUCTS
    split_file: Path | None = None


@dataclass(frozen=True, slots=True)
class _Found:
    """All queries of a data set, and which part each belongs to; without parts the set is never split."""

    catalogue: Catalogue
    lists: Sequence[QueryList]
    parts: Mapping[Part, Sequence[QueryList]]
    notes: tuple[str, ...] = ()
    split_notes: tuple[str, ...] = ()


def read_folder(folder: Path, split: Split, preset: str | None = None) -> JudgedSet:
    """The judged set of a data folder, whose kind is told by its files where no preset is named."""
    name = preset or recognise(folder)
    try:
        found = _PRESETS[name].read(folder)
    except (OSError, ValueError) as error:
        raise InvalidCatalogue(f"{folder} cannot be read as {name}: {error}") from error
    _refuse_ratings(folder, found.lists, "For other ratings make lists by `rerank data lists --rating`, or name the file by --judgments")
    return _chosen(folder.name if name in {"lists", "samples"} else name, found, split)


def read_own(files: OwnFiles, split: Split) -> JudgedSet:
    """The judged set of a shop's own files, parted as `rerank data lists` parts them."""
    path = files.judgments.path
    try:
        with open_engine("duckdb") as engine:
            read = files.judgments.read(engine)
            refuse_nothing(read.report)
            lists, notes = _query_lists(read, path.name)
        catalogue, report = read_catalogue([files.catalogue], files.columns) if files.catalogue else ({}, None)
        if report is not None:
            refuse_nothing(report)
        _refuse_ratings(path, lists, "For the ratings 100, 10, 1, 0 say --esci-ratings, for others --rating RATING=GRADE")
        parts, split_report = split_without_leaks(lists, read_split(files.split_file) if files.split_file else None)
    except (OSError, ValueError, duckdb.Error) as error:
        raise InvalidCatalogue(str(error)) from error
    found = _Found(catalogue, lists, parts, (*notes, *_losses(report)), _losses(split_report))
    return _chosen(path.name.split(".")[0], found, split)


def _refuse_ratings(path: Path, lists: Sequence[QueryList], otherwise: str) -> None:
    """Before hours of scoring, not after them: metrics read whole grades, and gain 2^grade - 1."""
    for item in lists:
        for grade in item.grades:
            if grade != int(grade) or grade > MAX_EXPONENTIAL_GRADE:
                advice = otherwise if grade == int(grade) else "Round them first"
                raise InvalidCatalogue(
                    f"{path}: query {item.query!r} has the grade {grade:g}; grades are whole numbers such as 0 to 3, "
                    f"{MAX_EXPONENTIAL_GRADE} at most. {advice}"
                )


def recognise(folder: Path) -> str:
    """The preset whose files a folder holds; raises InvalidCatalogue where it holds none's."""
    for name, preset in _PRESETS.items():
        if all((folder / file).is_file() for file in preset.files):
            return name
    kinds = "; ".join(f"{name}: {', '.join(preset.files)}" for name, preset in _PRESETS.items())
    raise InvalidCatalogue(f"{folder} holds the files of no known data set ({kinds}). For other files use --judgments and --catalogue")


def limited(judged: JudgedSet, count: int | None) -> JudgedSet:
    """At most `count` queries, drawn by a checksum of their text: the same ones at every run, whatever else is in the set."""
    if count is None or count >= len(judged.queries):
        return judged
    drawn = sorted(judged.queries, key=lambda item: (zlib.crc32(f"drawn {item.query}".encode()), item.query_id))[:count]
    kept = {item.query_id for item in drawn}
    queries = tuple(item for item in judged.queries if item.query_id in kept)
    return replace(judged, queries=queries, notes=(*judged.notes, f"{count} of {len(judged.queries)} queries, drawn by checksum"))


def misspelt(judged: JudgedSet) -> JudgedSet:
    """Every query with one typing slip, the same one at every run; one without a word of four letters stays as it is, and is counted."""
    queries = tuple(replace(item, query=with_typo(item.query, random.Random(item.query))) for item in judged.queries)
    same = sum(wrong.query == right.query for wrong, right in zip(queries, judged.queries, strict=True))
    note = "queries have one typing slip each" + (f", but for {same} without a word of four letters" if same else "")
    return replace(judged, queries=queries, notes=(*judged.notes, note))


def too_few(sets: Sequence[JudgedSet]) -> tuple[str, ...]:
    """One line on the sets that have too few queries to tell anything by; none where all have enough."""
    few = ", ".join(f"{judged.name} has {len(judged.queries)}" for judged in sets if len(judged.queries) < _FEWEST)
    return (f"fewer than {_FEWEST} queries tell nothing, any difference may be chance: {few}",) if few else ()


def _chosen(name: str, found: _Found, split: Split) -> JudgedSet:
    part = split if found.parts else "all"
    lists = found.lists if part == "all" else found.parts.get(part, ())
    useful = [item for item in lists if max(item.grades, default=0) > 0]
    if not useful:
        if lists:
            raise InvalidCatalogue(
                f"{name}, {part}: all grades of its {len(lists)} judged queries are 0, so that no order is better than another"
            )
        there = ", ".join(f"{len(items)} {key}" for key, items in found.parts.items()) or "no split"
        raise InvalidCatalogue(f"{name} has no judged query in its part {split!r}: there are {there}")
    notes = list(found.notes)
    if part in {"train", "validation"}:  # The test part gives way to none.
        notes += found.split_notes
    if part != split:
        notes.append("this set has no split: all of its queries")
    if len(useful) < len(lists):
        notes.append(f"{len(lists) - len(useful)} queries without a relevant hit left out")
    return JudgedSet(name, part, found.catalogue, tuple(sorted(useful, key=lambda item: item.query_id)), tuple(notes))


def _query_lists(read: Read, source: str) -> tuple[list[QueryList], tuple[str, ...]]:
    lists, report = query_lists(read.rows, source)
    return lists, (*_losses(read.report), *_losses(report))


def _losses(report: Report | None) -> tuple[str, ...]:
    return tuple(f"{report.step}: {count} rows left out: {reason}" for reason, count in report.dropped.items()) if report else ()


def _read_esci(folder: Path) -> _Found:
    lists, notes = _query_lists(read_quepid(folder / "judgments.json.gz"), "esci")
    catalogue, report = read_catalogue([folder / "products.jsonl.gz"], ESCI)
    named = msgspec.json.decode((folder / "split.json").read_bytes(), type=dict[str, list[str]])
    unknown = sorted(set(named) - set(PARTS))
    if unknown:
        raise ValueError(f"split.json names the part {unknown[0]!r}: there are {', '.join(PARTS)}")
    parts, _ = split_without_leaks(lists, {part: named[part] for part in PARTS if part in named})
    return _Found(catalogue, lists, parts, (*notes, *_losses(report)))


def _read_msrd(folder: Path) -> _Found:
    with open_engine("duckdb") as engine:
        lists, notes = _query_lists(read_judgments(engine, [folder / "movies-judgments.tsv.gz"], MSRD_COLUMNS), "msrd")
    catalogue, report = read_catalogue([folder / "movies-corpus.jsonl.gz"], MSRD)
    parts, split_report = split_without_leaks(lists)
    return _Found(catalogue, lists, parts, (*notes, *_losses(report)), _losses(split_report))


def _read_samples(folder: Path) -> _Found:
    lists, notes = _query_lists(read_quepid(folder / "judgments.json"), "samples")
    catalogue, report = read_catalogue([folder / "products.jsonl"], PRODUCTS)
    return _Found(catalogue, lists, {}, (*notes, *_losses(report)))


def _read_training_set(folder: Path) -> _Found:
    graded = [item for item in read_lists(folder) if item.grades is not None]
    lists = [_query_list(number, item) for number, item in enumerate(graded, start=1)]
    rounded = sum(any(grade != round(grade) for grade in item.grades or ()) for item in graded)
    notes = (f"{rounded} lists have grades that are no whole numbers: rounded",) if rounded else ()
    return _Found(read_documents(folder), lists, {}, notes)


def _query_list(number: int, item: TrainingList) -> QueryList:
    grades = tuple(float(round(grade)) for grade in item.grades or ())
    return QueryList(f"{number:06d}", item.query, item.doc_ids, grades, item.source)


@dataclass(frozen=True, slots=True)
class _Preset:
    files: tuple[str, ...]
    read: Callable[[Path], _Found]


_PRESETS: Mapping[str, _Preset] = {
    "esci": _Preset(("products.jsonl.gz", "judgments.json.gz", "split.json"), _read_esci),
    "msrd": _Preset(("movies-corpus.jsonl.gz", "movies-judgments.tsv.gz"), _read_msrd),
    "samples": _Preset(("products.jsonl", "judgments.json"), _read_samples),
    "lists": _Preset(("documents.jsonl.gz", "lists.jsonl.gz"), _read_training_set),
}
PRESETS = tuple(_PRESETS)
