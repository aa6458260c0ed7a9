"""The two patterns and the targets of `rerank bench load`, and its report.

Targets: whole searches through the node; or, beside a peer, requests to re-rank given texts, sent to the sidecar and to infinity.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec
from matplotlib.figure import Figure

from benchmarks.load import Outcome, Stairs, Step
from benchmarks.machine import Machine
from benchmarks.report import Cell, Report, Table
from benchmarks.samples import number
from benchmarks.stack import INDEX
from benchmarks.workloads import Shop, distinct_queries, repetition
from cluster.errors import InvalidCatalogue
from cluster.queries import match

DISTINCT, REPEATING = "no query twice", "queries repeat"
_SEARCH_SIZE = 10


def query_patterns(shop: Shop, data: Path) -> dict[str, Callable[[], Iterator[str]]]:
    """Both patterns of queries, each as a function that begins anew.

    Queries are real: the judged ones of the catalogue, those of a furniture shop (WANDS), then openings of product titles. They repeat as the
    customers of a real shop come back to its items (Online Retail, in the order of the purchases).
    """
    extra = _wands(data / "wands" / "query.csv")
    asked = _purchases(data / "online-retail" / "online_retail.csv.gz")
    return {
        DISTINCT: lambda: distinct_queries(shop, extra),
        REPEATING: lambda: repetition(asked, distinct_queries(shop, extra)),
    }


def search_path() -> str:
    """The path of a search, the same with and without re-ranking."""
    return f"/{INDEX}/_search"


def search_body(query: str) -> bytes:
    """An ordinary page of titles."""
    return msgspec.json.encode({**match(query, _SEARCH_SIZE), "_source": ["title"]})


def load_report(outcomes: Mapping[str, Outcome], stairs: Stairs, machine: Machine, settings: dict[str, Any], *, quick: bool) -> Report:
    """The tables of all stairs that were climbed, by their name (target and pattern)."""
    tables = (*(_stairs(name, outcome, stairs) for name, outcome in outcomes.items()), _summary(outcomes, machine, stairs))
    return Report("load", machine, settings, tables, samples={name: asdict(each) for name, each in outcomes.items()}, quick=quick)


def draw(outcomes: Mapping[str, Outcome], stairs: Stairs) -> Callable[[Figure], None]:
    """p99 against the rate."""

    def onto(figure: Figure) -> None:
        axes = figure.add_subplot()
        for name, outcome in outcomes.items():
            axes.plot([step.rate for step in outcome.steps], [step.p99_ms for step in outcome.steps], marker="o", label=name)
        axes.axhline(stairs.limit_ms, linestyle=":", color="grey")
        axes.set(xlabel="searches a second (open loop)", ylabel="p99, ms", yscale="log")
        axes.legend()

    return onto


def _stairs(name: str, outcome: Outcome, stairs: Stairs) -> Table:
    steps = [*outcome.steps, *([outcome.overload] if outcome.overload else [])]
    notes = [
        f"Open loop, independent arrivals, {number(stairs.seconds)} s a step; times count from the planned moment. Re-ranked: pages that "
        "came back in the model's order; others keep the first pass's, for the reason named.",
    ]
    if outcome.overload:
        growth = ", ".join(
            f"{process} {before:.0f} -> {outcome.overload.resident_mib[process]:.0f} -> {outcome.after[process]:.0f}"
            for process, before in (outcome.sustained.resident_mib if outcome.sustained else {}).items()
        )
        notes.append(
            f"The last row is {number(stairs.overload)} times the last rate that held. MiB before, at most during, after: {growth}."
        )
    return Table(name, _COLUMNS, tuple(_row(step) for step in steps), tuple(notes))


_COLUMNS = (
    "a second",
    "sent",
    "answered",
    "re-ranked",
    "failed",
    "p50 ms",
    "p90 ms",
    "p99 ms",
    "cores used",
    "why not re-ranked or failed",
)


def _row(step: Step) -> tuple[Cell, ...]:
    reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(step.reasons.items(), key=lambda item: -item[1]))
    used = sum(step.processor_s.values()) / (step.sent / step.rate)
    waits = (number(step.p50_ms), number(step.p90_ms), number(step.p99_ms))
    return (number(step.rate), step.sent, step.answered, step.reranked, step.failed, *waits, number(used), reasons)


def _summary(outcomes: Mapping[str, Outcome], machine: Machine, stairs: Stairs) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for name, outcome in outcomes.items():
        best = outcome.sustained
        if best is None:
            rows.append((name, f"below {number(stairs.start)}", "-", "-"))
        else:
            rows.append((name, number(best.rate), number(best.rate / machine.cores), number(best.per_core())))
    note = (
        f"The highest rate of the stairs with p99 <= {number(stairs.limit_ms)} ms and 99 of 100 pages re-ranked. The load tool, the node and the "
        "sidecar share the cores; the last column counts the processor time of node and sidecar alone."
    )
    columns = ("load", "searches a second", "per core of the machine", "per second of processor time")
    return Table(f"Sustained at p99 <= {number(stairs.limit_ms)} ms", columns, tuple(rows), (note,))


def _wands(path: Path) -> Sequence[str]:
    if not path.is_file():
        raise InvalidCatalogue(f"{path} is not there: its queries are needed")
    with path.open(newline="") as file:
        return [row["query"] for row in csv.DictReader(file, delimiter="\t")]


def _purchases(path: Path) -> Sequence[str]:
    """Items in the order in which customers bought them, cancellations left out."""
    if not path.is_file():
        raise InvalidCatalogue(f"{path} is not there: its pattern of repetition is needed")
    with gzip.open(path, "rt", newline="") as file:
        return [row["StockCode"] for row in csv.DictReader(file) if not row["InvoiceNo"].startswith("C")]
