"""A model directory is replaced whole or not at all: an export that is refused or fails leaves what is served as it was."""

from __future__ import annotations

import pytest

from sidecar.manifest import DataSource, read_manifest, verify_files
from sidecar.profiles import fingerprint
from tests.training.tiny import make_set, write_run
from training.export.directory import ModelInfo, export
from training.export.gate import GateFailed, gated_export
from training.export.placement import replacing

INFO = ModelInfo("tiny", "1", "A tiny model.", "random", (DataSource("samples", "Apache-2.0"),))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("run"))


@pytest.fixture
def models(tmp_path):
    """What a sidecar serves: every directory below is a profile."""
    return tmp_path / "models"


@pytest.fixture
def served(run, models):
    """A model directory that is there already."""
    export(run, models / "tiny", INFO)
    return models / "tiny"


def test_a_refused_export_leaves_what_is_served_as_it_was(run, served, tmp_path):
    before = fingerprint(served)
    with pytest.raises(GateFailed, match="stays as it was"):
        gated_export(run, served, INFO, [make_set(tmp_path / "judged")], allowed_loss=-1.0)
    assert fingerprint(served) == before
    verify_files(served, read_manifest(served))


def test_a_failed_export_leaves_what_is_served_as_it_was_and_nothing_beside_it(run, models, served, tmp_path):
    before = fingerprint(served)
    with pytest.raises(ValueError, match="no graded lists"):
        gated_export(run, served, INFO, [make_set(tmp_path / "ungraded", graded=False)])
    assert fingerprint(served) == before
    assert [path.name for path in models.iterdir()] == ["tiny"]


def test_a_passed_export_is_one_that_the_sidecar_sees_and_accepts(run, served, tmp_path):
    before = fingerprint(served)
    manifest = gated_export(run, served, INFO, [make_set(tmp_path / "judged")], allowed_loss=1.0)
    assert fingerprint(served) != before
    assert read_manifest(served) == manifest
    verify_files(served, manifest)


def test_what_the_old_model_had_and_the_new_one_has_not_is_gone(run, models, served):
    (served / "document.onnx").write_bytes(b"of a decomposed model")
    export(run, served, INFO)
    assert sorted(path.name for path in served.iterdir()) == ["README.md", "manifest.json", "model.onnx", "tokenizer.json"]
    assert [path.name for path in models.iterdir()] == ["tiny"]


def test_an_export_under_way_is_no_profile(models):
    with replacing(models / "tiny") as made:
        (made / "manifest.json").write_text("{}")
        assert not list(models.glob("*/manifest.json"))
    assert [path.parent.name for path in models.glob("*/manifest.json")] == ["tiny"]


def test_an_interrupted_export_leaves_nothing(models):
    with pytest.raises(KeyboardInterrupt), replacing(models / "tiny"):
        raise KeyboardInterrupt
    assert not list(models.iterdir())


def test_a_directory_that_cannot_be_replaced_is_put_back(served):
    before = fingerprint(served)
    with pytest.raises(FileNotFoundError), replacing(served) as made:
        made.rmdir()
    assert fingerprint(served) == before


def test_a_link_to_the_served_directory_stays_a_link(run, models, served):
    (models / "current").symlink_to(served.name)
    export(run, models / "current", ModelInfo("tiny", "2", "A newer one.", "random", ()))
    assert (models / "current").is_symlink()
    assert read_manifest(served).version == "2"


def test_a_directory_with_other_files_is_not_replaced(models):
    (models / "tiny").mkdir(parents=True)
    (models / "tiny" / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match=r"holds 'notes\.txt', which is no file of a model.*--out"), replacing(models / "tiny"):
        pass
    assert (models / "tiny" / "notes.txt").read_text() == "mine"


def test_a_model_directory_is_as_readable_as_any_other(models, served):
    (models / "plain").mkdir()
    assert served.stat().st_mode == (models / "plain").stat().st_mode
