"""The two patterns and the targets of `rerank bench load`, and its report.

Targets: whole searches through the node; or, beside a peer, requests to re-rank given texts, sent to the sidecar and to infinity.
"""

from __future__ import annotations

import csv
import gzip
import random
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import requests
from matplotlib.figure import Figure
from tokenizers import Tokenizer

from benchmarks import peers_bench
from benchmarks.contestants import Web
from benchmarks.environments import Environment
from benchmarks.load import Outcome, Stairs, Step, Target, climb
from benchmarks.machine import Machine
from benchmarks.plain import make_variants
from benchmarks.report import Cell, Report, Table
from benchmarks.samples import number
from benchmarks.stack import INDEX, process_of, running_stack
from benchmarks.workloads import Cutter, Pairs, Shop, distinct_queries, product_text, repetition
from cluster.errors import InvalidCatalogue
from cluster.queries import match
from sidecar.manifest import read_manifest

DISTINCT, REPEATING = "no query twice", "queries repeat"
_SEARCH_SIZE = 10
# Begins a pattern's queries anew.
Pattern = Callable[[], Iterator[str]]
Told = Callable[[str, Step], None]


def query_patterns(shop: Shop, data: Path) -> dict[str, Pattern]:
    """Both patterns of queries, each as a function that begins anew.

    Queries are real: the judged ones of the catalogue, those of a furniture shop (WANDS), then openings of product titles. They
    repeat as the customers of a real shop come back to its items (Online Retail, in the order of the purchases).
    """
    extra = _wands(data / "wands" / "query.csv")
    asked = _purchases(data / "online-retail" / "online_retail.csv.gz")
    return {
        DISTINCT: lambda: distinct_queries(shop, extra),
        REPEATING: lambda: repetition(asked, distinct_queries(shop, extra)),
    }


def search_body(query: str) -> bytes:
    """An ordinary page of titles."""
    return msgspec.json.encode({**match(query, _SEARCH_SIZE), "_source": ["title"]})


def climb_searches(
    catalogue: Path,
    models: Path,
    profile: str,
    patterns: Mapping[str, Pattern],
    stairs: Stairs,
    *,
    window: int,
    deadline_ms: int,
    told: Told,
) -> dict[str, Outcome]:
    """Load the whole stack: each pattern meets a fresh sidecar, with the settings as shipped."""
    outcomes: dict[str, Outcome] = {}
    with running_stack(catalogue, models, profile) as stack:
        for pattern, queries in patterns.items():
            name = f"search, {pattern}"
            with stack.sidecar({}) as service:
                stack.rerank(service, window=window, deadline_ms=deadline_ms)
                processes = {"node": process_of(stack.node.daemon), "sidecar": process_of(service.daemon)}
                target = Target(stack.node.url, f"/{INDEX}/_search", search_body, processes)
                asked = queries()
                warm_up(target, asked)
                outcomes[name] = climb(target, asked, stairs, told=partial(told, name))
    return outcomes


def climb_services(
    shop: Shop, model: Path, peer: Environment, patterns: Mapping[str, Pattern], stairs: Stairs, *, documents: int, told: Told
) -> dict[str, Outcome]:
    """Load the sidecar and infinity alone: the same texts to re-rank, by an ordinary export of the same weights, no query twice."""
    cutter = Cutter(Tokenizer.from_file(str(model / "tokenizer.json")))
    template = read_manifest(model).template.text_template()
    pool = [product_text(body, template, cutter) for body in shop.products.values()]
    outcomes: dict[str, Outcome] = {}
    with tempfile.TemporaryDirectory(prefix="rerank-load-") as folder:
        variants = make_variants(model, Path(folder))
        ours = peers_bench.served_ours(variants.sidecar_plain, peers_bench.PLAIN)
        for contestant in (ours, peers_bench.infinity(variants.plain, peers_bench.PLAIN, peer)):
            name = f"{contestant.name}, {documents} texts a request"
            body = partial(_request_body, contestant, pool, documents)
            with contestant.start() as session:
                target = Target(session.url, contestant.route, body, {contestant.name: session.process}, tells=False)
                asked = patterns[DISTINCT]()
                warm_up(target, asked)
                outcomes[name] = climb(target, asked, stairs, told=partial(told, name))
    return outcomes


def warm_up(target: Target, queries: Iterator[str], count: int = 20) -> None:
    """Some requests that nobody counts, one after the other: what is compiled or made once is made now."""
    for query in islice(queries, count):
        answer = requests.post(
            f"{target.url}{target.path}", data=target.body(query), headers={"Content-Type": "application/json"}, timeout=60
        )
        answer.raise_for_status()


def _request_body(contestant: Web, pool: Sequence[str], documents: int, query: str) -> bytes:
    # The query decides which texts: the same for every contestant.
    texts = tuple(random.Random(query).sample(pool, documents))
    return msgspec.json.encode(contestant.body(Pairs(query, texts, 0)))


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
        f"The highest rate of the stairs with p99 <= {number(stairs.limit_ms)} ms and 99 of 100 pages re-ranked. The load tool, the "
        "node and the sidecar share the cores; the last column counts the processor time of node and sidecar alone."
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
