"""The decomposed cross-encoder: documents are read once, ahead of time; a query meets their states in the upper layers only.

After DeFormer (arXiv 2005.00697), PreTTR (arXiv 2004.14255) and MORES (arXiv 2010.10469). The lower layers read query (positions
from 0, type 0) and document (positions from `document_offset`, type 1) apart. In the upper layers the query's tokens alone are
updated, each attending to the query's states and to keys and values projected from the document's states; the last layer updates
the first token only.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoConfig, BertForSequenceClassification

from training.models.cross_encoder import keep_layers, load_cross_encoder, with_dropout
from training.models.dropout import replace_dropout
from training.models.layers import attend, classify, embed, encode, word_table
from training.models.rows import by_length

_SETTINGS = "decomposition.json"


class DecomposedCrossEncoder(nn.Module):
    """A BERT classifier split into `lower_layers` that read query and document apart and the rest that lets them meet."""

    def __init__(self, model: BertForSequenceClassification, *, lower_layers: int, document_offset: int, state_width: int) -> None:
        super().__init__()
        width = model.config.hidden_size
        if not 0 < lower_layers < model.config.num_hidden_layers:
            raise ValueError(f"lower_layers {lower_layers} must leave at least one of {model.config.num_hidden_layers} layers above")
        self.model = model
        self.lower_layers = lower_layers
        self.document_offset = document_offset
        self.state_width = state_width
        narrow = state_width < width
        self.compress = nn.Linear(width, state_width) if narrow else nn.Identity()
        self.expand = nn.Linear(state_width, width) if narrow else nn.Identity()
        # Whether the projection was trained; a new one is fitted first (training.models.projection).
        self.projected = False

    @property
    def config(self) -> Any:
        """The transformers configuration of the encoder."""
        return self.model.config

    @property
    def lower(self) -> Any:
        """The layers that read query and document apart."""
        return self.model.bert.encoder.layer[: self.lower_layers]

    @property
    def upper(self) -> Any:
        """The layers in which the query attends to the document."""
        return self.model.bert.encoder.layer[self.lower_layers :]

    def document_states(self, input_ids: Tensor, mask: Tensor) -> Tensor:
        """What is kept of documents [documents, tokens]: states [documents, tokens, state_width]."""
        return self.compress(self.hidden_states(input_ids, mask))

    def hidden_states(self, input_ids: Tensor, mask: Tensor) -> Tensor:
        """Documents after the lower layers, at the encoder's whole width."""
        return encode(self.lower, self._embed(self._words(input_ids), 1, self.document_offset), mask)

    def query_states(self, input_ids: Tensor, mask: Tensor) -> Tensor:
        """A query's own states [queries, tokens, width] after the lower layers."""
        return encode(self.lower, self._embed(self._words(input_ids), 0), mask)

    def _words(self, input_ids: Tensor) -> Tensor:
        return self.model.bert.embeddings.word_embeddings(input_ids)

    def _embed(self, words: Tensor, token_type: int, position_offset: int = 0) -> Tensor:
        types = torch.full(words.shape[:2], token_type, device=words.device)
        return embed(self.model.bert.embeddings, words, types, position_offset)

    def score(self, query: Tensor, query_mask: Tensor, states: Tensor, states_mask: Tensor) -> Tensor:
        """Logits [pairs] of query states and document states, aligned pair by pair."""
        documents = self.expand(states)
        mask = torch.cat([query_mask, states_mask], dim=1)
        for layer in self.upper[:-1]:
            query = attend(layer, query, torch.cat([query, documents], dim=1), mask)
        first = attend(self.upper[-1], query[:, :1], torch.cat([query, documents], dim=1), mask)[:, 0]
        return classify(self.model, first)

    def forward(self, query_ids: Tensor, query_mask: Tensor, document_ids: Tensor, document_mask: Tensor, list_index: Tensor) -> Tensor:
        """Logits [documents]; document i belongs to query `list_index[i]`."""
        query_mask = query_mask.bool()
        queries = self.query_states(query_ids, query_mask)
        table, rows = word_table(self.model.bert.embeddings, document_ids)

        def logits(rows: Tensor, lists: Tensor, mask: Tensor) -> Tensor:
            words = functional.embedding(rows, table)
            states = self.compress(encode(self.lower, self._embed(words, 1, self.document_offset), mask))
            return self.score(queries[lists], query_mask[lists], states, mask)

        return by_length(logits, document_mask.bool(), rows, list_index)

    def save(self, directory: Path) -> None:
        """Write the encoder's configuration, all weights and the split."""
        directory.mkdir(parents=True, exist_ok=True)
        self.config.save_pretrained(directory)
        save_file({name: tensor.contiguous() for name, tensor in self.state_dict().items()}, directory / "model.safetensors")
        split = {name: getattr(self, name) for name in ("lower_layers", "document_offset", "state_width")}
        (directory / _SETTINGS).write_text(json.dumps(split))


def decompose(
    source: str,
    *,
    lower_layers: int,
    document_offset: int,
    state_width: int | None = None,
    layers: Sequence[int] | None = None,
    dropout: float = 0.1,
) -> DecomposedCrossEncoder:
    """A decomposed model that starts from the weights of a cross-encoder, of a bare BERT encoder, or of a decomposed model that was wider.

    `layers` are as in `load_cross_encoder`. Split below the layers in which the source matches query and document: split above them, it
    starts with scores that carry nothing, and training flattens the scores and states to constants before it learns to match anew.
    """
    if (Path(source) / _SETTINGS).is_file():
        network = load_decomposed(Path(source), dropout=dropout)
        model = network.model
        replace_dropout(model)
        if network.projected:
            return _as_it_was(network, lower_layers, document_offset, state_width, layers)
        if layers is not None:
            keep_layers(model, layers)
    else:
        model = load_cross_encoder(source, layers=layers, dropout=dropout).model
        if model.config.model_type != "bert":
            raise ValueError(f"`decomposed` takes BERT-type bases; {source} is of type {model.config.model_type}")
    width = state_width or model.config.hidden_size
    return DecomposedCrossEncoder(model, lower_layers=lower_layers, document_offset=document_offset, state_width=width)


def _as_it_was(
    network: DecomposedCrossEncoder, lower_layers: int, document_offset: int, state_width: int | None, layers: Sequence[int] | None
) -> DecomposedCrossEncoder:
    """A narrow source, which training goes on with; its trained projection fits no other shape."""
    asked = (lower_layers, document_offset, state_width, layers)
    if asked != (network.lower_layers, network.document_offset, network.state_width, None):
        raise ValueError(
            f"the source keeps {network.state_width} numbers a token, split after layer {network.lower_layers} with documents from "
            f"position {network.document_offset}: go on with the same state_width, lower_layers and document_offset, without `layers`"
        )
    return network


def load_decomposed(directory: Path, *, dropout: float = 0.0) -> DecomposedCrossEncoder:
    """A model that `DecomposedCrossEncoder.save` wrote."""
    config = with_dropout(AutoConfig.from_pretrained(directory), dropout)
    model = DecomposedCrossEncoder(BertForSequenceClassification(config), **json.loads((directory / _SETTINGS).read_text()))
    model.load_state_dict(load_file(directory / "model.safetensors"))
    model.projected = isinstance(model.compress, nn.Linear)
    return model
