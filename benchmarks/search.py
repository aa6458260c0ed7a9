"""`rerank bench search`: what a searcher waits for, with and without re-ranking, and which part of it is whose.

Three states of the sidecar: nothing known (no cache), documents known (no cached score, tokens and states of documents kept),
the same query again (all caches as shipped).
Invariant: one client, one search at a time; the client's requests never change, the index's default pipeline does.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from matplotlib.figure import Figure

from benchmarks.machine import this_machine
from benchmarks.report import Cell, Report, Table
from benchmarks.samples import number, percentile, spread
from benchmarks.stack import INDEX, Counters, Stack, read_counters
from cluster.queries import match
from cluster.service import Service
from sidecar.config import Settings

Advance = Callable[[int], None]
State = Literal["nothing known", "documents known", "the same query again"]
_NO_SCORES = {"RERANK_SCORE_CACHE_MB": "0"}
SIDECARS: Mapping[State, Mapping[str, str]] = {
    "nothing known": {**_NO_SCORES, "RERANK_DOCUMENT_CACHE_MB": "0", "RERANK_STATE_CACHE_MB": "0"},
    "documents known": {**_NO_SCORES, "RERANK_DOCUMENT_CACHE_MB": "256", "RERANK_STATE_CACHE_MB": "1024"},
    "the same query again": {},
}
# Nothing may be cut off: what takes longer than the deadline would be missing from the percentiles.
_DEADLINE_MS = 30_000
_SIZE = 10


@dataclass(frozen=True, slots=True)
class Search:
    """One search: what the client waited, and the counters' share of it (nothing without a pipeline)."""

    state: State
    window: int
    query: str
    wait_ms: float
    applied: bool
    counters: Counters


def bench_search(
    stack: Stack, queries: Sequence[str], *, windows: Sequence[int], rounds: int, quick: bool, settings: dict[str, Any], advance: Advance
) -> Report:
    """All states, windows and rounds; window 0 is the search without a pipeline."""
    machine = this_machine()
    searches = [
        search
        for state, sidecar in SIDECARS.items()
        for search in _state(stack, state, sidecar, queries, windows=windows, rounds=rounds, advance=advance)
    ]
    tables = (_waits(searches, windows), _shares(searches, windows))
    place = "" if settings["profile"] == Settings.model_fields["default_profile"].default else f"search-{settings['profile']}"
    return Report("search", machine, settings, tables, samples=searches, quick=quick, place=place)


def searches_of(queries: Sequence[str], windows: Sequence[int], rounds: int) -> int:
    """How many searches a run sends, for a progress bar."""
    counted = (len(windows) + 1) * rounds
    return len(queries) * (len(SIDECARS) * counted + 2 * len(windows) + len(SIDECARS))


def draw(report: Report, windows: Sequence[int]) -> Callable[[Figure], None]:
    """Median and p99 against the window, one line a state."""
    searches: Sequence[Search] = report.samples

    def onto(figure: Figure) -> None:
        axes = figure.add_subplot()
        for state in SIDECARS:
            waits = [_of(searches, state, window) for window in (0, *windows)]
            (line,) = axes.plot((0, *windows), [percentile(each, 50) for each in waits], marker="o", label=f"{state}, median")
            axes.plot((0, *windows), [percentile(each, 99) for each in waits], linestyle=":", color=line.get_color(), label=f"{state}, p99")
        axes.set(xlabel="window (0: no pipeline)", ylabel="ms a search", ylim=(0, None))
        axes.legend()

    return onto


def _state(
    stack: Stack,
    state: State,
    settings: Mapping[str, str],
    queries: Sequence[str],
    *,
    windows: Sequence[int],
    rounds: int,
    advance: Advance,
) -> Iterator[Search]:
    with stack.sidecar(settings) as service:
        for _ in _block(stack, service, state, 0, queries, advance):
            pass
        if state != "nothing known":
            # What is known is known from these searches; they are not counted.
            for window in windows:
                for _ in _block(stack, service, state, window, queries, advance):
                    pass
        for _ in range(rounds):
            for window in (0, *windows):
                yield from _block(stack, service, state, window, queries, advance)


def _block(stack: Stack, service: Service, state: State, window: int, queries: Sequence[str], advance: Advance) -> Iterator[Search]:
    if window:
        stack.rerank(service, window=window, deadline_ms=_DEADLINE_MS)
    else:
        stack.first_pass_only()
    for query in queries:
        yield _search(stack, service, state, window, query)
        advance(1)


def _search(stack: Stack, service: Service, state: State, window: int, query: str) -> Search:
    body = match(query, _SIZE)
    before = read_counters(stack, service)
    started = time.perf_counter()
    answer = stack.client.search(index=INDEX, body=body)
    wait_ms = (time.perf_counter() - started) * 1000
    counters = read_counters(stack, service).since(before)
    return Search(state, window, query, wait_ms, bool(answer.get("ext", {}).get("rerank", {}).get("applied")), counters)


def _waits(searches: Sequence[Search], windows: Sequence[int]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for state in SIDECARS:
        for window in (0, *windows):
            waits = _of(searches, state, window)
            first_pass = percentile(_of(searches, state, 0), 50)
            added = number(percentile(waits, 50) - first_pass) if window else ""
            percentiles = [number(percentile(waits, percent)) for percent in (50, 90, 99)]
            rows.append((state, window or "no pipeline", len(waits), *percentiles, added))
    left = sum(not search.applied for search in searches if search.window)
    notes = (
        "Milliseconds that the unchanged opensearch-py client waits for a page of 10, one search at a time; added: to the median without a "
        "pipeline in the same state.",
        f"{left} of {sum(bool(search.window) for search in searches)} searches with the pipeline came back in first-pass order (fewer than "
        "two hits, or a failure).",
    )
    return Table("What a searcher waits for", ("sidecar", "window", "searches", "p50", "p90", "p99", "added p50"), tuple(rows), notes)


def _shares(searches: Sequence[Search], windows: Sequence[int]) -> Table:
    rows = tuple(_share(searches, state, window) for state in SIDECARS for window in windows)
    notes = (
        "Medians (quartiles) in ms of each search's own parts. Fetch: the first pass of a whole window instead of one page, and its longer "
        "way to the client. Plugin: in the node, without the call. Wire: the call, without the service. Service: Flask, JSON, caches, "
        "fusion. Scoring: tokenizing and the model, waiting for a thread included. Overhead: plugin + wire + service.",
    )
    columns = ("sidecar", "window", "fetch", "plugin", "wire", "service", "scoring", "overhead")
    return Table("Whose time it is", columns, rows, notes)


def _share(searches: Sequence[Search], state: State, window: int) -> tuple[Cell, ...]:
    found = [search for search in searches if search.state == state and search.window == window and search.applied]
    if not found:
        return (state, window, *("-" for _ in range(6)))
    bare = percentile(_of(searches, state, 0), 50)
    parts = [each.counters for each in found]
    return (
        state,
        window,
        str(spread([each.wait_ms - each.counters.plugin_ms - bare for each in found])),
        str(spread([each.plugin_ms - each.call_ms for each in parts])),
        str(spread([each.call_ms - each.service_ms for each in parts])),
        str(spread([each.service_ms - each.scoring_ms for each in parts])),
        str(spread([each.scoring_ms for each in parts])),
        str(spread([each.plugin_ms - each.scoring_ms for each in parts])),
    )


def _of(searches: Sequence[Search], state: State, window: int) -> list[float]:
    return [search.wait_ms for search in searches if search.state == state and search.window == window]
