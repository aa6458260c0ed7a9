"""Interactions made in a test, without a file."""

from __future__ import annotations

from typing import Any

import ibis
import pyarrow as pa
from ibis.expr.types import Table

from training.data.interactions import SCHEMA

TYPES = {"string": pa.string(), "int64": pa.int64(), "float64": pa.float64()}


def log(*rows: dict[str, Any]) -> Table:
    """Interactions with `type` click unless said otherwise; what a row does not name is null."""
    defaults = {**dict.fromkeys(SCHEMA), "type": "click"}
    whole = [{**defaults, **row} for row in rows]
    return ibis.memtable(pa.table({name: pa.array([row[name] for row in whole], TYPES[kind]) for name, kind in SCHEMA.items()}))
