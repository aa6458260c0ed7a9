"""A report -> tables for a terminal: all sets beside each other, then what is new in each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.table import Table
from rich.text import Text

from training.evaluate.report import ModeReport, Report, ServedRow, SetReport, SystemReport


def tables(report: Report) -> Iterator[Table]:
    """The tables in reading order."""
    for judged in report.sets:
        title = f"{judged.name}, {judged.part}: {judged.queries} queries, {judged.source}"
        yield _mode(judged.full, f"{title}\nfull retrieval, models re-rank {judged.window} hits")
        yield _mode(judged.judged, "judged documents alone")
        if judged.served:
            yield _served(judged.served)
        if judged.latencies:
            yield _latencies(judged)
        if judged.depths:
            yield _depths(judged)
    if len(report.sets) > 1 or any(model.label for model in report.models):
        yield _overview(report)


def _mode(mode: ModeReport, title: str) -> Table:
    table = _table(title, "system", *mode.metrics, "difference", "95 % interval", "p corrected")
    for row in mode.systems:
        figures = [f"{row.means[metric]:.4f}" for metric in mode.metrics]
        best = "best first pass" if row.name == mode.baseline else ""
        table.add_row(row.name, *figures, *(_difference(row) if row.difference else (best, "", "")), style="" if row.model else "dim")
    return table


def _served(rows: Sequence[ServedRow]) -> Table:
    headings = ("ndcg@10", "difference", "95 % interval", "p corrected", "re-ranked", "neighbours", "median ms", "p95 ms", "late")
    table = _table("the cluster's own pages, by search and pipeline", "search", "pipeline", *headings)
    for row in rows:
        told = [f"{row.ndcg:.4f}", *(_difference(row) if row.difference else ("", "", ""))]
        if row.pipeline is not None:
            times = [f"{ms:.0f}" if ms is not None else "" for ms in (row.median_ms, row.p95_ms)]
            told += [f"{row.reranked} of {row.pages}", f"{row.neighbours:.1f}", *times, f"{row.late} over {row.deadline_ms}"]
        table.add_row(row.search, row.pipeline or "none", *told, style="" if row.pipeline else "dim")
    return table


def _difference(row: SystemReport | ServedRow) -> tuple[Text, str, str]:
    found = row.difference
    assert found is not None
    colour = "green" if found.difference > 0 else "red"
    sure = "" if found.p_corrected >= 0.05 else "bold "
    return Text(f"{found.difference:+.4f}", style=sure + colour), f"{found.low:+.4f} to {found.high:+.4f}", f"{found.p_corrected:.4f}"


def _latencies(judged: SetReport) -> Table:
    table = _table(f"ms for {judged.window} hits", "model", "median, known", "p95, known", "median, first sight", "p95, first sight")
    for each in judged.latencies:
        figures = (each.known_median_ms, each.known_p95_ms, each.first_median_ms, each.first_p95_ms)
        table.add_row(each.model, *(f"{value:.1f}" for value in figures))
    return table


def _depths(judged: SetReport) -> Table:
    depths = list(next(iter(judged.depths.values())))
    table = _table("NDCG@10 by hits re-ranked", "model", *map(str, depths))
    for name, curve in judged.depths.items():
        table.add_row(name, *(f"{curve[depth]:.4f}" for depth in depths))
    return table


def _overview(report: Report) -> Table:
    table = _table("NDCG@10, full retrieval, all data sets", "system", "mark", *(judged.name for judged in report.sets))
    for name in report.systems:
        rows = [judged.full.row(name) for judged in report.sets]
        table.add_row(name, report.label_of(name), *(f"{row.means['ndcg@10']:.4f}" if row else "" for row in rows))
    return table


def _table(title: str, *headings: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", header_style="", box=None, pad_edge=False)
    for position, heading in enumerate(headings):
        table.add_column(heading, justify="left" if position == 0 or heading in {"mark", "pipeline"} else "right")
    return table
