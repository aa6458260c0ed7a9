"""What keeps the client from the cluster is told apart, and told without the password."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest
from opensearchpy.exceptions import NotFoundError, TransportError
from werkzeug.serving import make_server
from werkzeug.wrappers import Response

from cluster.addresses import shown
from cluster.connection import connected
from cluster.embedding import SidecarEmbedder
from cluster.errors import NodeFailed, NoIndex, ServiceFailed
from cluster.ports import free_port
from cluster.states import SidecarStates
from tests.commands.test_states import ROWS

CLUSTER = Response('{"version": {"number": "3.5.0"}}', content_type="application/json")


@contextmanager
def answering(certificate: tuple[str, str] | None = None, app: Response = CLUSTER) -> Iterator[int]:
    """The port of a server that answers every request as a cluster answers `GET /`, over TLS where it has a certificate."""
    tls = None
    if certificate:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(*certificate)
    server = make_server("127.0.0.1", 0, app, ssl_context=tls)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def own_certificate(tmp_path: Path) -> tuple[str, str]:
    """A certificate that no public CA knows, and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate")
    paths = (str(tmp_path / "cert.pem"), str(tmp_path / "key.pem"))
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=shop"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-out", paths[0], "-keyout", paths[1]]
    subprocess.run(command, check=True, capture_output=True)
    return paths


def test_an_unknown_ca_is_named_with_the_variable_that_makes_it_known(
    own_certificate: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    with answering(own_certificate) as port:
        with pytest.raises(NodeFailed, match=r"CERTIFICATE_VERIFY_FAILED.*SSL_CERT_FILE"), connected(f"https://127.0.0.1:{port}"):
            pass

        monkeypatch.setenv("SSL_CERT_FILE", own_certificate[0])
        with connected(f"https://127.0.0.1:{port}") as client:
            assert client.info()["version"]["number"] == "3.5.0"


def test_a_cluster_without_tls_is_told_from_one_that_is_not_there() -> None:
    with (
        answering() as port,
        pytest.raises(NodeFailed, match=rf"no TLS connection to https://127\.0\.0\.1:{port}: .*http://"),
        connected(f"https://127.0.0.1:{port}"),
    ):
        pass


@pytest.mark.parametrize(
    ("answer", "sign"),
    [
        (Response('{"message": "no such page"}', 404, content_type="application/json"), "it answers 404 to GET /"),
        (Response("gone", 301, {"location": "https://shop"}), "it answers 301 to GET /"),
        (Response("<h1>Shop</h1>", content_type="text/html"), "it answers no JSON"),
        (Response('{"title": "vectors"}', content_type="application/json"), "it names no version"),
    ],
    ids=["404", "301", "html", "json"],
)
def test_what_answers_in_a_clusters_place_is_told_with_its_address(answer: Response, sign: str) -> None:
    with answering(app=answer) as port, pytest.raises(NodeFailed) as raised, connected(f"http://admin:s3cret@127.0.0.1:{port}"):
        pass

    told = f"no OpenSearch answers at http://127.0.0.1:{port}, but something else does ({sign}): give the cluster's own address by --url"
    assert str(raised.value).startswith(told)


def test_a_cluster_that_refuses_who_asks_is_told_in_its_own_words() -> None:
    refused = Response('{"error": "Unauthorized"}', 401, content_type="application/json")

    with answering(app=refused) as port, pytest.raises(NodeFailed, match=r"^OpenSearch at .*401"), connected(f"http://127.0.0.1:{port}"):
        pass


def test_a_cluster_that_is_too_slow_is_told_from_one_that_is_not_there() -> None:
    # Connections are taken by the system, and nobody ever answers them.
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        pytest.raises(NodeFailed, match=r"took longer than 0\.05 s"),
        connected(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout_s=0.05),
    ):
        pass


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_no_password_reaches_messages_or_logs(scheme: str, caplog: pytest.LogCaptureFixture) -> None:
    port = free_port()

    with pytest.raises(NodeFailed) as raised, connected(f"{scheme}://admin:s3cret@127.0.0.1:{port}"):
        pass

    assert f"{scheme}://127.0.0.1:{port}" in str(raised.value)
    assert "s3cret" not in str(raised.value) + caplog.text


def test_what_the_cluster_refuses_is_told_without_the_password() -> None:
    with (
        answering() as port,
        pytest.raises(NodeFailed, match=rf"^OpenSearch at http://127\.0\.0\.1:{port}: "),
        connected(f"http://admin:s3cret@127.0.0.1:{port}"),
    ):
        raise TransportError(403, "security_exception", {})


def test_an_index_that_does_not_exist_is_told_alike_whichever_request_finds_out() -> None:
    info = {"error": {"type": "index_not_found_exception", "reason": "no such index [shop]", "index": "shop"}}

    with answering() as port, pytest.raises(NoIndex) as raised, connected(f"http://127.0.0.1:{port}"):
        raise NotFoundError(404, "index_not_found_exception", info)

    assert str(raised.value).startswith("there is no index or alias named shop: name another (--index)")
    assert raised.value.exit_code == 1


@pytest.mark.parametrize("password", [pytest.param("s3cret", id="sound"), pytest.param("s3#cret", id="an address that cannot be parsed")])
def test_the_sidecars_password_reaches_no_message(password: str) -> None:
    url = f"http://me:{password}@127.0.0.1:{free_port()}"

    with pytest.raises(ServiceFailed) as vectors:
        SidecarEmbedder(url).query("kettle")
    with pytest.raises(ServiceFailed) as states:
        SidecarStates(url, "instant").fill(ROWS, lambda _: None)

    assert "cret" not in f"{vectors.value} {states.value}"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        pytest.param("https://shop:9200/search", "https://shop:9200/search", id="nothing to hide"),
        pytest.param("https://me:pw@shop:9200/search", "https://shop:9200/search", id="user and password"),
        pytest.param("https://me@shop", "https://shop", id="user alone"),
        pytest.param("me:pw@shop:9200", "shop:9200", id="no scheme"),
        pytest.param("https://me:p@w/x#y@shop:9200", "https://shop:9200", id="a password that should have been escaped"),
    ],
)
def test_an_address_is_shown_without_user_and_password(url: str, expected: str) -> None:
    assert shown(url) == expected
