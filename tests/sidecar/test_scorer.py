"""The cross-encoder on a real ONNX graph: every input counts, padding does not."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from sidecar.backends import graph_loader
from sidecar.errors import InvalidModel, ScoringFailed
from sidecar.scorer import CrossEncoder, finite, pair_inputs
from tests.sidecar.tiny import cross_encoder_graph, encoder, weights

QUERY = np.array([5, 6])
DOCUMENTS = [np.array([7]), np.array([8, 9, 10, 11]), np.array([], dtype=np.int64)]


@pytest.fixture
def scorer(tmp_path):
    onnx.save(cross_encoder_graph(), tmp_path / "model.onnx")
    return CrossEncoder(graph_loader("onnxruntime", "cpu", 1)(tmp_path / "model.onnx"), encoder())


def expected(document: np.ndarray) -> float:
    ids, types = encoder().pair(QUERY, document)
    return float((weights()[ids] * (1 + types)).sum())


def test_logits_are_the_graphs_for_each_pair(scorer):
    assert scorer.score(QUERY, DOCUMENTS).tolist() == pytest.approx([expected(document) for document in DOCUMENTS], rel=1e-5)


def test_a_documents_logit_does_not_depend_on_its_neighbours(scorer):
    alone = [scorer.score(QUERY, [document])[0] for document in DOCUMENTS]
    assert scorer.score(QUERY, DOCUMENTS).tolist() == pytest.approx(alone, rel=1e-5)


def test_batched_inputs_equal_the_encoders_pairs_row_by_row():
    reader = encoder()
    inputs = pair_inputs(reader, QUERY, DOCUMENTS)
    for row, document in enumerate(DOCUMENTS):
        ids, types = reader.pair(QUERY, document)
        assert inputs["input_ids"][row, : len(ids)].tolist() == ids.tolist()
        assert inputs["token_type_ids"][row, : len(ids)].tolist() == types.tolist()
        assert inputs["attention_mask"][row].sum() == len(ids)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf], ids=str)
def test_a_score_that_is_not_finite_fails_the_scoring(bad):
    with pytest.raises(ScoringFailed, match="not finite"):
        finite(np.array([1.0, bad]), 2)


def test_the_wrong_count_of_scores_fails_the_scoring():
    with pytest.raises(ScoringFailed, match="3 scores for 2 documents"):
        finite(np.zeros(3), 2)


def test_a_file_that_is_no_graph_is_an_invalid_model(tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"nonsense")
    with pytest.raises(InvalidModel, match=r"model\.onnx"):
        graph_loader("onnxruntime", "cpu", 1)(tmp_path / "model.onnx")


def test_a_device_that_the_library_does_not_have_is_named(tmp_path):
    with pytest.raises(InvalidModel, match="CUDAExecutionProvider"):
        graph_loader("onnxruntime", "cuda", 1)(tmp_path / "model.onnx")
