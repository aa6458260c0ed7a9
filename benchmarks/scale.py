"""`rerank bench scale`: what scoring costs against window, text length, layers and cores, and how near it comes to the int8 peak.

a graph and token arrays -> sidecar.batcher, as in the service -> milliseconds of one request
Invariant: one dimension moves at a time; everything is measured once a round, in turn, so that a disturbance meets all points alike.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from matplotlib.figure import Figure
from tokenizers import Tokenizer

from benchmarks.machine import this_machine
from benchmarks.peak import Network, int8_peak
from benchmarks.report import Cell, Report, Table
from benchmarks.samples import Spread, number, spread
from sidecar.backends.onnx import OnnxGraph
from sidecar.batcher import Batcher, Work
from sidecar.config import Settings, available_cores
from sidecar.encoding import TextEncoder, Tokens
from sidecar.manifest import Manifest, read_manifest
from sidecar.metrics import Metrics
from sidecar.scorer import CrossEncoder, finite

Advance = Callable[[int], None]
QUERY_TOKENS = 6
_SPECIAL = 3


@dataclass(frozen=True, slots=True)
class Point:
    """One setting of the four dimensions; `tokens` of a document."""

    dimension: str
    window: int
    tokens: int
    layers: int
    threads: int

    def pair_tokens(self) -> int:
        """Tokens of a pair."""
        return self.tokens + QUERY_TOKENS + _SPECIAL


@dataclass(frozen=True, slots=True)
class Plan:
    """The values along each dimension, and where the others stand meanwhile."""

    base: Point
    windows: Sequence[int] = (10, 20, 50, 100, 200)
    tokens: Sequence[int] = (16, 32, 48, 64, 88)
    layers: Sequence[int] = (1, 2, 3, 4, 6)
    threads: Sequence[int] = field(default_factory=lambda: range(1, available_cores() + 1))

    def points(self) -> list[Point]:
        """All points, dimension by dimension."""
        base = self.base
        return [
            *(Point("window", value, base.tokens, base.layers, base.threads) for value in self.windows),
            *(Point("document tokens", base.window, value, base.layers, base.threads) for value in self.tokens),
            *(Point("layers", base.window, base.tokens, value, base.threads) for value in self.layers if value <= base.layers),
            *(Point("threads", base.window, base.tokens, base.layers, value) for value in self.threads),
        ]


def bench_scale(model: Path, plan: Plan, *, rounds: int, quick: bool, settings: dict[str, Any], advance: Advance) -> Report:
    """All points, in turn, `rounds` times; the peak before and after."""
    machine = this_machine()
    points = plan.points()
    with tempfile.TemporaryDirectory(prefix="rerank-scale-") as folder, _runners(model, points, Path(folder)) as runners:
        times: dict[Point, list[float]] = {point: [] for point in points}
        peaks = {count: [int8_peak(count)] for count in plan.threads}
        for number_of_round in range(rounds + 1):
            for point in points:
                ms = runners(point)
                # The first round is not counted: it pays for what is made once.
                if number_of_round:
                    times[point].append(ms)
                advance(1)
        for count, values in peaks.items():
            values.append(int8_peak(count))
    network = network_of(onnx.load(model / "model.onnx"), plan.base.layers)
    best_peaks = {count: max(values) for count, values in peaks.items()}
    spreads = {point: spread(values) for point, values in times.items()}
    tables = (_costs(spreads, network, best_peaks), _peaks(best_peaks))
    samples = [{"point": point, "ms": values} for point, values in times.items()]
    return Report("scale", machine, settings, tables, samples=samples, quick=quick)


def draw(report: Report) -> Callable[[Figure], None]:
    """Four plots, one a dimension."""

    def onto(figure: Figure) -> None:
        found: dict[str, list[tuple[int, Spread]]] = {}
        for sample in report.samples:
            point: Point = sample["point"]
            found.setdefault(point.dimension, []).append((value_of(point), spread(sample["ms"])))
        for place, (dimension, values) in enumerate(found.items()):
            axes = figure.add_subplot(2, 2, place + 1)
            axes.plot([value for value, _ in values], [each.median for _, each in values], marker="o")
            axes.fill_between(
                [value for value, _ in values], [each.lower for _, each in values], [each.upper for _, each in values], alpha=0.2
            )
            axes.set(xlabel=dimension, ylabel="ms a request", ylim=(0, None))

    return onto


def value_of(point: Point) -> int:
    """Where the point stands on its own dimension."""
    return {"window": point.window, "document tokens": point.tokens, "layers": point.layers, "threads": point.threads}[point.dimension]


def network_of(graph: onnx.ModelProto, layers: int) -> Network:
    """A shipped graph's sizes."""
    sizes = {item.name: list(item.dims) for item in graph.graph.initializer}
    return Network(layers, sizes["embeddings.LayerNorm.bias"][0], sizes["encoder.layer.0.intermediate.dense.bias"][0])


def plan_of(model: Path) -> Plan:
    """The usual plan for a model: a hundred products of usual length, all layers, all cores, each of them varied in turn."""
    manifest = read_manifest(model)
    plan = Plan(Point("base", 100, 48, manifest.layers, available_cores()))
    return replace(plan, tokens=[count for count in plan.tokens if count <= manifest.template.max_document_tokens])


def small(plan: Plan) -> Plan:
    """Two points a dimension, of few pairs."""
    base = replace(plan.base, window=4, tokens=16)
    return Plan(base, windows=(2, 4), tokens=(8, 16), layers=(1, base.layers), threads=plan.threads[:2])


@contextmanager
def _runners(model: Path, points: Sequence[Point], folder: Path) -> Iterator[Callable[[Point], float]]:
    """The function that measures a point; each number of layers is a graph, each number of threads a batcher."""
    manifest = read_manifest(model)
    encoder = TextEncoder(Tokenizer.from_file(str(model / "tokenizer.json")), manifest.template.text_template())
    graphs = _graphs(model, manifest, sorted({point.layers for point in points}), folder)
    scorers = {layers: CrossEncoder(OnnxGraph(path), encoder) for layers, path in graphs.items()}
    batchers = {threads: _batcher(threads) for threads in sorted({point.threads for point in points})}
    try:
        yield lambda point: _measure(point, scorers[point.layers], batchers[point.threads])
    finally:
        for batcher in batchers.values():
            batcher.close(grace_s=1)


def _measure(point: Point, scorer: CrossEncoder, batcher: Batcher) -> float:
    query = _tokens(QUERY_TOKENS, 0)
    documents = [_tokens(point.tokens, seed) for seed in range(point.window)]
    work: Work[Tokens, float] = Work(
        model=f"{point.layers} layers",
        items=documents,
        lengths=[point.pair_tokens()] * point.window,
        run=lambda batch: finite(scorer.score(query, batch), len(batch)).tolist(),
        deadline=time.monotonic() + 600,
    )
    started = time.perf_counter()
    batcher.run(work)
    return (time.perf_counter() - started) * 1000


def _graphs(model: Path, manifest: Manifest, layers: Sequence[int], folder: Path) -> dict[int, Path]:
    """Graphs of the network's first layers alone, as `rerank export` makes them but with outliers left; the shipped one for all."""
    # torch is slow to import, and a scale without other layers does without it.
    from training.export.graph import Int8  # noqa: PLC0415
    from training.export.networks import cross_encoder_graph  # noqa: PLC0415
    from training.export.quantize import quantize  # noqa: PLC0415
    from training.export.recovered import attention_heads, recovered_weights, write_checkpoint  # noqa: PLC0415
    from training.models.cross_encoder import load_cross_encoder  # noqa: PLC0415

    graph = onnx.load(model / "model.onnx")
    weights = recovered_weights(graph)
    checkpoint = folder / "checkpoint"
    write_checkpoint(weights, model / "tokenizer.json", checkpoint, layers=manifest.layers, heads=attention_heads(graph))
    limit = len(weights["embeddings.position_embeddings.weight"])
    paths = {manifest.layers: model / "model.onnx"}
    for count in layers:
        if count != manifest.layers:
            network = load_cross_encoder(str(checkpoint), layers=range(count)).eval()
            paths[count] = folder / f"{count}.onnx"
            onnx.save(quantize(cross_encoder_graph(network, limit=limit, int8=Int8())), paths[count])
    return paths


def _batcher(threads: int) -> Batcher:
    settings = Settings()
    return Batcher(
        threads=threads,
        max_batch_tokens=settings.max_batch_tokens,
        max_batch_items=settings.max_batch_hits,
        max_backlog_ms=1e9,
        metrics=Metrics(),
    )


def _tokens(count: int, seed: int) -> Tokens:
    return np.random.default_rng(seed).integers(1000, 20000, size=count, dtype=np.int64)


def _costs(spreads: dict[Point, Spread], network: Network, peaks: dict[int, float]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for point, found in spreads.items():
        tokens = point.window * point.pair_tokens()
        work = Network(point.layers, network.hidden, network.inner).int8_operations(tokens, point.window)
        share = work / (found.median / 1000) / peaks[point.threads]
        per_token = found.median * 1000 / tokens
        sizes = (point.window, point.pair_tokens(), point.layers, point.threads)
        rows.append((point.dimension, *sizes, str(found), number(per_token), f"{share:.0%}"))
    columns = ("varied", "window", "tokens a pair", "layers", "threads", "ms a request", "µs a token", "of the int8 peak")
    notes = (
        "Scoring alone: token arrays through the batcher and the graph, no cache, pairs of one length. Median (quartiles) of the rounds.",
        "The share counts the products by int8 weights only: attention, normalisation and quantizing are time without int8 work.",
    )
    return Table("Cost of scoring", columns, tuple(rows), notes)


def _peaks(peaks: dict[int, float]) -> Table:
    rows = tuple((count, number(value / 1e9)) for count, value in peaks.items())
    note = "Plain MatMulInteger (512 x 384 by 384 x 1536), one session call a thread at a time; the better of before and after."
    return Table("The machine's int8 peak", ("threads", "10^9 operations a second"), rows, (note,))
