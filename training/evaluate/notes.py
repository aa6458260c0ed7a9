"""What looks like a mistake in what was asked for: told in the report's notes, before anybody takes its figures for the models'.

Invariant: nothing here changes a figure, and what is in order gets no note.
"""

from __future__ import annotations

from collections.abc import Sequence

from training.evaluate.candidates import RANDOM
from training.evaluate.evidence import Evidence


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
