"""Retrievers' vectors, each computed once for a network and kept on disk: a labelling that was cut off embeds its catalogue no second time.

Invariant: a vector's key is the network's weights, its pooling and the text's tokens, so that it never goes stale.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b, file_digest
from pathlib import Path
from types import TracebackType

import lmdb
import numpy as np
import torch

from sidecar.encoding import Tokens

# Address space, not disk: LMDB's file grows with what is in it.
_MAP_BYTES = 8 * 1024**3


def encoder_key(weights: Path, pooling: str) -> bytes:
    """What tells one network from another."""
    with weights.open("rb") as file:
        return file_digest(file, "sha256").digest() + pooling.encode()


class VectorCache:
    """float32 vectors of tokenized texts, in an LMDB folder that networks share."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._environment = lmdb.open(str(folder), map_size=_MAP_BYTES)

    def __enter__(self) -> VectorCache:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._environment.close()

    def vectors(self, network: bytes, texts: Sequence[Tokens]) -> torch.Tensor | None:
        """[texts, width]; None where any is unknown: a batch is embedded as a whole, and so to the same digits as without a cache."""
        with self._environment.begin() as transaction:
            found = [transaction.get(key) for key in _keys(network, texts)]
        return None if None in found else torch.stack([torch.frombuffer(bytearray(row), dtype=torch.float32) for row in found if row])

    def keep(self, network: bytes, texts: Sequence[Tokens], vectors: torch.Tensor) -> None:
        """Remember vectors."""
        with self._environment.begin(write=True) as transaction:
            for key, row in zip(_keys(network, texts), vectors.cpu().numpy(), strict=True):
                transaction.put(key, row.astype(np.float32).tobytes())


def _keys(network: bytes, texts: Sequence[Tokens]) -> list[bytes]:
    secret = blake2b(network, digest_size=32).digest()
    return [blake2b(np.asarray(tokens, np.int64).tobytes(), key=secret, digest_size=16).digest() for tokens in texts]
