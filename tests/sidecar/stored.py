"""What tests of the document store keep in it."""

from __future__ import annotations

import numpy as np

from sidecar.encoding import DocumentTokens
from sidecar.states import DocumentStates, pack


def some_states(seed: int = 0, length: int = 12, width: int = 8) -> DocumentStates:
    random = np.random.default_rng(seed)
    tokens = DocumentTokens(random.integers(0, 30000, length - 1), min(3, length - 1))
    states = random.integers(-127, 128, (length, width), dtype=np.int8)
    return DocumentStates(tokens, states, random.random(length, dtype=np.float32))


def a_page_of(seed: int) -> DocumentStates:
    """States whose record takes one page."""
    return some_states(seed, length=200)


def same(one: DocumentStates | None, other: DocumentStates) -> bool:
    return one is not None and pack(one) == pack(other)


def key(number: int) -> bytes:
    return number.to_bytes(32, "big")
