"""Callers who send nothing, or without end, through the real service: they hold no thread for as long as they like."""

from __future__ import annotations

import contextlib
import socket
from concurrent.futures import Future, ThreadPoolExecutor, wait

import httpx
import pytest

from tests.sidecar.conftest import running


@pytest.mark.parametrize("token", ["", "s3cret"], ids=["a body that is awaited", "a body that nobody reads"])
def test_clients_that_announce_a_body_and_send_none_do_not_hold_the_service(tmp_path, token):
    limits = {"RERANK_HTTP_THREADS": "2", "RERANK_STALL_TIMEOUT_S": "0.5", "RERANK_MAX_WAIT_MS": "30000"}
    settings = limits | ({"RERANK_TOKEN": token} if token else {})
    with running(tmp_path, **settings) as own, contextlib.ExitStack() as stalled:
        host, _, port = own.url.removeprefix("http://").partition(":")
        for _ in range(6):
            client = stalled.enter_context(socket.create_connection((host, int(port))))
            client.sendall(b"POST /v1/hits HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n")
        assert httpx.get(f"{own.url}/live", timeout=60).status_code == 200
        answer = client.makefile("rb").read().decode()
        assert ("401" if token else "before all of its bytes had come") in answer
        assert "Traceback" not in own.log.read_text()


def test_a_refused_caller_who_goes_on_sending_is_cut_off(tmp_path):
    with running(tmp_path, RERANK_TOKEN="s3cret") as own:
        host, _, port = own.url.removeprefix("http://").partition(":")
        chunk = b"10000\r\n" + bytes(1 << 16) + b"\r\n"
        with socket.create_connection((host, int(port)), timeout=60) as client:
            client.sendall(b"POST /v1/hits HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
            assert sent_until_closed(client, chunk, most=1 << 30) < 128 << 20


@pytest.mark.parametrize("begun", [b"", b"Content-Length: 1000\r\n\r\n"], ids=["a header", "a body"])
def test_clients_that_send_a_byte_now_and_then_do_not_hold_the_service(tmp_path, begun):
    limits = {"RERANK_HTTP_THREADS": "2", "RERANK_REQUEST_TIMEOUT_S": "1", "RERANK_MAX_WAIT_MS": "30000"}
    with running(tmp_path, **limits) as own, contextlib.ExitStack() as dripping, ThreadPoolExecutor(1) as pool:
        host, _, port = own.url.removeprefix("http://").partition(":")
        clients = [dripping.enter_context(socket.create_connection((host, int(port)))) for _ in range(6)]
        for client in clients:
            client.sendall(b"POST /v1/hits HTTP/1.1\r\nHost: x\r\n" + begun)
        answer = pool.submit(httpx.get, f"{own.url}/live", timeout=60)
        drip_until_done(clients, answer)
        assert answer.result().status_code == 200
        assert "Traceback" not in own.log.read_text()


def drip_until_done(clients: list[socket.socket], answer: Future[httpx.Response]) -> None:
    """A byte from each client every tenth of a second, for as long as they are heard."""
    while not wait([answer], timeout=0.1).done:
        for client in clients:
            with contextlib.suppress(OSError):
                client.sendall(b"x")


def test_a_header_that_stands_still_leaves_no_traceback_in_the_log(tmp_path):
    with running(tmp_path, RERANK_STALL_TIMEOUT_S="0.5") as own:
        host, _, port = own.url.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port)), timeout=60) as client:
            client.sendall(b"POST /v1/hi")
            assert client.recv(1) == b""
        assert "Traceback" not in own.log.read_text()


def test_connections_that_have_sent_nothing_yet_hold_no_thread(tmp_path):
    with running(tmp_path, RERANK_HTTP_THREADS="2") as own, contextlib.ExitStack() as idle:
        open_idle(own.url, 6, idle)
        # gunicorn itself gives each of them a thread for five seconds.
        assert httpx.get(f"{own.url}/live", timeout=4).status_code == 200


def test_connections_that_never_sent_anything_do_not_delay_a_stop(tmp_path):
    with running(tmp_path, RERANK_STOP_TIMEOUT_S="60") as own, contextlib.ExitStack() as idle:
        open_idle(own.url, 2, idle)
        # Answered after them, so that they have been accepted.
        httpx.get(f"{own.url}/live")
        own.process.terminate()
        assert own.process.wait(20) == 0


def open_idle(url: str, count: int, stack: contextlib.ExitStack) -> None:
    host, _, port = url.removeprefix("http://").partition(":")
    for _ in range(count):
        stack.enter_context(socket.create_connection((host, int(port))))


def sent_until_closed(client: socket.socket, chunk: bytes, most: int) -> int:
    """Bytes that went out before the other side closed, or `most`."""
    for sent in range(0, most, len(chunk)):
        try:
            client.sendall(chunk)
        except OSError:
            return sent
    return most
