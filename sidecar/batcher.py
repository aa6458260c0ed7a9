"""Spreads the work of all requests over the scoring threads: one batch a thread at a time, the earliest deadline first.

engine -> Batcher.run(Work) -> admission -> batches, longest first -> scoring threads -> results in the items' order

Invariants: every submitted work ends, by its results, an error, its deadline or the shutdown; a batch holds one request's items
only, so a bad request fails alone; work that cannot end in time is refused or dropped before it costs anything, unless the machine
is idle: then it is tried, so that a wrong estimate corrects itself.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import structlog

from sidecar.costs import Speeds, cut_batches, padded_tokens
from sidecar.errors import DeadlineExceeded, NotReady, Overloaded, RerankError, ScoringFailed
from sidecar.metrics import Metrics

Item = TypeVar("Item")
Result = TypeVar("Result")
Clock = Callable[[], float]

# Requests whose deadlines fall into one such span take turns, the least served first, instead of the first one taking all.
_TURN_S = 0.010

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Work(Generic[Item, Result]):
    """What one request asks of one model. `run` is called with some of the items, from several threads at once."""

    model: str
    items: Sequence[Item]
    lengths: Sequence[int]
    run: Callable[[Sequence[Item]], Sequence[Result]]
    deadline: float
    # Where a model wants other batches than the settings' (they are for cross-encoders).
    max_tokens: int | None = None
    max_items: int | None = None


class _Job:
    """Work that was let in: batches still waiting, results so far, and the future that ends exactly once."""

    def __init__(self, work: Work[Any, Any], batches: list[list[int]], costs_ms: list[float]) -> None:
        self.work = work
        self.future: Future[list[Any]] = Future()
        self.waiting = deque(zip(batches, costs_ms, strict=True))
        self.waiting_ms = sum(costs_ms)
        self.running_ms = 0.0
        self.unfinished = len(batches)
        self.served_ms = 0.0
        self.results: list[Any] = [None] * len(work.items)

    def urgency(self) -> tuple[int, float, float]:
        return int(self.work.deadline / _TURN_S), self.served_ms, self.work.deadline

    def take(self) -> tuple[list[int], float]:
        batch, cost_ms = self.waiting.popleft()
        self.waiting_ms -= cost_ms
        self.running_ms += cost_ms
        return batch, cost_ms


class Batcher:
    """Owns the scoring threads. `run` blocks the caller until its work has ended, at the latest at its deadline."""

    def __init__(
        self,
        *,
        threads: int,
        max_batch_tokens: int,
        max_batch_items: int,
        max_backlog_ms: float,
        metrics: Metrics,
        clock: Clock = time.monotonic,
    ) -> None:
        self.threads = threads
        self._max_batch_tokens = max_batch_tokens
        self._max_batch_items = max_batch_items
        self._max_backlog_ms = max_backlog_ms
        self._metrics = metrics
        self._clock = clock
        self._speeds = Speeds()
        self._jobs: list[_Job] = []
        self._closing = False
        self._changed = threading.Condition()
        self._pool = [threading.Thread(target=self._score, name=f"scoring-{number}", daemon=True) for number in range(threads)]
        for thread in self._pool:
            thread.start()

    def run(self, work: Work[Item, Result]) -> list[Result]:
        """The results of the work, one an item, in order; raises the error that ended it otherwise."""
        if not work.items:
            return []
        job = self._submit(work)
        try:
            results: list[Result] = job.future.result(timeout=max(0.0, work.deadline - self._clock()))
            return results
        except TimeoutError:
            self._end(job, DeadlineExceeded("the deadline passed while scoring"))
            return job.future.result()

    def admit(self, model: str, tokens: int, deadline: float) -> None:
        """Raise where work of so many tokens would be refused now: asked before the costs of preparing it."""
        with self._changed:
            self._admit(self._speeds.estimate_ms(model, tokens), deadline)

    def learn(self, model: str, tokens: int, ms: float) -> None:
        """Count work measured elsewhere, by a model's warm-up."""
        with self._changed:
            self._speeds.learn(model, tokens, ms)

    def ms_per_token(self) -> dict[str, float]:
        """The learned speeds, by model."""
        with self._changed:
            return self._speeds.ms_per_token()

    def waiting(self) -> int:
        """Batches let in that no thread has taken yet."""
        with self._changed:
            return sum(len(job.waiting) for job in self._jobs)

    def close(self, grace_s: float) -> None:
        """Let no more work in, finish what there is within the grace, fail the rest with NotReady, end the threads."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._jobs, timeout=grace_s)
            for job in list(self._jobs):
                self._finish(job, NotReady("the service is stopping"))
            self._changed.notify_all()
        for thread in self._pool:
            thread.join(timeout=grace_s)

    def _submit(self, work: Work[Any, Any]) -> _Job:
        batches = cut_batches(
            work.lengths,
            max_tokens=work.max_tokens or self._max_batch_tokens,
            max_items=work.max_items or self._max_batch_items,
            threads=self.threads,
        )
        with self._changed:
            costs_ms = [self._speeds.estimate_ms(work.model, padded_tokens(work.lengths, batch)) for batch in batches]
            self._admit(sum(costs_ms), work.deadline)
            job = _Job(work, batches, costs_ms)
            self._jobs.append(job)
            self._watch_backlog()
            self._changed.notify(len(batches))
        return job

    def _admit(self, cost_ms: float, deadline: float) -> None:
        if self._closing:
            raise NotReady("the service is stopping")
        now = self._clock()
        if deadline <= now:
            raise DeadlineExceeded("the deadline passed before scoring began")
        ahead_ms = sum(job.waiting_ms + job.running_ms for job in self._jobs if job.work.deadline <= deadline)
        # Tried whatever it seems to cost: only so can a wrong estimate mend. Documents' vectors, computed meanwhile, are no reason either.
        if not ahead_ms:
            return
        late = now + (ahead_ms + cost_ms) / self.threads / 1000 > deadline
        # Work that is due later, such as a catalogue's, gives way: it refuses nobody who comes before it.
        if late or ahead_ms / self.threads > self._max_backlog_ms:
            raise Overloaded(f"{ahead_ms / self.threads:.0f} ms of work come before it", retry_after_s=ahead_ms / self.threads / 1000)

    def _score(self) -> None:
        while (taken := self._next()) is not None:
            job, batch, cost_ms = taken
            started = time.perf_counter()
            error: RerankError | None = None
            results: Sequence[Any] = ()
            try:
                results = job.work.run([job.work.items[position] for position in batch])
                if len(results) != len(batch):
                    error = ScoringFailed(f"the model answered {len(results)} results for {len(batch)} items")
            except RerankError as raised:
                error = raised
            except Exception:
                _log.exception("the model failed", model=job.work.model)
                error = ScoringFailed("the model failed")
            self._settle(job, batch, cost_ms, results, error, ms=(time.perf_counter() - started) * 1000)

    def _next(self) -> tuple[_Job, list[int], float] | None:
        """The next batch to score, waiting for one; None once closing and nothing is left."""
        with self._changed:
            while True:
                self._drop_late()
                ready = [job for job in self._jobs if job.waiting]
                if ready:
                    job = min(ready, key=_Job.urgency)
                    return job, *job.take()
                if self._closing:
                    return None
                self._changed.wait()

    def _drop_late(self) -> None:
        now = self._clock()
        others = len(self._jobs) > 1
        for job in list(self._jobs):
            end = now + job.waiting_ms / self.threads / 1000 if others else now
            if end > job.work.deadline:
                self._finish(job, DeadlineExceeded("the scoring could not end before the deadline"))
                others = len(self._jobs) > 1

    def _settle(self, job: _Job, batch: list[int], cost_ms: float, results: Sequence[Any], error: RerankError | None, *, ms: float) -> None:
        tokens = padded_tokens(job.work.lengths, batch)
        with self._changed:
            job.running_ms -= cost_ms
            job.served_ms += ms
            job.unfinished -= 1
            if error is not None:
                self._finish(job, error)
                return
            self._speeds.learn(job.work.model, tokens, ms)
            self._metrics.batch(job.work.model, items=len(batch), tokens=tokens, ms=ms)
            for position, result in zip(batch, results, strict=True):
                job.results[position] = result
            if job.unfinished == 0:
                self._finish(job, None)

    def _end(self, job: _Job, error: RerankError) -> None:
        with self._changed:
            self._finish(job, error)

    def _finish(self, job: _Job, error: RerankError | None) -> None:
        """End the job's future, once; its waiting batches are forgotten."""
        if job not in self._jobs:
            return
        self._jobs.remove(job)
        job.waiting.clear()
        job.waiting_ms = 0.0
        self._watch_backlog()
        if error is None:
            job.future.set_result(job.results)
        else:
            job.future.set_exception(error)
        if self._closing:
            self._changed.notify_all()

    def _backlog_ms(self) -> float:
        return math.fsum(job.waiting_ms + job.running_ms for job in self._jobs)

    def _watch_backlog(self) -> None:
        self._metrics.backlog_ms.set(self._backlog_ms() / self.threads)
