"""A least-recently-used cache bounded in bytes; the engine holds one for scores, document tokens, query vectors and states.

Invariant: the sum of the entries' sizes never exceeds the bound, whatever their number; looking up counts as use. Thread-safe.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import Generic, TypeVar

Value = TypeVar("Value")

# Told of each look-up's hits and misses and of the bytes held afterwards.
Watch = Callable[[int, int, int], None]

# What one entry costs besides its value: the key, the ordered dictionary's node and slot (measured on CPython 3.11).
ENTRY_BYTES = 250


class Cache(Generic[Value]):
    """Keys are digests: equal keys mean equal values, so that an entry never goes stale and is only ever dropped for room."""

    def __init__(self, max_bytes: int, size: Callable[[Value], int], watch: Watch = lambda *_: None) -> None:
        self.max_bytes = max_bytes
        self._size = size
        self._watch = watch
        self._entries: OrderedDict[bytes, Value] = OrderedDict()
        self._lock = threading.Lock()
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def get_many(self, keys: Sequence[bytes]) -> list[Value | None]:
        """The value of each key, None where unknown."""
        with self._lock:
            entries, found = self._entries, []
            for key in keys:
                value = entries.get(key)
                if value is not None:
                    entries.move_to_end(key)
                found.append(value)
        known = sum(value is not None for value in found)
        self._watch(known, len(found) - known, self.bytes)
        return found

    def put_many(self, items: Iterable[tuple[bytes, Value]]) -> None:
        """Remember values; those used longest ago leave where there is no room."""
        with self._lock:
            for key, value in items:
                if key not in self._entries:
                    self._entries[key] = value
                    self.bytes += self._size(value) + ENTRY_BYTES
            while self.bytes > self.max_bytes:
                _, dropped = self._entries.popitem(last=False)
                self.bytes -= self._size(dropped) + ENTRY_BYTES
