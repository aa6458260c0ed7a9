"""The data folder -> judged training and test sets on disk, once for all experiments; test sets in memory, with their NDCG.

Invariant: training sets hold queries of the train part alone, held-out sets those of the test part, or of the validation part where it is
asked for. A set's folder is named by all that it depends on, the data's files included.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from sidecar.encoding import Fields
from training.batches import TrainingList, with_typo
from training.data.build import ListSettings, training_lists
from training.distil.sets import write_grammar
from training.evaluate.judged import JudgedSet, Split, limited, read_folder
from training.keys import folder_key
from training.metrics.batch import ndcg
from training.training_set import read_documents, read_lists, write_documents, write_lists

CATALOGUES = ("esci", "msrd")
GRAMMAR = "grammar"
Scores = Sequence[Sequence[float]]
ByQuery = Mapping[str, float]
# A list that was judged is tested whole; negatives that nobody judged would make the figure easier.
_TESTED = ListSettings(hard_negatives=0, random_negatives=0, max_hits=1_000)
_SHUFFLES = 100


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is read. A training query is drawn `draws` times, each time with other judged hits where it has more than `hits`."""

    train_queries: int = 150
    test_queries: int = 300
    hits: int = 20
    draws: int = 2


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Judged lists that nothing was trained on."""

    name: str
    path: Path
    lists: tuple[TrainingList, ...]

    def documents(self) -> Mapping[str, Fields]:
        """The lists' documents."""
        return read_documents(self.path)

    def ndcg(self, scores: Scores) -> ByQuery:
        """NDCG@10 (2^grade - 1) of each query's judged hits by these scores."""
        pairs = zip(self.lists, scores, strict=True)
        return {f"{number:04d} {item.query}": _ndcg(item, row) for number, (item, row) in enumerate(pairs)}

    def random_order(self) -> ByQuery:
        """The mean over random orders: many judged lists are mostly relevant, so that chance alone looks good."""
        rng = random.Random(0)
        drawn = [self.ndcg([[rng.random() for _ in item.doc_ids] for item in self.lists]) for _ in range(_SHUFFLES)]
        return {query: float(np.mean([values[query] for values in drawn])) for query in drawn[0]}


def training_set(data: Path, catalogue: str, folder: Path, limits: Limits) -> Path:
    """The training set of a catalogue's train part, or of the catalogue grammar; written at its first use."""
    target = folder / f"{_name(data, catalogue)}-train-{limits.train_queries}x{limits.draws}x{limits.hits}"
    if not _is_written(target):
        if catalogue == GRAMMAR:
            write_grammar(target, count=limits.train_queries * limits.draws, seed=1, advance=lambda _: None)
        else:
            judged = _judged(data, catalogue, "train", limits.train_queries)
            drawn = [_lists(judged, ListSettings(0, 0, 2, limits.hits, seed=draw)) for draw in range(limits.draws)]
            _write(target, judged, [item for lists in drawn for item in lists])
    return target


def held_out(data: Path, catalogue: str, folder: Path, limits: Limits, split: Split = "test", *, misspelt: bool = False) -> HeldOut:
    """The judged lists of a catalogue's test or validation part; `misspelt` gives every query one typing slip."""
    target = folder / f"{_name(data, catalogue)}-{split}-{limits.test_queries}"
    if not _is_written(target):
        judged = _judged(data, catalogue, split, limits.test_queries)
        _write(target, judged, _lists(judged, _TESTED))
    if not misspelt:
        return HeldOut(catalogue, target, tuple(read_lists(target)))
    wrong = target.with_name(f"{target.name}-misspelt")
    if not _is_written(wrong):
        write_documents(wrong, read_documents(target))
        write_lists(wrong, [replace(item, query=with_typo(item.query, random.Random(item.query))) for item in read_lists(target)])
    return HeldOut(f"{catalogue}, misspelt", wrong, tuple(read_lists(wrong)))


def _name(data: Path, catalogue: str) -> str:
    # The grammar's lists are made by code alone.
    return catalogue if catalogue == GRAMMAR else f"{catalogue}-{folder_key(data / catalogue)}"


def _judged(data: Path, catalogue: str, part: Split, queries: int) -> JudgedSet:
    return limited(read_folder(data / catalogue, part), queries)


def _lists(judged: JudgedSet, settings: ListSettings) -> list[TrainingList]:
    built, _ = training_lists(judged.queries, sorted(judged.catalogue), None, settings)
    return [TrainingList(item.query, item.doc_ids, item.grades, source=judged.name) for item in built]


def _write(folder: Path, judged: JudgedSet, lists: Sequence[TrainingList]) -> None:
    wanted = sorted({doc_id for item in lists for doc_id in item.doc_ids})
    write_documents(folder, {doc_id: judged.catalogue[doc_id] for doc_id in wanted})
    write_lists(folder, lists)


def _is_written(folder: Path) -> bool:
    # Lists are written last.
    return (folder / "lists.jsonl.gz").is_file()


def _ndcg(item: TrainingList, scores: Sequence[float]) -> float:
    grades = np.asarray(item.grades, dtype=np.float64)
    return float(ndcg(np.asarray(scores, dtype=np.float64)[None], grades[None], np.ones((1, len(grades)), dtype=bool))[0])
