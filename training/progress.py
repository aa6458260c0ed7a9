"""What a training shows while it runs: transformers' bar, and what it logs in words, beside the result and never in it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from transformers import Trainer, TrainerState, TrainingArguments
from transformers.trainer_callback import ProgressCallback

_NDCG, _MEAN = "_ndcg@10", "eval_ndcg@10"


class ProgressInWords(ProgressCallback):  # type: ignore[misc] # transformers has no types
    """The bar with the time left; its log goes to standard error, as `--json` and pipes get the result alone."""

    def on_log(
        self, _args: TrainingArguments, state: TrainerState, _control: object, logs: Mapping[str, float] | None = None, **_: object
    ) -> None:
        """One line where there is something to say."""
        if state.is_world_process_zero and self.training_bar is not None and (line := told(state.global_step, logs or {})):
            self.training_bar.write(line, file=sys.stderr)


def told(step: int, logs: Mapping[str, Any]) -> str:
    """A log in words; empty for the end's own, whose figures the command prints."""
    if "loss" in logs:
        norm = f", gradient norm {logs['grad_norm']:.3g}" if "grad_norm" in logs else ""
        return f"step {step:,}: loss {logs['loss']:.4f}{norm}, learning rate {logs['learning_rate']:.2g}"
    measured = {
        name.removeprefix("eval_").removesuffix(_NDCG): value for name, value in logs.items() if name.endswith(_NDCG) and name != _MEAN
    }
    training = {"training lists": measured.pop("training")} if "training" in measured else {}
    mean = {"mean": logs[_MEAN]} if len(measured) > 1 else {}
    figures = [f"{name} {value:.4f}" for name, value in {**measured, **mean, **training}.items()]
    return f"step {step:,}: NDCG@10 {', '.join(figures)}" if figures else ""


def speak(trainer: Trainer) -> None:
    """Have a trainer log in words where it has a bar."""
    if trainer.pop_callback(ProgressCallback) is not None:
        trainer.add_callback(ProgressInWords())
