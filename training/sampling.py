"""The order in which lists are read, and the batches that they are cut into by a budget of hits and tokens.

Invariant: a list is never split over batches, because its loss needs all of its hits.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from torch.utils.data import Sampler

from training.batches import ListDataset


class BudgetSampler(Sampler[list[int]]):
    """Batches of list indices, shuffled by (seed, the data set's epoch) alone.

    A batch of several lists has at most `max_hits` hits and, where it is given, `max_tokens` tokens of documents, padding counted.

    Lists are sorted by length within pools of `pool` batches: neighbours in a batch are of like length and little is padded, while
    the batches stay random. Their number is a multiple of `processes`, which take turns: one that came out of turn would be waited for.

    Every epoch has as many batches as the first: a resumed run finds its place by dividing its steps by that number. Where lists fall
    into more or fewer batches at another pass over them, the passes follow one another without regard to the epochs' ends.
    """

    def __init__(
        self,
        dataset: ListDataset,
        *,
        max_hits: int,
        max_tokens: int | None = None,
        seed: int = 0,
        pool: int = 50,
        shuffle: bool = True,
        processes: int = 1,
    ) -> None:
        self.dataset = dataset
        self.hits, self.lengths = dataset.sizes()
        self.max_hits = max_hits
        self.max_tokens = max_tokens
        self.seed = seed
        self.pool = pool
        self.shuffle = shuffle
        self.processes = processes
        # Batches of each pass over the lists, as far as they were counted.
        self._counts: list[int] = []

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self.batches())

    def __len__(self) -> int:
        return self._count(0)

    def batches(self) -> list[list[int]]:
        """The epoch's batches."""
        count = self._count(0)
        first = self.dataset.epoch * count
        found: list[list[int]] = []
        number = begins = 0
        while len(found) < count:
            ends = begins + self._count(number)
            if ends > first:
                found += self._drawn(number)[max(0, first - begins) :]
            begins, number = ends, number + 1
        return found[:count]

    def _count(self, number: int) -> int:
        while len(self._counts) <= number:
            self._counts.append(len(self._drawn(len(self._counts))))
        return self._counts[number]

    def _drawn(self, number: int) -> list[list[int]]:
        """The batches of one pass over all lists."""
        order = list(range(len(self.hits)))
        rng = random.Random(f"{self.seed}:{number}")
        if self.shuffle:
            rng.shuffle(order)
        per_pool = max(1, self.pool * self.max_hits // max(1, round(sum(self.hits) / max(1, len(self.hits)))))
        batches: list[list[int]] = []
        for start in range(0, len(order), per_pool):
            pool = sorted(order[start : start + per_pool], key=lambda index: self.lengths[index])
            batches += self._cut(pool)
        if self.shuffle:
            rng.shuffle(batches)
        while len(batches) % self.processes:
            largest = max(range(len(batches)), key=lambda number: len(batches[number]))
            batch = batches[largest]
            # A list is never split: one that is a batch of its own is seen twice.
            batches[largest : largest + 1] = [batch[: len(batch) // 2] or batch, batch[len(batch) // 2 :]]
        return batches

    def _cut(self, pool: Sequence[int]) -> list[list[int]]:
        """Batches of lists that come in the order of their lengths, so that the last one of a batch is its longest."""
        batches: list[list[int]] = [[]]
        held = 0
        for index in pool:
            if batches[-1] and not self._fit(held + self.hits[index], self.lengths[index]):
                batches.append([])
                held = 0
            batches[-1].append(index)
            held += self.hits[index]
        return batches

    def _fit(self, hits: int, longest: int) -> bool:
        return hits <= self.max_hits and (self.max_tokens is None or hits * longest <= self.max_tokens)
