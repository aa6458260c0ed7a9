"""Interleaved rounds between contestants."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from benchmarks.contest import hold, table
from benchmarks.contestants import Answer, Session, Unavailable
from benchmarks.workloads import Pairs, Workload

REQUESTS = (Pairs("first", ("a", "b"), 20), Pairs("second", ("c", "d"), 24))
WORKLOAD = Workload("products", REQUESTS)


@dataclass
class Fake:
    """Answers what it is told to, and writes down when it was asked."""

    name: str
    ms: float = 1.0
    scores: tuple[float, float] = (1.0, 0.0)
    file: str = "a file"
    missing: str = ""
    asked: list[tuple[str, str]] = field(default_factory=list)

    @contextmanager
    def start(self) -> Iterator[Session]:
        if self.missing:
            raise Unavailable(self.missing)
        yield self

    def rerank(self, pairs: Pairs) -> Answer:
        self.asked.append((self.name, pairs.query))
        return Answer(self.ms, list(self.scores))

    def resident_mib(self) -> float:
        return 100.0


def test_every_contestant_scores_every_round_and_one_that_is_not_counted() -> None:
    ours, peer = Fake("ours"), Fake("peer")

    entries = hold([ours, peer], [WORKLOAD], rounds=2, advance=lambda _: None)

    assert [query for _, query in ours.asked] == ["first", "second", "first"]
    assert [len(entry.times_ms("products")) for entry in entries] == [2, 2]


def test_the_order_of_contestants_changes_from_round_to_round() -> None:
    asked: list[tuple[str, str]] = []

    hold([Fake("ours", asked=asked), Fake("peer", asked=asked)], [WORKLOAD], rounds=1, advance=lambda _: None)

    assert [name for name, _ in asked] == ["ours", "peer", "peer", "ours"]


def test_a_contestant_that_cannot_start_is_a_reason_and_no_figure() -> None:
    entries = hold([Fake("ours"), Fake("peer", missing="no local file")], [WORKLOAD], rounds=1, advance=lambda _: None)
    printed = table("a contest", entries, [WORKLOAD])

    assert printed.rows[1][2:5] == ("-", "-", "-")
    assert "peer on a file took no part: no local file" in printed.notes


def test_ratios_are_against_the_first_contestant() -> None:
    entries = hold([Fake("ours", ms=10), Fake("peer", ms=25)], [WORKLOAD], rounds=3, advance=lambda _: None)

    assert [row[3] for row in table("a contest", entries, [WORKLOAD]).rows] == ["1.00", "2.50"]


def test_orders_are_compared_with_the_first_of_the_same_file() -> None:
    entries = hold(
        [Fake("ours"), Fake("same", scores=(5.0, 4.0)), Fake("other", scores=(0.0, 1.0)), Fake("torch", file="float")],
        [WORKLOAD],
        rounds=1,
        advance=lambda _: None,
    )

    orders = [row[4] for row in table("a contest", entries, [WORKLOAD]).rows]

    assert orders == ["reference", "equal", "1 of 1 pairs swapped, 2 of the top 2 kept", "equal"]
