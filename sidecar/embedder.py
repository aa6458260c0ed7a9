"""Texts -> L2-normalised vectors, for indexing and for queries. Query vectors are cached, as users repeat queries, not products."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from sidecar.backends import Graph
from sidecar.encoding import Fields, TextEncoder, Tokens
from sidecar.errors import ScoringFailed
from sidecar.manifest import Manifest

Vectors = npt.NDArray[np.float32]


class Embedder:
    """`model.onnx` over `[CLS] text [SEP]`; pools and normalises where the graph gives token states [batch, length, width]."""

    def __init__(self, graph: Graph, encoder: TextEncoder, manifest: Manifest) -> None:
        self._graph = graph
        self._encoder = encoder
        self._pooling = manifest.pooling
        self._query = encoder.encode_prefix(manifest.query_prefix)
        self._passage = encoder.encode_prefix(manifest.passage_prefix)

    def tokens(self, texts: Sequence[Fields | str], *, query: bool) -> list[Tokens]:
        """Token ids `[CLS] prefix text [SEP]`: int64, one array a text. Passages may be fields, composed by the template."""
        if query:
            return [self._encoder.single(np.concatenate([self._query, self._encoder.encode_query(str(text))])) for text in texts]
        template = self._encoder.template
        return self.tokens_of([template.compose_text(text) if isinstance(text, str) else template.compose(text) for text in texts])

    def tokens_of(self, composed: Sequence[tuple[str, ...]]) -> list[Tokens]:
        """Token ids of passages already composed by the template."""
        return [self._encoder.single(np.concatenate([self._passage, ids])) for ids in self._encoder.encode_composed(composed)]

    def embed(self, texts: Sequence[Tokens]) -> Vectors:
        """float32 [texts, dimension], each of length 1."""
        shape = (len(texts), max(len(tokens) for tokens in texts))
        ids = np.full(shape, self._encoder.pad, dtype=np.int64)
        mask = np.zeros(shape, dtype=np.int64)
        for row, tokens in enumerate(texts):
            ids[row, : len(tokens)] = tokens
            mask[row, : len(tokens)] = 1
        inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros(shape, dtype=np.int64)}
        output = self._graph.run({name: inputs[name] for name in self._graph.inputs})[0]
        return _normalised(output if output.ndim == 2 else self._pooled(output, mask), len(texts))

    def _pooled(self, states: npt.NDArray[np.float32], mask: Tokens) -> Vectors:
        if self._pooling == "cls":
            return states[:, 0]
        kept = mask[:, :, None].astype(np.float32)
        pooled: Vectors = (states * kept).sum(axis=1) / kept.sum(axis=1)
        return pooled


def _normalised(vectors: Vectors, count: int) -> Vectors:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    if len(vectors) != count or not np.isfinite(lengths).all():
        raise ScoringFailed("the model answered vectors that are not finite, or not one a text")
    normalised: Vectors = (vectors / np.maximum(lengths, 1e-12)).astype(np.float32)
    return normalised
