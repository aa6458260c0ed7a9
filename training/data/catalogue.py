"""Catalogue files -> documents by id, each a mapping of the text template's roles to values: what the sidecar gets as `fields`.

Read row by row on this machine: training holds the documents' texts in memory anyway; it is logs that outgrow it. Invariant: a row that
is no document is named by file and line and left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TextIO

import msgspec

from cluster.delimited import delimited_rows
from cluster.paths import at_path, holds_objects, texts_at
from cluster.roles import ROLES
from sidecar.encoding import Fields, FieldValue
from training.data.files import open_text
from training.data.lists import Catalogue
from training.data.report import EXAMPLES, BadRow, Report

_Row = dict[str, object]


@dataclass(frozen=True, slots=True)
class CatalogueColumns:
    """Which column holds the id, and which column or columns make each role; `actors[:5]` takes the first five of a list,
    `author.name` leads into objects (cluster.paths).

    Several columns of one role are joined: lists into one list, texts into one text. `separator` splits the texts of a role's columns
    into a list, as in `Action|Comedy`.
    """

    doc_id: str
    roles: Mapping[str, str | Sequence[str]]
    separator: str | None = None
    # Whether a user wrote the roles: then a column that no row has is a slip.
    named: bool = False


ESCI = CatalogueColumns(
    "_id",
    {"title": "title", "brand": "brand", "color": "color", "category": "category", "description": ("description", "bullet_points")},
)
MSRD = CatalogueColumns(
    "id",
    {
        "title": "title",
        "category": "genres",
        "tags": "tags",
        "creator": ("director", "actors[:5]"),
        "year": "year",
        "description": "overview",
    },
)
MOVIELENS = CatalogueColumns("movieId", {"title": "title", "category": "genres"}, separator="|")
# Where no column of the document id is named.
_ID = "id"
# The columns of the project's own samples have the roles' names.
PRODUCTS = CatalogueColumns(_ID, {role: role for role in ROLES})
PRESETS: Mapping[str, CatalogueColumns] = {"esci": ESCI, "msrd": MSRD, "movielens": MOVIELENS, "products": PRODUCTS}


def catalogue_columns(preset: str | None, roles: Sequence[str], id_column: str | None) -> CatalogueColumns:
    """The columns of a preset, or those that `ROLE=COLUMN[,COLUMN]` texts name; without either, roles are columns of their own name.

    What is named, the column of the id too, goes before the preset's.
    """
    if preset is not None and preset not in PRESETS:
        raise ValueError(f"there is no preset {preset!r}; there are {', '.join(PRESETS)}")
    named: dict[str, str | Sequence[str]] = {}
    for text in roles:
        role, equals, columns = text.partition("=")
        if not role or not equals or not columns:
            raise ValueError(f"{text!r} is not of the form ROLE=COLUMN or ROLE=COLUMN,COLUMN")
        named[role] = columns.split(",")
    if preset is not None:
        usual = PRESETS[preset]
        return replace(usual, doc_id=id_column or usual.doc_id, roles={**usual.roles, **named})
    return CatalogueColumns(id_column or _ID, named or {role: role for role in ROLES}, named=bool(named))


def read_catalogue(paths: Sequence[Path], columns: CatalogueColumns) -> tuple[Catalogue, Report]:
    """The documents of JSONL, CSV or TSV files, plain or gzipped; of an id that repeats, the first.

    Raises ValueError where no row has the column of the id, or those of a role that the user named.
    """
    catalogue: dict[str, Fields] = {}
    bad: list[BadRow] = []
    known: set[str] = set()
    for path in paths:
        for line, row in _rows(path):
            if not isinstance(row, str):
                known |= row.keys()
            reason = row if isinstance(row, str) else _add(catalogue, row, columns)
            if reason is not None:
                bad.append(BadRow(str(path), line, reason))
    if known:
        _refuse_unknown(columns, known)
    dropped: dict[str, int] = {}
    for found in bad:
        dropped[found.reason] = dropped.get(found.reason, 0) + 1
    examples = [row for reason in dropped for row in [b for b in bad if b.reason == reason][:EXAMPLES]]
    return catalogue, Report("catalogue", len(catalogue) + len(bad), dropped, tuple(examples))


def _refuse_unknown(columns: CatalogueColumns, known: Set[str]) -> None:
    have = f"the rows have {', '.join(sorted(known))}"
    if known.isdisjoint([columns.doc_id, columns.doc_id.split(".")[0]]):
        raise ValueError(f"no row has the id's column {columns.doc_id!r}: name it by --id-column or --preset; {have}")
    for role, names in columns.roles.items() if columns.named else ():
        paths = [names] if isinstance(names, str) else names
        columns_named = [path.partition("[")[0] for path in paths]
        if known.isdisjoint([*columns_named, *(name.split(".")[0] for name in columns_named)]):
            raise ValueError(f"--role {role}={','.join(paths)}: no row has it; {have}")


def document(row: Mapping[str, object], columns: CatalogueColumns) -> Fields:
    """A row's roles, those without a value left out."""
    found = {role: _role(row, [names] if isinstance(names, str) else names, columns.separator) for role, names in columns.roles.items()}
    return {role: value for role, value in found.items() if value not in (None, "", [])}


def _add(catalogue: dict[str, Fields], row: _Row, columns: CatalogueColumns) -> str | None:
    """Adds the row's document, or says why not."""
    identity = row.get(columns.doc_id) if columns.doc_id in row or "." not in columns.doc_id else at_path(row, columns.doc_id)
    if isinstance(identity, bool) or not isinstance(identity, str | int) or identity == "":
        return f"no {columns.doc_id}"
    if str(identity) in catalogue:
        return f"{columns.doc_id} repeats"
    fields = document(row, columns)
    if not fields:
        return f"none of {', '.join(columns.roles)}"
    catalogue[str(identity)] = fields
    return None


def _role(row: Mapping[str, object], paths: Sequence[str], separator: str | None) -> FieldValue:
    values = [value for path in paths if (value := _value(row, path, separator)) not in (None, "", [])]
    if len(values) <= 1:
        return values[0] if values else None
    if any(isinstance(value, list) for value in values):
        return [str(item) for value in values for item in (value if isinstance(value, list) else [value])]
    return " ".join(str(value) for value in values)


def _value(row: Mapping[str, object], path: str, separator: str | None) -> FieldValue:
    name, _, count = path.removesuffix("]").partition("[:")
    value = texts_at(row, name) if "." in name or holds_objects(row.get(name)) else row.get(name)
    if isinstance(value, str) and separator is not None and separator in value:
        value = value.split(separator)
    if isinstance(value, list):
        return [str(item) for item in value if item not in (None, "")][: int(count) if count else None]
    return value if isinstance(value, str | int | float) else None


def _rows(path: Path) -> Iterator[tuple[int, _Row | str]]:
    """Each row with its line, or why it is none."""
    kind = path.with_suffix("").suffix if path.suffix == ".gz" else path.suffix
    with open_text(path) as file:
        if kind in {".jsonl", ".ndjson", ".json"}:
            yield from _json_rows(file)
        elif kind in {".csv", ".tsv"}:
            yield from _delimited_rows(file, "," if kind == ".csv" else "\t")
        else:
            raise ValueError(f"{path}: a catalogue's name ends in .jsonl, .ndjson, .json, .csv or .tsv, or one of them and .gz")


def _json_rows(file: TextIO) -> Iterator[tuple[int, _Row | str]]:
    decoder = msgspec.json.Decoder(dict[str, object])
    for number, line in enumerate(file, start=1):
        if not line.strip():
            continue
        try:
            yield number, decoder.decode(line)
        except (msgspec.DecodeError, msgspec.ValidationError):
            yield number, "not a JSON object"


def _delimited_rows(file: TextIO, delimiter: str) -> Iterator[tuple[int, _Row | str]]:
    rows = delimited_rows(file, delimiter)
    _, header = next(rows, (1, []))
    if isinstance(header, str):
        raise ValueError(f"{file.name}: the first line does not name the columns: {header}")
    header = [name.strip() for name in header]
    for line, cells in rows:
        if isinstance(cells, str):
            yield line, cells
        else:
            whole = len(cells) == len(header)
            yield line, dict(zip(header, cells, strict=True)) if whole else "cannot be split into the columns of the header"
