"""Exported graphs score as the networks do, and make directories that the sidecar accepts."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from transformers import AutoModel

from sidecar.manifest import DataSource, read_manifest, verify_files
from tests.training.tiny import TEMPLATE, make_base, make_set, spec_of
from training.export.directory import ModelInfo, export, read_model_info
from training.export.gate import scorer
from training.export.networks import bi_encoder_graph, cross_encoder_graph, document_graph, query_graph
from training.models.bi_encoder import load_bi_encoder
from training.models.cross_encoder import load_cross_encoder
from training.models.decomposed import decompose
from training.networks import build_network
from training.run_file import ModelSpec, RunFile, read_run_file, write_run_file
from training.training_set import read_documents, read_lists

INFO = ModelInfo("tiny", "1", "A tiny model.", "random", (DataSource("samples", "Apache-2.0"),))
IDS = np.array([[2, 8, 3, 12, 13, 3, 0, 0], [2, 9, 3, 10, 11, 14, 7, 3]])
MASK = (IDS != 0).astype(np.int64)
TYPES = np.array([[0, 0, 0, 1, 1, 1, 0, 0], [0, 0, 0, 1, 1, 1, 1, 1]])


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return make_base(tmp_path_factory.mktemp("base"))


@pytest.fixture
def judged(tmp_path):
    return make_set(tmp_path / "judged")


def run_file(base, path, kind="cross-encoder"):
    run = RunFile("tiny", spec_of(base, kind), template=TEMPLATE)
    write_run_file(path, run)
    return path


def run_folder(base, folder, kind):
    """What a finished run leaves: the run file, the network, the tokenizer."""
    folder.mkdir()
    run = read_run_file(run_file(base, folder / "run.yaml", kind))
    build_network(run.model).save(folder / "model")
    shutil.copy(base / "tokenizer.json", folder / "model")
    return folder


def answers(model, **inputs):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, inputs)


def torch_of(*arrays):
    return [torch.from_numpy(array) for array in arrays]


def test_the_float_pair_graph_equals_the_network(base):
    network = load_cross_encoder(str(base)).eval()
    graph = cross_encoder_graph(network, limit=16)
    logits = answers(graph, input_ids=IDS, attention_mask=MASK, token_type_ids=TYPES)[0]
    assert logits == pytest.approx(network(*torch_of(IDS, MASK, TYPES)).detach().numpy(), abs=1e-5)


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_the_vector_graph_equals_the_bi_encoder(base, pooling):
    network = load_bi_encoder(str(base), pooling=pooling).eval()
    graph = bi_encoder_graph(network, limit=16)
    vectors = answers(graph, input_ids=IDS, attention_mask=MASK, token_type_ids=np.zeros_like(IDS))[0]
    assert vectors == pytest.approx(network.encode(*torch_of(IDS, MASK)).detach().numpy(), abs=1e-5)


@pytest.mark.parametrize("width", [None, 16])
def test_the_two_graphs_of_a_decomposed_model_score_as_it_does(base, width):
    network = decompose(str(base), lower_layers=2, document_offset=8, state_width=width).eval()
    query, documents, mask = np.array([[2, 8, 3]]), IDS[:, :6], MASK[:, :6]
    states, scales = answers(document_graph(network, limit=8), input_ids=documents, attention_mask=mask)
    graph = query_graph(network, limit=8)
    logits = answers(graph, input_ids=query, states=states, scales=scales, document_mask=mask)[0]
    inputs = torch_of(query, np.ones_like(query), documents, mask, np.zeros(2, dtype=np.int64))
    # The states are kept in int8: the score moves by less than a percent of the logits' scale.
    assert logits == pytest.approx(network(*inputs).detach().numpy(), abs=0.02)
    kept = torch.from_numpy(states.astype(np.float32) * scales[:, :, None])
    own, real = network.query_states(*torch_of(query, np.ones_like(query, dtype=bool))), torch.ones((2, 3), dtype=torch.bool)
    expected = network.score(own.expand(2, -1, -1), real, kept, torch.from_numpy(mask).bool()).detach().numpy()
    assert logits == pytest.approx(expected, abs=1e-5)


def test_two_exports_of_one_checkpoint_are_byte_equal(base, tmp_path):
    run = run_file(base, tmp_path / "run.yaml")
    for name in ("first", "second"):
        export(run, tmp_path / name, INFO)
    files = sorted(path.name for path in (tmp_path / "first").iterdir())
    assert files == ["README.md", "manifest.json", "model.onnx", "tokenizer.json"]
    assert all((tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes() for name in files)


@pytest.mark.parametrize("kind", ["cross-encoder", "decomposed", "bi-encoder"])
def test_an_exported_directory_is_one_that_the_sidecar_accepts(base, tmp_path, judged, kind):
    export(run_folder(base, tmp_path / "run", kind), tmp_path / "model", INFO)
    verify_files(tmp_path / "model", read_manifest(tmp_path / "model"))
    scores = scorer(tmp_path / "model")(read_lists(judged)[0], read_documents(judged))
    assert np.isfinite(scores).all()


def test_the_card_names_data_and_licences(base, tmp_path):
    export(run_file(base, tmp_path / "run.yaml"), tmp_path / "model", INFO)
    card = (tmp_path / "model" / "README.md").read_text()
    assert "| samples | Apache-2.0 |" in card


def test_static_quantization_scores_a_document_alike_in_any_company(base, tmp_path, judged):
    export(run_file(base, tmp_path / "run.yaml"), tmp_path / "model", INFO, calibration=judged)
    session = onnxruntime.InferenceSession(tmp_path / "model" / "model.onnx", providers=["CPUExecutionProvider"])
    both = session.run(None, {"input_ids": IDS, "attention_mask": MASK, "token_type_ids": TYPES})[0]
    alone = session.run(None, {"input_ids": IDS[1:], "attention_mask": MASK[1:], "token_type_ids": TYPES[1:]})[0]
    assert both[1] == pytest.approx(alone[0], abs=1e-6)


@pytest.mark.parametrize("calibrated", [False, True])
def test_quantizing_gives_no_advice_that_the_user_cannot_follow(base, tmp_path, judged, caplog, calibrated):
    export(run_file(base, tmp_path / "run.yaml"), tmp_path / "model", INFO, calibration=judged if calibrated else None)
    assert "pre-processing" not in caplog.text


def test_two_static_exports_are_byte_equal(base, tmp_path, judged):
    run = run_file(base, tmp_path / "run.yaml")
    for name in ("first", "second"):
        export(run, tmp_path / name, INFO, calibration=judged)
    assert (tmp_path / "first" / "model.onnx").read_bytes() == (tmp_path / "second" / "model.onnx").read_bytes()


def test_what_cannot_be_calibrated_is_refused(base, tmp_path, judged):
    run = run_folder(base, tmp_path / "run", "decomposed")
    with pytest.raises(ValueError, match="a decomposed is exported with --quantization dynamic"):
        export(run, tmp_path / "model", INFO, calibration=judged)


def test_a_run_that_is_not_finished_is_named_with_what_to_do(base, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.yaml").write_text(
        f"name: own\nmodel: {{base: {base}}}\ntrain_sets: [{{path: sets}}]\nlosses: {{softmax: {{}}}}\n"
    )
    with pytest.raises(ValueError, match=r"the run .*run is not finished: `rerank train`"):
        export(tmp_path / "run", tmp_path / "out", INFO)


def test_a_description_with_an_unknown_key_is_refused_by_file_and_key(tmp_path):
    path = tmp_path / "tiny.info.yaml"
    path.write_text("{name: tiny, version: '1', summary: A tiny model., base: random, data: [], license: MIT}")
    with pytest.raises(ValueError, match=r"tiny\.info\.yaml: .*`license`.*name, version, summary"):
        read_model_info(path)


def test_a_description_that_is_no_yaml_is_refused_by_file(tmp_path):
    path = tmp_path / "tiny.info.yaml"
    path.write_text("name: [")
    with pytest.raises(ValueError, match=r"tiny\.info\.yaml: "):
        read_model_info(path)


@pytest.mark.parametrize("path", sorted(Path("recipes").glob("*.info.yaml")), ids=lambda path: path.name)
def test_the_descriptions_of_the_shipped_models_are_read(path):
    assert all(source.licence for source in read_model_info(path).data)


def test_a_head_that_nothing_trained_is_not_exported(tmp_path):
    base = make_base(tmp_path / "base")
    AutoModel.from_pretrained(base).save_pretrained(base)
    write_run_file(tmp_path / "run.yaml", RunFile("tiny", ModelSpec(str(base)), template=TEMPLATE))
    with pytest.raises(ValueError, match=r"has no trained head \(classifier\.bias\)"):
        export(tmp_path / "run.yaml", tmp_path / "model", INFO)
