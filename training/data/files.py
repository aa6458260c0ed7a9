"""Text files as both engines and the error reports see them: opened, their headers read, their absence named."""

from __future__ import annotations

import csv
import gzip
import json
import zlib
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from itertools import islice
from pathlib import Path
from typing import TextIO, cast

from cluster.delimited import delimiter_of

# A line of a log is read whole; one longer than this is no log line.
MAX_LINE_BYTES = 16 * 1024 * 1024


def open_text(path: Path) -> TextIO:
    """A text file in UTF-8, with or without a byte order mark, plain or gzipped; line ends are kept as they are.

    Bytes that are no UTF-8 become the replacement character: a broken letter is no reason to lose a product.
    """
    _refuse_half_a_gzip(path)
    opened = gzip.open if path.suffix == ".gz" else open
    return cast(TextIO, opened(path, "rt", encoding="utf-8-sig", errors="replace", newline=""))


def first_delimiter(paths: Sequence[Path], usual: str) -> str:
    """What parts the cells of the first file, by its first line; other files with another one have other columns then."""
    with open_text(Path(existing(paths)[0])) as file:
        return delimiter_of(file.readline(), usual)


def read_header(paths: Sequence[Path], delimiter: str) -> list[str]:
    """The column names that all the files share; raises ValueError where they differ or a name repeats."""
    headers = {}
    for path in existing(paths):
        with open_text(Path(path)) as file:
            # `query, doc_id`: what stands after a comma belongs to no name.
            headers[path] = [name.strip() for name in next(csv.reader(file, delimiter=delimiter), [])]
    for path, header in headers.items():
        if not header:
            raise ValueError(f"{path} is empty: its first line must name the columns")
    first, *others = headers.items()
    for path, header in others:
        if header != first[1]:
            raise ValueError(f"{path} and {first[0]} have different columns")
    if len(set(first[1])) != len(first[1]) or not all(first[1]):
        raise ValueError(f"{first[0]}: a column name is empty or repeats: {first[1]}")
    refuse_reserved(first[0], first[1])
    return first[1]


def refuse_reserved(path: str | Path, names: Sequence[str]) -> None:
    """Raise ValueError where a column has the name that both engines keep a row's file under."""
    if "file" in (name.lower() for name in names):
        raise ValueError(f"{path} has a column named file, the name under which each row's own file is kept: give it another name")


def dotted_keys(paths: Sequence[Path], lines: int = 100) -> frozenset[str]:
    """Keys of JSON objects that have dots in their own names (`user.id`), as the first lines of each file write them."""
    found: set[str] = set()
    for path in existing(paths):
        with open_text(Path(path)) as file:
            for line in islice(file, lines):
                with suppress(ValueError):
                    row = json.loads(line)
                    found.update(key for key in (row if isinstance(row, dict) else ()) if "." in key)
    return frozenset(found)


def existing(paths: Sequence[Path]) -> list[str]:
    """The paths as text; raises FileNotFoundError where one is missing."""
    missing = [str(path) for path in paths if not path.exists()]
    if missing or not paths:
        raise FileNotFoundError(f"no such file: {', '.join(missing) or 'none was given'}")
    for path in paths:
        _refuse_half_a_gzip(path)
    return [str(path) for path in paths]


def _refuse_half_a_gzip(path: Path) -> None:
    """Raise ValueError where a .gz file is cut off or none: engines read the half of a log as if it were all."""
    if path.suffix == ".gz" and path.is_file():
        state = path.stat()
        _read_to_the_end(path, state.st_size, state.st_mtime_ns)


@cache
def _read_to_the_end(path: Path, _size: int, _changed_ns: int) -> None:
    try:
        with gzip.open(path) as file:
            while file.read(1 << 20):
                pass
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{path} is no whole gzip file ({error}): fetch it again, or take .gz off its name") from error
