"""The sidecar on this machine, under gunicorn as in production: up, down, and what it says of itself."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

import msgspec
import requests

from cluster.addresses import session_to
from cluster.daemon import Daemon
from cluster.embedding import sidecar_headers
from cluster.errors import ServiceFailed
from cluster.ports import LOCALHOST, is_taken
from cluster.workspace import CHECKOUT, Workspace, default_workspace

DEFAULT_NAME = "demo"
DEFAULT_PORT = 8080
_POLL_S = 0.1
_NOT_THE_SIDECAR_S = frozenset({"RERANK_DATA", "RERANK_VAR"})


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """What a sidecar says of itself."""

    name: str
    running: bool
    url: str = ""
    ready: bool = False
    models: tuple[str, ...] = ()
    log: str = ""


@dataclass(frozen=True, slots=True)
class Service:
    """A named sidecar on one port; `settings` are further `RERANK_*` variables."""

    name: str = DEFAULT_NAME
    port: int = DEFAULT_PORT
    workspace: Workspace | None = None
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Where the sidecar answers."""
        return f"http://{LOCALHOST}:{self.port}"

    @property
    def daemon(self) -> Daemon:
        """gunicorn's master process."""
        return Daemon((self.workspace or default_workspace()).service_folder(self.name))

    def up(self, *, timeout_s: float = 120.0) -> ServiceStatus:
        """Have the sidecar running from the code, models and `RERANK_*` variables as they are now; returns once it is ready."""
        known = self.daemon.running()
        if known and (known.url != self.url or known.facts != self._facts()):
            self.down()
            known = None
        if not known:
            self._start()
        self._wait(timeout_s)
        return self.status()

    def down(self) -> bool:
        """Stop the sidecar; whether it ran."""
        return self.daemon.stop()

    def status(self) -> ServiceStatus:
        """What the sidecar says of itself now."""
        known = self.daemon.running()
        if not known:
            return ServiceStatus(self.name, running=False)
        try:
            models = session_to(known.url).get(f"{known.url}/v1/models", headers=sidecar_headers(), timeout=5).json()["models"]
            names = tuple(f"{model['profile']} ({model['model']})" for model in models)
        except (requests.RequestException, KeyError, ValueError):
            names = ()
        return ServiceStatus(self.name, True, known.url, _is_ready(known.url), names, str(self.daemon.log))

    def check_port(self) -> None:
        """Raises ServiceFailed where the service would have to start, and another process has its port."""
        known = self.daemon.running()
        if not (known and known.url == self.url) and is_taken(self.port):
            raise ServiceFailed(f"port {self.port} is taken by another process; choose another with --sidecar-port")

    def _start(self) -> None:
        self.check_port()
        # Beside the log: what models keep of documents outlives a restart.
        store = {"RERANK_STORE": str(self.daemon.folder / "store")}
        environment = {**store, **from_here(os.environ), **self.settings, "RERANK_BIND": f"{LOCALHOST}:{self.port}"}
        command = [sys.executable, "-m", "sidecar"]
        self.daemon.start(command, url=self.url, environment=environment, cwd=CHECKOUT, facts=self._facts())

    def _facts(self) -> dict[str, str]:
        newest = max(path.stat().st_mtime for path in (CHECKOUT / "sidecar").rglob("*.py"))
        # As a digest: a token must not lie in a file.
        given = sorted(
            (name, value) for name, value in from_here(os.environ).items() if name.startswith("RERANK_") and name not in _NOT_THE_SIDECAR_S
        )
        environment = blake2b(msgspec.json.encode(given), digest_size=8).hexdigest()
        return {"code": f"{newest:.3f}", "environment": environment, **self.settings}

    def _wait(self, timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        while not _is_ready(self.url):
            failed = "ended while starting" if not self.daemon.running() else ""
            if not failed and time.monotonic() > deadline:
                failed = f"is not ready after {timeout_s:.0f} s"
            if failed:
                raise ServiceFailed(f"the sidecar {failed}; the end of {self.daemon.log}:\n{self.daemon.last_lines()}")
            time.sleep(_POLL_S)


def from_here(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment with the folders and the file that it names as this shell means them: the sidecar runs in the checkout."""
    found = dict(environment)
    if models := found.get("RERANK_MODELS"):
        folders = (Path(folder) for folder in models.split(os.pathsep) if folder)
        # What is not here may be in the checkout: sidecar/models.
        found["RERANK_MODELS"] = os.pathsep.join(str(folder.absolute() if folder.is_dir() else folder) for folder in folders)
    for name in ("RERANK_STORE", "RERANK_CONFIG"):
        if path := found.get(name):
            found[name] = str(Path(path).absolute())
    return found


def _is_ready(url: str) -> bool:
    try:
        return session_to(url).get(f"{url}/ready", timeout=5).ok
    except requests.RequestException:
        return False
