"""The cross-encoder: one logit for a query and a document read together."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoConfig, AutoModelForSequenceClassification

from training.models.dropout import replace_dropout
from training.models.layers import classify, embed, encode_first_token, word_table
from training.models.rows import by_length

# BERT's kin, DistilBERT and ModernBERT call the chances that a number is dropped by their own names.
_DROPOUTS = (
    "hidden_dropout_prob",
    "attention_probs_dropout_prob",
    "classifier_dropout",
    "dropout",
    "attention_dropout",
    "seq_classif_dropout",
    "embedding_dropout",
    "mlp_dropout",
)


class CrossEncoder(nn.Module):
    """A transformers sequence classifier with one output.

    BERT-type models compute the last layer for the first token only (exact, and cheaper in training as in serving);
    every other architecture runs as transformers wrote it.
    """

    model: Any

    def __init__(self, model: nn.Module, *, fresh: Sequence[str] = ()) -> None:
        super().__init__()
        self.model = model
        # Names of weights that were drawn at random, as the checkpoint has none of them.
        self.fresh = tuple(fresh)

    @property
    def config(self) -> Any:
        """The transformers configuration of the encoder."""
        return self.model.config

    def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor) -> Tensor:
        """Logits [pairs] of token arrays [pairs, tokens]."""
        if self.config.model_type != "bert":
            return by_length(self._logits, attention_mask, input_ids, token_type_ids)
        table, rows = word_table(self.model.bert.embeddings, input_ids)
        return by_length(partial(self._bert_logits, table), attention_mask, rows, token_type_ids)

    def _bert_logits(self, table: Tensor, rows: Tensor, token_type_ids: Tensor, attention_mask: Tensor) -> Tensor:
        bert = self.model.bert
        hidden = embed(bert.embeddings, functional.embedding(rows, table), token_type_ids)
        first = encode_first_token(bert.encoder.layer, hidden, attention_mask.bool())
        return classify(self.model, first)

    def _logits(self, input_ids: Tensor, token_type_ids: Tensor, attention_mask: Tensor) -> Tensor:
        inputs = {"input_ids": input_ids, "attention_mask": attention_mask}
        if getattr(self.config, "type_vocab_size", 0) > 1:
            inputs["token_type_ids"] = token_type_ids
        return self.model(**inputs).logits[:, 0]

    def save(self, directory: Path) -> None:
        """Write a transformers checkpoint."""
        self.model.save_pretrained(directory)


def load_cross_encoder(
    source: str, *, layers: Sequence[int] | None = None, dropout: float = 0.1, attention: str | None = None
) -> CrossEncoder:
    """A cross-encoder from a directory or hub id; a bare encoder gets a fresh head.

    `layers` keeps those layers of the source alone, in order: a student that starts from its teacher's weights. `attention` is
    transformers' name for the one that architectures other than BERT's run with.
    """
    config = with_dropout(AutoConfig.from_pretrained(source, num_labels=1), dropout)
    load = AutoModelForSequenceClassification.from_pretrained
    model, loading = load(source, config=config, attn_implementation=attention, output_loading_info=True)
    if layers is not None:
        keep_layers(model, layers)
    replace_dropout(model)
    return CrossEncoder(model, fresh=sorted(loading["missing_keys"]))


def with_dropout(config: Any, dropout: float) -> Any:
    """The configuration with that chance wherever its architecture drops."""
    for name in _DROPOUTS:
        # None stands for another of these.
        if getattr(config, name, None) is not None:
            setattr(config, name, dropout)
    return config


def keep_layers(model: Any, layers: Sequence[int]) -> None:
    """Drop all but the given layers of a BERT-, RoBERTa- or ELECTRA-type encoder, in place."""
    encoder: Any = getattr(model.base_model, "encoder", None)
    if not hasattr(encoder, "layer"):
        raise ValueError(f"`layers` takes BERT-, RoBERTa- and ELECTRA-type bases; this one is of type {model.config.model_type}")
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
