"""What a result depends on, told by content: the files of a folder, and what a model directory answers with.

Invariant: the same bytes are the same key wherever they lie and whenever they were written; a file is read once a process.
"""

from __future__ import annotations

from collections.abc import Set
from functools import lru_cache
from hashlib import blake2b, file_digest
from pathlib import Path

from sidecar.manifest import Fusion, read_manifest


def folder_key(*folders: Path, suffixes: Set[str] | None = None) -> str:
    """A digest of the files that lie in folders, hidden ones left out: their names and their bytes; of those with these suffixes alone,
    where some are given.
    """
    digest = blake2b(digest_size=8)
    for folder in folders:
        for path in sorted(folder.glob("[!.]*")):
            if path.is_file() and (suffixes is None or path.suffix in suffixes):
                found = path.stat()
                digest.update(path.name.encode() + b"\0" + _file_digest(path, found.st_size, found.st_mtime_ns))
    return digest.hexdigest()


def file_key(path: Path) -> str:
    """A digest of a file's bytes."""
    found = path.stat()
    return _file_digest(path, found.st_size, found.st_mtime_ns).hex()


def model_key(directory: Path) -> tuple[str, Fusion | None]:
    """What a model directory answers with: its graphs and its template (the key of the sidecar's caches), and its fusion.

    Figures on its card are left out: `rerank evaluate --annotate` changes no answer.
    """
    manifest = read_manifest(directory)
    return manifest.key, manifest.fusion


@lru_cache(maxsize=64)
def _file_digest(path: Path, _size: int, _written_at: int) -> bytes:
    """Once a process: an experiment asks for its sets again and again."""
    with path.open("rb") as file:
        return file_digest(file, lambda: blake2b(digest_size=16)).digest()
