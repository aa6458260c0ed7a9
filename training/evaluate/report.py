"""What an evaluation found, as frozen data: the console, the HTML page and `report.json` all show this and compute nothing.

Invariant: but for latencies, the same data and models give the same report.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from training.metrics.significance import Comparison


@dataclass(frozen=True, slots=True)
class SystemReport:
    """One line: means by metric, and a model's difference in NDCG@10 to the best first pass.

    `served` is false for a part of what a model's manifest makes the service answer; such lines have a correction of their own.
    """

    name: str
    model: str | None
    first_pass: str
    served: bool
    means: Mapping[str, float]
    difference: Comparison | None


@dataclass(frozen=True, slots=True)
class ModeReport:
    """Full retrieval, or judged documents alone. `baseline` is the best first pass by NDCG@10."""

    baseline: str
    systems: tuple[SystemReport, ...]

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics' names, in the order of the table."""
        return tuple(self.systems[0].means)

    @property
    def models(self) -> tuple[SystemReport, ...]:
        """The models as they are served."""
        return tuple(system for system in self.systems if system.model is not None and system.served)

    def row(self, name: str) -> SystemReport | None:
        """The system of this name, where it was measured."""
        return next((system for system in self.systems if system.name == name), None)


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds of one request for a window of hits, on this machine, in this run."""

    model: str
    kind: str
    first_median_ms: float
    first_p95_ms: float
    known_median_ms: float
    known_p95_ms: float
    first_requests: int
    known_requests: int


@dataclass(frozen=True, slots=True)
class SliceRow:
    """The queries of one kind: mean NDCG@10 by system, and models' differences to the baseline with intervals (not corrected)."""

    slice: str
    value: str
    queries: int
    means: Mapping[str, float]
    differences: Mapping[str, tuple[float, float, float]]


@dataclass(frozen=True, slots=True)
class PageHit:
    """One hit of a page; `grade` is none where nobody judged it."""

    doc_id: str
    title: str
    grade: int | None


@dataclass(frozen=True, slots=True)
class TwoPages:
    """A query's first page by the baseline and by a model, and NDCG@10 of both."""

    query: str
    baseline_ndcg: float
    system_ndcg: float
    baseline: tuple[PageHit, ...]
    system: tuple[PageHit, ...]


@dataclass(frozen=True, slots=True)
class Extremes:
    """The queries that a model changes most, for the worse and for the better."""

    worst: tuple[TwoPages, ...]
    best: tuple[TwoPages, ...]


@dataclass(frozen=True, slots=True)
class ServedRow:
    """The cluster's own pages of a search: as the first pass leaves them (`pipeline` none), or as a pipeline makes them.

    `difference` is in NDCG@10 to the same search without re-ranking; `reasons` says why pages were not re-ranked; `neighbours` are the
    hits of a window that only the vector search found, on average; times are what re-ranking added, in milliseconds, with time enough,
    and `late` counts the pages that the pipeline's own deadline would have left as they were.
    """

    search: str
    pipeline: str | None
    ndcg: float
    difference: Comparison | None
    pages: int
    reranked: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict)
    neighbours: float = 0.0
    median_ms: float | None = None
    p95_ms: float | None = None
    deadline_ms: int | None = None
    late: int = 0


@dataclass(frozen=True, slots=True)
class SetReport:
    """One judged set. `by_query` holds each query's NDCG@10 by query id and system, `query_texts` what the ids stand for."""

    name: str
    part: str
    source: str
    notes: tuple[str, ...]
    documents: int
    queries: int
    judged_pairs: int
    grades: Mapping[int, int]
    relevant_from: int
    window: int
    full: ModeReport
    judged: ModeReport
    depths: Mapping[str, Mapping[int, float]]
    slices: tuple[SliceRow, ...]
    latencies: tuple[Latency, ...]
    extremes: Mapping[str, Extremes]
    by_query: Mapping[str, Mapping[str, float]]
    query_texts: Mapping[str, str]
    served: tuple[ServedRow, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelReport:
    """A model as its manifest describes it, with the user's own mark (`--label`)."""

    name: str
    key: str
    kind: str
    layers: int
    base: str
    fusion: Mapping[str, float] | None
    trained_on: tuple[str, ...]
    label: str


@dataclass(frozen=True, slots=True)
class Report:
    """All sets and models of one evaluation."""

    models: tuple[ModelReport, ...]
    sets: tuple[SetReport, ...]

    @property
    def systems(self) -> tuple[str, ...]:
        """Every system's name, in order of first appearance."""
        return tuple(dict.fromkeys(system.name for judged in self.sets for system in judged.full.systems))

    def model_of(self, system: str) -> str | None:
        """The model that a system is made by; none for a first pass."""
        return next((row.model for judged in self.sets if (row := judged.full.row(system))), None)

    def label_of(self, system: str) -> str:
        """The mark of a system's model."""
        return next((model.label for model in self.models if model.name == self.model_of(system)), "")
