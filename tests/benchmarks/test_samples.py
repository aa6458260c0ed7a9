"""Repeated measurements become figures."""

from __future__ import annotations

import pytest

from benchmarks.samples import agreement, number, paired_ratio, percentile, spread


@pytest.mark.parametrize(("percent", "expected"), [(0, 1.0), (50, 2.0), (75, 3.0), (99, 4.0), (100, 4.0)])
def test_a_percentile_is_the_smallest_value_that_so_many_do_not_exceed(percent: float, expected: float) -> None:
    assert percentile([4.0, 2.0, 3.0, 1.0], percent) == expected


def test_the_99th_percentile_of_a_hundred_values_is_the_99th() -> None:
    assert percentile([float(value) for value in range(1, 101)], 99) == 99.0


def test_no_values_have_no_percentile() -> None:
    with pytest.raises(ValueError, match="no percentile"):
        percentile([], 50)


def test_a_spread_is_the_median_with_the_quartiles() -> None:
    found = spread([5.0, 1.0, 3.0, 2.0, 4.0])

    assert (found.median, found.lower, found.upper, found.count) == (3.0, 2.0, 4.0, 5)


def test_a_ratio_is_taken_round_by_round() -> None:
    # The second round was twice as slow for both: their ratio did not change.
    assert paired_ratio([20.0, 40.0], [10.0, 20.0]).median == 2.0


def test_a_ratio_of_unequal_counts_is_refused() -> None:
    with pytest.raises(ValueError, match="shorter"):
        paired_ratio([1.0, 2.0], [1.0])


def test_equal_orders_agree_whatever_the_scale_of_the_scores() -> None:
    assert str(agreement([0.1, 0.9, 0.5], [-3.0, 7.0, 1.0])) == "equal"


def test_a_swap_is_counted_once() -> None:
    found = agreement([1.0, 2.0, 3.0], [2.0, 1.0, 3.0], top=2)

    assert (found.same, found.swapped, found.pairs, found.top_kept) == (False, 1, 3, 1)


def test_a_tie_is_no_swap() -> None:
    assert agreement([1.0, 1.0, 0.0], [0.2, 0.1, 0.0]).same


def test_scores_of_other_length_are_not_compared() -> None:
    with pytest.raises(ValueError, match="cannot be compared"):
        agreement([1.0], [1.0, 2.0])


@pytest.mark.parametrize(("value", "text"), [(1234.5, "1234"), (12.34, "12.3"), (1.234, "1.23"), (0.0, "0.00")])
def test_numbers_are_printed_with_three_digits(value: float, text: str) -> None:
    assert number(value) == text
