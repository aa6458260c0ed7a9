"""`/openapi.json`, made from the wire types, so that it cannot say anything else than they do."""

from __future__ import annotations

from typing import Any

import msgspec

from sidecar import schema

_POSTS: dict[str, tuple[str, type, Any, type]] = {
    "/v1/hits": ("Score the hits of a window", schema.HitsRequest, schema.HitsResponse, schema.ErrorResponse),
    "/v1/embed": ("Embed texts", schema.EmbedRequest, schema.EmbedResponse, schema.ErrorResponse),
    "/v1/documents": ("Fill the document store", schema.DocumentsRequest, schema.DocumentsResponse, schema.ErrorResponse),
    "/v1/rerank": ("Rerank documents (Cohere, Jina)", schema.RerankRequest, schema.RerankResponse, schema.RerankErrorResponse),
    "/v2/rerank": ("Rerank documents (Cohere)", schema.RerankRequest, schema.RerankResponse, schema.RerankErrorResponse),
    "/rerank": ("Rerank texts (Text Embeddings Inference)", schema.TeiRequest, list[schema.TeiRank], schema.TeiError),
}
_GETS: dict[str, tuple[str, type | None]] = {
    "/v1/models": ("The loaded models", schema.ModelsResponse),
    "/live": ("The process answers", None),
    "/ready": ("The default model is warm; 503 while starting and draining", None),
    "/metrics": ("Prometheus metrics", None),
}
_ERRORS = ("400", "401", "413", "422", "429", "500", "503", "504")


def openapi_document() -> dict[str, Any]:
    """The OpenAPI 3.1 document."""
    types = [shape for _, asked, answered, failed in _POSTS.values() for shape in (asked, answered, failed)]
    types += [answered for _, answered in _GETS.values() if answered is not None]
    schemas, components = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    shapes = dict(zip(map(repr, types), schemas, strict=True))
    paths: dict[str, Any] = {}
    for path, (summary, asked, answered, failed) in _POSTS.items():
        paths[path] = {
            "post": {
                "summary": summary,
                "requestBody": {"required": True, "content": _json(shapes[repr(asked)])},
                "responses": _answers(shapes[repr(answered)], shapes[repr(failed)]),
            }
        }
    for path, (summary, answer) in _GETS.items():
        content = {} if answer is None else {"content": _json(shapes[repr(answer)])}
        paths[path] = {"get": {"summary": summary, "responses": {"200": {"description": "OK", **content}}}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Re-ranking sidecar", "version": "1"},
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
        "security": [{}, {"token": []}],
    }


def _json(shape: Any) -> dict[str, Any]:
    return {"application/json": {"schema": shape}}


def _answers(answered: Any, failed: Any) -> dict[str, Any]:
    errors = {status: {"description": "see docs/api.md", "content": _json(failed)} for status in _ERRORS}
    return {"200": {"description": "OK", "content": _json(answered)}, **errors}
