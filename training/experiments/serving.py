"""Model directories measured as the sidecar serves them: scores of held-out lists, and the time of a window of 100 hits.

Invariant: times are of windows whose documents were seen before, with no score answered from a cache.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import fmean, median

import msgspec
import numpy as np

from sidecar.encoding import DocumentTokens, Fields
from sidecar.log import configure_logging
from sidecar.manifest import read_manifest
from sidecar.profiles import open_directory
from sidecar.states import DocumentStates
from sidecar.states import pack as pack_states
from sidecar.vectors import pack as pack_vector
from training.evaluate.served import Served
from training.evaluate.vectors import Vectors
from training.experiments.sets import HeldOut

_HITS = 100
_NAME = "measured"


class ServedFigures(msgspec.Struct, frozen=True):
    """Scores by set and list, the median time of 100 hits, and bytes: of the directory's graphs, and kept of a document ahead of time."""

    scores: dict[str, list[list[float]]]
    ms: float
    bytes: int
    document_bytes: float = 0.0


def measure(directory: Path, tests: Sequence[HeldOut], *, windows: int) -> ServedFigures:
    """Score the held-out sets, and time so many windows of 100 of the first set's documents."""
    configure_logging("error")
    embeds = read_manifest(directory).kind == "embedder"
    with Served({}, directory) if embeds else Served({_NAME: directory}) as served:
        scores = {test.name: cosines(served, test) if embeds else _scores(served, test) for test in tests}
        ms = _median_ms(served, tests[0], windows, embeds=embeds)
    return ServedFigures(scores, ms, sum(path.stat().st_size for path in directory.glob("*.onnx")), document_bytes(directory, tests))


def document_bytes(directory: Path, tests: Sequence[HeldOut]) -> float:
    """What the document store keeps of one of the tests' documents, on average; 0 of a model that reads documents with their query."""
    manifest, encoder, _ = open_directory(directory)
    if manifest.decomposition is None:
        return len(pack_vector(np.zeros(manifest.hidden_size, np.float16))) if manifest.kind == "embedder" else 0.0
    texts = [encoder.template.compose(fields) for test in tests for fields in test.documents().values()]
    width = manifest.decomposition.state_width
    return fmean(len(pack_states(_empty_states(tokens, width))) for tokens in encoder.encode_documents(texts))


def _empty_states(tokens: DocumentTokens, width: int) -> DocumentStates:
    length = len(tokens.ids) + 1
    return DocumentStates(tokens, np.zeros((length, width), np.int8), np.zeros(length, np.float32))


def cosines(served: Served, test: HeldOut) -> list[list[float]]:
    """The embedder's cosine of every list's hits to its query."""
    documents = test.documents()
    vectors = dict(zip(documents, np.asarray(served.documents(list(documents.values())), dtype=np.float32), strict=True))
    queries = [np.asarray(served.query(item.query), dtype=np.float32) for item in test.lists]
    return [[float(vectors[doc_id] @ query) for doc_id in item.doc_ids] for item, query in zip(test.lists, queries, strict=True)]


def _scores(served: Served, test: HeldOut) -> list[list[float]]:
    documents = test.documents()
    return [list(served.score(_NAME, item.query, [documents[doc_id] for doc_id in item.doc_ids]).raw) for item in test.lists]


def _median_ms(served: Served, test: HeldOut, windows: int, *, embeds: bool) -> float:
    hits: list[Fields] = list(test.documents().values())[:_HITS]
    queries = [item.query for item in test.lists][:windows]
    if embeds:
        vectors = np.asarray(served.documents(hits), dtype=np.float32)
        # A query that was embedded before would come from the cache.
        times = [_timed_ms(partial(_compare, served, f"{query} now", vectors)) for query in queries]
    else:
        served.score(_NAME, queries[0], hits)
        times = [served.score(_NAME, query, hits).ms for query in queries]
    return median(times) * _HITS / len(hits)


def _compare(served: Served, query: str, vectors: Vectors) -> Vectors:
    products: Vectors = vectors @ np.asarray(served.query(query), dtype=np.float32)
    return products


def _timed_ms(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1000
