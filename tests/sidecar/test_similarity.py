"""Similarity by vectors that the sidecar remembers: known after embedding, neutral before, never another text's."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest

from sidecar.backlog import Backlog
from sidecar.candidates import Candidate
from sidecar.config import Settings
from sidecar.encoding import TemplateField, TextTemplate
from sidecar.engine import Engine
from sidecar.errors import Overloaded
from sidecar.factory import make_engine
from sidecar.manifest import Fusion
from sidecar.metrics import Metrics
from sidecar.ranking import RankRequest
from sidecar.vectors import pack, similarities, unpack
from tests.sidecar.tiny import write_model

TEMPLATE = TextTemplate((TemplateField("title", 9),), 9, 9)
SHOE, PHONE = {"title": "red shoe"}, {"title": "phone case"}
Start = Callable[..., Engine]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts engines on a ranker whose fusion weighs similarity alone, and an embedder."""
    write_model(tmp_path / "models" / "fast", fusion=Fusion({"dense": 1.0}))
    write_model(tmp_path / "models" / "embedder", kind="embedder")
    started: list[Engine] = []

    def started_engine(**settings: object) -> Engine:
        engine = make_engine(Settings(models=tmp_path / "models", reload_interval_s=0, **settings), Metrics())
        engine.refresh()
        started.append(engine)
        return engine

    yield started_engine
    for engine in started:
        engine.stop(grace_s=1.0)


def later() -> float:
    return time.monotonic() + 10


def scores(engine: Engine, *documents: dict[str, str], dense: list[float | None] | None = None, own: bool = True) -> list[float]:
    unknown = [None] * len(documents)
    return engine.rank(RankRequest("red shoe", documents, unknown, dense or unknown, None, later(), own)).scores


def embed(engine: Engine, *documents: dict[str, str]) -> None:
    engine.embed(documents, query=False, profile=None, deadline=later())


def test_a_document_that_was_embedded_is_ranked_by_its_similarity(start: Start) -> None:
    engine = start()
    embed(engine, SHOE, PHONE)
    assert scores(engine, PHONE, SHOE) == pytest.approx([-1.0, 1.0])


def test_a_document_met_without_a_vector_is_neutral_and_embedded_for_the_next_window(start: Start) -> None:
    engine = start()
    assert scores(engine, PHONE, SHOE) == [0.0, 0.0]
    assert engine.embeddings.backlog.wait(10)
    assert scores(engine, PHONE, SHOE) == pytest.approx([-1.0, 1.0])


def test_an_embedder_that_fails_costs_the_similarity_alone(start: Start) -> None:
    engine = start()
    embed(engine, SHOE, PHONE)
    (found,) = [profile for profile in engine.profiles() if profile.embedder is not None]
    found.embedder._graph = None  # Whatever a graph may do: every run of it fails now.
    assert scores(engine, PHONE, SHOE) == [0.0, 0.0]


def test_a_document_that_comes_while_there_is_too_much_to_do_is_embedded_later() -> None:
    refusals = iter([Overloaded("too much", retry_after_s=0.0)])
    embedded: list[bytes] = []

    def embed_unless_busy(_embedder: str, candidate: Candidate) -> None:
        for refusal in refusals:
            raise refusal
        embedded.append(candidate.digest)

    backlog = Backlog(embed_unless_busy)
    backlog.add("embedder", [Candidate(b"one", TEMPLATE, "a text")])
    assert backlog.wait(10)
    backlog.close()
    assert embedded == [b"one"]


def test_a_document_that_cannot_be_embedded_does_not_end_the_embedding_of_others() -> None:
    embedded: list[bytes] = []

    def embed_some(_embedder: str, candidate: Candidate) -> None:
        if candidate.digest == b"bad":
            raise ValueError("no text")
        embedded.append(candidate.digest)

    backlog = Backlog(embed_some)
    backlog.add("embedder", [Candidate(digest, TEMPLATE, "a text") for digest in (b"bad", b"good")])
    assert backlog.wait(10)
    backlog.close()
    assert embedded == [b"good"]


def test_what_waits_to_be_embedded_does_not_hold_the_body_that_it_came_in() -> None:
    body = b'{"hits": [{"title": "red shoe"}]}'
    (hit,) = msgspec.json.decode(body, type=dict[str, list[msgspec.Raw]])["hits"]
    before = sys.getrefcount(body)
    kept = Candidate(b"digest", TEMPLATE, hit).kept()
    del hit
    assert sys.getrefcount(body) < before
    assert kept.text == ("red shoe",)


def test_a_changed_document_does_not_meet_its_old_vector(start: Start) -> None:
    engine = start()
    embed(engine, SHOE, PHONE)
    assert scores(engine, {"title": "green shoe"}, SHOE) == [0.0, 0.0]


def test_a_request_that_brings_similarities_is_taken_at_its_word(start: Start) -> None:
    engine = start()
    embed(engine, SHOE, PHONE)
    assert scores(engine, PHONE, SHOE, dense=[0.9, 0.1]) == pytest.approx([1.0, -1.0])


def test_who_measures_a_model_gets_no_similarity_but_the_requests(start: Start) -> None:
    engine = start()
    embed(engine, SHOE, PHONE)
    assert scores(engine, PHONE, SHOE, own=False) == [0.0, 0.0]


def test_vectors_outlive_a_restart_in_the_store(start: Start, tmp_path: Path) -> None:
    first = start(store=tmp_path / "store")
    embed(first, SHOE, PHONE)
    first.stop(grace_s=1.0)
    assert scores(start(store=tmp_path / "store"), PHONE, SHOE) == pytest.approx([-1.0, 1.0])


def test_a_store_that_nobody_has_written_can_be_opened_read_only(start: Start, tmp_path: Path) -> None:
    assert scores(start(store=tmp_path / "store", store_read_only=True), PHONE, SHOE) == [0.0, 0.0]


def test_a_record_is_read_back_as_written_or_not_at_all() -> None:
    vector = np.array([0.6, -0.8], dtype=np.float16)
    record = pack(vector)
    damaged = record[:-1] + bytes([record[-1] ^ 1])
    assert unpack(record).tolist() == vector.tolist()
    assert [unpack(damaged), unpack(b""), unpack(record[:4])] == [None, None, None]


def test_the_similarity_of_an_unknown_vector_is_unknown() -> None:
    known = np.array([0.6, 0.8], dtype=np.float16)
    assert similarities([1.0, 0.0], [None, known]) == [None, pytest.approx(0.6, abs=1e-3)]
