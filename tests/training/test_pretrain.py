"""Masked-word pre-training of a tiny base: any encoder family, new words, a kill, and a catalogue that says nothing."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForMaskedLM

from tests.training.tiny import make_base, make_other_base
from training.models.cross_encoder import load_cross_encoder
from training.networks import load_tokenizer
from training.pretrain import PretrainSettings, extend_vocabulary, masking_tokenizer, pretrain

DOCUMENTS = [{"title": f"small {thing} lampshade", "color": color} for thing in ("sofa", "lamp", "desk") for color in ("red", "blue")] * 2
QUICK = PretrainSettings(batch_size=4, learning_rate=1e-3, masked=0.4, bf16=False)

# A tiny run writes its checkpoints within one second, which transformers takes for a broken clock.
pytestmark = pytest.mark.filterwarnings("ignore:mtime may not be reliable")


def make(directory, kind="bert"):
    """A base that reads `lampshade` as two pieces."""
    base = make_base(directory) if kind == "bert" else make_other_base(directory, kind)
    tokenizer = json.loads((base / "tokenizer.json").read_text())
    tokenizer["model"]["vocab"]["##shade"] = len(tokenizer["model"]["vocab"])
    (base / "tokenizer.json").write_text(json.dumps(tokenizer))
    return base


@pytest.mark.parametrize("kind", ["bert", "roberta", "distilbert", "electra"])
def test_a_base_of_any_family_learns_and_is_a_base_again(tmp_path, kind):
    base = make(tmp_path / "base", kind)
    words = load_tokenizer(str(base)).get_vocab()
    assert pretrain(str(base), DOCUMENTS, tmp_path / "out", QUICK, report_to="none") > 0
    before, after = (load_cross_encoder(str(path)).model.get_input_embeddings().weight for path in (base, tmp_path / "out" / "model"))
    assert load_tokenizer(str(tmp_path / "out" / "model")).get_vocab() == words
    assert before.shape == after.shape
    assert not torch.equal(before, after)


@pytest.mark.parametrize("kind", ["bert", "roberta"])
def test_texts_are_cut_at_the_positions_of_the_base(tmp_path, kind):
    base = make(tmp_path / "base", kind)
    model = AutoModelForMaskedLM.from_pretrained(base)
    embeddings = model.base_model.embeddings
    positions = 8 + (2 if kind == "roberta" else 0)
    rows = embeddings.position_embeddings.weight[:positions].detach().clone()
    embeddings.position_embeddings.weight = torch.nn.Parameter(rows)
    model.config.max_position_embeddings = positions
    model.save_pretrained(base)
    assert pretrain(str(base), [{"title": "red sofa " * 20}] * 4, tmp_path / "out", QUICK, report_to="none") > 0


@pytest.mark.parametrize("kind", ["bert", "roberta"])
def test_a_new_word_is_one_token_that_starts_as_the_mean_of_its_pieces(tmp_path, kind):
    base = make(tmp_path / "base", kind)
    tokenizer, model = masking_tokenizer(str(base)), AutoModelForMaskedLM.from_pretrained(base)
    pieces = tokenizer.encode("lampshade", add_special_tokens=False)
    assert len(pieces) == 2
    expected = model.get_input_embeddings().weight[pieces].mean(0)
    assert extend_vocabulary(tokenizer, model, ["red lampshade", "Lampshade, small"], 5) == ["lampshade"]
    (token,) = tokenizer.encode("lampshade", add_special_tokens=False)
    assert torch.equal(model.get_input_embeddings().weight[token], expected)


def test_a_new_word_leaves_the_words_that_contain_it_alone(tmp_path):
    base = make(tmp_path / "base")
    tokenizer, model = masking_tokenizer(str(base)), AutoModelForMaskedLM.from_pretrained(base)
    before = tokenizer.encode("lampshades", add_special_tokens=False)
    extend_vocabulary(tokenizer, model, ["lampshade"], 1)
    assert tokenizer.encode("lampshades", add_special_tokens=False) == before


def test_new_words_are_kept_in_the_base_that_is_left(tmp_path):
    pretrain(str(make(tmp_path / "base")), DOCUMENTS, tmp_path / "out", PretrainSettings(new_words=1, bf16=False), report_to="none")
    left = load_tokenizer(str(tmp_path / "out" / "model"))
    assert left.encode("red lampshade", add_special_tokens=False).ids == [left.token_to_id("red"), left.token_to_id("lampshade")]


@pytest.mark.parametrize("documents", [[], [{"title": ""}, {"color": None}]], ids=["no documents", "no text"])
def test_a_catalogue_without_text_is_refused(tmp_path, documents):
    with pytest.raises(ValueError, match=rf"none of the catalogue's {len(documents)} documents has any text.*--role"):
        pretrain(str(make_base(tmp_path / "base")), documents, tmp_path / "out", QUICK, report_to="none")


def test_a_tokenizer_that_cannot_hide_a_word_is_refused_by_what_it_lacks(tmp_path):
    file = make_base(tmp_path / "base") / "tokenizer.json"
    file.write_text(file.read_text().replace("[MASK]", "mask"))
    with pytest.raises(ValueError, match=r"has no token \[MASK\] or <mask>"):
        masking_tokenizer(str(tmp_path / "base"))


def test_a_checkpoint_that_was_cut_off_is_left_out(tmp_path):
    base = str(make_base(tmp_path / "base"))
    pretrain(base, DOCUMENTS, tmp_path / "whole", QUICK, report_to="none")
    broken = tmp_path / "killed" / "checkpoint-500"
    broken.mkdir(parents=True)
    (broken / "model.safetensors").write_bytes(b"half")
    pretrain(base, DOCUMENTS, tmp_path / "killed", QUICK, report_to="none")
    whole, resumed = (load_file(tmp_path / name / "model" / "model.safetensors") for name in ("whole", "killed"))
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    assert not broken.exists()


def test_a_folder_goes_on_with_its_own_run_and_with_no_other(tmp_path):
    base = str(make_base(tmp_path / "base"))
    first = pretrain(base, DOCUMENTS, tmp_path / "out", QUICK, report_to="none")
    kept = (tmp_path / "out" / "model" / "model.safetensors").read_bytes()
    with pytest.raises(ValueError, match="another texts"):
        pretrain(base, [{"title": "other words"}], tmp_path / "out", QUICK, report_to="none")
    with pytest.raises(ValueError, match="another epochs"):
        pretrain(base, DOCUMENTS, tmp_path / "out", replace(QUICK, epochs=QUICK.epochs + 1), report_to="none")
    assert first > 0
    again = pretrain(base, DOCUMENTS, tmp_path / "out", QUICK, report_to="none")
    assert again == first
    make_base(tmp_path / "base", seed=8)
    with pytest.raises(ValueError, match="another weights"):
        pretrain(base, DOCUMENTS, tmp_path / "out", QUICK, report_to="none")
    assert (tmp_path / "out" / "model" / "model.safetensors").read_bytes() == kept
