"""Model directories are checked, loaded, and swapped when they change."""

from __future__ import annotations

import errno
import time
from pathlib import Path

import numpy as np
import pytest
import structlog
from structlog.testing import capture_logs

from sidecar.backends import graph_loader
from sidecar.config import Settings
from sidecar.embedder import Embedder
from sidecar.errors import InvalidModel, NotReady, Unprocessable
from sidecar.factory import make_engine
from sidecar.manifest import Fusion, read_manifest, write_manifest
from sidecar.metrics import Metrics
from sidecar.profiles import Profile, Profiles, open_directory
from sidecar.ranking import RankRequest
from tests.sidecar.tiny import write_model


@pytest.fixture
def models(tmp_path):
    write_model(tmp_path / "fast")
    return tmp_path


@pytest.fixture
def start(models):
    engines = []

    def begin(**settings):
        engine = make_engine(Settings(**{"models": models, "scoring_threads": 1, "reload_interval_s": 0, **settings}), Metrics())
        engine.refresh()
        engines.append(engine)
        return engine

    yield begin
    for engine in engines:
        engine.stop(1)


def rank(engine, *, profile=None):
    return engine.rank(RankRequest("red", [{"title": "shoe"}], [None], [None], profile, time.monotonic() + 5))


def embed(engine, texts, *, query=False):
    return engine.embed(texts, query=query, profile=None, deadline=time.monotonic() + 5)


def test_a_directory_becomes_a_profile_of_its_name(start, models):
    engine = start()
    engine.check_ready()
    assert rank(engine).model == read_manifest(models / "fast").key


def test_a_default_profile_that_ranks_nothing_is_not_ready(start, models):
    write_model(models / "embedder", kind="embedder")
    with pytest.raises(NotReady, match="'embedder' is an embedder"):
        start(default_profile="embedder").check_ready()


@pytest.fixture
def logged(monkeypatch):
    """What the engine logs on every level, also after a command of another test set one for this process."""
    before = structlog.get_config()
    structlog.reset_defaults()
    monkeypatch.setattr("sidecar.engine._log", structlog.get_logger())
    with capture_logs() as lines:
        yield lines
    structlog.configure(**before)


def test_why_it_is_not_ready_is_logged_once_and_that_it_became_so(start, models, logged):
    engine = start(default_profile="fats")
    engine.tell_readiness()
    engine.tell_readiness()
    write_model(models / "fats")
    engine.refresh()
    engine.tell_readiness()
    engine.tell_readiness()
    told = [line for line in logged if line["event"] in {"ready", "not ready"}]
    assert told == [
        {"event": "not ready", "log_level": "error", "reason": "the default profile 'fats' is not loaded", "loaded": ["fast"]},
        {"event": "ready", "log_level": "info"},
    ]


def test_an_embedder_that_is_named_and_not_there_is_not_ready(start, models):
    write_model(models / "embedder", kind="embedder")
    start(embedder="embedder").check_ready()
    with pytest.raises(NotReady, match=r"'embeder'.*RERANK_EMBEDDER"):
        start(embedder="embeder").check_ready()


def test_a_changed_directory_is_served_without_a_restart_and_never_from_the_old_cache(start, models):
    engine = start()
    before = rank(engine)
    write_model(models / "fast", seed=5)
    engine.refresh()
    after = rank(engine)
    assert after.model != before.model
    assert after.cached == [False]
    assert after.scores != before.scores


def test_a_damaged_change_leaves_the_old_model_serving(start, models):
    engine = start()
    before = rank(engine)
    with (models / "fast" / "model.onnx").open("ab") as file:
        file.write(b"torn")
    engine.refresh()
    assert rank(engine).scores == before.scores


def test_a_copy_that_is_completed_later_is_loaded_then(start, models):
    engine = start()
    write_model(models / "new", seed=3)
    whole = (models / "new" / "model.onnx").read_bytes()
    (models / "new" / "model.onnx").write_bytes(whole[:100])
    engine.refresh()
    assert not engine.has_ranker("new")
    (models / "new" / "model.onnx").write_bytes(whole)
    engine.refresh()
    assert engine.has_ranker("new")


def test_a_directory_that_vanishes_keeps_serving(start, models):
    engine = start()
    (models / "fast" / "manifest.json").unlink()
    engine.refresh()
    assert rank(engine).scores


def test_a_store_that_cannot_be_opened_costs_no_answer(start, tmp_path_factory):
    store = tmp_path_factory.mktemp("store")
    for name in ("states", "vectors"):
        (store / name).mkdir()
        (store / name / "data.mdb").write_bytes(b"no store" * 4096)
    assert rank(start(store=store)).scores


class Stale:
    """A folder whose file system answers with an error, as a network's may for a while."""

    def glob(self, _: str) -> list[Path]:
        raise OSError(errno.ESTALE, "Stale file handle")


def test_a_folder_that_cannot_be_read_does_not_end_the_watching(models):
    tried = []

    def load(name: str, _: Path) -> Profile:
        tried.append(name)
        raise InvalidModel("only its name is wanted")

    profiles = Profiles([Stale(), models], load, interval_s=0, metrics=Metrics())
    profiles.refresh()
    assert tried == ["fast"]
    assert profiles.loaded.is_set()


def test_a_directory_that_cannot_be_read_for_a_while_is_loaded_afterwards(start, models):
    loaded = start().profiles()[0]
    failures = iter([OSError(errno.EIO, "Input/output error"), MemoryError()])

    def load(_: str, __: Path) -> Profile:
        for failure in failures:
            raise failure
        return loaded

    profiles = Profiles([models], load, interval_s=0, metrics=Metrics())
    for there in ([], [], [loaded]):
        profiles.refresh()
        assert profiles.all() == there


def test_of_several_folders_the_first_that_has_a_name_serves_it(start, models, tmp_path_factory):
    own = tmp_path_factory.mktemp("own")
    write_model(own / "fast", seed=7)
    write_model(models / "embed", kind="embedder")
    engine = start(models=(own, models))
    assert rank(engine).model == read_manifest(own / "fast").key
    assert embed(engine, ["red"]).vectors


def test_no_other_folder_s_model_steps_in_while_one_is_replaced_or_damaged(start, models, tmp_path_factory):
    own = tmp_path_factory.mktemp("own")
    write_model(own / "fast", seed=7)
    engine = start(models=(own, models))
    before = rank(engine).model
    (own / "fast" / "manifest.json").unlink()
    write_model(models / "fast", seed=8)
    engine.refresh()
    assert rank(engine).model == before


def test_a_model_that_comes_into_an_earlier_folder_takes_over(start, models, tmp_path_factory):
    own = tmp_path_factory.mktemp("own")
    engine = start(models=(own, models))
    write_model(own / "fast", seed=7)
    engine.refresh()
    engine.refresh()
    assert rank(engine).model == read_manifest(own / "fast").key


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (lambda path: (path / "model.onnx").unlink(), "missing"),
        (lambda path: (path / "tokenizer.json").write_text("{}"), "sha256"),
        (lambda path: (path / "manifest.json").write_text("{}"), "manifest"),
    ],
    ids=["missing file", "other content", "no manifest"],
)
def test_a_directory_that_is_not_what_its_manifest_says_is_refused(models, damage, complaint):
    damage(models / "fast")
    with pytest.raises(InvalidModel, match=complaint):
        open_directory(models / "fast")


def test_a_fusion_of_unknown_features_is_not_served(start, models):
    write_model(models / "odd", fusion=Fusion({"moon_phase": 1.0}))
    assert not start().has_ranker("odd")


def test_an_embedder_gives_vectors_of_length_1_that_depend_on_the_text(start, models):
    write_model(models / "embed", kind="embedder")
    vectors = np.array(embed(start(), ["red shoe", "phone"]).vectors)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1, 1], abs=1e-6)
    assert abs(vectors[0] @ vectors[1]) < 0.99


def test_a_text_is_embedded_alike_alone_and_beside_longer_ones(start, models):
    write_model(models / "embed", kind="embedder")
    engine = start()
    together = embed(engine, ["red", "large red running shoe"]).vectors[0]
    assert together == pytest.approx(embed(engine, ["red"]).vectors[0], abs=1e-6)


def test_prefixes_tell_queries_from_passages(start, models):
    write_model(models / "embed", kind="embedder", query_prefix="usb ", passage_prefix="")
    engine = start()
    assert embed(engine, ["red"], query=True).vectors != embed(engine, ["red"]).vectors
    assert embed(engine, ["red"], query=True).vectors[0] == pytest.approx(embed(engine, ["usb red"]).vectors[0], abs=1e-6)


def test_an_embedder_cannot_rank(start, models):
    write_model(models / "embed", kind="embedder")
    with pytest.raises(Unprocessable, match="embedder"):
        rank(start(), profile="embed")


def test_a_model_that_uses_the_cls_token_is_pooled_by_it(models):
    write_model(models / "cls", kind="embedder", pooling="cls")
    manifest, encoder, _ = open_directory(models / "cls")
    embedder = Embedder(graph_loader("onnxruntime", "cpu", 1)(models / "cls" / "model.onnx"), encoder, manifest)
    first, second = embedder.embed(embedder.tokens(["red", "blue"], query=False))
    assert first == pytest.approx(second)


def test_models_that_read_texts_otherwise_have_other_keys(models):
    manifest = read_manifest(models / "fast")
    write_manifest(models / "fast", manifest)
    assert read_manifest(models / "fast").key == manifest.key
    assert write_model(models / "fast", passage_prefix="x").key != manifest.key
