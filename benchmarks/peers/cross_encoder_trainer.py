"""sentence-transformers' CrossEncoderTrainer on given lists: a plan in, the seconds that it trained out.

Runs as `python cross_encoder_trainer.py plan.json` in the peer's environment; benchmarks/own_trainer.py reads the same plan.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any


def train(plan: dict[str, Any]) -> dict[str, float]:
    """Train for the plan's steps; loading the network is not counted."""
    from datasets import Dataset  # noqa: PLC0415 - in its own environment only
    from sentence_transformers import CrossEncoder  # noqa: PLC0415
    from sentence_transformers.cross_encoder import CrossEncoderTrainer, CrossEncoderTrainingArguments  # noqa: PLC0415
    from sentence_transformers.cross_encoder.losses import ListNetLoss  # noqa: PLC0415

    model = CrossEncoder(plan["base"], num_labels=1, max_length=plan["max_pair_tokens"], device="cpu", local_files_only=True)
    lists = plan["lists"]
    dataset = Dataset.from_dict(
        {
            "query": [item["query"] for item in lists],
            "docs": [item["documents"] for item in lists],
            "labels": [item["grades"] for item in lists],
        }
    )
    with tempfile.TemporaryDirectory() as folder:
        arguments = CrossEncoderTrainingArguments(
            output_dir=folder,
            max_steps=plan["steps"],
            per_device_train_batch_size=plan["lists_per_batch"],
            learning_rate=plan["learning_rate"],
            weight_decay=plan["weight_decay"],
            max_grad_norm=plan["max_grad_norm"],
            bf16=plan["bf16"],
            use_cpu=True,
            seed=plan["seed"],
            save_strategy="no",
            logging_strategy="no",
            report_to="none",
            disable_tqdm=True,
        )
        trainer = CrossEncoderTrainer(model=model, args=arguments, train_dataset=dataset, loss=ListNetLoss(model))
        started = time.perf_counter()
        outcome = trainer.train()
        seconds = time.perf_counter() - started
    return {"seconds": seconds, "steps": outcome.global_step, "loss": outcome.training_loss}


def main() -> None:
    """Only the answer reaches standard output, whatever the libraries print."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    answers.write(json.dumps(train(json.loads(Path(sys.argv[1]).read_bytes()))) + "\n")
    answers.close()


if __name__ == "__main__":
    main()
