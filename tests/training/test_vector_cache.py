"""Vectors of a catalogue are kept by network and text, so that a labelling that was cut off goes on."""

from __future__ import annotations

from contextlib import suppress

import torch

from tests.training.tiny import TEMPLATE, make_base
from training.batches import Prefixes
from training.distil.retrievers import DenseRetriever
from training.distil.vector_cache import VectorCache, encoder_key
from training.networks import load_text_encoder


class Network:
    """Embeds a text by its length; an interrupt comes with the batch after the last that it has strength for."""

    def __init__(self, strength):
        self.batches, self._strength = 0, strength

    def to(self, _device):
        return self

    def eval(self):
        return self

    def encode(self, ids, mask):
        if self.batches == self._strength:
            raise KeyboardInterrupt
        self.batches += 1
        return torch.stack([mask.sum(1).float(), ids.sum(1).float()], dim=1)


# Three batches of distinct texts.
MANY = {f"p{number}": {"title": " ".join("abcdefghij"[int(digit)] for digit in f"{number:03}")} for number in range(600)}


def embed(folder, strength, *, key=b"network", catalogue=MANY):
    """The batches that were embedded for a catalogue, and its scores for a query where nothing came between."""
    encoder, network = load_text_encoder(str(make_base(folder / "base")), TEMPLATE), Network(strength)
    prefixes = Prefixes(encoder.encode_prefix(""), encoder.encode_prefix(""))
    with VectorCache(folder / "vectors") as kept, suppress(KeyboardInterrupt):
        return DenseRetriever(network, encoder, prefixes, catalogue, kept=kept, key=key).scores(["red lamp"]).tolist(), network.batches
    return None, network.batches


def test_a_catalogue_that_was_cut_off_goes_on_with_the_batch_that_was_not_embedded(tmp_path):
    assert embed(tmp_path, 2) == (None, 2)
    scores, batches = embed(tmp_path, 9)
    # The third, and the query's.
    assert batches == 2
    assert embed(tmp_path, 0) == (scores, 0)


def test_another_network_has_vectors_of_its_own(tmp_path):
    embed(tmp_path, 9)
    assert embed(tmp_path, 9, key=b"another")[1] == 4


def test_a_changed_text_is_embedded_anew(tmp_path):
    embed(tmp_path, 9)
    assert embed(tmp_path, 9, catalogue=MANY | {"p0": {"title": "blue sofa"}})[1] == 1


def test_new_weights_and_another_pooling_are_another_network(tmp_path):
    weights = tmp_path / "weights"
    weights.write_bytes(b"one")
    mean = encoder_key(weights, "mean")
    assert encoder_key(weights, "cls") != mean
    weights.write_bytes(b"two")
    assert encoder_key(weights, "mean") != mean
