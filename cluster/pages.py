"""Comparisons -> tables for a terminal: two pages side by side with grades and moves, and the figures of many."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import zip_longest

from rich.table import Table

from cluster.compare import Comparison, Hit, Page, Summary

_TITLE_WIDTH = 56


def side_by_side(comparison: Comparison, grades: Mapping[str, int] | None = None) -> Table:
    """The first-pass page beside the re-ranked one; with grades (0 to 3, `-` unjudged) where the query is judged."""
    first, second = comparison.first_pass, comparison.reranked
    read_as = f", read as “{second.read_as}”" if second.read_as else ""
    table = Table(title=f"“{comparison.query}”{read_as}", title_justify="left", show_lines=False)
    table.add_column("", justify="right", min_width=2)
    for heading in (f"first pass, {first.wait_ms:.0f} ms", f"{_reranked_heading(second)}, {second.wait_ms:.0f} ms"):
        if grades is not None:
            table.add_column("grade", justify="center", min_width=5)
        table.add_column(heading, width=_TITLE_WIDTH, no_wrap=True, overflow="ellipsis")
    table.add_column("moved", justify="right", min_width=5)
    before = {hit.id: rank for rank, hit in enumerate(first.hits)}
    for rank, (left, right) in enumerate(zip_longest(first.hits, second.hits)):
        moved = _moved(before.get(right.id), rank) if right else ""
        table.add_row(str(rank + 1), *_cells(left, grades), *_cells(right, grades), moved)
    return table


def figures(summaries: Mapping[str, Summary]) -> Table:
    """One line a kind of request and set of queries."""
    table = Table(title="judged queries", title_justify="left")
    for heading in ("request", "queries", "NDCG@10 first pass", "NDCG@10 re-ranked", "median ms first pass", "median ms re-ranked"):
        table.add_column(heading, justify="left" if heading == "request" else "right")
    for label, each in summaries.items():
        table.add_row(
            label,
            str(each.queries),
            f"{each.first_pass_ndcg:.3f}",
            f"{each.reranked_ndcg:.3f}",
            f"{each.first_pass_ms:.0f}",
            f"{each.reranked_ms:.0f}",
        )
    return table


def not_applied(comparisons: Sequence[Comparison]) -> str:
    """A sentence where pages were left in first-pass order, empty where none was."""
    reasons = Counter(each.reranked.reason for each in comparisons if each.reranked.applied is False)
    told = ", ".join(f"{reason} {count}" for reason, count in reasons.most_common())
    return f"{reasons.total()} of {len(comparisons)} pages came back in first-pass order ({told})" if reasons else ""


def _reranked_heading(page: Page) -> str:
    if page.applied is None:
        return "default pipeline, if any; not annotated"
    return "re-ranked" if page.applied else f"NOT re-ranked: {page.reason}"


def _cells(hit: Hit | None, grades: Mapping[str, int] | None) -> tuple[str, ...]:
    title = (hit.title or hit.id) if hit else ""
    if grades is None:
        return (title,)
    return (str(grades.get(hit.id, "-")) if hit else "", title)


def _moved(before: int | None, now: int) -> str:
    if before is None:
        return "new"
    return "" if before == now else f"↑{before - now}" if before > now else f"↓{now - before}"
