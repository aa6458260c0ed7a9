"""Masked-word pre-training on the catalogues before fine-tuning, with and without (ListBERT, arXiv 2206.15198, section 3.1)."""

from __future__ import annotations

import random
from pathlib import Path

import msgspec

from sidecar.encoding import Fields
from training.data.catalogue import PRESETS, read_catalogue
from training.experiments.cells import Advance, Cell, finish
from training.experiments.lab import TEMPLATE, Lab, Outcome, bars, quiet
from training.experiments.tables import comparison_table, found_of, means, seeds_note
from training.keys import folder_key
from training.pretrain import PretrainSettings, pretrain

WITHOUT, WITH = "without", "with"
_FILES = {"esci": "products.jsonl.gz", "msrd": "movies-corpus.jsonl.gz"}


class Pretrained(msgspec.Struct, frozen=True):
    """A pre-training run: its mean loss, and how many documents it read."""

    loss: float
    documents: int


def mlm(lab: Lab, *, documents: int) -> Outcome:
    """Pre-train the encoder on so many documents, drawn evenly from the catalogues, then teach both to match and fine-tune them."""
    tests = lab.held_out()
    read = folder_key(*(lab.data / name for name in lab.catalogues))
    target = lab.folder / "starts" / f"{lab.encoder().name}-mlm-{documents}-{read}"
    cell = Cell(f"mlm {documents}", (str(target), lab.catalogues), lambda advance: _pretrain(lab, target, documents, advance))
    pretrained = finish([cell], Pretrained, lab.folder / "cells", lab.progress)[0]
    starts = {WITHOUT: lab.start(), WITH: lab.taught(target / "model")}
    measured = lab.train({name: [lab.run(seed, start=start) for seed in lab.seeds] for name, start in starts.items()}, tests)
    found = found_of(measured, tests)
    notes = (
        seeds_note(measured, tests),
        f"Pre-training: one pass over {pretrained.documents} documents of {', '.join(lab.catalogues)}, mean loss {pretrained.loss:.2f}.",
    )
    table = comparison_table("Masked-word pre-training", found, WITHOUT, split=lab.split, notes=notes)
    return Outcome((table,), bars("pre-training", means(found)), measured)


def _pretrain(lab: Lab, target: Path, count: int, advance: Advance) -> Pretrained:
    documents = [fields for name in lab.catalogues for fields in _drawn(lab.data / name / _FILES[name], name, count // len(lab.catalogues))]
    with quiet():
        loss = pretrain(str(lab.encoder()), documents, target, PretrainSettings(max_tokens=TEMPLATE.max_document_tokens), report_to="none")
    advance(1)
    return Pretrained(loss, len(documents))


def _drawn(path: Path, preset: str, count: int) -> list[Fields]:
    catalogue, _ = read_catalogue([path], PRESETS[preset])
    return [catalogue[doc_id] for doc_id in random.Random(0).sample(sorted(catalogue), min(count, len(catalogue)))]
