"""A report's figures -> the manifest and the card of each model it measured: what a card says was printed by a command."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.machine import this_machine
from sidecar.manifest import read_manifest
from training.evaluate.report import Report, SetReport
from training.export.directory import annotate

Figures = dict[str, float | str]


def annotate_cards(report: Report, models: Mapping[str, Path]) -> None:
    """Set the report's quality and latency in every model's manifest and card.

    Quality on other sets and parts stays. What was measured before of a part that this report measured goes, whatever its first passes and
    depth were: figures of two runs beside each other contradict each other. Times are of this run alone, as they belong to its machine.
    """
    machine = this_machine()
    for name, directory in models.items():
        manifest = read_manifest(directory)
        quality = manifest.quality
        for judged in report.sets:
            quality = _replaced(quality, judged, _quality(judged, name))
        timed = {key: value for judged in report.sets for key, value in _latency(judged, name).items()}
        latency = {"machine": f"{machine.processor}, {machine.cores} cores, {machine.date}", **timed}
        annotate(directory, quality=quality, latency=latency)


def measured(quality: Mapping[str, Any]) -> list[str]:
    """The figures on a card that a report put there: they are of the model as it was served then, its fusion included."""
    return [name for name in quality if re.search(r", \d+ queries, NDCG@10: | \(\d+ queries\), ", name)]


def _replaced(quality: Mapping[str, Any], judged: SetReport, figures: Figures) -> dict[str, Any]:
    """The new figures in place of all earlier ones of the same set and part; without new ones the earlier stay."""
    # Cards of earlier versions say "esci test (50 queries), ...".
    earlier = (f"{_part(judged)},", f"{_part(judged)} (")
    kept = {name: value for name, value in quality.items() if not (figures and name.startswith(earlier))}
    return {**kept, **figures}


def _part(judged: SetReport) -> str:
    return f"{judged.name} {judged.part}"


def _quality(judged: SetReport, model: str) -> Figures:
    """NDCG@10 of the model as it is served, beside the first passes that it re-ranks, and what it adds to the best of them."""
    on = f"{_part(judged)}, {judged.queries} queries, NDCG@10"
    figures: Figures = {}
    for row in judged.full.models:
        if row.model == model:
            first_pass = judged.full.row(row.first_pass)
            assert first_pass is not None
            figures[f"{on}: {row.first_pass} alone"] = round(first_pass.means["ndcg@10"], 4)
            ranked = f"{on}: {row.first_pass}'s {judged.window} hits re-ranked"
            figures[ranked] = round(row.means["ndcg@10"], 4)
            if row.difference is not None and row.first_pass == judged.full.baseline:
                found = row.difference
                figures[f"{ranked}, minus {row.first_pass} alone (95 % interval)"] = (
                    f"{found.difference:+.4f} ({found.low:+.4f} to {found.high:+.4f})"
                )
    return figures


def _latency(judged: SetReport, model: str) -> Figures:
    figures: Figures = {}
    for found in judged.latencies:
        if found.model == model:
            measured = f"{judged.name}, {judged.window} hits, median ms"
            figures[f"{measured}: documents known"] = round(found.known_median_ms, 1)
            figures[f"{measured}: documents seen for the first time"] = round(found.first_median_ms, 1)
    return figures
