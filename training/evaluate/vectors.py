"""Documents -> vectors, each computed once for a model and kept on disk: a catalogue is embedded by its first evaluation only.

Invariant: a vector's key is the model's key and the document's fields, so that it never goes stale.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path

import lmdb
import msgspec
import numpy as np
import numpy.typing as npt

from cluster.embedding import Embedder
from sidecar.encoding import Fields

Vectors = npt.NDArray[np.float32]
_CHUNK = 64
# Address space, not disk: LMDB's file grows with what is in it.
_MAP_BYTES = 8 * 1024**3


class VectorCache:
    """Documents' vectors of one embedder, in an LMDB folder."""

    def __init__(self, folder: Path, embedder: Embedder) -> None:
        self._model = embedder.model()
        self._embedder = embedder
        folder.mkdir(parents=True, exist_ok=True)
        self._environment = lmdb.open(str(folder), map_size=_MAP_BYTES)

    def documents(self, bodies: Sequence[Fields], advance: Callable[[int], None]) -> Vectors:
        """float32 [documents, dimension]; `advance` is told of documents done."""
        return np.concatenate([self._chunk(bodies[start : start + _CHUNK], advance) for start in range(0, len(bodies), _CHUNK)])

    def close(self) -> None:
        """Let go of the files."""
        self._environment.close()

    def _chunk(self, bodies: Sequence[Fields], advance: Callable[[int], None]) -> Vectors:
        keys = [blake2b(msgspec.json.encode((self._model, body)), digest_size=16).digest() for body in bodies]
        with self._environment.begin() as transaction:
            found = [transaction.get(key) for key in keys]
        unknown = [position for position, record in enumerate(found) if record is None]
        if unknown:
            fresh = np.asarray(self._embedder.documents([bodies[position] for position in unknown]), dtype=np.float32)
            with self._environment.begin(write=True) as transaction:
                for position, vector in zip(unknown, fresh, strict=True):
                    found[position] = vector.tobytes()
                    transaction.put(keys[position], vector.tobytes())
        advance(len(bodies))
        return np.stack([np.frombuffer(bytes(record), dtype=np.float32) for record in found if record is not None])


def similarities(cache: VectorCache, embedder: Embedder, query: str, documents: Mapping[str, Fields]) -> dict[str, float]:
    """Cosines of a query to documents by their ids: what a sidecar that has met them knows, whatever vectors an index holds."""
    if not documents:
        return {}
    vectors = cache.documents(list(documents.values()), _untold)
    cosines: Vectors = vectors @ np.asarray(embedder.query(query), dtype=np.float32)
    return dict(zip(documents, cosines.tolist(), strict=True))


def _untold(_done: int) -> None:
    """Nobody waits for so few."""
