"""A catalogue's documents as the plugin sends hits: their texts cut alike, in requests of bounded size.

Invariant: what the sidecar reads of a document ahead of searches is what it reads of the same document as a hit. It knows documents by
their text; a longer one, cut after its markup is taken out, would be another document.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cluster.paths import holds_objects, scalar_text, texts_at

# The default of the pipeline setting `max_field_chars`, in UTF-16 units, which is what Java counts.
MAX_FIELD_CHARS = 2000
# Half of what the sidecar takes at most (RERANK_MAX_BODY_BYTES).
_MOST_BYTES = 4 << 20


def requests_of(bodies: Sequence[Mapping[str, Any]], most: int) -> Iterator[list[dict[str, Any]]]:
    """The documents in order, cut, as many in one request as may be: at most `most` of them, and so many bytes."""
    request: list[dict[str, Any]] = []
    size = 0
    for body in bodies:
        cut = as_hit(body)
        own = len(json.dumps(cut))
        if request and (len(request) == most or size + own > _MOST_BYTES):
            yield request
            request, size = [], 0
        request.append(cut)
        size += own
    if request:
        yield request


def as_hit(body: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a body as a hit has them: every text cut, a list's texts together, an object as the values in it."""
    read = {name: texts_at({name: value}, name) if holds_objects(value) else value for name, value in body.items()}
    fields = {name: _cut_all(value) if isinstance(value, list) else _cut(value) for name, value in read.items()}
    return {name: value for name, value in fields.items() if value is not None}


def _cut_all(values: Sequence[Any]) -> list[Any]:
    kept: list[Any] = []
    left = MAX_FIELD_CHARS
    several = sum(isinstance(value, int | float) or (isinstance(value, str) and bool(value.strip())) for value in values) > 1
    for value in values:
        if left <= 0:
            break
        # Of several values each is a text, as the plugin reads them from the source: 39.0 stays 39.0.
        if (cut := _cut(scalar_text(value) if several and isinstance(value, int | float) else value, left)) is not None:
            kept.append(cut)
            left -= _units(str(cut))
    return kept


def _cut(value: Any, most: int = MAX_FIELD_CHARS) -> Any:
    if isinstance(value, str):
        text = value.strip()
        # Half of a surrogate pair goes with the cut.
        return text if _units(text) <= most else text.encode("utf-16-le", "surrogatepass")[: 2 * most].decode("utf-16-le", "ignore")
    return value if isinstance(value, int | float) else None


def _units(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2
