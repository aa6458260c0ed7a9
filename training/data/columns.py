"""Raw text columns -> typed ones, in expressions that both engines read alike.

Invariant: what cannot be read as its type is null, never an error in the middle of a run; the reader names the row.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import ibis
from ibis.expr.types import FloatingScalar, IntegerScalar, StringScalar, Table

# From 1990 to the end of 2099: a time outside is a number in another unit, or none that counts time.
_TIMES_MS = (631_152_000_000, 4_102_444_799_999)
# Names as logs have them (@timestamp, search-term), less the signs that both engines' paths are written in.
_KEY = r"""[^.\[\]'"*$\\|]+"""
# An array or an object as JSON text, as a shopper's own text does not begin: of strings, of arrays and objects, of numbers alone.
_SEVERAL = r"""(?s)^(\[\s*["\[{].*|\{\s*["}].*|\[\s*\]|\[\s*-?[0-9.]+(\s*,\s*-?[0-9.]+)*\s*\])$"""


@ibis.udf.scalar.builtin  # type: ignore[untyped-decorator]
def get_json_object(line: str, path: str) -> str:  # type: ignore[empty-body]
    """The value at a path of a JSON text, as text; null where there is none. Both engines have it under this name."""


def json_text(line: StringScalar, path: str, *, flat: bool = False) -> StringScalar:
    """The value at a dotted path (`event_attributes.position.ordinal`), or, if `flat`, else of the key that has these dots in its own
    name, as text, empty as null."""
    if not re.fullmatch(rf"{_KEY}(\.{_KEY})*", path):
        raise ValueError(f"{path!r} is no column path: expected names joined by dots, without brackets, quotes and any of $*|\\")
    text = get_json_object(line, f"$.{path}")
    if flat:
        text = ibis.coalesce(text, get_json_object(line, f"$['{path}']"))
    return text.strip().nullif("")


def one_value(text: StringScalar) -> StringScalar:
    """Null for an array or an object of a JSON log: it is several values, and none of them the one that was asked for."""
    # Replaced, so that the text stands once in the expression: engines would take it out of its line again each time.
    return text.re_replace(_SEVERAL, "").nullif("")


def epoch_ms(text: StringScalar) -> IntegerScalar:
    """Milliseconds since 1970 of a text: a number, whose digits tell its unit, a day as in 20240501, or an ISO date and time, UTC unless
    it says otherwise; null where it is none of them, or not between 1990 and 2100."""
    # The text stands once in the expression, whatever it takes to read it: engines would take it out of its JSON line again each time.
    moments = ibis.array([text]).map(_moment_ms)
    return moments.map(lambda moment: ibis.cases((moment.between(*_TIMES_MS), moment), else_=ibis.null("int64")))[0]


def _moment_ms(text: StringScalar) -> IntegerScalar:
    seconds = text.re_extract(r"^([0-9]{9,11})(\.[0-9]*)?$", 1).try_cast("int64")
    # Of milliseconds, microseconds and nanoseconds. Cut as text: engines divide through floating point, which is too coarse for them.
    finer = text.re_extract(r"^([0-9]{11,13})([0-9]{3}|[0-9]{6})?(\.[0-9]*)?$", 1).try_cast("int64")
    return ibis.coalesce(seconds * 1000, finer, _dated_ms(text))


def _dated_ms(text: StringScalar) -> IntegerScalar:
    day = ibis.ifelse(text.re_search(r"^[0-9]{8}$"), text.substr(0, 4) + "-" + text.substr(4, 2) + "-" + text.substr(6, 2), text)
    # Spark takes a bare number for a year.
    moment = day.re_extract(r"^.*[^0-9.].*$", 0).try_cast("timestamp('UTC')").cast("timestamp")
    return moment.truncate("s").epoch_seconds().cast("int64") * 1000 + moment.millisecond()


def whole(text: StringScalar) -> IntegerScalar:
    """A whole number, also one written as `3.0`; null where the text is none."""
    return text.re_extract(r"^(-?[0-9]+)(\.0*)?$", 1).try_cast("int64")


def number(text: StringScalar) -> FloatingScalar:
    """A finite decimal number; null where the text is none (`nan` and `inf` are none)."""
    return text.re_extract(r"^(-?[0-9]+(\.[0-9]*)?([eE][-+]?[0-9]{1,2})?)$", 1).try_cast("float64")


def real(value: float) -> FloatingScalar:
    """A constant of 64-bit floating point: Spark reads a bare 0.68 as a decimal, and all that is computed from it too."""
    return ibis.literal(repr(float(value))).cast("float64")


def trec_columns(line: StringScalar, names: Sequence[str | None]) -> dict[str, StringScalar]:
    """The columns of a line that are named, split at spaces; null where the line has not as many columns as there are names."""
    pattern = r"^\s*" + r"\s+".join([r"(\S+)"] * len(names)) + r"\s*$"
    return {name: line.re_extract(pattern, i).nullif("") for i, name in enumerate(names, start=1) if name is not None}


def without_blanks(lines: Table) -> Table:
    """The lines that hold more than spaces."""
    return lines.filter(lines.text.strip().length() > 0).select("file", "text")


def empty_as_null(rows: Table) -> Table:
    """Text columns with null for empty text."""
    return rows.mutate(**{name: rows[name].nullif("") for name in rows.columns if name != "file"})
