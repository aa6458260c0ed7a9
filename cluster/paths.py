"""What lies at a dotted path of a document, as the plugin reads it (docs/plugin.md, `fields`).

Invariant: objects, objects in arrays and keys with dots in them lead to the same place, and a path to an object stands for all the values
in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sidecar.encoding import FieldValue

Scalar = str | int | float


def at_path(source: Mapping[str, Any], path: str) -> Scalar | list[Scalar] | None:
    """The value at a path, or the list of them where an array or several values lie there; None where there is none."""
    found = [*_scalars(source, path.split("."), within_list=False)]
    if len(found) == 1 and not found[0][1]:
        return found[0][0]
    return [value for value, _ in found] or None


def holds_objects(value: Any) -> bool:
    """Whether a value is an object or a list with one: what stands for all the values in it."""
    return isinstance(value, Mapping) or (isinstance(value, list) and any(isinstance(item, Mapping | list) for item in value))


def texts_at(source: Mapping[str, Any], path: str) -> FieldValue:
    """The same as models are sent it: a list's values are texts."""
    found = at_path(source, path)
    return [scalar_text(value) for value in found] if isinstance(found, list) else found


def _scalars(value: Any, names: Sequence[str], *, within_list: bool) -> Iterator[tuple[Scalar, bool]]:
    """The values at these names below a value, in the document's order, each with whether an array led to it; empty texts are none."""
    if isinstance(value, list):
        for item in value:
            yield from _scalars(item, names, within_list=True)
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            parts = key.split(".")
            # One of the two may be the longer one: a key with dots reaches further, or even into an object that is meant whole.
            if all(part == name for part, name in zip(parts, names, strict=False)):
                yield from _scalars(inner, names[len(parts) :], within_list=within_list)
    elif not names and isinstance(value, str | int | float) and value != "":
        yield value, within_list


def scalar_text(value: Scalar) -> str:
    """A value as the plugin writes it among several."""
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)
