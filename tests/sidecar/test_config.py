"""Settings come from arguments, the environment and a file, and are checked at start."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from sidecar.config import Settings, available_cores, misspelt


@pytest.fixture
def environment(monkeypatch):
    return monkeypatch.setenv


def test_the_environment_sets_what_the_file_sets_too(environment, tmp_path):
    file = tmp_path / "sidecar.toml"
    file.write_text('max_hits = 7\ndefault_profile = "best"\n')
    environment("RERANK_CONFIG", str(file))
    environment("RERANK_MAX_HITS", "9")
    assert (Settings().max_hits, Settings().default_profile) == (9, "best")


def test_a_file_that_is_not_there_is_an_error(environment):
    environment("RERANK_CONFIG", "/nowhere.toml")
    with pytest.raises(ValueError, match=r"/nowhere\.toml"):
        Settings()


def test_a_key_that_is_no_setting_is_an_error(environment, tmp_path):
    file = tmp_path / "sidecar.toml"
    file.write_text("max_hit = 7\n")
    environment("RERANK_CONFIG", str(file))
    with pytest.raises(ValidationError, match="max_hit"):
        Settings()


@pytest.mark.parametrize(
    "wrong",
    [{"max_hits": 0}, {"workers": 1000}, {"backend": "abacus"}, {"default_deadline_ms": 1e9}, {"drain_s": 60, "stop_timeout_s": 30}],
    ids=lambda wrong: next(iter(wrong)),
)
def test_a_setting_out_of_its_bounds_is_an_error(wrong):
    with pytest.raises(ValidationError):
        Settings(**wrong)


@pytest.mark.parametrize("given", ["8080", "0.0.0.0", "sidecar:", "sidecar:http"])
def test_an_address_to_listen_on_without_a_port_is_an_error(given):
    with pytest.raises(ValidationError, match="expected address and port"):
        Settings(bind=given)


@pytest.mark.parametrize("given", ["127.0.0.1:0", "0.0.0.0:8080", "[::]:8080", ":8080", "unix:/run/sidecar.sock"])
def test_addresses_that_can_be_listened_on_are_none(given):
    assert Settings(bind=given).bind == given


def test_a_models_directory_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(ValidationError, match="nowhere, which is not a directory"):
        Settings(models=tmp_path / "nowhere")


def test_several_folders_of_models_are_written_as_a_path(environment, tmp_path):
    own, shipped = tmp_path / "own", tmp_path / "shipped"
    own.mkdir()
    shipped.mkdir()
    environment("RERANK_MODELS", f"{own}:{shipped}")
    assert Settings().models == (own, shipped)
    environment("RERANK_MODELS", f"{own}:{tmp_path / 'nowhere'}")
    with pytest.raises(ValidationError, match="nowhere, which is not a directory"):
        Settings()
    environment("RERANK_MODELS", "")
    with pytest.raises(ValidationError, match="names no directory"):
        Settings()


def test_a_backend_that_is_not_installed_names_what_to_install(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(ValidationError, match=r"\[openvino\]"):
        Settings(backend="openvino")


def test_a_variable_that_is_nearly_a_setting_is_taken_for_a_slip_and_others_are_not():
    found = misspelt(["RERANK_MAX_HIST", "RERANK_MAX_HITS", "RERANK_CONFIG", "RERANK_DATA", "RERANK_VAR", "RERANK_IMAGES", "PATH"])
    assert found == {"RERANK_MAX_HIST": "RERANK_MAX_HITS"}


def test_every_setting_says_what_it_means_and_is_in_the_reference():
    page = (Path(__file__).parents[2] / "docs" / "api.md").read_text()
    for name, field in Settings.model_fields.items():
        assert field.description
        assert f"| `RERANK_{name.upper()}` |" in page
        assert field.description in page


def test_a_token_from_a_file_loses_its_line_end_and_an_empty_one_does_not_open_the_service():
    assert Settings(token="s3cret\n").token.get_secret_value() == "s3cret"
    with pytest.raises(ValidationError, match="let everybody in"):
        Settings(token=" \n")


def test_the_token_is_never_printed():
    assert "s3cret" not in repr(Settings(token="s3cret"))


@pytest.mark.parametrize(("quota", "cores"), [("100000 100000", 1), ("50000 100000", 1), ("max 100000", None), ("nonsense", None)], ids=str)
def test_a_containers_quota_limits_the_scoring_threads(tmp_path, quota, cores):
    file = tmp_path / "cpu.max"
    file.write_text(quota)
    assert available_cores(file) == (cores or available_cores(tmp_path / "absent"))


def test_workers_share_the_cores():
    assert Settings(workers=64).threads() == 1


def test_an_empty_store_is_none_as_compose_writes_a_variable_that_is_not_set(environment):
    environment("RERANK_STORE", "")
    assert Settings().store is None
