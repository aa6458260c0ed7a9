"""Encoders of other architectures are served as BERT is: the sidecar's own scorer gives the network's scores."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from torch.utils.data import DataLoader

from sidecar.manifest import DataSource, read_manifest, verify_files
from tests.training.tiny import TEMPLATE, make_other_base, make_set
from training.batches import ListDataset, TokenStore
from training.export.directory import ModelInfo, export
from training.export.gate import gated_export, scorer
from training.networks import build_collate, build_encoder, build_network
from training.run_file import DataSpec, ModelSpec, RunFile, write_run_file
from training.run_sets import load_lists
from training.trainer import list_logits
from training.training_set import read_documents, read_lists

INFO = ModelInfo("other", "1", "Another architecture.", "random", (DataSource("samples", "Apache-2.0"),))
# Each with its number of token types.
KINDS = (("roberta", 1), ("roberta", 2), ("distilbert", 1), ("electra", 2))


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    return make_set(tmp_path_factory.mktemp("judged"))


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: f"{kind[0]}-{kind[1]}")
def run(request, tmp_path_factory):
    """A run file whose base is a random encoder of the architecture."""
    kind, types = request.param
    folder = tmp_path_factory.mktemp(kind)
    base = make_other_base(folder / "base", kind, types=types)
    write_run_file(folder / "run.yaml", RunFile("other", ModelSpec(str(base)), template=TEMPLATE))
    return folder / "run.yaml", RunFile("other", ModelSpec(str(base)), template=TEMPLATE)


def network_scores(run, judged):
    """The network's own scores of every list, through the training collator."""
    encoder = build_encoder(run)
    store = TokenStore(encoder)
    dataset = ListDataset(load_lists(DataSpec(str(judged)), store), store)
    network = build_network(run.model).eval()
    with torch.no_grad():
        batches = DataLoader(dataset, batch_size=1, collate_fn=build_collate(run.model, encoder))
        return [list_logits(network, batch)[0].numpy() for batch in batches]


def test_the_sidecar_scores_as_the_network_does(run, judged, tmp_path):
    path, described = run
    export(path, tmp_path / "model", INFO, int8=False)
    verify_files(tmp_path / "model", read_manifest(tmp_path / "model"))
    score, documents = scorer(tmp_path / "model"), read_documents(judged)
    served = [score(item, documents) for item in read_lists(judged)]
    assert np.abs(np.concatenate(served) - np.concatenate(network_scores(described, judged))).max() < 1e-4


def test_an_encoder_without_token_types_takes_none(tmp_path):
    base = make_other_base(tmp_path / "base", "distilbert")
    write_run_file(tmp_path / "run.yaml", RunFile("other", ModelSpec(str(base)), template=TEMPLATE))
    export(tmp_path / "run.yaml", tmp_path / "model", INFO)
    graph = onnx.load(tmp_path / "model" / "model.onnx").graph
    assert {node.name for node in graph.input} == {"input_ids", "attention_mask"}


def test_int8_of_another_architecture_passes_through_the_same_gate(run, judged, tmp_path):
    manifest = gated_export(run[0], tmp_path / "model", INFO, [judged], allowed_loss=1.0)
    assert f"gate on {judged.name}, 6 lists: NDCG@10 int8" in manifest.quality


def test_two_traced_exports_are_byte_equal(run, tmp_path):
    for name in ("first", "second"):
        export(run[0], tmp_path / name, INFO)
    assert (tmp_path / "first" / "model.onnx").read_bytes() == (tmp_path / "second" / "model.onnx").read_bytes()


@pytest.mark.parametrize("pooling", ["mean", "cls"])
@pytest.mark.parametrize("kind", ["roberta", "distilbert"])
def test_vectors_of_another_architecture_equal_the_networks(kind, pooling, tmp_path, judged):
    base = make_other_base(tmp_path / "base", kind)
    run = RunFile("other", ModelSpec(str(base), "bi-encoder", pooling=pooling), template=TEMPLATE)
    write_run_file(tmp_path / "run.yaml", run)
    export(tmp_path / "run.yaml", tmp_path / "model", INFO, int8=False)
    item = read_lists(judged)[0]
    # The sidecar answers cosines, the network cosines times its scale.
    expected = network_scores(run, judged)[0] / 20.0
    assert scorer(tmp_path / "model")(item, read_documents(judged)) == pytest.approx(expected, abs=1e-4)


def test_token_types_that_were_trained_have_an_input_of_their_own(tmp_path):
    base = make_other_base(tmp_path / "base", "roberta", types=2)
    write_run_file(tmp_path / "run.yaml", RunFile("other", ModelSpec(str(base)), template=TEMPLATE))
    export(tmp_path / "run.yaml", tmp_path / "model", INFO)
    graph = onnx.load(tmp_path / "model" / "model.onnx").graph
    assert {node.name for node in graph.input} == {"input_ids", "attention_mask", "token_type_ids"}
