"""The networks: what they skip changes nothing, and documents read apart do not see the query."""

from __future__ import annotations

import pytest
import torch
from transformers import AutoModel

from tests.training.tiny import make_base, make_other_base
from training.models.attention import transformers_attention
from training.models.bi_encoder import load_bi_encoder, pool
from training.models.cross_encoder import keep_layers, load_cross_encoder
from training.models.decomposed import decompose, load_decomposed
from training.models.dropout import dropout
from training.networks import known_positions


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return str(make_base(tmp_path_factory.mktemp("base")))


@pytest.fixture
def pairs():
    ids = torch.tensor([[2, 8, 3, 12, 13, 3, 0, 0], [2, 9, 3, 10, 11, 14, 7, 3]])
    types = torch.tensor([[0, 0, 0, 1, 1, 1, 0, 0], [0, 0, 0, 1, 1, 1, 1, 1]])
    return ids, (ids != 0).long(), types


def test_the_first_token_path_gives_transformers_own_logits(base, pairs):
    network = load_cross_encoder(base).eval()
    ids, mask, types = pairs
    own = network.model(input_ids=ids, attention_mask=mask, token_type_ids=types).logits[:, 0]
    assert torch.allclose(network(ids, mask, types), own, atol=1e-6)


def test_an_encoder_without_a_pooler_is_loaded_without_advice_and_one_without_a_layer_is_refused(tmp_path, capfd):
    base = make_base(tmp_path / "base")
    bare = AutoModel.from_pretrained(base, add_pooling_layer=False)
    bare.save_pretrained(base)
    capfd.readouterr()
    load_bi_encoder(str(base), pooling="mean")
    assert "not initialized" not in "".join(capfd.readouterr())
    bare.encoder.layer = bare.encoder.layer[:2]
    bare.save_pretrained(base, state_dict=bare.state_dict())
    with pytest.raises(ValueError, match=r"16 of the encoder's weights are not in it, such as encoder\.layer\.2"):
        load_bi_encoder(str(base), pooling="mean")


def test_padding_does_not_reach_a_pair_s_logit(base, pairs):
    network = load_cross_encoder(base).eval()
    ids, mask, types = pairs
    alone = network(ids[:1, :6], mask[:1, :6], types[:1, :6])
    assert torch.allclose(network(ids, mask, types)[:1], alone, atol=1e-5)


def test_a_batch_of_many_lengths_gives_each_pair_the_logit_it_has_alone(base):
    network = load_cross_encoder(base).eval()
    lengths = [8, 3, 40, 21, 3, 40] * 40
    ids = torch.zeros(len(lengths), 40, dtype=torch.long)
    for row, length in enumerate(lengths):
        ids[row, :length] = torch.arange(length) % 12 + 3
    mask, types = (ids != 0).long(), torch.zeros_like(ids)
    assert sum(lengths) > 2048
    alone = {length: network(ids[row : row + 1], mask[row : row + 1], types[row : row + 1]) for row, length in enumerate(lengths[:6])}
    assert torch.allclose(network(ids, mask, types), torch.cat([alone[length] for length in lengths]), atol=1e-5)


def test_padding_may_reach_beyond_the_encoder_s_last_position(base, pairs):
    network = load_cross_encoder(base).eval()
    embeddings = network.model.bert.embeddings
    six, eight = [array[:1, :6] for array in pairs], [array[:1] for array in pairs]
    before = network(*six)
    embeddings.position_embeddings = torch.nn.Embedding.from_pretrained(embeddings.position_embeddings.weight[:6].detach().clone())
    assert torch.allclose(network(*eight), before, atol=1e-5)


def test_dropout_zeroes_its_share_keeps_the_mean_and_is_repeated_by_its_seed():
    x = torch.ones(400, 500)
    torch.manual_seed(1)
    dropped = dropout(x, 0.25, training=True)
    assert (dropped == 0).float().mean() == pytest.approx(0.25, abs=0.005)
    assert dropped.mean() == pytest.approx(1.0, abs=0.01)
    torch.manual_seed(1)
    assert torch.equal(dropped, dropout(x, 0.25, training=True))


def test_dropout_leaves_alone_what_is_not_training():
    x = torch.ones(3)
    assert dropout(x, 0.5, training=False) is x


def test_attention_with_dropout_is_torch_s_own_but_for_what_it_drops(base, pairs):
    # A chance that drops nothing takes the same way as one that does.
    network = load_cross_encoder(base, dropout=1e-9).train()
    assert torch.allclose(network(*pairs), network.eval()(*pairs), atol=1e-5)


def test_a_student_keeps_the_layers_it_is_given(base):
    student = load_cross_encoder(base, layers=[0, 2])
    teacher = load_cross_encoder(base)
    kept = student.model.bert.encoder.layer[1].output.dense.weight
    assert torch.equal(kept, teacher.model.bert.encoder.layer[2].output.dense.weight)
    assert student.config.num_hidden_layers == 2


@pytest.mark.parametrize("kind", ["bert", "roberta", "electra", "distilbert"])
def test_dropout_is_the_chance_that_was_asked_for_in_every_architecture(tmp_path, kind):
    network = load_cross_encoder(str(make_other_base(tmp_path, kind)), dropout=0.25)
    chances = {module.p for module in network.modules() if isinstance(module, torch.nn.Dropout)}
    assert chances == {0.25}


def test_an_architecture_whose_layers_cannot_be_chosen_is_refused_by_name(tmp_path):
    with pytest.raises(ValueError, match="this one is of type distilbert"):
        load_cross_encoder(str(make_other_base(tmp_path, "distilbert")), layers=[0])


@pytest.mark.parametrize("kind", ["roberta", "electra", "distilbert"])
def test_an_architecture_that_cannot_be_decomposed_is_refused_by_name(tmp_path, kind):
    with pytest.raises(ValueError, match=f"takes BERT-type bases; .* is of type {kind}"):
        decompose(str(make_other_base(tmp_path, kind)), lower_layers=1, document_offset=8)


def test_layers_that_the_source_lacks_are_refused(base):
    with pytest.raises(ValueError, match=r"\[0, 7\] are not all within the source's 3 layers"):
        keep_layers(load_cross_encoder(base).model, [0, 7])


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_a_bi_encoder_gives_the_vectors_of_transformers_own_states(base, pooling):
    network = load_bi_encoder(base, pooling=pooling).eval()
    ids = torch.tensor([[2, 8, 3, 0, 0, 0], [2, 9, 3, 10, 11, 3]])
    mask = (ids != 0).long()
    own = pool(network.model(input_ids=ids, attention_mask=mask).last_hidden_state, mask, pooling)
    assert torch.allclose(network.encode(ids, mask), own, atol=1e-6)


@pytest.mark.parametrize("kind", ["roberta", "electra", "distilbert"])
def test_the_attention_that_trains_gives_the_scores_of_the_one_that_serves(tmp_path, pairs, kind):
    base = str(make_other_base(tmp_path, kind))
    serving, training = load_cross_encoder(base).eval(), load_cross_encoder(base, attention=transformers_attention()).eval()
    assert torch.allclose(serving(*pairs), training(*pairs), atol=1e-5)
    training.save(tmp_path / "saved")
    assert "attn" not in (tmp_path / "saved" / "config.json").read_text()


def test_a_decomposed_batch_of_many_lengths_gives_each_pair_the_logit_it_has_alone(base):
    network = decompose(base, lower_layers=2, document_offset=8).eval()
    lengths = [8, 3, 30, 21, 3, 30] * 30
    documents = torch.zeros(len(lengths), 30, dtype=torch.long)
    for row, length in enumerate(lengths):
        documents[row, :length] = torch.arange(length) % 12 + 3
    queries = torch.tensor([[2, 8, 3, 0], [2, 9, 10, 3]])
    lists = torch.arange(len(lengths)) % 2
    assert sum(lengths) > 2048
    together = network(queries, queries != 0, documents, documents != 0, lists)
    for row in range(12):
        query, document = queries[lists[row], None], documents[row : row + 1, : lengths[row]]
        alone = network(query, query != 0, document, document != 0, torch.zeros(1, dtype=torch.long))
        assert torch.allclose(together[row], alone[0], atol=1e-5)


def test_document_states_do_not_depend_on_the_query_or_on_neighbours(base):
    network = decompose(base, lower_layers=2, document_offset=8).eval()
    ids = torch.tensor([[12, 13, 3, 0], [10, 11, 14, 3]])
    together = network.document_states(ids, ids != 0)
    alone = network.document_states(ids[:1, :3], torch.ones(1, 3, dtype=torch.bool))
    assert torch.allclose(together[0, :3], alone[0], atol=1e-5)


def test_a_saved_decomposed_model_scores_as_before(base, tmp_path):
    network = decompose(base, lower_layers=2, document_offset=8, state_width=16).eval()
    network.save(tmp_path)
    again = load_decomposed(tmp_path).eval()
    query, documents, index = torch.tensor([[2, 8, 3]]), torch.tensor([[12, 13, 3], [10, 11, 3]]), torch.tensor([0, 0])
    inputs = (query, torch.ones_like(query), documents, torch.ones_like(documents), index)
    # Not bit by bit: where tensors lie in memory changes the order of sums.
    assert torch.allclose(network(*inputs), again(*inputs), atol=1e-5)


def test_a_saved_bi_encoder_keeps_the_scale_of_its_logits(base, tmp_path):
    network = load_bi_encoder(base, pooling="mean")
    assert network.scale.item() == pytest.approx(20.0)
    network.log_scale.data.fill_(3.5)
    network.save(tmp_path)
    assert load_bi_encoder(str(tmp_path), pooling="mean").scale.item() == pytest.approx(network.scale.item())


def test_a_split_that_leaves_no_upper_layer_is_refused(base):
    with pytest.raises(ValueError, match="must leave at least one of 3 layers above"):
        decompose(base, lower_layers=3, document_offset=8)


def test_positions_that_an_encoder_keeps_for_padding_are_none_for_tokens(base, tmp_path):
    assert known_positions(load_cross_encoder(base)) == 512
    assert known_positions(load_cross_encoder(str(make_other_base(tmp_path, "roberta")))) == 512 - 2


def test_logits_computed_in_bf16_are_not_rounded_to_its_steps(base, pairs):
    ids, mask, types = pairs
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = load_cross_encoder(base).eval()(ids, mask, types)
    assert logits.dtype == torch.float32
    assert not torch.equal(logits, logits.bfloat16().float())
