"""A card holds one evaluation of a data set and part: what a later one measured replaces what an earlier one said."""

from __future__ import annotations

import pytest

from sidecar.manifest import FORMAT, FieldBudget, Manifest, Template, read_manifest, write_manifest
from training.evaluate.card import annotate_cards, measured
from training.evaluate.report import ModeReport, Report, SetReport, SystemReport

KEPT = {
    "gate on grammar-validation, 150 lists: NDCG@10 int8": 0.93,
    "esci validation, 20 queries, NDCG@10: rrf alone": 0.6,
    "esci 2 test, 50 queries, NDCG@10: rrf alone": 0.5,
}
STALE = {
    "esci test (50 queries), BM25's 100 hits re-ranked: NDCG@10, 2^grade-1": 0.7032,
    "esci test, RRF's 100 hits re-ranked": 0.7269,
    "esci test, 40 queries, NDCG@10: bm25 alone": 0.68,
}


@pytest.fixture
def directory(tmp_path):
    template = Template((FieldBudget("title", 8),), max_document_tokens=8, max_query_tokens=8)
    manifest = Manifest(FORMAT, "tiny", "1", "cross-encoder", {}, "random", 1, 8, template, quality={**KEPT, **STALE})
    write_manifest(tmp_path, manifest)
    return tmp_path


def report_of(model):
    """The model on RRF's hits of the test part of esci."""
    systems = (
        SystemReport("rrf", None, "rrf", True, {"ndcg@10": 0.72}, None),
        SystemReport(model, model, "rrf", True, {"ndcg@10": 0.73}, None),
    )
    mode = ModeReport("rrf", systems)
    judged = SetReport("esci", "test", "memory", (), 9, 50, 9, {}, 1, 100, mode, mode, {}, (), (), {}, {}, {})
    return Report((), (judged,))


def test_a_later_evaluation_replaces_all_figures_of_its_set_and_part_and_no_other(directory):
    annotate_cards(report_of("fast"), {"fast": directory})
    measured = {"esci test, 50 queries, NDCG@10: rrf alone": 0.72, "esci test, 50 queries, NDCG@10: rrf's 100 hits re-ranked": 0.73}
    assert read_manifest(directory).quality == {**KEPT, **measured}
    assert "0.7269" not in (directory / "README.md").read_text()


def test_figures_of_a_report_are_told_from_those_of_the_gate():
    old = "esci test (50 queries), BM25's 100 hits re-ranked: NDCG@10, 2^grade-1"
    names = [name for name in (*KEPT, *STALE, "fusion: fitted on") if not name.startswith(("gate", "fusion", "esci test, RRF"))]
    assert measured({**KEPT, **STALE, "fusion: fitted on": "esci validation (21 queries): windows of bm25"}) == names
    assert old in names


def test_a_model_that_the_report_did_not_measure_keeps_its_figures(directory):
    annotate_cards(report_of("best"), {"fast": directory})
    assert read_manifest(directory).quality == {**KEPT, **STALE}
