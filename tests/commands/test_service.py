"""A sidecar of this machine is started anew where what it would be started with has changed."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from cluster.embedding import patient_session
from cluster.errors import ServiceFailed
from cluster.ports import LOCALHOST, free_port
from cluster.service import Service, from_here
from cluster.workspace import Workspace
from tests.sidecar.tiny import write_model


def test_up_serves_the_settings_of_now_and_leaves_alone_what_has_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_model(tmp_path / "shipped" / "fast")
    write_model(tmp_path / "own" / "fast", seed=3)
    service = Service("test", free_port(), Workspace(tmp_path / "var", None))
    monkeypatch.setenv("RERANK_MODELS", str(tmp_path / "shipped"))
    try:
        shipped = service.up()
        assert service.up() == shipped
        first = service.daemon.running()
        monkeypatch.setenv("RERANK_MODELS", f"{tmp_path / 'own'}:{tmp_path / 'shipped'}")
        own = service.up()
        assert own.ready
        assert own.models != shipped.models
        assert service.daemon.running() != first
        monkeypatch.setenv("RERANK_TOKEN", "s3cret")
        assert service.up().models == own.models
        assert patient_session().headers["Authorization"] == "Bearer s3cret"
        assert "s3cret" not in (service.daemon.folder / "process.json").read_text()
    finally:
        service.down()


def test_a_port_of_another_process_is_told_before_anything_is_started(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind((LOCALHOST, 0))
        other.listen()
        service = Service("test", other.getsockname()[1], Workspace(tmp_path / "var", None))

        with pytest.raises(ServiceFailed, match="is taken by another process; choose another with --sidecar-port"):
            service.check_port()
    Service("test", free_port(), Workspace(tmp_path / "var", None)).check_port()


def test_folders_of_the_environment_are_those_of_the_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "var" / "models").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    given = {"RERANK_MODELS": f"var/models{os.pathsep}sidecar/models", "RERANK_STORE": "store", "RERANK_CONFIG": "own.toml", "HOME": "x"}
    assert from_here(given) == {
        "RERANK_MODELS": f"{tmp_path / 'var' / 'models'}{os.pathsep}sidecar/models",
        "RERANK_STORE": str(tmp_path / "store"),
        "RERANK_CONFIG": str(tmp_path / "own.toml"),
        "HOME": "x",
    }
