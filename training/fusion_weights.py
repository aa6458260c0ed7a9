"""Weights of the linear fusion (`sidecar.fusion`) for judged windows: a listwise softmax loss, and a prior that they stay near.

score = cross_encoder + sum of weight x feature, weights at least 0. The penalty is L2 on how far all weights but the cross-encoder's are
from the prior's: another model's weights, weights beside a z-normalised network, or 0, so that a strong penalty is the prior, or no fusion.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import logsumexp

from sidecar.fusion import CROSS_ENCODER, NAMES, Features
from sidecar.manifest import Fusion

Floats = npt.NDArray[np.float64]


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


def fusion_list(
    query: str, source: str, doc_ids: Sequence[str], columns: Features, judged: Mapping[str, int], *, query_id: str = ""
) -> FusionList:
    """A window as the fit reads it; a hit that nobody judged has grade 0."""
    grades = np.array([judged.get(doc_id, 0) for doc_id in doc_ids], dtype=np.float64)
    return FusionList(query, source, tuple(doc_ids), np.stack([columns[name] for name in NAMES], axis=1), grades, judged, query_id)


@dataclass(frozen=True, slots=True)
class Prior:
    """The features' weights that a fit stays near, in the order of `NAMES`, and in what unit.

    `beside_spread`: beside logits whose standard deviation within a list is 1, as all other features have it or nearly; else beside the
    logits as they are, as a manifest has its weights. The cross-encoder's own is 0: it has no prior.
    """

    weights: Floats
    beside_spread: bool = False

    @classmethod
    def of_fusion(cls, fusion: Fusion) -> Prior:
        """Another model's fusion, beside its own logits: they have to spread as this model's do."""
        return cls._of(fusion.weights, fusion.weights.get(CROSS_ENCODER) or np.inf, beside_spread=False)

    @classmethod
    def beside_network(cls, weights: Mapping[str, float]) -> Prior:
        """So much of each feature beside a z-normalised network: dense 1 is their plain sum, as `rerank experiments carry-over` has it."""
        return cls._of(weights, 1.0, beside_spread=True)

    @classmethod
    def _of(cls, weights: Mapping[str, float], unit: float, *, beside_spread: bool) -> Prior:
        return cls(np.array([0.0 if name == CROSS_ENCODER else weights.get(name, 0.0) / unit for name in NAMES]), beside_spread)

    def without(self, feature: str) -> Prior:
        """The same, with nothing of a feature that the service will not have."""
        return Prior(np.where(only(feature) > 0, 0.0, self.weights), self.beside_spread)

    def says_something(self) -> bool:
        """Whether any weight is not 0."""
        return bool(self.weights.any())


NO_PRIOR = Prior(np.zeros(len(NAMES)))


def fit_weights(lists: Sequence[FusionList], penalty: float, prior: Prior) -> Floats:
    """Weights in the order of `NAMES`, the cross-encoder's 1 (0 where the logits order nothing)."""
    useful = [item for item in lists if item.grades.max(initial=0.0) > 0]
    # Logits of one model spread ten times as wide as another's: the penalty must mean the same for both.
    spread = float(np.mean([item.columns[:, 0].std() for item in useful])) or 1.0
    scale = np.where(bare() > 0, 1 / spread, 1.0)
    near = prior.weights if prior.beside_spread else prior.weights / spread
    stacked = _stacked(useful, scale)
    start = np.where(bare() > 0, 1.0, 0.1)
    found = minimize(_loss, start, args=(stacked, penalty, near), jac=True, method="L-BFGS-B", bounds=[(0, None)] * len(NAMES))
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
    away = (weights - near * weights[0]) * (1 - bare())
    gradient = np.einsum("lh,lhf->f", errors, lists.columns) + 2 * penalty * (away - bare() * (away @ near))
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


@dataclass(frozen=True, slots=True)
class _Stacked:
    """Lists as one array: features [lists, hits, features], targets [lists, hits], which hits are real, and each list's share."""

    columns: Floats
    targets: Floats
    real: npt.NDArray[np.bool_]
    shares: Floats


def only(feature: str) -> Floats:
    """The weights of an order by one feature alone."""
    return np.array([float(name == feature) for name in NAMES])


def bare() -> Floats:
    """The weights of the network's own order."""
    return only(CROSS_ENCODER)
