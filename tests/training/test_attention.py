"""Attention for training on CPUs: torch's own, gradients and all, and dropout that is drawn anew for every tensor."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from training.models.attention import attention
from training.models.dropout import WindowDropout, kept


@pytest.fixture
def heads():
    torch.manual_seed(3)
    query, key, value = (torch.randn(2, 3, tokens, 4, dtype=torch.float64, requires_grad=True) for tokens in (5, 6, 6))
    mask = torch.tensor([[True] * 6, [True] * 4 + [False] * 2])
    return query, key, value, mask


def test_attention_and_its_gradients_are_torch_s_own(heads):
    *parts, mask = heads
    mixed = attention(*parts, mask)
    own = functional.scaled_dot_product_attention(*parts, attn_mask=mask[:, None, None, :])
    assert torch.allclose(mixed, own)
    weights = torch.randn_like(own)
    mine, theirs = (torch.autograd.grad((result * weights).sum(), parts) for result in (mixed, own))
    assert all(torch.allclose(one, other) for one, other in zip(mine, theirs, strict=True))


@pytest.mark.parametrize("chance", [0.0, 0.4])
def test_the_gradients_written_by_hand_are_those_of_finite_differences(heads, chance):
    *parts, mask = heads

    def of(*parts):
        # The same elements are dropped at every evaluation.
        torch.manual_seed(11)
        return attention(*parts, mask, chance)

    assert torch.autograd.gradcheck(of, parts)


def test_dropout_on_probabilities_keeps_the_mean_of_what_is_mixed():
    torch.manual_seed(5)
    query, key = torch.randn(64, 12, 20, 8), torch.randn(64, 12, 30, 8)
    value, mask = torch.ones(64, 12, 30, 8), torch.ones(64, 30, dtype=torch.bool)
    mixed = attention(query, key, value, mask, 0.25)
    assert mixed.mean() == pytest.approx(1.0, abs=0.01)
    assert mixed.std() > 0.05


def test_under_autocast_attention_runs_and_is_returned_in_16_bits(heads):
    *parts, mask = (part.detach().to(torch.bfloat16) if part.is_floating_point() else part for part in heads)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = attention(*parts, mask)
    exact = attention(*(part.double() for part in parts), mask)
    assert mixed.dtype == torch.bfloat16
    assert torch.allclose(mixed.double(), exact, atol=0.03)


def test_every_tensor_drops_other_elements_and_a_seed_repeats_them():
    like = torch.ones(100, 70)
    torch.manual_seed(1)
    first, second = kept(like, 0.5), kept(like, 0.5)
    torch.manual_seed(1)
    assert torch.equal(first, kept(like, 0.5))
    # Independent draws agree on half of the elements.
    assert (first == second).double().mean() == pytest.approx(0.5, abs=0.03)


def test_a_tensor_longer_than_the_sequence_gets_one_of_its_own_length():
    like = torch.empty(1 << 22)
    stays = kept(like, 0.1)
    assert stays.shape == like.shape
    assert stays.double().mean() == pytest.approx(0.9, abs=0.001)


def test_rows_of_one_tensor_drop_other_elements():
    rows = kept(torch.ones(1000, 50), 0.5)
    agree = (rows[:-1] == rows[1:]).double().mean(1)
    assert agree.mean() == pytest.approx(0.5, abs=0.02)
    assert agree.max() < 1.0


def test_the_module_passes_the_gradient_of_what_stays_alone():
    x = torch.ones(200, 10, requires_grad=True)
    out = WindowDropout(0.2).train()(x)
    out.sum().backward()
    assert torch.equal(x.grad, out.detach())
