"""Stand-ins behind the service's seams."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from sidecar.batcher import Batcher, Clock, Work
from sidecar.cache import Cache
from sidecar.candidates import Recognizer
from sidecar.embeddings import Embeddings
from sidecar.encoding import DocumentTokens, Tokens
from sidecar.engine import Caches, Engine, pair_bytes
from sidecar.manifest import Fusion, Manifest, Transform
from sidecar.metrics import Metrics
from sidecar.profiles import Profile, Profiles
from sidecar.ranker import CrossEncoderRanker
from sidecar.scorer import Logits
from sidecar.vectors import DocumentVectors
from tests.sidecar.tiny import encoder, template

FOREVER = 1e8


class FakeClock:
    """Time that stands still until a test moves it."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class FakeScorer:
    """Scores a document by the sum of its token ids; remembers what it was asked."""

    def __init__(self, answer: Callable[[Sequence[Tokens]], Logits] | None = None) -> None:
        self.answer = answer or (lambda documents: np.array([ids.sum() for ids in documents], dtype=np.float32))
        self.scored: list[int] = []

    def score(self, query: Tokens, documents: Sequence[Tokens]) -> Logits:  # noqa: ARG002 - the protocol's
        self.scored.append(len(documents))
        return self.answer(documents)


class Gate:
    """A model that waits until it is told to go on."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.opened = threading.Event()

    def run(self, items: Sequence[int]) -> list[int]:
        self.entered.set()
        assert self.opened.wait(10)
        return list(items)


def make_batcher(*, threads: int = 1, clock: Clock | None = None, tokens: int = 8, backlog_ms: float = 1e9) -> Batcher:
    """A batcher on its own metrics."""
    settings = {"max_batch_tokens": tokens, "max_batch_items": 4, "max_backlog_ms": backlog_ms, "metrics": Metrics()}
    return Batcher(threads=threads, **settings, **({"clock": clock} if clock else {}))  # type: ignore[arg-type]


def work(
    items: Sequence[int], run: Callable[[Sequence[int]], Sequence[int]], *, deadline: float = FOREVER, length: int = 4
) -> Work[int, int]:
    """Work on numbers, each as long as the next."""
    return Work(model="m", items=items, lengths=[length] * len(items), run=run, deadline=deadline)


def make_engine(
    scorer: FakeScorer,
    *,
    fusion: Fusion | None = None,
    transform: Transform = "identity",
    score_bytes: int = 10**6,
    spelling: bool = True,
) -> Engine:
    """A started engine with one profile, `fast`, on a fake scorer."""
    batcher = make_batcher(threads=2, tokens=64)
    documents: Cache[DocumentTokens] = Cache(10**6, lambda document: document.ids.nbytes)
    shape = template()
    manifest = Manifest(1, "fake", "1", "cross-encoder", {"model.onnx": "0" * 64}, "none", 1, 1, shape, transform, fusion=fusion)

    def load(name: str, _: Path) -> Profile:
        reader = encoder(shape)
        ranker = CrossEncoderRanker("fake:1", scorer, reader, batcher, documents)
        return Profile(name, manifest, reader, "fake:1", b"key", ranker=ranker)

    metrics = Metrics()
    profiles = Profiles([Path("/nowhere")], load, interval_s=0, metrics=metrics)
    profiles.add(load("fast", Path("/nowhere")))
    profiles.loaded.set()
    caches = Caches(Cache(score_bytes, pair_bytes), Cache(10**6, len), documents, Cache(10**6, len), Cache(10**6, len))
    recognizer = Recognizer(caches.digests)
    remembered = DocumentVectors(Cache(10**6, len), None)
    embeddings = Embeddings(profiles, batcher, recognizer, queries=caches.vectors, documents=remembered, profile="")
    return Engine(
        profiles=profiles,
        batcher=batcher,
        caches=caches,
        recognizer=recognizer,
        metrics=metrics,
        default_profile="fast",
        embeddings=embeddings,
        spelling=spelling,
    )
