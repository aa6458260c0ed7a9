"""What a training says while it runs."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from scripts.train import command
from tests.training.tiny import TEMPLATE, held_out, make_base, make_set
from training.progress import told
from training.run_file import DataSpec, LossSpec, ModelSpec, RunFile, TrainSpec, write_run_file


def test_a_log_is_told_in_words():
    assert told(1200, {"loss": 0.64351, "grad_norm": 2.71516, "learning_rate": 6.0638e-06, "epoch": 0.6}) == (
        "step 1,200: loss 0.6435, gradient norm 2.72, learning rate 6.1e-06"
    )
    measured = {"eval_films_ndcg@10": 0.9, "eval_shoes_ndcg@10": 0.7, "eval_training_ndcg@10": 0.85, "eval_ndcg@10": 0.8, "epoch": 1.0}
    assert told(40, measured) == "step 40: NDCG@10 films 0.9000, shoes 0.7000, mean 0.8000, training lists 0.8500"
    one = {"eval_validation_ndcg@10": 0.7, "eval_ndcg@10": 0.7}
    assert told(40, one) == "step 40: NDCG@10 validation 0.7000"
    assert told(40, {"train_runtime": 3.0, "train_loss": 0.5}) == ""


# A tiny run writes its checkpoints within one second, which transformers takes for a broken clock.
@pytest.mark.filterwarnings("ignore:mtime may not be reliable")
def test_json_is_alone_on_standard_output(tmp_path):
    run = RunFile(
        "tiny",
        ModelSpec(str(make_base(tmp_path / "base"))),
        (DataSpec(str(make_set(tmp_path / "own"))),),
        {"softmax": LossSpec()},
        (DataSpec(str(held_out(tmp_path / "validation"))),),
        template=TEMPLATE,
        train=TrainSpec(max_steps=2, eval_steps=1, max_hits=6, bf16=False),
    )
    write_run_file(tmp_path / "run.yaml", run)
    result = CliRunner().invoke(command, [str(tmp_path / "run.yaml"), "--out", str(tmp_path / "run"), "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["steps"] == 2
    assert "step 1: loss" in result.stderr
    assert "step 2: NDCG@10 validation" in result.stderr
