"""Every work ends, in order, on time or with the right error."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from sidecar.batcher import Batcher
from sidecar.errors import DeadlineExceeded, NotReady, Overloaded, ScoringFailed, Unprocessable
from tests.sidecar.fakes import FOREVER, FakeClock, Gate, make_batcher, work


def busy(batcher: Batcher, callers: ThreadPoolExecutor, *, deadline: float = FOREVER, items: int = 1) -> Gate:
    """Occupies a scoring thread until its gate is opened."""
    gate = Gate()
    callers.submit(batcher.run, work(range(items), gate.run, deadline=deadline))
    assert gate.entered.wait(5)
    return gate


@pytest.fixture
def callers():
    with ThreadPoolExecutor(8) as pool:
        yield pool


def test_results_come_in_the_order_of_the_items_whatever_their_lengths():
    batcher = make_batcher(threads=2)
    mixed = work(list(range(20)), lambda items: [item * 10 for item in items])
    assert batcher.run(mixed) == [item * 10 for item in range(20)]


def test_work_without_items_ends_at_once():
    assert make_batcher().run(work([], list)) == []


def test_a_model_that_raises_ends_its_request_with_scoring_failed():
    def broken(_):
        raise RuntimeError("boom")

    with pytest.raises(ScoringFailed, match="the model failed"):
        make_batcher().run(work([1, 2], broken))


def test_an_error_of_the_services_own_reaches_the_caller_as_it_is():
    def refuse(_):
        raise Unprocessable("no")

    with pytest.raises(Unprocessable, match="no"):
        make_batcher().run(work([1], refuse))


def test_a_model_that_answers_the_wrong_count_ends_its_request_with_scoring_failed():
    with pytest.raises(ScoringFailed, match="1 results for 2 items"):
        make_batcher().run(work([1, 2], lambda items: items[:1]))


def test_a_failed_request_leaves_the_threads_fit_for_the_next():
    batcher = make_batcher()
    with pytest.raises(ScoringFailed):
        batcher.run(work([1], lambda _: []))
    assert batcher.run(work([1], list)) == [1]


def test_a_hanging_model_costs_its_caller_no_more_than_the_deadline():
    batcher = make_batcher()
    gate = Gate()
    started = time.monotonic()
    with pytest.raises(DeadlineExceeded):
        batcher.run(work([1], gate.run, deadline=started + 0.05))
    assert time.monotonic() - started < 0.5
    gate.opened.set()


def test_a_request_that_comes_after_its_deadline_is_not_scored():
    clock = FakeClock()
    with pytest.raises(DeadlineExceeded, match="before scoring began"):
        make_batcher(clock=clock).run(work([1], list, deadline=clock.now - 1))


def test_waiting_work_whose_deadline_passes_is_never_scored(callers):
    batcher = make_batcher()
    gate = busy(batcher, callers)
    scored = []
    with pytest.raises(DeadlineExceeded):
        batcher.run(work([1], scored.extend, deadline=time.monotonic() + 0.03))
    gate.opened.set()
    assert batcher.run(work([2], list)) == [2]
    assert scored == []


def test_the_earliest_deadline_is_scored_first(callers):
    batcher = make_batcher()
    gate = busy(batcher, callers)
    order: list[str] = []

    def note(name):
        return lambda items: order.append(name) or list(items)

    late = callers.submit(batcher.run, work([1], note("late"), deadline=FOREVER))
    wait_for(lambda: batcher.waiting() == 1)
    early = callers.submit(batcher.run, work([1], note("early"), deadline=time.monotonic() + 5))
    wait_for(lambda: batcher.waiting() == 2)
    gate.opened.set()
    assert (late.result(5), early.result(5)) == ([1], [1])
    assert order == ["early", "late"]


def test_requests_with_one_deadline_take_turns(callers):
    batcher = make_batcher(tokens=4)
    gate = busy(batcher, callers)
    order: list[str] = []

    def note(name):
        return lambda items: time.sleep(0.001) or order.append(name) or list(items)

    first = callers.submit(batcher.run, work([1, 2, 3], note("a")))
    wait_for(lambda: batcher.waiting() == 3)
    second = callers.submit(batcher.run, work([1, 2, 3], note("b")))
    wait_for(lambda: batcher.waiting() == 6)
    gate.opened.set()
    assert first.result(5) == second.result(5) == [1, 2, 3]
    assert sorted(order[:2]) == ["a", "b"]


def test_one_request_is_spread_over_all_idle_threads():
    batcher = make_batcher(threads=2)
    together = threading.Barrier(2, timeout=5)

    def meet(items):
        together.wait()
        return list(items)

    assert batcher.run(work([1, 2], meet)) == [1, 2]


def test_work_that_wants_other_batches_than_the_settings_gets_them():
    sizes = []
    wanted = replace(work(range(12), lambda items: [sizes.append(len(items)) or item for item in items]), max_tokens=48, max_items=12)
    make_batcher(tokens=8).run(wanted)
    assert set(sizes) == {12}


def test_overload_is_refused_at_the_door_with_the_time_to_wait(callers):
    clock = FakeClock()
    batcher = make_batcher(clock=clock)
    batcher.learn("m", tokens=4, ms=100)
    gate = busy(batcher, callers, deadline=clock.now + 1, items=10)
    with pytest.raises(Overloaded) as refused:
        batcher.run(work([1], list, deadline=clock.now + 1))
    assert refused.value.retry_after_s == pytest.approx(1.0)
    gate.opened.set()


def test_a_request_with_an_earlier_deadline_than_the_backlog_is_let_in(callers):
    clock = FakeClock()
    batcher = make_batcher(clock=clock)
    batcher.learn("m", tokens=4, ms=100)
    gate = busy(batcher, callers, deadline=clock.now + 100, items=10)
    batcher.admit("m", 4, clock.now + 0.2)
    gate.opened.set()


def test_a_backlog_beyond_the_limit_refuses_even_patient_requests(callers):
    clock = FakeClock()
    batcher = make_batcher(clock=clock, backlog_ms=500)
    batcher.learn("m", tokens=4, ms=100)
    gate = busy(batcher, callers, deadline=clock.now + 100, items=10)
    with pytest.raises(Overloaded):
        batcher.admit("m", 4, clock.now + 1000)
    gate.opened.set()


def test_bulk_work_that_is_due_later_refuses_nobody_who_comes_before_it(callers):
    clock = FakeClock()
    batcher = make_batcher(clock=clock, backlog_ms=500)
    batcher.learn("m", tokens=4, ms=100)
    gate = busy(batcher, callers, deadline=clock.now + 30, items=30)
    batcher.admit("m", 4, clock.now + 1)
    gate.opened.set()


def test_an_idle_machine_tries_even_what_seems_too_much_so_that_a_wrong_estimate_mends():
    batcher = make_batcher()
    batcher.learn("m", tokens=1, ms=1e9)
    assert batcher.run(work([1, 2, 3], list, deadline=time.monotonic() + 5)) == [1, 2, 3]
    assert batcher.ms_per_token()["m"] < 1e9


def test_a_request_that_nothing_comes_before_is_tried_too_where_work_that_is_due_later_goes_on(callers):
    clock = FakeClock()
    batcher = make_batcher(clock=clock)
    batcher.learn("m", tokens=4, ms=100)
    gate = busy(batcher, callers, deadline=clock.now + 30)
    batcher.admit("m", 40, clock.now + 0.2)
    gate.opened.set()


def test_closing_lets_what_was_let_in_end(callers):
    batcher = make_batcher()
    gate = busy(batcher, callers)
    last = callers.submit(batcher.run, work([7], list))
    wait_for(lambda: batcher.waiting() == 1)
    closing = callers.submit(batcher.close, 5.0)
    gate.opened.set()
    closing.result(5)
    assert last.result(5) == [7]


def test_closing_fails_what_does_not_end_in_the_grace(callers):
    batcher = make_batcher()
    gate = busy(batcher, callers)
    last = callers.submit(batcher.run, work([7], list))
    wait_for(lambda: batcher.waiting() == 1)
    batcher.close(0.01)
    with pytest.raises(NotReady, match="stopping"):
        last.result(5)
    gate.opened.set()


def test_a_closed_batcher_lets_nothing_in():
    batcher = make_batcher()
    batcher.close(0.1)
    with pytest.raises(NotReady):
        batcher.run(work([1], list))


def wait_for(condition) -> None:
    """Until another thread has got so far."""
    until = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < until
        threading.Event().wait(0.001)
