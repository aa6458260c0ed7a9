"""What a decomposed model keeps of a document: its tokens and their states, and how both are written as bytes.

Invariant: a record is read back as it was written or not at all: its checksum covers every byte after it.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sidecar.encoding import DocumentTokens
from sidecar.store import Codec

# Checksum; tokens, title's tokens, states (tokens and [SEP]), width.
_HEADER = struct.Struct("<IHHHH")
_CHECKED = 4


@dataclass(frozen=True, slots=True, eq=False)
class DocumentStates:
    """int8 states [length, width] with a float32 scale a token, and the tokens themselves for the overlap features."""

    tokens: DocumentTokens
    states: npt.NDArray[np.int8]
    scales: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.scales)

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays."""
        return int(self.states.nbytes + self.scales.nbytes + self.tokens.ids.nbytes)


def pack(document: DocumentStates) -> bytes:
    """The record of a document."""
    length, width = document.states.shape
    header = _HEADER.pack(0, len(document.tokens.ids), document.tokens.title, length, width)
    arrays = (document.tokens.ids.astype(np.int32), document.scales, document.states)
    content = header[_CHECKED:] + b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)
    return zlib.crc32(content).to_bytes(_CHECKED, "little") + content


def unpack(record: bytes) -> DocumentStates | None:
    """The document of a record; None where the record is damaged."""
    if len(record) < _HEADER.size or zlib.crc32(memoryview(record)[_CHECKED:]) != int.from_bytes(record[:_CHECKED], "little"):
        return None
    _, tokens, title, length, width = _HEADER.unpack_from(record)
    scales_at = _HEADER.size + 4 * tokens
    states_at = scales_at + 4 * length
    ids = np.frombuffer(record, np.int32, tokens, _HEADER.size).astype(np.int64)
    scales = np.frombuffer(record, np.float32, length, scales_at)
    states = np.frombuffer(record, np.int8, length * width, states_at).reshape(length, width)
    return DocumentStates(DocumentTokens(ids, title), states, scales)


STATES = Codec(pack, unpack)
