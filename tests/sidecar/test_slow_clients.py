"""Callers who send nothing, or without end, through the real service: they hold no thread for as long as they like."""

from __future__ import annotations

import contextlib
import socket

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


def sent_until_closed(client: socket.socket, chunk: bytes, most: int) -> int:
    """Bytes that went out before the other side closed, or `most`."""
    for sent in range(0, most, len(chunk)):
        try:
            client.sendall(chunk)
        except OSError:
            return sent
    return most
