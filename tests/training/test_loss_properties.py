"""What holds for every loss, whatever the lists: order of hits, masked hits, batch neighbours, the right direction."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from training.losses import LOSSES

EVERY_LOSS = pytest.mark.parametrize("name", list(LOSSES))
FEW = settings(max_examples=10, deadline=None)


@st.composite
def lists(draw: st.DrawFn, *, distinct: bool = False) -> tuple[Tensor, Tensor]:
    """Logits and grades [1, hits]; ties are likely unless they are to be distinct."""
    hits = draw(st.integers(2, 8))
    logit = st.integers(-20, 20).map(lambda step: step / 4)
    logits = draw(st.lists(logit, min_size=hits, max_size=hits, unique=distinct))
    grades = draw(st.lists(st.integers(0, 9 if distinct else 3), min_size=hits, max_size=hits, unique=distinct))
    return torch.tensor([logits]), torch.tensor([grades]) / (3.0 if distinct else 1.0)


def targets(name: str, grades: Tensor) -> Tensor:
    """Grades, or for the sampled loss the scores of a teacher so sure that every draw is one order."""
    if name != "rank_distil":
        return grades
    return grades * 1e3 + torch.arange(grades.shape[1]) * 1e2


def loss_and_slope(name: str, logits: Tensor, grades: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    logits = logits.clone().requires_grad_()
    loss = LOSSES[name](logits, grades, mask)
    loss.backward()
    assert logits.grad is not None
    return loss.detach(), logits.grad


@EVERY_LOSS
@FEW
@given(data=st.data())
def test_the_order_of_hits_does_not_matter(name: str, data: st.DataObject) -> None:
    logits, grades = data.draw(lists())
    grades = targets(name, grades)
    order = torch.tensor(data.draw(st.permutations(range(logits.shape[1]))))
    mask = torch.ones_like(logits, dtype=torch.bool)
    loss, slope = loss_and_slope(name, logits, grades, mask)
    moved, moved_slope = loss_and_slope(name, logits[:, order], grades[:, order], mask)
    torch.testing.assert_close(moved, loss, rtol=1e-4, atol=1e-5)
    # Hits that share logit and grade may swap their parts of the gradient, so those are compared by sum.
    expected = by_kind(slope, logits, grades)[:, order]
    torch.testing.assert_close(by_kind(moved_slope, logits[:, order], grades[:, order]), expected, rtol=1e-3, atol=1e-4)


def by_kind(slope: Tensor, logits: Tensor, grades: Tensor) -> Tensor:
    alike = (logits[:, :, None] == logits[:, None, :]) & (grades[:, :, None] == grades[:, None, :])
    return (alike * slope[:, None, :]).sum(-1)


@EVERY_LOSS
@FEW
@given(data=st.data())
def test_masked_hits_change_nothing(name: str, data: st.DataObject) -> None:
    logits, grades = data.draw(lists())
    grades = targets(name, grades)
    extra = data.draw(st.lists(st.floats(-1e4, 1e4, width=32), min_size=1, max_size=4))
    padding = torch.tensor([extra])
    mask = torch.ones_like(logits, dtype=torch.bool)
    longer = torch.cat([mask, torch.zeros_like(padding, dtype=torch.bool)], dim=1)
    loss, slope = loss_and_slope(name, logits, grades, mask)
    padded, padded_slope = loss_and_slope(name, torch.cat([logits, padding], 1), torch.cat([grades, padding], 1), longer)
    torch.testing.assert_close(padded, loss, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(padded_slope[longer], slope[mask], rtol=1e-3, atol=1e-4)


# NDCG-Loss1 weighs a hit by its own rank, so its value grows as a relevant hit rises; only its gradient points the right way.
@pytest.mark.parametrize("name", sorted(set(LOSSES) - {"ndcg_loss1"}))
@FEW
@given(data=st.data())
def test_scores_in_grade_order_cost_less_than_scores_against_it(name: str, data: st.DataObject) -> None:
    logits, grades = data.draw(lists(distinct=True))
    grades = targets(name, grades.sort(descending=True).values.flip(1))
    mask = torch.ones_like(logits, dtype=torch.bool)
    rising = logits.sort().values
    assert LOSSES[name](rising, grades, mask) < LOSSES[name](rising.flip(1), grades, mask)


@EVERY_LOSS
@FEW
@given(data=st.data())
def test_values_and_gradients_are_finite(name: str, data: st.DataObject) -> None:
    logits, grades = data.draw(lists())
    scale = data.draw(st.sampled_from([1e-6, 1.0, 2e3]))
    loss, slope = loss_and_slope(name, logits * scale, targets(name, grades), torch.ones_like(logits, dtype=torch.bool))
    assert torch.isfinite(loss)
    assert torch.isfinite(slope).all()


@EVERY_LOSS
@FEW
@given(data=st.data())
def test_a_step_along_the_gradient_lowers_the_loss(name: str, data: st.DataObject) -> None:
    logits, grades = data.draw(lists(distinct=True))
    grades = targets(name, grades)
    mask = torch.ones_like(logits, dtype=torch.bool)
    loss, slope = loss_and_slope(name, logits, grades, mask)
    step = 1e-3 / slope.norm().clamp(min=1.0)
    assert LOSSES[name](logits - step * slope, grades, mask) <= loss + 1e-5 * loss.abs() + 1e-6
