"""What the service does, free of HTTP: ranks documents for a query, embeds texts, says which models there are.

app -> Engine.rank -> score cache -> ranker (encoding, batcher, scorer) -> fusion -> transform -> Ranking

Invariants: scores are finite and aligned with the documents; equal documents of one request are scored once; a changed document or
model never meets an old score, as both are in the cache's key.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b

import structlog

from sidecar.batcher import Batcher
from sidecar.cache import Cache
from sidecar.candidates import Candidate, Document, Recognizer
from sidecar.embeddings import Embedding, Embeddings, QueryVector
from sidecar.encoding import DocumentTokens, Fields, TextTemplate, Tokens
from sidecar.errors import DeadlineExceeded, NotReady, ScoringFailed, Unprocessable
from sidecar.metrics import Metrics
from sidecar.profiles import Profile, Profiles
from sidecar.ranker import Pair
from sidecar.ranking import Ranking, RankRequest, first_pass_ranking, gated, model_ranking, wants_similarities
from sidecar.spelling import respelt
from sidecar.states import DocumentStates
from sidecar.store import DocumentStore

_log = structlog.get_logger()
# An entry's 32-byte key twice and a tuple of three floats.
_PAIR_BYTES = 250


@dataclass(frozen=True, slots=True)
class Caches:
    """The bounded caches of one worker."""

    scores: Cache[Pair]
    digests: Cache[bytes]
    documents: Cache[DocumentTokens]
    vectors: Cache[QueryVector]
    states: Cache[DocumentStates]


class Engine:
    """Made by sidecar.factory; a test makes it of fakes."""

    def __init__(
        self,
        *,
        profiles: Profiles,
        batcher: Batcher,
        caches: Caches,
        recognizer: Recognizer,
        metrics: Metrics,
        default_profile: str,
        embeddings: Embeddings,
        store: DocumentStore[DocumentStates] | None = None,
        spelling: bool = True,
    ) -> None:
        self._profiles = profiles
        self._batcher = batcher
        self._caches = caches
        self._recognizer = recognizer
        self._metrics = metrics
        self.default_profile = default_profile
        self.embeddings = embeddings
        self._store = store
        self._spelling = spelling
        self._draining = False
        # Why it was not ready at the last look; empty: it was.
        self._lacking = ""

    def start(self) -> None:
        """Begin to load the models."""
        self._profiles.start(self.tell_readiness)

    def wait_loaded(self, timeout_s: float) -> bool:
        """Whether every model directory was tried once, waiting for it."""
        return self._profiles.loaded.wait(timeout_s)

    def refresh(self) -> None:
        """Look for new and changed models now."""
        self._profiles.refresh()

    def drain(self) -> None:
        """Say not ready from now on, and go on serving."""
        self._draining = True

    def stop(self, grace_s: float) -> None:
        """End the threads; what is in flight has the grace to end."""
        self._draining = True
        self._profiles.stop()
        self.embeddings.stop()
        self._batcher.close(grace_s)
        self.embeddings.close()
        if self._store is not None:
            self._store.close()

    def check_ready(self) -> None:
        """Raise NotReady unless the default profile is warm and ranks, a named embedder is there, and the service is not draining."""
        if self._draining:
            raise NotReady("draining")
        self.check_loaded()
        if self.default_profile not in [profile.name for profile in self._profiles.all()]:
            raise NotReady(f"the default profile {self.default_profile!r} is not loaded")
        if not self.has_ranker(self.default_profile):
            raise NotReady(f"the default profile {self.default_profile!r} is an embedder: it ranks nothing")
        self.embeddings.check_ready()

    def check_loaded(self) -> None:
        """Raise NotReady until every profile of the folders was read once."""
        if not self._profiles.loaded.is_set():
            raise NotReady("the models are being loaded")

    def tell_readiness(self) -> None:
        """Log why requests do not come, once: else a misspelt profile shows in the answer of `/ready` alone, which nobody keeps."""
        if self._draining:
            return
        try:
            self.check_ready()
            lacking = ""
        except NotReady as error:
            lacking = error.message
        if lacking != self._lacking:
            self._lacking = lacking
            if lacking:
                _log.error("not ready", reason=lacking, loaded=[profile.name for profile in self._profiles.all()])
            else:
                _log.info("ready")

    def profiles(self) -> list[Profile]:
        """Every loaded profile, by name."""
        return self._profiles.all()

    def has_ranker(self, name: str) -> bool:
        """Whether a profile of that name can rank."""
        return any(profile.name == name and profile.ranker is not None for profile in self._profiles.all())

    def template(self, profile: str | None) -> TextTemplate:
        """How the profile, or the default one, reads documents."""
        return self._profile(profile or self.default_profile).encoder.template

    def rank(self, request: RankRequest) -> Ranking:
        """Score every document; raises an error of sidecar.errors otherwise, DeadlineExceeded where the answer would come too late."""
        _check_time(request.deadline)
        ranking = self._ranked(request)
        _check_time(request.deadline)
        return ranking

    def _ranked(self, request: RankRequest) -> Ranking:
        profile = self._profile(request.profile or self.default_profile)
        query = profile.encoder.encode_query(request.query)
        if not len(query):
            raise Unprocessable("the query is empty")
        if gated(profile.manifest.fusion, request):
            self._metrics.hits.labels(profile.name, "gate").inc(len(request.documents))
            return first_pass_ranking(profile.manifest, profile.model, request)
        candidates = self._candidates(profile, request.documents)
        self._recognizer.check_read(profile.encoder.template, profile.encoding, request.documents, candidates)
        if self._spelling and request.own and (read_as := self._respelt(profile, request.query, candidates)) != request.query:
            request = replace(request, query=read_as)
            query = profile.encoder.encode_query(read_as)
        request = self._with_similarities(profile, request)
        pairs, cached = self._pairs(profile, query, candidates, request.deadline)
        self._metrics.hits.labels(profile.name, "cache").inc(sum(cached))
        self._metrics.hits.labels(profile.name, "model").inc(len(cached) - sum(cached))
        return model_ranking(profile.manifest, profile.model, request, pairs, cached)

    def read(self, query: str, documents: Sequence[Document], *, profile: str) -> str:
        """The query as the profile reads it among these documents (sidecar.spelling)."""
        chosen = self._profile(profile)
        return self._respelt(chosen, query, self._candidates(chosen, documents)) if self._spelling else query

    def fill(self, documents: Sequence[Document], *, profile: str | None, deadline: float) -> int:
        """Have the documents' states in the document store; how many were computed anew."""
        chosen = self._profile(profile or self.default_profile)
        assert chosen.ranker is not None
        return chosen.ranker.fill(self._candidates(chosen, documents), deadline)

    def embed(self, texts: Sequence[Fields | str], *, query: bool, profile: str | None, deadline: float) -> Embedding:
        """One vector a text; queries' are cached, documents' are remembered for their similarity to later queries."""
        return self.embeddings.embed(texts, query=query, profile=profile, deadline=deadline)

    def _with_similarities(self, profile: Profile, request: RankRequest) -> RankRequest:
        """The request with the similarities that the sidecar knows itself, where the fusion weighs them and the request brings none."""
        if not wants_similarities(profile.manifest.fusion, request):
            return request
        started = time.perf_counter()
        try:
            known = self.embeddings.similarities(request.query, request.documents, deadline=request.deadline)
        except ScoringFailed:
            # The batcher has logged it. An embedder that fails is no reason to leave a page as it was: its feature has a neutral value.
            known = [None] * len(request.documents)
        self._metrics.stage.labels("similarity").observe(time.perf_counter() - started)
        return replace(request, dense=known)

    def _respelt(self, profile: Profile, query: str, candidates: Sequence[Candidate]) -> str:
        found = respelt(query, candidates, profile.encoder.knows)
        if found != query:
            self._metrics.respelt.inc()
        return found

    def _candidates(self, profile: Profile, documents: Sequence[Document]) -> list[Candidate]:
        return self._recognizer.candidates(profile.encoder.template, profile.encoding, documents)

    def _pairs(self, profile: Profile, query: Tokens, candidates: Sequence[Candidate], deadline: float) -> tuple[list[Pair], list[bool]]:
        """What is known of each candidate, from the cache where it is there."""
        asked = _digest(profile.model.encode() + b"\0" + query.tobytes())
        keys = [asked + candidate.digest for candidate in candidates]
        found = self._caches.scores.get_many(keys)
        cached = [pair is not None for pair in found]
        wanted = {key: candidate for key, candidate, pair in zip(keys, candidates, found, strict=True) if pair is None}
        if not wanted:
            return [pair for pair in found if pair is not None], cached
        assert profile.ranker is not None
        started = time.perf_counter()
        fresh = dict(zip(wanted, profile.ranker.rank(query, list(wanted.values()), deadline), strict=True))
        self._metrics.stage.labels("score").observe(time.perf_counter() - started)
        self._caches.scores.put_many(fresh.items())
        return [pair or fresh[key] for key, pair in zip(keys, found, strict=True)], cached

    def _profile(self, name: str) -> Profile:
        self.check_loaded()
        profile = self._profiles.get(name)
        if profile.ranker is None:
            raise Unprocessable(f"profile {name!r} is an embedder: it cannot rank")
        return profile


def _check_time(deadline: float) -> None:
    if time.monotonic() >= deadline:
        raise DeadlineExceeded("the deadline passed before the answer was there")


def pair_bytes(_: Pair) -> int:
    """The size of a score cache's value."""
    return _PAIR_BYTES


def _digest(content: bytes) -> bytes:
    return blake2b(content, digest_size=16).digest()
