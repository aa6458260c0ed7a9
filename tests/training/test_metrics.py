"""Metrics have their published values, one order for ties, and equal figures by both ways of computing."""

from __future__ import annotations

from math import log2

import ir_measures
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.metrics import evaluate, means, ndcg, ranking

# By score: d2 (grade 1), d1 (3), d4 (unjudged), d3 (0), d5 (2).
RUN = {"q": {"d1": 4.0, "d2": 5.0, "d3": 2.0, "d4": 3.0, "d5": 1.0}}
QRELS = {"q": {"d1": 3, "d2": 1, "d3": 0, "d5": 2, "d6": 1}}


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ("ndcg@3", (1 + 7 / log2(3)) / (7 + 3 / log2(3) + 1 / log2(4))),
        ("ndcg_linear@3", (1 + 3 / log2(3)) / (3 + 2 / log2(3) + 1 / log2(4))),
        ("ndcg_esci@3", (1 + 100 / log2(3)) / (100 + 10 / log2(3) + 1 / log2(4))),
        ("map", (1 / 1 + 2 / 2 + 3 / 5) / 4),
        ("mrr@10", 1.0),
        ("precision@5", 3 / 5),
        ("recall@2", 2 / 4),
        ("success@1", 1.0),
        ("err@2", 1 / 16 + (1 - 1 / 16) * (7 / 16) / 2),
    ],
)
def test_a_metric_has_its_published_value(metric: str, expected: float) -> None:
    assert evaluate(RUN, QRELS, [metric])[metric]["q"] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("metric", "expected"), [("map", (1 / 2 + 2 / 5) / 2), ("mrr@10", 1 / 2), ("precision@2", 1 / 2), ("recall@5", 1.0)]
)
def test_the_grade_from_which_a_hit_is_relevant_can_be_raised(metric: str, expected: float) -> None:
    assert evaluate(RUN, QRELS, [metric], relevant_from=2)[metric]["q"] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("metric", ["ndcg@1", "ndcg_linear@1", "map", "mrr@10", "precision@1", "recall@1", "err@1"])
def test_equal_scores_rank_by_ascending_document_id(metric: str) -> None:
    run = {"q": {"b": 1.0, "a": 1.0, "c": 1.0}}
    first = evaluate(run, {"q": {"a": 1}}, [metric])[metric]["q"]
    last = evaluate(run, {"q": {"c": 1}}, [metric])[metric]["q"]
    assert ranking(run["q"]) == ["a", "b", "c"]
    assert first > last


def test_a_judged_query_that_the_run_lacks_counts_as_zero() -> None:
    values = evaluate(RUN, QRELS | {"missing": {"d1": 1}}, ["ndcg@10", "mrr@10", "err@10", "map"])
    assert all(by_query["missing"] == 0 for by_query in values.values())
    assert means(values)["ndcg@10"] == pytest.approx(values["ndcg@10"]["q"] / 2)


def test_queries_of_the_run_without_judgments_are_left_out() -> None:
    assert evaluate(RUN | {"unjudged": {"d1": 1.0}}, QRELS, ["ndcg@10"])["ndcg@10"].keys() == {"q"}


def test_err_equals_the_reference_script_of_the_web_track() -> None:
    rng = np.random.default_rng(1)
    qrels = {str(q): {f"d{d:02}": int(rng.integers(0, 5)) for d in range(20)} for q in range(1, 6)}
    run = {str(q): {f"d{d:02}": float(rng.normal()) for d in range(25)} for q in range(1, 6)}
    reference = {value.query_id: value.value for value in ir_measures.iter_calc([ir_measures.ERR @ 10], qrels, run)}
    assert evaluate(run, qrels, ["err@10"])["err@10"] == pytest.approx(reference, abs=1e-5)


@pytest.mark.parametrize("score", [float("nan"), float("inf")])
def test_a_score_that_is_not_finite_is_refused(score: float) -> None:
    with pytest.raises(ValueError, match="document 'd1' has the score"):
        evaluate({"q": {"d1": score}}, {"q": {"d1": 1}}, ["ndcg@10"])


@pytest.mark.parametrize("metric", ["bleu@10", "ndcg@0", "ndcg@", "NDCG@10"])
def test_an_unknown_metric_names_the_known_ones(metric: str) -> None:
    with pytest.raises(ValueError, match=r"there is no metric .* there are ndcg, ndcg_linear"):
        evaluate(RUN, QRELS, [metric])


@pytest.mark.parametrize("metric", ["precision", "recall", "success"])
def test_a_metric_without_meaning_on_a_whole_run_asks_for_a_cutoff(metric: str) -> None:
    with pytest.raises(ValueError, match="needs a cutoff"):
        evaluate(RUN, QRELS, [metric])


def test_ratings_that_are_no_grades_are_refused() -> None:
    with pytest.raises(ValueError, match="grade 100 is too high"):
        evaluate(RUN, {"q": {"d1": 100}}, ["ndcg@10"])
    with pytest.raises(ValueError, match=r"grade 0\.5 is not whole"):
        evaluate(RUN, {"q": {"d1": 0.5}}, ["map"])  # type: ignore[dict-item]


@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(0, 3), st.booleans()), min_size=1, max_size=15), st.sampled_from([1, 3, 10]))
@settings(max_examples=40, deadline=None)
def test_ndcg_of_a_batch_equals_ndcg_of_a_run(hits: list[tuple[int, int, bool]], k: int) -> None:
    scores, grades = np.array([[h[0] for h in hits]], dtype=np.float32), np.array([[h[1] for h in hits]], dtype=np.float32)
    mask = np.array([[h[2] for h in hits]])
    run = {"q": {f"d{i:02}": float(score) for i, (score, _, real) in enumerate(hits) if real}}
    qrels = {"q": {f"d{i:02}": grade for i, (_, grade, real) in enumerate(hits) if real}}
    values = evaluate(run, qrels, [f"ndcg@{k}", f"ndcg_linear@{k}"])
    assert ndcg(scores, grades, mask, k=k)[0] == pytest.approx(values[f"ndcg@{k}"]["q"], abs=1e-6)
    assert ndcg(scores, grades, mask, k=k, gain="linear")[0] == pytest.approx(values[f"ndcg_linear@{k}"]["q"], abs=1e-6)


def test_ndcg_of_a_batch_refuses_scores_that_are_not_finite() -> None:
    with pytest.raises(ValueError, match="not finite"):
        ndcg(np.array([[np.nan, 1]]), np.array([[0, 1]]), np.array([[True, True]]))


def test_ndcg_of_a_batch_ignores_what_stands_outside_the_mask() -> None:
    scores, grades = np.array([[1.0, np.nan, 2.0]]), np.array([[1.0, np.nan, 0.0]])
    assert ndcg(scores, grades, np.array([[True, False, True]]))[0] == pytest.approx(1 / log2(3))
