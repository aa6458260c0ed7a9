"""Catalogue files -> documents, row by row: JSONL, CSV or TSV, plain or gzipped.

Invariant: a row that cannot be indexed is named by file and line and left out; it never stops the rows after it.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator, Mapping, Set
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import msgspec

from cluster.columns import KNOWN_COLUMNS, has, joined, recognised
from cluster.delimited import delimited_rows
from cluster.errors import InvalidCatalogue

ID_FIELDS = ("_id", "id")
# OpenSearch's limit, in bytes: one longer id would have it refuse the whole bulk request.
LONGEST_ID = 512
_READERS = {".jsonl": "json", ".ndjson": "json", ".csv": ",", ".tsv": "\t"}


@dataclass(frozen=True, slots=True)
class Document:
    """A document's id, the body that is indexed, and the line that it came from."""

    id: str
    body: dict[str, Any]
    line: int


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that was left out, and why."""

    file: Path
    line: int
    reason: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.reason}"


@dataclass(frozen=True, slots=True)
class FieldNames:
    """How a catalogue's columns become the index's fields.

    `renamed` maps source to target, several sources of one target are joined in this order; `id_field` names the id (None: what is
    renamed to an id, else recognised). A source with dots that is no column is a path into one, which stays whole. `own` are fields of the
    index's mapping: recognised columns of those names stay there too.
    """

    renamed: Mapping[str, str] = field(default_factory=dict)
    id_field: str | None = None
    own: Set[str] = frozenset()

    def document(self, row: dict[str, Any], line: int) -> Document:
        """The document of a row; raises ValueError where it has no id, or none that OpenSearch takes."""
        name, identity = self._identity(row)
        if isinstance(identity, bool) or not isinstance(identity, str | int):
            raise ValueError(f"{name} must be a text or a whole number, not {type(identity).__name__}")
        if (size := len(str(identity).encode(errors="replace"))) > LONGEST_ID:
            raise ValueError(f"{name} has {size} bytes: OpenSearch takes ids of at most {LONGEST_ID}")
        # OpenSearch keeps `_id` for itself: it is refused inside a body.
        body = {key: value for key, value in self._fields(row).items() if key != "_id" and value is not None}
        return Document(str(identity), body, line)

    def found_in_none(self, columns: Set[str]) -> list[str]:
        """The sources of a target of which the catalogue, with these columns, has none; empty where every target has one."""
        sources: dict[str, list[str]] = {}
        for source, target in self.renamed.items():
            # Without an id every row is named anyway.
            if target not in ID_FIELDS:
                sources.setdefault(target, []).append(source)
        return next((names for names in sources.values() if columns.isdisjoint(names)), [])

    def paths_in(self, row: Mapping[str, Any]) -> set[str]:
        """The renamed sources that are paths to something in a row, and no columns of it."""
        return {source for source in self.renamed if source not in row and has(row, source)}

    def rules(self) -> str:
        """Identifies how rows become documents: the same text means the same document of the same row."""
        # Columns renamed to the id are named again: an index that was built before they made it is then built anew.
        return repr((list(self.renamed.items()), self.id_field or self._renamed_to_id() or None, sorted(KNOWN_COLUMNS.items())))

    def _identity(self, row: Mapping[str, Any]) -> tuple[str, Any]:
        """The columns that hold the row's id, by name, and their value."""
        # A row without the chosen column has no id: its own `id` would be one of another kind, and could be another row's.
        chosen = (self.id_field,) if self.id_field else self._renamed_to_id()
        for columns in [chosen] if chosen else [(name,) for name in ID_FIELDS]:
            value = joined(row, columns)
            if value not in (None, ""):
                return " and ".join(columns), value
        expected = " or ".join(chosen) if chosen else f"{' or '.join(ID_FIELDS)} (--id-field names another column)"
        raise ValueError(f"no id: expected a value in {expected}")

    def _renamed_to_id(self) -> tuple[str, ...]:
        """The columns of the first id field that something is renamed to; none where nothing is."""
        groups = (tuple(source for source, target in self.renamed.items() if target == name) for name in ID_FIELDS)
        return next((columns for columns in groups if columns), ())

    def _fields(self, row: dict[str, Any]) -> dict[str, Any]:
        made = self._chosen(row)
        # What a path leads into is no column for a whole role, in rows without the path either.
        into = {source.partition(".")[0] for source in self.renamed if source not in row}
        free = row.keys() - into - {column for columns in made.values() for column in columns}
        for role in KNOWN_COLUMNS.keys() - made.keys():
            if columns := recognised(free, role):
                made[role] = columns
        # A column that is taken in part stays as well: the rest of it would be lost. So does one that the shop's own queries may name.
        moved = {column for columns in made.values() for column in columns if column in self.renamed or column not in self.own}
        return {key: value for key, value in row.items() if key not in moved} | {role: joined(row, made[role]) for role in made}

    def _chosen(self, row: dict[str, Any]) -> dict[str, list[str]]:
        chosen: dict[str, list[str]] = {}
        for source, target in self.renamed.items():
            if has(row, source):
                chosen.setdefault(target, []).append(source)
        return chosen


def read_catalogue(path: Path, names: FieldNames) -> Iterator[Document | BadRow]:
    """The rows of a file in order, each a document or the reason why it is none.

    Raises InvalidCatalogue where no row has a column that `names` renames, of a table before its first row, else at the end: a slip in its
    name would cost a field of all.
    """
    kind = _kind(path)
    columns: set[str] = set()
    with _opened(path) as file:
        rows = _json_rows(path, file) if kind == "json" else _delimited_rows(path, file, kind, columns, names)
        for line, row in rows:
            if isinstance(row, BadRow):
                yield row
                continue
            columns |= row.keys() | names.paths_in(row)
            try:
                yield names.document(row, line)
            except ValueError as error:
                yield BadRow(path, line, str(error))
    _refuse_slips(path, names, columns)


def _refuse_slips(path: Path, names: FieldNames, columns: Set[str]) -> None:
    if columns and (slips := names.found_in_none(columns)):
        raise InvalidCatalogue(f"{path}: no row has the column {' or '.join(slips)}; the rows have {', '.join(sorted(columns))}")


def count_rows(path: Path) -> int:
    """How many rows a file has, for a progress bar that comes to its end: those that `read_catalogue` leaves out are rows too."""
    kind = _kind(path)
    with _opened(path) as file:
        if kind == "json":
            return sum(1 for line in file if line.strip())
        # The first one names the columns.
        return max(0, sum(1 for _ in delimited_rows(file, kind)) - 1)


def _kind(path: Path) -> str:
    suffixes = [suffix for suffix in path.suffixes if suffix != ".gz"]
    kind = _READERS.get(suffixes[-1]) if suffixes else None
    if kind is None:
        raise InvalidCatalogue(f"{path}: expected a name ending in {', '.join(_READERS)}, alone or with .gz")
    if not path.is_file():
        raise InvalidCatalogue(f"{path} is not a file")
    return kind


@contextmanager
def _opened(path: Path) -> Iterator[IO[str]]:
    """The text of a file for the length of the block; raises InvalidCatalogue where it cannot be read to its end."""
    try:
        with _open(path) as file:
            yield file
    # A broken gzip file shows itself late, and in three ways: not gzip, cut off, garbage inside.
    except (OSError, EOFError, zlib.error) as error:
        hint = "fetch it again, or take .gz off its name if it is a plain file" if path.suffix == ".gz" else "see whether you may read it"
        raise InvalidCatalogue(f"{path} cannot be read: {error}; {hint}") from error


def _open(path: Path) -> IO[str]:
    # A byte that is no UTF-8 becomes a mark in its own row instead of an end of the file.
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", errors="replace", newline="")
    return path.open(encoding="utf-8-sig", errors="replace", newline="")


def _json_rows(path: Path, file: IO[str]) -> Iterator[tuple[int, dict[str, Any] | BadRow]]:
    for line, text in enumerate(file, start=1):
        if not text.strip():
            continue
        try:
            yield line, msgspec.json.decode(text, type=dict[str, Any])
        except msgspec.MsgspecError as error:
            yield line, BadRow(path, line, f"not a JSON object: {error}")


def _delimited_rows(
    path: Path, file: IO[str], delimiter: str, columns: set[str], names: FieldNames
) -> Iterator[tuple[int, dict[str, Any] | BadRow]]:
    rows = delimited_rows(file, delimiter)
    _, header = next(rows, (1, []))
    if isinstance(header, str):
        raise InvalidCatalogue(f"{path}: the first line does not name the columns: {header}")
    if not any(header):
        raise InvalidCatalogue(f"{path}: the first line must name the columns")
    # `id, title`: what stands after a comma belongs to no name.
    header = [name.strip() for name in header]
    # One whose cells are all empty is in no row.
    columns.update(header)
    _refuse_slips(path, names, columns)
    for line, cells in rows:
        if isinstance(cells, str):
            yield line, BadRow(path, line, cells)
        elif len(cells) != len(header):
            yield line, BadRow(path, line, f"{len(cells)} cells under {len(header)} columns")
        else:
            yield line, {name: cell for name, cell in zip(header, cells, strict=True) if cell}
