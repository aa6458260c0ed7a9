"""Each rule drops what it names, keeps the rest, and is counted."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest
from ibis.expr.types import Table

from tests.training.logs import log
from training.data.cleaning import Cleaning, clean
from training.data.engine import Engine

OFF = Cleaning(duplicates=False, cancelled_types=frozenset(), bot_device_pattern=None, max_events_per_hour=None)


def items(table: Table) -> list[str]:
    return sorted(row["item_id"] for row in table.to_pyarrow().to_pylist())


def orders(line: str, user: str = "u", at: Sequence[int | None] = ()) -> list[dict[str, Any]]:
    """One user's purchases (P) and cancellations (C) of one item, in the order of time; a row's session is its place in the line."""
    kinds = {"P": "purchase", "C": "cancellation"}
    return [
        {"user_id": user, "item_id": "a", "type": kinds[kind], "timestamp_ms": moment, "session_id": f"{user}{place}"}
        for place, (kind, moment) in enumerate(zip(line, at or range(len(line)), strict=True))
    ]


def sessions(table: Table) -> set[str]:
    return {row["session_id"] for row in table.to_pyarrow().to_pylist()}


def standing(line: str) -> set[int]:
    """The places of the purchases that stand, by a stack."""
    stack: list[int] = []
    for place, kind in enumerate(line):
        if kind == "P":
            stack.append(place)
        elif stack:
            stack.pop()
    return set(stack)


def test_without_rules_every_row_is_kept(engine: Engine) -> None:
    read = clean(engine, log({"item_id": "a"}, {"item_id": "a"}, {"item_id": "b", "type": "cancellation"}), OFF)
    assert items(read.rows) == ["a", "a", "b"]
    assert (read.report.rows, read.report.kept, read.report.dropped) == (3, 3, {})


@pytest.mark.parametrize("known", ["user_id", "session_id"])
def test_equal_rows_are_kept_once(engine: Engine, known: str) -> None:
    row = {"item_id": "a", known: "u", "timestamp_ms": 1}
    read = clean(engine, log(*[row] * 3, row | {"timestamp_ms": 2}), Cleaning())
    assert items(read.rows) == ["a", "a"]
    assert read.report.dropped == {"duplicate": 2}


@pytest.mark.parametrize(
    "known",
    [{}, {"timestamp_ms": 1}, {"user_id": "u", "session_id": "s"}],
    ids=["neither time nor user", "no user and no session", "no time"],
)
def test_rows_that_nothing_tells_apart_are_all_kept(engine: Engine, known: dict[str, Any]) -> None:
    shown = {"item_id": "a", "type": "impression", "query": "lamp", "position": 1, **known}
    read = clean(engine, log(*[shown] * 100), Cleaning())
    assert items(read.rows) == ["a"] * 100
    assert (read.report.rows, read.report.dropped) == (100, {})


def test_a_cancellation_takes_its_purchase_with_it(engine: Engine) -> None:
    def order(item: str, kind: str, count: float, at: int, user: str | None = "u") -> dict[str, Any]:
        return {"user_id": user, "item_id": item, "type": kind, "quantity": count, "timestamp_ms": at}

    rows = log(
        order("taken back", "purchase", 2, 1),
        order("taken back", "cancellation", -2, 5),
        order("another count", "purchase", 3, 1),
        order("another count", "cancellation", -2, 5),
        order("bought again", "purchase", 2, 9),
        order("bought again", "cancellation", -2, 5),
        order("nobody's", "purchase", 1, 1, None),
        order("nobody's", "cancellation", -1, 5, None),
    )
    read = clean(engine, rows, Cleaning())
    assert items(read.rows) == ["another count", "bought again", "nobody's"]
    assert read.report.dropped == {"cancellation": 4, "purchase taken back": 1}


def test_a_cancellation_takes_the_latest_purchase_alone(engine: Engine) -> None:
    read = clean(engine, log(*orders("PPPPPPC")), Cleaning())
    assert sessions(read.rows) == {"u0", "u1", "u2", "u3", "u4"}
    assert read.report.dropped == {"cancellation": 1, "purchase taken back": 1}


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("PCP", {2}),
        ("CPP", {1, 2}),
        ("PCCP", {3}),
        ("PPCC", set()),
        ("PCPC", set()),
        ("PPCPC", {0}),
        ("PPCPCC", set()),
        ("CPPCPPC", {1, 4}),
    ],
)
def test_no_purchase_is_taken_twice_or_before_it_was_made(engine: Engine, line: str, kept: set[int]) -> None:
    assert sessions(clean(engine, log(*orders(line)), Cleaning()).rows) == {f"u{place}" for place in kept}


def test_any_order_of_purchases_and_cancellations_is_paired_as_brackets_are(engine: Engine) -> None:
    draw = random.Random(7)
    lines = {f"user {n}, order ": "".join(draw.choices("PC", k=draw.randint(1, 12))) for n in range(200)}
    rows = [row for user, line in lines.items() for row in orders(line, user)]
    draw.shuffle(rows)
    read = clean(engine, log(*rows), Cleaning())
    assert sessions(read.rows) == {f"{user}{place}" for user, line in lines.items() for place in standing(line)}


def test_a_cancellation_at_its_purchases_moment_comes_after_it(engine: Engine) -> None:
    assert sessions(clean(engine, log(*orders("CPP", at=[5, 5, 9])), Cleaning()).rows) == {"u2"}


@pytest.mark.parametrize(
    ("line", "at", "kept"),
    [
        ("PPPC", [None] * 4, {"u0", "u1"}),
        ("PPC", [None, 1, 2], {"u0"}),
        ("PCC", [None, 1, 2], set()),
        ("PC", [1, None], {"u0"}),
    ],
    ids=["none has a time", "the dated one goes first", "then the undated one", "an undated cancellation takes no dated one"],
)
def test_a_purchase_without_a_time_counts_as_an_early_one(engine: Engine, line: str, at: list[int | None], kept: set[str]) -> None:
    assert sessions(clean(engine, log(*orders(line, at=at)), Cleaning()).rows) == kept


def test_equal_purchases_without_a_time_are_taken_one_by_one(engine: Engine) -> None:
    bought, back = ({"user_id": "u", "item_id": "a", "type": kind} for kind in ("purchase", "cancellation"))
    read = clean(engine, log(*[bought] * 5, *[back] * 2), Cleaning())
    assert items(read.rows) == ["a"] * 3
    assert read.report.dropped == {"cancellation": 2, "purchase taken back": 2}


def test_items_that_are_none_are_dropped_by_their_ids(engine: Engine) -> None:
    read = clean(engine, log({"item_id": "22423"}, {"item_id": "POST"}), Cleaning(item_pattern=r"^\d{5}"))
    assert items(read.rows) == ["22423"]
    assert read.report.dropped == {"not an item": 1}


@pytest.mark.parametrize("note", ["damaged", "?", "Found in w/hse", "sold as set on dotcom", "???"])
def test_a_note_in_place_of_a_name_is_dropped(engine: Engine, note: str) -> None:
    rows = log(*[{"item_id": "a", "name": "LOST IN SPACE LAMP", "timestamp_ms": i} for i in range(3)], {"item_id": "a", "name": note})
    read = clean(engine, rows, Cleaning(notes=True))
    assert read.report.kept == 3
    assert read.report.dropped == {"note instead of an item's name": 1}


def test_a_users_events_are_a_bots_when_an_hour_has_too_many(engine: Engine) -> None:
    hour = 3_600_000
    bot = [{"item_id": "b", "user_id": "bot", "timestamp_ms": i} for i in range(4)]
    later = {"item_id": "b", "user_id": "bot", "timestamp_ms": 50 * hour}
    keen = [{"item_id": "k", "user_id": "keen", "timestamp_ms": i * hour} for i in range(4)]
    unknown = [{"item_id": "n", "timestamp_ms": i} for i in range(4)]
    read = clean(engine, log(*bot, later, *keen, *unknown), Cleaning(max_events_per_hour=3))
    assert set(items(read.rows)) == {"k", "n"}
    assert read.report.dropped == {"bot by its rate": 5}


@pytest.mark.parametrize("device", ["Googlebot/2.1", "my-crawler", "Baiduspider"])
def test_a_bot_is_known_by_its_device(engine: Engine, device: str) -> None:
    rows = log({"item_id": "a", "device": device}, {"item_id": "b", "device": "Mozilla/5.0 (Robotic lawn mower)"})
    assert clean(engine, rows, Cleaning()).report.dropped == {"bot by its device": 1}


def test_sessions_without_a_search_are_dropped_whole(engine: Engine) -> None:
    rows = log(
        {"item_id": "a", "session_id": "1", "query": "lamp"},
        {"item_id": "b", "session_id": "1"},
        {"item_id": "c", "session_id": "2"},
        {"item_id": "d"},
        {"item_id": "e", "query": "lamp"},
    )
    read = clean(engine, rows, Cleaning(searched_sessions_only=True))
    assert items(read.rows) == ["a", "b", "e"]
    assert read.report.dropped == {"session without a search": 2}


def test_a_row_that_two_rules_drop_is_counted_once_by_the_first(engine: Engine) -> None:
    rows = log({"item_id": "POST", "type": "cancellation", "device": "a bot"}, {"item_id": "POST", "device": "a bot"})
    report = clean(engine, rows, Cleaning(item_pattern="^[0-9]")).report
    assert report.dropped == {"cancellation": 1, "not an item": 1}
    assert report.kept == 0
