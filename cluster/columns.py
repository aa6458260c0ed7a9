"""A catalogue row's columns -> values: one by name or dotted path, several joined, those of public catalogues recognised by their names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import Any

from cluster.paths import at_path

# The columns that public catalogues have for a role of ours, read as training reads them (training.data.catalogue): the first group
# of which a row has a column makes the role. A group's columns are joined; `actors[:5]` takes the first five of a list.
KNOWN_COLUMNS: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "title": (("name",), ("product_name",)),
    "category": (("categories",), ("genres",)),
    "color": (("colour",),),
    "creator": (("director", "actors[:5]"), ("author",)),
    "description": (("description", "bullet_points"), ("overview",)),
}


def has(row: Mapping[str, Any], column: str) -> bool:
    """Whether a row has the column, be it empty, or a value at the path."""
    return column in row or ("." in column and at_path(row, column) is not None)


def joined(row: Mapping[str, Any], columns: Sequence[str]) -> Any:
    """One value of several columns: lists become one list, texts one text; None where all are empty."""
    values = [value for column in columns if (value := _value(row, column)) not in (None, "", [])]
    if len(values) <= 1:
        return values[0] if values else None
    if any(isinstance(value, list) for value in values):
        return [str(item) for value in values for item in (value if isinstance(value, list) else [value])]
    return " ".join(str(value) for value in values)


def recognised(names: Set[str], role: str) -> list[str]:
    """The columns, out of these names, that make a role; none where the row has the role's own field and nothing to join to it."""
    for group in KNOWN_COLUMNS[role]:
        own_goes_first = role in names and role not in group
        if not own_goes_first and any(_name(column) in names - {role} for column in group):
            return [column for column in group if _name(column) in names]
    return []


def _value(row: Mapping[str, Any], column: str) -> Any:
    name, _, count = column.removesuffix("]").partition("[:")
    value = at_path(row, name) if name not in row and "." in name else row.get(name)
    return value[: int(count)] if count and isinstance(value, list) else value


def _name(column: str) -> str:
    return column.partition("[:")[0]
