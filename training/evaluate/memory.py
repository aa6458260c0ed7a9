"""A catalogue in memory as a source of candidates: BM25 by bm25s, exact nearest neighbours by the embedder's vectors."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cluster.embedding import Embedder
from sidecar.encoding import Fields
from training.data.lists import Catalogue
from training.distil.retrievers import Bm25Retriever, Retriever
from training.evaluate.candidates import BM25, KNN, Scores
from training.evaluate.vectors import VectorCache, Vectors


class DenseVectors:
    """Cosines of queries to a catalogue's vectors [documents, dimension], by an embedder as the node's clients use it."""

    def __init__(self, vectors: Vectors, embedder: Embedder) -> None:
        self._vectors = vectors
        self._embedder = embedder

    def scores(self, queries: Sequence[str]) -> npt.NDArray[np.float32]:
        """Cosines [queries, documents]."""
        asked = np.asarray([self._embedder.query(query) for query in queries], dtype=np.float32)
        cosines: npt.NDArray[np.float32] = asked @ self._vectors.T
        return cosines


@dataclass(frozen=True, slots=True)
class InMemory:
    """Every pass scores every document. A BM25 score of zero means that no word is shared: not found."""

    catalogue: Catalogue
    passes: Mapping[str, Retriever]
    doc_ids: tuple[str, ...]
    positions: Mapping[str, int]

    @property
    def documents(self) -> int:
        return len(self.doc_ids)

    def describe(self) -> str:
        return f"in memory, {len(self.doc_ids):,} documents: " + ", ".join(self.passes)

    def search(self, query: str, depth: int) -> Mapping[str, Scores]:
        return {name: self._best(name, retriever.scores([query])[0], depth) for name, retriever in self.passes.items()}

    def score(self, query: str, doc_ids: Sequence[str]) -> Mapping[str, Scores]:
        rows = {name: retriever.scores([query])[0] for name, retriever in self.passes.items()}
        return {
            name: {doc_id: float(row[self.positions[doc_id]]) for doc_id in doc_ids if _found(name, row[self.positions[doc_id]])}
            for name, row in rows.items()
        }

    def fields(self, doc_ids: Sequence[str]) -> Mapping[str, Fields]:
        return {doc_id: self.catalogue[doc_id] for doc_id in doc_ids if doc_id in self.catalogue}

    def _best(self, name: str, row: npt.NDArray[np.float32], depth: int) -> Scores:
        best = np.argsort(-row, kind="stable")[:depth]
        return {self.doc_ids[position]: float(row[position]) for position in best if _found(name, row[position])}


def in_memory(catalogue: Catalogue, dense: Retriever | None) -> InMemory:
    """A source over a catalogue; without a dense retriever it has words alone."""
    # bm25s sets its own logger to debug.
    logging.getLogger("bm25s").setLevel(logging.WARNING)
    # In the order of ids, a stable sort breaks ties by id, as metrics do.
    ordered = {doc_id: catalogue[doc_id] for doc_id in sorted(catalogue)}
    passes: dict[str, Retriever] = {BM25: Bm25Retriever(ordered)}
    if dense is not None:
        passes[KNN] = dense
    return InMemory(ordered, passes, tuple(ordered), {doc_id: position for position, doc_id in enumerate(ordered)})


def embed_catalogue(catalogue: Catalogue, cache: VectorCache, advance: Callable[[int], None]) -> Vectors:
    """The vectors of a catalogue, in the order of ids."""
    return cache.documents([catalogue[doc_id] for doc_id in sorted(catalogue)], advance)


def _found(name: str, score: float) -> bool:
    return name != BM25 or score > 0
