"""Puts the service together from its settings: the one place that knows which class fills which seam."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import structlog

from sidecar.backends import LoadGraph, graph_loader
from sidecar.batcher import Batcher
from sidecar.cache import Cache
from sidecar.candidates import Recognizer
from sidecar.config import MIB, Settings
from sidecar.decomposed import DecomposedModel, DecomposedRanker
from sidecar.embedder import Embedder
from sidecar.embeddings import Embeddings, QueryVector
from sidecar.encoding import DocumentTokens
from sidecar.engine import Caches, Engine, pair_bytes
from sidecar.errors import InvalidModel, StoreFailed
from sidecar.fusion import check_fusion
from sidecar.metrics import Metrics
from sidecar.profiles import Profile, Profiles, open_directory
from sidecar.ranker import CrossEncoderRanker, Ranker
from sidecar.scorer import CrossEncoder
from sidecar.states import STATES, DocumentStates
from sidecar.store import Codec, DocumentStore, Value
from sidecar.vectors import VECTORS, DocumentVector, DocumentVectors

_log = structlog.get_logger()


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
    store = open_store(settings, "states", STATES, metrics)
    load = partial(load_profile, graphs=graphs, batcher=batcher, caches=caches, store=store)
    metrics.worker_generation.set(int(os.environ.get("RERANK_WORKER_GENERATION", "1")))
    profiles = Profiles(settings.models, load, interval_s=settings.reload_interval_s, metrics=metrics)
    recognizer = Recognizer(caches.digests)
    return Engine(
        profiles=profiles,
        batcher=batcher,
        caches=caches,
        recognizer=recognizer,
        metrics=metrics,
        default_profile=settings.default_profile,
        embeddings=make_embeddings(settings, metrics, profiles, batcher, recognizer, caches),
        store=store,
        spelling=settings.spelling,
    )


def make_embeddings(
    settings: Settings, metrics: Metrics, profiles: Profiles, batcher: Batcher, recognizer: Recognizer, caches: Caches
) -> Embeddings:
    """The embedder's side of the engine."""
    remembered = Cache(int(settings.document_vector_cache_mb * MIB), _document_vector_bytes, metrics.watch("document_vectors"))
    documents = DocumentVectors(remembered, open_store(settings, "vectors", VECTORS, metrics))
    return Embeddings(profiles, batcher, recognizer, queries=caches.vectors, documents=documents, profile=settings.embedder)


def open_store(settings: Settings, name: str, codec: Codec[Value], metrics: Metrics) -> DocumentStore[Value] | None:
    """One of the document stores of the settings; one that is damaged, or read-only and not yet written by anybody, is none."""
    if settings.store is None:
        return None
    folder = settings.store / name
    if settings.store_read_only and not folder.is_dir():
        _log.warning("nothing is stored yet: restart once another process has filled the store", folder=str(folder))
        return None
    try:
        return DocumentStore(folder, codec, max_bytes=int(settings.store_mb * MIB), read_only=settings.store_read_only, metrics=metrics)
    except StoreFailed as error:
        # It is there for speed: a worker that did not start for it would end the service.
        _log.error("serving without a document store: if it is damaged, delete it and restart", folder=str(folder), error=error.message)
        return None


def load_profile(
    name: str, directory: Path, *, graphs: LoadGraph, batcher: Batcher, caches: Caches, store: DocumentStore[DocumentStates] | None
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


def _document_vector_bytes(vector: DocumentVector) -> int:
    # The array's object takes about 150 bytes.
    return int(vector.nbytes) + 150


def _document_bytes(document: DocumentTokens) -> int:
    # The array's object and the dataclass around it take about 200 bytes.
    return int(document.ids.nbytes) + 200


def _vector_bytes(vector: QueryVector) -> int:
    return 32 * len(vector)
