"""A catalogue's documents -> the sidecar's document store: read once by a decomposed profile, so that no search waits for it.

Invariant: filling is repeatable: what the store holds is not computed again, so a run that was cut off is simply run again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import msgspec
import requests

from cluster.addresses import is_loopback, shown
from cluster.catalogue import BadRow, Document
from cluster.embedding import patient_session, refusal
from cluster.errors import ServiceFailed
from cluster.sent import requests_of

_TIMEOUT_S = 120
# Few enough that a busy sidecar, which refuses work by its estimated time, takes them.
_MOST_AT_ONCE = 32


class Filled(msgspec.Struct, frozen=True):
    """How many documents had to be computed, and how many were in the store already."""

    computed: int = 0
    known: int = 0


@dataclass(frozen=True, slots=True)
class SidecarStates:
    """The document store of one profile of the sidecar at a URL; raises ServiceFailed where it cannot be filled."""

    url: str
    profile: str
    session: requests.Session = field(default_factory=patient_session, repr=False, compare=False)

    def __post_init__(self) -> None:
        self.session.trust_env = not is_loopback(self.url)

    def check(self) -> None:
        """Raise ServiceFailed now where `fill` would: no sidecar there, no such profile, one that keeps nothing, no store."""
        self._send([])

    def fill(self, rows: Iterable[Document | BadRow], advance: Callable[[int], None]) -> Filled:
        """Have all documents in the store; `advance` is told of rows done."""
        remaining = iter(rows)
        filled = Filled()
        while batch := list(islice(remaining, _MOST_AT_ONCE)):
            bodies = [row.body for row in batch if isinstance(row, Document)]
            for part in requests_of(bodies, _MOST_AT_ONCE):
                answer = self._send(part)
                filled = Filled(filled.computed + answer.computed, filled.known + answer.known)
            advance(len(batch))
        return filled

    def _send(self, bodies: Sequence[Mapping[str, Any]]) -> Filled:
        address = shown(self.url)
        try:
            asked = {"documents": list(bodies), "profile": self.profile}
            answer = self.session.post(f"{self.url}/v1/documents", json=asked, timeout=_TIMEOUT_S)
            if not answer.ok:
                raise ServiceFailed(f"the sidecar at {address} keeps no states: {refusal(answer)}")
            return msgspec.json.decode(answer.content, type=Filled)
        except (requests.RequestException, msgspec.MsgspecError) as error:
            # An address that cannot be parsed is repeated whole in the error.
            reason = str(error).replace(self.url, address)
            raise ServiceFailed(f"the sidecar at {address} keeps no states: {reason}") from error
