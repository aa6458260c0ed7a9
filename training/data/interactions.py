"""Interaction logs -> one table of interactions, whatever the shop calls its columns.

Invariant: `item_id` and `type` are never null; every other column is null where the log does not know it; positions count from 1 and
times are milliseconds since 1970, UTC.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import ibis
from ibis.expr.types import BooleanScalar, StringScalar

from training.data.columns import epoch_ms, number, whole
from training.data.engine import Engine
from training.data.reading import Raw, Read, check, open_raw

SCHEMA = {
    "user_id": "string",
    "item_id": "string",
    "type": "string",
    "timestamp_ms": "int64",
    "session_id": "string",
    "query_id": "string",
    "query": "string",
    "position": "int64",
    "device": "string",
    "name": "string",
    "quantity": "float64",
}


OPTIONAL = ("user", "timestamp", "session", "query_id", "query", "position", "device", "name", "quantity")


@dataclass(frozen=True, slots=True)
class InteractionColumns:
    """A log's own names for our columns (a dotted path in JSON); none where the log does not have one.

    `a|b` reads column b where a is empty. `type` may be missing: then every row is a `constant_type`. `position_base` says whether
    the first position is 0 or 1.
    """

    item: str
    user: str | None = None
    type: str | None = None
    timestamp: str | None = None
    session: str | None = None
    query_id: str | None = None
    query: str | None = None
    position: str | None = None
    device: str | None = None
    name: str | None = None
    quantity: str | None = None
    constant_type: str = "click"
    position_base: Literal[0, 1] = 1


def read_interactions(engine: Engine, paths: Sequence[Path], columns: InteractionColumns) -> Read:
    """The interactions of files of one kind (CSV, TSV, JSONL, Parquet)."""
    raw = open_raw(engine, paths)
    # Items and types are asked of every row; the others may be missing, but not from all of them.
    named = (getattr(columns, name) for name in OPTIONAL)
    raw.refuse_unknown([path for path in named if path is not None])
    return typed(raw, columns, "interactions")


def typed(raw: Raw, columns: InteractionColumns, step: str) -> Read:
    """Raw rows as interactions; a row without item, or with a time, position or quantity that is none, is bad."""

    def text(name: str | None) -> StringScalar:
        return ibis.null("string") if name is None else raw.column(name)

    item, moment, place, amount = raw.single(columns.item), text(columns.timestamp), text(columns.position), text(columns.quantity)
    kind = ibis.literal(columns.constant_type) if columns.type is None else text(columns.type)
    timestamp_ms, position, quantity = epoch_ms(moment), whole(place) + (1 - columns.position_base), number(amount)
    faults: list[tuple[BooleanScalar, str]] = [
        raw.swallowed(),
        (item.isnull(), f"no {columns.item}"),
        (kind.isnull(), f"no {columns.type}"),
        (moment.notnull() & timestamp_ms.isnull(), f"{columns.timestamp} is no time"),
        (place.notnull() & (position.isnull() | (position < 1)), f"{columns.position} is no position from {columns.position_base}"),
        (amount.notnull() & quantity.isnull(), f"{columns.quantity} is no number"),
    ]
    values = {
        "user_id": text(columns.user),
        "item_id": item,
        "type": kind,
        "timestamp_ms": timestamp_ms,
        "session_id": text(columns.session),
        "query_id": text(columns.query_id),
        "query": ibis.null("string") if columns.query is None else raw.single(columns.query),
        "position": position,
        "device": text(columns.device),
        "name": text(columns.name),
        "quantity": quantity,
    }
    return check(raw, step, faults, {name: value.cast(SCHEMA[name]) for name, value in values.items()})
