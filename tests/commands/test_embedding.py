"""Vectors from a sidecar: asked for with fields, never taken unsound."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from cluster.addresses import session_to
from cluster.embedding import DIMENSION, SidecarEmbedder
from cluster.errors import ServiceFailed
from cluster.ports import free_port

VECTOR = [0.5] * DIMENSION


class Answering(ThreadingHTTPServer):
    """Answers every request with one status and body, and keeps what it was asked."""

    status = 200
    body: Any = None
    asked: Any = None
    refusals = 0


class _Handler(BaseHTTPRequestHandler):
    server: Answering

    def do_POST(self) -> None:
        self.server.asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        body = json.dumps(self.server.body).encode()
        refused = self.server.refusals > 0
        self.server.refusals -= refused
        self.send_response(429 if refused else self.server.status)
        if refused:
            self.send_header("retry-after", "0")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Tests print nothing."""


@pytest.fixture
def server() -> Iterator[Answering]:
    with Answering(("127.0.0.1", 0), _Handler) as answering:
        thread = threading.Thread(target=answering.serve_forever)
        thread.start()
        yield answering
        answering.shutdown()
        thread.join()


@pytest.fixture
def embedder(server: Answering) -> SidecarEmbedder:
    return SidecarEmbedder(f"http://127.0.0.1:{server.server_port}", DIMENSION)


def test_a_document_is_sent_by_its_fields(server: Answering, embedder: SidecarEmbedder) -> None:
    server.body = {"vectors": [VECTOR], "model": "small:1"}

    assert embedder.documents([{"title": "Kettle", "price": 20}]) == [VECTOR]
    assert server.asked == {"texts": [{"title": "Kettle", "price": 20}], "kind": "passage"}


def test_a_query_is_sent_as_text(server: Answering, embedder: SidecarEmbedder) -> None:
    server.body = {"vectors": [VECTOR], "model": "small:1"}

    assert embedder.query("kettle") == VECTOR
    assert server.asked == {"texts": ["kettle"], "kind": "query"}


def test_the_model_is_known_by_its_key(server: Answering, embedder: SidecarEmbedder) -> None:
    server.body = {"vectors": [VECTOR], "model": "small:1"}

    assert embedder.model() == "small:1"


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"vectors": [], "model": "m"}, id="too few"),
        pytest.param({"vectors": [VECTOR[1:]], "model": "m"}, id="another dimension"),
        pytest.param({"vectors": [[float("nan"), *VECTOR[1:]]], "model": "m"}, id="not finite"),
        pytest.param({"scores": [1.0]}, id="another shape"),
    ],
)
def test_unsound_vectors_are_an_error(server: Answering, embedder: SidecarEmbedder, body: object) -> None:
    server.body = body

    with pytest.raises(ServiceFailed):
        embedder.query("kettle")


def test_vectors_of_another_width_than_the_mapping_takes_are_told_with_both(server: Answering, embedder: SidecarEmbedder) -> None:
    server.body = {"vectors": [VECTOR * 2], "model": "large:1"}

    with pytest.raises(ServiceFailed, match=r"vectors of 768 numbers, and the mapping's field 'vector' takes 384: .*RERANK_EMBEDDER"):
        embedder.query("kettle")
    assert SidecarEmbedder(embedder.url).query("kettle") == VECTOR * 2


def test_a_proxy_of_the_environment_is_not_asked_for_this_machine(
    server: Answering, embedder: SidecarEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    server.body = {"vectors": [VECTOR], "model": "small:1"}

    assert embedder.query("kettle") == VECTOR
    assert session_to(embedder.url).get(embedder.url, timeout=5) is not None
    assert session_to("http://sidecar.example:8080").trust_env


def test_a_busy_sidecar_is_asked_again(server: Answering, embedder: SidecarEmbedder) -> None:
    server.refusals, server.body = 2, {"vectors": [VECTOR], "model": "small:1"}

    assert embedder.query("kettle") == VECTOR


def test_many_documents_are_sent_in_parts(server: Answering, embedder: SidecarEmbedder) -> None:
    server.body = {"vectors": [VECTOR] * 16, "model": "small:1"}

    assert len(embedder.documents([{"title": "Kettle"}] * 32)) == 32
    assert len(server.asked["texts"]) == 16


def test_the_sidecars_own_words_are_in_the_message(server: Answering, embedder: SidecarEmbedder) -> None:
    server.status, server.body = 422, {"error": {"code": "unknown_profile", "message": "no embedder is loaded"}}

    with pytest.raises(ServiceFailed, match="no embedder is loaded"):
        embedder.query("kettle")


def test_a_sidecar_that_asks_for_a_token_is_told_with_the_variable_that_holds_it(server: Answering, embedder: SidecarEmbedder) -> None:
    server.status, server.body = 401, {"error": {"code": "unauthorized", "message": "the bearer token is missing or wrong"}}

    with pytest.raises(ServiceFailed, match=r"missing or wrong.*RERANK_TOKEN"):
        embedder.query("kettle")


def test_a_sidecar_that_is_not_there_is_an_error() -> None:
    with pytest.raises(ServiceFailed, match=r"no vectors: no sidecar answers at .*: start one with `rerank up`"):
        SidecarEmbedder(f"http://127.0.0.1:{free_port()}").query("kettle")
