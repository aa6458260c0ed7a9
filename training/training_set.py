"""A training set on disk: `documents.jsonl.gz` (id and fields) and `lists.jsonl.gz` (query, hits, grades or teacher logits).

The training tools meet here: readers and miners write training sets, teachers add their logits, the trainer reads them.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from sidecar.encoding import Fields
from training.batches import TrainingList

_DOCUMENTS = "documents.jsonl.gz"
_LISTS = "lists.jsonl.gz"


def write_documents(directory: Path, documents: Mapping[str, Fields]) -> None:
    """Write the documents, one JSON object a line: {"id": ..., "fields": {...}}."""
    _write_lines(directory / _DOCUMENTS, ({"id": doc_id, "fields": dict(fields)} for doc_id, fields in documents.items()))


def write_lists(directory: Path, lists: Iterable[TrainingList]) -> None:
    """Write the lists, one JSON object a line."""
    _write_lines(directory / _LISTS, lists)


def read_documents(directory: Path) -> dict[str, Fields]:
    """All documents by id."""
    documents: dict[str, Fields] = {}
    for line in _lines(directory / _DOCUMENTS):
        row: dict[str, Any] = msgspec.json.decode(line)
        documents[row["id"]] = row["fields"]
    return documents


def read_lists(directory: Path) -> list[TrainingList]:
    """All lists, in file order; raises ValueError naming the line that is not a list."""
    decoder = msgspec.json.Decoder(TrainingList)
    lists = []
    for number, line in enumerate(_lines(directory / _LISTS), start=1):
        try:
            lists.append(decoder.decode(line))
        except (msgspec.ValidationError, msgspec.DecodeError) as error:
            raise ValueError(f"{directory / _LISTS}:{number}: {error}") from error
    return lists


def is_training_set(directory: Path) -> bool:
    """Whether the folder holds the files of a training set."""
    return all((directory / name).is_file() for name in (_DOCUMENTS, _LISTS))


def _write_lines(path: Path, rows: Iterable[object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    encoder = msgspec.json.Encoder()
    partial = path.with_suffix(".partial")
    # mtime 0: the same rows make the same bytes.
    with partial.open("wb") as raw, gzip.GzipFile(fileobj=raw, mode="wb", compresslevel=4, mtime=0) as file:
        for row in rows:
            file.write(encoder.encode(row) + b"\n")
    partial.rename(path)


def _lines(path: Path) -> Iterator[bytes]:
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: is {path.parent} a training set?")
    with gzip.open(path, "rb") as file:
        yield from file
