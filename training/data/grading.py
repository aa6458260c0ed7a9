"""Interactions -> grades of (query, item) pairs: by the strongest interaction, or by interactions over those that the place explains.

Invariant: a pair without enough evidence gets no grade, rather than a zero, and is counted; so is every row that cannot be graded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import ibis
from ibis.expr.types import FloatingScalar, StringScalar, Table

from training.data.columns import real
from training.data.engine import Engine
from training.data.report import Report, count

DEFAULT_WEIGHTS: Mapping[str, float] = {"click": 1.0, "cart": 2.0, "purchase": 3.0}
# Measured chances that a user looks at places 1 to 10 of a result page (Joachims et al., 2005).
EXAMINATION = (0.68, 0.61, 0.48, 0.34, 0.28, 0.20, 0.11, 0.10, 0.08, 0.06)
_NO_WEIGHT = "type without a weight"
# A wrong --type-column may hold as many types as rows.
_NAMED_TYPES = 5


@dataclass(frozen=True, slots=True)
class PositionModel:
    """How much of a pair's interactions its place on the page explains.

    `examination` holds the chance that each place is looked at; without it, the log's own mean at each place is taken, which is fair
    only where first-pass rank and relevance are weakly tied. `prior` expected interactions are added on both sides of the ratio, so
    few impressions say little. A pair is graded by the number of `thresholds` that its ratio reaches, and left out when it has no
    interaction and fewer than `enough` expected ones.
    """

    examination: tuple[float, ...] | None = EXAMINATION
    prior: float = 1.0
    enough: float = 0.5
    thresholds: tuple[float, ...] = (0.75, 1.25, 2.0)
    impression_type: str = "impression"


@dataclass(frozen=True, slots=True)
class Graded:
    """Grades, and what was left out of them: of the rows, and by position of the (query, item) pairs too."""

    rows: Table
    reports: tuple[Report, ...]


def grade_by_type(engine: Engine, interactions: Table, weights: Mapping[str, float] = DEFAULT_WEIGHTS) -> Graded:
    """`query, item_id, grade, events`: the weight of the strongest interaction of a pair, weights being grades."""
    usable, report = _usable(interactions, weights)
    pairs = usable.group_by(["query", "item_id"]).agg(grade=lambda t: t.weight.max(), events=lambda t: t.count())
    return Graded(engine.keep(pairs), (report,))


def grade_by_position(engine: Engine, interactions: Table, model: PositionModel, weights: Mapping[str, float] = DEFAULT_WEIGHTS) -> Graded:
    """`query, item_id, grade, events, expected, ratio`: weighed interactions over those expected at the places where the item was shown
    (clicks over expected clicks, Zhang & Jones, WWW 2007)."""
    usable, report = _usable(interactions, {**weights, model.impression_type: 0.0})
    shown = usable.filter(usable.type == model.impression_type, usable.position.notnull())
    placed = _expected_by_place(usable, shown, model)
    exposure = shown.inner_join(placed, "position").group_by(["query", "item_id"]).agg(expected=lambda t: t.rate.sum())
    pairs = usable.group_by(["query", "item_id"]).agg(events=lambda t: t.weight.sum())
    joined = pairs.left_join(exposure, ["query", "item_id"]).drop("query_right", "item_id_right")
    ratio = (joined.events + model.prior) / (joined.expected + model.prior)
    reason = ibis.cases(
        (joined.expected.isnull(), "never shown at a known place"),
        ((joined.events == 0) & (joined.expected < model.enough), "shown too little to tell"),
        else_=ibis.null("string"),
    )
    labelled = engine.keep(joined.mutate(ratio=ratio, grade=_grade(ratio, model.thresholds), reason=reason))
    graded = labelled.filter(labelled.reason.isnull()).select("query", "item_id", "grade", "events", "expected", "ratio")
    return Graded(graded, (report, count(_reasons(labelled), "grades by position")))


def normalized_query(query: StringScalar) -> StringScalar:
    """Lower case, single spaces: spellings that users mean alike."""
    return query.lower().re_replace(r"\s+", " ").strip().nullif("")


def _usable(interactions: Table, weights: Mapping[str, float]) -> tuple[Table, Report]:
    """The rows that have a query and a type with a `weight`, and the report of the others."""
    weight = ibis.cases(*((interactions.type == name, real(value)) for name, value in weights.items()), else_=real(0.0))
    rows = interactions.mutate(query=normalized_query(interactions.query), weight=weight)
    reason = ibis.cases(
        (rows.query.isnull(), "no query"),
        (~rows.type.isin(sorted(weights)), _NO_WEIGHT),
        else_=ibis.null("string"),
    )
    labelled = rows.mutate(reason=reason)
    counts = _reasons(labelled)
    if _NO_WEIGHT in counts:
        counts[f"{_NO_WEIGHT}: {_types(labelled)}"] = counts.pop(_NO_WEIGHT)
    return labelled.filter(labelled.reason.isnull()).drop("reason"), count(counts, "interactions to grade")


def _types(labelled: Table) -> str:
    """The most frequent types without a weight, each with its rows: `wishlist 10, hover 2`."""
    unknown = labelled.filter(labelled.reason == _NO_WEIGHT)
    counts = unknown.group_by("type").agg(rows=unknown.count())
    frequent = counts.order_by([counts.rows.desc(), counts.type.asc()]).limit(_NAMED_TYPES + 1).to_pyarrow().to_pylist()
    named = [f"{row['type']} {row['rows']:,}" for row in frequent[:_NAMED_TYPES]]
    return ", ".join(named + ["…"] * (len(frequent) > _NAMED_TYPES))


def _expected_by_place(usable: Table, shown: Table, model: PositionModel) -> Table:
    """`position, rate`: the weighed interactions that an item of average appeal gets each time it is shown there."""
    if model.examination is None:
        events = usable.filter(usable.position.notnull()).group_by("position")
        observed = events.agg(weight=lambda t: t.weight.sum(), impressions=lambda t: (t.type == model.impression_type).sum())
        return observed.filter(observed.impressions > 0).select("position", rate=observed.weight / observed.impressions)
    looked = shown.mutate(looked=_examined(shown, model.examination))
    # Of the pairs that were shown: purchases from pages that the log does not know would make every place seem busier than it is.
    known = usable.semi_join(shown, ["query", "item_id"])
    scale = known.agg(weight=known.weight.sum()).cross_join(looked.agg(looks=looked.looked.sum()))
    places = looked.select("position", "looked").distinct()
    return places.cross_join(scale).select("position", rate=lambda t: t.looked * t.weight / t.looks)


def _examined(shown: Table, examination: tuple[float, ...]) -> FloatingScalar:
    places = ((shown.position == place, real(chance)) for place, chance in enumerate(examination, start=1))
    # Below the last measured place users look as rarely as there.
    return ibis.cases(*places, else_=real(examination[-1]))


def _grade(ratio: FloatingScalar, thresholds: tuple[float, ...]) -> FloatingScalar:
    reached = [(ratio >= threshold).cast("int64") for threshold in thresholds]
    return sum(reached[1:], start=reached[0]).cast("float64")


def _reasons(rows: Table) -> dict[str | None, int]:
    counts = rows.group_by("reason").agg(rows=rows.count()).to_pyarrow().to_pylist()
    return {row["reason"]: row["rows"] for row in counts}
