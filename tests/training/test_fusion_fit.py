"""A fusion is fitted where features say what the model does not, and found useless where they say nothing."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import check_grad

from sidecar.fusion import CROSS_ENCODER, DENSE, FIRST_PASS, NAMES
from sidecar.manifest import Fusion
from sidecar.query_kinds import LONG, NEGATED
from training.fusion import Fitted, FusionList, _loss, _stacked, fit_fusion, fusion_list

QUERIES, HITS = 50, 20


def fitted(lists: Sequence[FusionList]) -> Fitted:
    return fit_fusion(lists, folds=3, penalties=(0.01, 1.0))


def windows(*, informative: bool, spread: float = 1.0, source: str = "test") -> list[FusionList]:
    """Grades drive the logits and, where informative, the first pass, each with noise of its own."""
    rng = np.random.default_rng(3)
    made = []
    for number in range(QUERIES):
        grades = rng.choice([0, 0, 0, 1, 2, 3], size=HITS)
        noise = {name: rng.normal(size=HITS) for name in NAMES}
        columns = {**noise, CROSS_ENCODER: spread * (grades + 2 * noise[CROSS_ENCODER])}
        if informative:
            columns[FIRST_PASS] = grades + noise[FIRST_PASS]
        doc_ids = [f"d{hit:02d}" for hit in range(HITS)]
        judged = dict(zip(doc_ids, grades.tolist(), strict=True))
        made.append(fusion_list(f"query {number}", source, doc_ids, columns, judged))
    return made


@pytest.fixture(scope="module")
def useful() -> Fitted:
    return fitted(windows(informative=True))


@pytest.fixture(scope="module")
def useless() -> Fitted:
    return fitted(windows(informative=False))


def test_a_feature_that_knows_more_than_the_model_helps(useful: Fitted) -> None:
    assert useful.helps(0.05)
    assert useful.comparison.p_value < 0.01


def test_the_useful_feature_weighs_more_than_the_noise(useful: Fitted) -> None:
    weights = useful.fusion.weights

    assert weights[FIRST_PASS] > 5 * weights.get(DENSE, 0.0)


def test_a_kind_of_query_that_the_model_harms_is_turned_off_and_no_other() -> None:
    good = windows(informative=True)
    harmed = [replace(item, query=f"cup without handle {item.query}") for item in windows(informative=False)]
    for item in harmed:
        item.columns[:, NAMES.index(FIRST_PASS)] = item.grades
    assert fitted([*good, *harmed]).fusion.off == (LONG, NEGATED)


def test_noise_does_not_help(useless: Fitted) -> None:
    assert not useless.helps(0.002)


def test_the_cross_encoder_keeps_its_scale(useful: Fitted) -> None:
    assert useful.fusion.weights[CROSS_ENCODER] == 1.0


def test_a_prior_holds_where_the_lists_say_little_and_gives_way_where_they_say_much() -> None:
    prior = Fusion({CROSS_ENCODER: 2.0, DENSE: 3.0})
    strong, weak = (
        fit_fusion(windows(informative=True, spread=4.0), folds=3, penalties=(penalty,), prior=prior).fusion.weights
        for penalty in (1e4, 1e-4)
    )

    assert strong == pytest.approx({CROSS_ENCODER: 1.0, DENSE: 1.5}, abs=0.02)
    assert weak.get(DENSE, 0.0) < weak[FIRST_PASS] / 5


def test_the_gradient_of_the_fit_is_that_of_its_loss() -> None:
    lists = _stacked(windows(informative=True)[:5], np.ones(len(NAMES)))
    at, near = np.linspace(0.5, 1.5, len(NAMES)), np.array([0.0, 0.4, 0.0, 0.2, 1.0])
    error = check_grad(lambda w: _loss(w, lists, 0.3, near)[0], lambda w: _loss(w, lists, 0.3, near)[1], at)
    assert error < 1e-5


def test_no_weight_is_negative(useful: Fitted, useless: Fitted) -> None:
    assert min((*useful.fusion.weights.values(), *useless.fusion.weights.values())) >= 0


def test_wider_logits_get_weights_as_much_wider() -> None:
    narrow, wide = (fitted(windows(informative=True, spread=spread)) for spread in (1.0, 10.0))

    assert wide.penalty == narrow.penalty
    assert wide.fusion.weights[FIRST_PASS] == pytest.approx(10 * narrow.fusion.weights[FIRST_PASS], rel=0.02)


def test_all_windows_of_a_query_are_in_one_fold() -> None:
    """Were they not, a copy of each window would be fitted on and noise would seem to help."""
    twice = fitted([*windows(informative=False, source="a"), *windows(informative=False, source="b")])

    assert not twice.helps(0.002)


def test_two_fits_are_equal(useful: Fitted) -> None:
    assert fitted(windows(informative=True)) == useful


def test_too_few_queries_are_refused() -> None:
    with pytest.raises(ValueError, match="too few"):
        fitted(windows(informative=True)[:2])


def test_queries_whose_windows_hold_nothing_relevant_do_not_stop_the_fit() -> None:
    lists = windows(informative=True)
    alone = [item for item in lists if zlib.crc32(f"fold {item.query}".encode()) % 5 == 0]
    hopeless = {item.query for item in alone}
    lists = [replace(item, grades=item.grades * 0.0) if item.query in hopeless else item for item in lists]
    found = fit_fusion(lists, folds=5, penalties=(0.01, 1.0))
    assert (found.folds, found.lists) == (4, QUERIES)
    assert found.comparison.queries == QUERIES - len(hopeless)
    assert found.first_passes == ("test",)
