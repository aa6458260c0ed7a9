"""CSV and TSV text -> rows of cells, by line.

Invariant: a row that cannot be read costs no other row. A quote that is never closed (an inch mark, most often) would take all that
follows into one cell: the lines after the one where its row starts are read again, as rows of their own.
"""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain, islice

# Characters. The csv module's own limit is an eighth of it, which an article's text may pass; what is longer is an open quote.
LONGEST_CELL = 1 << 20


def delimiter_of(header: str, usual: str) -> str:
    """What parts the cells of a file whose first line is `header`: in a CSV a semicolon, a tab or a bar too, where there are more of them
    than of commas. Spreadsheets write semicolons where the comma is the decimal sign.
    """
    bare = re.sub(r'"[^"]*"', "", header)
    return max(",;\t|", key=bare.count) if usual == "," else usual


def delimited_rows(text: Iterable[str], delimiter: str) -> Iterator[tuple[int, list[str] | str]]:
    """Each row with the line that it starts on: its cells, or why it is none. Blank lines are no rows.

    `text` gives lines with their ends, as a file does that was opened with `newline=""`. A quoted cell may hold line breaks. For the comma
    as `delimiter` the first line may tell another (`delimiter_of`).
    """
    csv.field_size_limit(max(csv.field_size_limit(), LONGEST_CELL))
    given = iter(text)
    header = list(islice(given, 1))
    delimiter = delimiter_of("".join(header), delimiter)
    lines = _Lines(chain(header, given))
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        start = lines.begin()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            lines.repeat_all_but_the_first()
            yield start, f"not a row: {error}"
            continue
        if cells:
            yield start, cells


class _Lines:
    """The text's lines, of which those of a row can be given again."""

    def __init__(self, text: Iterable[str]) -> None:
        self._text = iter(text)
        self._again: deque[str] = deque()
        self._given: list[str] = []
        self._next = 1

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._text)
        self._given.append(line)
        return line

    def begin(self) -> int:
        """A row begins: the number of its first line."""
        self._next += len(self._given)
        self._given.clear()
        return self._next

    def repeat_all_but_the_first(self) -> None:
        """The row was none: what its later lines hold is still to be read."""
        self._again.extendleft(reversed(self._given[1:]))
        del self._given[1:]
