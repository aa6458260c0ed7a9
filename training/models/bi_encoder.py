"""The bi-encoder: query and document encoded apart, compared by one dot product of unit vectors."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoConfig, AutoModel
from transformers.utils import logging as transformers_logging

from training.models.cross_encoder import keep_layers, with_dropout
from training.models.dropout import replace_dropout
from training.models.layers import embed, encode, word_table
from training.models.rows import by_length

_SCALE = "scale.json"
_START_SCALE = 20.0


def pool(hidden: Tensor, mask: Tensor, pooling: str) -> Tensor:
    """Unit vectors [texts, width] of hidden states [texts, tokens, width]: `mean` of real tokens, or the first token (`cls`)."""
    if pooling == "cls":
        pooled = hidden[:, 0]
    else:
        weights = mask.unsqueeze(-1).to(hidden.dtype)
        pooled = (hidden * weights).sum(1) / weights.sum(1).clamp(min=1.0)
    return functional.normalize(pooled, dim=-1)


class BiEncoder(nn.Module):
    """One encoder for both sides; logits are cosines times a learned scale (at most 100)."""

    model: Any

    def __init__(self, model: nn.Module, *, pooling: str, scale: float = _START_SCALE) -> None:
        super().__init__()
        self.model = model
        self.pooling = pooling
        self.log_scale = nn.Parameter(torch.tensor(math.log(scale)))

    @property
    def config(self) -> Any:
        """The transformers configuration of the encoder."""
        return self.model.config

    def encode(self, input_ids: Tensor, mask: Tensor) -> Tensor:
        """Unit vectors [texts, width] of token arrays [texts, tokens]."""
        if self.config.model_type != "bert":
            return by_length(self._vectors, mask, input_ids)
        table, rows = word_table(self.model.embeddings, input_ids)
        return by_length(partial(self._bert_vectors, table), mask, rows)

    def _bert_vectors(self, table: Tensor, rows: Tensor, mask: Tensor) -> Tensor:
        hidden = embed(self.model.embeddings, functional.embedding(rows, table), torch.zeros_like(rows))
        return pool(encode(self.model.encoder.layer, hidden, mask.bool()), mask, self.pooling)

    def _vectors(self, input_ids: Tensor, mask: Tensor) -> Tensor:
        hidden = self.model(input_ids=input_ids, attention_mask=mask.long()).last_hidden_state
        return pool(hidden, mask, self.pooling)

    @property
    def scale(self) -> Tensor:
        """The factor from cosine to logit."""
        return self.log_scale.clamp(max=math.log(100.0)).exp()

    def forward(self, query_ids: Tensor, query_mask: Tensor, document_ids: Tensor, document_mask: Tensor, list_index: Tensor) -> Tensor:
        """Logits [documents]; document i belongs to query `list_index[i]`."""
        queries = self.encode(query_ids, query_mask)
        documents = self.encode(document_ids, document_mask)
        return self.scale * (queries[list_index] * documents).sum(-1)

    def save(self, directory: Path) -> None:
        """Write a transformers checkpoint of the encoder, and the scale beside it."""
        self.model.save_pretrained(directory)
        (directory / _SCALE).write_text(json.dumps({"scale": self.scale.item()}) + "\n")


def load_bi_encoder(
    source: str, *, pooling: str, layers: Sequence[int] | None = None, dropout: float = 0.1, attention: str | None = None
) -> BiEncoder:
    """A bi-encoder on any encoder of a directory or hub id, with the scale that one was trained with; `layers`, `dropout` and `attention`
    as in `load_cross_encoder`."""
    model = _without_pooler(source, dropout, attention)
    if layers is not None:
        keep_layers(model, layers)
    replace_dropout(model)
    kept = Path(source) / _SCALE
    scale = float(json.loads(kept.read_text())["scale"]) if kept.is_file() else _START_SCALE
    return BiEncoder(model, pooling=pooling, scale=scale)


def _without_pooler(source: str, dropout: float, attention: str | None) -> Any:
    """The encoder, or ValueError where its weights are not whole.

    Its pooler is a leftover of pre-training that vectors never use: without it, it is neither trained nor saved. Many checkpoints lack it,
    and the library's advice to train it first would only make users doubt the base.
    """
    config = with_dropout(AutoConfig.from_pretrained(source), dropout)
    before = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()
    try:
        model, loading = AutoModel.from_pretrained(source, config=config, attn_implementation=attention, output_loading_info=True)
    finally:
        transformers_logging.set_verbosity(before)
    missing = sorted(name for name in loading["missing_keys"] if not name.startswith("pooler."))
    if missing:
        raise ValueError(f"{source}: {len(missing)} of the encoder's weights are not in it, such as {missing[0]}")
    if getattr(model, "pooler", None) is not None:
        model.pooler = None
    return model
