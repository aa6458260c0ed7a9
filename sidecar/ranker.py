"""One loaded model's way from composed documents to logits: document tokens from the cache, pairs through the batcher.

Invariant: what a ranker answers for a document depends on the query and on the document's text alone, so the engine may cache it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from sidecar.batcher import Batcher, Work
from sidecar.cache import Cache
from sidecar.candidates import Candidate
from sidecar.encoding import DocumentTokens, TextEncoder, Tokens
from sidecar.errors import Unprocessable
from sidecar.fusion import overlaps
from sidecar.scorer import Scorer, finite

# Estimates a text's tokens before it is tokenized; English product text has 4 to 5 characters a token.
_CHARS_PER_TOKEN = 4.5
# [CLS] query [SEP] document [SEP]
SPECIAL_TOKENS = 3
_WARM_UP_QUERY = 6
_WARM_UP_ROUNDS = 3


class Pair(NamedTuple):
    """What is known of a document for one query: the model's logit and the word overlaps (sidecar.fusion)."""

    logit: float
    title_overlap: float
    text_overlap: float


class Ranker(Protocol):
    """Scores candidates against a query by one model."""

    def rank(self, query: Tokens, candidates: Sequence[Candidate], deadline: float) -> list[Pair]:
        """One pair a candidate, in order."""

    def fill(self, candidates: Sequence[Candidate], deadline: float) -> int:
        """Have what the model keeps of documents in the document store; how many were computed anew."""

    def warm_up(self) -> None:
        """Run the model on realistic lengths, so that the first request finds it ready and its speed known."""


class CrossEncoderRanker:
    """Every pair through one graph."""

    def __init__(self, model: str, scorer: Scorer, encoder: TextEncoder, batcher: Batcher, documents: Cache[DocumentTokens]) -> None:
        self._model = model
        self._scorer = scorer
        self._encoder = encoder
        self._batcher = batcher
        self._documents = documents

    def rank(self, query: Tokens, candidates: Sequence[Candidate], deadline: float) -> list[Pair]:
        extra = len(query) + SPECIAL_TOKENS
        documents = tokenized(
            candidates,
            self._encoder,
            self._documents,
            admit=lambda tokens: self._batcher.admit(self._model, tokens + extra * len(candidates), deadline),
        )
        work: Work[Tokens, float] = Work(
            model=self._model,
            items=[document.ids for document in documents],
            lengths=[len(document.ids) + extra for document in documents],
            run=lambda batch: finite(self._scorer.score(query, batch), len(batch)).tolist(),
            deadline=deadline,
        )
        return pairs(query, documents, self._batcher.run(work))

    def fill(self, candidates: Sequence[Candidate], deadline: float) -> int:  # noqa: ARG002 - the protocol's
        raise Unprocessable("this profile keeps nothing of documents: only decomposed models do")

    def warm_up(self) -> None:
        query = some_tokens(_WARM_UP_QUERY)
        for batch in warm_up_batches(self._encoder.template.max_document_tokens):
            started = time.perf_counter()
            self._scorer.score(query, batch)
            tokens = len(batch) * (len(batch[0]) + _WARM_UP_QUERY + SPECIAL_TOKENS)
            self._batcher.learn(self._model, tokens, (time.perf_counter() - started) * 1000)


def tokenized(
    candidates: Sequence[Candidate], encoder: TextEncoder, cache: Cache[DocumentTokens], *, admit: Callable[[int], None]
) -> list[DocumentTokens]:
    """Each candidate's tokens, from the cache or from the tokenizer, which is called once for all the unknown.

    Before that, `admit` is asked with the estimated sum of tokens: refused work must not cost a tokenization.
    """
    found = cache.get_many([candidate.digest for candidate in candidates])
    unknown = [candidate for candidate, document in zip(candidates, found, strict=True) if document is None]
    limit = encoder.template.max_document_tokens
    known = sum(len(document.ids) for document in found if document is not None)
    admit(known + sum(_estimated_tokens(candidate, limit) for candidate in unknown))
    fresh = encoder.encode_documents([candidate.text for candidate in unknown])
    cache.put_many((candidate.digest, document) for candidate, document in zip(unknown, fresh, strict=True))
    remaining = iter(fresh)
    return [next(remaining) if document is None else document for document in found]


def pairs(query: Tokens, documents: Sequence[DocumentTokens], logits: Sequence[float]) -> list[Pair]:
    """Logits with the overlaps beside them."""
    title, text = overlaps(query, documents)
    return [Pair(float(logit), *rest) for logit, *rest in zip(logits, title.tolist(), text.tolist(), strict=True)]


def _estimated_tokens(candidate: Candidate, limit: int) -> int:
    """About how many tokens a candidate has, without tokenizing it."""
    return min(limit, int(sum(map(len, candidate.text)) / _CHARS_PER_TOKEN) + 1)


def warm_up_batches(max_tokens: int) -> list[list[Tokens]]:
    """Batches of the sizes and lengths that requests make, rounds of them: the first round pays for what is made once."""
    lengths = sorted({min(length, max_tokens) for length in (12, 32, 64, 128)}, reverse=True)
    return [[some_tokens(length)] * max(1, 256 // (length + 16)) for _ in range(_WARM_UP_ROUNDS) for length in lengths]


def some_tokens(count: int) -> Tokens:
    """Token ids that every vocabulary has."""
    return np.random.default_rng(count).integers(5, 100, size=count, dtype=np.int64)
