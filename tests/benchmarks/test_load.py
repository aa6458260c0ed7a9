"""The open loop's schedule, its steps and its stairs."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace

import pytest

from benchmarks.load import Sent, Stairs, Step, Watch, arrivals, summarize

STEP = Step(10.0, 100, 100, 100, 0, {}, 20.0, 40.0, 80.0, {"node": 2.0, "sidecar": 3.0, "load tool": 5.0}, {})


def answer(ms: float = 10.0, *, status: int = 200, applied: bool = True, reason: str = "") -> Sent:
    return Sent(0.0, ms, status, "", applied, reason)


def test_arrivals_come_in_order_within_the_step() -> None:
    moments = arrivals(50.0, 4.0, random.Random(1))

    assert moments == sorted(moments)
    assert moments[0] > 0
    assert moments[-1] < 4.0


def test_arrivals_keep_the_rate_on_average() -> None:
    assert len(arrivals(100.0, 100.0, random.Random(1))) == pytest.approx(10_000, rel=0.05)


def test_arrivals_are_independent_of_each_other() -> None:
    moments = arrivals(100.0, 100.0, random.Random(1))
    gaps = [later - earlier for earlier, later in itertools.pairwise(moments)]
    mean = sum(gaps) / len(gaps)
    deviation = (sum((gap - mean) ** 2 for gap in gaps) / len(gaps)) ** 0.5

    # The standard deviation of exponential gaps is their mean; a metronome's would be zero.
    assert deviation == pytest.approx(mean, rel=0.05)


def test_equal_seeds_give_equal_schedules() -> None:
    assert arrivals(5.0, 10.0, random.Random(3)) == arrivals(5.0, 10.0, random.Random(3))


def test_the_stairs_rise_by_their_factor() -> None:
    assert list(Stairs(start=2.0, factor=1.5, most_steps=3).rates()) == [2.0, 3.0, 4.5]


def test_a_step_counts_answers_by_what_became_of_them() -> None:
    sent = [
        answer(10),
        answer(20, applied=False, reason="overloaded"),
        answer(15, applied=False, reason="no_hits"),
        answer(90, status=503),
        answer(5000, status=0, applied=False),
    ]

    step = summarize(2.0, 6, sent, watch=Watch({}), tells=True)

    assert (step.sent, step.answered, step.reranked, step.failed) == (6, 3, 2, 3)
    assert step.reasons == {"overloaded": 1, "no_hits": 1, "status 503": 1, "no answer": 1}
    assert step.p99_ms == 20


def test_a_re_ranker_of_its_own_is_re_ranked_by_every_answer() -> None:
    step = summarize(2.0, 1, [answer(applied=False)], watch=Watch({}), tells=False)

    assert (step.reranked, step.reasons) == (1, {})


def test_a_step_without_any_answer_does_not_hold() -> None:
    assert not summarize(2.0, 1, [answer(status=0, applied=False)], watch=Watch({}), tells=True).holds(1e9)


@pytest.mark.parametrize(
    ("step", "holds"),
    [
        pytest.param(STEP, True, id="in time and re-ranked"),
        pytest.param(replace(STEP, p99_ms=101.0), False, id="late"),
        pytest.param(replace(STEP, reranked=98), False, id="quick, because pages were left in first-pass order"),
    ],
)
def test_a_rate_holds_when_pages_are_in_time_and_re_ranked(step: Step, holds: bool) -> None:
    assert step.holds(100.0) is holds


def test_searches_per_core_leave_the_load_tool_out() -> None:
    assert STEP.per_core() == 100 / (2.0 + 3.0)
