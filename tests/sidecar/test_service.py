"""The service as it runs: gunicorn, the clients' own libraries, stops, kills and reloads."""

from __future__ import annotations

import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import cohere
import httpx
import pytest
from gunicorn.config import Config
from gunicorn.workers.gthread import TConn

from sidecar.worker import DrainingWorker, drop_handshakes, restore_handshakes
from tests.sidecar.conftest import ROOT, running
from tests.sidecar.tiny import write_model

DOCUMENTS = ["red shoe", "usb cable", "large phone case"]
HITS = {"query": "red", "hits": [{"fields": {"title": text}} for text in DOCUMENTS]}


def metric(url: str, name: str) -> float:
    lines = httpx.get(f"{url}/metrics").text.splitlines()
    return next(float(line.split()[-1]) for line in lines if line.startswith(f"{name} "))


def worker_of(service) -> int:
    return int(subprocess.check_output(["ps", "-o", "pid=", "--ppid", str(service.process.pid)]).split()[0])


def test_importing_the_service_needs_no_torch_and_no_transformers():
    code = "import sys, sidecar.wsgi; sys.exit(bool({'torch', 'transformers', 'onnx'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_wrong_settings_stop_the_start_with_a_reason():
    environment = {**os.environ, "RERANK_MAX_HITS": "none"}
    done = subprocess.run([sys.executable, "-m", "sidecar"], cwd=ROOT, env=environment, capture_output=True, check=False)
    assert done.returncode != 0
    assert b"RERANK_MAX_HITS=none" in done.stderr


def test_hits_are_scored_over_a_kept_alive_connection(service):
    with httpx.Client(base_url=service.url) as client:
        first, second = client.post("/v1/hits", json=HITS), client.post("/v1/hits", json=HITS)
    assert first.json()["scores"] == second.json()["scores"]
    assert second.json()["cached"] == 3


def test_a_request_that_finds_no_thread_is_refused_and_one_that_finds_one_is_not(tmp_path):
    write_model(tmp_path / "fast")
    with running(tmp_path, RERANK_HTTP_THREADS="1", RERANK_MAX_WAIT_MS="50") as service:
        address = service.url.removeprefix("http://").split(":")
        with socket.create_connection((address[0], int(address[1]))) as slow, ThreadPoolExecutor(1) as pool:
            # A body that does not come holds the only thread.
            slow.sendall(b"POST /v1/hits HTTP/1.1\r\nHost: sidecar\r\nContent-Length: 2\r\n\r\n")
            late = pool.submit(httpx.post, f"{service.url}/v1/hits", json=HITS)
            with pytest.raises(TimeoutError):
                late.result(timeout=0.3)
            slow.sendall(b"{}")
            assert late.result(timeout=10).status_code == 429
        assert httpx.post(f"{service.url}/v1/hits", json=HITS).status_code == 200
        assert metric(service.url, "rerank_refused_total") == 1


def test_texts_are_embedded(service):
    answer = httpx.post(f"{service.url}/v1/embed", json={"texts": ["red shoe"], "kind": "query"}).json()
    assert (len(answer["vectors"][0]), answer["dimension"]) == (8, 8)


@pytest.mark.parametrize("version", [cohere.Client, cohere.ClientV2], ids=["v1", "v2"])
def test_coheres_own_client_gets_its_ranking(service, version):
    client = version(api_key="none", base_url=service.url)
    answer = client.rerank(model="rerank-v3.5", query="red shoe", documents=DOCUMENTS, top_n=2)
    scores = [result.relevance_score for result in answer.results]
    assert len(scores) == 2
    assert scores == sorted(scores, reverse=True)


def test_coheres_own_client_reads_the_errors(service):
    with pytest.raises(cohere.errors.UnprocessableEntityError, match="query is empty"):
        cohere.ClientV2(api_key="none", base_url=service.url).rerank(model="m", query="", documents=DOCUMENTS)


@pytest.mark.parametrize(
    "options",
    [{"raw_scores": False, "return_text": True, "truncate": True, "truncation_direction": "right"}, {"return_text": True, "top_n": 3}],
    ids=["tei", "elasticsearch"],
)
def test_what_tei_clients_send_is_answered_as_tei_does(service, options):
    # No client library in the registries has TEI's rerank route: these are the bodies that TEI documents and Elasticsearch sends.
    ranks = httpx.post(f"{service.url}/rerank", json={"query": "red shoe", "texts": DOCUMENTS, **options}).json()
    assert {rank["text"] for rank in ranks} == set(DOCUMENTS)
    assert [rank["score"] for rank in ranks] == sorted((rank["score"] for rank in ranks), reverse=True)


def test_log_lines_are_json_and_carry_the_request_id(service):
    httpx.post(f"{service.url}/v1/hits", json=HITS, headers={"X-Request-Id": "look-for-me"})
    line = next(line for line in service.log.read_text().splitlines() if "look-for-me" in line)
    assert {"route", "status", "ms", "hits", "cached", "model"} <= set(json.loads(line))


def test_the_log_says_why_a_request_was_refused(service):
    httpx.post(f"{service.url}/v1/hits", json={**HITS, "profile": "fats"}, headers={"X-Request-Id": "refused-here"})
    line = json.loads(next(line for line in service.log.read_text().splitlines() if "refused-here" in line))
    assert (line["status"], line["code"]) == (422, "unknown_profile")
    assert "'fats'" in line["message"]


def test_a_changed_model_is_served_without_a_restart(own_service):
    before = httpx.post(f"{own_service.url}/v1/hits", json=HITS).json()
    write_model(own_service.models / "fast", seed=9)
    until = time.monotonic() + 60
    while (after := httpx.post(f"{own_service.url}/v1/hits", json=HITS).json())["model"] == before["model"]:
        assert time.monotonic() < until
    assert after["cached"] == 0
    assert after["scores"] != before["scores"]


def test_a_killed_worker_is_replaced_and_seen(own_service):
    before = metric(own_service.url, "rerank_worker_generation")
    os.kill(worker_of(own_service), signal.SIGKILL)
    own_service.wait_until(200)
    assert metric(own_service.url, "rerank_worker_generation") == before + 1
    assert '"worker ended"' in own_service.log.read_text()


def test_a_worker_replaced_after_its_number_of_requests_leaves_a_service_that_answers(tmp_path):
    with running(tmp_path, RERANK_MAX_REQUESTS="3") as own:
        for _ in range(12):
            assert httpx.post(f"{own.url}/v1/hits", json=HITS, timeout=30).status_code == 200


def test_workers_replaced_under_several_callers_lose_no_request(tmp_path):
    (tmp_path / "shipped").mkdir()
    (tmp_path / "shipped" / "instant").symlink_to(ROOT / "sidecar" / "models" / "instant")
    shipped = {"RERANK_MODELS": str(tmp_path / "shipped"), "RERANK_DEFAULT_PROFILE": "instant", "RERANK_STORE": str(tmp_path / "store")}
    # A slow machine is not what is tried here: no wait for a thread is refused.
    with running(tmp_path, RERANK_MAX_REQUESTS="60", RERANK_MAX_WAIT_MS="30000", **shipped) as own:
        with ThreadPoolExecutor(6) as callers:
            outcomes = list(callers.map(call_40_times, [own.url] * 6, [True, False] * 3))
        assert outcomes == [Counter({200: 40})] * 6
        assert metric(own.url, "rerank_worker_generation") > 2


@pytest.fixture
def ending() -> Iterator[DrainingWorker]:
    """A worker that has begun to end, with one connection whose time to linger is over."""
    worker = DrainingWorker(0, 0, [], None, 30, Config(), None)
    with selectors.DefaultSelector() as worker.poller:
        worker.alive, worker.nr_conns = False, 1
        worker.murder_keepalived()
        worker._linger_until = time.monotonic() - 1
        yield worker


def answered() -> Future[bool]:
    """A request whose answer promised to keep its connection."""
    done: Future[bool] = Future()
    done.set_result(True)
    return done


def test_an_answer_that_comes_late_from_an_ending_worker_keeps_its_connection(ending):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ending.finish_request(TConn(ending.cfg, ours, "", ""), answered())
        ending.murder_keepalived()
        theirs.setblocking(False)
        with pytest.raises(BlockingIOError):
            theirs.recv(1)
        assert ending.nr_conns == 1


def test_a_connection_that_cannot_be_kept_is_counted_out(ending):
    ours, theirs = socket.socketpair()
    with theirs:
        connection = TConn(ending.cfg, ours, "", "")
        ours.close()
        ending.finish_request(connection, answered())
    assert (ending.nr_conns, len(ending.keepalived_conns)) == (0, 0)


def call_40_times(url: str, keep_alive: bool) -> Counter[object]:
    outcomes: Counter[object] = Counter()
    limits = httpx.Limits(max_keepalive_connections=None if keep_alive else 0)
    with httpx.Client(base_url=url, limits=limits, timeout=60) as client:
        for _ in range(40):
            try:
                outcomes[client.post("/v1/hits", json=HITS).status_code] += 1
            except httpx.TransportError as error:
                outcomes[repr(error)] += 1
    return outcomes


@pytest.mark.parametrize("workers", ["1", "2"])
def test_workers_replaced_by_a_hang_up_leave_a_service_that_answers(tmp_path, workers):
    with running(tmp_path, RERANK_WORKERS=workers, RERANK_DRAIN_S="0.1") as own:
        before = worker_of(own)
        os.kill(own.process.pid, signal.SIGHUP)
        until = time.monotonic() + 60
        while Path(f"/proc/{before}").exists():
            assert time.monotonic() < until
            assert httpx.get(f"{own.url}/live", timeout=30).status_code == 200
        own.wait_until(200)
        assert httpx.post(f"{own.url}/v1/hits", json=HITS, timeout=30).status_code == 200


def test_one_of_two_workers_that_is_stopped_leaves_a_service_that_answers(tmp_path):
    with running(tmp_path, RERANK_WORKERS="2", RERANK_DRAIN_S="0.1") as own:
        os.kill(worker_of(own), signal.SIGTERM)
        for _ in range(40):
            assert httpx.get(f"{own.url}/live", timeout=30).status_code == 200


def test_a_listener_that_another_process_closed_to_newcomers_is_opened_again():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        drop_handshakes(listener)
        restore_handshakes(listener)
        with socket.create_connection(listener.getsockname(), timeout=5):
            pass


def test_several_workers_answer_metrics_for_all(tmp_path):
    with running(tmp_path, RERANK_WORKERS="2") as own:
        for _ in range(20):
            assert httpx.post(f"{own.url}/v1/hits", json=HITS).status_code == 200
        assert 'rerank_requests_total{route="/v1/hits",status="200"} 20.0' in httpx.get(f"{own.url}/metrics").text


def test_a_stop_loses_no_request(tmp_path):
    with running(tmp_path, RERANK_DRAIN_S="0.2") as own:
        outcomes: list[Counter[object]] = [Counter() for _ in range(4)]
        callers = [
            threading.Thread(target=call_until_refused, args=(own.url, counter), kwargs={"keep_alive": number % 2 == 0})
            for number, counter in enumerate(outcomes)
        ]
        for caller in callers:
            caller.start()
        while not all(counter[200] for counter in outcomes):
            assert all(caller.is_alive() for caller in callers)
            callers[0].join(0.01)
        own.process.terminate()
        for caller in callers:
            caller.join(60)
        assert own.process.wait(60) == 0
    assert [set(counter) for counter in outcomes] == [{200, "refused"}] * len(callers)


def call_until_refused(url: str, outcomes: Counter[object], *, keep_alive: bool) -> None:
    """Request after request until nobody listens; anything but an answer or a refused connection is a lost request."""
    limits = httpx.Limits(max_keepalive_connections=None if keep_alive else 0)
    with httpx.Client(base_url=url, limits=limits, timeout=60) as client:
        while True:
            try:
                outcomes[client.post("/v1/hits", json=HITS).status_code] += 1
            except httpx.ConnectError:
                outcomes["refused"] += 1
                return
            except httpx.TransportError as error:
                outcomes[repr(error)] += 1
                return


@pytest.mark.skipif(sys.platform != "linux", reason="the filter is Linux's")
def test_a_stopping_listener_takes_those_who_have_connected_and_no_others():
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname(), timeout=5) as early:
        drop_handshakes(listener)
        with pytest.raises(TimeoutError):
            socket.create_connection(listener.getsockname(), timeout=0.3)
        accepted, _ = listener.accept()
        with accepted:
            early.sendall(b"still heard")
            assert accepted.recv(64) == b"still heard"
