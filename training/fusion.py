"""Fits the manifest's linear fusion (`sidecar.fusion`) on judged windows, and tells by cross-validation whether it helps.

The weights are of `training.fusion_weights`. Invariant: a query is never in the part that its figure was fitted on, in any fold, and
neither is the choice of the penalty. What is counted and compared are queries: the windows of one query are each fitted on, and judged by
their mean.
"""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sidecar.fusion import CROSS_ENCODER, FIRST_PASS, NAMES
from sidecar.manifest import Fusion
from sidecar.query_kinds import KINDS, kinds_of_query
from training.fusion_weights import NO_PRIOR, Floats, FusionList, Prior, bare, fit_weights, only
from training.metrics.ranking import evaluate
from training.metrics.significance import Comparison, compare

PENALTIES = (0.001, 0.01, 0.1, 1.0, 10.0)
_NDCG = "ndcg@10"
# Below this share of the cross-encoder's weight a feature orders nothing.
_NEGLIGIBLE = 1e-3
# Fewer queries of a kind say nothing certain of it.
_FEWEST = 20


@dataclass(frozen=True, slots=True)
class Fitted:
    """A fusion, its penalty, and what cross-validation says of fusing at all: NDCG@10 of the bare logits, fused, and the difference.

    `first_pass` is NDCG@10 of the windows as the first pass ordered them: what the fused order has to beat too. `kinds` holds, for each
    kind of query that has enough of them, fused minus first pass: where even the interval's upper end is below 0, the fusion turns it off.
    `lists` are windows; `comparison` counts queries.
    """

    fusion: Fusion
    penalty: float
    lists: int
    folds: int
    first_pass: float
    before: float
    after: float
    comparison: Comparison
    kinds: Mapping[str, Comparison]
    # Whose windows it was fitted on.
    first_passes: tuple[str, ...] = ()

    def helps(self, least: float) -> bool:
        """Whether fusing gains at least so much NDCG@10 on queries that it was not fitted on."""
        return self.comparison.difference >= least

    def does_no_harm(self) -> bool:
        """Whether the queries leave it open that fusing helps: what speaks for it then is the prior."""
        return self.comparison.high >= 0


def fit_fusion(lists: Sequence[FusionList], *, folds: int = 5, penalties: Sequence[float] = PENALTIES, prior: Prior = NO_PRIOR) -> Fitted:
    """The fusion of all lists, and its gain by nested cross-validation; with few lists it stays near the `prior`."""
    if not lists:
        raise ValueError("the first pass finds nothing for any of the queries: there is no window to fit a fusion on")
    parts = _folds(lists, folds)
    if len(parts) < 3:
        raise ValueError(f"{len(lists)} lists of {len({item.query for item in lists})} queries are too few to cross-validate a fusion on")
    fused: dict[str, float] = {}
    for held_out in range(len(parts)):
        rest = [part for number, part in enumerate(parts) if number != held_out]
        weights = fit_weights(_flat(rest), _best_penalty(rest, penalties, prior), prior)
        fused |= _ndcg(parts[held_out], weights)
    # On the same queries: a part without a relevant hit can neither be fitted on nor say anything.
    unfused = _ndcg(_flat(parts), bare())
    first_pass = _ndcg(_flat(parts), only(FIRST_PASS))
    kinds = _by_kind(lists, fused, first_pass)
    penalty = _best_penalty(parts, penalties, prior)
    return Fitted(
        Fusion(_named(fit_weights(lists, penalty, prior)), off=tuple(kind for kind, found in kinds.items() if found.high < 0)),
        penalty,
        len(lists),
        len(parts),
        _mean(first_pass),
        _mean(unfused),
        _mean(fused),
        compare(fused, unfused),
        kinds,
        tuple(dict.fromkeys(item.source.rsplit(" ", 1)[-1] for item in lists)),
    )


def _by_kind(lists: Sequence[FusionList], fused: Mapping[str, float], first_pass: Mapping[str, float]) -> dict[str, Comparison]:
    """Fused against first pass for each kind of query with at least `_FEWEST` queries of it."""
    texts = {item.key: item.query for item in lists if item.key in fused}
    found = {}
    for kind in KINDS:
        members = [key for key, text in texts.items() if kind in kinds_of_query(text)]
        if len(members) >= _FEWEST:
            found[kind] = compare({member: fused[member] for member in members}, {member: first_pass[member] for member in members})
    return found


def _best_penalty(parts: Sequence[Sequence[FusionList]], penalties: Sequence[float], prior: Prior) -> float:
    """Of the penalties whose fits order the parts that they were not fitted on as well as any, within one standard error: the strongest
    where there is a prior, else the weakest.

    The one-standard-error rule (Hastie, Tibshirani and Friedman, The Elements of Statistical Learning, section 7.10): with few queries
    the best mean is mostly luck. A prior is then kept. Without one, a penalty pulls towards the network's score alone, which carries over
    to other catalogues worst of all features (`rerank experiments carry-over`): nothing speaks for more of it than is needed.
    """
    values = {}
    for penalty in penalties:
        found: dict[str, float] = {}
        for held_out, part in enumerate(parts):
            rest = _flat([other for number, other in enumerate(parts) if number != held_out])
            found |= _ndcg(part, fit_weights(rest, penalty, prior))
        values[penalty] = np.array([found[key] for key in sorted(found)])
    best = values[max(penalties, key=lambda penalty: float(values[penalty].mean()))]
    as_good = [penalty for penalty in penalties if _as_good(best - values[penalty])]
    return max(as_good) if prior.says_something() else min(as_good)


def _as_good(behind: Floats) -> bool:
    """Whether paired differences have a mean within one standard error of 0."""
    error = float(behind.std(ddof=1)) / float(np.sqrt(len(behind)))
    return float(behind.mean()) <= error


def _folds(lists: Sequence[FusionList], folds: int) -> list[list[FusionList]]:
    """By a checksum of the query: all lists of a query in one part, the same at every run."""
    parts: list[list[FusionList]] = [[] for _ in range(folds)]
    for item in lists:
        parts[zlib.crc32(f"fold {item.query}".encode()) % folds].append(item)
    return [part for part in parts if any(item.grades.max(initial=0.0) > 0 for item in part)]


def _ndcg(lists: Sequence[FusionList], weights: Floats) -> dict[str, float]:
    """By query, the mean over its windows: they err alike, and counted each they would make every interval too narrow."""
    windows = {str(number): item for number, item in enumerate(lists)}
    run = {name: dict(zip(item.doc_ids, (item.columns @ weights).tolist(), strict=True)) for name, item in windows.items()}
    values = evaluate(run, {name: item.judged for name, item in windows.items()}, [_NDCG])[_NDCG]
    by_query: defaultdict[str, list[float]] = defaultdict(list)
    for name, item in windows.items():
        by_query[item.key].append(values[name])
    return {key: float(np.mean(found)) for key, found in by_query.items()}


def _mean(values: Mapping[str, float]) -> float:
    return float(np.mean(list(values.values())))


def _named(weights: Floats) -> dict[str, float]:
    least = _NEGLIGIBLE * float(weights.max())
    return {name: round(float(weight), 4) for name, weight in zip(NAMES, weights, strict=True) if weight >= least or name == CROSS_ENCODER}


def _flat(parts: Sequence[Sequence[FusionList]]) -> list[FusionList]:
    return [item for part in parts for item in part]
