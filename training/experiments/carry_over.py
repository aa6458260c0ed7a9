"""Leave one catalogue out: what a network that never saw a catalogue is worth on it, alone and fused with dense similarity.

The three sources are esci, msrd and the catalogue grammar's invented shops; esci and msrd are judged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec

from sidecar.fusion import z_normalised
from sidecar.log import configure_logging
from training.evaluate.served import Served
from training.experiments.cells import Advance, Cell, finish
from training.experiments.lab import Lab, Measured, Outcome, bars
from training.experiments.serving import cosines
from training.experiments.sets import GRAMMAR, HeldOut, Scores
from training.experiments.tables import Found, comparison_table, means, over_seeds, seeds_note
from training.keys import model_key

DENSE = "dense similarity alone"
_FUSED = "{} + dense"


class Similarities(msgspec.Struct, frozen=True):
    """Cosines of every list's hits to its query, by set."""

    scores: dict[str, list[list[float]]]


def carry_over(lab: Lab, embedder: Path) -> Outcome:
    """Train on all sources and on all but each judged one; judge each on every held-out set."""
    lab = replace(lab, catalogues=(*lab.catalogues, GRAMMAR))
    tests = lab.held_out()
    kept = {"all": lab.catalogues, **{f"without {test.name}": tuple(n for n in lab.catalogues if n != test.name) for test in tests}}
    runs = {name: [lab.run(seed, train_sets=lab.training_sets(*names)) for seed in lab.seeds] for name, names in kept.items()}
    measured = lab.train(runs, tests)
    cell = Cell("dense", (model_key(embedder), [test.path for test in tests]), lambda advance: _similarities(embedder, tests, advance))
    dense = finish([cell], Similarities, lab.folder / "cells", lab.progress)[0]
    found = {test.name: _found(test, measured, dense.scores[test.name]) for test in tests}
    notes = (
        seeds_note(measured, tests),
        "Fused: the sum of the network's scores and the cosines, each z-normalised over the list; nothing is fitted. In a row `without X`, "
        "the column of X is the catalogue that the network never saw, in training lists or otherwise.",
    )
    joined: Found = {row: {name: by_row[row] for name, by_row in found.items()} for row in next(iter(found.values()))}
    return Outcome((comparison_table("Carry-over", joined, "all", split=lab.split, notes=notes),), bars("trained", means(joined)), measured)


def fused(scores: Scores, similarities: Scores) -> list[list[float]]:
    """The sum of both, each z-normalised over its list."""
    pairs = zip(scores, similarities, strict=True)
    return [list(map(float, z_normalised(list(own)) + z_normalised(list(dense)))) for own, dense in pairs]


def _found(test: HeldOut, measured: Mapping[str, Sequence[Measured]], dense: Scores) -> dict[str, Mapping[str, float]]:
    rows: dict[str, Mapping[str, float]] = {DENSE: test.ndcg(dense)}
    for name, networks in measured.items():
        rows[name] = over_seeds([test.ndcg(each.scores[test.name]) for each in networks])
        rows[_FUSED.format(name)] = over_seeds([test.ndcg(fused(each.scores[test.name], dense)) for each in networks])
    return {**rows, "random order": test.random_order()}


def _similarities(embedder: Path, tests: Sequence[HeldOut], advance: Advance) -> Similarities:
    configure_logging("error")
    with Served({}, embedder) as served:
        found = {test.name: cosines(served, test) for test in tests}
    advance(1)
    return Similarities(found)
