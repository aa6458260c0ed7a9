"""Contestants of a contest: each a process of its own, asked in turn, by pipe (libraries) or over HTTP (services).

Invariant: whatever a contestant cannot do is a reason that the report prints, never a figure.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Protocol, TypeVar

import msgspec
import psutil
import requests

from benchmarks.workloads import Pairs
from cluster.errors import ClusterError
from cluster.ports import LOCALHOST, free_port
from cluster.workspace import CHECKOUT

_WORKER = Path(__file__).parent / "peers" / "worker.py"
_READY_S = 240.0
_POLL_S = 0.2
# No hub is asked for anything: what is not in the given folder is missing.
_OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1"}

Line = TypeVar("Line")


class Unavailable(ClusterError):
    """A contestant that cannot take part, and why."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One request's time and its scores, in the documents' order."""

    ms: float
    scores: list[float]


class Session(Protocol):
    """A running contestant."""

    def rerank(self, pairs: Pairs) -> Answer:
        """Score one request."""

    def resident_mib(self) -> float:
        """Its memory now, all its processes together."""


class Contestant(Protocol):
    """A way to score pairs: `name` and `file` label its row."""

    @property
    def name(self) -> str:
        """The program and how it runs."""

    @property
    def file(self) -> str:
        """Which form of the network it loads."""

    def start(self) -> Any:
        """A context manager of its session; raises Unavailable."""


class _Ready(msgspec.Struct, frozen=True):
    ready: bool


class _Timed(msgspec.Struct, frozen=True):
    ms: float
    scores: list[float]
    rss_mib: float


@dataclass(frozen=True, slots=True)
class Library:
    """A library behind `peers/worker.py` in an environment's interpreter; it times itself, so that the pipe costs nothing."""

    name: str
    file: str
    adapter: str
    options: Mapping[str, Any]
    python: Path = Path(sys.executable)

    @contextmanager
    def start(self) -> Iterator[Session]:
        """Run the worker for the length of the block."""
        command = [str(self.python), str(_WORKER), self.adapter, msgspec.json.encode(dict(self.options)).decode()]
        environment = {**os.environ, **_OFFLINE, "PYTHONPATH": str(CHECKOUT)}
        with tempfile.TemporaryFile() as errors:
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, env=environment)
            try:
                yield _Piped(process, errors)
            finally:
                process.kill()
                process.communicate()


class _Piped:
    def __init__(self, process: subprocess.Popen[bytes], errors: IO[bytes]) -> None:
        self._process = process
        self._errors = errors
        self._rss_mib = 0.0
        self._read(_Ready)

    def rerank(self, pairs: Pairs) -> Answer:
        assert self._process.stdin is not None
        self._process.stdin.write(msgspec.json.encode({"query": pairs.query, "documents": pairs.documents}) + b"\n")
        self._process.stdin.flush()
        timed = self._read(_Timed)
        self._rss_mib = timed.rss_mib
        return Answer(timed.ms, timed.scores)

    def resident_mib(self) -> float:
        return self._rss_mib

    def _read(self, kind: type[Line]) -> Line:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise Unavailable(last_line(self._errors))
        return msgspec.json.decode(line, type=kind)


@dataclass(frozen=True, slots=True)
class Web:
    """A service on a port of its own; `body` and `scores` translate to and from its JSON."""

    name: str
    file: str
    command: Callable[[int], Sequence[str]]
    ready: str
    route: str
    body: Callable[[Pairs], Any]
    scores: Callable[[Any, int], list[float]]
    environment: Callable[[int], Mapping[str, str]] = field(default=lambda _: {})
    cwd: Path = CHECKOUT

    @contextmanager
    def start(self) -> Iterator[Served]:
        """Run the service for the length of the block."""
        port = free_port()
        environment = {**os.environ, **_OFFLINE, **self.environment(port)}
        with tempfile.TemporaryFile() as log, requests.Session() as connection:
            process = psutil.Popen(
                list(self.command(port)), stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, cwd=self.cwd
            )
            session = Served(self, f"http://{LOCALHOST}:{port}", connection, process)
            try:
                session.wait(log)
                yield session
            finally:
                end(process)


class Served:
    """A running service, at `url`, in `process`."""

    def __init__(self, contestant: Web, url: str, connection: requests.Session, process: psutil.Popen) -> None:
        self._contestant = contestant
        self.url = url
        self._connection = connection
        self.process = process

    def wait(self, log: IO[bytes]) -> None:
        deadline = time.monotonic() + _READY_S
        while not self._is_ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise Unavailable(last_line(log))
            time.sleep(_POLL_S)

    def rerank(self, pairs: Pairs) -> Answer:
        body = msgspec.json.encode(self._contestant.body(pairs))
        started = time.perf_counter()
        answer = self._connection.post(
            f"{self.url}{self._contestant.route}", data=body, headers={"Content-Type": "application/json"}, timeout=120
        )
        ms = (time.perf_counter() - started) * 1000
        if not answer.ok:
            raise Unavailable(f"HTTP {answer.status_code}: {answer.text[:300]}")
        return Answer(ms, self._contestant.scores(answer.json(), len(pairs.documents)))

    def resident_mib(self) -> float:
        return resident_mib(self.process)

    def _is_ready(self) -> bool:
        try:
            return self._connection.get(f"{self.url}{self._contestant.ready}", timeout=5).ok
        except requests.RequestException:
            return False


def resident_mib(process: psutil.Process) -> float:
    """Memory of a process and its children."""
    total = 0
    for each in (process, *process.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            total += each.memory_info().rss
    return total / 2**20


def end(process: psutil.Popen) -> None:
    """Stop a process with all its children; one that ended by itself is left alone."""
    if process.poll() is not None:
        return
    family = [process, *process.children(recursive=True)]
    for each in family:
        with suppress(psutil.NoSuchProcess):
            each.terminate()
    _, alive = psutil.wait_procs(family, timeout=15)
    for each in alive:
        with suppress(psutil.NoSuchProcess):
            each.kill()
    process.wait(15)


def last_line(log: IO[bytes]) -> str:
    """What a program said last, for the reason why it does not take part."""
    log.seek(0)
    lines = [line for line in log.read().decode(errors="replace").splitlines() if line.strip()]
    return lines[-1].strip()[:300] if lines else "it ended without a word"
