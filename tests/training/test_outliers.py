"""Outliers divided for int8: found by random words, without effect in float, and worth it in int8."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from tests.training.tiny import TEMPLATE, make_base
from training.export.directory import ModelInfo, export
from training.export.graph import EVENED, Int8
from training.export.networks import cross_encoder_graph
from training.export.outliers import divisor, divisors
from training.export.quantize import quantize
from training.export.recovered import recovered_weights
from training.models.cross_encoder import CrossEncoder, load_cross_encoder
from training.networks import build_collate, load_text_encoder
from training.run_file import ModelSpec, RunFile, write_run_file

FIRES = "encoder.layer.0.output.dense"
READS = "encoder.layer.1.intermediate.dense"
_NEURON, _CHANNEL = 5, 9


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random encoder with a neuron in its first layer, and a channel before the second's feed-forward, far wider than the others."""
    directory = make_base(tmp_path_factory.mktemp("base"))
    network = load_cross_encoder(str(directory), dropout=0.0)
    first, second, *_ = network.model.bert.encoder.layer
    with torch.no_grad():
        first.intermediate.dense.bias[_NEURON] += 60
        first.output.dense.weight[:, _NEURON] *= 0.1
        second.attention.output.LayerNorm.weight[_CHANNEL] *= 12
        second.intermediate.dense.weight[:, _CHANNEL] *= 0.1
    network.save(directory)
    return directory


@pytest.fixture(scope="module")
def network(base: Path) -> CrossEncoder:
    return load_cross_encoder(str(base), dropout=0.0).eval()


@pytest.fixture(scope="module")
def int8(base: Path, network: CrossEncoder) -> Int8:
    encoder = load_text_encoder(str(base), TEMPLATE)
    return Int8(divisors(network, encoder, build_collate(ModelSpec(str(base)), encoder)))


def graph(network: CrossEncoder, int8: Int8 | None) -> onnx.ModelProto:
    return cross_encoder_graph(network, limit=16, int8=int8)


def logits(model: onnx.ModelProto) -> np.ndarray:
    ids = np.random.default_rng(1).integers(7, 40, (24, 12))
    ids[:, 0], ids[:, [4, 11]] = 2, 3
    inputs = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
    return onnxruntime.InferenceSession(model.SerializeToString()).run(None, inputs)[0]


def test_only_outliers_are_divided_by_powers_of_two():
    ranges = np.array([1.0, 0.2, 2.9, 1.0, 12.0, 200.0, 1.0], dtype=np.float32)
    assert divisor(ranges).tolist() == [1, 1, 1, 1, 4, 64, 1]
    assert divisor(np.zeros(3, dtype=np.float32)).tolist() == [1, 1, 1]


def test_random_words_find_the_wide_neuron_and_the_wide_channel(int8: Int8):
    assert int8.divisors[FIRES].argmax() == _NEURON
    assert int8.divisors[FIRES][_NEURON] >= 8
    assert int8.divisors[READS].argmax() == _CHANNEL
    assert int8.divisors[READS][_CHANNEL] >= 2


def test_divided_outliers_change_no_score_in_float(network: CrossEncoder, int8: Int8):
    assert np.abs(logits(graph(network, int8)) - logits(graph(network, Int8()))).max() < 1e-5


def test_int8_is_nearer_to_float_with_outliers_divided(network: CrossEncoder, int8: Int8):
    exact = logits(graph(network, None))
    plain, evened = (np.abs(logits(quantize(graph(network, form))) - exact).mean() for form in (Int8(), int8))
    assert evened < 0.6 * plain


def test_weights_come_back_as_they_were(network: CrossEncoder, int8: Int8):
    recovered = recovered_weights(graph(network, int8))
    for name in (FIRES, READS):
        assert np.array_equal(recovered[f"{name}.weight"], network.model.bert.get_submodule(name).weight.detach().numpy())


def test_weights_come_back_from_int8_but_for_what_it_costs(network: CrossEncoder, int8: Int8):
    recovered = recovered_weights(quantize(graph(network, int8)))
    for name in (FIRES, READS):
        weight, divisors = network.model.bert.get_submodule(name).weight.detach().numpy(), int8.divisors[name]
        # Half a level of a row, the widest column of which is the one that was multiplied.
        half = np.abs(weight * divisors).max(1, keepdims=True) / 127 * 0.51 / divisors
        assert (np.abs(recovered[f"{name}.weight"] - weight) <= half).all()


def test_an_export_divides_them_and_a_float_export_does_not(base: Path, tmp_path: Path):
    write_run_file(tmp_path / "run.yaml", RunFile("tiny", ModelSpec(str(base)), template=TEMPLATE))
    found = {}
    for name, quantized in (("int8", True), ("float", False)):
        export(tmp_path / "run.yaml", tmp_path / name, ModelInfo("tiny", "1", "", "", ()), int8=quantized)
        found[name] = {item.name for item in onnx.load(tmp_path / name / "model.onnx").graph.initializer}
    assert f"{FIRES}.{EVENED}" in found["int8"]
    assert not any(name.endswith(EVENED) for name in found["float"])
