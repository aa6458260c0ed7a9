"""Bodies, JSON answers and the error shapes: our own, Cohere's and Jina's, Text Embeddings Inference's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from flask import Response, request

from sidecar.errors import RequestTooLarge, RerankError
from sidecar.schema import ErrorBody, ErrorResponse, RerankErrorResponse, TeiError

_encoder = msgspec.json.Encoder()

# TEI's names for what went wrong, by our status.
_TEI_TYPES = {400: "Validation", 413: "Validation", 422: "Tokenizer", 429: "Overloaded", 503: "Unhealthy"}

RenderError = Callable[[RerankError, str], Response]


def request_body() -> bytes:
    """The body of the request that is being served; raises RequestTooLarge.

    One that announces no length (chunked) is cut at the limit without a word by werkzeug: that full, it was too long.
    """
    body = request.get_data(cache=False)
    limit = request.max_content_length
    if request.content_length is None and limit is not None and len(body) >= limit:
        raise RequestTooLarge("the body has more bytes than the settings allow")
    return body


def json_answer(body: Any, status: int = 200) -> Response:
    """A JSON response."""
    return Response(_encoder.encode(body), status=status, content_type="application/json")


def own_error(error: RerankError, _: str) -> Response:
    """`{"error": {"code", "message"}}`."""
    return json_answer(ErrorResponse(ErrorBody(error.code, error.message)), error.status)


def rerank_error(error: RerankError, request_id: str) -> Response:
    """What Cohere's and Jina's clients read."""
    return json_answer(RerankErrorResponse(request_id, error.message, error.message, error.code), error.status)


def tei_error(error: RerankError, _: str) -> Response:
    """`{"error", "error_type"}`."""
    return json_answer(TeiError(error.message, _TEI_TYPES.get(error.status, "Backend")), error.status)


RENDERERS: Mapping[str, RenderError] = {
    "": own_error,
    "/v1/rerank": rerank_error,
    "/v2/rerank": rerank_error,
    "/rerank": tei_error,
}
