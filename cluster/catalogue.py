"""Catalogue files -> documents, row by row: JSONL, CSV or TSV, plain or gzipped.

Invariant: a row that cannot be indexed is named by file and line and left out; it never stops the rows after it.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import msgspec

from cluster.errors import InvalidCatalogue

ID_FIELDS = ("_id", "id")
# Names that public catalogues use for a role of ours; a document's own field of the role's name goes first.
KNOWN_NAMES = {
    "bullet_points": "attributes",
    "name": "title",
    "product_name": "title",
    "overview": "description",
    "categories": "category",
    "colour": "color",
    "genres": "category",
    "director": "creator",
    "author": "creator",
}
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
    """How a catalogue's names become the index's: `renamed` maps source to target, `id_field` names the id (None: recognised)."""

    renamed: Mapping[str, str] = field(default_factory=dict)
    id_field: str | None = None

    def document(self, row: dict[str, Any], line: int) -> Document:
        """The document of a row; raises ValueError where it has no id."""
        names = (self.id_field,) if self.id_field else ID_FIELDS
        name = next((name for name in names if row.get(name) not in (None, "")), None)
        if name is None:
            raise ValueError(f"no id: expected a value in {' or '.join(names)}")
        identity = row[name]
        if isinstance(identity, bool) or not isinstance(identity, str | int):
            raise ValueError(f"{name} must be a text or a whole number, not {type(identity).__name__}")
        # OpenSearch keeps `_id` for itself: it is refused inside a body.
        body = {key: value for key, value in self._rename(row).items() if key != "_id" and value is not None}
        return Document(str(identity), body, line)

    def _rename(self, row: dict[str, Any]) -> dict[str, Any]:
        recognised = {old: new for old, new in KNOWN_NAMES.items() if old in row and new not in row}
        chosen = {**recognised, **self.renamed}
        return {chosen.get(key, key): value for key, value in row.items()}


def read_catalogue(path: Path, names: FieldNames) -> Iterator[Document | BadRow]:
    """The rows of a file in order, each a document or the reason why it is none."""
    kind = _kind(path)
    with _open(path) as file:
        rows = _json_rows(path, file) if kind == "json" else _delimited_rows(path, file, kind)
        for line, row in rows:
            if isinstance(row, BadRow):
                yield row
                continue
            try:
                yield names.document(row, line)
            except ValueError as error:
                yield BadRow(path, line, str(error))


def count_rows(path: Path) -> int:
    """About how many rows a file has, for a progress bar."""
    kind = _kind(path)
    with _open(path) as file:
        lines = sum(1 for line in file if line.strip())
    return max(0, lines if kind == "json" else lines - 1)


def _kind(path: Path) -> str:
    suffixes = [suffix for suffix in path.suffixes if suffix != ".gz"]
    kind = _READERS.get(suffixes[-1]) if suffixes else None
    if kind is None:
        raise InvalidCatalogue(f"{path}: expected a name ending in {', '.join(_READERS)}, alone or with .gz")
    if not path.is_file():
        raise InvalidCatalogue(f"{path} is not a file")
    return kind


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


def _delimited_rows(path: Path, file: IO[str], delimiter: str) -> Iterator[tuple[int, dict[str, Any] | BadRow]]:
    reader = csv.reader(file, delimiter=delimiter, strict=True)
    header = next(reader, None)
    if not header or not any(header):
        raise InvalidCatalogue(f"{path}: the first line must name the columns")
    while True:
        # A quoted cell may hold line breaks, so a row is named by the line that it starts on.
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield line, BadRow(path, line, f"not a row: {error}")
            continue
        if not cells:
            continue
        if len(cells) != len(header):
            yield line, BadRow(path, line, f"{len(cells)} cells under {len(header)} columns")
            continue
        yield line, {name: cell for name, cell in zip(header, cells, strict=True) if cell}
