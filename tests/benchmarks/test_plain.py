"""A shipped graph's network in the forms that others load."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest

from benchmarks.peak import Network
from benchmarks.plain import with_column_output, with_positions
from tests.training.tiny import small_network
from training.export.graph import Int8
from training.export.networks import cross_encoder_graph
from training.export.quantize import quantize


@pytest.fixture(scope="module")
def shipped() -> onnx.ModelProto:
    return quantize(cross_encoder_graph(small_network(), limit=24, int8=Int8()))


def test_the_column_form_answers_the_same_logits(shipped: onnx.ModelProto) -> None:
    ids = np.arange(5, 17, dtype=np.int64).reshape(2, 6)
    inputs = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}

    flat, column = (
        onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"]).run(None, inputs)[0]
        for graph in (shipped, with_column_output(shipped))
    )

    assert column.shape == (2, 1)
    assert np.array_equal(column[:, 0], flat)


def test_more_positions_change_no_pair_that_fitted_before(shipped: onnx.ModelProto) -> None:
    ids = np.arange(5, 29, dtype=np.int64).reshape(1, 24)
    inputs = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
    longer = {name: np.resize(array, (1, 40)) for name, array in inputs.items()}
    wide = with_positions(shipped, 40)

    before, after = (
        onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"]) for graph in (shipped, wide)
    )

    assert np.array_equal(after.run(None, inputs)[0], before.run(None, inputs)[0])
    assert np.isfinite(after.run(None, longer)[0]).all()


def test_the_last_layer_counts_for_the_first_token_alone() -> None:
    one, two = Network(1, 16, 32), Network(2, 16, 32)

    # A whole layer: four square products of the hidden width and the two of the feed-forward, two operations a weight and token.
    assert two.int8_operations(10, 1) - one.int8_operations(10, 1) == 2 * 10 * (4 * 16 * 16 + 2 * 16 * 32)
    assert one.int8_operations(10, 1) < two.int8_operations(10, 1) / 2
