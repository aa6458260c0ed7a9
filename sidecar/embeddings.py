"""Vectors of queries and documents by the embedder profile, and what re-ranking takes from them: similarities of known documents.

/v1/embed -> vectors, documents' remembered -> a later window's similarities, without a model run but the query's own
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

from sidecar.backlog import Backlog
from sidecar.batcher import Batcher, Work
from sidecar.cache import Cache
from sidecar.candidates import Candidate, Document, Recognizer
from sidecar.embedder import Embedder
from sidecar.encoding import Fields, Tokens
from sidecar.errors import NotReady, Unprocessable
from sidecar.profiles import Profile, Profiles
from sidecar.vectors import DocumentVectors, similarities

QueryVector = list[float]
# Late enough that everything else goes first.
_NO_HURRY_S = 60.0


@dataclass(frozen=True, slots=True)
class Embedding:
    """Vectors aligned with the texts."""

    vectors: list[QueryVector]
    model: str
    dimension: int


class Embeddings:
    """Embeds by one profile: the one named, or the first embedder there is."""

    def __init__(
        self,
        profiles: Profiles,
        batcher: Batcher,
        recognizer: Recognizer,
        *,
        queries: Cache[QueryVector],
        documents: DocumentVectors,
        profile: str,
    ) -> None:
        self._profiles = profiles
        self._batcher = batcher
        self._recognizer = recognizer
        self._queries = queries
        self._documents = documents
        self._profile = profile
        self.backlog = Backlog(self._embed_candidate)

    def check_ready(self) -> None:
        """Raise NotReady where the settings name an embedder that is not loaded: without a word, fusions would do without similarity."""
        if self._profile and self._found() is None:
            raise NotReady(f"no embedder {self._profile!r} is loaded, which RERANK_EMBEDDER names")

    def stop(self) -> None:
        """Embed nothing more in the background."""
        self.backlog.close()

    def close(self) -> None:
        """Write what is not on disk yet; nothing may embed any more."""
        self._documents.close()

    def embed(self, texts: Sequence[Fields | str], *, query: bool, profile: str | None, deadline: float) -> Embedding:
        """One vector a text."""
        chosen = self._chosen(profile)
        vectors = (
            self._of_queries(chosen, [str(text) for text in texts], deadline) if query else self._of_documents(chosen, texts, deadline)
        )
        return Embedding(vectors, chosen.model, chosen.manifest.hidden_size)

    def similarities(self, query: str, documents: Sequence[Document], *, deadline: float) -> list[float | None]:
        """The cosine of query and each document that was embedded before, None for the others: those are embedded later."""
        found = self._found()
        if found is None:
            return [None] * len(documents)
        candidates = self._recognizer.candidates(found.encoder.template, found.encoding, documents)
        vectors = self._documents.find(found.model, candidates)
        self.backlog.add(found.model, [candidate for candidate, vector in zip(candidates, vectors, strict=True) if vector is None])
        if not any(vector is not None for vector in vectors):
            return [None] * len(documents)
        return similarities(self._of_queries(found, [query], deadline)[0], vectors)

    def _of_queries(self, profile: Profile, texts: Sequence[str], deadline: float) -> list[QueryVector]:
        keys = [blake2b(f"{profile.model}\0{text}".encode(), digest_size=16).digest() for text in texts]
        known = self._queries.get_many(keys)
        unknown = [position for position, vector in enumerate(known) if vector is None]
        fresh = self._run(profile, _embedder(profile).tokens([texts[position] for position in unknown], query=True), deadline)
        self._queries.put_many((keys[position], vector) for position, vector in zip(unknown, fresh, strict=True))
        remaining = iter(fresh)
        return [next(remaining) if vector is None else vector for vector in known]

    def _of_documents(self, profile: Profile, texts: Sequence[Fields | str], deadline: float) -> list[QueryVector]:
        vectors = self._run(profile, _embedder(profile).tokens(texts, query=False), deadline)
        self._documents.remember(profile.model, self._recognizer.candidates(profile.encoder.template, profile.encoding, texts), vectors)
        return vectors

    def _embed_candidate(self, embedder: str, candidate: Candidate) -> None:
        profile = self._found()
        # Another embedder reads texts otherwise: it meets the document again.
        if profile is not None and profile.model == embedder:
            tokens = _embedder(profile).tokens_of([candidate.text])
            self._documents.remember(profile.model, [candidate], self._run(profile, tokens, time.monotonic() + _NO_HURRY_S))

    def _run(self, profile: Profile, tokens: Sequence[Tokens], deadline: float) -> list[QueryVector]:
        embedder = _embedder(profile)
        work = Work(
            model=profile.model,
            items=tokens,
            lengths=[len(ids) for ids in tokens],
            run=lambda batch: embedder.embed(batch).tolist(),
            deadline=deadline,
        )
        return self._batcher.run(work)

    def _chosen(self, name: str | None) -> Profile:
        if not self._profiles.loaded.is_set():
            raise NotReady("the models are being loaded")
        if name or self._profile:
            profile = self._profiles.get(name or self._profile)
            if profile.embedder is None:
                raise Unprocessable(f"profile {profile.name!r} is a ranker: it cannot embed")
            return profile
        found = self._found()
        if found is None:
            raise NotReady("no embedder is loaded")
        return found

    def _found(self) -> Profile | None:
        """The embedder of the settings, or the first one by name; None where none is loaded."""
        embedders = [profile for profile in self._profiles.all() if profile.embedder is not None]
        return next((profile for profile in embedders if self._profile in ("", profile.name)), None)


def _embedder(profile: Profile) -> Embedder:
    assert profile.embedder is not None
    return profile.embedder
