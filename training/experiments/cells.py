"""The cells of an experiment: each is worked once, kept as JSON, and skipped by every later run that asks for the same.

Invariant: a kept result belongs to exactly the settings that it was worked under; a killed run loses at most its last cell.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec

Result = TypeVar("Result", bound=msgspec.Struct)
Advance = Callable[[int], None]
# Shows a label and a total; moved by the function that it yields.
Progress = Callable[[str, int], AbstractContextManager[Advance]]


@dataclass(frozen=True, slots=True)
class Cell(Generic[Result]):
    """One piece of work; `settings` is everything that its result depends on, `size` its share of the progress bar."""

    name: str
    settings: Any
    work: Callable[[Advance], Result]
    size: int = 1


def finish(cells: Sequence[Cell[Result]], kind: type[Result], folder: Path, progress: Progress) -> list[Result]:
    """All results in order; those that are not kept yet are worked, one after the other."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = {_path(cell, folder): cell for cell in cells if not _path(cell, folder).is_file()}
    if missing:
        with progress(f"{len(missing)} of {len(cells)} cells", sum(cell.size for cell in missing.values())) as advance:
            for path, cell in missing.items():
                _keep(path, cell.work(advance))
    return [msgspec.json.decode(_path(cell, folder).read_bytes(), type=kind) for cell in cells]


def _keep(path: Path, result: msgspec.Struct) -> None:
    partial = path.with_suffix(".partial")
    partial.write_bytes(msgspec.json.encode(result))
    partial.rename(path)


def _path(cell: Cell[Any], folder: Path) -> Path:
    digest = blake2b(msgspec.json.encode(cell.settings, enc_hook=str), digest_size=6).hexdigest()
    return folder / f"{re.sub(r'[^a-z0-9]+', '-', cell.name.lower()).strip('-')}-{digest}.json"
