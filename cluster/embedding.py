"""Documents and queries -> vectors, from the sidecar's `POST /v1/embed`.

Invariant: one vector a text, of the dimension that the index's mapping has, finite; anything else is an error and never indexed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import msgspec
import requests

from cluster.errors import ServiceFailed
from sidecar.encoding import field_text

DIMENSION = 384
VECTOR_FIELD = "vector"
# In reading order; the sidecar truncates the text to what its embedder reads.
_ROLES = ("title", "brand", "color", "size", "category", "attributes", "creator", "tags", "year", "description")
_TIMEOUT_S = 120


class Embedder(Protocol):
    """Turns texts into vectors."""

    def embed(self, texts: Sequence[str], kind: Literal["query", "passage"]) -> list[list[float]]:
        """One vector a text."""


class _Answer(msgspec.Struct, frozen=True):
    vectors: list[list[float]]


@dataclass(frozen=True, slots=True)
class SidecarEmbedder:
    """The sidecar at a URL."""

    url: str

    def embed(self, texts: Sequence[str], kind: Literal["query", "passage"]) -> list[list[float]]:
        """One vector a text; raises ServiceFailed where the sidecar does not give them."""
        try:
            answer = requests.post(f"{self.url}/v1/embed", json={"texts": list(texts), "kind": kind}, timeout=_TIMEOUT_S)
            answer.raise_for_status()
            vectors = msgspec.json.decode(answer.content, type=_Answer).vectors
        except (requests.RequestException, msgspec.MsgspecError) as error:
            raise ServiceFailed(f"no vectors from the sidecar at {self.url}: {error}") from error
        if len(vectors) != len(texts) or not all(_is_sound(vector) for vector in vectors):
            raise ServiceFailed(f"the sidecar at {self.url} answered {len(vectors)} vectors for {len(texts)} texts, or unsound ones")
        return vectors


def passage_text(body: Mapping[str, Any]) -> str:
    """What a document's vector is made of: its roles in reading order."""
    texts = (field_text(body.get(role)) for role in _ROLES)
    return " | ".join(text for text in texts if text)


def _is_sound(vector: Sequence[float]) -> bool:
    return len(vector) == DIMENSION and all(math.isfinite(number) for number in vector)
