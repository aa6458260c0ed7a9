"""Lists with hard negatives that differ in one attribute: the red shirt made blue, for a query that wants red.

Noise that is drawn anew whenever a list is read (fields and words dropped, typing slips) is the trainer's: `noise` in a run file.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import count, islice
from pathlib import Path

from sidecar.encoding import Fields, field_text
from training.batches import TrainingList
from training.training_set import read_documents, read_lists, write_documents, write_lists

_ROLES = ("color", "brand", "size")
# More of them would crowd out the hits that were judged.
_SWAPS_A_LIST = 2


def write_swapped(source: Path, target: Path) -> int:
    """Write a training set again with swapped copies of its best hits; returns how many."""
    documents = read_documents(source)
    lists, made = with_swaps(read_lists(source), documents)
    write_documents(target, {**documents, **made})
    write_lists(target, lists)
    return len(made)


def with_swaps(lists: Sequence[TrainingList], documents: Mapping[str, Fields]) -> tuple[list[TrainingList], dict[str, Fields]]:
    """The lists with irrelevant copies of their best hits: where the query names a hit's colour, brand or size, the copy has another.

    A list without grades has no best hit, and of a copy no teacher's logit is known: such lists stay as they are.
    """
    values = {role: sorted({text for fields in documents.values() if (text := field_text(fields.get(role)))}) for role in _ROLES}
    made: dict[str, Fields] = {}
    longer = []
    for number, item in enumerate(lists):
        if item.grades is None or item.teacher is not None:
            longer.append(item)
            continue
        rng = random.Random(number)
        wrong = (_wrong(item.query, documents[doc_id], values, rng) for doc_id in _best(item.doc_ids, item.grades))
        copies = list(islice((copy for copy in wrong if copy is not None), _SWAPS_A_LIST))
        # A set that was swapped before has copies of its own.
        free = (name for place in count() if (name := f"swapped {number} {place}") not in documents)
        names = tuple(islice(free, len(copies)))
        made.update(zip(names, copies, strict=True))
        longer.append(replace(item, doc_ids=item.doc_ids + names, grades=item.grades + (0.0,) * len(names)))
    return longer, made


def swap_attribute(fields: Fields, role: str, values: Sequence[str], rng: random.Random) -> Fields | None:
    """The document with another value of `role`, everywhere that its text says it: a red shirt made blue, for a query that wants red.

    None where the document has no such value or `values` no other one: then there is no hard negative to make. A value that shares a word
    is no other one: who wants black may take black rose gold.
    """
    own = field_text(fields.get(role))
    others = [value for value in values if value.casefold() != own.casefold() and not _words(value) & _words(own)]
    if not own or not others:
        return None
    other = rng.choice(others)
    pattern = re.compile(rf"(?<!\w){re.escape(own)}(?!\w)", re.IGNORECASE)
    return {**{name: _replaced(value, pattern, other) for name, value in fields.items()}, role: other}


def _words(value: str) -> set[str]:
    return set(re.findall(r"\w+", value.casefold()))


def _replaced(value: object, pattern: re.Pattern[str], other: str) -> str | int | float | Sequence[str] | None:
    if isinstance(value, str):
        return pattern.sub(lambda _: other, value)
    if isinstance(value, Sequence):
        return [pattern.sub(lambda _: other, str(item)) for item in value]
    return value if isinstance(value, int | float) else None


def _best(doc_ids: Sequence[str], grades: Sequence[float]) -> list[str]:
    return [doc_id for doc_id, grade in zip(doc_ids, grades, strict=True) if grade == max(grades) > 0]


def _wrong(query: str, fields: Fields, values: Mapping[str, Sequence[str]], rng: random.Random) -> Fields | None:
    words = f" {query.casefold()} "
    for role in _ROLES:
        own = field_text(fields.get(role)).casefold()
        if own and f" {own} " in words:
            # What the query names too is as good: black, for a query that wants black or white.
            unwanted = [value for value in values[role] if not _words(value) & _words(query)]
            return swap_attribute(fields, role, unwanted, rng)
    return None
