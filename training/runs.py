"""One training run from its run file: data, network, loop, and what is left behind.

A run's folder holds `checkpoint-*` (for resuming), `model/` (the best weights, tokenizer), `run.yaml` and `report.json`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer
from transformers import TrainerCallback, TrainerState, set_seed
from transformers.trainer_utils import get_last_checkpoint

from sidecar.ranker import SPECIAL_TOKENS
from training.batches import ListDataset, TokenStore, TrainingList
from training.models.cross_encoder import count_parameters
from training.models.decomposed import DecomposedCrossEncoder
from training.models.projection import fit_projection
from training.networks import build_collate, build_encoder, build_network, load_tokenizer
from training.run_file import DataSpec, RunFile, write_run_file
from training.trainer import METRIC, RankingTrainer, training_arguments
from training.training_set import read_documents, read_lists

# A gap between training and validation NDCG above this is called over-fitting.
_GAP = 0.10
# Some hundred documents: more tokens than a state has numbers, many times over.
_PROJECTION_LISTS = 32


@dataclass(frozen=True, slots=True)
class RunReport:
    """What a run reached. NDCG@10 with 2^grade - 1 gains, on each validation set and on as many training lists."""

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
    """Train as the run file says; a run that was interrupted goes on from its last checkpoint to the same result.

    `on_step` is called with the number of each finished step.
    """
    output.mkdir(parents=True, exist_ok=True)
    write_run_file(output / "run.yaml", run)
    set_seed(run.train.seed)
    encoder = build_encoder(run)
    store = TokenStore(encoder)
    lists = [item for spec in run.train_sets for item in load_lists(spec, store)]
    if not lists:
        raise ValueError(f"run {run.name} has no training lists")
    dataset = ListDataset(lists, store, noise=run.noise.noise(), seed=run.train.seed)
    validation = {Path(spec.path).name: ListDataset(load_lists(spec, store), store) for spec in run.validation_sets}
    network = build_network(run.model)
    check_positions(run, network)
    collate = build_collate(run.model, encoder)
    if isinstance(network, DecomposedCrossEncoder):
        spread = range(0, len(dataset), -(-len(dataset) // _PROJECTION_LISTS))
        fit_projection(network, collate([dataset[number] for number in spread]))
    if run.train.freeze_embeddings:
        freeze_embeddings(network)
    trainer = RankingTrainer(
        network,
        training_arguments(run.train, str(output), validating=bool(validation), report_to=report_to),
        spec=run.train,
        losses=run.mixture(),
        collate=collate,
        training=dataset,
        validation=validation,
        callbacks=[_StepListener(on_step)] if on_step else [],
    )
    started = time.monotonic()
    trainer.train(resume_from_checkpoint=get_last_checkpoint(str(output)) if resume else None)
    report = _report(run, trainer, lists, time.monotonic() - started)
    _save(output, trainer, load_tokenizer(run.model.tokenizer or run.model.base), report)
    return report


def check_positions(run: RunFile, network: Any) -> None:
    """Raise ValueError where the template's longest pair has more tokens than the base has positions."""
    pair = run.template.max_query_tokens + run.template.max_document_tokens + SPECIAL_TOKENS
    known = getattr(network.config, "max_position_embeddings", pair)
    if run.model.kind == "cross-encoder" and pair > known:
        raise ValueError(
            f"a pair of the template may have {pair} tokens (max_query_tokens {run.template.max_query_tokens}, max_document_tokens "
            f"{run.template.max_document_tokens}, {SPECIAL_TOKENS}), and {run.model.base} has {known} positions: lower one, or take "
            "another model.base"
        )


def freeze_embeddings(network: Any) -> None:
    """Keep the embedding tables as they are: half of a small model's weights, which few queries would only distort."""
    network.model.base_model.embeddings.requires_grad_(False)


def load_lists(spec: DataSpec, store: TokenStore) -> list[TrainingList]:
    """A training set's lists; their documents are tokenized into the store."""
    directory = Path(spec.path)
    lists = read_lists(directory)[: spec.limit]
    wanted = {doc_id for item in lists for doc_id in item.doc_ids}
    # Two sets may use one id for different documents: the set's name keeps them apart.
    documents = {f"{directory}:{doc_id}": fields for doc_id, fields in read_documents(directory).items() if doc_id in wanted}
    store.add(documents)
    named = [
        TrainingList(item.query, tuple(f"{directory}:{doc_id}" for doc_id in item.doc_ids), item.grades, item.teacher, item.source)
        for item in lists
    ]
    return named * spec.repeat


def _report(run: RunFile, trainer: RankingTrainer, lists: list[TrainingList], seconds: float) -> RunReport:
    validation = {name: trainer.ndcg(dataset) for name, dataset in trainer.validation.items()}
    graded = [item for item in lists if item.grades is not None][:100]
    training = trainer.ndcg(ListDataset(graded, trainer.train_dataset.store)) if graded else None
    return RunReport(
        name=run.name,
        parameters=count_parameters(trainer.model),
        training_lists=len(lists),
        training_pairs=sum(len(item.doc_ids) for item in lists),
        steps=trainer.state.global_step,
        seconds=round(seconds, 1),
        validation=validation,
        training=training,
        verdict=verdict(training, validation),
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
    model = output / "model"
    trainer.model.save(model)
    tokenizer.save(str(model / "tokenizer.json"))
    fields = {name: getattr(report, name) for name in RunReport.__slots__}
    (output / "report.json").write_text(json.dumps(fields, indent=2, default=dict) + "\n")


__all__ = ["METRIC", "RunReport", "train", "verdict"]
