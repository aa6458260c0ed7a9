"""A whole run on a tiny network: it learns, it stops and goes on to the same result, and says when it over-fits.

What a run file may say is in test_run_file.py, what its sets must hold in test_run_sets.py.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
import torch
from safetensors.torch import load_file

from tests.training.tiny import TEMPLATE, held_out, make_base, make_set, spec_of
from training.distil.sets import write_scored
from training.export.directory import ModelInfo, export
from training.networks import load_tokenizer
from training.run_file import DataSpec, LossSpec, ModelSpec, NoiseSpec, RunFile, TrainSpec
from training.runs import RunReport, _save, build_trainer, train, verdict
from training.training_set import read_lists, write_lists

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
        validation_sets=(DataSpec(str(held_out(tmp_path / "validation"))),),
        losses={"softmax": LossSpec(), "kl": LossSpec(0.5)},
        template=TEMPLATE,
        train=TrainSpec(epochs=2, max_hits=6, eval_steps=4, learning_rate=2e-3, bf16=False),
        noise=NoiseSpec(typo=0.1),
    )


class Killed(Exception):
    """Stands for the kill."""


def weights(folder):
    return load_file(folder / "model" / "model.safetensors")


def dies_at(step):
    def die(at):
        if at == step:
            raise Killed

    return die


def killed(run, folder, step):
    """Train until this step, and die."""
    with pytest.raises(Killed):
        train(run, folder, report_to="none", on_step=dies_at(step))
    return folder


def assert_same_weights(one, other):
    expected, found = weights(one), weights(other)
    assert all(torch.equal(expected[name], found[name]) for name in expected)


def cut(name):
    """A kill while this file of a checkpoint was written: the half of it is there, and nothing that comes later."""

    def damage(checkpoint):
        whole = (checkpoint / name).read_bytes()
        (checkpoint / name).write_bytes(whole[: len(whole) // 2])
        (checkpoint / "trainer_state.json").unlink(missing_ok=name != "trainer_state.json")

    return damage


DAMAGES = {
    "weights cut off": cut("model.safetensors"),
    "optimizer cut off": cut("optimizer.pt"),
    "random numbers missing": lambda checkpoint: (checkpoint / "rng_state.pth").unlink(),
    "state missing": lambda checkpoint: (checkpoint / "trainer_state.json").unlink(),
    "state cut off": lambda checkpoint: (checkpoint / "trainer_state.json").write_text('{"global_step": 8,'),
    "nothing written yet": lambda checkpoint: (shutil.rmtree(checkpoint), checkpoint.mkdir()),
}


def test_a_run_that_was_killed_ends_with_the_weights_of_one_that_was_not(run, tmp_path):
    train(run, tmp_path / "whole", report_to="none")
    train(run, killed(run, tmp_path / "killed", 6), report_to="none")
    assert_same_weights(tmp_path / "whole", tmp_path / "killed")


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_run_killed_while_it_wrote_a_checkpoint_goes_on_from_the_one_before(run, tmp_path, caplog, damage):
    train(run, tmp_path / "whole", report_to="none")
    damage(killed(run, tmp_path / "killed", 10) / "checkpoint-8")
    steps = []
    train(run, tmp_path / "killed", report_to="none", on_step=steps.append)
    assert steps[0] == 5
    assert "checkpoint-8 is not whole" in caplog.text
    assert_same_weights(tmp_path / "whole", tmp_path / "killed")


def test_a_run_without_a_whole_checkpoint_starts_anew(run, tmp_path):
    train(run, tmp_path / "whole", report_to="none")
    cut("model.safetensors")(killed(run, tmp_path / "killed", 6) / "checkpoint-4")
    steps = []
    train(run, tmp_path / "killed", report_to="none", on_step=steps.append)
    assert steps[0] == 1
    assert_same_weights(tmp_path / "whole", tmp_path / "killed")


def test_a_run_of_many_epochs_and_ragged_lists_that_was_killed_late_ends_with_the_same_weights(run, tmp_path):
    ragged = make_set(tmp_path / "ragged", lists=14, teacher=True)
    lists = read_lists(ragged)
    cut_lists = [
        replace(item, doc_ids=item.doc_ids[:count], grades=item.grades[:count], teacher=item.teacher[:count])
        for item, count in zip(lists, [3, 2, 3, 3, 2, 3, 2, 3, 3, 2, 3, 2, 2, 3], strict=True)
    ]
    write_lists(ragged, cut_lists)
    longer = msgspec.structs.replace(
        run, train_sets=(DataSpec(str(ragged)),), train=msgspec.structs.replace(run.train, epochs=6, max_hits=5, eval_steps=5)
    )
    whole = train(longer, tmp_path / "whole", report_to="none")
    train(longer, killed(longer, tmp_path / "killed", whole.steps - 2), report_to="none")
    assert_same_weights(tmp_path / "whole", tmp_path / "killed")


def test_the_last_step_is_validated_too(run, tmp_path):
    run = msgspec.structs.replace(run, train=msgspec.structs.replace(run.train, eval_steps=5))
    report = train(run, tmp_path / "out", report_to="none")
    (state,) = (tmp_path / "out").glob(f"checkpoint-{report.steps}/trainer_state.json")
    assert report.steps % run.train.eval_steps
    assert [entry["step"] for entry in json.loads(state.read_text())["log_history"] if "eval_ndcg@10" in entry][-1] == report.steps


@pytest.mark.parametrize("part", ["train", "validation", "base"])
def test_a_folder_whose_data_changed_since_is_refused(run, tmp_path, base, part):
    own = shutil.copytree(base, tmp_path / "base")
    run = msgspec.structs.replace(run, model=msgspec.structs.replace(run.model, base=str(own)))
    killed(run, tmp_path / "out", 6)
    if part == "base":
        (own / "model.safetensors").write_bytes((own / "model.safetensors").read_bytes() + b" ")
    else:
        make_set(tmp_path / part, lists=11, teacher=part == "train")
    with pytest.raises(ValueError, match=rf"holds a run on other data: .*{part} changed since.*another --out"):
        train(run, tmp_path / "out", report_to="none")


def changed(run):
    """The same run but for a rate and a share of a set."""
    train_set = msgspec.structs.replace(run.train_sets[0], limit=6)
    return msgspec.structs.replace(run, train=msgspec.structs.replace(run.train, learning_rate=1e-3), train_sets=(train_set,))


def test_a_folder_of_other_settings_is_refused_with_both_values_and_left_as_it_is(run, tmp_path):
    train(run, tmp_path / "out", report_to="none")
    before = (tmp_path / "out" / "run.yaml").read_bytes()
    with pytest.raises(ValueError, match=r"limit is 6, and was None; train\.learning_rate is 0\.001, and was 0\.002.*another --out"):
        train(changed(run), tmp_path / "out", report_to="none")
    assert (tmp_path / "out" / "run.yaml").read_bytes() == before


def test_a_killed_run_does_not_go_on_with_other_settings(run, tmp_path):
    with pytest.raises(ValueError, match="holds a run of other settings"):
        train(changed(run), killed(run, tmp_path / "out", 6), report_to="none")


def test_a_run_that_left_nothing_yet_may_change_its_settings(run, tmp_path):
    report = train(changed(run), killed(run, tmp_path / "out", 2), report_to="none")
    assert report.training_lists == 6


def test_a_finished_run_started_again_takes_no_step_and_keeps_its_weights(run, tmp_path):
    first = train(run, tmp_path / "out", report_to="none")
    kept, steps = weights(tmp_path / "out"), []
    again = train(run, tmp_path / "out", report_to="none", on_step=steps.append)
    assert (steps, again.steps, again.validation) == ([], first.steps, first.validation)
    assert all(torch.equal(kept[name], tensor) for name, tensor in weights(tmp_path / "out").items())


def test_workers_may_change_as_they_do_not_change_the_result(run, tmp_path):
    train(run, tmp_path / "out", report_to="none")
    more = msgspec.structs.replace(run, train=msgspec.structs.replace(run.train, workers=1))
    train(more, tmp_path / "out", report_to="none", on_step=pytest.fail)


def test_a_fresh_run_of_other_settings_leaves_no_checkpoint_of_the_old(run, tmp_path):
    train(run, tmp_path / "out", report_to="none")
    fresh = train(changed(run), tmp_path / "out", resume=False, report_to="none")
    assert not (tmp_path / "out" / "checkpoint-12").exists()
    assert train(changed(run), tmp_path / "out", report_to="none").validation == fresh.validation


def test_a_fresh_run_that_was_killed_is_not_taken_for_the_finished_one_before(run, tmp_path):
    train(run, tmp_path / "out", report_to="none")
    with pytest.raises(Killed):
        train(changed(run), tmp_path / "out", resume=False, report_to="none", on_step=dies_at(1))
    with pytest.raises(ValueError, match="is not finished"):
        export(tmp_path / "out", tmp_path / "exported", ModelInfo("tiny", "1", "A tiny model.", "random", ()))
    fresh = train(changed(run), tmp_path / "whole", report_to="none")
    assert train(changed(run), tmp_path / "out", report_to="none").validation == fresh.validation
    assert_same_weights(tmp_path / "out", tmp_path / "whole")


def test_a_fresh_run_does_not_delete_what_it_starts_from(run, tmp_path):
    train(run, tmp_path / "out", report_to="none")
    onward = msgspec.structs.replace(run, model=msgspec.structs.replace(run.model, base=str(tmp_path / "out" / "model")))
    with pytest.raises(ValueError, match="would delete: take another --out"):
        train(onward, tmp_path / "out", resume=False, report_to="none")
    assert weights(tmp_path / "out")


def test_weights_that_are_no_numbers_are_not_kept(run, tmp_path):
    lost = msgspec.structs.replace(run, validation_sets=(), losses={"kl": LossSpec()})
    trainer = build_trainer(lost, tmp_path / "out", "none", [])
    trainer.model.model.classifier.weight.data.fill_(float("nan"))
    with pytest.raises(ValueError, match=r"no numbers \(1 tables, such as model\.classifier\.weight\) and is not kept"):
        _save(tmp_path / "out", trainer, load_tokenizer(run.model.base), RunReport("tiny", 1, 1, 1, 1, 0.0, {}, None, ""))
    assert not (tmp_path / "out" / "model").exists()


def test_a_tokenizer_that_changed_since_is_refused(run, tmp_path):
    words = tmp_path / "words"
    words.mkdir()
    shutil.copy(Path(run.model.base) / "tokenizer.json", words)
    own = msgspec.structs.replace(run, model=msgspec.structs.replace(run.model, tokenizer=str(words)))
    train(own, tmp_path / "out", report_to="none")
    file = words / "tokenizer.json"
    file.write_text(file.read_text().replace('"lamp"', '"vase"'))
    with pytest.raises(ValueError, match=r"words/tokenizer\.json changed since"):
        train(own, tmp_path / "out", report_to="none")


def test_checkpoints_without_a_run_file_are_refused(run, tmp_path):
    (killed(run, tmp_path / "out", 6) / "run.yaml").unlink()
    with pytest.raises(ValueError, match=r"what made it cannot be read.*another --out"):
        train(run, tmp_path / "out", report_to="none")


@pytest.mark.parametrize("kind", ["cross-encoder", "decomposed", "bi-encoder"])
def test_every_kind_of_network_trains_and_leaves_its_report(run, tmp_path, base, kind):
    report = train(
        RunFile("tiny", spec_of(base, kind), run.train_sets, run.losses, template=TEMPLATE, train=TrainSpec(bf16=False)),
        tmp_path / "out",
        report_to="none",
    )
    assert report.training_pairs == 36
    assert sorted(path.name for path in (tmp_path / "out").iterdir() if "checkpoint" not in path.name) == [
        "data.json",
        "model",
        "report.json",
        "run.yaml",
    ]


def test_a_trained_run_labels_the_first_lists_of_a_set_and_tells_of_each(run, tmp_path):
    train(run, tmp_path / "teacher", report_to="none")
    source, done = Path(run.train_sets[0].path), []

    write_scored(
        source, tmp_path / "scored", {tmp_path / "teacher": 1.0}, own_weight=0.0, cache=tmp_path / "cache", limit=5, advance=done.append
    )

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
