"""Model directories measured as the sidecar serves them: scores of held-out lists, and the time of a window of 100 hits.

Invariant: times are of windows whose documents were seen before, with no score answered from a cache.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median

import msgspec

from sidecar.encoding import Fields
from sidecar.log import configure_logging
from training.evaluate.served import Served
from training.experiments.sets import HeldOut

_HITS = 100
_NAME = "measured"


class ServedFigures(msgspec.Struct, frozen=True):
    """Scores by set and list, the median time of 100 hits, and the bytes of the directory's graphs."""

    scores: dict[str, list[list[float]]]
    ms: float
    bytes: int


def measure(directory: Path, tests: Sequence[HeldOut], *, windows: int) -> ServedFigures:
    """Score the held-out sets, and time so many windows of 100 of the first set's documents."""
    configure_logging("error")
    with Served({_NAME: directory}) as served:
        scores = {test.name: _scores(served, test) for test in tests}
        ms = _median_ms(served, tests[0], windows)
    return ServedFigures(scores, ms, sum(path.stat().st_size for path in directory.glob("*.onnx")))


def _scores(served: Served, test: HeldOut) -> list[list[float]]:
    documents = test.documents()
    return [list(served.score(_NAME, item.query, [documents[doc_id] for doc_id in item.doc_ids]).raw) for item in test.lists]


def _median_ms(served: Served, test: HeldOut, windows: int) -> float:
    hits: list[Fields] = list(test.documents().values())[:_HITS]
    queries = [item.query for item in test.lists][:windows]
    served.score(_NAME, queries[0], hits)
    return median(served.score(_NAME, query, hits).ms for query in queries) * _HITS / len(hits)
