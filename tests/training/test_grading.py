"""Interactions become grades by their weight, or by how far they exceed what the place on the page explains."""

from __future__ import annotations

from typing import Any

import pytest
from ibis.expr.types import Table

from tests.training.logs import log
from training.data.engine import Engine
from training.data.grading import PositionModel, grade_by_position, grade_by_type


def by_pair(table: Table) -> dict[tuple[str, str], dict[str, Any]]:
    return {(row["query"], row["item_id"]): row for row in table.to_pyarrow().to_pylist()}


def events(query: str, item: str, kind: str, count: int, position: int | None = None) -> list[dict[str, Any]]:
    return [{"query": query, "item_id": item, "type": kind, "position": position}] * count


def test_a_pair_is_graded_by_its_strongest_interaction(engine: Engine) -> None:
    read = grade_by_type(engine, log(*events("Red  Lamp", "a", "click", 3), *events("red lamp", "a", "purchase", 1)))
    (row,) = read.rows.to_pyarrow().to_pylist()
    assert row == {"query": "red lamp", "item_id": "a", "grade": 3.0, "events": 4}


def test_rows_that_cannot_be_graded_are_counted(engine: Engine) -> None:
    rows = log(*events("lamp", "a", "hover", 2), {"item_id": "b", "type": "click"}, *events("lamp", "c", "click", 1))
    (report,) = grade_by_type(engine, rows).reports
    assert report.dropped == {"type without a weight: hover 2": 2, "no query": 1}
    assert (report.rows, report.kept) == (4, 1)


def test_rows_that_cannot_be_graded_by_position_are_counted_too(engine: Engine) -> None:
    rows = log(
        *events("lamp", "a", "impression", 5, 1),
        *events("lamp", "a", "wishlist", 10, 1),
        *events("lamp", "a", "hover", 1, 1),
        {"item_id": "b", "type": "click"},
    )
    by_row, by_pair = grade_by_position(engine, rows, PositionModel()).reports
    assert by_row.dropped == {"type without a weight: wishlist 10, hover 1": 11, "no query": 1}
    assert (by_row.rows, by_row.kept, by_pair.rows) == (17, 5, 1)


def test_of_many_types_without_a_weight_the_most_frequent_are_named(engine: Engine) -> None:
    rows = log(*events("lamp", "a", "often", 2), *(row for i in range(9) for row in events("lamp", "a", f"t{i}", 1)))
    (report,) = grade_by_type(engine, rows).reports
    assert report.dropped == {"type without a weight: often 2, t0 1, t1 1, t2 1, t3 1, …": 11}


def test_equal_clicks_mean_more_at_a_place_that_is_rarely_looked_at(engine: Engine) -> None:
    rows = log(
        *(events("lamp", "top", "impression", 100, 1) + events("lamp", "top", "click", 20, 1)),
        *(events("lamp", "low", "impression", 100, 10) + events("lamp", "low", "click", 20, 10)),
    )
    found = by_pair(grade_by_position(engine, rows, PositionModel()).rows)
    top, low = found["lamp", "top"], found["lamp", "low"]
    assert top["expected"] + low["expected"] == pytest.approx(40)
    assert top["expected"] / low["expected"] == pytest.approx(0.68 / 0.06)
    assert (top["grade"], low["grade"]) == (0.0, 3.0)


def test_without_a_curve_the_logs_own_rate_at_each_place_is_expected(engine: Engine) -> None:
    rows = log(
        *(events("lamp", "a", "impression", 10, 1) + events("lamp", "a", "click", 6, 1)),
        *(events("desk", "b", "impression", 10, 1) + events("desk", "b", "click", 2, 1)),
    )
    found = by_pair(grade_by_position(engine, rows, PositionModel(examination=None, prior=1.0)).rows)
    assert found["lamp", "a"]["expected"] == pytest.approx(10 * 8 / 20)
    assert found["lamp", "a"]["ratio"] == pytest.approx((6 + 1) / (4 + 1))
    assert found["desk", "b"]["ratio"] == pytest.approx((2 + 1) / (4 + 1))
    assert (found["lamp", "a"]["grade"], found["desk", "b"]["grade"]) == (2.0, 0.0)


def test_purchases_from_pages_that_the_log_does_not_know_change_no_other_grade(engine: Engine) -> None:
    shown = [row for place in range(1, 6) for row in events("lamp", f"p{place}", "impression", 60, place)]
    clicks = [row for place in range(1, 6) for row in events("lamp", f"p{place}", "click", 12, place)]
    elsewhere = events("desk", "d", "purchase", 60)
    alone, beside = (
        by_pair(grade_by_position(engine, log(*rows), PositionModel()).rows) for rows in (shown + clicks, shown + clicks + elsewhere)
    )
    assert alone == beside
    assert any(row["grade"] > 0 for row in alone.values())


def test_a_pair_that_was_hardly_shown_gets_no_grade_rather_than_a_zero(engine: Engine) -> None:
    rows = log(
        *(events("lamp", "a", "impression", 10, 1) + events("lamp", "a", "click", 5, 1)),
        *events("lamp", "seldom", "impression", 1, 10),
        *events("lamp", "never shown", "click", 1, 4),
        *events("lamp", "at no place", "impression", 5),
        *events("lamp", "often", "impression", 10, 1),
    )
    read = grade_by_position(engine, rows, PositionModel())
    assert {item for _, item in by_pair(read.rows)} == {"a", "often"}
    assert read.reports[1].dropped == {"shown too little to tell": 1, "never shown at a known place": 2}
    assert by_pair(read.rows)["lamp", "often"]["grade"] == 0.0


def test_stronger_interactions_weigh_more_at_the_same_place(engine: Engine) -> None:
    rows = log(
        *(events("lamp", "bought", "impression", 10, 1) + events("lamp", "bought", "purchase", 3, 1)),
        *(events("lamp", "clicked", "impression", 10, 1) + events("lamp", "clicked", "click", 3, 1)),
    )
    found = by_pair(grade_by_position(engine, rows, PositionModel()).rows)
    assert found["lamp", "bought"]["ratio"] > found["lamp", "clicked"]["ratio"]
