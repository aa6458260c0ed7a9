"""The HTTP service: bytes -> schema -> engine -> schema -> bytes, with ids, limits, the token and the errors around it.

Invariants: every answer carries the request's id; every error goes through one handler, in the shape of its route; `/live` never
touches a model.
"""

from __future__ import annotations

import hmac
import time
import uuid
from functools import partial

import structlog
from flask import Flask, Response, g, request
from werkzeug.exceptions import ClientDisconnected, HTTPException

from sidecar.arrival import waited_ms
from sidecar.clients import clients_blueprint
from sidecar.config import Settings
from sidecar.engine import Engine
from sidecar.errors import DeadlineExceeded, InvalidRequest, NotReady, Overloaded, RequestTooLarge, RerankError, Unauthorized
from sidecar.hits import hits_blueprint
from sidecar.metrics import Metrics
from sidecar.openapi import openapi_document
from sidecar.wire import RENDERERS, json_answer

_OPEN = frozenset({"/live", "/ready", "/metrics", "/openapi.json"})
# Asked by commands that wait: their deadlines are seconds.
_PATIENT = frozenset({"/v1/embed", "/v1/documents", "/v1/models"})
_MAX_ID = 128

_log = structlog.get_logger()


def create_app(settings: Settings, engine: Engine, metrics: Metrics) -> Flask:
    """The WSGI application on an engine, which the caller starts and stops."""
    app = Flask("sidecar", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body_bytes
    app.register_blueprint(hits_blueprint(settings, engine))
    app.register_blueprint(clients_blueprint(settings, engine))
    _add_health(app, engine, metrics)
    _add_edges(app, settings, metrics)
    app.register_error_handler(Exception, partial(_on_error, metrics))
    return app


def _add_health(app: Flask, engine: Engine, metrics: Metrics) -> None:
    document = openapi_document()

    @app.get("/live")
    def live() -> Response:
        return json_answer({"status": "live"})

    @app.get("/ready")
    def ready() -> Response:
        engine.check_ready()
        return json_answer({"status": "ready"})

    @app.get("/metrics")
    def exposition() -> Response:
        return Response(metrics.exposition(), content_type="text/plain; version=0.0.4; charset=utf-8")

    @app.get("/openapi.json")
    def openapi() -> Response:
        return json_answer(document)


def _add_edges(app: Flask, settings: Settings, metrics: Metrics) -> None:
    token = settings.token.get_secret_value().encode() if settings.token else None

    @app.before_request
    def begin() -> None:
        g.started = time.perf_counter()
        metrics.in_flight.inc()
        given = request.headers.get("X-Request-Id", "")
        g.request_id = given[:_MAX_ID] if given.isprintable() and given else uuid.uuid4().hex
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=g.request_id)
        if request.path in _OPEN:
            return
        if token is not None:
            _check_token(token)
        if request.path not in _PATIENT:
            _check_wait(settings.max_wait_ms)

    @app.after_request
    def end(response: Response) -> Response:
        response.headers["X-Request-Id"] = g.request_id
        route = request.url_rule.rule if request.url_rule else "unknown"
        seconds = time.perf_counter() - g.started
        metrics.requests.labels(route, response.status_code).inc()
        metrics.latency.labels(route).observe(seconds)
        write = _log.debug if request.path in _OPEN else _log.info
        write("request", route=route, status=response.status_code, ms=round(seconds * 1000, 3), **g.get("facts", {}))
        return response

    @app.teardown_request
    def leave(_: BaseException | None) -> None:
        metrics.in_flight.dec()


def _check_token(token: bytes) -> None:
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), token):
        raise Unauthorized("the bearer token is missing or wrong")


def _check_wait(limit_ms: float) -> None:
    """Refuse, before its body is read, what waited too long for a thread: answering it late would make the next one late too."""
    waited = waited_ms()
    if waited > limit_ms:
        raise Overloaded(f"the request waited {waited:.0f} ms for a thread, above {limit_ms} ms", retry_after_s=1)


def _on_error(metrics: Metrics, error: Exception) -> Response:
    """Every error, in the shape of the route that was asked."""
    known = _known(error)
    if isinstance(known, DeadlineExceeded):
        metrics.dropped.inc()
    if isinstance(known, Overloaded):
        metrics.refused.inc()
    if known.status >= 500 and not isinstance(known, NotReady) and known.code == "internal":
        _log.error("unexpected error", exc_info=error)
    # The caller of a search never sees the answer: whoever looks for the reason looks into the log.
    g.facts = {**g.get("facts", {}), "code": known.code, "message": known.message}
    response = RENDERERS.get(request.path, RENDERERS[""])(known, g.request_id)
    if isinstance(known, Overloaded):
        # Whole seconds: the header knows no parts of them.
        response.headers["Retry-After"] = str(max(1, round(known.retry_after_s)))
    if isinstance(known, Unauthorized):
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _known(error: Exception) -> RerankError:
    if isinstance(error, RerankError):
        return error
    if isinstance(error, RecursionError):
        # A field's lists in lists: nested less than the parser minds, and more than a reader of it can follow.
        return InvalidRequest("the body is nested too deeply")
    if not isinstance(error, HTTPException):
        return RerankError("an internal error: the service's log has it under this request's id")
    if isinstance(error, ClientDisconnected):
        return InvalidRequest("the body ended, or stood still, before all of its bytes had come")
    if error.code == 413:
        return RequestTooLarge("the body has more bytes than the settings allow")
    known = InvalidRequest(error.description or error.name)
    known.status = error.code or 400
    known.code = error.name.lower().replace(" ", "_")
    return known
