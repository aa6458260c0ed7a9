"""A pipeline's sidecar is asked what it serves, and what cannot be asked is told of, not refused."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest
from werkzeug.serving import make_server

from cluster.errors import ServiceFailed
from cluster.pipelines import read_pipeline, sidecars
from cluster.ports import free_port
from cluster.profiles import check_profile, served
from cluster.workspace import CHECKOUT
from sidecar.app import create_app
from sidecar.config import Settings
from sidecar.factory import make_engine
from sidecar.metrics import Metrics
from tests.sidecar.tiny import write_model


@contextmanager
def sidecar(folder: Path, *, loaded: bool = True) -> Iterator[str]:
    """The address of a sidecar with two profiles, an embedder, and a token."""
    for name, kind in (("fast", "cross-encoder"), ("best", "cross-encoder"), ("embedder", "embedder")):
        write_model(folder / "models" / name, kind=kind)
    settings = Settings(models=folder / "models", reload_interval_s=0, token="s3cret")
    metrics = Metrics()
    engine = make_engine(settings, metrics)
    if loaded:
        engine.refresh()
    server = make_server("127.0.0.1", free_port(), create_app(settings, engine, metrics), threaded=True)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    engine.stop(grace_s=1.0)


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    with sidecar(tmp_path) as address:
        yield address


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def known_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RERANK_TOKEN", "s3cret")


@pytest.mark.usefixtures("known_token")
def test_a_profile_that_is_served_and_the_sidecars_own_default_pass(url: str, told: list[str]) -> None:
    check_profile([url, f"{url}/"], "best", told.append)
    check_profile([url], None, told.append)

    assert not told
    assert sorted(served(url)) == ["best", "fast"]


@pytest.mark.usefixtures("known_token")
@pytest.mark.parametrize(("profile", "meant"), [("bset", ": did you mean best?"), ("embedder", "."), ("shop", ".")])
def test_a_profile_that_is_not_served_is_refused_with_those_that_are(url: str, told: list[str], profile: str, meant: str) -> None:
    with pytest.raises(ServiceFailed) as refused:
        check_profile([url], profile, told.append)

    assert f"has no profile {profile!r} to re-rank with{meant} It serves " in str(refused.value)
    assert {"best", "fast"} <= {word.strip(",") for word in str(refused.value).split()}


@pytest.mark.usefixtures("known_token")
def test_a_sidecar_that_still_loads_its_models_is_told_of_and_refuses_no_profile(tmp_path: Path, told: list[str]) -> None:
    with sidecar(tmp_path, loaded=False) as url:
        check_profile([url], "best", told.append)

    (line,) = told
    assert line.startswith(f"the sidecar at {url} does not say what it serves: 503 ")
    assert "the models are being loaded" in line


def test_a_sidecar_that_does_not_answer_is_told_of_without_its_password(told: list[str]) -> None:
    port = free_port()
    check_profile([f"http://shop:s3cret@127.0.0.1:{port}"], "best", told.append)

    assert told == [f"no sidecar answers this machine at http://127.0.0.1:{port}. Searches are re-ranked if the cluster's nodes reach it"]


def test_a_sidecar_that_refuses_this_shells_token_is_told_of_with_the_variable(url: str, told: list[str], monkeypatch) -> None:
    monkeypatch.delenv("RERANK_TOKEN", raising=False)
    check_profile([url], "best", told.append)

    assert "does not say what it serves: 401" in told[0]
    assert "RERANK_TOKEN" in told[0]


def test_every_address_of_a_pipeline_is_asked_for_its_profile() -> None:
    path = CHECKOUT / "opensearch" / "pipelines" / "products.json"

    assert sidecars(read_pipeline(path)) == [(["http://127.0.0.1:8080"], None)]
    two = {"url": ["http://one:8080", "http://two:8080"], "profile": "best"}
    assert sidecars(read_pipeline(path, two)) == [(two["url"], "best")]
