"""The whole path once: catalogue found -> indexed -> pipeline on -> all judged queries sent both ways -> figures.

Invariant: every figure comes from requests that were sent in this run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec
from opensearchpy import OpenSearch

from cluster.compare import Comparison, Summary, compare_judged, mean_ndcg, summarize
from cluster.embedding import Embedder
from cluster.errors import InvalidCatalogue
from cluster.judgments import JudgedQuery
from cluster.queries import Shape, client_body

Advance = Callable[[int], None]


class _Split(msgspec.Struct, frozen=True):
    test: frozenset[str]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """A folder's catalogue and, where it has them, its judgments and which of their queries no model was trained on."""

    products: Path
    judgments: Path | None
    test_queries: frozenset[str] = frozenset()


def find_catalogue(folder: Path) -> Catalogue:
    """`products.jsonl` and `judgments.json`, either of them with `.gz`; raises InvalidCatalogue where there are no products."""
    products = _first(folder, "products.jsonl", "products.jsonl.gz", "products.csv", "products.csv.gz")
    if products is None:
        raise InvalidCatalogue(f"{folder} holds no products.jsonl, products.csv, or the same with .gz")
    split = _first(folder, "split.json")
    test_queries = msgspec.json.decode(split.read_bytes(), type=_Split).test if split else frozenset()
    return Catalogue(products, _first(folder, "judgments.json", "judgments.json.gz"), test_queries)


def send_judged(
    client: OpenSearch, index: str, *, judged: Sequence[JudgedQuery], shapes: Sequence[Shape], embedder: Embedder, advance: Advance
) -> dict[Shape, list[Comparison]]:
    """Send every judged query in every shape, both ways."""
    sent: dict[Shape, list[Comparison]] = {}
    for shape in shapes:
        body = partial(client_body, shape, embedder=embedder)
        sent[shape] = compare_judged(client, index, judged=judged, body=body, advance=advance)
    return sent


def summaries(sent: Mapping[Shape, list[Comparison]], judged: Sequence[JudgedQuery], test_queries: Set[str]) -> dict[str, Summary]:
    """Figures by kind of request, of all queries and, where the catalogue names them, of the test queries alone."""
    found: dict[str, Summary] = {}
    for shape, comparisons in sent.items():
        parts = {shape: comparisons, f"{shape}, test queries": [each for each in comparisons if each.query in test_queries]}
        found |= {label: summarize(part, judged) for label, part in parts.items() if part}
    return found


def most_changed(comparisons: Sequence[Comparison], judged: Sequence[JudgedQuery], count: int) -> list[Comparison]:
    """The comparisons whose NDCG@10 changed most, for better or worse."""

    def change(each: Comparison) -> float:
        before, after = ({each.query: page} for page in (each.first_pass, each.reranked))
        return abs(mean_ndcg(after, judged) - mean_ndcg(before, judged))

    return sorted(comparisons, key=change, reverse=True)[:count]


def _first(folder: Path, *names: str) -> Path | None:
    return next((folder / name for name in names if (folder / name).is_file()), None)
