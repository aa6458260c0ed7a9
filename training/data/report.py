"""What a step of the preparation kept and what it left out, by reason, with examples named by file and line.

Invariant: rows = kept + the sum of dropped; a row is dropped for one reason, the first that applies.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import unquote, urlparse

from training.data.files import MAX_LINE_BYTES, open_text

if TYPE_CHECKING:
    import _csv

_Key = TypeVar("_Key")
# Examples show where to look; the counts tell how much there is to see.
EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that was left out: its file, its line (none in a file without lines), and why."""

    file: str
    line: int | None
    reason: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.reason}" if self.line else f"{self.file}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Report:
    """The rows that a step was given, and how many it dropped by reason."""

    step: str
    rows: int
    dropped: Mapping[str, int]
    examples: tuple[BadRow, ...] = ()

    @property
    def kept(self) -> int:
        """The rows that went on."""
        return self.rows - sum(self.dropped.values())

    def __str__(self) -> str:
        lines = [f"{self.step}: {self.rows:,} rows, {self.kept:,} kept"]
        lines += [f"  dropped {count:,}: {reason}" for reason, count in sorted(self.dropped.items(), key=lambda d: (-d[1], d[0]))]
        return "\n".join(lines + [f"    {row}" for row in self.examples])


@dataclass(frozen=True, slots=True)
class Sample:
    """A bad row as an engine saw it: its whole line, or its cells (none = empty), from which its line in the file is found."""

    file: str
    reason: str
    text: str | None = None
    cells: tuple[str | None, ...] = ()


@dataclass(slots=True)
class _Wanted:
    lines: dict[str, list[str]] = field(default_factory=dict)
    cells: dict[tuple[str | None, ...], list[str]] = field(default_factory=dict)

    def add(self, sample: Sample) -> None:
        if sample.text is not None:
            self.lines.setdefault(sample.text.splitlines()[0], []).append(sample.reason)
        else:
            self.cells.setdefault(sample.cells, []).append(sample.reason)


def locate(samples: Sequence[Sample], delimiter: str) -> tuple[BadRow, ...]:
    """The samples with their lines, in the order of the files; `delimiter` is that of files whose samples are cells.

    Engines read files in parallel and know no line numbers, so the files that hold bad rows are read once more, up to the last one.
    """
    by_file: dict[str, _Wanted] = {}
    for sample in samples:
        by_file.setdefault(_local(sample.file), _Wanted()).add(sample)
    return tuple(row for file, wanted in sorted(by_file.items()) for row in sorted(_located(file, wanted, delimiter), key=_by_line))


def without_lines(samples: Sequence[Sample]) -> tuple[BadRow, ...]:
    """The samples of files that have no lines, such as Parquet."""
    return tuple(BadRow(_local(sample.file), None, sample.reason) for sample in samples)


def count(rows: Mapping[str | None, int], step: str, examples: Sequence[BadRow] = ()) -> Report:
    """The report of rows counted by the reason why they are dropped, none for those that are kept."""
    dropped = Counter({reason: number for reason, number in rows.items() if reason is not None and number})
    return Report(step, sum(rows.values()), dropped, tuple(examples))


def _located(file: str, wanted: _Wanted, delimiter: str) -> Iterator[BadRow]:
    with open_text(Path(file)) as text:
        for number, line in enumerate(text, start=1):
            if not wanted.lines:
                break
            yield from (BadRow(file, number, reason) for reason in _take(wanted.lines, line.rstrip("\r\n")))
    if not wanted.cells:
        return
    # The engines take longer cells than Python's reader does unasked.
    csv.field_size_limit(MAX_LINE_BYTES)
    with open_text(Path(file)) as text, suppress(csv.Error):
        yield from _located_cells(file, csv.reader(text, delimiter=delimiter), wanted.cells)
    # What an engine takes Python's reader may refuse, or split otherwise: the reason is told all the same.
    yield from (BadRow(file, None, reason) for reasons in wanted.cells.values() for reason in reasons)


def _located_cells(file: str, reader: _csv.Reader, wanted: dict[tuple[str | None, ...], list[str]]) -> Iterator[BadRow]:
    started = 1
    for cells in reader:
        key = tuple(cell or None for cell in cells)
        yield from (BadRow(file, started, reason) for reason in _take(wanted, key))
        started = reader.line_num + 1
        if not wanted:
            return


def _take(wanted: dict[_Key, list[str]], key: _Key) -> list[str]:
    """One reason waiting for this row: equal rows take the equal samples one by one."""
    reasons = wanted.get(key)
    if not reasons:
        return []
    reason = reasons.pop()
    if not reasons:
        del wanted[key]
    return [reason]


def _by_line(row: BadRow) -> int:
    return row.line or 0


def _local(file: str) -> str:
    """Spark names files by URL."""
    return unquote(urlparse(file).path) if file.startswith("file:") else file
