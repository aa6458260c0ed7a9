"""The ordinary request bodies that a shop's client sends, for the indices of `mappings/`: nothing in them knows of re-ranking."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from cluster.embedding import VECTOR_FIELD, Embedder

Body = dict[str, Any]
Shape = Literal["match", "knn", "hybrid"]
SHAPES: tuple[Shape, ...] = ("match", "knn", "hybrid")
# Fields of products and of content; a text field that an index does not have matches nothing; kNN on one without vectors is refused.
FIELDS = ("title^3", "brand^2", "creator^2", "category", "tags", "color", "size", "attributes", "description")
_NEIGHBOURS = 100


def match(text: str, size: int = 10) -> Body:
    """Words, by BM25 over the text fields."""
    return {"query": _words(text), "size": size}


def knn(vector: Sequence[float], size: int = 10) -> Body:
    """Nearest vectors."""
    return {"query": _nearest(vector), "size": size}


def hybrid(text: str, vector: Sequence[float], size: int = 10) -> Body:
    """Either words or nearest vectors, scores added up: what works without the neural-search plugin."""
    return {"query": {"bool": {"should": [_words(text), _nearest(vector)]}}, "size": size}


def client_body(shape: Shape, text: str, *, embedder: Embedder, size: int = 10) -> Body:
    """The body of a shape for a query's text; the embedder is asked only where the shape needs a vector."""
    if shape == "match":
        return match(text, size)
    vector = embedder.query(text)
    return knn(vector, size) if shape == "knn" else hybrid(text, vector, size)


def _words(text: str) -> Body:
    return {"multi_match": {"query": text, "fields": list(FIELDS), "type": "cross_fields", "operator": "or"}}


def _nearest(vector: Sequence[float]) -> Body:
    return {"knn": {VECTOR_FIELD: {"vector": list(vector), "k": _NEIGHBOURS}}}
