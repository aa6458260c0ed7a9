"""One judged set through one source and the models -> its report and its runs: the order in which everything else is called."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from training.data.build import to_qrels
from training.evaluate.candidates import Source
from training.evaluate.evidence import Evidence, Plan, collect, reranked_passes
from training.evaluate.judged import JudgedSet
from training.evaluate.measures import depth_curve, latency, mode_report, ndcg_by_query, qrels_of, runs_of
from training.evaluate.notes import notes_of
from training.evaluate.pages import extremes
from training.evaluate.report import ModelReport, SetReport
from training.evaluate.served import Served
from training.evaluate.slices import slice_rows
from training.evaluate.systems import System, first_pass_systems, model_systems
from training.metrics.ranking import Qrels, Run


@dataclass(frozen=True, slots=True)
class Evaluated:
    """A set's report, and the runs and grades of full retrieval that it was computed from."""

    report: SetReport
    runs: Mapping[str, Run]
    qrels: Qrels
    queries: Mapping[str, str]


def evaluate_set(
    judged: JudgedSet, source: Source, served: Served, plan: Plan, *, relevant_from: int, advance: Callable[[int], None]
) -> Evaluated:
    """Measure every first pass and every model on a judged set; `advance` is told of queries done."""
    evidence = collect(source, served, judged.queries, plan, advance)
    systems = _systems(evidence, served, plan)
    models = [system for system in systems if system.model is not None]
    qrels = qrels_of(evidence, "full")
    runs = runs_of(systems, evidence, "full", plan.window)
    values = {name: ndcg_by_query(run, qrels) for name, run in runs.items()}
    full = mode_report(systems, runs, qrels, window=plan.window, relevant_from=relevant_from)
    baseline = next(system for system in systems if system.name == full.baseline)
    alone = mode_report(
        systems, runs_of(systems, evidence, "judged", plan.window), qrels_of(evidence, "judged"), window=None, relevant_from=relevant_from
    )
    report = SetReport(
        name=judged.name,
        part=judged.part,
        source=source.describe(),
        notes=notes_of(judged, evidence, systems),
        documents=source.documents,
        queries=len(evidence),
        judged_pairs=sum(len(each.query.doc_ids) for each in evidence),
        grades=dict(sorted(Counter(int(grade) for each in evidence for grade in each.query.grades).items())),
        relevant_from=relevant_from,
        window=plan.window,
        full=full,
        judged=alone,
        depths=depth_curve(models, evidence, qrels, plan.depths),
        slices=slice_rows(evidence, values, full.baseline, [system.name for system in models]),
        latencies=tuple(latency(name, served.manifests[name].kind, evidence) for name in served.rankers),
        extremes={system.name: extremes(system, baseline, evidence, values, plan.window) for system in models if system.served},
        by_query={each.query.query_id: {name: values[name][each.query.query_id] for name in values} for each in evidence},
        query_texts={each.query.query_id: each.query.query for each in evidence},
    )
    return Evaluated(report, runs, to_qrels(judged.queries), {item.query_id: item.query for item in judged.queries})


def model_report(name: str, served: Served, label: str) -> ModelReport:
    """A model in words."""
    manifest = served.manifests[name]
    return ModelReport(
        name,
        manifest.key,
        manifest.kind,
        manifest.layers,
        manifest.base,
        manifest.fusion.weights if manifest.fusion else None,
        tuple(source.name for source in manifest.data),
        label,
    )


def _systems(evidence: list[Evidence], served: Served, plan: Plan) -> list[System]:
    found = evidence[0].retrieved.full
    fusions = {name: served.manifests[name].fusion for name in served.rankers}
    return [*first_pass_systems(found), *model_systems(fusions, reranked_passes(plan, found))]
