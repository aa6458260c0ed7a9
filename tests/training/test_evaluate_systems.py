"""A model's order is the one that the plugin serves, and other tools read the same order from the run that is written."""

from __future__ import annotations

from pathlib import Path

import ir_measures
import numpy as np
import pytest

from sidecar.manifest import Fusion
from sidecar.query_kinds import SHORT
from training.data.trec import write_run
from training.evaluate.systems import model_systems, strictly_apart
from training.metrics.ranking import evaluate, ranking

IDS = ("b", "c", "a", "d")


def run_of(scores: list[float]) -> dict[str, dict[str, float]]:
    return {"q1": dict(zip(IDS, strictly_apart(np.array(scores)).tolist(), strict=True))}


@pytest.mark.parametrize(
    ("scores", "order"),
    [
        ([1.0, 1.0, 1.0, 1.0], ["b", "c", "a", "d"]),
        ([0.0, 2.0, 2.0, 3.0], ["d", "c", "a", "b"]),
        ([0.0, -0.0, 0.0, 0.0], ["b", "c", "a", "d"]),
        ([1.0, 1.0 + 1e-12, 1.0, 1.0 + 2e-12], ["d", "c", "b", "a"]),
    ],
)
def test_hits_of_equal_scores_keep_the_first_passs_order(scores: list[float], order: list[str]) -> None:
    assert ranking(run_of(scores)["q1"]) == order


def test_scores_that_differ_stay_as_they_are() -> None:
    scores = np.array([0.1, -7.25, 3.5, 1e-6], dtype=np.float32).astype(np.float64)
    assert strictly_apart(scores).tolist() == scores.tolist()


def test_a_run_of_equal_scores_gives_other_tools_the_reports_figures(tmp_path: Path) -> None:
    run, qrels = run_of([1.0, 1.0, 1.0, 0.5]), {"q1": {"b": 1, "c": 0, "a": 0, "d": 2}}
    written = tmp_path / "model.run"
    write_run(written, run, "model")
    judged = [ir_measures.Qrel("q1", doc_id, grade) for doc_id, grade in qrels["q1"].items()]

    found = ir_measures.calc_aggregate([ir_measures.nDCG @ 2, ir_measures.RR], judged, ir_measures.read_trec_run(str(written)))

    assert found[ir_measures.nDCG @ 2] == pytest.approx(evaluate(run, qrels, ["ndcg_linear@2"])["ndcg_linear@2"]["q1"])
    assert found[ir_measures.RR] == 1.0


@pytest.mark.parametrize(
    ("weights", "off", "explained"),
    [
        pytest.param({"cross_encoder": 1.0, "dense": 0.8}, (), ["without fusion"], id="similarity alone"),
        pytest.param({"cross_encoder": 1.0, "first_pass": 0.0, "dense": 0.8}, (), ["without fusion"], id="a weight of 0"),
        pytest.param(
            {"cross_encoder": 1.0, "first_pass": 0.3, "dense": 0.8}, (), ["without similarity", "without fusion"], id="the first pass, too"
        ),
        pytest.param({"cross_encoder": 1.0, "dense": 0.8}, (SHORT,), ["without similarity", "without fusion"], id="queries turned off"),
        pytest.param({"cross_encoder": 1.0, "first_pass": 0.3}, (), ["without fusion"], id="no similarity"),
    ],
)
def test_a_fusion_is_explained_by_lines_that_differ(weights: dict[str, float], off: tuple[str, ...], explained: list[str]) -> None:
    fast, *diagnostics = model_systems({"fast": Fusion(weights, 0.0, off)}, ["bm25"])

    assert fast.served
    assert [system.name for system in diagnostics] == [f"fast {line}" for line in explained]
