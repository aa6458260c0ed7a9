"""The decomposed cross-encoder is wired as its paper says, starts with the run's dropout, and learns."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import Tensor

from tests.training.tiny import TEMPLATE, make_base, make_set
from training.batches import ListDataset, TokenStore, collate_apart
from training.losses import mixture
from training.models.decomposed import DecomposedCrossEncoder, decompose
from training.models.projection import fit_projection
from training.networks import build_network, load_text_encoder
from training.run_file import DataSpec, ModelSpec
from training.run_sets import load_lists
from training.trainer import list_logits

OFFSET = 10


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return make_base(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def batch(base, tmp_path_factory):
    encoder = load_text_encoder(str(base), TEMPLATE)
    store = TokenStore(encoder)
    lists = load_lists(DataSpec(str(make_set(tmp_path_factory.mktemp("set"), lists=8))), store)
    dataset = ListDataset(lists, store)
    return partial(collate_apart, encoder)([dataset[index] for index in range(len(dataset))])


def transformers_logit(network: DecomposedCrossEncoder, query: Tensor, document: Tensor) -> Tensor:
    """One pair's logit from transformers' own embeddings and layers, which see the split only as masks and reset states."""
    bert, count = network.model.bert, len(query)
    ids = torch.cat([query, document])[None]
    positions = torch.cat([torch.arange(count), OFFSET + torch.arange(len(document))])[None]
    types = (torch.arange(ids.shape[1]) >= count).long()[None]
    hidden = bert.embeddings(input_ids=ids, token_type_ids=types, position_ids=positions)
    apart = torch.where(types[0][:, None] == types[0][None, :], 0.0, float("-inf"))[None, None]
    for index, layer in enumerate(bert.encoder.layer):
        if index < network.lower_layers:
            hidden = layer(hidden, attention_mask=apart)[0]
        else:
            hidden = torch.cat([layer(hidden)[0][:, :count], hidden[:, count:]], dim=1)
    return network.model.classifier(bert.pooler(hidden))[0, 0]


@pytest.mark.parametrize("lower_layers", [1, 2])
def test_every_pair_of_a_padded_batch_scores_as_transformers_own_layers_score_it(base, batch, lower_layers):
    network = decompose(str(base), lower_layers=lower_layers, document_offset=OFFSET).eval()
    logits = list_logits(network, batch)[batch["mask"]]
    query_ids, query_mask = batch["query_ids"][batch["list_index"]], batch["query_mask"][batch["list_index"]]
    rows = zip(query_ids, query_mask, batch["document_ids"], batch["document_mask"], strict=True)
    expected = torch.stack([transformers_logit(network, query[seen], text[kept]) for query, seen, text, kept in rows])
    assert torch.allclose(logits, expected, atol=1e-5)


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_a_run_s_dropout_reaches_every_part_of_the_network(base, dropout):
    network = build_network(ModelSpec(str(base), "decomposed", lower_layers=2, document_offset=OFFSET, dropout=dropout))
    rates = {module.p for module in network.modules() if isinstance(module, torch.nn.Dropout)}
    assert rates == {dropout}


def test_a_run_s_choice_of_layers_is_what_is_split(base):
    chosen = build_network(ModelSpec(str(base), "decomposed", layers=(0, 2), lower_layers=1, document_offset=OFFSET))
    whole = decompose(str(base), lower_layers=1, document_offset=OFFSET)
    kept = chosen.model.bert.encoder.layer
    assert torch.equal(kept[1].output.dense.weight, whole.model.bert.encoder.layer[2].output.dense.weight)
    assert len(kept) == 2


def test_without_dropout_a_training_step_sees_the_logits_that_serving_sees(base, batch):
    network = build_network(ModelSpec(str(base), "decomposed", lower_layers=2, document_offset=OFFSET, dropout=0.0))
    training, serving = list_logits(network.train(), batch), list_logits(network.eval(), batch)
    assert torch.equal(training, serving)


def test_a_gradient_reaches_every_layer_below_and_above_the_split(base, batch):
    network = decompose(str(base), lower_layers=2, document_offset=OFFSET)
    list_logits(network, batch).square().sum().backward()
    weights = [layer.attention.self.value.weight for layer in network.model.bert.encoder.layer]
    assert all(weight.grad is not None and weight.grad.abs().max() > 0 for weight in weights)


def test_a_few_dozen_steps_on_a_handful_of_lists_bring_the_loss_far_below_chance(base, batch):
    torch.manual_seed(3)
    network = build_network(ModelSpec(str(base), "decomposed", lower_layers=2, document_offset=OFFSET, dropout=0.0)).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3)
    loss = mixture({"softmax": 1.0})
    chance = loss(torch.zeros_like(batch["grades"]), batch["grades"], batch["mask"])
    for _ in range(40):
        optimizer.zero_grad()
        value = loss(list_logits(network, batch), batch["grades"], batch["mask"])
        value.backward()
        optimizer.step()
    assert value < 0.2 * chance


def narrow(base, width):
    return decompose(str(base), lower_layers=1, document_offset=OFFSET, state_width=width, dropout=0.0).eval()


@torch.no_grad()
def test_a_fitted_projection_of_almost_the_whole_width_changes_almost_no_score(base, batch):
    whole = list_logits(decompose(str(base), lower_layers=1, document_offset=OFFSET).eval(), batch)
    errors = []
    for width in (30, 8):
        network = narrow(base, width)
        random = (list_logits(network, batch) - whole).square().mean()
        fit_projection(network, batch)
        errors.append((list_logits(network, batch) - whole).square().mean())
        assert errors[-1] < random
    assert errors[0] < 1e-3 * whole.var()
    assert errors[0] < errors[1]


def test_a_wide_source_becomes_narrow_and_a_narrow_one_goes_on_with_its_projection(base, batch, tmp_path):
    decompose(str(base), lower_layers=1, document_offset=OFFSET).save(tmp_path / "wide")
    network = decompose(str(tmp_path / "wide"), lower_layers=1, document_offset=OFFSET, state_width=8)
    network.save(tmp_path / "narrow")
    again = decompose(str(tmp_path / "narrow"), lower_layers=1, document_offset=OFFSET, state_width=8)
    fit_projection(again, batch)

    assert torch.equal(again.compress.weight, network.compress.weight)
    with pytest.raises(ValueError, match="the source keeps 8 numbers a token"):
        decompose(str(tmp_path / "narrow"), lower_layers=1, document_offset=OFFSET, state_width=16)
