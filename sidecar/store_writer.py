"""Writes the document store in the background: DocumentStore.put_soon -> Writer -> one commit for many records.

Invariant: no request waits for the disk, and nothing that the disk does ends the thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import structlog

from sidecar.errors import StoreFailed

Value = TypeVar("Value")

_log = structlog.get_logger()


class Writer(Generic[Value]):
    """Writes in the background what was computed at first sight, so that no request waits for the disk.

    What does not fit the queue is left out: it is computed again when it is next seen.
    """

    _MAX_WAITING = 4096
    _COMMIT = 512

    def __init__(self, write: Callable[[list[tuple[bytes, Value]]], None]) -> None:
        self._write = write
        self._waiting: list[tuple[bytes, Value]] = []
        self._changed = threading.Condition()
        self._asked = False
        self._closing = False
        self._failing = False
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    def put(self, items: Sequence[tuple[bytes, Value]]) -> None:
        """Have values written soon; without any, what else a commit does."""
        with self._changed:
            self._waiting.extend(items[: self._MAX_WAITING - len(self._waiting)])
            self._asked = True
            self._changed.notify()

    def close(self) -> None:
        """Write what waits, and end the thread."""
        with self._changed:
            self._closing = self._asked = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._asked)
                batch, self._waiting = self._waiting[: self._COMMIT], self._waiting[self._COMMIT :]
                last = self._closing and not self._waiting
                self._asked = bool(self._waiting) or self._closing
            self._try(batch)
            if last:
                return

    def _try(self, batch: list[tuple[bytes, Value]]) -> None:
        """A full or failing disk must not end the thread: the service computes what it cannot keep. Nor may it fill with lines about it."""
        try:
            self._write(batch)
        except StoreFailed:
            if not self._failing:
                _log.exception("records not written, until they are again")
            self._failing = True
            return
        if self._failing:
            _log.info("records are written again")
        self._failing = False
