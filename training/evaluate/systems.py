"""Evidence -> runs: what each first pass and each model, with and without its fusion, makes of a query's candidates.

Invariant: a model's order comes from `sidecar.fusion` over the very list that is re-ranked, as in the service: its list-wise features
differ from window to window. Hits of equal scores keep the first pass's order, in every metric and file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from sidecar.fusion import CROSS_ENCODER, DENSE, FIRST_PASS, Column, Features, features, fuse
from sidecar.manifest import Fusion
from sidecar.ranker import Pair
from sidecar.ranking import turned_off
from training.evaluate.candidates import FIRST_PASSES, RANDOM, Candidates
from training.evaluate.evidence import Evidence
from training.metrics.ranking import Run, ranking

Mode = Literal["full", "judged"]


@dataclass(frozen=True, slots=True)
class System:
    """One line of the table: a first pass, or a model over a first pass's window; `fusion` is what the model's logits are fused by.

    `served` is false for what the service does not answer as the manifest stands: a fused model's bare logits.
    """

    name: str
    first_pass: str
    model: str | None = None
    fusion: Fusion | None = None
    served: bool = True


def first_pass_systems(found: Mapping[str, Candidates]) -> list[System]:
    """The passes that a source has, the shop's own after the ordinary ones, and random order."""
    return [System(name, name) for name in sorted(found, key=_place)]


def _place(name: str) -> int:
    return FIRST_PASSES.index(name) if name in FIRST_PASSES else len(FIRST_PASSES) + (name == RANDOM)


def model_systems(fusions: Mapping[str, Fusion | None], passes: Sequence[str]) -> list[System]:
    """Each model over each pass, as it is served; of a fused one also its bare logits, and what is left where hits come without
    similarities, where that is more than them."""
    made = []
    for first_pass in passes:
        suffix = f" on {first_pass}" if len(passes) > 1 else ""
        for model, fusion in fusions.items():
            made.append(System(f"{model}{suffix}", first_pass, model, fusion))
            if fusion is None:
                continue
            rest = _without_similarity(fusion)
            if rest is not None:
                made.append(System(f"{model} without similarity{suffix}", first_pass, model, rest, served=False))
            made.append(System(f"{model} without fusion{suffix}", first_pass, model, served=False))
    return made


def _without_similarity(fusion: Fusion) -> Fusion | None:
    """What is left where no similarity is known; None where that orders as the fusion, or as the bare logits.

    An unknown similarity has the neutral value 0, the same as no weight.
    """
    rest = {name: weight for name, weight in fusion.weights.items() if name != DENSE}
    weighed = {name for name, weight in rest.items() if weight}
    bare = weighed == {CROSS_ENCODER} and rest[CROSS_ENCODER] > 0 and not fusion.off
    return Fusion(rest, fusion.bias, fusion.off) if fusion.weights.get(DENSE) and not bare else None


def run_of(system: System, evidence: Sequence[Evidence], mode: Mode, window: int) -> Run:
    """The system's scores by query: of the first `window` hits in full retrieval, of all judged ones otherwise."""
    return {each.query.query_id: scores_of(system, each, mode, window) for each in evidence}


def scores_of(system: System, evidence: Evidence, mode: Mode, window: int) -> dict[str, float]:
    """One query's scores by document."""
    retrieved = evidence.retrieved.full if mode == "full" else evidence.retrieved.judged
    candidates = retrieved[system.first_pass]
    if mode == "full":
        candidates = candidates.top(window)
    if system.model is None:
        return {doc_id: -float(rank) for rank, doc_id in enumerate(candidates.doc_ids)}
    columns = columns_of(candidates, evidence.pairs[system.model])
    scores = _model_scores(system.fusion, columns, evidence.query.query, candidates)
    return dict(zip(candidates.doc_ids, strictly_apart(scores).tolist(), strict=True))


def strictly_apart(scores: Column) -> Column:
    """The scores in single precision, equal ones moved apart by their last digit, so that an earlier hit keeps its place.

    The plugin leaves hits of equal scores in the first pass's order, while metrics and readers of TREC runs would go by document ids, and
    trec_eval compares in single precision.
    """
    apart = scores.astype(np.float32)
    above = np.float32(np.inf)
    for place in np.argsort(-scores, kind="stable"):
        above = apart[place] = min(apart[place], np.nextafter(above, np.float32(-np.inf)))
    return apart.astype(np.float64)


def _model_scores(fusion: Fusion | None, columns: Features, query: str, candidates: Candidates) -> Column:
    if fusion is None:
        return columns[CROSS_ENCODER]
    return columns[FIRST_PASS] if turned_off(fusion, query, candidates.scores) else fuse(fusion, columns)


def columns_of(candidates: Candidates, pairs: Mapping[str, Pair]) -> Features:
    """The features of a list as the sidecar computes them."""
    if not candidates.doc_ids:
        return features((), title_overlap=(), text_overlap=(), first_pass=(), dense=())
    logits, title, text = zip(*(pairs[doc_id] for doc_id in candidates.doc_ids), strict=True)
    return features(logits, title_overlap=title, text_overlap=text, first_pass=candidates.scores, dense=candidates.dense)


def page(system: System, evidence: Evidence, window: int, size: int = 10) -> list[str]:
    """The documents of the first page."""
    return ranking(scores_of(system, evidence, "full", window))[:size]
