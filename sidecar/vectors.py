"""Vectors of documents as the embedder made them, remembered by text: a window's similarity to its query costs no model run.

Invariants: keyed by embedder and text, so that a changed document or embedder never meets an old vector; a document that was never
embedded has no similarity, which fusion reads as neutral.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

from sidecar.cache import Cache
from sidecar.candidates import Candidate
from sidecar.store import Codec, DocumentStore

# float16: a cosine moves by less than 0.001, and a million products take half the room.
DocumentVector = npt.NDArray[np.float16]
_CHECKSUM = 4


def pack(vector: DocumentVector) -> bytes:
    """The record of a vector."""
    content = vector.tobytes()
    return zlib.crc32(content).to_bytes(_CHECKSUM, "little") + content


def unpack(record: bytes) -> DocumentVector | None:
    """The vector of a record; None where the record is damaged."""
    content = memoryview(record)[_CHECKSUM:]
    if len(record) <= _CHECKSUM or zlib.crc32(content) != int.from_bytes(record[:_CHECKSUM], "little"):
        return None
    return np.frombuffer(content, np.float16)


VECTORS = Codec(pack, unpack)


class DocumentVectors:
    """The vectors of one worker: in memory, and in the store where there is one."""

    def __init__(self, cache: Cache[DocumentVector], store: DocumentStore[DocumentVector] | None) -> None:
        self._cache = cache
        self._store = store

    def remember(self, embedder: str, candidates: Sequence[Candidate], vectors: Sequence[Sequence[float]]) -> None:
        """Keep vectors of documents, aligned with them."""
        items = [(key, np.asarray(vector, dtype=np.float16)) for key, vector in zip(_keys(embedder, candidates), vectors, strict=True)]
        self._cache.put_many(items)
        if self._store is not None:
            self._store.put_soon(items)

    def find(self, embedder: str, candidates: Sequence[Candidate]) -> list[DocumentVector | None]:
        """The vector of each document, None where it was never embedded."""
        keys = _keys(embedder, candidates)
        found = self._cache.get_many(keys)
        unknown = [position for position, vector in enumerate(found) if vector is None]
        if unknown and self._store is not None:
            stored = self._store.get_many([keys[position] for position in unknown])
            self._cache.put_many((keys[at], vector) for at, vector in zip(unknown, stored, strict=True) if vector is not None)
            for position, vector in zip(unknown, stored, strict=True):
                found[position] = vector
        return found

    def close(self) -> None:
        """Write what is waiting."""
        if self._store is not None:
            self._store.close()


def similarities(query: Sequence[float], documents: Sequence[DocumentVector | None]) -> list[float | None]:
    """The cosine of each document with the query, None where its vector is unknown; all vectors have length 1."""
    known = [vector for vector in documents if vector is not None]
    cosines = iter((np.stack(known).astype(np.float32) @ np.asarray(query, dtype=np.float32)).tolist() if known else [])
    return [None if vector is None else next(cosines) for vector in documents]


def _keys(embedder: str, candidates: Sequence[Candidate]) -> list[bytes]:
    model = blake2b(embedder.encode(), digest_size=16).digest()
    return [model + candidate.digest for candidate in candidates]
