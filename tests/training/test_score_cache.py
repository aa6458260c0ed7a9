"""A teacher scores a pair once: its logits are kept by network, query and document."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.training.tiny import TEMPLATE, make_base
from training.batches import TrainingList
from training.distil.score_cache import ScoreCache, network_key
from training.distil.sets import write_scored
from training.run_file import DataSpec, LossSpec, ModelSpec, RunFile, TrainSpec, read_run_file
from training.runs import train
from training.training_set import read_lists, write_documents, write_lists

# A tiny run writes its checkpoints within one second, which transformers takes for a broken clock.
pytestmark = pytest.mark.filterwarnings("ignore:mtime may not be reliable")
DOCUMENTS = {"a": {"title": "red shoe"}, "b": {"title": "blue shoe"}}
SHOES = TrainingList("red shoe", ("a", "b"), (3.0, 0.0))
LOGITS = (1.5, -0.25)


@pytest.fixture
def folder(tmp_path):
    with ScoreCache(tmp_path, b"network") as cache:
        cache.keep([SHOES], DOCUMENTS, [LOGITS])
    return tmp_path


def test_a_list_whose_pairs_were_all_scored_is_known_in_any_order(folder):
    with ScoreCache(folder, b"network") as cache:
        assert cache.logits(TrainingList("red shoe", ("b", "a"), None), DOCUMENTS) == LOGITS[::-1]


@pytest.mark.parametrize(
    ("network", "item", "documents"),
    [
        (b"another", SHOES, DOCUMENTS),
        (b"network", TrainingList("blue shoe", ("a", "b"), None), DOCUMENTS),
        (b"network", SHOES, DOCUMENTS | {"a": {"title": "red boot"}}),
        (b"network", TrainingList("red shoe", ("a", "c"), None), DOCUMENTS | {"c": {"title": "sock"}}),
    ],
    ids=["another network", "another query", "a changed document", "one more document"],
)
def test_a_list_is_unknown_to(folder, network, item, documents):
    with ScoreCache(folder, network) as cache:
        assert cache.logits(item, documents) is None


@pytest.fixture
def source(tmp_path) -> Path:
    folder = tmp_path / "set"
    write_documents(folder, DOCUMENTS)
    write_lists(folder, [SHOES])
    return folder


@pytest.fixture
def teacher(tmp_path, source) -> Path:
    model = ModelSpec(str(make_base(tmp_path / "base")))
    run = RunFile(
        "tiny", model, (DataSpec(str(source)),), {"softmax": LossSpec()}, template=TEMPLATE, train=TrainSpec(bf16=False, max_steps=1)
    )
    train(run, tmp_path / "teacher", report_to="none")
    return tmp_path / "teacher"


def test_a_set_that_was_scored_is_scored_again_without_the_network(tmp_path, source, teacher):
    cache = tmp_path / "cache"
    write_scored(source, tmp_path / "first", {teacher: 1.0}, own_weight=0.0, cache=cache)
    # Whoever loads the network now fails.
    (teacher / "model" / "config.json").unlink()
    write_scored(source, tmp_path / "second", {teacher: 1.0}, own_weight=0.0, cache=cache)
    assert read_lists(tmp_path / "second") == read_lists(tmp_path / "first")


def test_new_weights_are_another_network(teacher):
    run = read_run_file(teacher / "run.yaml")
    keys = {network_key(run, teacher / "model")}
    for name in ("model.safetensors", "tokenizer.json"):
        (teacher / "model" / name).write_bytes(b"other")
        keys.add(network_key(run, teacher / "model"))
    assert len(keys) == 3


def test_a_finished_run_scores_without_what_it_started_from(tmp_path, source, teacher):
    write_scored(source, tmp_path / "first", {teacher: 1.0}, own_weight=0.0, cache=tmp_path / "cache")
    shutil.rmtree(tmp_path / "base")
    write_scored(source, tmp_path / "second", {teacher: 1.0}, own_weight=0.0, cache=tmp_path / "another cache")
    assert read_lists(tmp_path / "second") == read_lists(tmp_path / "first")
