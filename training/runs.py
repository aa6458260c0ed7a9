"""One training run from its run file: data, network, loop, and what is left behind.

A run's folder holds `checkpoint-*` (for resuming), `model/` (the best weights, tokenizer), `run.yaml`, `data.json` and `report.json`.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer
from transformers import TrainerCallback, TrainerState, set_seed

from training.batches import TokenStore
from training.kept_run import check_kept_run, note_run
from training.models.cross_encoder import count_parameters
from training.models.decomposed import DecomposedCrossEncoder
from training.models.projection import fit_projection
from training.networks import build_collate, build_encoder, build_network, check_positions, known_positions, load_tokenizer
from training.run_file import RunFile
from training.run_sets import load_data, training_sample
from training.trainer import METRIC, RankingTrainer, checkpoints, last_whole_checkpoint, training_arguments

# A gap between training and validation NDCG above this is called over-fitting.
_GAP = 0.10
# Some hundred documents: more tokens than a state has numbers, many times over.
_PROJECTION_LISTS = 32


@dataclass(frozen=True, slots=True)
class RunReport:
    """What a run reached. NDCG@10 with 2^grade - 1 gains, on each validation set and on some training lists of their sources; `seconds`
    are of the call that ended it, without those of calls that were cut off."""

    name: str
    parameters: int
    training_lists: int
    training_pairs: int
    steps: int
    seconds: float
    validation: Mapping[str, float]
    training: float | None
    verdict: str


class _StepListener(TrainerCallback):
    def __init__(self, on_step: Callable[[int], None]) -> None:
        self._on_step = on_step

    def on_step_end(self, _args: object, state: TrainerState, _control: object, **_: object) -> None:
        self._on_step(state.global_step)


def train(
    run: RunFile, output: Path, *, resume: bool = True, report_to: str = "tensorboard", on_step: Callable[[int], None] | None = None
) -> RunReport:
    """Train as the run file says; a run that was interrupted goes on from its last whole checkpoint to the same result.

    A folder that was made by other settings is refused, unless `resume` is off: then its checkpoints, its model and its report are removed.
    `on_step` is called with the number of each finished step. Of several processes each returns the report, and the first one writes.
    """
    output.mkdir(parents=True, exist_ok=True)
    if not resume and _is_own_model(run.model.base, output):
        raise ValueError(f"the run starts from {run.model.base}, which training afresh into {output} would delete: take another --out")
    if resume and (checkpoints(output) or (output / "report.json").exists()):
        check_kept_run(output, run)
    trainer = build_trainer(run, output, report_to, [_StepListener(on_step)] if on_step else [])
    # Of several processes the first one readies the folder: the others find whole checkpoints alone.
    with trainer.args.main_process_first(local=False):
        if trainer.is_world_process_zero():
            _ready(output, run, resume=resume)
        checkpoint = last_whole_checkpoint(output)
    started = time.monotonic()
    if checkpoint is None:
        trainer.train()
    elif not trainer.go_on(Path(checkpoint)) and (finished := _finished(output)) is not None:
        return finished
    report = _report(run, trainer, time.monotonic() - started)
    if trainer.is_world_process_zero():
        _save(output, trainer, load_tokenizer(run.model.tokenizer or run.model.base), report)
    return report


def _finished(output: Path) -> RunReport | None:
    """The report of a run that had come to its end; None where it was cut off before it was written."""
    path = output / "report.json"
    return RunReport(**json.loads(path.read_text())) if path.exists() and (output / "model").is_dir() else None


def _is_own_model(base: str, output: Path) -> bool:
    return (output / "model").is_dir() and Path(base).resolve() == (output / "model").resolve()


def _ready(output: Path, run: RunFile, *, resume: bool) -> None:
    if not resume:
        for checkpoint in checkpoints(output):
            shutil.rmtree(checkpoint)
        # They are what says that a run came to its end: a new one that is cut off must not be taken for the old.
        shutil.rmtree(output / "model", ignore_errors=True)
        (output / "report.json").unlink(missing_ok=True)
    note_run(output, run)


def build_trainer(run: RunFile, output: Path, report_to: str, callbacks: list[TrainerCallback]) -> RankingTrainer:
    """The run's data and network, checked, in a trainer that has not begun."""
    set_seed(run.train.seed)
    encoder = build_encoder(run)
    store = TokenStore(encoder)
    dataset, validation = load_data(run, store)
    network = build_network(run.model)
    check_positions(run.model, run.template, known_positions(network))
    collate = build_collate(run.model, encoder)
    if isinstance(network, DecomposedCrossEncoder):
        spread = range(0, len(dataset), -(-len(dataset) // _PROJECTION_LISTS))
        fit_projection(network, collate([dataset[number] for number in spread]))
    if run.train.freeze_embeddings:
        freeze_embeddings(network)
    return RankingTrainer(
        network,
        training_arguments(run.train, str(output), validating=bool(validation), report_to=report_to),
        spec=run.train,
        losses=run.mixture(),
        collate=collate,
        training=dataset,
        validation=validation,
        sample=training_sample(dataset, validation),
        callbacks=callbacks,
    )


def freeze_embeddings(network: Any) -> None:
    """Keep the embedding tables as they are: half of a small model's weights, which few queries would only distort."""
    network.model.base_model.embeddings.requires_grad_(False)


def _report(run: RunFile, trainer: RankingTrainer, seconds: float) -> RunReport:
    lists = trainer.train_dataset.lists
    validation = {name: trainer.ndcg(dataset) for name, dataset in trainer.validation.items()}
    training = trainer.training_ndcg()
    # A set of a kind that was not trained on is harder for that alone.
    known = {name for name, dataset in trainer.validation.items() if any(item.source in trainer.sample for item in dataset.lists)}
    return RunReport(
        name=run.name,
        parameters=count_parameters(trainer.model),
        training_lists=len(lists),
        training_pairs=sum(len(item.doc_ids) for item in lists),
        steps=trainer.state.global_step,
        seconds=round(seconds, 1),
        validation=validation,
        training=training,
        verdict=verdict(training, {name: value for name, value in validation.items() if name in known} or validation),
    )


def verdict(training: float | None, validation: Mapping[str, float]) -> str:
    """Over-fitting in words, and what to try."""
    if training is None or not validation:
        return "no judged training or validation lists: over-fitting cannot be seen"
    mean = sum(validation.values()) / len(validation)
    gap = training - mean
    figures = f"NDCG@10 is {training:.3f} on training lists and {mean:.3f} on validation lists"
    if gap > _GAP:
        return (
            f"it over-fits: {figures}. Try, in this order: fewer epochs or `train.patience`, `noise.drop_field: 0.2` and "
            "`noise.drop_token: 0.1`, lists from `rerank distil` beside the judged ones, fewer layers"
        )
    return f"no over-fitting to speak of: {figures}"


def _save(output: Path, trainer: RankingTrainer, tokenizer: Tokenizer, report: RunReport) -> None:
    broken = [name for name, weight in trainer.model.named_parameters() if not weight.isfinite().all()]
    if broken:
        raise ValueError(
            f"the run ended in weights that are no numbers ({len(broken)} tables, such as {broken[0]}) and is not kept: lower "
            "train.learning_rate, or see that train.max_grad_norm is not 0"
        )
    model = output / "model"
    trainer.model.save(model)
    tokenizer.save(str(model / "tokenizer.json"))
    fields = {name: getattr(report, name) for name in RunReport.__slots__}
    (output / "report.json").write_text(json.dumps(fields, indent=2, default=dict) + "\n")


__all__ = ["METRIC", "RunReport", "train", "verdict"]
