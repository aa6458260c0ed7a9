"""A progress bar that nobody sees."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def no_progress(_label: str, _total: int) -> Iterator[Callable[[int], None]]:
    """The shape of every command's progress: a label and a total, then how much of it is done."""
    yield lambda _done: None
