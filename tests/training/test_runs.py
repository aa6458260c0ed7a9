"""A whole run on a tiny network: it learns, it stops and goes on to the same result, and says when it over-fits."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.training.tiny import TEMPLATE, make_base, make_set
from training.distil.sets import write_scored
from training.run_file import DataSpec, LossSpec, ModelSpec, NoiseSpec, RunFile, TrainSpec, parse_overrides, read_run_file, write_run_file
from training.runs import train, verdict
from training.training_set import read_lists

# A tiny run writes its checkpoints within one second, which transformers takes for a broken clock.
pytestmark = pytest.mark.filterwarnings("ignore:mtime may not be reliable")


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return make_base(tmp_path_factory.mktemp("base"))


@pytest.fixture
def run(base, tmp_path):
    return RunFile(
        name="tiny",
        model=ModelSpec(str(base), dropout=0.1),
        train_sets=(DataSpec(str(make_set(tmp_path / "train", lists=12, teacher=True))),),
        validation_sets=(DataSpec(str(make_set(tmp_path / "validation"))),),
        losses={"softmax": LossSpec(), "kl": LossSpec(0.5)},
        template=TEMPLATE,
        train=TrainSpec(epochs=2, max_hits=6, eval_steps=4, learning_rate=2e-3, bf16=False),
        noise=NoiseSpec(typo=0.1),
    )


class Killed(Exception):
    """Stands for the kill."""


def weights(folder):
    return load_file(folder / "model" / "model.safetensors")


def test_a_run_that_was_killed_ends_with_the_weights_of_one_that_was_not(run, tmp_path):
    train(run, tmp_path / "whole", report_to="none")

    def kill_after_a_checkpoint(step):
        if step == 6:
            raise Killed

    with pytest.raises(Killed):
        train(run, tmp_path / "killed", report_to="none", on_step=kill_after_a_checkpoint)
    train(run, tmp_path / "killed", report_to="none")
    whole, resumed = weights(tmp_path / "whole"), weights(tmp_path / "killed")
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


@pytest.mark.parametrize("kind", ["cross-encoder", "decomposed", "bi-encoder"])
def test_every_kind_of_network_trains_and_leaves_its_report(run, tmp_path, base, kind):
    spec = ModelSpec(str(base), kind, lower_layers=2, document_offset=8)
    report = train(
        RunFile("tiny", spec, run.train_sets, run.losses, template=TEMPLATE, train=TrainSpec(bf16=False)),
        tmp_path / "out",
        report_to="none",
    )
    assert report.training_pairs == 36
    assert sorted(path.name for path in (tmp_path / "out").iterdir() if "checkpoint" not in path.name) == [
        "model",
        "report.json",
        "run.yaml",
    ]


def test_a_trained_run_labels_the_first_lists_of_a_set_and_tells_of_each(run, tmp_path):
    train(run, tmp_path / "teacher", report_to="none")
    source, done = Path(run.train_sets[0].path), []

    write_scored(source, tmp_path / "scored", {tmp_path / "teacher": 1.0}, own_weight=0.0, limit=5, advance=done.append)

    before, after = read_lists(source)[:5], read_lists(tmp_path / "scored")
    assert [(item.query, item.doc_ids, item.grades) for item in after] == [(item.query, item.doc_ids, item.grades) for item in before]
    assert all(len(item.teacher) == len(item.doc_ids) and item.teacher != old.teacher for item, old in zip(after, before, strict=True))
    assert sum(done) == 5


def test_a_run_without_lists_is_refused(run, tmp_path):
    with pytest.raises(ValueError, match="has no training lists"):
        train(RunFile("empty", run.model), tmp_path / "out", report_to="none")


def test_a_wide_gap_is_called_over_fitting_with_what_to_try():
    said = verdict(0.9, {"shop": 0.7})
    assert said.startswith("it over-fits: NDCG@10 is 0.900 on training lists and 0.700")
    assert "train.patience" in said


def test_a_narrow_gap_is_not():
    assert verdict(0.75, {"shop": 0.72}).startswith("no over-fitting")


def test_an_unknown_setting_is_refused_by_its_path(run, tmp_path):
    path = tmp_path / "run.yaml"
    write_run_file(path, run)
    path.write_text(path.read_text().replace("learning_rate:", "learning_rat:"))
    with pytest.raises(ValueError, match=r"learning_rat.*train"):
        read_run_file(path)


def test_overrides_reach_nested_settings(run, tmp_path):
    path = tmp_path / "run.yaml"
    write_run_file(path, run)
    again = read_run_file(path, parse_overrides(["train.seed=99", "model.layers=[0, 2]"]))
    assert (again.train.seed, again.model.layers) == (99, (0, 2))


def test_a_query_that_would_run_into_the_documents_positions_is_refused(base):
    with pytest.raises(ValueError, match="do not fit below document_offset 4"):
        RunFile("x", ModelSpec(str(base), "decomposed", document_offset=4), template=TEMPLATE)


def test_an_unknown_loss_is_refused_by_name(base):
    with pytest.raises(ValueError, match="there is no loss 'hinge'"):
        RunFile("x", ModelSpec(str(base)), losses={"hinge": LossSpec()})
