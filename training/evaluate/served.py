"""Model directories -> scores and vectors, by the sidecar's own engine: its loading, encoding, batching and fusion.

Invariant: a score is never answered from a cache, so that every timing is of work that was done.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from sidecar.config import Settings
from sidecar.embeddings import QueryVector
from sidecar.encoding import Fields
from sidecar.errors import InvalidModel
from sidecar.factory import make_engine
from sidecar.fusion import CROSS_ENCODER, TEXT_OVERLAP, TITLE_OVERLAP
from sidecar.manifest import Manifest
from sidecar.metrics import Metrics
from sidecar.profiles import open_directory
from sidecar.ranker import Pair
from sidecar.ranking import Ranking, RankRequest

EMBEDDER = "embedder"
# Nobody waits for an evaluation's requests: only a hung model meets this.
_DEADLINE_S = 600.0
_CACHE_MB = 512


@dataclass(frozen=True, slots=True)
class Scored:
    """What one request answered, in the documents' order: the pairs, the scores as served before their transform, and how long it took."""

    pairs: tuple[Pair, ...]
    raw: tuple[float, ...]
    ms: float


class Served:
    """Rankers by name and, where one is given, an embedder, loaded as the service loads them."""

    def __init__(self, models: Mapping[str, Path], embedder: Path | None = None) -> None:
        directories = {**models, **({EMBEDDER: embedder} if embedder is not None else {})}
        self.manifests = {name: _checked(directory, embeds=name == EMBEDDER) for name, directory in directories.items()}
        self._folder = tempfile.TemporaryDirectory(prefix="rerank-models-")
        for name, directory in directories.items():
            (Path(self._folder.name) / name).symlink_to(directory.absolute(), target_is_directory=True)
        settings = Settings(
            models=(Path(self._folder.name),),
            score_cache_mb=0,
            document_cache_mb=_CACHE_MB,
            state_cache_mb=4 * _CACHE_MB,
            store=None,
            embedder=EMBEDDER,
            reload_interval_s=0,
        )
        self._engine = make_engine(settings, Metrics())
        self._engine.refresh()
        missing = set(directories) - {profile.name for profile in self._engine.profiles()}
        if missing:
            self.close()
            raise InvalidModel(f"{', '.join(sorted(missing))} could not be loaded: the reason is logged above")

    @property
    def rankers(self) -> list[str]:
        """The rankers' names, in the order given."""
        return [name for name in self.manifests if name != EMBEDDER]

    def read(self, query: str, documents: Sequence[Fields]) -> str:
        """The query as models read it among these documents (sidecar.spelling), by the first one's vocabulary."""
        return self._engine.read(query, documents, profile=self.rankers[0]) if self.rankers and documents else query

    def score(
        self,
        model: str,
        query: str,
        documents: Sequence[Fields],
        first_pass: Sequence[float | None] | None = None,
        dense: Sequence[float | None] | None = None,
    ) -> Scored:
        """Rank the documents for the query, as a request of `/v1/hits` does, whatever kind of query the manifest turns off."""
        unknown = [None] * len(documents)
        started = time.perf_counter()
        ranking = self._engine.rank(
            RankRequest(
                query=query,
                documents=list(documents),
                first_pass=unknown if first_pass is None else list(first_pass),
                dense=unknown if dense is None else list(dense),
                profile=model,
                deadline=time.monotonic() + _DEADLINE_S,
                own=False,
            )
        )
        return Scored(_pairs(ranking), tuple(ranking.raw), (time.perf_counter() - started) * 1000)

    def model(self) -> str:
        """The embedder's key: with `documents` and `query`, the shape of `cluster.embedding.Embedder`."""
        return self.manifests[EMBEDDER].key

    def documents(self, bodies: Sequence[Fields]) -> list[QueryVector]:
        """One unit vector a document."""
        return self._embed(bodies, query=False)

    def query(self, text: str) -> QueryVector:
        """The unit vector of a query."""
        return self._embed([text], query=True)[0]

    def _embed(self, texts: Sequence[Fields | str], *, query: bool) -> list[QueryVector]:
        return self._engine.embed(texts, query=query, profile=EMBEDDER, deadline=time.monotonic() + _DEADLINE_S).vectors

    def close(self) -> None:
        """End the engine's threads."""
        self._engine.stop(grace_s=1.0)
        self._folder.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _checked(directory: Path, *, embeds: bool) -> Manifest:
    manifest, _, _ = open_directory(directory)
    if embeds != (manifest.kind == "embedder"):
        wanted = "an embedder" if embeds else "a ranker"
        raise InvalidModel(f"{directory} is of kind {manifest.kind}, expected {wanted}: rankers go to --models, embedders to --embedder")
    return manifest


def _pairs(ranking: Ranking) -> tuple[Pair, ...]:
    columns = (ranking.features[name].tolist() for name in (CROSS_ENCODER, TITLE_OVERLAP, TEXT_OVERLAP))
    return tuple(Pair(*values) for values in zip(*columns, strict=True))
