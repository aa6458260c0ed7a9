"""Attention as training on CPUs wants it: products in one call, probabilities kept in the products' precision, gradients by hand.

torch's fused attention takes ten times as long backwards as its parts do on CPUs, and has no dropout there; left to autograd, the
parts keep two 32-bit copies of every probability.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from training.models.dropout import kept


def attention(query: Tensor, key: Tensor, value: Tensor, mask: Tensor, chance: float = 0.0) -> Tensor:
    """softmax(query key^T / sqrt(width)) value, with dropout by `chance` on the probabilities (Vaswani et al. 2017, section 3.2.1).

    Shapes: query [batch, heads, q, width]; key, value [batch, heads, c, width]; mask boolean [batch, c], True where a token is real.
    """
    if query.device.type != "cpu":
        return functional.scaled_dot_product_attention(query, key, value, attn_mask=mask[:, None, None, :], dropout_p=chance)
    batch, heads = query.shape[:2]
    bias = torch.zeros_like(mask, dtype=query.dtype).masked_fill_(~mask, torch.finfo(query.dtype).min)
    a_head = bias[:, None, None, :].expand(-1, heads, 1, -1)
    parts = [part.flatten(0, 1) for part in (query, key, value, a_head)]
    return _Attention.apply(*parts, chance).unflatten(0, (batch, heads))


def transformers_attention() -> str | None:
    """What transformers calls the attention that its own networks train with here: its parts on CPUs, else what it prefers itself."""
    return None if torch.cuda.is_available() else "eager"


class _Attention(torch.autograd.Function):
    """query [n, q, width], key and value [n, c, width], bias [n, 1, c] -> [n, q, width], in the type of value."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, bias: Tensor, chance: float) -> Tensor:
        ctx.scale, ctx.rescale = query.shape[-1] ** -0.5, 1.0 / (1.0 - chance)
        # What comes in is in the precision that products run in, and the gradients must be too: no casts between.
        with torch.autocast("cpu", enabled=False):
            scores = torch.baddbmm(bias, query, key.transpose(1, 2), alpha=ctx.scale)
            probabilities = torch.softmax(scores, -1, dtype=torch.promote_types(scores.dtype, torch.float32)).to(value.dtype)
            ctx.kept = kept(probabilities, chance) if chance else None
            ctx.save_for_backward(query, key, value, probabilities)
            mixed = torch.bmm(_dropped(probabilities, ctx.kept), value)
            return mixed.mul_(ctx.rescale) if chance else mixed

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, probabilities = ctx.saved_tensors
        gradient = gradient * ctx.rescale
        of_value = torch.bmm(_dropped(probabilities, ctx.kept).transpose(1, 2), gradient)
        of_probabilities = _dropped(torch.bmm(gradient, value.transpose(1, 2)), ctx.kept)
        of_scores = torch._softmax_backward_data(of_probabilities, probabilities, -1, probabilities.dtype)
        of_query = torch.bmm(of_scores, key).mul_(ctx.scale)
        of_key = torch.bmm(of_scores.transpose(1, 2), query).mul_(ctx.scale)
        return of_query, of_key, of_value, None, None


def _dropped(probabilities: Tensor, kept: Tensor | None) -> Tensor:
    return probabilities if kept is None else probabilities * kept
