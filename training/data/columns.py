"""Raw text columns -> typed ones, in expressions that both engines read alike.

Invariant: what cannot be read as its type is null, never an error in the middle of a run; the reader names the row.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import ibis
from ibis.expr.types import FloatingScalar, IntegerScalar, StringScalar, Table


@ibis.udf.scalar.builtin  # type: ignore[untyped-decorator]
def get_json_object(line: str, path: str) -> str:  # type: ignore[empty-body]
    """The value at a path of a JSON text, as text; null where there is none. Both engines have it under this name."""


def json_text(line: StringScalar, path: str) -> StringScalar:
    """The value at a dotted path (`event_attributes.position.ordinal`), as text, empty as null."""
    if not re.fullmatch(r"\w+(\.\w+)*", path):
        raise ValueError(f"{path!r} is no column path: expected names joined by dots")
    return get_json_object(line, f"$.{path}").strip().nullif("")


def epoch_ms(text: StringScalar) -> IntegerScalar:
    """Milliseconds since 1970 of a text: seconds (up to 11 digits) or milliseconds as a number, or an ISO date and time, UTC unless it
    says otherwise; null where it is neither."""
    number = text.re_extract(r"^([0-9]+)(\.[0-9]*)?$", 1).try_cast("int64")
    moment = text.try_cast("timestamp('UTC')").cast("timestamp")
    seconds = moment.truncate("s").epoch_seconds().cast("int64")
    return ibis.cases(
        (text.re_search(r"^[0-9]{1,11}(\.[0-9]*)?$"), number * 1000),
        (text.re_search(r"^[0-9]+$"), number),
        else_=seconds * 1000 + moment.millisecond(),
    )


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
