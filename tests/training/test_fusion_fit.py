"""A fusion is fitted where features say what the model does not, and found useless where they say nothing."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from scipy.optimize import check_grad

from scripts.cli import main
from scripts.fuse import _show
from sidecar.fusion import CROSS_ENCODER, DENSE, FIRST_PASS, NAMES
from sidecar.manifest import Fusion
from sidecar.query_kinds import LONG, NEGATED
from tests.training.tiny import write_run
from training.evaluate.fuse import write_fusion
from training.export.directory import ModelInfo, annotate, export
from training.fusion import Fitted, _ndcg, fit_fusion
from training.fusion_weights import FusionList, Prior, _loss, _stacked, fusion_list

QUERIES, HITS = 50, 20


def fitted(lists: Sequence[FusionList]) -> Fitted:
    return fit_fusion(lists, folds=3, penalties=(0.01, 1.0))


def windows(*, informative: bool, spread: float = 1.0, source: str = "test", count: int = QUERIES, seed: int = 3) -> list[FusionList]:
    """Grades drive the logits and, where informative, the first pass, each with noise of its own."""
    rng = np.random.default_rng(seed)
    made = []
    for number in range(count):
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


def test_without_a_window_no_fusion_is_fitted_and_the_reason_is_the_first_pass() -> None:
    with pytest.raises(ValueError, match="the first pass finds nothing for any of the queries"):
        fitted([])


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
    prior = Prior.of_fusion(Fusion({CROSS_ENCODER: 2.0, DENSE: 3.0}))
    strong, weak = (
        fit_fusion(windows(informative=True, spread=4.0), folds=3, penalties=(penalty,), prior=prior).fusion.weights
        for penalty in (1e4, 1e-4)
    )

    assert strong == pytest.approx({CROSS_ENCODER: 1.0, DENSE: 1.5}, abs=0.02)
    assert weak.get(DENSE, 0.0) < weak[FIRST_PASS] / 5


def test_a_prior_beside_the_network_counts_alike_however_wide_the_logits_are() -> None:
    prior = Prior.beside_network({DENSE: 0.5})
    narrow, wide = (
        fit_fusion(windows(informative=False, spread=spread), folds=3, penalties=(1e4,), prior=prior).fusion.weights
        for spread in (1.0, 10.0)
    )

    logits = np.concatenate([item.columns[:, 0] for item in windows(informative=False)])
    assert narrow[DENSE] == pytest.approx(0.5 * logits.std(), rel=0.05)
    assert wide[DENSE] == pytest.approx(10 * narrow[DENSE], rel=0.02)


def test_a_prior_says_nothing_of_a_feature_that_is_left_out() -> None:
    prior = Prior.beside_network({DENSE: 1.0, FIRST_PASS: 0.5}).without(DENSE)

    assert dict(zip(NAMES, prior.weights, strict=True)) == {**dict.fromkeys(NAMES, 0.0), FIRST_PASS: 0.5}


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("dens=1", "'dens' is no feature beside the network: first_pass, title_overlap, text_overlap, dense"),
        ("cross_encoder=1", "'cross_encoder' is no feature"),
        ("dense=much", "the weight must be a number of at least 0"),
        ("dense=-1", "the weight must be a number of at least 0"),
        ("dense=nan", "the weight must be a number of at least 0"),
        ("missing-model", "missing-model is no model directory, and not weights such as dense=1"),
    ],
)
def test_what_is_no_prior_is_refused_with_what_would_be_one(value: str, reason: str) -> None:
    result = CliRunner().invoke(main, ["fuse", "--model", "sidecar/models/fast", "--prior", value])

    assert result.exit_code == 2
    assert reason in " ".join(result.output.split())


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


def test_a_loss_within_chance_is_no_harm(useful: Fitted) -> None:
    by_chance, for_certain = (
        replace(useful, comparison=replace(useful.comparison, difference=-0.01, high=high)) for high in (0.001, -0.001)
    )

    assert not by_chance.helps(0.002)
    assert by_chance.does_no_harm()
    assert not for_certain.does_no_harm()


def test_two_fits_are_equal(useful: Fitted) -> None:
    assert fitted(windows(informative=True)) == useful


def test_a_new_fusion_leaves_no_figure_of_the_one_before_on_the_card(useful: Fitted, tmp_path: Path) -> None:
    export(write_run(tmp_path), tmp_path / "model", ModelInfo("tiny", "1", "A tiny model.", "random", ()))
    gate, stale = "gate on judged, 6 lists: NDCG@10 int8", "esci test, 50 queries, NDCG@10: rrf's 100 hits re-ranked"
    annotate(tmp_path / "model", quality={gate: 0.9, stale: 0.693})
    manifest = write_fusion(tmp_path / "model", useful, [])
    assert stale not in manifest.quality
    assert manifest.quality[gate] == 0.9


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


def test_a_second_window_of_every_query_is_no_second_query() -> None:
    """A copy of each window says nothing new: weights, penalty, gains, intervals and p-values stay as they are."""
    once = windows(informative=True, source="shop bm25", count=20, seed=1)
    alone, both = (fit_fusion(lists, folds=3) for lists in (once, [*once, *(replace(item, source="shop rrf") for item in once)]))

    assert (both.lists, both.comparison.queries, both.first_passes) == (40, 20, ("bm25", "rrf"))
    # By twice as many values the standard error is too small, and the penalty, of this seed, another one.
    assert both.penalty == alone.penalty
    assert both.fusion.weights == pytest.approx(alone.fusion.weights, rel=1e-3)
    assert (both.after, both.comparison.p_value) == pytest.approx((alone.after, alone.comparison.p_value))
    assert (both.comparison.low, both.comparison.high) == pytest.approx((alone.comparison.low, alone.comparison.high))


def test_a_kind_of_query_needs_enough_queries_whatever_the_windows_are() -> None:
    few = [
        replace(item, query=f"cup without {item.query}") if number < 11 else item for number, item in enumerate(windows(informative=True))
    ]
    lists = [replace(item, source=f"shop {first_pass}") for item in few for first_pass in ("bm25", "rrf")]

    assert NEGATED not in fitted(lists).kinds


def test_a_querys_value_is_the_mean_of_its_windows() -> None:
    first, second = windows(informative=True, source="shop bm25")[0], windows(informative=False, source="shop rrf")[0]
    weights = np.array([float(name == FIRST_PASS) for name in NAMES])
    (one,), (other,), (both,) = (_ndcg(lists, weights).values() for lists in ([first], [second], [first, second]))

    assert one != other
    assert both == pytest.approx((one + other) / 2)


def test_queries_of_one_text_are_told_apart_by_their_ids() -> None:
    lists = [replace(item, query=f"query {number // 2}", query_id=f"id {number}") for number, item in enumerate(windows(informative=True))]
    found = fitted(lists)

    assert (found.lists, found.comparison.queries) == (QUERIES, QUERIES)


def test_a_query_of_two_data_sets_is_two_queries() -> None:
    lists = [replace(item, source=f"{name} rrf") for name in ("shop", "shop 2") for item in windows(informative=True)]

    assert fitted(lists).comparison.queries == 2 * QUERIES


def test_queries_and_windows_are_told_apart_in_what_is_printed(useful: Fitted, capsys: pytest.CaptureFixture[str]) -> None:
    _show(replace(useful, lists=2 * QUERIES, first_passes=("bm25", "rrf")), Path("model"), helps=True, written=False, least=0.002)

    assert f"over {QUERIES} queries, fitted on {2 * QUERIES} windows of bm25 and rrf: " in capsys.readouterr().out
