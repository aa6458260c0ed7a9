"""Quotes that are never closed: a CSV reader takes every line up to the next quote into one row, and what it takes is to be counted.

Invariant: the lines of the files = their headers + rows + line breaks inside good rows + lines that are lost.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import reduce
from operator import add, or_
from pathlib import Path

import ibis
from ibis.expr.types import BooleanScalar, IntegerScalar, StringScalar, Table

from training.data.files import open_text

SWALLOWED = "a cell goes on over the end of a line and a delimiter after it, as after a quote that is never closed"
LOST = "lost with the row before it, whose quote takes in the lines up to the next one"
# DuckDB shows no more of a malformed row.
_SHOWN_CHARACTERS = 10_000


def swallows(rows: Table, delimiter: str) -> BooleanScalar:
    """Whether a row has a cell with a line break and a delimiter after it: other rows, where cells are short."""
    return reduce(or_, (cell.re_search(rf"[\r\n][^\r\n]*{re.escape(delimiter)}").fill_null(False) for cell in _cells(rows)))


def lost_lines(paths: Sequence[Path], good: Table, records: int) -> int:
    """Lines of the files that are in no row: of all `records`, only the `good` may be longer than a line. Empty lines count nowhere."""
    broken = good.aggregate(breaks=reduce(add, map(_breaks, _cells(good))).sum()).to_pyarrow().to_pylist()[0]["breaks"] or 0
    # A file of one column may have empty lines for rows.
    return max(0, sum(map(_lines, paths)) - len(paths) - records - int(broken))


def lost_with(text: str) -> str:
    """What to add to the reason of a malformed row: how many lines are lost with it."""
    after = len(re.findall(r"[\r\n]+", text.strip("\r\n")))
    if not after:
        return ""
    if len(text) >= _SHOWN_CHARACTERS:
        return f", and at least {after:,} lines after it are lost with it"
    return f", and {after:,} {'line' if after == 1 else 'lines'} after it {'is' if after == 1 else 'are'} lost with it"


def _cells(rows: Table) -> list[StringScalar]:
    return [rows[name] for name, kind in rows.schema().items() if kind.is_string() and name != "file"]


def _breaks(cell: StringScalar) -> IntegerScalar:
    marked, unmarked = (cell.re_replace(r"[\r\n]+", mark).length() for mark in ("|", ""))
    return ibis.coalesce(marked - unmarked, 0)


def _lines(path: Path) -> int:
    with open_text(path) as text:
        return sum(1 for line in text if line.strip("\r\n"))
