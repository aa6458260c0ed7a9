"""What gunicorn imports in each worker, after the fork: a session made before it would run single-threaded for ever."""

from __future__ import annotations

import os

from flask import Flask

from sidecar.app import create_app
from sidecar.config import Settings
from sidecar.factory import make_engine
from sidecar.log import configure_logging
from sidecar.metrics import Metrics

# Below gunicorn's time for a worker that does not report: one that takes longer to load answers 503 meanwhile.
_LOADING_S = 20.0


def load() -> Flask:
    """The application with its engine started; `extensions` holds what the worker's stop needs (sidecar.worker).

    A worker that takes another's place, or has others beside it, accepts nothing before its models are there: what connects meanwhile
    waits in the listener's queue, or is served by another worker; none is told of ready models by one and refused by the next. A single
    first one answers at once, so that a start can be watched.
    """
    settings = Settings()
    configure_logging(settings.log_level)
    metrics = Metrics()
    engine = make_engine(settings, metrics)
    engine.start()
    if settings.workers > 1 or int(os.environ.get("RERANK_WORKER_GENERATION", "1")) > 1:
        engine.wait_loaded(_LOADING_S)
    app = create_app(settings, engine, metrics)
    app.extensions["engine"] = engine
    app.extensions["drain_s"] = settings.drain_s
    app.extensions["stall_timeout_s"] = settings.stall_timeout_s
    app.extensions["request_timeout_s"] = settings.request_timeout_s
    return app
