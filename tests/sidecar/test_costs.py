"""Batches are cut so that little is padding and every thread has work."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.costs import Speeds, cut_batches, padded_tokens

LENGTHS = st.lists(st.integers(1, 300), min_size=1, max_size=60)


@given(LENGTHS, st.integers(16, 512), st.integers(1, 9), st.integers(1, 4))
def test_every_item_is_in_exactly_one_batch_and_no_batch_is_over_its_budget(lengths, tokens, items, threads):
    batches = cut_batches(lengths, max_tokens=tokens, max_items=items, threads=threads)
    assert sorted(position for batch in batches for position in batch) == list(range(len(lengths)))
    assert all(len(batch) == 1 or padded_tokens(lengths, batch) <= tokens for batch in batches)
    assert max(map(len, batches)) <= items


@given(LENGTHS)
def test_batches_come_longest_first(lengths):
    batches = cut_batches(lengths, max_tokens=256, max_items=8, threads=2)
    longest = [max(lengths[position] for position in batch) for batch in batches]
    assert longest == sorted(longest, reverse=True)


def test_work_too_small_for_full_batches_is_spread_over_the_threads():
    assert len(cut_batches([10, 10, 10, 10], max_tokens=256, max_items=8, threads=2)) == 2


def test_every_thread_has_as_much_to_do():
    # Filled one after another, two threads would have six and four of these.
    batches = cut_batches([60] * 10, max_tokens=256, max_items=8, threads=2)
    assert sorted(map(len, batches)) == [2, 2, 3, 3]


def test_a_model_never_measured_costs_nothing():
    assert Speeds().estimate_ms("new", 1000) == 0


def test_estimates_follow_what_is_measured():
    speeds = Speeds()
    speeds.learn("m", 100, 200)
    assert speeds.estimate_ms("m", 50) == pytest.approx(100)
    for _ in range(60):
        speeds.learn("m", 100, 100)
    assert speeds.estimate_ms("m", 50) == pytest.approx(50, rel=0.01)
