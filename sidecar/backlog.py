"""Documents seen without a vector, embedded when nothing more urgent waits: the next window that holds them knows their similarity.

Invariants: a request never waits for this; what does not fit, or fails, is left out and met again with the document; nothing ends the
thread but the service's end.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence

import structlog

from sidecar.candidates import Candidate
from sidecar.errors import Overloaded, RerankError

_MOST_WAITING = 2048

_log = structlog.get_logger()


class Backlog:
    """One thread that hands waiting documents to `embed`, with the key of the embedder that they are meant for."""

    def __init__(self, embed: Callable[[str, Candidate], None]) -> None:
        self._embed = embed
        self._waiting: OrderedDict[bytes, tuple[str, Candidate]] = OrderedDict()
        self._changed = threading.Condition()
        self._closing = False
        self._busy = False
        self._thread = threading.Thread(target=self._run, name="embed-backlog", daemon=True)
        self._thread.start()

    def add(self, embedder: str, candidates: Sequence[Candidate]) -> None:
        """Have documents embedded some time; those already waiting stay where they are."""
        with self._changed:
            for candidate in candidates[: _MOST_WAITING - len(self._waiting)]:
                if candidate.digest not in self._waiting:
                    self._waiting[candidate.digest] = (embedder, candidate.kept())
            self._changed.notify_all()

    def wait(self, timeout_s: float) -> bool:
        """Whether all that was added has been dealt with, waiting for it."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting and not self._busy, timeout_s)

    def close(self) -> None:
        """End the thread; what waits is forgotten."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join()

    def _run(self) -> None:
        # One at a time: a request that comes meanwhile finds all threads but one free, and that one soon.
        while taken := self._take():
            try:
                self._embed(*taken)
            except Overloaded as error:
                self._put_back(*taken, pause_s=error.retry_after_s)
            except RerankError as error:
                _log.debug("document not embedded", reason=error.code)
            except Exception:
                _log.exception("document not embedded")

    def _put_back(self, embedder: str, candidate: Candidate, *, pause_s: float) -> None:
        """The service has more to do than it wants: the document waits on, and this thread until that is done, or for a second."""
        with self._changed:
            if len(self._waiting) < _MOST_WAITING:
                self._waiting.setdefault(candidate.digest, (embedder, candidate))
            self._changed.wait_for(lambda: self._closing, min(pause_s, 1.0))

    def _take(self) -> tuple[str, Candidate] | None:
        with self._changed:
            self._busy = False
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._waiting or self._closing)
            if self._closing:
                return None
            self._busy = True
            return self._waiting.popitem(last=False)[1]
