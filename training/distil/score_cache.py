"""Teachers' logits, each computed once for a network and kept on disk: a labelling that was cut off goes on where it stopped.

Invariant: a logit's key is the network's weights, how it reads texts, the query and the document's fields, so that it never goes stale.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from hashlib import blake2b, file_digest
from pathlib import Path
from types import TracebackType

import lmdb
import msgspec

from training.batches import TrainingList
from training.data.lists import Catalogue
from training.run_file import RunFile

Logits = tuple[float, ...]
_FLOAT = struct.Struct("<f")
# Address space, not disk: LMDB's file grows with what is in it.
_MAP_BYTES = 8 * 1024**3


# Counts up where the same weights come to give other logits: 2 since heads are computed in 32 bits.
_ARITHMETIC = b"2"


def network_key(run: RunFile, checkpoint: Path) -> bytes:
    """What tells one network from another: the weights and the tokenizer of its checkpoint, its shape and its text template."""
    digests = b""
    for name in ("model.safetensors", "tokenizer.json"):
        with (checkpoint / name).open("rb") as file:
            digests += file_digest(file, "sha256").digest()
    return blake2b(_ARITHMETIC + digests + msgspec.json.encode((run.model, run.template)), digest_size=16).digest()


class ScoreCache:
    """Logits of one network by query and document, in an LMDB folder that networks share."""

    def __init__(self, folder: Path, network: bytes) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._network = network
        self._environment = lmdb.open(str(folder), map_size=_MAP_BYTES)

    def __enter__(self) -> ScoreCache:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._environment.close()

    def logits(self, item: TrainingList, documents: Catalogue) -> Logits | None:
        """The logits of a list's hits; None where any is unknown: a list is scored as a whole."""
        with self._environment.begin() as transaction:
            found = [transaction.get(key) for key in self._keys(item, documents)]
        return None if None in found else tuple(_FLOAT.unpack(bytes(record))[0] for record in found if record is not None)

    def keep(self, items: Sequence[TrainingList], documents: Catalogue, logits: Sequence[Logits]) -> None:
        """Remember the logits of lists."""
        with self._environment.begin(write=True) as transaction:
            for item, row in zip(items, logits, strict=True):
                for key, value in zip(self._keys(item, documents), row, strict=True):
                    transaction.put(key, _FLOAT.pack(value))

    def _keys(self, item: TrainingList, documents: Catalogue) -> list[bytes]:
        fields = [msgspec.json.encode((item.query, documents[doc_id])) for doc_id in item.doc_ids]
        return [blake2b(body, key=self._network, digest_size=16).digest() for body in fields]
