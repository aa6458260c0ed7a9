"""First passes over a whole catalogue in memory: BM25 and dense vectors, each a score for every document.

They mine candidates and double as teachers. A retriever answers [queries, documents] float32, aligned with the catalogue's order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import bm25s
import numpy as np
import numpy.typing as npt
import torch

from sidecar.encoding import TextEncoder, field_text
from training.batches import Prefixes, pad
from training.data.lists import Catalogue
from training.distil.analysis import words
from training.distil.vector_cache import VectorCache
from training.models.bi_encoder import BiEncoder
from training.models.cross_encoder import inference_device

Scores = npt.NDArray[np.float32]


class Retriever(Protocol):
    """A first pass."""

    def scores(self, queries: Sequence[str]) -> Scores:
        """Scores [queries, documents]; greater is better."""
        ...


class Bm25Retriever:
    """BM25 (k1 1.2, b 0.75) over all fields of the documents, their words as the product's mapping analyses them."""

    def __init__(self, catalogue: Catalogue) -> None:
        documents = [words("\n".join(field_text(value) for value in fields.values())) for fields in catalogue.values()]
        self._documents = len(documents)
        self._index = bm25s.BM25(k1=1.2, b=0.75)
        # bm25s ends in an error over documents without a single word.
        self._empty = not any(documents)
        if not self._empty:
            self._index.index(documents, show_progress=False)

    def scores(self, queries: Sequence[str]) -> Scores:
        """Scores [queries, documents]; zero where no term is shared."""
        rows = np.zeros((len(queries), self._documents), dtype=np.float32)
        for row, query in enumerate(queries):
            if (stems := words(query)) and not self._empty:
                rows[row] = self._index.get_scores(stems)
        return rows


class DenseRetriever:
    """A bi-encoder over composed documents: cosine of every query and document. Vectors that `kept` has are not computed again."""

    def __init__(
        self, network: BiEncoder, encoder: TextEncoder, prefixes: Prefixes, catalogue: Catalogue, *, kept: VectorCache, key: bytes
    ) -> None:
        self._network = network.to(inference_device()).eval()
        self._encoder = encoder
        self._prefixes = prefixes
        self._kept, self._key = kept, key
        self._vectors = self._encode([encoder.encode_document(fields) for fields in catalogue.values()], prefixes.passage)

    def scores(self, queries: Sequence[str]) -> Scores:
        """Cosines [queries, documents]."""
        vectors = self._encode([self._encoder.encode_query(query) for query in queries], self._prefixes.query)
        scores: Scores = (vectors @ self._vectors.T).float().cpu().numpy()
        return scores

    @torch.inference_mode()
    def _encode(self, texts: Sequence[npt.NDArray[np.int64]], prefix: npt.NDArray[np.int64], batch: int = 256) -> torch.Tensor:
        order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
        device = inference_device()
        rows: list[torch.Tensor] = []
        for start in range(0, len(order), batch):
            arrays = [self._encoder.single(np.concatenate([prefix, texts[index]])) for index in order[start : start + batch]]
            known = self._kept.vectors(self._key, arrays)
            rows.append(self._embed(arrays) if known is None else known.to(device))
        vectors = torch.cat(rows)
        return vectors[torch.argsort(torch.tensor(order, device=vectors.device))]

    def _embed(self, arrays: Sequence[npt.NDArray[np.int64]]) -> torch.Tensor:
        ids, mask = pad(arrays, self._encoder.pad)
        device = inference_device()
        with torch.autocast(device.type, dtype=torch.bfloat16):
            vectors = self._network.encode(ids.to(device), mask.to(device)).float()
        self._kept.keep(self._key, arrays, vectors)
        return vectors
