"""Judged windows of a live model -> its fusion, fitted by `training.fusion`, and the manifest that holds it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sidecar.manifest import Manifest, read_manifest
from training.evaluate.card import measured
from training.evaluate.evidence import Evidence, Plan, collect, reranked_passes
from training.evaluate.judged import JudgedSet
from training.evaluate.served import Served
from training.evaluate.setup import Place, Progress, sources
from training.evaluate.systems import columns_of
from training.export.directory import annotate
from training.fusion import Fitted, fit_fusion
from training.fusion_weights import NO_PRIOR, FusionList, Prior, fusion_list

_MODEL = "model"


def fuse_model(
    directory: Path,
    sets: Sequence[JudgedSet],
    place: Place,
    embedder: Path | None,
    plan: Plan,
    *,
    folds: int,
    progress: Progress,
    prior: Prior = NO_PRIOR,
) -> Fitted:
    """Score the windows of all judged queries and fit the fusion on them."""
    lists: list[FusionList] = []
    with Served({_MODEL: directory}, embedder) as served, sources(place, sets, served, progress) as found:
        for judged, source in zip(sets, found, strict=True):
            with progress(f"scoring {judged.name}", len(judged.queries)) as advance:
                evidence = collect(source, served, judged.queries, plan, advance)
            lists += [item for each in evidence for item in _lists(judged.name, each, plan)]
    return fit_fusion(lists, folds=folds, prior=prior)


def write_fusion(directory: Path, fitted: Fitted, sets: Sequence[JudgedSet]) -> Manifest:
    """Set the fusion in the manifest and the card, with what it was fitted on and what cross-validation says of it. What a report measured
    of the model before goes: it is of another fusion.
    """
    before = read_manifest(directory).quality
    stale = measured(before)
    data = ", ".join(f"{judged.name} {judged.part} ({len(judged.queries)} queries)" for judged in sets)
    quality = {
        **{name: value for name, value in before.items() if name not in stale},
        "fusion: NDCG@10 first pass": round(fitted.first_pass, 4),
        "fusion: NDCG@10 bare, by cross-validation": round(fitted.before, 4),
        "fusion: NDCG@10 fused, by cross-validation": round(fitted.after, 4),
        "fusion: windows": fitted.lists,
        "fusion: fitted on": f"{data}: windows of {' and '.join(fitted.first_passes)}",
    }
    return annotate(directory, fusion=fitted.fusion, quality=quality)


def _lists(name: str, evidence: Evidence, plan: Plan) -> list[FusionList]:
    made = []
    for first_pass in reranked_passes(plan, evidence.retrieved.full):
        window = evidence.retrieved.full[first_pass].top(plan.window)
        if window.doc_ids:
            columns = columns_of(window, evidence.pairs[_MODEL])
            source, query = f"{name} {first_pass}", evidence.query
            made.append(fusion_list(query.query, source, window.doc_ids, columns, evidence.grades, query_id=query.query_id))
    return made
