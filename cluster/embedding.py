"""Documents and queries -> vectors, from the sidecar's `POST /v1/embed`.

Documents are sent by their fields: what they read as is composed by the embedder's template, in the sidecar, as in training.
Invariant: one vector a text, finite, and of the dimension that the index's mapping has where that is known; anything else is an error and
never indexed.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec
import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from cluster.addresses import is_loopback, shown
from cluster.errors import ServiceFailed
from cluster.sent import requests_of

# Of the shipped embedder, and of the shipped mappings.
DIMENSION = 384
VECTOR_FIELD = "vector"
_TIMEOUT_S = 120
# Documents of one request: few enough that a busy sidecar, which refuses work by its estimated time, takes them.
_MOST_AT_ONCE = 16
# 429: it has more to do than it wants; 503: it is starting. Both say when to come again.
_PATIENCE = Retry(connect=0, read=0, status=8, status_forcelist=(429, 503), allowed_methods=None, backoff_factor=0.5, raise_on_status=False)

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


def sidecar_headers() -> dict[str, str]:
    """What a sidecar that asks for a token wants to see, where this shell knows the token."""
    token = os.environ.get("RERANK_TOKEN", "").strip()
    return {"Authorization": f"Bearer {token}"} if token else {}


def refusal(answer: requests.Response) -> str:
    """A sidecar's own words, and where it asks for a token, where this shell takes that from."""
    hint = (
        "; put the sidecar's token into the environment variable RERANK_TOKEN" if answer.status_code == requests.codes.unauthorized else ""
    )
    return f"{answer.status_code} {answer.text[:500].strip()}{hint}"


def patient_session() -> requests.Session:
    """A session that comes again where the sidecar is starting or has more to do than it wants; it brings the token of `RERANK_TOKEN`."""
    session = requests.Session()
    session.headers.update(sidecar_headers())
    session.mount("http://", HTTPAdapter(max_retries=_PATIENCE))
    session.mount("https://", HTTPAdapter(max_retries=_PATIENCE))
    return session


@dataclass(frozen=True, slots=True)
class SidecarEmbedder:
    """The sidecar at a URL; raises ServiceFailed where it does not give vectors, or not of the `dimension` (none: of any)."""

    url: str
    dimension: int | None = None
    session: requests.Session = field(default_factory=patient_session, repr=False, compare=False)

    def __post_init__(self) -> None:
        self.session.trust_env = not is_loopback(self.url)

    def model(self) -> str:
        """The key of the model that embeds now."""
        return self._embed(["which model"], "query").model

    def documents(self, bodies: Sequence[Mapping[str, Any]]) -> list[Vector]:
        """One vector a document."""
        return [vector for part in requests_of(bodies, _MOST_AT_ONCE) for vector in self._embed(part, "passage").vectors]

    def query(self, text: str) -> Vector:
        """The vector of a query."""
        return self._embed([text], "query").vectors[0]

    def _embed(self, texts: Sequence[str | Mapping[str, Any]], kind: str) -> _Answer:
        address = shown(self.url)
        try:
            answer = self.session.post(f"{self.url}/v1/embed", json={"texts": list(texts), "kind": kind}, timeout=_TIMEOUT_S)
            if not answer.ok:
                raise ServiceFailed(f"no vectors from the sidecar at {address}: {refusal(answer)}")
            given = msgspec.json.decode(answer.content, type=_Answer)
        except (requests.RequestException, msgspec.MsgspecError) as error:
            if _is_absent(error):
                remedy = "start one with `rerank up`, or say where it is (--sidecar); `rerank index --no-vectors` needs none"
                raise ServiceFailed(f"no vectors: no sidecar answers at {address}: {remedy}") from error
            # An address that cannot be parsed is repeated whole in the error.
            reason = str(error).replace(self.url, address)
            raise ServiceFailed(f"no vectors from the sidecar at {address}: {reason}") from error
        if len(given.vectors) != len(texts) or not all(math.isfinite(number) for vector in given.vectors for number in vector):
            raise ServiceFailed(f"the sidecar at {address} answered {len(given.vectors)} vectors for {len(texts)} texts, or unsound ones")
        widths = sorted({len(vector) for vector in given.vectors})
        if self.dimension is not None and widths != [self.dimension]:
            raise ServiceFailed(
                f"the sidecar at {address} answers vectors of {' or '.join(map(str, widths))} numbers, and the mapping's field "
                f"{VECTOR_FIELD!r} takes {self.dimension}: give it that dimension, or the sidecar another embedder (RERANK_EMBEDDER)"
            )
        return given


def _is_absent(error: Exception) -> bool:
    """Whether nothing listens there; a certificate or a proxy that fails is something else."""
    return isinstance(error, requests.ConnectionError) and not isinstance(
        error, requests.exceptions.SSLError | requests.exceptions.ProxyError
    )
