"""Puts the service together from its settings: the one place that knows which class fills which seam."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

from sidecar.backends import LoadGraph, graph_loader
from sidecar.batcher import Batcher
from sidecar.cache import Cache
from sidecar.config import MIB, Settings
from sidecar.embedder import Embedder
from sidecar.encoding import DocumentTokens
from sidecar.engine import Caches, Engine, Vector, pair_bytes
from sidecar.errors import InvalidModel
from sidecar.fusion import check_fusion
from sidecar.metrics import Metrics
from sidecar.profiles import Profile, Profiles, open_directory
from sidecar.ranker import CrossEncoderRanker
from sidecar.scorer import CrossEncoder


def make_engine(settings: Settings, metrics: Metrics) -> Engine:
    """An engine on the models of the settings' directory, not started."""
    batcher = Batcher(
        threads=settings.threads(),
        max_batch_tokens=settings.max_batch_tokens,
        max_batch_items=settings.max_batch_hits,
        max_backlog_ms=settings.max_backlog_ms,
        metrics=metrics,
    )
    caches = Caches(
        scores=Cache(int(settings.score_cache_mb * MIB), pair_bytes, metrics.watch("scores")),
        documents=Cache(int(settings.document_cache_mb * MIB), _document_bytes, metrics.watch("documents")),
        vectors=Cache(int(settings.vector_cache_mb * MIB), _vector_bytes, metrics.watch("vectors")),
    )
    graphs = graph_loader(settings.backend, settings.device, settings.threads())
    load = partial(load_profile, graphs=graphs, batcher=batcher, caches=caches)
    metrics.worker_generation.set(int(os.environ.get("RERANK_WORKER_GENERATION", "1")))
    return Engine(
        profiles=Profiles(settings.models, load, interval_s=settings.reload_interval_s, metrics=metrics),
        batcher=batcher,
        caches=caches,
        metrics=metrics,
        default_profile=settings.default_profile,
        embedder=settings.embedder,
    )


def load_profile(name: str, directory: Path, *, graphs: LoadGraph, batcher: Batcher, caches: Caches) -> Profile:
    """A checked and warm profile; raises InvalidModel."""
    manifest, encoder, encoding = open_directory(directory)
    graph = graphs(directory / "model.onnx")
    if manifest.kind == "embedder":
        embedder = Embedder(graph, encoder, manifest)
        embedder.embed(embedder.tokens(["warm up", "a longer text to warm up with"], query=True))
        return Profile(name, manifest, encoder, manifest.key, encoding, embedder=embedder)
    if manifest.kind != "cross-encoder":
        raise InvalidModel(f"{directory}: kind {manifest.kind} is not supported")
    if manifest.fusion is not None:
        check_fusion(manifest.fusion)
    ranker = CrossEncoderRanker(manifest.key, CrossEncoder(graph, encoder), encoder, batcher, caches.documents)
    ranker.warm_up()
    return Profile(name, manifest, encoder, manifest.key, encoding, ranker=ranker)


def _document_bytes(document: DocumentTokens) -> int:
    # The array's object and the dataclass around it take about 200 bytes.
    return int(document.ids.nbytes) + 200


def _vector_bytes(vector: Vector) -> int:
    return 32 * len(vector)
