"""Kinds of queries, told from the text alone: what `rerank evaluate` slices by and a manifest's fusion may leave to the first pass."""

from __future__ import annotations

import re

SHORT, MIDDLE, LONG = "1-2 words", "3-4 words", "5 words or more"
NEGATED = "negated"
NUMBERED = "with a number"
KINDS = (SHORT, MIDDLE, LONG, NEGATED, NUMBERED)

_NEGATION = re.compile(r"\b(without|no|not|non|never|except|excluding|less|free|minus)\b|\b\w+less\b|(^|\s)-\w|n't\b", re.IGNORECASE)
# Words that end in -less and deny nothing about a product.
_NO_NEGATION = re.compile(r"\b(stainless|wireless|cordless|seamless|unless|bless|priceless)\b", re.IGNORECASE)
_NUMBER = re.compile(r"\d")


def kinds_of_query(query: str) -> frozenset[str]:
    """All kinds that a query is of: one by its length, others where they apply."""
    kinds = {length_of(query)}
    if negated(query):
        kinds.add(NEGATED)
    if numbered(query):
        kinds.add(NUMBERED)
    return frozenset(kinds)


def length_of(query: str) -> str:
    """The kind by the count of words."""
    words = len(query.split())
    return SHORT if words <= 2 else MIDDLE if words <= 4 else LONG


def negated(query: str) -> bool:
    """Whether a query says what it does not want."""
    return bool(_NEGATION.search(_NO_NEGATION.sub(" ", query)))


def numbered(query: str) -> bool:
    """Whether a query has a digit: sizes, counts, models, part numbers."""
    return bool(_NUMBER.search(query))
