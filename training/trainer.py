"""The training loop: transformers' Trainer on list batches, with our losses and validation NDCG.

training sets -> TokenStore -> ListDataset -> BudgetSampler -> collate -> network -> losses
"""

from __future__ import annotations

import json
import logging
import math
import os
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate.utils import broadcast_object_list
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torch.utils.data import DataLoader
from transformers import EarlyStoppingCallback, Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer import TRAINER_STATE_NAME

from training.allocator import keep_freed_memory
from training.batches import TARGETS, ListDataset
from training.losses import Mixture
from training.metrics.batch import ndcg
from training.networks import Collate
from training.progress import speak
from training.run_file import TrainSpec
from training.sampling import BudgetSampler

METRIC = "ndcg@10"
logger = logging.getLogger(__name__)


def list_logits(network: nn.Module, batch: Mapping[str, Tensor]) -> Tensor:
    """Logits [lists, hits] of a batch; zero outside its mask."""
    inputs = {name: tensor for name, tensor in batch.items() if name not in TARGETS}
    flat = network(**inputs)
    mask = batch["mask"]
    return torch.zeros(mask.shape, dtype=flat.dtype, device=flat.device).masked_scatter(mask, flat)


class _EvaluateAtTheEnd(TrainerCallback):
    """The last step is validated too, whatever `eval_steps` is: its weights are often the best, and could not be chosen otherwise."""

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object) -> None:
        if args.eval_strategy != "no" and state.global_step >= state.max_steps:
            control.should_evaluate = True


class RankingTrainer(Trainer):
    """transformers' Trainer over lists: batches under a budget of hits, ranking losses, NDCG@10 on validation lists."""

    def __init__(
        self,
        network: nn.Module,
        arguments: TrainingArguments,
        *,
        spec: TrainSpec,
        losses: Mixture,
        collate: Collate,
        training: ListDataset,
        validation: Mapping[str, ListDataset],
        sample: Mapping[str, ListDataset] | None = None,
        callbacks: list[TrainerCallback] | None = None,
    ) -> None:
        keep_freed_memory()
        self.stopping = EarlyStoppingCallback(spec.patience) if spec.patience is not None and validation else None
        first = [self.stopping, _EvaluateAtTheEnd()] if self.stopping is not None else [_EvaluateAtTheEnd()]
        super().__init__(
            network, arguments, train_dataset=training, eval_dataset=dict(validation) or None, callbacks=[*first, *(callbacks or [])]
        )
        speak(self)
        self.spec = spec
        self.losses = losses
        self.collate = collate
        self.validation = validation
        self.sample = sample or {}
        # The loss already is a mean over the step's lists; the Trainer must not divide by a count of items.
        self.model_accepts_loss_kwargs = False

    def go_on(self, checkpoint: Path) -> bool:
        """Train from a checkpoint to the end, waiting for a better one as long as the run that wrote it would have; where that was over
        already (False), no further step is taken, which transformers would do in the middle of an epoch."""
        state = TrainerState.load_from_json(str(checkpoint / TRAINER_STATE_NAME))
        waited = (state.global_step - (state.best_global_step or 0)) // self.spec.eval_steps
        patience = self.stopping.early_stopping_patience if self.stopping is not None else math.inf
        if self.stopping is not None:
            self.stopping.early_stopping_patience_counter = waited
        if state.global_step < state.max_steps and waited < patience:
            self.train(resume_from_checkpoint=str(checkpoint))
            return True
        kept = (
            Path(state.best_model_checkpoint).name if state.best_model_checkpoint and self.args.load_best_model_at_end else checkpoint.name
        )
        self._load_from_checkpoint(str(checkpoint.parent / kept))
        self.state = state
        return False

    def get_train_dataloader(self) -> DataLoader[Any]:
        """The training batches of an epoch, in an order that (seed, epoch) decide."""
        spec = self.spec
        sampler = BudgetSampler(
            self.train_dataset, max_hits=spec.max_hits, max_tokens=spec.max_tokens, seed=spec.seed, processes=self.args.world_size
        )
        loader = DataLoader(
            self.train_dataset,
            batch_sampler=sampler,
            collate_fn=self.collate,
            num_workers=self.spec.workers,
            pin_memory=torch.cuda.is_available(),
        )
        return self.accelerator.prepare(loader)

    def compute_loss(self, model: nn.Module, inputs: dict[str, Tensor], return_outputs: bool = False, **_: Any) -> Any:
        """The mixture's value on one batch of lists."""
        logits = list_logits(model, inputs)
        loss = self.losses(logits, inputs["grades"], inputs["mask"], inputs["teacher"])
        return (loss, logits) if return_outputs else loss

    def evaluate(self, *_: Any, metric_key_prefix: str = "eval", **__: Any) -> dict[str, float]:
        """NDCG@10 of each validation set, their mean, and NDCG@10 of some training lists: the gap is over-fitting."""
        # Each process measures all lists. Should their last bits differ, the first one's figures hold: they must stop, and choose, alike.
        (values,) = broadcast_object_list([{f"{name}_{METRIC}": self.ndcg(dataset) for name, dataset in self.validation.items()}])
        metrics = {f"{metric_key_prefix}_{name}": value for name, value in values.items()}
        metrics[f"{metric_key_prefix}_{METRIC}"] = sum(values.values()) / len(values)
        if (training := self.training_ndcg()) is not None:
            metrics[f"{metric_key_prefix}_training_{METRIC}"] = training
        metrics["epoch"] = self.state.epoch or 0.0
        self.log(metrics)
        self.control: Any = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def training_ndcg(self) -> float | None:
        """The mean NDCG@10 of the training lists that are measured, each source as much; None without any."""
        values = [self.ndcg(dataset) for dataset in self.sample.values()]
        return sum(values) / len(values) if values else None

    @torch.no_grad()
    def ndcg(self, dataset: ListDataset) -> float:
        """Mean NDCG@10 (2^grade - 1 gains) over a data set's lists."""
        self.model.eval()
        tokens = self.spec.max_tokens
        # Without gradients a batch takes less memory.
        sampler = BudgetSampler(dataset, max_hits=2 * self.spec.max_hits, max_tokens=tokens and 2 * tokens, shuffle=False)
        loader = DataLoader(dataset, batch_sampler=sampler, collate_fn=self.collate, num_workers=self.spec.workers)
        values: list[float] = []
        for batch in loader:
            on_device = {name: tensor.to(self.args.device) for name, tensor in batch.items()}
            with self.compute_loss_context_manager():
                logits = list_logits(self.model, on_device)
            grades = batch["grades"].nan_to_num(0.0).numpy()
            values += ndcg(logits.float().cpu().numpy(), grades, batch["mask"].numpy(), k=10).tolist()
        self.model.train()
        return float(np.nanmean(values))


def last_whole_checkpoint(output: Path) -> str | None:
    """The newest checkpoint to go on from, None where there is none; those cut off while they were written are removed, and named."""
    whole: str | None = None
    for checkpoint in checkpoints(output):
        fault = checkpoint_fault(checkpoint)
        if fault is None:
            whole = str(checkpoint)
            continue
        logger.warning("%s is not whole (%s): it is removed, and the run goes on from an older one or starts anew", checkpoint, fault)
        shutil.rmtree(checkpoint, ignore_errors=True)
    return whole


def checkpoints(output: Path) -> list[Path]:
    """A run's checkpoint folders, oldest first."""
    found = [path for path in output.glob("checkpoint-*") if path.is_dir() and path.name.removeprefix("checkpoint-").isdecimal()]
    return sorted(found, key=lambda path: int(path.name.removeprefix("checkpoint-")))


def checkpoint_fault(checkpoint: Path) -> str | None:
    """What a checkpoint lacks to be resumed from, None where it is whole; looks at the ends of its files alone."""
    weights, numbers = list(checkpoint.glob("*.safetensors")), list(checkpoint.glob("rng_state*.pth"))
    if not weights or not numbers:
        return f"it has no {'random-number state' if weights else 'weights'}"
    for path in weights:
        try:
            safe_open(path, framework="pt")
        except (SafetensorError, OSError) as error:
            return f"{path.name}: {error}"
    # torch.save writes zip archives, whose directory comes last: a file that was cut off has none.
    for path in (checkpoint / "optimizer.pt", checkpoint / "scheduler.pt", *numbers):
        if not zipfile.is_zipfile(path):
            return f"{path.name} is {'cut off' if path.exists() else 'missing'}"
    try:
        json.loads((checkpoint / "trainer_state.json").read_text())["global_step"]
    except (OSError, ValueError, TypeError, KeyError) as error:
        return f"trainer_state.json: {error!r}"
    return None


def set_precision(*, bf16: bool) -> None:
    """Make the next TrainingArguments' precision its own: transformers notes bf16 in the environment, and later runs would inherit it."""
    os.environ["ACCELERATE_MIXED_PRECISION"] = "bf16" if bf16 else "no"


def training_arguments(spec: TrainSpec, output: str, *, validating: bool, report_to: str = "tensorboard") -> TrainingArguments:
    """The Trainer's own settings for a run."""
    set_precision(bf16=spec.bf16)
    return TrainingArguments(
        output_dir=output,
        num_train_epochs=spec.epochs,
        max_steps=spec.max_steps,
        learning_rate=spec.learning_rate,
        lr_scheduler_type=spec.schedule,
        warmup_ratio=spec.warmup_ratio,
        weight_decay=spec.weight_decay,
        max_grad_norm=spec.max_grad_norm,
        gradient_accumulation_steps=spec.accumulation,
        bf16=spec.bf16,
        optim="adamw_torch_fused",
        # Without it transformers refuses bf16 where there is no accelerator, though the CPU has it.
        use_cpu=not torch.cuda.is_available(),
        seed=spec.seed,
        data_seed=spec.seed,
        eval_strategy="steps" if validating else "no",
        eval_steps=spec.eval_steps,
        save_strategy="steps",
        save_steps=spec.eval_steps,
        save_total_limit=2,
        load_best_model_at_end=validating,
        metric_for_best_model=METRIC if validating else None,
        greater_is_better=True if validating else None,
        logging_steps=max(1, min(50, spec.eval_steps // 4)),
        report_to=report_to,
        remove_unused_columns=False,
        accelerator_config={"even_batches": False, "use_seedable_sampler": False},
    )
