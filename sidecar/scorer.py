"""Token arrays -> logits: the seam between the engine and a model, and its implementation for one-graph cross-encoders.

Invariant: a document's logit does not depend on its neighbours in the batch, but for
the rounding of int8 models, which quantize a batch's activations together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from sidecar.backends import Graph
from sidecar.encoding import TextEncoder, Tokens
from sidecar.errors import ScoringFailed

Logits = npt.NDArray[np.float32]


class Scorer(Protocol):
    """Scores documents against one query. Called from several threads at once."""

    def score(self, query: Tokens, documents: Sequence[Tokens]) -> Logits:
        """One logit a document; whether it really is one, and finite, is the caller's to check (`finite`)."""


class CrossEncoder:
    """`model.onnx` over `[CLS] query [SEP] document [SEP]`, padded to the longest of the batch."""

    def __init__(self, graph: Graph, encoder: TextEncoder) -> None:
        self._graph = graph
        self._encoder = encoder

    def score(self, query: Tokens, documents: Sequence[Tokens]) -> Logits:
        inputs = pair_inputs(self._encoder, query, documents)
        logits: Logits = self._graph.run({name: inputs[name] for name in self._graph.inputs})[0]
        return logits


def pair_inputs(encoder: TextEncoder, query: Tokens, documents: Sequence[Tokens]) -> Mapping[str, Tokens]:
    """`input_ids`, `attention_mask`, `token_type_ids`: int64 [documents, longest]; equal to `TextEncoder.pair` row by row."""
    start = len(query) + 2
    lengths = [len(document) for document in documents]
    shape = (len(documents), start + max(lengths) + 1)
    ids = np.full(shape, encoder.pad, dtype=np.int64)
    mask = np.zeros(shape, dtype=np.int64)
    types = np.zeros(shape, dtype=np.int64)
    ids[:, 0] = encoder.cls
    ids[:, 1 : start - 1] = query
    ids[:, start - 1] = encoder.sep
    for row, (document, length) in enumerate(zip(documents, lengths, strict=True)):
        end = start + length
        ids[row, start:end] = document
        ids[row, end] = encoder.sep
        mask[row, : end + 1] = 1
        types[row, start : end + 1] = 1
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}


def finite(logits: npt.NDArray[np.floating], count: int) -> Logits:
    """The logits as a flat float32 array; raises ScoringFailed unless there are `count` and all are finite."""
    flat = np.asarray(logits, dtype=np.float32).reshape(-1)
    if len(flat) != count:
        raise ScoringFailed(f"the model answered {len(flat)} scores for {count} documents")
    if not np.isfinite(flat).all():
        raise ScoringFailed("the model answered a score that is not finite")
    return flat
