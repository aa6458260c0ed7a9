"""A real gunicorn on tiny models, shared by the tests that only ask it; the tests that kill one start their own. And a document store."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from sidecar.metrics import Metrics
from sidecar.states import STATES
from sidecar.store import DocumentStore
from tests.sidecar.fakes import FakeClock
from tests.sidecar.tiny import write_model

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Service:
    """A running sidecar."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path
    models: Path

    def wait_until(self, status: int, *, within_s: float = 120) -> None:
        """Until `/ready` answers with the status."""
        until = time.monotonic() + within_s
        while time.monotonic() < until:
            try:
                if httpx.get(f"{self.url}/ready").status_code == status:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.02)
        pytest.fail(f"no {status} from /ready:\n{self.log.read_text()}")


@contextmanager
def running(folder: Path, **settings: str) -> Iterator[Service]:
    """`python -m sidecar` with the settings, ready; stopped at the end."""
    write_model(folder / "models" / "fast")
    write_model(folder / "models" / "embed", kind="embedder")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RERANK_")}
    environment |= {"RERANK_BIND": address, "RERANK_MODELS": str(folder / "models"), "RERANK_DRAIN_S": "0.3", **settings}
    log = folder / "log"
    with log.open("wb") as output:
        # A group of its own, for those who kill master and workers at once.
        process = subprocess.Popen(
            [sys.executable, "-m", "sidecar"], cwd=ROOT, env=environment, stderr=output, stdout=output, start_new_session=True
        )
    service = Service(f"http://{address}", process, log, folder / "models")
    try:
        service.wait_until(200)
        yield service
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One sidecar for all tests that leave it as it is."""
    with running(tmp_path_factory.mktemp("service")) as started:
        yield started


@pytest.fixture(scope="session")
def own_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One sidecar for the tests that change its models or kill its worker."""
    with running(tmp_path_factory.mktemp("own"), RERANK_RELOAD_INTERVAL_S="0.05") as started:
        yield started


@pytest.fixture
def open_store(tmp_path):
    opened = []

    def begin(*, pages: int = 1000, read_only: bool = False, clock=None, step: int = 1000):
        settings = {"max_bytes": pages * 4096, "read_only": read_only, "step_bytes": step * 4096}
        store = DocumentStore(tmp_path / "store", STATES, metrics=Metrics(), clock=clock or FakeClock(), **settings)
        opened.append(store)
        return store

    yield begin
    for store in opened:
        store.close()
