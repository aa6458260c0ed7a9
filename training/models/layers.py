"""The pieces of a BERT encoder, called one by one on transformers' modules, so that a model may skip what its head never reads.

Shapes: hidden [batch, tokens, width]; a mask is boolean [batch, tokens], True where a token is real.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from training.models.attention import attention


def word_table(embeddings: Any, input_ids: Tensor) -> tuple[Tensor, Tensor]:
    """The embeddings [words, width] of the words that a batch has, and which of them each token is, in the shape of `input_ids`.

    For networks that compute a batch in parts: the gradient of a look-up is as large as its table, which is filled anew for each part.
    """
    used, rows = torch.unique(input_ids, return_inverse=True)
    return embeddings.word_embeddings(used), rows


def embed(embeddings: Any, words: Tensor, token_type_ids: Tensor, position_offset: int = 0) -> Tensor:
    """Word embeddings [batch, tokens, width] with those of positions and types, normalised; positions count from `position_offset`."""
    # Padding may reach beyond the last position that the encoder has; what stands there is masked.
    last = embeddings.position_embeddings.num_embeddings - 1
    positions = (torch.arange(words.shape[1], device=words.device) + position_offset).clamp_max(last)
    summed = words + embeddings.position_embeddings(positions) + embeddings.token_type_embeddings(token_type_ids)
    return embeddings.dropout(embeddings.LayerNorm(summed))


def split_heads(states: Tensor, heads: int) -> Tensor:
    """[batch, tokens, width] -> [batch, heads, tokens, width / heads]."""
    batch, tokens, width = states.shape
    return states.view(batch, tokens, heads, width // heads).transpose(1, 2)


def attend(layer: Any, queries: Tensor, context: Tensor, mask: Tensor) -> Tensor:
    """One transformer layer that updates `queries` [batch, q, width] from `context` [batch, c, width] under `mask` [batch, c]."""
    own = layer.attention.self
    query, key, value = (split_heads(part, own.num_attention_heads) for part in _projected(own, queries, context))
    mixed = attention(query, key, value, mask, own.dropout.p if layer.training else 0.0)
    merged = mixed.transpose(1, 2).reshape(queries.shape)
    attended = layer.attention.output(merged, queries)
    return layer.output(layer.intermediate(attended), attended)


def _projected(own: Any, queries: Tensor, context: Tensor) -> tuple[Tensor, ...]:
    """Query, key and value; those of one input in one product, which reads it, and turns it to bf16, once."""
    if queries is context:
        return _product(context, own.query, own.key, own.value)
    return (own.query(queries), *_product(context, own.key, own.value))


def _product(states: Tensor, *linears: Any) -> tuple[Tensor, ...]:
    weight = torch.cat([linear.weight for linear in linears])
    bias = torch.cat([linear.bias for linear in linears])
    return functional.linear(states, weight, bias).chunk(len(linears), dim=-1)


def encode(layers: Any, hidden: Tensor, mask: Tensor) -> Tensor:
    """Full self-attention through `layers`."""
    for layer in layers:
        hidden = attend(layer, hidden, hidden, mask)
    return hidden


def encode_first_token(layers: Any, hidden: Tensor, mask: Tensor) -> Tensor:
    """The last layer's output at the first token alone, [batch, width]: exact, and all that a classifier reads."""
    hidden = encode(layers[:-1], hidden, mask)
    return attend(layers[-1], hidden[:, :1], hidden, mask)[:, 0]


def classify(model: Any, first: Tensor) -> Tensor:
    """Logits [batch] of a BERT sequence classifier from its first token's state [batch, width], in 32 bits whatever the encoder ran in.

    In bf16 a tenth of a list's logits would be tied: losses, teachers' targets and orders would be those of the rounding.
    """
    with torch.autocast(first.device.type, enabled=False):
        pooled = model.bert.pooler.activation(model.bert.pooler.dense(first.float()))
        return model.classifier(model.dropout(pooled))[:, 0]
