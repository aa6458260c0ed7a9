"""Logits -> the scores that are answered: fusion, transform, and the gate that leaves some queries to the first pass.

Invariant: a gated query costs no model run and keeps the first pass's order; a request whose hits carry no scores is never gated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sidecar.candidates import Document
from sidecar.fusion import CROSS_ENCODER, DENSE, FIRST_PASS, Column, Features, features, fuse
from sidecar.manifest import Fusion, Manifest, Transform
from sidecar.query_kinds import kinds_of_query
from sidecar.ranker import Pair


@dataclass(frozen=True, slots=True)
class RankRequest:
    """A query with its candidates: fields by role, or one plain text; the first pass's scores where known.

    `own=False` scores what is given and nothing else, for those who measure the model: kinds of queries too that its manifest leaves to
    the first pass, no similarities but the request's, and the query as it is spelt.
    """

    query: str
    documents: Sequence[Document]
    first_pass: Sequence[float | None]
    dense: Sequence[float | None]
    profile: str | None
    deadline: float
    own: bool = True


@dataclass(frozen=True, slots=True)
class Ranking:
    """Scores aligned with the documents, and the query as it was read. `raw` is before the manifest's transform: a logit, or the
    fusion's sum."""

    scores: list[float]
    raw: list[float]
    features: Features
    cached: list[bool]
    model: str
    query: str


def gated(fusion: Fusion | None, request: RankRequest) -> bool:
    """Whether this request's order is left to the first pass."""
    return request.own and fusion is not None and turned_off(fusion, request.query, request.first_pass)


def wants_similarities(fusion: Fusion | None, request: RankRequest) -> bool:
    """Whether the fusion weighs similarities that the request does not bring and the sidecar may know."""
    return request.own and fusion is not None and bool(fusion.weights.get(DENSE)) and all(value is None for value in request.dense)


def turned_off(fusion: Fusion, query: str, first_pass: Sequence[float | None]) -> bool:
    """Whether the fusion leaves this query's order to the first pass, whose scores are all there."""
    return bool(fusion.off) and None not in first_pass and not kinds_of_query(query).isdisjoint(fusion.off)


def first_pass_ranking(manifest: Manifest, model: str, request: RankRequest) -> Ranking:
    """The first pass's order, as z-normalised scores; logits and overlaps were not computed and are 0."""
    none = np.zeros(len(request.documents))
    columns = features(none, title_overlap=none, text_overlap=none, first_pass=request.first_pass, dense=request.dense)
    return _ranking(manifest, model, columns[FIRST_PASS], columns, [False] * len(request.documents), request.query)


def model_ranking(manifest: Manifest, model: str, request: RankRequest, pairs: Sequence[Pair], cached: list[bool]) -> Ranking:
    """The model's order, fused where the manifest says so."""
    logits, title, text = zip(*pairs, strict=True) if pairs else ((), (), ())
    columns = features(logits, title_overlap=title, text_overlap=text, first_pass=request.first_pass, dense=request.dense)
    raw = columns[CROSS_ENCODER] if manifest.fusion is None else fuse(manifest.fusion, columns)
    return _ranking(manifest, model, raw, columns, cached, request.query)


def _ranking(manifest: Manifest, model: str, raw: Column, columns: Features, cached: list[bool], query: str) -> Ranking:
    return Ranking(transformed(raw, manifest.transform).tolist(), raw.tolist(), columns, cached, model, query)


def transformed(raw: Column, transform: Transform) -> Column:
    """The manifest's monotone transform of raw scores."""
    return raw if transform == "identity" else sigmoid(raw)


def sigmoid(raw: Column) -> Column:
    """1 / (1 + e^-raw), without overflow at either end."""
    return np.exp(-np.logaddexp(0.0, -raw))
