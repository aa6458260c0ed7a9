"""This project's trainer on given lists: the same plan as benchmarks/peers/cross_encoder_trainer.py, the same answer.

Counted as there: from texts in memory to the last step; tokenizing is in it, loading the network is not.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from sidecar.manifest import FieldBudget, Template
from training.batches import ListDataset, TokenStore, TrainingList
from training.networks import build_collate, build_encoder, build_network
from training.run_file import DataSpec, LossSpec, ModelSpec, RunFile, TrainSpec
from training.trainer import RankingTrainer, training_arguments


def run_of(plan: dict[str, Any]) -> RunFile:
    """The plan as a run file."""
    document, query = plan["max_document_tokens"], plan["max_query_tokens"]
    hits = len(plan["lists"][0]["documents"])
    return RunFile(
        name="bench",
        model=ModelSpec(base=plan["base"]),
        train_sets=(DataSpec("in memory"),),
        losses={"listnet": LossSpec()},
        template=Template((FieldBudget("text", document),), document, query),
        train=TrainSpec(
            max_steps=plan["steps"],
            learning_rate=plan["learning_rate"],
            warmup_ratio=0.0,
            weight_decay=plan["weight_decay"],
            max_grad_norm=plan["max_grad_norm"],
            max_hits=plan["lists_per_batch"] * hits,
            seed=plan["seed"],
            bf16=plan["bf16"],
            # Beyond the last step: nothing is saved.
            eval_steps=plan["steps"] + 1,
        ),
    )


def train(plan: dict[str, Any]) -> dict[str, float]:
    """Train for the plan's steps."""
    run = run_of(plan)
    encoder = build_encoder(run)
    network = build_network(run.model)
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        store = TokenStore(encoder)
        trainer = RankingTrainer(
            network,
            training_arguments(run.train, folder, validating=False, report_to="none"),
            spec=run.train,
            losses=run.mixture(),
            collate=build_collate(run.model, encoder),
            training=ListDataset(_lists(plan, store), store, seed=run.train.seed),
            validation={},
        )
        outcome = trainer.train()
        seconds = time.perf_counter() - started
    return {"seconds": seconds, "steps": outcome.global_step, "loss": outcome.training_loss}


def _lists(plan: dict[str, Any], store: TokenStore) -> list[TrainingList]:
    lists = []
    for number, item in enumerate(plan["lists"]):
        ids = tuple(f"{number}:{place}" for place in range(len(item["documents"])))
        store.add({doc_id: {"text": text} for doc_id, text in zip(ids, item["documents"], strict=True)})
        lists.append(TrainingList(item["query"], ids, tuple(map(float, item["grades"]))))
    return lists


def main() -> None:
    """Only the answer reaches standard output, whatever the libraries print."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    answers.write(json.dumps(train(json.loads(Path(sys.argv[1]).read_bytes()))) + "\n")
    answers.close()


if __name__ == "__main__":
    main()
