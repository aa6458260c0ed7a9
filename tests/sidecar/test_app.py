"""The HTTP edge: shapes, limits, the token, request ids, errors."""

from __future__ import annotations

import io
import json
import threading
import time

import numpy as np
import pytest

from sidecar.app import create_app
from sidecar.arrival import note
from sidecar.config import Settings
from sidecar.manifest import Fusion
from sidecar.metrics import Metrics
from tests.sidecar.fakes import FakeScorer, make_engine

HITS = {"query": "red shoe", "hits": [{"id": "1", "index": "p", "score": 2.5, "fields": {"title": "shoe"}}, {"id": "2", "fields": {}}]}


def client_of(scorer: FakeScorer | None = None, *, fusion: Fusion | None = None, **settings):
    engine = make_engine(scorer or FakeScorer(), fusion=fusion)
    return create_app(Settings(**settings), engine, Metrics()).test_client()


@pytest.fixture
def client():
    return client_of()


def error_of(response) -> tuple[int, str]:
    return response.status_code, response.json["error"]["code"]


def test_hits_are_answered_with_one_finite_score_each(client):
    answer = client.post("/v1/hits", json=HITS).json
    assert (answer["scores"], answer["model"], answer["cached"]) == ([8.0, 0.0], "fake:1", 0)
    assert answer["took_ms"] > 0


def test_an_answer_says_how_a_mistyped_query_was_read(client):
    hits = [{"fields": {"title": "running shoe"}}, {"fields": {"title": "phone"}}]

    assert client.post("/v1/hits", json={"query": "runnign shoe", "hits": hits}).json["read_as"] == "running shoe"
    assert "read_as" not in client.post("/v1/hits", json={"query": "running shoe", "hits": hits}).json


def test_a_field_that_holds_an_object_does_not_fail_the_page(client):
    odd = {"query": "red", "hits": [{"fields": {"title": {"en": "shoe"}, "brand": ["acme", None, 3], "description": None}}]}
    assert client.post("/v1/hits", json=odd).status_code == 200


def test_hits_of_which_none_has_a_role_that_the_model_reads_are_refused_with_both_named(client):
    slip = {"query": "red", "hits": [{"fields": {"titel": "shoe"}}, {"fields": {"titel": "boot"}}]}
    answer = client.post("/v1/hits", json=slip)
    assert error_of(answer) == (422, "unprocessable")
    assert "it reads title, brand" in answer.json["error"]["message"]
    assert "hits have titel" in answer.json["error"]["message"]


@pytest.mark.parametrize(
    "fields", [[{}, {}], [{"titel": "shoe"}, {"title": "boot"}], [{"titel": "shoe", "title": ""}]], ids=["none", "one", "empty"]
)
def test_hits_without_text_are_scored_where_nothing_says_that_a_role_was_meant(client, fields):
    assert client.post("/v1/hits", json={"query": "red", "hits": [{"fields": each} for each in fields]}).status_code == 200


def test_keys_that_the_contract_does_not_know_are_tolerated(client):
    assert client.post("/v1/hits", json={**HITS, "future": 1}).status_code == 200


def test_an_explanation_names_every_feature_of_every_hit():
    client = client_of(fusion=Fusion({"cross_encoder": 2.0, "title_overlap": 1.0}))
    explained = client.post("/v1/hits", json={**HITS, "explain": True}).json["explain"][0]
    assert explained["logit"] == 8.0
    assert explained["features"]["title_overlap"] == 0.5
    assert explained["score"] == pytest.approx(2 * 8 + 0.5)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "invalid_request"),
        (b"[]", 400, "invalid_request"),
        (b'{"query": 3, "hits": []}', 400, "invalid_request"),
        (b'{"hits": []}', 400, "invalid_request"),
        (b'{"query": "red", "hits": [], "deadline_ms": -1}', 400, "invalid_request"),
        (b'{"query": "red", "hits": [{"score": NaN}]}', 400, "invalid_request"),
        (b'{"query": "caf\xe9", "hits": []}', 400, "invalid_request"),
        (b'{"query": "red", "hits": [{"fields": {"title": "caf\xe9"}}]}', 400, "invalid_request"),
        (b'{"query": "red", "unknown": ' + b"[" * 100000, 400, "invalid_request"),
        (b'{"query": "red", "hits": [{"fields": {"title": ' + b"[" * 900 + b"1" + b"]" * 900 + b"}}]}", 400, "invalid_request"),
        (b'{"query": " ", "hits": [{}]}', 422, "unprocessable"),
        (b'{"query": "red", "hits": [{}], "profile": "no"}', 422, "unknown_profile"),
        (b'{"query": "red", "hits": [{}, {}, {}, {}]}', 413, "too_large"),
        (b'{"query": "' + b"x" * 2000 + b'", "hits": []}', 413, "too_large"),
    ],
    ids=[
        "no json",
        "no object",
        "wrong type",
        "no query",
        "deadline",
        "not a number",
        "latin 1",
        "a latin 1 field",
        "nested",
        "a nested field",
        "empty",
        "profile",
        "hits",
        "bytes",
    ],
)
def test_a_bad_request_is_answered_with_its_status_and_code(body, status, code):
    client = client_of(max_hits=3, max_body_bytes=1024 if code == "too_large" else 200_000)
    assert error_of(client.post("/v1/hits", data=body)) == (status, code)


def test_a_body_of_no_announced_length_is_refused_beyond_the_limit():
    body = io.BytesIO(json.dumps({**HITS, "user": "x" * 2000}).encode())
    terminated = {"wsgi.input_terminated": True}
    answer = client_of(max_body_bytes=1024).post(
        "/v1/hits", input_stream=body, headers={"Transfer-Encoding": "chunked"}, environ_overrides=terminated
    )
    assert error_of(answer) == (413, "too_large")


def test_first_pass_scores_too_large_to_be_squared_count_as_unknown_ones():
    client = client_of(fusion=Fusion({"cross_encoder": 1.0, "first_pass": 1.0}))
    huge = {"query": "red", "hits": [{**hit, "score": 1e308} for hit in HITS["hits"]]}
    unknown = {"query": "red", "hits": [{**hit, "score": None} for hit in HITS["hits"]]}
    assert client.post("/v1/hits", json=huge).json["scores"] == client.post("/v1/hits", json=unknown).json["scores"]


def test_a_model_that_answers_not_a_number_is_an_error_and_not_a_score():
    client = client_of(FakeScorer(lambda documents: np.full(len(documents), np.nan, dtype=np.float32)))
    assert error_of(client.post("/v1/hits", json=HITS)) == (503, "scoring_failed")


def test_a_deadline_that_scoring_misses_is_504(hanging):
    client, gate = hanging
    assert error_of(client.post("/v1/hits", json={**HITS, "deadline_ms": 20})) == (504, "deadline_exceeded")
    gate.set()


@pytest.fixture
def queued():
    """Requests of this thread arrived 150 ms ago."""
    note(time.monotonic() - 0.15)
    yield
    note(None)


@pytest.mark.usefixtures("queued")
def test_a_request_that_waited_too_long_for_a_thread_is_refused_unread():
    client = client_of(max_wait_ms=100)
    answer = client.post("/v1/hits", data=b"never read")
    assert error_of(answer) == (429, "overloaded")
    assert answer.headers["Retry-After"] == "1"
    assert "rerank_refused_total 1.0" in client.get("/metrics").text


@pytest.mark.usefixtures("queued")
def test_the_wait_for_a_thread_counts_against_the_deadline():
    client = client_of(max_wait_ms=1000)
    assert client.post("/v1/hits", json=HITS).json["took_ms"] > 150
    # Also where every score is in the cache.
    assert error_of(client.post("/v1/hits", json={**HITS, "deadline_ms": 140})) == (504, "deadline_exceeded")
    assert "rerank_dropped_total 1.0" in client.get("/metrics").text


@pytest.mark.usefixtures("queued")
def test_what_operators_ask_is_answered_however_long_it_waited():
    assert client_of(max_wait_ms=1).get("/live").status_code == 200


@pytest.fixture
def hanging():
    gate = threading.Event()

    def wait(documents):
        gate.wait(5)
        return np.zeros(len(documents), dtype=np.float32)

    return client_of(FakeScorer(wait)), gate


def test_an_unexpected_error_is_answered_without_its_text(broken_client):
    answer = broken_client.get("/v1/models")
    assert error_of(answer) == (500, "internal")
    assert "secret" not in answer.text


@pytest.fixture
def broken_client():
    class Broken:
        def profiles(self):
            raise RuntimeError("secret")

    return create_app(Settings(), Broken(), Metrics()).test_client()


def test_a_request_id_is_echoed(client):
    assert client.post("/v1/hits", json=HITS, headers={"X-Request-Id": "abc"}).headers["X-Request-Id"] == "abc"


def test_a_request_without_id_gets_one_even_when_it_fails(client):
    first, second = client.post("/v1/hits", data=b"{"), client.get("/nowhere")
    assert len({first.headers["X-Request-Id"], second.headers["X-Request-Id"]}) == 2


@pytest.mark.parametrize(("method", "path", "status"), [("get", "/nowhere", 404), ("get", "/v1/hits", 405)])
def test_what_is_not_there_is_answered_in_the_same_shape(client, method, path, status):
    answer = getattr(client, method)(path)
    assert answer.status_code == status
    assert set(answer.json["error"]) == {"code", "message"}


@pytest.mark.parametrize("given", [{}, {"Authorization": "Bearer no"}, {"Authorization": "Basic s3cret"}], ids=["none", "wrong", "basic"])
def test_a_request_without_the_token_is_refused(given):
    refused = client_of(token="s3cret").post("/v1/hits", json=HITS, headers=given)
    assert error_of(refused) == (401, "unauthorized")
    assert refused.headers["WWW-Authenticate"] == "Bearer"


def test_the_token_lets_in():
    assert client_of(token="s3cret").post("/v1/hits", json=HITS, headers={"Authorization": "Bearer s3cret"}).status_code == 200


@pytest.mark.parametrize("path", ["/live", "/ready", "/metrics", "/openapi.json"])
def test_what_operators_ask_needs_no_token(path):
    assert client_of(token="s3cret").get(path).status_code == 200


def test_a_draining_service_is_live_and_not_ready():
    engine = make_engine(FakeScorer())
    client = create_app(Settings(), engine, Metrics()).test_client()
    engine.drain()
    assert client.get("/live").status_code == 200
    assert error_of(client.get("/ready")) == (503, "not_ready")


def test_metrics_count_requests_by_route_and_status(client):
    client.post("/v1/hits", json=HITS)
    client.post("/v1/hits", data=b"{")
    text = client.get("/metrics").text
    assert 'rerank_requests_total{route="/v1/hits",status="200"} 1.0' in text
    assert 'rerank_requests_total{route="/v1/hits",status="400"} 1.0' in text


def test_models_tell_profile_roles_and_budgets(client):
    model = client.get("/v1/models").json["models"][0]
    assert (model["profile"], model["default"], model["roles"]) == ("fast", True, ["title", "brand", "description"])


def test_the_openapi_document_describes_every_route(client):
    document = client.get("/openapi.json").json
    routes = {rule.rule for rule in client.application.url_map.iter_rules()}
    assert set(document["paths"]) == routes - {"/openapi.json"}
    assert "fields" in json.dumps(document["components"]["schemas"]["Hit"])
