"""Puts the service together from its settings: the one place that knows which class fills which seam."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

from sidecar.backends import LoadGraph, graph_loader
from sidecar.batcher import Batcher
from sidecar.cache import Cache
from sidecar.config import MIB, Settings
from sidecar.decomposed import DecomposedModel, DecomposedRanker
from sidecar.embedder import Embedder
from sidecar.encoding import DocumentTokens
from sidecar.engine import Caches, Engine, Vector, pair_bytes
from sidecar.errors import InvalidModel
from sidecar.fusion import check_fusion
from sidecar.metrics import Metrics
from sidecar.profiles import Profile, Profiles, open_directory
from sidecar.ranker import CrossEncoderRanker, Ranker
from sidecar.scorer import CrossEncoder
from sidecar.states import DocumentStates
from sidecar.store import DocumentStore


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
        digests=Cache(int(settings.document_cache_mb * MIB / 4), len, metrics.watch("digests")),
        documents=Cache(int(settings.document_cache_mb * MIB), _document_bytes, metrics.watch("documents")),
        vectors=Cache(int(settings.vector_cache_mb * MIB), _vector_bytes, metrics.watch("vectors")),
        states=Cache(int(settings.state_cache_mb * MIB), _states_bytes, metrics.watch("states")),
    )
    graphs = graph_loader(settings.backend, settings.device, settings.threads())
    store = open_store(settings, metrics)
    load = partial(load_profile, graphs=graphs, batcher=batcher, caches=caches, store=store)
    metrics.worker_generation.set(int(os.environ.get("RERANK_WORKER_GENERATION", "1")))
    return Engine(
        profiles=Profiles(settings.models, load, interval_s=settings.reload_interval_s, metrics=metrics),
        batcher=batcher,
        caches=caches,
        metrics=metrics,
        default_profile=settings.default_profile,
        embedder=settings.embedder,
        store=store,
    )


def open_store(settings: Settings, metrics: Metrics) -> DocumentStore | None:
    """The document store of the settings, where there is one."""
    if settings.store is None:
        return None
    max_bytes = int(settings.store_mb * MIB)
    return DocumentStore(settings.store, max_bytes=max_bytes, read_only=settings.store_read_only, metrics=metrics)


def load_profile(
    name: str, directory: Path, *, graphs: LoadGraph, batcher: Batcher, caches: Caches, store: DocumentStore | None
) -> Profile:
    """A checked and warm profile; raises InvalidModel."""
    manifest, encoder, encoding = open_directory(directory)
    graph = graphs(directory / "model.onnx")
    if manifest.kind == "embedder":
        embedder = Embedder(graph, encoder, manifest)
        embedder.embed(embedder.tokens(["warm up", "a longer text to warm up with"], query=True))
        return Profile(name, manifest, encoder, manifest.key, encoding, embedder=embedder)
    if manifest.fusion is not None:
        check_fusion(manifest.fusion)
    ranker: Ranker
    if manifest.kind == "decomposed":
        if "document.onnx" not in manifest.files:
            raise InvalidModel(f"{directory}: the manifest does not name document.onnx")
        model = DecomposedModel(graphs(directory / "document.onnx"), graph, encoder)
        ranker = DecomposedRanker(manifest.key, model, encoder, batcher, tokens=caches.documents, states=caches.states, store=store)
    else:
        ranker = CrossEncoderRanker(manifest.key, CrossEncoder(graph, encoder), encoder, batcher, caches.documents)
    ranker.warm_up()
    return Profile(name, manifest, encoder, manifest.key, encoding, ranker=ranker)


def _states_bytes(states: DocumentStates) -> int:
    # Four objects around the arrays take about 600 bytes.
    return states.nbytes + 600


def _document_bytes(document: DocumentTokens) -> int:
    # The array's object and the dataclass around it take about 200 bytes.
    return int(document.ids.nbytes) + 200


def _vector_bytes(vector: Vector) -> int:
    return 32 * len(vector)
