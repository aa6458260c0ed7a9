"""Other rerankers' routes on the same engine: `/v1/rerank` and `/v2/rerank` (Cohere, Jina), `/rerank` (TEI, Elasticsearch).

Invariant: results come best first, equal scores in the request's order; relevance scores lie in 0..1 (the sigmoid of the model's
logit), as these clients expect.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from flask import Blueprint, Response, g, request

from sidecar.arrival import arrival
from sidecar.config import Settings
from sidecar.encoding import Fields, TextTemplate, field_text
from sidecar.engine import Engine
from sidecar.errors import Unprocessable
from sidecar.hits import check_count, deadline
from sidecar.ranking import Ranking, RankRequest, sigmoid
from sidecar.schema import RerankRequest, RerankResponse, RerankResult, TeiRank, TeiRequest, WireFields, parse
from sidecar.wire import json_answer, request_body

# The role of a document's long text.
_BODY = "description"


def clients_blueprint(settings: Settings, engine: Engine) -> Blueprint:
    """The routes on an engine."""
    routes = Blueprint("clients", __name__)

    def rank(query: str, documents: Sequence[Fields | str], profile: str | None, deadline_ms: float | None) -> Ranking:
        started = arrival()
        check_count(len(documents), settings.max_hits)
        if not documents:
            raise Unprocessable("there is nothing to rank")
        unknown: list[float | None] = [None] * len(documents)
        until = deadline(started, deadline_ms, settings.default_deadline_ms, settings.max_deadline_ms)
        return engine.rank(RankRequest(query, documents, unknown, unknown, profile, until))

    @routes.post("/v1/rerank", endpoint="rerank_v1")
    @routes.post("/v2/rerank", endpoint="rerank_v2")
    def rerank() -> Response:
        asked = parse(request_body(), RerankRequest)
        # These clients must name a model and send their vendor's: a name that is no profile means the default one.
        profile = asked.model if asked.model and engine.has_ranker(asked.model) else None
        template = engine.template(profile)
        documents = [_document(document, template, asked.rank_fields) for document in asked.documents]
        ranking = rank(asked.query, documents, profile, asked.deadline_ms)
        results = [
            RerankResult(position, score, _returned(asked.documents[position]) if asked.return_documents else None)
            for position, score in _best(ranking, asked.top_n)
        ]
        return json_answer(_rerank_answer(ranking, results))

    @routes.post("/rerank")
    def tei() -> Response:
        asked = parse(request_body(), TeiRequest)
        ranking = rank(asked.query, asked.texts, None, asked.deadline_ms)
        best = _best(ranking, asked.top_n, raw=bool(asked.raw_scores))
        return json_answer([TeiRank(at, score, asked.texts[at] if asked.return_text else None) for at, score in best])

    return routes


def _rerank_answer(ranking: Ranking, results: list[RerankResult]) -> RerankResponse:
    return RerankResponse(
        id=g.request_id,
        results=results,
        model=ranking.model,
        meta={"api_version": {"version": request.path[2:3]}, "billed_units": {"search_units": 1}},
        usage={"total_tokens": 0},
    )


def _best(ranking: Ranking, top_n: int | None, *, raw: bool = False) -> list[tuple[int, float]]:
    """Positions and scores, best first."""
    if top_n is not None and top_n < 1:
        raise Unprocessable("top_n must be at least 1")
    logits = np.asarray(ranking.raw, dtype=np.float64)
    shown = logits if raw else sigmoid(logits)
    order = np.argsort(-logits, kind="stable")[:top_n]
    return [(int(position), float(shown[position])) for position in order]


def _document(document: str | WireFields, template: TextTemplate, chosen: Sequence[str] | None) -> Fields | str:
    """An object is read by the model's roles, and its `text` as the description; without any role as its text, or as all of its texts.

    `chosen` are Cohere's `rank_fields`: of an object nothing else is read, and what is no role among them is text.
    """
    if isinstance(document, str):
        return document
    if chosen is not None:
        document = {name: document[name] for name in chosen if name in document}
    names = {field.role for field in template.fields}
    roles = {name: value for name, value in document.items() if name in names and field_text(value)}
    others = {
        name: text for name, value in document.items() if name not in names and isinstance(value, str) and (text := field_text(value))
    }
    text = others.get("text", "") if chosen is None else " ".join(others.values())
    if not roles:
        return text or " ".join(others.values())
    if text and _BODY not in names:
        return " ".join([*map(field_text, roles.values()), text])
    return {**roles, _BODY: f"{field_text(roles.get(_BODY))} {text}".strip()} if text else roles


def _returned(document: str | WireFields) -> WireFields:
    return dict(document) if isinstance(document, Mapping) else {"text": document}
