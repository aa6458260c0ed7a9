"""gunicorn's configuration, from the sidecar's own settings.

One worker by default: its scoring threads use every core, and one process means one copy of the models and one set of caches. More
workers pay where the interpreter's lock becomes the limit, from about sixteen cores.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import structlog

from sidecar.config import Settings
from sidecar.log import configure_logging

_settings = Settings()
configure_logging(_settings.log_level)
_log = structlog.get_logger()

wsgi_app = "sidecar.wsgi:load()"
bind = _settings.bind
workers = _settings.workers
worker_class = "sidecar.worker.DrainingWorker"
threads = _settings.http_threads
worker_connections = max(1000, 4 * _settings.http_threads)
keepalive = _settings.keep_alive_s
graceful_timeout = _settings.stop_timeout_s
# Under gthread this bounds the worker's heartbeat, never a request: deadlines are the engine's.
timeout = 30
max_requests = _settings.max_requests
max_requests_jitter = _settings.max_requests // 10
preload_app = False
# A heartbeat file on a real disk can block the worker.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None
control_socket_disable = True
proc_name = "rerank-sidecar"
# The application logs requests itself, with their ids.
accesslog = None
errorlog = "-"
loglevel = _settings.log_level
logconfig_dict = {
    "version": 1,
    "disable_existing_loggers": False,
    "loggers": {"gunicorn.error": {"level": _settings.log_level.upper(), "handlers": [], "propagate": True}},
}

if workers > 1 and "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
    # Each worker writes its figures into files here, so that any of them can answer /metrics for all. Read again at SIGHUP, this file
    # finds the folder that it made.
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = os.environ["SIDECAR_METRICS_FOLDER"] = tempfile.mkdtemp(
        prefix="rerank-metrics-", dir=worker_tmp_dir
    )


def post_fork(_: Any, worker: Any) -> None:
    """Tell the worker how many were started before it: `rerank_worker_generation`."""
    os.environ["RERANK_WORKER_GENERATION"] = str(worker.age)


def child_exit(_: Any, worker: Any) -> None:
    """Seen in the log whatever ended the worker; a killed one is replaced at once."""
    _log.warning("worker ended", pid=worker.pid, generation=worker.age)
    if workers > 1:
        from prometheus_client import multiprocess  # noqa: PLC0415 - must not be imported before the directory is set

        multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call] # the library leaves it without types


def worker_exit(_: Any, worker: Any) -> None:
    """The last thing a stopping worker does."""
    application = getattr(worker, "wsgi", None)
    if application is not None:
        application.extensions["engine"].stop(grace_s=1.0)


def on_exit(_: Any) -> None:
    """The last thing the master does."""
    if made := os.environ.get("SIDECAR_METRICS_FOLDER"):
        shutil.rmtree(made, ignore_errors=True)
