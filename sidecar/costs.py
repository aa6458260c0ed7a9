"""What work costs, learned from what was measured: the admission and the deadlines of sidecar.batcher rest on it.

Invariant: estimates are milliseconds of one scoring thread; a model never measured costs nothing, so that its first work is let in.
"""

from __future__ import annotations

from collections.abc import Sequence

# Weight of the newest batch: about twenty batches, one request's worth, forget a disturbance.
_NEWEST = 0.1


class Speeds:
    """Milliseconds a token of each model: a moving average over batches. Its owner holds a lock around it."""

    def __init__(self) -> None:
        self._ms_per_token: dict[str, float] = {}

    def learn(self, model: str, tokens: int, ms: float) -> None:
        """Count one measured batch of so many tokens, padding included."""
        newest = ms / max(tokens, 1)
        known = self._ms_per_token.get(model, newest)
        self._ms_per_token[model] = known + _NEWEST * (newest - known)

    def estimate_ms(self, model: str, tokens: int) -> float:
        """What so many tokens will take."""
        return self._ms_per_token.get(model, 0.0) * tokens

    def ms_per_token(self) -> dict[str, float]:
        """All that was learned, by model."""
        return dict(self._ms_per_token)


def cut_batches(lengths: Sequence[int], *, max_tokens: int, max_items: int, threads: int) -> list[list[int]]:
    """Positions of `lengths` in batches, longest first: equal lengths meet, so little is padding.

    A batch holds at most `max_tokens` (padding included) and `max_items`, but always one item. As many batches as full ones would make, or
    a few more for each thread to have as many as the others, are filled evenly: else the last ones leave threads idle.
    """
    order = sorted(range(len(lengths)), key=lengths.__getitem__, reverse=True)
    full = _filled(order, lengths, max_tokens, max_items)
    even = _evenly(order, lengths, -(-len(full) // threads) * threads)
    fits = all(len(batch) == 1 or (len(batch) <= max_items and padded_tokens(lengths, batch) <= max_tokens) for batch in even)
    return even if fits else full


def _filled(order: Sequence[int], lengths: Sequence[int], max_tokens: int, max_items: int) -> list[list[int]]:
    batches: list[list[int]] = []
    longest = 0
    for position in order:
        batch = batches[-1] if batches else None
        if batch is None or len(batch) == max_items or (len(batch) + 1) * longest > max_tokens:
            batches.append([position])
            longest = lengths[position]
        else:
            batch.append(position)
    return batches


def _evenly(order: Sequence[int], lengths: Sequence[int], count: int) -> list[list[int]]:
    """At most `count` batches of about as many tokens each: an item goes where its middle falls."""
    batches: list[list[int]] = [[] for _ in range(count)]
    total = max(1, sum(lengths))
    before = 0
    for position in order:
        batches[int((before + lengths[position] / 2) * count / total)].append(position)
        before += lengths[position]
    return [batch for batch in batches if batch]


def padded_tokens(lengths: Sequence[int], batch: Sequence[int]) -> int:
    """Tokens that a model computes for a batch: the longest's, for each."""
    return max(lengths[position] for position in batch) * len(batch)
