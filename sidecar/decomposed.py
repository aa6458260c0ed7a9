"""The decomposed cross-encoder: documents' states are computed once and kept; a query meets them in the upper layers.

rank -> states from memory -> from the store -> document.onnx for the unknown, kept from then on -> model.onnx with the query

Invariant: states are keyed by model and text, so that a changed document or model never meets old states.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

from sidecar.backends import Arrays, Graph
from sidecar.batcher import Batcher, Work
from sidecar.cache import Cache
from sidecar.candidates import Candidate
from sidecar.encoding import DocumentTokens, TextEncoder, Tokens
from sidecar.errors import ScoringFailed, Unprocessable
from sidecar.ranker import Pair, pairs, some_tokens, tokenized, warm_up_batches
from sidecar.scorer import Logits, finite
from sidecar.states import DocumentStates
from sidecar.store import DocumentStore

Item = tuple[bytes, DocumentStates]

_WARM_UP_QUERY = 6
# The query's own layers run once a batch: larger batches than a cross-encoder's share them among more documents. Half a window of a
# hundred each is the fastest of what was tried.
_BATCH_TOKENS = 3400
_BATCH_ITEMS = 64


class DecomposedModel:
    """The two graphs. Called from several threads at once."""

    def __init__(self, document_graph: Graph, query_graph: Graph, encoder: TextEncoder) -> None:
        self._document_graph = document_graph
        self._query_graph = query_graph
        self._encoder = encoder

    def encode(self, documents: Sequence[DocumentTokens]) -> list[DocumentStates]:
        """The states of `document [SEP]`, each document's own length."""
        lengths = [len(document.ids) + 1 for document in documents]
        shape = (len(documents), max(lengths))
        ids = np.full(shape, self._encoder.pad, dtype=np.int64)
        mask = np.zeros(shape, dtype=np.int64)
        for row, (document, length) in enumerate(zip(documents, lengths, strict=True)):
            ids[row, : length - 1] = document.ids
            ids[row, length - 1] = self._encoder.sep
            mask[row, :length] = 1
        states, scales = self._document_graph.run({"input_ids": ids, "attention_mask": mask})
        if not np.isfinite(scales).all():
            raise ScoringFailed("the model answered states that are not finite")
        return [
            DocumentStates(document, states[row, :length].copy(), scales[row, :length].copy())
            for row, (document, length) in enumerate(zip(documents, lengths, strict=True))
        ]

    def score(self, query: Tokens, documents: Sequence[DocumentStates]) -> Logits:
        """One logit a document, as the graph gives it."""
        shape = (len(documents), max(map(len, documents)))
        states = np.zeros((*shape, documents[0].states.shape[1]), dtype=np.int8)
        scales = np.zeros(shape, dtype=np.float32)
        mask = np.zeros(shape, dtype=np.int64)
        for row, document in enumerate(documents):
            length = len(document)
            states[row, :length] = document.states
            scales[row, :length] = document.scales
            mask[row, :length] = 1
        ids = self._encoder.single(query)[None, :]
        inputs: Arrays = {"input_ids": ids, "states": states, "scales": scales, "document_mask": mask}
        logits: npt.NDArray[np.float32] = self._query_graph.run(inputs)[0]
        return logits


class DecomposedRanker:
    """Ranks by a decomposed model, with its documents' states from wherever they are known."""

    def __init__(
        self,
        key: str,
        model: DecomposedModel,
        encoder: TextEncoder,
        batcher: Batcher,
        *,
        tokens: Cache[DocumentTokens],
        states: Cache[DocumentStates],
        store: DocumentStore[DocumentStates] | None,
    ) -> None:
        self._key = key
        self._key_digest = blake2b(key.encode(), digest_size=16).digest()
        self._document_key = f"{key}/document"
        self._model = model
        self._encoder = encoder
        self._batcher = batcher
        self._tokens = tokens
        self._states = states
        self._store = store

    def rank(self, query: Tokens, candidates: Sequence[Candidate], deadline: float) -> list[Pair]:
        documents = self.states(candidates, deadline)
        work = Work(
            model=self._key,
            items=documents,
            lengths=[len(document) for document in documents],
            run=lambda batch: finite(self._model.score(query, batch), len(batch)).tolist(),
            deadline=deadline,
            max_tokens=_BATCH_TOKENS,
            max_items=_BATCH_ITEMS,
        )
        return pairs(query, [document.tokens for document in documents], self._batcher.run(work))

    def states(self, candidates: Sequence[Candidate], deadline: float) -> list[DocumentStates]:
        """The states of every candidate; those never seen are computed, and kept."""
        keys = [self._state_key(candidate) for candidate in candidates]
        found = self._states.get_many(keys)
        unknown = _unknown(found)
        if unknown and self._store is not None:
            stored = self._store.get_many([keys[position] for position in unknown])
            self._states.put_many((keys[at], states) for at, states in zip(unknown, stored, strict=True) if states is not None)
            _complete(found, unknown, stored)
            unknown = _unknown(found)
        wanted = {keys[position]: candidates[position] for position in unknown}
        _complete(found, unknown, self._encoded(wanted, deadline, keep=self._keep))
        return [states for states in found if states is not None]

    def fill(self, candidates: Sequence[Candidate], deadline: float) -> int:
        """Have every candidate's states in the store; how many had to be computed."""
        if self._store is None:
            raise Unprocessable("there is no document store to fill: start the sidecar with RERANK_STORE=/a/folder")
        if self._store.read_only:
            raise Unprocessable(
                "there is no document store to fill: this one is read only (RERANK_STORE_READ_ONLY); ask the process that fills it"
            )
        wanted = {self._state_key(candidate): candidate for candidate in candidates}
        known = self._store.known(list(wanted))
        missing = {key: wanted[key] for key, there in zip(list(wanted), known, strict=True) if not there}
        self._encoded(missing, deadline, keep=self._store.put_many)
        return len(missing)

    def _keep(self, items: Sequence[Item]) -> None:
        self._states.put_many(items)
        if self._store is not None:
            self._store.put_soon(items)

    def _state_key(self, candidate: Candidate) -> bytes:
        return self._key_digest + candidate.digest

    def _encoded(
        self, wanted: Mapping[bytes, Candidate], deadline: float, *, keep: Callable[[Sequence[Item]], None]
    ) -> list[DocumentStates]:
        """The states of documents never seen. Each batch is kept as soon as it is computed, though its request be late."""
        if not wanted:
            return []
        documents = tokenized(
            list(wanted.values()),
            self._encoder,
            self._tokens,
            admit=lambda tokens: self._batcher.admit(self._document_key, tokens + len(wanted), deadline),
        )

        def encode(batch: Sequence[tuple[bytes, DocumentTokens]]) -> list[DocumentStates]:
            states = self._model.encode([document for _, document in batch])
            keep([(key, each) for (key, _), each in zip(batch, states, strict=True)])
            return states

        work = Work(
            model=self._document_key,
            items=list(zip(wanted, documents, strict=True)),
            lengths=[len(document.ids) + 1 for document in documents],
            run=encode,
            deadline=deadline,
        )
        return self._batcher.run(work)

    def warm_up(self) -> None:
        query = some_tokens(_WARM_UP_QUERY)
        for batch in warm_up_batches(self._encoder.template.max_document_tokens):
            tokens = len(batch) * (len(batch[0]) + 1)
            started = time.perf_counter()
            states = self._model.encode([DocumentTokens(ids, 0) for ids in batch])
            between = time.perf_counter()
            self._model.score(query, states)
            self._batcher.learn(self._document_key, tokens, (between - started) * 1000)
            self._batcher.learn(self._key, tokens, (time.perf_counter() - between) * 1000)


def _unknown(found: Sequence[DocumentStates | None]) -> list[int]:
    return [position for position, states in enumerate(found) if states is None]


def _complete(found: list[DocumentStates | None], unknown: Sequence[int], new: Sequence[DocumentStates | None]) -> None:
    for position, states in zip(unknown, new, strict=True):
        found[position] = states
