"""Fits the manifest's linear fusion (`sidecar.fusion`) on judged windows, and tells by cross-validation whether it helps.

score = cross_encoder + sum of weight x feature, weights at least 0: the listwise softmax loss with an L2 penalty on how far all weights but
the cross-encoder's are from a prior: another model's weights, or 0, so that a strong penalty is the prior, or no fusion at all.
Invariant: a query is never in the part that its figure was fitted on, in any fold, and neither is the choice of the penalty. What is
counted and compared are queries: the windows of one query are each fitted on, and judged by their mean.
"""

from __future__ import annotations

import zlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import logsumexp

from sidecar.fusion import CROSS_ENCODER, FIRST_PASS, NAMES, Features
from sidecar.manifest import Fusion
from sidecar.query_kinds import KINDS, kinds_of_query
from training.metrics.ranking import evaluate
from training.metrics.significance import Comparison, compare

Floats = npt.NDArray[np.float64]
PENALTIES = (0.001, 0.01, 0.1, 1.0, 10.0)
_NDCG = "ndcg@10"
# Below this share of the cross-encoder's weight a feature orders nothing.
_NEGLIGIBLE = 1e-3
# Fewer queries of a kind say nothing certain of it.
_FEWEST = 20


@dataclass(frozen=True, slots=True)
class FusionList:
    """One query's window: features [hits, features] in the order of `NAMES`, the hits' grades, and all judgments of the query.

    `source` is the data set and the first pass, parted by the last space. Without a `query_id` the query's text is its id.
    """

    query: str
    source: str
    doc_ids: tuple[str, ...]
    columns: Floats
    grades: Floats
    judged: Mapping[str, int]
    query_id: str = ""

    @property
    def key(self) -> str:
        """Which query it is: a data set may have several of one text, and first passes give a query several windows."""
        return f"{self.source.rsplit(' ', 1)[0]}\t{self.query_id or self.query}"


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


def fusion_list(
    query: str, source: str, doc_ids: Sequence[str], columns: Features, judged: Mapping[str, int], *, query_id: str = ""
) -> FusionList:
    """A window as the fit reads it; a hit that nobody judged has grade 0."""
    grades = np.array([judged.get(doc_id, 0) for doc_id in doc_ids], dtype=np.float64)
    return FusionList(query, source, tuple(doc_ids), np.stack([columns[name] for name in NAMES], axis=1), grades, judged, query_id)


def fit_fusion(
    lists: Sequence[FusionList], *, folds: int = 5, penalties: Sequence[float] = PENALTIES, prior: Fusion | None = None
) -> Fitted:
    """The fusion of all lists, and its gain by nested cross-validation; with few lists it stays near the `prior`."""
    near = _ratios(prior)
    parts = _folds(lists, folds)
    if len(parts) < 3:
        raise ValueError(f"{len(lists)} lists of {len({item.query for item in lists})} queries are too few to cross-validate a fusion on")
    fused: dict[str, float] = {}
    for held_out in range(len(parts)):
        rest = [part for number, part in enumerate(parts) if number != held_out]
        weights = _fit(_flat(rest), _best_penalty(rest, penalties, near), near)
        fused |= _ndcg(parts[held_out], weights)
    # On the same queries: a part without a relevant hit can neither be fitted on nor say anything.
    bare = _ndcg(_flat(parts), _bare())
    first_pass = _ndcg(_flat(parts), _only(FIRST_PASS))
    kinds = _by_kind(lists, fused, first_pass)
    penalty = _best_penalty(parts, penalties, near)
    return Fitted(
        Fusion(_named(_fit(lists, penalty, near)), off=tuple(kind for kind, found in kinds.items() if found.high < 0)),
        penalty,
        len(lists),
        len(parts),
        _mean(first_pass),
        _mean(bare),
        _mean(fused),
        compare(fused, bare),
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


def _best_penalty(parts: Sequence[Sequence[FusionList]], penalties: Sequence[float], near: Floats) -> float:
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
            found |= _ndcg(part, _fit(rest, penalty, near))
        values[penalty] = np.array([found[key] for key in sorted(found)])
    best = values[max(penalties, key=lambda penalty: float(values[penalty].mean()))]
    as_good = [penalty for penalty in penalties if _as_good(best - values[penalty])]
    return max(as_good) if near.any() else min(as_good)


def _as_good(behind: Floats) -> bool:
    """Whether paired differences have a mean within one standard error of 0."""
    error = float(behind.std(ddof=1)) / float(np.sqrt(len(behind)))
    return float(behind.mean()) <= error


@dataclass(frozen=True, slots=True)
class _Stacked:
    """Lists as one array: features [lists, hits, features], targets [lists, hits], which hits are real, and each list's share."""

    columns: Floats
    targets: Floats
    real: npt.NDArray[np.bool_]
    shares: Floats


def _ratios(prior: Fusion | None) -> Floats:
    """The prior's weights over its cross-encoder's, in the order of `NAMES`; the cross-encoder's own is 0 here: it has no prior."""
    if prior is None or not prior.weights.get(CROSS_ENCODER):
        return np.zeros(len(NAMES))
    return np.array([0.0 if name == CROSS_ENCODER else prior.weights.get(name, 0.0) / prior.weights[CROSS_ENCODER] for name in NAMES])


def _fit(lists: Sequence[FusionList], penalty: float, near: Floats) -> Floats:
    """Weights in the order of `NAMES`, the cross-encoder's 1 (0 where the logits order nothing)."""
    useful = [item for item in lists if item.grades.max(initial=0.0) > 0]
    # Logits of one model spread ten times as wide as another's: the penalty must mean the same for both.
    spread = float(np.mean([item.columns[:, 0].std() for item in useful])) or 1.0
    scale = np.where(_bare() > 0, 1 / spread, 1.0)
    stacked = _stacked(useful, scale)
    start = np.where(_bare() > 0, 1.0, 0.1)
    found = minimize(_loss, start, args=(stacked, penalty, near * scale[0]), jac=True, method="L-BFGS-B", bounds=[(0, None)] * len(NAMES))
    weights: Floats = found.x * scale
    if weights[0] > 1e-6 * scale[0]:
        weights = weights / weights[0]
    return weights


def _loss(weights: Floats, lists: _Stacked, penalty: float, near: Floats) -> tuple[float, Floats]:
    """Softmax cross-entropy over each list, plus the penalty; and its gradient. `near` are the prior's ratios to the first weight."""
    scores = np.where(lists.real, lists.columns @ weights, -np.inf)
    normalisers = logsumexp(scores, axis=1, keepdims=True)
    losses = normalisers[:, 0] - (lists.targets * np.where(lists.real, scores, 0.0)).sum(axis=1)
    errors = (np.exp(scores - normalisers) - lists.targets) * lists.shares[:, None]
    away = (weights - near * weights[0]) * (1 - _bare())
    gradient = np.einsum("lh,lhf->f", errors, lists.columns) + 2 * penalty * (away - _bare() * (away @ near))
    return float(lists.shares @ losses + penalty * away @ away), gradient


def _stacked(lists: Sequence[FusionList], scale: Floats) -> _Stacked:
    """Every data set counts the same, however many queries it has."""
    counts = Counter(item.source for item in lists)
    longest = max(len(item.doc_ids) for item in lists)
    columns = np.zeros((len(lists), longest, len(NAMES)))
    targets = np.zeros((len(lists), longest))
    real = np.zeros((len(lists), longest), dtype=bool)
    for row, item in enumerate(lists):
        gains = np.exp2(item.grades) - 1
        columns[row, : len(gains)] = item.columns * scale
        targets[row, : len(gains)] = gains / gains.sum()
        real[row, : len(gains)] = True
    shares = np.array([1 / (len(counts) * counts[item.source]) for item in lists])
    return _Stacked(columns, targets, real, shares)


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


def _only(feature: str) -> Floats:
    return np.array([float(name == feature) for name in NAMES])


def _bare() -> Floats:
    return _only(CROSS_ENCODER)


def _named(weights: Floats) -> dict[str, float]:
    least = _NEGLIGIBLE * float(weights.max())
    return {name: round(float(weight), 4) for name, weight in zip(NAMES, weights, strict=True) if weight >= least or name == CROSS_ENCODER}


def _flat(parts: Sequence[Sequence[FusionList]]) -> list[FusionList]:
    return [item for part in parts for item in part]
