"""The loaded models, by profile name: found on disk, checked, warmed, served, and swapped when their directory changes.

Invariants: a profile that serves was checked against its sha256 and warmed; a swap is one assignment, so a request sees the old
model or the new one and never a part of each; a directory that cannot be loaded changes nothing; of several folders the first that
ever had a name serves it, so that no other model steps in while a deploy replaces it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from types import MappingProxyType

import msgspec
import structlog
from tokenizers import Tokenizer

from sidecar.embedder import Embedder
from sidecar.encoding import TextEncoder
from sidecar.errors import InvalidModel, UnknownProfile
from sidecar.manifest import FILE_NAME, Manifest, read_manifest, verify_files
from sidecar.metrics import Metrics
from sidecar.ranker import Ranker

# Name, size and time of every file: what tells that a directory changed.
Fingerprint = tuple[tuple[str, int, int], ...]

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Profile:
    """A loaded model. Exactly one of `ranker` and `embedder` is there."""

    name: str
    manifest: Manifest
    encoder: TextEncoder
    model: str
    # Keys the digests of document texts: two profiles that read texts alike share document tokens.
    encoding: bytes
    ranker: Ranker | None = None
    embedder: Embedder | None = None


LoadProfile = Callable[[str, Path], Profile]


class Profiles:
    """All profiles of the models' folders; one thread loads them and then watches for changes."""

    def __init__(self, folders: Sequence[Path], load: LoadProfile, *, interval_s: float, metrics: Metrics) -> None:
        self._folders = folders
        self._load = load
        self._interval_s = interval_s
        self._metrics = metrics
        self._profiles: Mapping[str, Profile] = MappingProxyType({})
        self._seen: dict[str, Fingerprint] = {}
        self._place: dict[str, int] = {}
        # Why those that failed at the last try did: said once.
        self._failing: dict[str, str] = {}
        self._stopping = threading.Event()
        self.loaded = threading.Event()

    def start(self, looked: Callable[[], None]) -> None:
        """Begin to load; `loaded` is set when every directory was tried once, and `looked` called after each look."""
        threading.Thread(target=self._watch, args=(looked,), name="profiles", daemon=True).start()

    def stop(self) -> None:
        """End the watching."""
        self._stopping.set()

    def get(self, name: str) -> Profile:
        """The profile of that name; raises UnknownProfile."""
        profile = self._profiles.get(name)
        if profile is None:
            raise UnknownProfile(f"no profile {name!r} is loaded: there are {sorted(self._profiles)}")
        return profile

    def all(self) -> list[Profile]:
        """Every loaded profile, by name."""
        return [profile for _, profile in sorted(self._profiles.items())]

    def add(self, profile: Profile) -> None:
        """Serve a loaded profile from now on, in place of the one of its name."""
        before = self._profiles.get(profile.name)
        self._profiles = MappingProxyType({**self._profiles, profile.name: profile})
        if before is not None and before.model != profile.model:
            self._metrics.loaded.labels(profile.name, before.model).set(0)
        self._metrics.loaded.labels(profile.name, profile.model).set(1)

    def refresh(self) -> None:
        """Load every directory that is new or changed. One that vanished keeps serving: a deploy may be replacing it."""
        for place, folder in enumerate(self._folders):
            try:
                directories = [manifest.parent for manifest in sorted(folder.glob(f"*/{FILE_NAME}"))]
            except OSError:
                # A network's file system may fail for a while: that ends neither the service nor the watching.
                _log.exception("models folder not read", folder=str(folder))
                continue
            for directory in directories:
                self._look(directory, place)
        self.loaded.set()

    def _look(self, directory: Path, place: int) -> None:
        """Load a directory that is new or changed, unless an earlier folder has, or had, one of its name."""
        name = directory.name
        try:
            found = fingerprint(directory)
        except OSError:
            _log.exception("model directory not read", directory=str(directory))
            return
        if not found or self._place.get(name, place) < place or (self._place.get(name), self._seen.get(name)) == (place, found):
            return
        self._place[name], self._seen[name] = place, found
        self._try(directory)

    def _watch(self, looked: Callable[[], None]) -> None:
        self.refresh()
        looked()
        while self._interval_s and not self._stopping.wait(self._interval_s):
            self.refresh()
            looked()

    def _try(self, directory: Path) -> None:
        name = directory.name
        try:
            profile = self._load(name, directory)
        except Exception as error:
            if isinstance(error, OSError | MemoryError):
                # A network's file system, or a machine short of memory, may fail for a while: it is tried again at the next look.
                del self._seen[name]
            if self._failing.get(name) != str(error):
                _log.error("model not loaded", profile=name, error=str(error), exc_info=not isinstance(error, InvalidModel))
            self._failing[name] = str(error)
            self._metrics.reloads.labels("failed").inc()
            return
        self._failing.pop(name, None)
        self.add(profile)
        self._metrics.reloads.labels("loaded").inc()
        _log.info("model loaded", profile=name, model=profile.model, kind=profile.manifest.kind)


def open_directory(directory: Path) -> tuple[Manifest, TextEncoder, bytes]:
    """A checked directory's manifest, its encoder, and the key of how it reads texts."""
    manifest = read_manifest(directory)
    verify_files(directory, manifest)
    for needed in ("model.onnx", "tokenizer.json"):
        if needed not in manifest.files:
            raise InvalidModel(f"{directory}: the manifest does not name {needed}")
    encoder = TextEncoder(Tokenizer.from_file(str(directory / "tokenizer.json")), manifest.template.text_template())
    reads = (manifest.files["tokenizer.json"], manifest.template)
    return manifest, encoder, blake2b(msgspec.json.encode(reads), digest_size=16).digest()


def fingerprint(directory: Path) -> Fingerprint:
    """Of a directory's files; empty where it is being replaced right now."""
    try:
        stats = [(path.name, path.stat()) for path in sorted(directory.iterdir()) if path.is_file()]
    except FileNotFoundError:
        return ()
    return tuple((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats)
