"""Documents and queries -> vectors, from the sidecar's `POST /v1/embed`.

Documents are sent by their fields: what they read as is composed by the embedder's template, in the sidecar, as in training.
Invariant: one vector a text, of the dimension that the index's mapping has, finite; anything else is an error and never indexed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec
import requests

from cluster.errors import ServiceFailed

DIMENSION = 384
VECTOR_FIELD = "vector"
_TIMEOUT_S = 120

Vector = list[float]


class Embedder(Protocol):
    """Turns documents and queries into vectors."""

    def model(self) -> str:
        """Identifies the model: vectors of two models do not compare."""

    def documents(self, bodies: Sequence[Mapping[str, Any]]) -> list[Vector]:
        """One vector a document."""

    def query(self, text: str) -> Vector:
        """The vector of a query."""


class _Answer(msgspec.Struct, frozen=True):
    vectors: list[Vector]
    model: str


@dataclass(frozen=True, slots=True)
class SidecarEmbedder:
    """The sidecar at a URL; raises ServiceFailed where it does not give vectors."""

    url: str

    def model(self) -> str:
        """The key of the model that embeds now."""
        return self._embed(["which model"], "query").model

    def documents(self, bodies: Sequence[Mapping[str, Any]]) -> list[Vector]:
        """One vector a document."""
        return self._embed(bodies, "passage").vectors

    def query(self, text: str) -> Vector:
        """The vector of a query."""
        return self._embed([text], "query").vectors[0]

    def _embed(self, texts: Sequence[str | Mapping[str, Any]], kind: str) -> _Answer:
        try:
            answer = requests.post(f"{self.url}/v1/embed", json={"texts": list(texts), "kind": kind}, timeout=_TIMEOUT_S)
            if not answer.ok:
                raise ServiceFailed(f"no vectors from the sidecar at {self.url}: {answer.status_code} {answer.text[:500]}")
            given = msgspec.json.decode(answer.content, type=_Answer)
        except (requests.RequestException, msgspec.MsgspecError) as error:
            raise ServiceFailed(f"no vectors from the sidecar at {self.url}: {error}") from error
        if len(given.vectors) != len(texts) or not all(_is_sound(vector) for vector in given.vectors):
            raise ServiceFailed(f"the sidecar at {self.url} answered {len(given.vectors)} vectors for {len(texts)} texts, or unsound ones")
        return given


def _is_sound(vector: Vector) -> bool:
    return len(vector) == DIMENSION and all(math.isfinite(number) for number in vector)
