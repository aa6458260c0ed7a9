"""Augmentation on and off: dropped fields, dropped words, typing slips, and hits whose attribute was swapped for a wrong one.

Beside the held-out queries as they are, each is asked once more with a typing slip: what slips in training are for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean

from training.data.augmentation import write_swapped
from training.experiments.lab import Lab, Measured, Outcome, bars
from training.experiments.tables import comparison_table, found_of, means, seeds_note
from training.run_file import DataSpec, NoiseSpec

OFF = "none"
NOISE = {
    OFF: NoiseSpec(),
    "drop_field 0.2": NoiseSpec(drop_field=0.2),
    "drop_token 0.1": NoiseSpec(drop_token=0.1),
    "typo 0.2": NoiseSpec(typo=0.2),
}
SWAP = "attribute swap"


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
    table = comparison_table("Augmentation", found, OFF, split=lab.split, notes=notes)
    return Outcome((table,), bars("augmentation", means(found)), measured)


def _swapped_sets(sets: Sequence[DataSpec]) -> tuple[tuple[DataSpec, ...], int]:
    written, count = [], 0
    for spec in sets:
        source = Path(spec.path)
        target = source.with_name(f"{source.name}-swapped")
        count += write_swapped(source, target)
        written.append(DataSpec(str(target)))
    return tuple(written), count


def _gaps(measured: Mapping[str, Sequence[Measured]]) -> str:
    training = {name: [each.training for each in networks if each.training is not None] for name, networks in measured.items()}
    said = ", ".join(f"{name} {fmean(values):.3f}" for name, values in training.items() if values)
    return f"NDCG@10 on training lists: {said}."
