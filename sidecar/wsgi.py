"""What gunicorn imports in each worker, after the fork: a session made before it would run single-threaded for ever."""

from __future__ import annotations

from flask import Flask

from sidecar.app import create_app
from sidecar.config import Settings
from sidecar.factory import make_engine
from sidecar.log import configure_logging
from sidecar.metrics import Metrics


def load() -> Flask:
    """The application with its engine started; `extensions` holds what the worker's stop needs (sidecar.worker)."""
    settings = Settings()
    configure_logging(settings.log_level)
    metrics = Metrics()
    engine = make_engine(settings, metrics)
    engine.start()
    app = create_app(settings, engine, metrics)
    app.extensions["engine"] = engine
    app.extensions["drain_s"] = settings.drain_s
    return app
