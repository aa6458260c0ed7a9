"""What the user named -> judged sets, loaded models and a source for each set: shared by `rerank evaluate` and `rerank fuse`.

Invariant: what cannot work is refused before anything slow begins, with the file or the option to change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from cluster.connection import connected
from cluster.errors import ClusterError, InvalidCatalogue
from sidecar.encoding import Fields
from training.data.lists import QueryList
from training.distil.retrievers import Retriever
from training.evaluate.candidates import Source
from training.evaluate.judged import JudgedSet, OwnFiles, Split, limited, read_folder, read_own
from training.evaluate.memory import DenseVectors, embed_catalogue, in_memory
from training.evaluate.node import Node, Searches
from training.evaluate.served import EMBEDDER, Served
from training.evaluate.vectors import VectorCache, similarities

# Shows a label and a total; moved by the function that it yields.
Progress = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]
_PROBED = 10
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Selection:
    """The judged data: folders, each with its preset (none: recognised) and part, and a shop's own files."""

    folders: tuple[Path, ...]
    presets: tuple[str, ...] = ()
    splits: tuple[Split, ...] = ("test",)
    own: OwnFiles | None = None
    limit: int | None = None

    def read(self) -> list[JudgedSet]:
        """All judged sets, names made distinct."""
        count = len(self.folders) + (self.own is not None)
        if not count:
            raise InvalidCatalogue("no data: name a data folder (--data) or a judgments file (--judgments)")
        # What is named beyond the folders' parts are parts of the own files.
        splits = list(self.splits) if self.own is not None and len(self.splits) > count else spread(self.splits, count, "--split")
        presets = spread(self.presets, len(self.folders), "--preset") if self.presets else [None] * len(self.folders)
        found = [read_folder(*each) for each in zip(self.folders, splits, presets, strict=False)]
        if self.own is not None:
            found += [read_own(self.own, part) for part in splits[len(self.folders) :]]
        return distinct([limited(judged, self.limit) for judged in found])


@dataclass(frozen=True, slots=True)
class Place:
    """Where first passes run: a node's indices, one for all sets or one for each (none: by the set's kind), or memory (no URL)."""

    url: str | None
    indices: tuple[str, ...] = ()
    cache: Path = Path("var/evaluate")
    searches: Searches = field(default_factory=Searches)

    def index_of(self, judged: JudgedSet, position: int, count: int) -> str:
        """The index that holds a set."""
        if self.indices:
            return spread(self.indices, count, "--index")[position]
        return "content" if judged.name == "msrd" else "products"


@contextmanager
def sources(place: Place, sets: Sequence[JudgedSet], served: Served, progress: Progress) -> Iterator[list[Source]]:
    """One source a set, checked to hold judged documents."""
    with ExitStack() as stack:
        cache = VectorCache(place.cache / "vectors", served) if EMBEDDER in served.manifests else None
        if cache is not None:
            stack.callback(cache.close)
        if place.url is None:
            found: list[Source] = _in_memory(sets, served, cache, progress)
        else:
            client = stack.enter_context(connected(place.url))
            embedder, similar = (served, partial(similarities, cache, served)) if cache is not None else (None, None)
            names = [place.index_of(judged, position, len(sets)) for position, judged in enumerate(sets)]
            found = [Node(client, name, embedder, place.searches, similar) for name in names]
        for source, judged in zip(found, sets, strict=True):
            check_documents(source, judged.queries, judged.name, "evaluate --offline")
            check_fields(source, judged.queries, judged.name)
        yield found


def check_documents(source: Source, queries: Sequence[QueryList], name: str, instead: str) -> None:
    """Raises ClusterError where the source has none of the judged documents; `instead` is what else the user may do."""
    if not any(_probed(source, queries)):
        raise ClusterError(
            f"{source.describe()}: none of {sum(len(query.doc_ids) for query in queries):,} judged documents of {name} is there. "
            f"Index its catalogue first (`rerank index FILE --index NAME`), name another index (--index), or {instead}"
        )


def check_fields(source: Source, queries: Sequence[QueryList], name: str) -> None:
    """Raises ClusterError where nothing is read of the judged documents: models would be measured on empty texts."""
    if not any(any(found.values()) for found in _probed(source, queries)):
        raise ClusterError(
            f"{source.describe()}: the judged documents of {name} are there, and no model reads any of their fields. `fields` of a "
            "pipeline says which of yours are title, brand and the rest: make it the index's default pipeline, or name it (--pipeline)"
        )


def _probed(source: Source, queries: Sequence[QueryList]) -> Iterator[Mapping[str, Fields]]:
    """Judged documents of some queries at a time, so that a source that has them answers once."""
    for start in range(0, len(queries), _PROBED):
        yield source.fields([doc_id for query in queries[start : start + _PROBED] for doc_id in query.doc_ids])


def spread(values: Sequence[Value], count: int, option: str) -> list[Value]:
    """One value for each: a single one serves all."""
    if len(values) == 1:
        return list(values) * count
    if len(values) != count:
        raise ClusterError(f"{option} is given {len(values)} times for {count} data sets: give it once, or once for each in the same order")
    return list(values)


def distinct(sets: Sequence[JudgedSet]) -> list[JudgedSet]:
    """Sets of one name get numbers, as reports go by name."""
    seen: dict[str, int] = {}
    named = []
    for judged in sets:
        seen[judged.name] = seen.get(judged.name, 0) + 1
        number = seen[judged.name]
        named.append(judged if number == 1 else replace(judged, name=f"{judged.name} {number}"))
    return named


def _in_memory(sets: Sequence[JudgedSet], served: Served, cache: VectorCache | None, progress: Progress) -> list[Source]:
    found: list[Source] = []
    for judged in sets:
        if not judged.catalogue:
            raise InvalidCatalogue(f"{judged.name}: --offline needs the catalogue: name it with --catalogue")
        dense: Retriever | None = None
        if cache is not None:
            with progress(f"embedding {judged.name}", len(judged.catalogue)) as advance:
                dense = DenseVectors(embed_catalogue(judged.catalogue, cache, advance), served)
        found.append(in_memory(judged.catalogue, dense))
    return found
