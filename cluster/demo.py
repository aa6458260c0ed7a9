"""The whole path once: catalogue found -> indexed -> pipeline on -> all judged queries sent both ways -> figures.

Invariant: every figure comes from requests that were sent in this run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from opensearchpy import OpenSearch

from cluster.compare import Comparison, Summary, compare_judged, mean_ndcg, summarize
from cluster.embedding import Embedder
from cluster.errors import InvalidCatalogue
from cluster.judgments import JudgedQuery
from cluster.queries import Shape, client_body

Advance = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """A folder's catalogue and, where it has them, its judgments."""

    products: Path
    judgments: Path | None


def find_catalogue(folder: Path) -> Catalogue:
    """`products.jsonl` and `judgments.json`, either of them with `.gz`; raises InvalidCatalogue where there are no products."""
    products = _first(folder, "products.jsonl", "products.jsonl.gz", "products.csv", "products.csv.gz")
    if products is None:
        raise InvalidCatalogue(f"{folder} holds no products.jsonl, products.csv, or the same with .gz")
    return Catalogue(products, _first(folder, "judgments.json", "judgments.json.gz"))


def show_judged(
    client: OpenSearch, index: str, *, judged: Sequence[JudgedQuery], shapes: Sequence[Shape], embedder: Embedder, advance: Advance
) -> tuple[dict[Shape, Summary], list[Comparison]]:
    """Send every judged query in every shape, both ways: figures by shape, and the comparisons of the first shape."""
    if not judged:
        return {}, []
    by_shape: dict[Shape, list[Comparison]] = {}
    for shape in shapes:
        body = partial(client_body, shape, embedder=embedder)
        by_shape[shape] = compare_judged(client, index, judged=judged, body=body, advance=advance)
    summaries = {shape: summarize(comparisons, judged) for shape, comparisons in by_shape.items()}
    return summaries, by_shape[shapes[0]]


def most_changed(comparisons: Sequence[Comparison], judged: Sequence[JudgedQuery], count: int) -> list[Comparison]:
    """The comparisons whose NDCG@10 changed most, for better or worse."""

    def change(each: Comparison) -> float:
        before, after = ({each.query: page} for page in (each.first_pass, each.reranked))
        return abs(mean_ndcg(after, judged) - mean_ndcg(before, judged))

    return sorted(comparisons, key=change, reverse=True)[:count]


def _first(folder: Path, *names: str) -> Path | None:
    return next((folder / name for name in names if (folder / name).is_file()), None)
