"""Differences between systems carry an honest p-value, interval and correction."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest

from training.metrics import bootstrap_interval, compare, compare_all, holm, randomization_test


def test_the_randomization_test_is_exact_for_few_queries() -> None:
    differences = np.array([0.3, 0.1, -0.05, 0.2, 0.15])
    flipped = [abs(float(np.mean(differences * signs))) for signs in product([1, -1], repeat=5)]
    expected = sum(value >= differences.mean() - 1e-12 for value in flipped) / 2**5
    assert randomization_test(differences) == pytest.approx(expected)


def test_no_difference_has_the_p_value_one() -> None:
    assert randomization_test(np.zeros(50)) == 1.0


def test_a_clear_difference_is_found_and_a_noisy_one_is_not() -> None:
    noise = np.random.default_rng(0).normal(size=100)
    assert randomization_test(noise - noise.mean() + 1.0) < 0.001
    assert randomization_test(noise - noise.mean() + 0.01) > 0.5


def test_the_interval_covers_the_true_mean_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    intervals = [bootstrap_interval(rng.normal(0.1, 1, size=60), resamples=500) for _ in range(200)]
    covered = sum(low <= 0.1 <= high for low, high in intervals) / 200
    assert covered == pytest.approx(0.95, abs=0.045)


def test_equal_differences_have_an_interval_of_no_width() -> None:
    assert bootstrap_interval(np.full(10, 0.25)) == (0.25, 0.25)


def test_holm_multiplies_by_the_hypotheses_left_and_never_falls() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


def test_a_comparison_is_paired_by_query() -> None:
    baseline = {f"q{i}": i / 100 for i in range(40)}
    system = {query_id: value + 0.05 for query_id, value in reversed(baseline.items())}
    found = compare(system, baseline)
    assert found.difference == pytest.approx(0.05)
    assert (found.low, found.high) == pytest.approx((0.05, 0.05))
    assert found.p_value < 0.001
    assert found.queries == 40


def test_one_seed_gives_the_same_comparison_again() -> None:
    rng = np.random.default_rng(3)
    first, second = ({f"q{i}": float(v) for i, v in enumerate(rng.normal(size=40))} for _ in range(2))
    assert compare(first, second, seed=7) == compare(first, second, seed=7)


def test_several_comparisons_are_corrected_together() -> None:
    rng = np.random.default_rng(3)
    baseline = {f"q{i}": float(v) for i, v in enumerate(rng.normal(size=40))}
    systems = {name: {q: v + shift + float(rng.normal()) for q, v in baseline.items()} for name, shift in (("a", 0.4), ("b", 0.3))}
    found = compare_all(systems, baseline)
    assert [c.p_corrected for c in found.values()] == holm([c.p_value for c in found.values()])
    assert any(c.p_corrected > c.p_value for c in found.values())


def test_one_query_proves_nothing() -> None:
    found = compare({"q": 0.9}, {"q": 0.1})
    assert (found.difference, found.p_value, found.queries) == (pytest.approx(0.8), 1.0, 1)
    assert (found.low, found.high) == (-math.inf, math.inf)


def test_two_queries_are_already_compared() -> None:
    found = compare({"a": 0.4, "b": 0.6}, {"a": 0.1, "b": 0.5})
    assert found.p_value == pytest.approx(2 / 2**2)
    assert (found.low, found.high) == pytest.approx((0.1, 0.3))


def test_systems_measured_on_different_queries_are_refused() -> None:
    with pytest.raises(ValueError, match="different queries: 1 and 1"):
        compare({"a": 1.0}, {"b": 1.0})
    with pytest.raises(ValueError, match="no query"):
        compare({}, {})
