"""All sets and all models -> one report: opens what is needed, and closes it whatever happens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from training.evaluate.as_served import served_rows
from training.evaluate.evaluation import Evaluated, evaluate_set, model_report
from training.evaluate.evidence import Plan
from training.evaluate.judged import JudgedSet
from training.evaluate.node import Node
from training.evaluate.report import Report
from training.evaluate.served import Served
from training.evaluate.setup import Place, Progress, sources


def evaluate_all(
    sets: Sequence[JudgedSet],
    place: Place,
    models: Mapping[str, Path],
    embedder: Path | None,
    plan: Plan,
    *,
    labels: Mapping[str, str],
    relevant_from: int,
    progress: Progress,
) -> tuple[Report, list[Evaluated]]:
    """The report, and what its files are made of."""
    evaluated = []
    with Served(models, embedder) as served, sources(place, sets, served, progress) as found:
        for judged, source in zip(sets, found, strict=True):
            with progress(f"evaluating {judged.name}", len(judged.queries)) as advance:
                found_out = evaluate_set(judged, source, served, plan, relevant_from=relevant_from, advance=advance)
            if isinstance(source, Node) and source.pipelines:
                with progress(f"pages of {judged.name}", len(judged.queries)) as advance:
                    rows = served_rows(source, judged.queries, advance)
                found_out = replace(found_out, report=replace(found_out.report, served=rows))
            evaluated.append(found_out)
        described = tuple(model_report(name, served, labels.get(name, "")) for name in served.rankers)
    return Report(described, tuple(each.report for each in evaluated)), evaluated
