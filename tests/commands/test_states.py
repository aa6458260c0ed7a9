"""A decomposed profile reads a catalogue ahead of time: through the real service, with a small model."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest
import requests
from werkzeug.serving import make_server

from cluster.catalogue import BadRow, Document
from cluster.errors import ServiceFailed
from cluster.ports import free_port
from cluster.states import Filled, SidecarStates
from sidecar.app import create_app
from sidecar.config import Settings
from sidecar.factory import make_engine
from sidecar.metrics import Metrics
from tests.sidecar.conftest import running
from tests.sidecar.tiny import write_model

ROWS: list[Document | BadRow] = [
    Document("1", {"title": "red shoe"}, 1),
    BadRow(Path("shop.jsonl"), 2, "not a JSON object"),
    Document("2", {"title": "phone case"}, 3),
]


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    write_model(tmp_path / "models" / "instant", kind="decomposed")
    settings = Settings(models=tmp_path / "models", default_profile="instant", store=tmp_path / "store", reload_interval_s=0)
    metrics = Metrics()
    engine = make_engine(settings, metrics)
    engine.refresh()
    server = make_server("127.0.0.1", free_port(), create_app(settings, engine, metrics), threaded=True)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    engine.stop(grace_s=1.0)


def test_a_catalogue_is_read_once_and_a_repeated_run_computes_nothing(url: str) -> None:
    done: list[int] = []
    states = SidecarStates(url, "instant")

    assert states.fill(ROWS, done.append) == Filled(computed=2, known=0)
    assert states.fill(ROWS, done.append) == Filled(computed=0, known=2)
    assert sum(done) == 2 * len(ROWS)


def test_a_long_text_full_of_markup_is_known_as_the_hit_that_the_plugin_sends(url: str) -> None:
    markup = "<p class='wide'>red</p>" * 200
    states = SidecarStates(url, "instant")
    states.fill([Document("1", {"title": "red shoe", "description": markup}, 1)], lambda _: None)

    hit = Document("1", {"title": "red shoe", "description": markup[:2000]}, 1)
    assert states.fill([hit], lambda _: None) == Filled(computed=0, known=1)


def test_a_filling_that_a_kill_cut_off_goes_on_where_the_store_ends(tmp_path: Path) -> None:
    write_model(tmp_path / "models" / "instant", kind="decomposed")
    rows = [Document(str(number), {"title": f"red shoe {number}"}, number) for number in range(100)]
    store = {"RERANK_STORE": str(tmp_path / "store")}

    with running(tmp_path, **store) as first:
        done: list[int] = []

        def kill_in_the_middle(count: int) -> None:
            done.append(count)
            if len(done) == 2:
                os.killpg(first.process.pid, signal.SIGKILL)

        with pytest.raises(ServiceFailed):
            SidecarStates(first.url, "instant", requests.Session()).fill(rows, kill_in_the_middle)

    with running(tmp_path, **store) as again:
        assert SidecarStates(again.url, "instant").fill(rows, lambda _: None) == Filled(computed=100 - sum(done), known=sum(done))


def test_a_profile_that_keeps_nothing_is_named_by_the_sidecars_own_words(url: str) -> None:
    with pytest.raises(ServiceFailed, match="best"):
        SidecarStates(url, "best").fill(ROWS, lambda _: None)


def test_what_would_fail_a_filling_is_told_before_it(url: str, tmp_path: Path) -> None:
    SidecarStates(url, "instant").check()
    with pytest.raises(ServiceFailed, match="best"):
        SidecarStates(url, "best").check()
    with running(tmp_path) as without_a_store, pytest.raises(ServiceFailed, match="RERANK_STORE"):
        SidecarStates(without_a_store.url, "instant").check()
