"""The cross-encoder: one logit for a query and a document read together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForSequenceClassification

from training.models.dropout import replace_dropout
from training.models.layers import embed, encode_first_token

_TOKENS_AT_ONCE = 2048


class CrossEncoder(nn.Module):
    """A transformers sequence classifier with one output.

    BERT-type models compute the last layer for the first token only (exact, and cheaper in training as in serving);
    every other architecture runs as transformers wrote it.
    """

    model: Any

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    @property
    def config(self) -> Any:
        """The transformers configuration of the encoder."""
        return self.model.config

    def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor) -> Tensor:
        """Logits [pairs] of token arrays [pairs, tokens]."""
        if input_ids.device.type != "cpu":
            return self._logits(input_ids, attention_mask, token_type_ids)
        # A CPU pays for padding, and for tensors that its caches do not hold: rows of like length, a few at a time.
        rows = [*rows_of_like_length(attention_mask.sum(1), _TOKENS_AT_ONCE)]
        parts = [
            self._logits(input_ids[some, :length], attention_mask[some, :length], token_type_ids[some, :length]) for some, length in rows
        ]
        found = torch.cat(parts)
        return torch.empty_like(found).scatter(0, torch.cat([some for some, _ in rows]), found)

    def _logits(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor) -> Tensor:
        if self.config.model_type == "bert":
            bert = self.model.bert
            hidden = embed(bert.embeddings, input_ids, token_type_ids)
            first = encode_first_token(bert.encoder.layer, hidden, attention_mask.bool())
            pooled = bert.pooler.activation(bert.pooler.dense(first))
            return self.model.classifier(self.model.dropout(pooled))[:, 0]
        inputs = {"input_ids": input_ids, "attention_mask": attention_mask}
        if getattr(self.config, "type_vocab_size", 0) > 1:
            inputs["token_type_ids"] = token_type_ids
        return self.model(**inputs).logits[:, 0]

    def save(self, directory: Path) -> None:
        """Write a transformers checkpoint."""
        self.model.save_pretrained(directory)


def rows_of_like_length(lengths: Tensor, tokens: int) -> Iterator[tuple[Tensor, int]]:
    """Row numbers, longest first, so many that they have at most `tokens` in all, and the length of the longest, rounded up to 8."""
    order = torch.argsort(lengths, descending=True, stable=True)
    start = 0
    while start < len(order):
        longest = int(lengths[order[start]])
        count = max(1, tokens // max(1, longest))
        yield order[start : start + count], -(-longest // 8) * 8
        start += count


def load_cross_encoder(source: str, *, layers: Sequence[int] | None = None, dropout: float = 0.1) -> CrossEncoder:
    """A cross-encoder from a directory or hub id; a bare encoder gets a fresh head.

    `layers` keeps those layers of the source alone, in order: a student that starts from its teacher's weights.
    """
    config = AutoConfig.from_pretrained(source, num_labels=1)
    for name in ("hidden_dropout_prob", "attention_probs_dropout_prob"):
        if hasattr(config, name):
            setattr(config, name, dropout)
    model = AutoModelForSequenceClassification.from_pretrained(source, config=config)
    if layers is not None:
        keep_layers(model, layers)
    replace_dropout(model)
    return CrossEncoder(model)


def keep_layers(model: Any, layers: Sequence[int]) -> None:
    """Drop all but the given layers of a BERT-type encoder, in place."""
    encoder = model.base_model.encoder
    count = len(encoder.layer)
    if not layers or any(not 0 <= index < count for index in layers):
        raise ValueError(f"layers {list(layers)} are not all within the source's {count} layers (0 to {count - 1})")
    encoder.layer = nn.ModuleList(encoder.layer[index] for index in layers)
    model.config.num_hidden_layers = len(layers)


def count_parameters(model: nn.Module) -> int:
    """Number of weights."""
    return sum(parameter.numel() for parameter in model.parameters())


def inference_device() -> torch.device:
    """The accelerator if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
