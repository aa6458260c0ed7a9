"""`rerank train` on two processes (CPU, gloo): they share the lists and leave one model. Here because it is slow; it needs no node."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cluster.workspace import CHECKOUT
from tests.training.tiny import TEMPLATE, held_out, make_base, make_set
from training.run_file import DataSpec, LossSpec, ModelSpec, RunFile, TrainSpec, read_run_file, write_run_file
from training.runs import train


def run_file(folder: Path, *, lists: int) -> Path:
    """A run of two epochs over lists of three hits, two lists a batch; nothing in it is random."""
    train_set, validation = DataSpec(str(make_set(folder / "train", lists=lists))), DataSpec(str(held_out(folder / "validation")))
    model = ModelSpec(str(make_base(folder / "base")), dropout=0.0)
    settings = TrainSpec(epochs=2, max_hits=6, eval_steps=2, learning_rate=1e-3, bf16=False)
    write_run_file(folder / "run.yaml", RunFile("tiny", model, (train_set,), {"softmax": LossSpec()}, (validation,), TEMPLATE, settings))
    return folder / "run.yaml"


def on_two_processes(file: Path, out: Path, *more: str) -> str:
    """What `rerank train` printed."""
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", "-m", "scripts.cli"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, *launch, "train", str(file), "--out", str(out), "--json", *more]
    done = subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.filterwarnings("ignore:mtime may not be reliable")
def test_two_processes_take_the_steps_of_one_that_accumulates_two_batches(tmp_path: Path) -> None:
    file = run_file(tmp_path, lists=12)
    alone = train(read_run_file(file, {"train.accumulation": 2}), tmp_path / "alone", report_to="none")

    on_two_processes(file, tmp_path / "out")

    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert (report["steps"], report["training_lists"]) == (alone.steps, 12) == (6, 12)
    # Losses and gradients, not weights: Adam makes whole steps of rounding errors where a gradient is zero.
    for told in ("loss", "grad_norm"):
        assert history(tmp_path / "out", told) == pytest.approx(history(tmp_path / "alone", told), rel=1e-3)


def history(out: Path, told: str) -> list[float]:
    """A figure of each of the six steps, from the last checkpoint."""
    entries = json.loads((out / "checkpoint-6" / "trainer_state.json").read_text())["log_history"]
    return [entry[told] for entry in entries if told in entry]


def test_batches_that_do_not_divide_by_two_keep_no_process_waiting_and_one_report_is_told(tmp_path: Path) -> None:
    # Seven batches: one is halved. The folder's checkpoints, of other settings, are removed by the first process alone.
    file, out = run_file(tmp_path, lists=13), tmp_path / "out"
    (out / "checkpoint-900").mkdir(parents=True)

    told = [line for line in on_two_processes(file, out, "--fresh").splitlines() if '"verdict"' in line]

    assert len(told) == 1
    assert json.loads((out / "report.json").read_text())["steps"] == 2 * 4
    assert sorted(path.name for path in out.iterdir() if "checkpoint" not in path.name) == [
        "data.json",
        "model",
        "report.json",
        "run.yaml",
        "runs",
    ]
    assert not (out / "checkpoint-900").exists()
