"""What every experiment is given, and the one way in which it trains: a run file -> training.runs.train -> scores of held-out lists.

A hundred judged queries cannot teach matching: trained on those alone, networks order no better than chance, and nothing that is compared
shows. So every network starts from one that learned to match on lists of the catalogue grammar, invented shops and films, nothing of the
judged catalogues.

Invariant: networks of one experiment start from the same weights and differ in what the experiment compares, and in the seed.
"""

from __future__ import annotations

import io
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
from matplotlib.figure import Figure
from transformers import AutoModel
from transformers import logging as transformers_logging

from benchmarks.report import Draw, Table
from training.bases import base_directory
from training.batches import ListDataset, TokenStore
from training.distil.teachers import score_lists
from training.evaluate.judged import Split
from training.experiments.cells import Advance, Cell, Progress, finish
from training.experiments.sets import CATALOGUES, GRAMMAR, HeldOut, Limits, held_out, training_set
from training.keys import folder_key
from training.models.cross_encoder import keep_layers
from training.networks import build_collate, load_network, load_text_encoder
from training.run_file import DEFAULT_TEMPLATE, DataSpec, LossSpec, ModelSpec, NoiseSpec, RunFile, TrainSpec
from training.run_sets import load_lists
from training.runs import train

# Shorter texts than the shipped models read: three times as many steps in the same minute.
TEMPLATE = msgspec.structs.replace(DEFAULT_TEMPLATE, max_document_tokens=32)
SOFTMAX: Mapping[str, LossSpec] = {"softmax": LossSpec()}
# A step takes four: the start reads each list twice.
_GRAMMAR_LISTS_A_STEP = 2


class Measured(msgspec.Struct, frozen=True):
    """One trained network: its scores of every held-out list by set, its NDCG@10 on training lists, and what it took."""

    scores: dict[str, list[list[float]]]
    training: float | None
    seconds: float


@dataclass(frozen=True, slots=True)
class Lab:
    """Where data and results are, what networks start from, how long they train, and the part of the queries that judges them."""

    data: Path
    folder: Path
    base: str
    layers: tuple[int, ...] | None
    steps: int
    seeds: tuple[int, ...]
    limits: Limits
    progress: Progress
    catalogues: tuple[str, ...] = CATALOGUES
    split: Split = "test"
    grammar_steps: int = 0

    def training_sets(self, *catalogues: str) -> tuple[DataSpec, ...]:
        """The judged training sets of these catalogues (all where none is named)."""
        names = catalogues or self.catalogues
        return tuple(DataSpec(str(training_set(self.data, name, self.folder / "sets", self.limits))) for name in names)

    def held_out(self, *, misspelt: bool = False) -> list[HeldOut]:
        """The held-out set of every catalogue that has one."""
        names = [name for name in self.catalogues if name != GRAMMAR]
        return [held_out(self.data, name, self.folder / "sets", self.limits, self.split, misspelt=misspelt) for name in names]

    def start(self) -> Path:
        """What every network starts from: the encoder, taught to match on the grammar's lists where `grammar_steps` asks for it."""
        return self.taught(self.encoder())

    def encoder(self) -> Path:
        """The base's layers that were asked for, its pooler left out."""
        kept = "all" if self.layers is None else "-".join(map(str, self.layers))
        target = self.folder / "starts" / f"{self._base_name()}-{kept}"
        if not (target / "tokenizer.json").is_file():
            source = base_directory(self.base)
            with quiet():
                model: Any = AutoModel.from_pretrained(source)
                if self.layers is not None:
                    keep_layers(model, self.layers)
                # Masked-word pre-training leaves none either: both arms of that comparison begin with a fresh one.
                model.pooler = None
                model.save_pretrained(target)
            shutil.copyfile(Path(source) / "tokenizer.json", target / "tokenizer.json")
        return target

    def taught(self, encoder: Path) -> Path:
        """An encoder after `grammar_steps` steps on the catalogue grammar's lists, trained at its first use; itself where that is 0."""
        if not self.grammar_steps:
            return encoder
        target = encoder.parent / f"{encoder.name}-grammar-{self.grammar_steps}"
        if not target.is_dir():
            lists = Limits(train_queries=_GRAMMAR_LISTS_A_STEP * self.grammar_steps, draws=1)
            sets = (DataSpec(str(training_set(self.data, GRAMMAR, self.folder / "sets", lists))),)
            run = self._run_from(encoder, sets, train_settings(self.grammar_steps, seed=13))
            with (
                tempfile.TemporaryDirectory(prefix="rerank-experiment-") as folder,
                self.progress("the start", self.grammar_steps) as advance,
            ):
                trained(run, Path(folder), advance)
                shutil.copytree(Path(folder) / "model", partial := target.with_name(f".{target.name}"), dirs_exist_ok=True)
            partial.rename(target)
        return target

    def _base_name(self) -> str:
        """Folders of one last name (`runs/a/model`, `runs/b/model`) are told apart by what lies in them."""
        base = Path(self.base)
        return f"{base.name}-{folder_key(base)}" if base.is_dir() else base.name

    def run(
        self,
        seed: int,
        *,
        start: Path | None = None,
        train_sets: tuple[DataSpec, ...] | None = None,
        losses: Mapping[str, LossSpec] = SOFTMAX,
        noise: NoiseSpec | None = None,
    ) -> RunFile:
        """A run over the judged training sets, from the common start, with the softmax loss, unless told otherwise."""
        run = self._run_from(start or self.start(), train_sets or self.training_sets(), train_settings(self.steps, seed))
        return msgspec.structs.replace(run, losses=dict(losses), noise=noise or NoiseSpec())

    def _run_from(self, start: Path, train_sets: tuple[DataSpec, ...], settings: TrainSpec) -> RunFile:
        return RunFile("experiment", ModelSpec(str(start)), train_sets, losses=dict(SOFTMAX), template=TEMPLATE, train=settings)

    def untuned(self, tests: Sequence[HeldOut]) -> dict[str, list[Measured]]:
        """The start as it is, under its row's name; nothing where it was not taught and its head is random."""
        if not self.grammar_steps:
            return {}
        run = self.run(self.seeds[0])
        start = Path(run.model.base)
        cell = Cell("start", (start, [test.path for test in tests]), lambda _: Measured(scores_of(run, start, tests), None, 0.0))
        return {"start, not tuned": finish([cell], Measured, self.folder / "cells", self.progress)}

    def train(self, runs: Mapping[str, Sequence[RunFile]], tests: Sequence[HeldOut]) -> dict[str, list[Measured]]:
        """Train every run that no experiment trained before, and score the held-out sets; by condition, as given."""
        cells = [fine_tuning(run, tests) for each in runs.values() for run in each]
        results = iter(finish(cells, Measured, self.folder / "cells", self.progress))
        return {condition: list(islice(results, len(each))) for condition, each in runs.items()}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an experiment found: tables, a plot, the raw figures that both are made of, and its settings."""

    tables: tuple[Table, ...]
    draw: Draw
    samples: Any
    settings: dict[str, Any] = field(default_factory=dict)


def train_settings(steps: int, seed: int) -> TrainSpec:
    """The optimisation that all experiments share: the shipped models' own, without a validation set to choose by."""
    return TrainSpec(
        max_steps=steps, max_hits=64, learning_rate=1.2e-4, warmup_ratio=0.1, seed=seed, eval_steps=steps + 1, freeze_embeddings=True
    )


def fine_tuning(run: RunFile, tests: Sequence[HeldOut]) -> Cell[Measured]:
    """The cell of one run: the same one for every experiment that asks for the run."""
    settings = (run, [test.path for test in tests])
    return Cell("network", settings, lambda advance: _fine_tune(run, tests, advance), run.train.max_steps)


def trained(run: RunFile, folder: Path, advance: Advance) -> float | None:
    """Train into a folder; NDCG@10 on training lists, where they are graded."""
    with quiet():
        return train(run, folder, resume=False, report_to="none", on_step=lambda _: advance(1)).training


def scores_of(run: RunFile, checkpoint: Path, tests: Sequence[HeldOut]) -> dict[str, list[list[float]]]:
    """The scores of a trained network, by set and list."""
    encoder = load_text_encoder(str(checkpoint), run.template)
    network = load_network(run.model, checkpoint)
    collate = build_collate(run.model, encoder)
    found = {}
    for test in tests:
        store = TokenStore(encoder)
        lists = load_lists(DataSpec(str(test.path)), store)
        found[test.name] = [list(row) for row in score_lists(network, ListDataset(lists, store), collate)]
    return found


@contextmanager
def quiet() -> Iterator[None]:
    """Without transformers' own bars and its log, which goes to standard output: an experiment has one bar."""
    before = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        with redirect_stdout(io.StringIO()):
            yield
    finally:
        transformers_logging.set_verbosity(before)
        transformers_logging.enable_progress_bar()


def bars(title: str, values: Mapping[str, Mapping[str, float]]) -> Draw:
    """One group of bars a set, one bar a condition: values[condition][set]."""

    def onto(figure: Figure) -> None:
        axes = figure.add_subplot()
        sets = list(next(iter(values.values())))
        width = 0.8 / len(values)
        for place, (condition, by_set) in enumerate(values.items()):
            axes.bar([number + place * width for number in range(len(sets))], [by_set[name] for name in sets], width, label=condition)
        lowest = min(min(by_set.values()) for by_set in values.values())
        axes.set_xticks([number + 0.4 - width / 2 for number in range(len(sets))], sets)
        axes.set(ylabel="NDCG@10", title=title, ylim=(max(0.0, lowest - 0.1), None))
        figure.legend(fontsize=8, loc="outside right upper")

    return onto


def _fine_tune(run: RunFile, tests: Sequence[HeldOut], advance: Advance) -> Measured:
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="rerank-experiment-") as folder:
        training = trained(run, Path(folder), advance)
        with quiet():
            scores = scores_of(run, Path(folder) / "model", tests)
    return Measured(scores, training, round(time.monotonic() - started, 1))
