"""An exported graph turned back into the checkpoint it came from, and trainings that start there."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import onnx
import pytest
import torch

from sidecar.errors import InvalidModel
from tests.sidecar import tiny
from tests.training.tiny import TEMPLATE, make_base, make_set, small_network, spec_of
from training.bases import base_directory
from training.export.directory import ModelInfo, export
from training.export.graph import Int8
from training.export.networks import cross_encoder_graph
from training.export.quantize import quantize
from training.export.recovered import attention_heads, recovered_weights, write_checkpoint
from training.models.cross_encoder import CrossEncoder, load_cross_encoder
from training.run_file import DataSpec, ModelSpec, RunFile, TrainSpec, read_run_file, write_run_file
from training.runs import train

# A tiny run writes its checkpoints within one second, which transformers takes for a broken clock.
pytestmark = pytest.mark.filterwarnings("ignore:mtime may not be reliable")


@pytest.fixture(scope="module")
def network() -> CrossEncoder:
    return small_network()


@pytest.fixture(scope="module")
def shipped(network: CrossEncoder) -> onnx.ModelProto:
    return quantize(cross_encoder_graph(network, limit=24, int8=Int8()))


def test_weights_come_back_but_for_what_int8_costs(network: CrossEncoder, shipped: onnx.ModelProto) -> None:
    recovered = recovered_weights(shipped)
    state = network.model.state_dict()

    assert {name if name.startswith("classifier") else f"bert.{name}" for name in recovered} == set(state)
    for name, array in recovered.items():
        original = state[name if name.startswith("classifier") else f"bert.{name}"].numpy()
        assert np.abs(array - original).max() <= np.abs(original).max() / 127, name


def test_heads_are_known_from_the_folded_keys(shipped: onnx.ModelProto) -> None:
    assert attention_heads(shipped) == 2


def test_the_checkpoint_of_a_float_graph_scores_as_the_network_did(network: CrossEncoder, tmp_path: Path) -> None:
    graph = cross_encoder_graph(network, limit=24)
    tiny.tokenizer().save(str(tmp_path / "tokenizer.json"))
    write_checkpoint(recovered_weights(graph), tmp_path / "tokenizer.json", tmp_path / "checkpoint", layers=3, heads=2)
    ids = torch.randint(5, 30, (4, 12), generator=torch.Generator().manual_seed(0))
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "token_type_ids": torch.zeros_like(ids)}

    with torch.no_grad():
        scores = load_cross_encoder(str(tmp_path / "checkpoint")).eval()(**inputs)
        expected = network(**inputs)

    assert torch.allclose(scores, expected, atol=1e-5)


def test_a_graph_of_other_names_is_refused() -> None:
    with pytest.raises(InvalidModel, match="exported by another version"):
        recovered_weights(tiny.cross_encoder_graph())


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An int8 cross-encoder in a model directory."""
    folder = tmp_path_factory.mktemp("exported")
    base = make_base(folder / "base")
    write_run_file(folder / "run.yaml", RunFile("tiny", ModelSpec(str(base)), template=TEMPLATE))
    export(folder / "run.yaml", folder / "model", ModelInfo("tiny", "1", "", "", ()))
    return folder / "model"


def test_a_training_starts_from_an_exported_model_and_reads_texts_as_it_does(
    exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run.yaml").write_text(f"name: own\nmodel: {{base: {exported}}}\n")
    run = read_run_file(tmp_path / "run.yaml")
    assert run.template == TEMPLATE
    data = (DataSpec(str(make_set(tmp_path / "train", teacher=True))),)
    tried = RunFile("own", run.model, data, template=run.template, train=TrainSpec(max_steps=1, max_hits=6, learning_rate=0.0, bf16=False))

    report = train(tried, tmp_path / "run", report_to="none")
    export(tmp_path / "run", tmp_path / "again", ModelInfo("tiny", "1", "", "", ()))

    assert report.steps == 1
    # Nothing was learned: quantized again the weights are those that were served, but for the layer that is exported in another form.
    before, after = (recovered_weights(onnx.load(folder / "model.onnx")) for folder in (exported, tmp_path / "again"))
    for name, array in before.items():
        assert np.abs(array - after[name]).max() <= np.abs(array).max() / 127, name


def test_a_template_that_is_longer_than_the_model_s_positions_is_refused(
    exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    data = (DataSpec(str(make_set(tmp_path / "train", teacher=True))),)
    with pytest.raises(ValueError, match=r"may have 129 tokens .* has 17 positions"):
        train(RunFile("long", ModelSpec(str(exported)), data), tmp_path / "run", report_to="none")


@pytest.mark.parametrize(("kind", "said"), [("decomposed", "last position may be 40"), ("bi-encoder", "may have 34 tokens")])
def test_texts_longer_than_the_positions_are_refused_of_models_that_read_them_apart(
    exported: Path, tmp_path: Path, kind: str, said: str
) -> None:
    base = base_directory(str(exported), tmp_path / "cache")
    data = (DataSpec(str(make_set(tmp_path / "train", teacher=True))),)
    template = msgspec.structs.replace(TEMPLATE, max_document_tokens=32)
    run = RunFile("long", spec_of(Path(base), kind, lower_layers=1), data, template=template)
    with pytest.raises(ValueError, match=rf"{said} .* has 17 positions"):
        train(run, tmp_path / "run", report_to="none")


def test_an_export_for_longer_texts_than_the_positions_is_refused(exported: Path, tmp_path: Path) -> None:
    base = base_directory(str(exported), tmp_path / "cache")
    write_run_file(tmp_path / "run.yaml", RunFile("tiny", ModelSpec(str(base)), template=TEMPLATE))
    with pytest.raises(ValueError, match=r"a pair of the template may have 29 tokens .* has 17 positions"):
        export(tmp_path / "run.yaml", tmp_path / "model", ModelInfo("tiny", "1", "", "", ()), max_document_tokens=20)


def test_a_model_directory_of_another_kind_is_no_base(tmp_path: Path) -> None:
    base = make_base(tmp_path / "base")
    write_run_file(tmp_path / "run.yaml", RunFile("vectors", ModelSpec(str(base), "bi-encoder"), template=TEMPLATE))
    export(tmp_path / "run.yaml", tmp_path / "model", ModelInfo("vectors", "1", "", "", ()))

    with pytest.raises(InvalidModel, match="of kind embedder: training can start from an exported cross-encoder"):
        base_directory(str(tmp_path / "model"), tmp_path / "cache")
