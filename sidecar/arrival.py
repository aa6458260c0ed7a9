"""When a request reached the service. Its wait for a thread counts against its deadline, and one that waited too long is not begun.

worker: connection readable -> thread -> `note` -> application: `waited_ms`, `arrival`
Without this, more requests than threads wait first in, first out, where no deadline is seen: each is late before it is read, and so is all
that is answered.
"""

from __future__ import annotations

import time
from contextvars import ContextVar

_noted: ContextVar[float | None] = ContextVar("arrival", default=None)


def note(moment: float | None) -> None:
    """Say when the request that this thread is about to serve could have been read first (monotonic clock); None: now."""
    _noted.set(moment)


def arrival() -> float:
    """When the request arrived, on the monotonic clock: now, where nobody noted it."""
    moment = _noted.get()
    return time.monotonic() if moment is None else moment


def waited_ms() -> float:
    """Milliseconds since then."""
    return (time.monotonic() - arrival()) * 1000
