"""(query, fields) -> (query, fields), changed a little: training against over-fitting, and hard negatives that differ in one attribute.

Invariant: pure functions of their input and the generator that they are given; a document keeps its title and a query at least one word.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from sidecar.encoding import Fields, field_text

Example = tuple[str, Fields]
Augmentation = Callable[[str, Fields, random.Random], Example]

# Neighbours on a QWERTY keyboard: fingers miss by one key.
_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_NEIGHBOURS: Mapping[str, str] = {key: row[max(0, i - 1) : i] + row[i + 1 : i + 2] for row in _ROWS for i, key in enumerate(row)}
# Shorter words are rarely misspelt, and a slip makes them another word.
_MIN_TYPO_LETTERS = 4


def augment(query: str, fields: Fields, augmentations: Iterable[Augmentation], seed: object) -> Example:
    """All augmentations in turn, from one seed, such as (run seed, epoch, query id, document id): the same seed, the same change."""
    rng = random.Random(repr(seed))
    for change in augmentations:
        query, fields = change(query, fields, rng)
    return query, fields


def field_dropout(rate: float) -> Augmentation:
    """Each field but the title is dropped with this chance: the model must not lean on one field."""

    def change(query: str, fields: Fields, rng: random.Random) -> Example:
        return query, {role: value for role, value in fields.items() if role == "title" or rng.random() >= rate}

    return change


def word_dropout(rate: float) -> Augmentation:
    """Each word of the query is dropped with this chance, but never all of them."""

    def change(query: str, fields: Fields, rng: random.Random) -> Example:
        words = query.split()
        kept = [word for word in words if rng.random() >= rate]
        return " ".join(kept or (words and [rng.choice(words)])), fields

    return change


def typos(rate: float) -> Augmentation:
    """With this chance one word of four letters or more gets one slip: two letters swapped, one lost, doubled, or its neighbour's."""

    def change(query: str, fields: Fields, rng: random.Random) -> Example:
        words = query.split()
        long = [i for i, word in enumerate(words) if len(word) >= _MIN_TYPO_LETTERS and word.isalpha()]
        if not long or rng.random() >= rate:
            return query, fields
        i = rng.choice(long)
        words[i] = _slip(words[i], rng)
        return " ".join(words), fields

    return change


def swap_attribute(fields: Fields, role: str, values: Sequence[str], rng: random.Random) -> Fields | None:
    """The document with another value of `role`, everywhere that its text says it: a red shirt made blue, for a query that wants red.

    None where the document has no such value or `values` no other one: then there is no hard negative to make.
    """
    own = field_text(fields.get(role))
    others = [value for value in values if value.casefold() != own.casefold()]
    if not own or not others:
        return None
    other = rng.choice(others)
    pattern = re.compile(rf"(?<!\w){re.escape(own)}(?!\w)", re.IGNORECASE)
    return {**{name: _replaced(value, pattern, other) for name, value in fields.items()}, role: other}


def _replaced(value: object, pattern: re.Pattern[str], other: str) -> str | int | float | Sequence[str] | None:
    if isinstance(value, str):
        return pattern.sub(lambda _: other, value)
    if isinstance(value, Sequence):
        return [pattern.sub(lambda _: other, str(item)) for item in value]
    return value if isinstance(value, int | float) else None


def _slip(word: str, rng: random.Random) -> str:
    # The first letter is rarely wrong.
    at = rng.randrange(1, len(word) - 1)
    near = _NEIGHBOURS.get(word[at].lower(), "")
    slips = [
        word[:at] + word[at + 1] + word[at] + word[at + 2 :],
        word[:at] + word[at + 1 :],
        word[:at] + word[at] * 2 + word[at + 1 :],
        *(word[:at] + key + word[at + 1 :] for key in near),
    ]
    return rng.choice([slip for slip in slips if slip != word])
