"""CSV and TSV text -> rows of cells, by line.

Invariant: a row that cannot be read costs no other row. A quote that is never closed (an inch mark, most often) would take all that
follows into one cell: the lines after the one where its row starts are read again, as rows of their own.
"""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterable, Iterator

# Characters. The csv module's own limit is an eighth of it, which an article's text may pass; what is longer is an open quote.
LONGEST_CELL = 1 << 20


def delimited_rows(text: Iterable[str], delimiter: str) -> Iterator[tuple[int, list[str] | str]]:
    """Each row with the line that it starts on: its cells, or why it is none. Blank lines are no rows.

    `text` gives lines with their ends, as a file does that was opened with `newline=""`. A quoted cell may hold line breaks.
    """
    csv.field_size_limit(max(csv.field_size_limit(), LONGEST_CELL))
    lines = _Lines(text)
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
