"""A report's notes: what is to be known before its figures are read, and what looks like a mistake in what was asked for.

Invariant: nothing here changes a figure, and what is in order gets no note.
"""

from __future__ import annotations

from collections.abc import Sequence

from training.evaluate.candidates import RANDOM
from training.evaluate.evidence import Evidence
from training.evaluate.judged import JudgedSet, too_few
from training.evaluate.systems import System


def notes_of(judged: JudgedSet, evidence: Sequence[Evidence], systems: Sequence[System]) -> tuple[str, ...]:
    """All notes of one judged set, most urgent first."""
    return (
        *judged.notes,
        *found_nothing(evidence),
        *(untitled(evidence) if any(system.model for system in systems) else ()),
        *_respelt(evidence),
        *_missing(evidence),
        *too_few([judged]),
        *_corrected_apart(systems),
    )


def found_nothing(evidence: Sequence[Evidence]) -> tuple[str, ...]:
    """The passes that found no document for some queries: a field that is not there fails no search."""
    counts = {
        name: sum(not each.retrieved.full[name].doc_ids for each in evidence) for name in evidence[0].retrieved.full if name != RANDOM
    }
    return tuple(
        f"{name} found nothing for {count} of {len(evidence)} queries"
        + (": does it look into fields that are there?" if count == len(evidence) else "")
        for name, count in counts.items()
        if count
    )


def untitled(evidence: Sequence[Evidence]) -> tuple[str, ...]:
    """Whether models read documents without a title, as they do where nothing says which field it is."""
    read = [fields for each in evidence for fields in each.fields.values() if fields]
    if not read or any("title" in fields for fields in read):
        return ()
    roles = ", ".join(sorted({role for fields in read for role in fields}))
    return (
        f"models read no title of any document, only {roles}: say which field or column it is, by --pipeline or the index's default "
        "pipeline for a node, by --role title=NAME for a catalogue",
    )


def _respelt(evidence: Sequence[Evidence]) -> tuple[str, ...]:
    count = sum(each.retrieved.read_as != each.query.query for each in evidence)
    return (f"models read {count} {'query' if count == 1 else 'queries'} with a word as the hits spell it",) if count else ()


def _missing(evidence: Sequence[Evidence]) -> tuple[str, ...]:
    judged = sum(len(each.query.doc_ids) for each in evidence)
    missing = judged - sum(len(each.judged_ids) for each in evidence)
    return (f"{missing} of {judged} judged documents are not in the catalogue or index: no system can find them",) if missing else ()


def _corrected_apart(systems: Sequence[System]) -> tuple[str, ...]:
    if all(system.served for system in systems):
        return ()
    return ("p-values are corrected over the models as they are served; lines without similarity or fusion apart, over themselves",)
