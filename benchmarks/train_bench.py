"""`rerank bench train`: this project's trainer against sentence-transformers' CrossEncoderTrainer.

Invariant: the same base, lists, loss (ListNet), lists a batch, steps, precision and optimiser settings, in processes of their own, in turn.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from matplotlib.figure import Figure

from benchmarks.environments import Environment
from benchmarks.machine import this_machine
from benchmarks.report import Cell, Report, Table
from benchmarks.samples import number, paired_ratio, spread
from benchmarks.workloads import Cutter, Shop, product_text
from cluster.errors import InvalidCatalogue
from cluster.workspace import CHECKOUT
from sidecar.encoding import TextTemplate

Advance = Callable[[int], None]
OURS, PEER = "ours", "sentence-transformers"
_SPECIAL = 3


class Trained(msgspec.Struct, frozen=True):
    """What a trainer reports."""

    seconds: float
    steps: float
    loss: float


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """What both trainers are asked to do; the fields are the plan's keys."""

    base: str
    lists: Sequence[Mapping[str, Any]]
    steps: int
    lists_per_batch: int
    max_query_tokens: int
    max_document_tokens: int
    learning_rate: float = 4e-5
    weight_decay: float = 0.01
    max_grad_norm: float = 1.0
    bf16: bool = True
    seed: int = 13
    max_pair_tokens: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "max_pair_tokens", self.max_query_tokens + self.max_document_tokens + _SPECIAL)

    def pairs(self) -> int:
        """Pairs that a whole run trains on."""
        return self.steps * self.lists_per_batch * len(self.lists[0]["documents"])


def lists_of(shop: Shop, template: TextTemplate, cutter: Cutter, *, hits: int, batch: int, steps: int) -> list[dict[str, Any]]:
    """Judged lists of exactly so many hits, of more than one grade: whole batches of them, as an epoch that ended in a smaller one would
    count pairs that nobody trained on."""
    lists: list[dict[str, Any]] = []
    for judged in shop.judged:
        graded = [(doc_id, grade) for doc_id, grade in judged.grades.items() if doc_id in shop.products][:hits]
        if len(graded) == hits and len({grade for _, grade in graded}) > 1:
            documents = [product_text(shop.products[doc_id], template, cutter) for doc_id, _ in graded]
            lists.append({"query": judged.text, "documents": documents, "grades": [grade for _, grade in graded]})
    batches = min(len(lists) // batch, steps)
    if not batches:
        raise InvalidCatalogue(
            f"{len(lists)} queries have {hits} judged products of more than one grade, and a batch needs {batch}: lower --hits or --lists"
        )
    return lists[: batches * batch]


def bench_train(plan: TrainingPlan, peer: Environment, *, rounds: int, quick: bool, settings: dict[str, Any], advance: Advance) -> Report:
    """Both trainers in turn, `rounds` times."""
    machine = this_machine(("torch", "transformers", "accelerate", "tokenizers"))
    peer_script = Path(__file__).parent / "peers" / "cross_encoder_trainer.py"
    commands = {OURS: (sys.executable, "-m", "benchmarks.own_trainer"), PEER: (str(peer.python), str(peer_script))}
    runs: dict[str, list[Trained]] = {name: [] for name in commands}
    with tempfile.TemporaryDirectory(prefix="rerank-train-") as folder:
        path = Path(folder) / "plan.json"
        path.write_bytes(msgspec.json.encode(plan))
        for turn in range(rounds):
            for name in (OURS, PEER) if turn % 2 == 0 else (PEER, OURS):
                runs[name].append(_run(name, (*commands[name], str(path))))
                advance(1)
    versions = {name: version for name, version in peer.versions().items() if name in {"sentence-transformers", "torch", "transformers"}}
    return Report("train", machine, {**settings, **versions}, (_table(runs, plan),), samples=runs, quick=quick)


def draw(report: Report, plan: TrainingPlan) -> Callable[[Figure], None]:
    """Pairs a minute of each run."""

    def onto(figure: Figure) -> None:
        axes = figure.add_subplot()
        for name, runs in report.samples.items():
            axes.plot(range(1, len(runs) + 1), [_pairs_a_minute(run, plan) for run in runs], marker="o", label=name)
        axes.set(xlabel="round", ylabel="pairs a minute", ylim=(0, None))
        axes.legend()

    return onto


def _run(name: str, command: Sequence[str]) -> Trained:
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    done = subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the trainer {name} failed: {done.stderr.strip()[-1500:]}")
    return msgspec.json.decode(done.stdout, type=Trained)


def _pairs_a_minute(run: Trained, plan: TrainingPlan) -> float:
    return plan.pairs() / run.seconds * 60


def _table(runs: Mapping[str, Sequence[Trained]], plan: TrainingPlan) -> Table:
    speeds = {name: [_pairs_a_minute(run, plan) for run in each] for name, each in runs.items()}
    rows: list[tuple[Cell, ...]] = []
    for name, found in speeds.items():
        ratio = number(paired_ratio(speeds[OURS], found).median)
        loss = spread([run.loss for run in runs[name]]).median
        rows.append((name, str(spread(found)), ratio, f"{loss:.4f}"))
    hits = len(plan.lists[0]["documents"])
    notes = (
        f"{plan.steps} steps of {plan.lists_per_batch} lists of {hits} hits, at most {plan.max_pair_tokens} tokens a pair, ListNet, "
        f"{'bf16' if plan.bf16 else 'float32'}, AdamW; tokenizing counted, loading the network not. Median (quartiles) of the rounds; the "
        "mean training loss shows that both did the same work.",
    )
    return Table("Training speed", ("trainer", "pairs a minute", "ours / it", "training loss"), tuple(rows), notes)
