"""The plugin's and the indexer's routes: `/v1/hits`, `/v1/embed`, `/v1/documents`, `/v1/models`."""

from __future__ import annotations

import time

from flask import Blueprint, Response, g

from sidecar.arrival import arrival
from sidecar.config import Settings
from sidecar.engine import Engine
from sidecar.errors import InvalidRequest, RequestTooLarge, Unprocessable
from sidecar.ranking import Ranking, RankRequest
from sidecar.schema import (
    DocumentsRequest,
    DocumentsResponse,
    EmbedRequest,
    EmbedResponse,
    Explanation,
    HitsRequest,
    HitsResponse,
    ModelInfo,
    ModelsResponse,
    parse,
)
from sidecar.wire import json_answer, request_body


def hits_blueprint(settings: Settings, engine: Engine) -> Blueprint:
    """The routes on an engine."""
    routes = Blueprint("hits", __name__)

    @routes.post("/v1/hits")
    def hits() -> Response:
        started = arrival()
        asked = parse(request_body(), HitsRequest)
        check_count(len(asked.hits), settings.max_hits)
        ranking = engine.rank(
            RankRequest(
                query=asked.query,
                documents=[hit.fields for hit in asked.hits],
                first_pass=[hit.score for hit in asked.hits],
                dense=[hit.similarity for hit in asked.hits],
                profile=asked.profile,
                deadline=deadline(started, asked.deadline_ms, settings.default_deadline_ms, settings.max_deadline_ms),
            )
        )
        g.facts = {"hits": len(asked.hits), "cached": sum(ranking.cached), "model": ranking.model}
        return json_answer(_answer(ranking, asked, started))

    @routes.post("/v1/embed")
    def embed() -> Response:
        started = arrival()
        asked = parse(request_body(), EmbedRequest)
        check_count(len(asked.texts), settings.max_texts)
        if asked.kind == "query" and not all(isinstance(text, str) for text in asked.texts):
            raise Unprocessable("a query is a text, not fields")
        until = deadline(started, asked.deadline_ms, settings.embed_deadline_ms, settings.max_deadline_ms)
        embedding = engine.embed(asked.texts, query=asked.kind == "query", profile=asked.profile, deadline=until)
        g.facts = {"texts": len(asked.texts), "model": embedding.model}
        return json_answer(EmbedResponse(embedding.vectors, embedding.model, embedding.dimension))

    @routes.post("/v1/documents")
    def documents() -> Response:
        started = arrival()
        asked = parse(request_body(), DocumentsRequest)
        check_count(len(asked.documents), settings.max_texts)
        until = deadline(started, asked.deadline_ms, settings.embed_deadline_ms, settings.max_deadline_ms)
        computed = engine.fill(asked.documents, profile=asked.profile, deadline=until)
        g.facts = {"documents": len(asked.documents), "computed": computed}
        return json_answer(DocumentsResponse(computed, len(asked.documents) - computed))

    @routes.get("/v1/models")
    def models() -> Response:
        # A list of those that happen to be there by now would have clients refuse the others.
        engine.check_loaded()
        return json_answer(ModelsResponse(_models(engine)))

    return routes


def deadline(started: float, wanted_ms: float | None, default_ms: float, max_ms: float) -> float:
    """When the request must have ended, on the monotonic clock."""
    ms = default_ms if wanted_ms is None else wanted_ms
    if not ms > 0:
        raise InvalidRequest("deadline_ms must be above 0")
    return started + min(ms, max_ms) / 1000


def check_count(count: int, limit: int) -> None:
    """Raise RequestTooLarge beyond the limit."""
    if count > limit:
        raise RequestTooLarge(f"{count} documents are more than the {limit} that one request may have")


def _answer(ranking: Ranking, asked: HitsRequest, started: float) -> HitsResponse:
    return HitsResponse(
        scores=ranking.scores,
        model=ranking.model,
        took_ms=round((time.monotonic() - started) * 1000, 3),
        cached=sum(ranking.cached),
        read_as=ranking.query if ranking.query != asked.query else None,
        explain=_explanations(ranking) if asked.explain else None,
    )


def _explanations(ranking: Ranking) -> list[Explanation]:
    columns = {name: column.tolist() for name, column in ranking.features.items()}
    return [
        Explanation(score, columns["cross_encoder"][row], cached, {name: column[row] for name, column in columns.items()})
        for row, (score, cached) in enumerate(zip(ranking.scores, ranking.cached, strict=True))
    ]


def _models(engine: Engine) -> list[ModelInfo]:
    return [
        ModelInfo(
            profile=profile.name,
            kind=profile.manifest.kind,
            model=profile.model,
            default=profile.name == engine.default_profile,
            base=profile.manifest.base,
            layers=profile.manifest.layers,
            roles=[field.role for field in profile.manifest.template.fields],
            max_document_tokens=profile.manifest.template.max_document_tokens,
            max_query_tokens=profile.manifest.template.max_query_tokens,
            quality=profile.manifest.quality,
            latency=profile.manifest.latency,
        )
        for profile in engine.profiles()
    ]
