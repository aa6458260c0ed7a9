"""What `/metrics` shows, in one registry a service: no global state, so tests and services do not meet.

With several workers each process writes its figures to shared files (`PROMETHEUS_MULTIPROC_DIR`) and any of them answers for all.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.process_collector import ProcessCollector

_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.035, 0.05, 0.075, 0.1, 0.15, 0.2, 0.35, 0.5, 1, 2, 5, 10)


class Metrics:
    """All counters, gauges and histograms of the service."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        self.requests = Counter("rerank_requests", "Requests by route and status", ("route", "status"), registry=registry)
        self.latency = Histogram(
            "rerank_request_seconds", "Seconds from a request's body to its answer", ("route",), buckets=_SECONDS, registry=registry
        )
        self.stage = Histogram("rerank_stage_seconds", "Seconds of one request in a stage", ("stage",), buckets=_SECONDS, registry=registry)
        self.hits = Counter("rerank_hits", "Documents scored or answered from the cache", ("profile", "source"), registry=registry)
        self.respelt = Counter(
            "rerank_queries_respelt", "Queries of which a mistyped word was read as its hits spell it", registry=registry
        )
        self.refused = Counter("rerank_refused", "Requests refused by estimated work, or by their wait for a thread", registry=registry)
        self.dropped = Counter("rerank_dropped", "Requests dropped because they could not end in time", registry=registry)
        self.backlog_ms = self._gauge("rerank_backlog_milliseconds", "Estimated milliseconds of work let in and not done")
        self.in_flight = self._gauge("rerank_in_flight", "Requests being answered")
        self.batches = Counter("rerank_batches", "Batches scored", ("model",), registry=registry)
        self.items = Counter("rerank_batch_items", "Documents or texts in scored batches", ("model",), registry=registry)
        self.tokens = Counter("rerank_batch_tokens", "Tokens in scored batches, padding included", ("model",), registry=registry)
        self.scoring = Counter("rerank_scoring_seconds", "Seconds that scoring threads spent in models", ("model",), registry=registry)
        self.cache_hits = Counter("rerank_cache_hits", "Look-ups answered by a cache", ("cache",), registry=registry)
        self.cache_misses = Counter("rerank_cache_misses", "Look-ups that a cache could not answer", ("cache",), registry=registry)
        self.cache_bytes = self._gauge("rerank_cache_bytes", "Bytes held by a cache", ("cache",))
        # Not sums: all workers see one store, and serve the same models.
        self.store_bytes = self._gauge("rerank_store_bytes", "Bytes of records in a document store", ("store",), of_workers="livemax")
        self.store_evicted = Counter(
            "rerank_store_evicted", "Records that left a document store for want of room", ("store",), registry=registry
        )
        self.store_damaged = Counter("rerank_store_damaged", "Records whose checksum was wrong: computed anew", registry=registry)
        self.loaded = self._gauge(
            "rerank_model_loaded", "1 for the model that serves a profile", ("profile", "model"), of_workers="livemax"
        )
        self.reloads = Counter("rerank_model_loads", "Model directories loaded, by outcome", ("outcome",), registry=registry)
        self.worker_generation = Gauge(
            "rerank_worker_generation",
            "Workers started since the service's start: more than the workers there are means that some died and were replaced",
            registry=registry,
            multiprocess_mode="max",
        )
        self._of_batches: dict[str, tuple[Counter, ...]] = {}
        if not _shared():
            ProcessCollector(registry=registry)

    def batch(self, model: str, *, items: int, tokens: int, ms: float) -> None:
        """Count one scored batch."""
        if model not in self._of_batches:
            # Looking a label up costs more than counting.
            self._of_batches[model] = tuple(counter.labels(model) for counter in (self.batches, self.items, self.tokens, self.scoring))
        for counter, amount in zip(self._of_batches[model], (1, items, tokens, ms / 1000), strict=True):
            counter.inc(amount)

    def watch(self, cache: str) -> Callable[[int, int, int], None]:
        """What a cache tells its look-ups to."""
        hits, misses, held = self.cache_hits.labels(cache), self.cache_misses.labels(cache), self.cache_bytes.labels(cache)

        def count(known: int, unknown: int, size: int) -> None:
            hits.inc(known)
            misses.inc(unknown)
            held.set(size)

        return count

    def exposition(self) -> bytes:
        """The text format, of all workers."""
        if not _shared():
            return generate_latest(self.registry)
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call] # the library leaves it without types
        return generate_latest(registry)

    def _gauge(self, name: str, text: str, labels: tuple[str, ...] = (), *, of_workers: Literal["livesum", "livemax"] = "livesum") -> Gauge:
        return Gauge(name, text, labels, registry=self.registry, multiprocess_mode=of_workers)


def _shared() -> bool:
    return "PROMETHEUS_MULTIPROC_DIR" in os.environ
