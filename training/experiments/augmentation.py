"""Augmentation on and off: dropped fields, dropped words, typing slips, and hits whose attribute was swapped for a wrong one.

Beside the test queries as they are, each is asked once more with a typing slip: what slips in training are for.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean

from sidecar.encoding import Fields, field_text
from training.batches import TrainingList
from training.data.augmentation import swap_attribute
from training.experiments.lab import Lab, Measured, Outcome, bars
from training.experiments.tables import comparison_table, found_of, means, seeds_note
from training.run_file import DataSpec, NoiseSpec
from training.training_set import read_documents, read_lists, write_documents, write_lists

OFF = "none"
NOISE = {
    OFF: NoiseSpec(),
    "drop_field 0.2": NoiseSpec(drop_field=0.2),
    "drop_token 0.1": NoiseSpec(drop_token=0.1),
    "typo 0.2": NoiseSpec(typo=0.2),
}
SWAP = "attribute swap"
_ROLES = ("color", "brand", "size")
# More of them would crowd out the hits that were judged.
_SWAPS_A_LIST = 2


def augmentation(lab: Lab) -> Outcome:
    """Train with each and with none."""
    tests = [*lab.held_out(), *lab.held_out(misspelt=True)]
    swapped, count = _swapped_sets(lab.training_sets())
    runs = {name: [lab.run(seed, noise=noise) for seed in lab.seeds] for name, noise in NOISE.items()}
    runs[SWAP] = [lab.run(seed, train_sets=swapped) for seed in lab.seeds]
    measured = lab.train(runs, tests)
    found = found_of(measured, tests)
    notes = (
        seeds_note(measured, tests),
        _gaps(measured),
        f"{SWAP}: {count} hits of which the query names an attribute, which was then changed.",
    )
    return Outcome((comparison_table("Augmentation", found, OFF, notes=notes),), bars("augmentation", means(found)), measured)


def with_swaps(lists: Sequence[TrainingList], documents: Mapping[str, Fields]) -> tuple[list[TrainingList], dict[str, Fields]]:
    """The lists with irrelevant copies of their best hits: where the query names a hit's colour, brand or size, the copy has another."""
    values = {role: sorted({text for fields in documents.values() if (text := field_text(fields.get(role)))}) for role in _ROLES}
    made: dict[str, Fields] = {}
    longer = []
    for number, item in enumerate(lists):
        rng = random.Random(number)
        copies = [copy for doc_id in _best(item) if (copy := _wrong(item.query, documents[doc_id], values, rng)) is not None][
            :_SWAPS_A_LIST
        ]
        names = tuple(f"swapped {number} {place}" for place in range(len(copies)))
        made.update(zip(names, copies, strict=True))
        longer.append(replace(item, doc_ids=item.doc_ids + names, grades=(item.grades or ()) + (0.0,) * len(names)))
    return longer, made


def _swapped_sets(sets: Sequence[DataSpec]) -> tuple[tuple[DataSpec, ...], int]:
    written, count = [], 0
    for spec in sets:
        source = Path(spec.path)
        target = source.with_name(f"{source.name}-swapped")
        documents = read_documents(source)
        lists, made = with_swaps(read_lists(source), documents)
        write_documents(target, {**documents, **made})
        write_lists(target, lists)
        written.append(DataSpec(str(target)))
        count += len(made)
    return tuple(written), count


def _best(item: TrainingList) -> list[str]:
    grades = item.grades or ()
    return [doc_id for doc_id, grade in zip(item.doc_ids, grades, strict=True) if grade == max(grades) > 0]


def _wrong(query: str, fields: Fields, values: Mapping[str, Sequence[str]], rng: random.Random) -> Fields | None:
    words = f" {query.casefold()} "
    for role in _ROLES:
        own = field_text(fields.get(role)).casefold()
        if own and f" {own} " in words:
            return swap_attribute(fields, role, values[role], rng)
    return None


def _gaps(measured: Mapping[str, Sequence[Measured]]) -> str:
    training = {name: [each.training for each in networks if each.training is not None] for name, networks in measured.items()}
    said = ", ".join(f"{name} {fmean(values):.3f}" for name, values in training.items() if values)
    return f"NDCG@10 on training lists: {said}."
