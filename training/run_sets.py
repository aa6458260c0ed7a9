"""A run file's sets as the trainer reads them: lists with their tokens, validation kept apart from training.

Invariant: no training list grades a query on a document that a validation list grades it on too.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from sidecar.encoding import Fields
from training.batches import ListDataset, TokenStore, TrainingList
from training.data.splits import Leakage, canonical
from training.run_file import DataSpec, RunFile
from training.training_set import read_documents, read_lists

logger = logging.getLogger(__name__)
# Training lists of each source that are measured beside validation.
_SAMPLE = 32
# Lists with the folder they come from.
Sets = Sequence[tuple[str, Sequence[TrainingList]]]


def load_data(run: RunFile, store: TokenStore) -> tuple[ListDataset, dict[str, ListDataset]]:
    """Training lists, and validation lists by their set's name; raises ValueError where nothing could be learnt, or sets leak."""
    training = [(spec.path, load_lists(spec, store)) for spec in run.train_sets]
    validation = [(spec.path, load_lists(spec, store)) for spec in run.validation_sets]
    lists = [item for _, found in training for item in found]
    if not lists:
        raise ValueError(f"run {run.name} has no training lists")
    for name, count in run.mixture().skipped(lists).items():
        if count:
            logger.warning("loss %s skips %d of %d training lists: they hold nothing that it reads", name, count, len(lists))
    check_sets_apart(training, validation, store)
    dataset = ListDataset(lists, store, noise=run.noise.noise(), seed=run.train.seed)
    names = set_names([path for path, _ in validation])
    return dataset, {name: ListDataset(_graded(path, found), store) for name, (path, found) in zip(names, validation, strict=True)}


def training_sample(training: ListDataset, validation: Mapping[str, ListDataset]) -> dict[str, ListDataset]:
    """Graded training lists by their source, evenly drawn, of the sources that validation has too, or of all where it shares none.

    Over-fitting is told by like lists: those of an easier kind would pass for learnt by heart.
    """
    found: dict[str, list[TrainingList]] = {}
    for item in training.lists:
        if max(item.grades or (), default=0) > 0:
            found.setdefault(item.source, []).append(item)
    shared = found.keys() & {item.source for dataset in validation.values() for item in dataset.lists}
    return {
        source: ListDataset(lists[:: -(-len(lists) // _SAMPLE)], training.store)
        for source, lists in found.items()
        if source in shared or not shared
    }


def _graded(path: str, lists: Sequence[TrainingList]) -> list[TrainingList]:
    """The lists that NDCG can be measured on; raises ValueError where there is none, as any checkpoint would then be the best."""
    graded = [item for item in lists if max(item.grades or (), default=0) > 0]
    if not graded:
        raise ValueError(
            f"validation set {path} has no list with a relevant hit, and NDCG cannot be measured on a teacher's logits: leave it out, or "
            "name a set with grades"
        )
    if len(graded) < len(lists):
        logger.warning(
            "validation set %s: %d of %d lists have no relevant hit and are left out", path, len(lists) - len(graded), len(lists)
        )
    return graded


def set_names(paths: Sequence[str]) -> list[str]:
    """A folder is called by its last name, and by its path where others share that; raises ValueError where one is given twice."""
    same = [str(Path(path)) for path in paths]
    if twice := sorted({path for path in same if same.count(path) > 1}):
        raise ValueError(f"{', '.join(twice)} is named more than once: leave one out")
    last = [Path(path).name for path in paths]
    return [name if last.count(name) == 1 else path for name, path in zip(last, paths, strict=True)]


def check_sets_apart(training: Sets, validation: Sets, store: TokenStore) -> None:
    """Raise Leakage where a training list grades a query, in any spelling, on a document that validation grades it on too.

    Queries that share their text alone, teacher-labelled or graded on other documents, are counted in a warning.
    """
    judged: dict[str, list[tuple[str, TrainingList]]] = {}
    for folder, lists in validation:
        for item in lists:
            if item.grades is not None:
                judged.setdefault(canonical(item.query), []).append((folder, item))
    leaks: dict[str, str] = {}
    shared: set[str] = set()
    for folder, lists in training:
        for item in lists:
            for other, held in judged.get(query := canonical(item.query), ()):
                shared.add(query)
                if item.grades is not None and _read_as(item, store) & _read_as(held, store):
                    leaks[query] = f"{item.query!r} ({folder} and {other})"
    if leaks:
        raise Leakage(
            f"{len(leaks)} queries are judged on the same documents in a train set and in a validation set: "
            f"{', '.join(list(leaks.values())[:5])}; leave one of the two sets out, or split the judgments anew with `rerank data lists`"
        )
    if shared:
        logger.warning(
            "%d queries of the validation sets are in train sets too, without their judgments: %s", len(shared), sorted(shared)[:5]
        )


def _read_as(item: TrainingList, store: TokenStore) -> set[bytes]:
    """The list's documents as the network reads them: sets may name one document differently, and different ones alike."""
    return {store.document(doc_id).tobytes() for doc_id in item.doc_ids}


def load_lists(spec: DataSpec, store: TokenStore) -> list[TrainingList]:
    """A training set's lists; their documents are tokenized into the store."""
    directory = Path(spec.path)
    lists = read_lists(directory)[: spec.limit]
    wanted = {doc_id for item in lists for doc_id in item.doc_ids}
    # Two sets may use one id for different documents: the set's name keeps them apart.
    documents = {f"{directory}:{doc_id}": fields for doc_id, fields in read_documents(directory).items() if doc_id in wanted}
    _check_roles(directory, documents, store)
    store.add(documents)
    named = [
        TrainingList(item.query, tuple(f"{directory}:{doc_id}" for doc_id in item.doc_ids), item.grades, item.teacher, item.source)
        for item in lists
    ]
    return named * spec.repeat


def _check_roles(directory: Path, documents: Mapping[str, Fields], store: TokenStore) -> None:
    """A role's name that is a slip reaches no network: raises ValueError where no document has a role that the template reads."""
    read = [field.role for field in store.encoder.template.fields]
    there = {role for fields in documents.values() for role in fields}
    if documents and not there & set(read):
        raise ValueError(
            f"no document of {directory} has a role that the template reads: they have {', '.join(sorted(there))}, it reads "
            f"{', '.join(read)}; check --role of the command that wrote the set, or the run file's `template`"
        )
    if unread := sorted(there - set(read)):
        logger.warning("documents of %s have roles that the template does not read: %s", directory, ", ".join(unread))
