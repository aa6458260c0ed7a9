"""The pieces of a BERT encoder, called one by one on transformers' modules, so that a model may skip what its head never reads.

Shapes: hidden [batch, tokens, width]; a mask is boolean [batch, tokens], True where a token is real.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from training.models.dropout import dropout


def embed(embeddings: Any, input_ids: Tensor, token_type_ids: Tensor, position_offset: int = 0) -> Tensor:
    """Word, position and type embeddings, normalised; positions count from `position_offset`."""
    # Padding may reach beyond the last position that the encoder has; what stands there is masked.
    last = embeddings.position_embeddings.num_embeddings - 1
    positions = (torch.arange(input_ids.shape[1], device=input_ids.device) + position_offset).clamp_max(last)
    words = embeddings.word_embeddings(input_ids)
    summed = words + embeddings.position_embeddings(positions) + embeddings.token_type_embeddings(token_type_ids)
    return embeddings.dropout(embeddings.LayerNorm(summed))


def split_heads(states: Tensor, heads: int) -> Tensor:
    """[batch, tokens, width] -> [batch, heads, tokens, width / heads]."""
    batch, tokens, width = states.shape
    return states.view(batch, tokens, heads, width // heads).transpose(1, 2)


def attend(layer: Any, queries: Tensor, context: Tensor, mask: Tensor) -> Tensor:
    """One transformer layer that updates `queries` [batch, q, width] from `context` [batch, c, width] under `mask` [batch, c]."""
    attention = layer.attention.self
    heads = attention.num_attention_heads
    query, key, value = (split_heads(part, heads) for part in (attention.query(queries), attention.key(context), attention.value(context)))
    mixed = _mix(query, key, value, mask, attention.dropout.p if layer.training else 0.0)
    merged = mixed.transpose(1, 2).reshape(queries.shape)
    attended = layer.attention.output(merged, queries)
    return layer.output(layer.intermediate(attended), attended)


def _mix(query: Tensor, key: Tensor, value: Tensor, mask: Tensor, chance: float) -> Tensor:
    """Attention by heads, with dropout on its shares."""
    if not chance or query.device.type != "cpu":
        return functional.scaled_dot_product_attention(query, key, value, attn_mask=mask[:, None, None, :], dropout_p=chance)
    # On CPUs torch's own takes half as long again with dropout as without it.
    products = (query @ key.transpose(-1, -2)) * query.shape[-1] ** -0.5
    shares = products.masked_fill(~mask[:, None, None, :], torch.finfo(products.dtype).min).softmax(-1)
    return dropout(shares, chance, training=True).to(value.dtype) @ value


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
