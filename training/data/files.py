"""Text files as both engines and the error reports see them: opened, their headers read, their absence named."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO, cast

# A line of a log is read whole; one longer than this is no log line.
MAX_LINE_BYTES = 16 * 1024 * 1024


def open_text(path: Path) -> TextIO:
    """A text file in UTF-8, with or without a byte order mark, plain or gzipped; line ends are kept as they are.

    Bytes that are no UTF-8 become the replacement character: a broken letter is no reason to lose a product.
    """
    opened = gzip.open if path.suffix == ".gz" else open
    return cast(TextIO, opened(path, "rt", encoding="utf-8-sig", errors="replace", newline=""))


def read_header(paths: Sequence[Path], delimiter: str) -> list[str]:
    """The column names that all the files share; raises ValueError where they differ or a name repeats."""
    headers = {}
    for path in existing(paths):
        with open_text(Path(path)) as file:
            headers[path] = next(csv.reader(file, delimiter=delimiter), [])
    for path, header in headers.items():
        if not header:
            raise ValueError(f"{path} is empty: its first line must name the columns")
    first, *others = headers.items()
    for path, header in others:
        if header != first[1]:
            raise ValueError(f"{path} and {first[0]} have different columns")
    if len(set(first[1])) != len(first[1]) or not all(first[1]):
        raise ValueError(f"{first[0]}: a column name is empty or repeats: {first[1]}")
    return first[1]


def existing(paths: Sequence[Path]) -> list[str]:
    """The paths as text; raises FileNotFoundError where one is missing."""
    missing = [str(path) for path in paths if not path.exists()]
    if missing or not paths:
        raise FileNotFoundError(f"no such file: {', '.join(missing) or 'none was given'}")
    return [str(path) for path in paths]
