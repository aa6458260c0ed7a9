"""A scripted sidecar: answers `POST /v1/hits` and `POST /v1/embed` rightly, or in one of the ways in which a sidecar can go wrong.

Invariant: it never ends a call by itself when told to hang; closing the stub ends all of them.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Body = dict[str, Any]
MODEL = "stub-1"


class StubSidecar:
    """The sidecar's state: how it is to answer, and what it was asked."""

    def __init__(self) -> None:
        self.behaviour: Behaviour = upside_down
        self.embedding: Behaviour = embed
        self.embedded: list[Body] = []
        self.calls: list[Body] = []
        self.headers: list[dict[str, str]] = []
        self.greetings: list[str] = []
        self.closing = threading.Event()
        self.release = threading.Event()
        self.url = ""

    def reset(self) -> None:
        """Answer rightly, and forget the past."""
        self.behaviour = upside_down
        self.embedding = embed
        self.embedded.clear()
        self.calls.clear()
        self.headers.clear()
        self.greetings.clear()
        self.release.clear()


Behaviour = Callable[[StubSidecar, "Handler", Body], None]


class Handler(BaseHTTPRequestHandler):
    """One connection; kept open between calls as gunicorn does."""

    protocol_version = "HTTP/1.1"
    stub: StubSidecar

    def do_GET(self) -> None:
        """A node that has not met this sidecar yet asks whether it lives."""
        self.stub.greetings.append(self.path)
        self.answer(200, b"{}")

    def do_POST(self) -> None:
        """Record the call, then behave as told."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path.endswith("/embed"):
            self.stub.embedded.append(body)
            self.stub.embedding(self.stub, self, body)
            return
        self.stub.calls.append(body)
        self.stub.headers.append({name.lower(): value for name, value in self.headers.items()})
        self.stub.behaviour(self.stub, self, body)

    def answer(self, status: int, payload: bytes) -> None:
        """Send one whole answer; a node that has given up on it has closed the connection, which is nothing to print about."""
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        with suppress(ConnectionError):
            self.end_headers()
            self.wfile.write(payload)

    def scores(self, scores: list[float]) -> None:
        """Send an answer of the right shape."""
        self.answer(200, json.dumps({"scores": scores, "model": MODEL, "took_ms": 0.1, "cached": 0}).encode())

    def log_message(self, *args: object) -> None:
        """Say nothing: the calls are recorded."""


def upside_down(_stub: StubSidecar, handler: Handler, body: Body) -> None:
    """The right answer: the last hit of the first pass is the best."""
    handler.scores([position + 0.5 for position in range(len(body["hits"]))])


def embed(_stub: StubSidecar, handler: Handler, body: Body) -> None:
    """The right answer of the embedder: a vector that is nearest to the last products of the tests' shop."""
    handler.answer(200, json.dumps({"vectors": [[9.0, 1.0, 2.0] for _ in body["texts"]], "model": MODEL, "dimension": 3}).encode())


def hang(stub: StubSidecar, handler: Handler, _body: Body) -> None:
    """Never answer."""
    stub.closing.wait()
    handler.close_connection = True


def hang_in_the_body(stub: StubSidecar, handler: Handler, _body: Body) -> None:
    """Send the headers at once and the body never."""
    handler.send_response(200)
    handler.send_header("Content-Length", "100")
    handler.end_headers()
    handler.wfile.flush()
    stub.closing.wait()
    handler.close_connection = True


def late(stub: StubSidecar, handler: Handler, body: Body) -> None:
    """Answer rightly, but only when the test says so."""
    stub.release.wait()
    upside_down(stub, handler, body)


def after(seconds: float) -> Behaviour:
    """Answer rightly after a while."""

    def answer(stub: StubSidecar, handler: Handler, body: Body) -> None:
        stub.closing.wait(seconds)
        upside_down(stub, handler, body)

    return answer


def garbage(_stub: StubSidecar, handler: Handler, _body: Body) -> None:
    """Answer 200 with something that is not JSON."""
    handler.answer(200, b"<html>It works!</html>")


def no_http(_stub: StubSidecar, handler: Handler, _body: Body) -> None:
    """Answer with bytes that are not even HTTP."""
    handler.wfile.write(b"\x00\x01\x02\x03 hello\r\n\r\n")
    handler.close_connection = True


def cut_off(_stub: StubSidecar, handler: Handler, _body: Body) -> None:
    """Close the connection in the middle of the body."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"scores": [1.0, ')
    handler.close_connection = True


def oversized(_stub: StubSidecar, handler: Handler, _body: Body) -> None:
    """Answer with megabytes."""
    handler.answer(200, b'{"scores": [' + b" " * (4 << 20) + b"]}")


def too_few(_stub: StubSidecar, handler: Handler, body: Body) -> None:
    """Answer with one score too few."""
    handler.scores([1.0] * (len(body["hits"]) - 1))


def too_many(_stub: StubSidecar, handler: Handler, body: Body) -> None:
    """Answer with one score too many."""
    handler.scores([1.0] * (len(body["hits"]) + 1))


def not_a_number(_stub: StubSidecar, handler: Handler, body: Body) -> None:
    """Answer with a NaN in the middle."""
    handler.scores([float("nan") if position == 1 else 1.0 for position in range(len(body["hits"]))])


def infinite(_stub: StubSidecar, handler: Handler, body: Body) -> None:
    """Answer with a number that is too large for a score."""
    handler.scores([1e300 for _ in body["hits"]])


def null_scores(_stub: StubSidecar, handler: Handler, body: Body) -> None:
    """Answer with nulls in place of scores."""
    handler.answer(200, json.dumps({"scores": [None for _ in body["hits"]], "model": MODEL}).encode())


def refusing(status: int) -> Behaviour:
    """Answer with an error of the contract."""

    def refuse(_stub: StubSidecar, handler: Handler, _body: Body) -> None:
        handler.answer(status, json.dumps({"error": {"code": "scripted", "message": "as the test asked"}}).encode())

    return refuse


@contextmanager
def running_stub() -> Iterator[StubSidecar]:
    """A stub on a free port for the length of the block."""
    stub = StubSidecar()
    handler = type("BoundHandler", (Handler,), {"stub": stub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    stub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield stub
    finally:
        stub.closing.set()
        stub.release.set()
        server.shutdown()
        server.server_close()
        thread.join()
