"""The loop's own settings on a tiny network: early stopping, accumulation and bfloat16 do what the run file says."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from transformers import TrainerCallback

from tests.training.tiny import TEMPLATE, held_out, make_base, make_set
from training.run_file import DataSpec, LossSpec, ModelSpec, RunFile, TrainSpec
from training.runs import build_trainer, train
from training.training_set import read_lists, write_lists

# A tiny run writes its checkpoints within one second, which transformers takes for a broken clock.
pytestmark = pytest.mark.filterwarnings("ignore:mtime may not be reliable")


@pytest.fixture
def run(tmp_path):
    """Makes the run of these settings: 12 lists of 3 hits, no dropout, validation where it is asked for."""
    model = ModelSpec(str(make_base(tmp_path / "base")), dropout=0.0)
    train_set = DataSpec(str(make_set(tmp_path / "train", lists=12, teacher=True)))

    def make(*, validation=None, **settings):
        held = () if validation is None else (DataSpec(str(validation)),)
        losses = {"softmax": LossSpec(), "kl": LossSpec(0.5)}
        return RunFile("tiny", model, (train_set,), losses, held, TEMPLATE, TrainSpec(**{"max_hits": 6, "bf16": False, **settings}))

    return make


def contrary(directory):
    """A validation set that grades the other way round than `make_set`: what is learnt makes it worse."""
    held_out(directory)
    lists = read_lists(directory)
    write_lists(directory, [replace(item, grades=tuple(2.0 - grade for grade in item.grades)) for item in lists])
    return directory


def test_a_run_with_patience_stops_before_its_steps_are_over_and_keeps_the_best_weights(run, tmp_path):
    settings = run(validation=contrary(tmp_path / "validation"), max_steps=60, eval_steps=2, patience=2, learning_rate=2e-3)
    report = train(settings, tmp_path / "out", report_to="none")

    state = json.loads((tmp_path / "out" / f"checkpoint-{report.steps}" / "trainer_state.json").read_text())
    best = state["best_global_step"]
    assert report.steps == best + 2 * 2 < 60
    assert report.validation == {"validation": state["best_metric"]}
    kept, at_best, last = (weights(tmp_path / "out" / name) for name in ("model", f"checkpoint-{best}", f"checkpoint-{report.steps}"))
    assert torch.equal(kept, at_best)
    assert not torch.equal(kept, last)


def test_a_run_with_patience_that_is_killed_while_it_waits_stops_where_one_that_was_not_does(run, tmp_path):
    settings = run(validation=contrary(tmp_path / "validation"), max_steps=60, eval_steps=2, patience=3, learning_rate=2e-3)
    whole = train(settings, tmp_path / "whole", report_to="none")

    def die(step):
        if step == whole.steps - 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(settings, tmp_path / "killed", report_to="none", on_step=die)
    assert train(settings, tmp_path / "killed", report_to="none").steps == whole.steps
    assert torch.equal(weights(tmp_path / "whole" / "model"), weights(tmp_path / "killed" / "model"))


def test_a_run_that_had_stopped_early_takes_no_further_step_when_it_is_repeated(run, tmp_path):
    settings = run(validation=contrary(tmp_path / "validation"), max_steps=60, eval_steps=2, patience=2, learning_rate=2e-3)
    first = train(settings, tmp_path / "out", report_to="none")
    before = weights(tmp_path / "out" / "model")
    steps = []
    again = train(settings, tmp_path / "out", report_to="none", on_step=steps.append)
    assert (again.steps, again.validation, steps) == (first.steps, first.validation, [])
    assert torch.equal(before, weights(tmp_path / "out" / "model"))


def test_a_run_that_had_ended_in_the_middle_of_an_epoch_takes_no_further_step_when_it_is_repeated(run, tmp_path):
    settings = run(max_steps=4, eval_steps=3, learning_rate=2e-3)
    assert train(settings, tmp_path / "out", report_to="none").steps == 4
    before = weights(tmp_path / "out" / "model")
    assert train(settings, tmp_path / "out", report_to="none").steps == 4
    assert torch.equal(before, weights(tmp_path / "out" / "model"))


def test_a_validation_set_without_a_relevant_hit_is_refused_as_any_checkpoint_would_be_the_best(run, tmp_path):
    labelled = make_set(tmp_path / "labelled", lists=4, teacher=True)
    write_lists(labelled, [replace(item, grades=None) for item in read_lists(labelled)])
    with pytest.raises(ValueError, match="NDCG cannot be measured"):
        train(run(validation=labelled, max_steps=2), tmp_path / "out", report_to="none")


def weights(folder):
    """All weights of a folder in one row; a checkpoint's names have a prefix, and their order is the model's."""
    return torch.cat([tensor.flatten() for _, tensor in sorted(load_file(folder / "model.safetensors").items())])


class Gradients(TrainerCallback):
    """Keeps what each optimizer step is given."""

    def __init__(self):
        self.steps = []

    def on_pre_optimizer_step(self, _args, _state, _control, *, model, **_):
        self.steps.append([parameter.grad.clone() for parameter in model.parameters()])


def test_a_step_takes_the_mean_gradient_of_the_batches_it_accumulates_also_where_the_last_has_fewer(run, tmp_path):
    # Without a learning rate all gradients are taken at the same weights.
    settings = run(epochs=1, max_hits=8, accumulation=4, learning_rate=0.0, max_grad_norm=0.0)
    seen = Gradients()
    trainer = build_trainer(settings, tmp_path / "out", "none", [seen])
    batches = list(trainer.get_train_dataloader())
    each = [torch.autograd.grad(trainer.compute_loss(trainer.model, batch), list(trainer.model.parameters())) for batch in batches]

    trainer.train()

    expected = [[torch.stack(parts).mean(0) for parts in zip(*some, strict=True)] for some in (each[:4], each[4:])]
    assert len(each) == 6
    for found, mean in zip(seen.steps, expected, strict=True):
        # Sums in another order differ in the last bits.
        torch.testing.assert_close(found, mean, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("max_hits", "accumulation"), [(12, 1), (6, 2), (3, 4)])
def test_smaller_batches_that_are_accumulated_take_as_many_steps(run, tmp_path, max_hits, accumulation):
    report = train(run(epochs=2, max_hits=max_hits, accumulation=accumulation), tmp_path / "out", report_to="none")
    assert report.steps == 2 * 3


def losses(run, folder):
    trainer = build_trainer(run, folder, "none", [])
    trainer.train()
    assert {parameter.dtype for parameter in trainer.model.parameters()} == {torch.float32}
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


def test_a_run_in_float_after_one_in_bfloat16_is_in_float(run, tmp_path):
    settings = {"max_steps": 4, "eval_steps": 4, "learning_rate": 1e-4}
    first, _, again = (losses(run(bf16=bf16, **settings), tmp_path / str(number)) for number, bf16 in enumerate((False, True, False)))
    assert again == first


def test_bfloat16_gives_almost_the_losses_of_float_and_not_the_same(run, tmp_path):
    settings = {"max_steps": 12, "eval_steps": 4, "learning_rate": 1e-4}
    exact, rounded = (losses(run(bf16=bf16, **settings), tmp_path / str(bf16)) for bf16 in (False, True))
    assert len(rounded) == 12
    assert rounded == pytest.approx(exact, rel=0.05)
    assert rounded != exact
