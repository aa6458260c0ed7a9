"""The wire types, parsed once at the edge: the contract with the plugin, and the shapes of other rerankers' clients.

Invariant: unknown keys are tolerated everywhere (clients send them), wrong types are not; nothing below app.py sees these types.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

import msgspec

from sidecar.errors import InvalidRequest

# A field may hold anything a `_source` may hold: an object in one product's field must not fail the whole page.
WireFields = dict[str, Any]


def _no_fields() -> msgspec.Raw:
    return msgspec.Raw(b"{}")


class Hit(msgspec.Struct, frozen=True):
    """One candidate of the window, with its first-pass score and, where the first pass knows it, its vector similarity.

    `fields` is an object that stays JSON until a model has to read it (sidecar.candidates).
    """

    id: str = ""
    index: str = ""
    score: float | None = None
    similarity: float | None = None
    fields: Annotated[msgspec.Raw, msgspec.Meta(extra_json_schema={"type": "object"})] = msgspec.field(default_factory=_no_fields)


class HitsRequest(msgspec.Struct, frozen=True):
    """`POST /v1/hits`."""

    query: str
    hits: list[Hit]
    user: str | None = None
    profile: str | None = None
    deadline_ms: float | None = None
    explain: bool = False


class Explanation(msgspec.Struct, frozen=True):
    """What one score is made of."""

    score: float
    logit: float
    cached: bool
    features: dict[str, float]


class HitsResponse(msgspec.Struct, frozen=True, omit_defaults=True):
    """Scores aligned with the request's hits; `read_as` is the query as the model read it, where that is not as it was sent."""

    scores: list[float]
    model: str
    took_ms: float
    cached: int | None = None
    read_as: str | None = None
    explain: list[Explanation] | None = None


class EmbedRequest(msgspec.Struct, frozen=True):
    """`POST /v1/embed`; `kind` decides the model's prefix. A passage may be given by its fields."""

    texts: list[str | WireFields]
    kind: Literal["query", "passage"] = "passage"
    profile: str | None = None
    deadline_ms: float | None = None


class EmbedResponse(msgspec.Struct, frozen=True):
    """L2-normalised vectors aligned with the request's texts."""

    vectors: list[list[float]]
    model: str
    dimension: int


class DocumentsRequest(msgspec.Struct, frozen=True):
    """`POST /v1/documents`: documents that a decomposed model is to know ahead of time."""

    documents: list[WireFields]
    profile: str | None = None
    deadline_ms: float | None = None


class DocumentsResponse(msgspec.Struct, frozen=True):
    """How many documents had to be computed, and how many were in the store already."""

    computed: int
    known: int


class ModelInfo(msgspec.Struct, frozen=True):
    """One loaded profile."""

    profile: str
    kind: str
    model: str
    default: bool
    base: str
    layers: int
    roles: list[str]
    max_document_tokens: int
    max_query_tokens: int
    quality: dict[str, Any]
    latency: dict[str, Any]


class ModelsResponse(msgspec.Struct, frozen=True):
    """`GET /v1/models`."""

    models: list[ModelInfo]


class ErrorBody(msgspec.Struct, frozen=True):
    """Code and message of an error."""

    code: str
    message: str


class ErrorResponse(msgspec.Struct, frozen=True):
    """Every error of the `/v1/hits`, `/v1/embed` and `/v1/models` routes."""

    error: ErrorBody


class RerankRequest(msgspec.Struct, frozen=True):
    """`POST /v1/rerank`, `/v2/rerank` (Cohere, Jina): documents are strings or objects of text fields."""

    query: str
    documents: list[str | WireFields]
    model: str | None = None
    rank_fields: list[str] | None = None
    top_n: int | None = None
    return_documents: bool | None = None
    deadline_ms: float | None = None


class RerankResult(msgspec.Struct, frozen=True, omit_defaults=True):
    """One document's place in the answer, best first."""

    index: int
    relevance_score: float
    document: WireFields | None = None


class RerankResponse(msgspec.Struct, frozen=True):
    """Cohere's answer with Jina's `model` and `usage`."""

    id: str
    results: list[RerankResult]
    model: str
    meta: dict[str, Any]
    usage: dict[str, int]


class RerankErrorResponse(msgspec.Struct, frozen=True):
    """Cohere clients read `message`, Jina's read `detail`."""

    id: str
    message: str
    detail: str
    code: str


class TeiRequest(msgspec.Struct, frozen=True):
    """`POST /rerank` (Text Embeddings Inference; Elasticsearch's `hugging_face` service adds `top_n`)."""

    query: str
    texts: list[str]
    raw_scores: bool | None = None
    return_text: bool | None = None
    top_n: int | None = None
    deadline_ms: float | None = None


class TeiRank(msgspec.Struct, frozen=True, omit_defaults=True):
    """One text's place in the bare array that TEI answers."""

    index: int
    score: float
    text: str | None = None


class TeiError(msgspec.Struct, frozen=True):
    """Every error of `/rerank`."""

    error: str
    error_type: str


Shape = TypeVar("Shape")


def parse(body: bytes, shape: type[Shape]) -> Shape:
    """The body as the wanted type; raises InvalidRequest, which names the wrong place."""
    try:
        return msgspec.json.decode(body, type=shape)
    except msgspec.ValidationError as error:
        raise InvalidRequest(str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"the body is not JSON in UTF-8: {error}") from error
    except RecursionError as error:
        raise InvalidRequest("the body is nested too deeply") from error
