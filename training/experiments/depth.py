"""Does quality rise or fall with the window? The shipped models over the first 10 to 200 hits of full retrieval."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from statistics import fmean

import msgspec
from matplotlib.figure import Figure

from benchmarks.report import Cell as TableCell
from benchmarks.report import Draw, Table
from sidecar.log import configure_logging
from training.evaluate.evidence import Plan, collect, reranked_passes
from training.evaluate.judged import Split, limited, read_folder
from training.evaluate.measures import ndcg_by_query, qrels_of
from training.evaluate.served import Served
from training.evaluate.setup import Place, sources
from training.evaluate.systems import System, model_systems, run_of
from training.experiments.cells import Advance, Cell, Progress, finish
from training.experiments.lab import Lab, Outcome
from training.experiments.sets import ByQuery
from training.experiments.tables import difference, interval
from training.keys import folder_key, model_key
from training.metrics.significance import compare_all

DEPTHS = (10, 20, 50, 100, 200)
FIRST_PASS = "first pass"


class Curves(msgspec.Struct, frozen=True):
    """NDCG@10 by system, window and query on one set; the first pass has one window, 0."""

    values: dict[str, dict[int, dict[str, float]]]


def depth(lab: Lab, models: Mapping[str, Path], embedder: Path, cache: Path, *, queries: int) -> Outcome:
    """The curve of every model on every set."""
    cells = curve_cells(lab, models, embedder, cache, queries=queries)
    found = dict(zip(lab.catalogues, finish(cells, Curves, lab.folder / "cells", lab.progress), strict=True))
    tables = tuple(_table(name, curves, lab.split) for name, curves in found.items())
    return Outcome(tables, _draw(found), found, {"queries": queries})


def curve_cells(lab: Lab, models: Mapping[str, Path], embedder: Path, cache: Path, *, queries: int) -> list[Cell[Curves]]:
    """One cell a catalogue: another fusion, another embedder and other data are another cell."""
    keys = {name: model_key(directory) for name, directory in models.items()}

    def cell(name: str) -> Cell[Curves]:
        folder = lab.data / name
        settings = (name, folder_key(folder), lab.split, keys, model_key(embedder), queries, DEPTHS)
        return Cell(f"depth {name}", settings, partial(_measure, folder, lab.split, models, embedder, cache, queries, lab.progress))

    return [cell(name) for name in lab.catalogues]


def _measure(
    folder: Path,
    split: Split,
    models: Mapping[str, Path],
    embedder: Path,
    cache: Path,
    queries: int,
    progress: Progress,
    advance: Advance,
) -> Curves:
    configure_logging("error")
    judged = limited(read_folder(folder, split), queries)
    plan = Plan(window=max(DEPTHS), depths=DEPTHS, timed_again=0)
    with Served(models, embedder) as served, sources(Place(None, (), cache), [judged], served, progress) as opened:
        evidence = collect(opened[0], served, judged.queries, plan, lambda _: None)
        first = reranked_passes(plan, evidence[0].retrieved.full)
        fusions = {name: served.manifests[name].fusion for name in served.rankers}
    qrels = qrels_of(evidence, "full")
    systems = [system for system in model_systems(fusions, first) if system.served]

    def values(system: System, window: int) -> dict[str, float]:
        return dict(ndcg_by_query(run_of(system, evidence, "full", window), qrels))

    curves = {system.name: {window: values(system, window) for window in DEPTHS} for system in systems}
    advance(1)
    return Curves({FIRST_PASS: {0: values(System(first[0], first[0]), max(DEPTHS))}, **curves})


def _table(name: str, curves: Curves, split: Split) -> Table:
    base = curves.values[FIRST_PASS][0]
    rows: list[tuple[TableCell, ...]] = [(FIRST_PASS, "", interval(base), "", "")]
    for system, by_window in curves.values.items():
        if system != FIRST_PASS:
            rows += _rows(system, by_window, base)
    note = (
        f"{len(base)} {split} queries, full retrieval, reciprocal rank fusion of BM25 and vectors first; NDCG@10 with the gain "
        "2^grade - 1. Hits that nobody judged count as irrelevant, so a deeper window is also punished for finding new ones. p is "
        "corrected over a model's windows."
    )
    columns = ("", "window", "NDCG@10 (95 %)", "minus the first pass (95 %), p", "minus window 10 (95 %), p")
    return Table(f"Depth, {name}", columns, tuple(rows), (note,))


def _rows(system: str, by_window: Mapping[int, ByQuery], base: ByQuery) -> list[tuple[TableCell, ...]]:
    smallest = min(by_window)
    over_first = compare_all({str(window): values for window, values in by_window.items()}, base)
    over_small = compare_all({str(window): values for window, values in by_window.items() if window != smallest}, by_window[smallest])
    return [
        (
            system,
            window,
            interval(values),
            difference(over_first[str(window)]),
            difference(over_small[str(window)]) if window != smallest else "",
        )
        for window, values in by_window.items()
    ]


def _draw(found: Mapping[str, Curves]) -> Draw:
    def onto(figure: Figure) -> None:
        for place, (name, curves) in enumerate(found.items(), start=1):
            axes = figure.add_subplot(1, len(found), place)
            axes.axhline(fmean(curves.values[FIRST_PASS][0].values()), linestyle="--", color="#888888", label=FIRST_PASS)
            for system, by_window in curves.values.items():
                if system != FIRST_PASS:
                    axes.plot(list(by_window), [fmean(values.values()) for values in by_window.values()], marker="o", label=system)
            axes.set(xscale="log", xlabel="hits re-ranked", ylabel="NDCG@10", title=name)
            axes.set_xticks(DEPTHS, [str(depth) for depth in DEPTHS])
            axes.legend(fontsize=8)

    return onto
