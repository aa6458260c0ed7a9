"""Each loss has its published value, and behaves on masks, ties, extremes and batches."""

from __future__ import annotations

from math import exp, inf, log, log2, nan

import pytest
import torch
from torch import Tensor

from training.losses import LOSSES, TEACHER_LOSSES, mixture, named
from training.losses.distillation import rank_distil

LOGITS = [1.2, -0.3, 0.8, 2.1, 0.0]
GRADES = [0.0, 1.0, 3.0, 2.0, 0.0]
EVERY_LOSS = pytest.mark.parametrize("name", list(LOSSES))
# These have nothing to say about a list whose hits all have one grade.
ORDER_LOSSES = sorted(set(LOSSES) - TEACHER_LOSSES - {"bce", "mse"})
# The expectation over sampled orders needs a teacher that is sure, or the same draw, to be compared exactly.
EXACT_LOSSES = sorted(set(LOSSES) - {"rank_distil"})


def value(name: str, logits: list[float], grades: list[float], **parameters: object) -> float:
    return float(named(name, **parameters)(torch.tensor([logits]), torch.tensor([grades]), torch.ones(1, len(logits)).bool()))


def gradient(name: str, logits: Tensor, grades: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    logits = logits.clone().requires_grad_()
    loss = LOSSES[name](logits, grades, mask)
    loss.backward()
    assert logits.grad is not None
    return loss.detach(), logits.grad


@pytest.mark.parametrize(
    ("name", "parameters", "expected"),
    [
        ("listnet", {}, 1.744705),
        ("softmax", {}, 1.687780),
        ("ranknet", {}, 0.690193),
        ("approx_ndcg", {"temperature": 1.0}, -0.645222),
        ("approx_ndcg", {"temperature": 0.1}, -0.734552),
        ("lambdarank", {}, 0.092639),
        ("ndcg_loss2", {}, 0.088623),
        ("ndcg_loss1", {}, 0.125999),
        ("ndcg_loss2pp", {}, 0.978873),
        ("neural_ndcg", {"temperature": 1.0}, -0.740465),
        ("neural_ndcg", {"temperature": 0.1}, -0.735150),
    ],
    ids=str,
)
def test_a_loss_has_the_value_of_the_reference_implementations(name: str, parameters: dict[str, float], expected: float) -> None:
    assert value(name, LOGITS, GRADES, **parameters) == pytest.approx(expected, abs=2e-6)


def test_listmle_has_the_value_of_the_reference_implementations() -> None:
    assert value("listmle", LOGITS, [0, 1, 4, 3, 2]) == pytest.approx(5.743012, abs=2e-6)


def test_approx_ndcg_of_two_hits_has_the_reference_value() -> None:
    soft_rank = 1 + 1 / (1 + exp(-(0.8 - 0.6) / 0.1))
    assert value("approx_ndcg", [0.6, 0.8], [1, 0]) == pytest.approx(-0.655107, abs=2e-6)
    assert value("approx_ndcg", [0.6, 0.8], [1, 0]) == pytest.approx(-1 / log2(1 + soft_rank), abs=2e-6)


def test_approx_and_neural_ndcg_tend_to_the_hard_ndcg() -> None:
    # By logits: grade 2, 0, 3, 0, 1.
    hard = (3 / log2(2) + 7 / log2(4) + 1 / log2(6)) / (7 / log2(2) + 3 / log2(3) + 1 / log2(4))
    assert hard == pytest.approx(0.733206, abs=1e-6)
    assert value("approx_ndcg", LOGITS, GRADES, temperature=1e-3) == pytest.approx(-hard, abs=1e-5)
    assert value("neural_ndcg", LOGITS, GRADES, temperature=1e-3) == pytest.approx(-hard, abs=1e-5)


def test_ranknet_is_the_logistic_loss_of_ordered_pairs() -> None:
    assert value("ranknet", [2, 1, 0], [0, 1, 0]) == pytest.approx((log(1 + exp(1)) + log(1 + exp(-1))) / 2, abs=1e-6)


def test_p_listmle_weighs_places_by_powers_of_two() -> None:
    first = log(exp(0) + exp(1) + exp(2)) - 0
    second = log(exp(1) + exp(2)) - 1
    weights = (2**2 - 1, 2**1 - 1)
    plain = weights[0] * first + weights[1] * second
    assert value("p_listmle", [0, 1, 2], [3, 2, 1], normalized=False) == pytest.approx(plain, abs=1e-5)
    assert value("p_listmle", [0, 1, 2], [3, 2, 1]) == pytest.approx(plain / weights[0], abs=1e-5)


def test_p_listmle_stays_finite_on_lists_longer_than_float_exponents() -> None:
    assert value("p_listmle", [0.0] * 300, [float(i % 7) for i in range(300)]) < inf


def test_margin_mse_is_the_mean_squared_difference_of_margins() -> None:
    logits, teacher = [1.0, 0.0, 4.0], [3.0, 1.0, -1.0]
    margins = [(logits[i] - logits[j]) - (teacher[i] - teacher[j]) for i in range(3) for j in range(i)]
    assert value("margin_mse", logits, teacher) == pytest.approx(sum(m**2 for m in margins) / 3, abs=1e-5)


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_kl_is_the_divergence_from_the_teacher_scaled_by_the_squared_temperature(temperature: float) -> None:
    student, teacher = [1.0, 0.0], [0.0, 2.0]
    p = exp(0) / (exp(0) + exp(2 / temperature))
    q = exp(1 / temperature) / (exp(1 / temperature) + 1)
    expected = temperature**2 * (p * log(p / q) + (1 - p) * log((1 - p) / (1 - q)))
    assert value("kl", student, teacher, temperature=temperature) == pytest.approx(expected, abs=1e-6)


def test_kl_of_a_student_that_equals_its_teacher_is_zero() -> None:
    assert value("kl", LOGITS, [score + 7 for score in LOGITS], temperature=3.0) == pytest.approx(0, abs=1e-6)


def test_rank_distil_of_a_sure_teacher_is_the_top_of_listmle() -> None:
    teacher = [0.0, 1e3, 4e3, 3e3, 2e3]
    top2 = sum(log(sum(exp(s) for s in rest)) - rest[0] for rest in ([0.8, 2.1, 0, -0.3, 1.2], [2.1, 0, -0.3, 1.2]))
    assert value("rank_distil", LOGITS, teacher, k=2) == pytest.approx(top2, abs=1e-5)
    assert value("rank_distil", LOGITS, teacher, k=5) == pytest.approx(5.743012, abs=1e-5)


def test_rank_distil_draws_orders_with_the_teachers_probabilities() -> None:
    p = exp(1) / (1 + exp(1))
    first = log(exp(0.5) + 1) - 0.5
    second = log(exp(0.5) + 1)
    generator = torch.Generator().manual_seed(5)
    logits, teacher = torch.tensor([[0.5, 0.0]]), torch.tensor([[1.0, 0.0]])
    drawn = rank_distil(logits, teacher, torch.ones(1, 2).bool(), k=1, samples=20_000, generator=generator).item()
    assert drawn == pytest.approx(p * first + (1 - p) * second, abs=0.01)


def test_bce_is_the_cross_entropy_of_grades_on_their_scale() -> None:
    expected = (-log(1 / (1 + exp(-1))) + log(2)) / 2
    assert value("bce", [1, 0], [1, 0], max_grade=1) == pytest.approx(expected, abs=1e-6)
    assert value("bce", [1, 0], [3, 1.5]) == pytest.approx(expected, abs=1e-6)


def test_mse_is_the_mean_squared_error() -> None:
    assert value("mse", [1, 0], [3, 1]) == pytest.approx((2**2 + 1**2) / 2)


@EVERY_LOSS
@pytest.mark.parametrize("outside", [0.0, 1e4, nan, inf])
def test_what_stands_outside_the_mask_reaches_neither_value_nor_gradient(name: str, outside: float) -> None:
    # Grades far apart make a sure teacher, so that sampled orders are one order.
    spread = 1e3 if name == "rank_distil" else 1.0
    logits, grades = torch.tensor(LOGITS), torch.tensor([0.0, 1.0, 4.0, 3.0, 2.0]) * spread
    mask = torch.tensor([[False, True, True, True, False, True, True]])
    expected, expected_slope = gradient(name, logits[None], grades[None], torch.ones(1, 5).bool())
    spoiled = torch.full((1, 7), outside)
    loss, slope = gradient(name, spoiled.masked_scatter(mask, logits), spoiled.masked_scatter(mask, grades), mask)
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(slope[mask], expected_slope[0])
    assert (slope[~mask] == 0).all()


@EVERY_LOSS
@pytest.mark.parametrize("unjudged", [nan, inf, -inf])
def test_a_hit_without_a_finite_grade_is_masked(name: str, unjudged: float) -> None:
    grades = torch.tensor([[0.0, 1e3, unjudged]])
    judged = gradient(name, torch.tensor([[1.0, 2.0]]), grades[:, :2], torch.ones(1, 2).bool())
    partly = gradient(name, torch.tensor([[1.0, 2.0, 3.0]]), grades, torch.ones(1, 3).bool())
    torch.testing.assert_close(partly[0], judged[0], equal_nan=True)
    assert partly[1][0, 2] == 0


@EVERY_LOSS
def test_a_batch_without_a_real_hit_is_zero_with_a_zero_gradient(name: str) -> None:
    loss, slope = gradient(name, torch.randn(2, 4), torch.randn(2, 4), torch.zeros(2, 4).bool())
    assert loss == 0
    assert (slope == 0).all()


@EVERY_LOSS
def test_a_batch_without_lists_or_without_places_is_zero(name: str) -> None:
    assert LOSSES[name](torch.zeros(0, 3), torch.zeros(0, 3), torch.zeros(0, 3).bool()) == 0


@pytest.mark.parametrize("name", ORDER_LOSSES)
@pytest.mark.parametrize("grade", [0.0, 2.0])
def test_a_list_of_one_grade_contributes_nothing_beside_others(name: str, grade: float) -> None:
    ordered = value(name, LOGITS, GRADES)
    both = LOSSES[name](torch.tensor([LOGITS, LOGITS]), torch.tensor([GRADES, [grade] * 5]), torch.ones(2, 5).bool())
    assert float(both) == pytest.approx(ordered, rel=1e-5)


@pytest.mark.parametrize("name", EXACT_LOSSES)
def test_a_batch_is_the_mean_of_its_lists(name: str) -> None:
    mask = torch.tensor([[True] * 5, [True, True, True, False, False], [False] * 5])
    logits, grades = torch.tensor([LOGITS, LOGITS[::-1], LOGITS]), torch.tensor([GRADES, GRADES[::-1], GRADES])
    alone = [value(name, LOGITS, GRADES), value(name, LOGITS[:1:-1], GRADES[:1:-1])]
    assert float(LOSSES[name](logits, grades, mask)) == pytest.approx(sum(alone) / 2, rel=1e-5)


@EVERY_LOSS
@pytest.mark.parametrize("scale", [1e2, 1e4])
def test_extreme_logits_have_a_finite_loss_and_gradient(name: str, scale: float) -> None:
    logits = scale * torch.tensor([[1.0, -1.0, 1.0, -1.0], [-1.0, 1.0, 0.0, 1.0]])
    loss, slope = gradient(name, logits, torch.tensor([[0.0, 1.0, 2.0, 3.0], [3.0, 0.0, 0.0, 1.0]]), torch.ones(2, 4).bool())
    assert torch.isfinite(loss)
    assert torch.isfinite(slope).all()


@pytest.mark.parametrize("name", sorted(TEACHER_LOSSES | {"mse"}))
def test_an_extreme_teacher_has_a_finite_loss_and_gradient(name: str) -> None:
    loss, slope = gradient(name, torch.zeros(1, 3), torch.tensor([[1e4, -1e4, 1e4]]), torch.ones(1, 3).bool())
    assert torch.isfinite(loss)
    assert torch.isfinite(slope).all()


@EVERY_LOSS
def test_a_model_that_ties_every_hit_learns_to_prefer_the_higher_grade(name: str) -> None:
    _, slope = gradient(name, torch.zeros(1, 3), torch.tensor([[0.0, 3.0, 1.0]]), torch.ones(1, 3).bool())
    assert slope[0, 1] < slope[0, 0]


@EVERY_LOSS
def test_half_precision_logits_give_a_float32_loss(name: str) -> None:
    loss, slope = gradient(name, torch.tensor([LOGITS], dtype=torch.bfloat16), torch.tensor([GRADES]), torch.ones(1, 5).bool())
    assert loss.dtype == torch.float32
    assert slope.dtype == torch.bfloat16


@EVERY_LOSS
def test_shapes_that_differ_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="share one shape"):
        LOSSES[name](torch.zeros(1, 3), torch.zeros(1, 2), torch.ones(1, 3).bool())


def test_an_unknown_loss_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match="there is no loss 'hinge'; there are ranknet, lambdarank"):
        named("hinge")


def test_an_unknown_parameter_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match="approx_ndcg has no parameter t; it has temperature"):
        named("approx_ndcg", t=1)


def test_a_mixture_is_the_weighted_sum_of_its_parts_on_their_own_targets() -> None:
    logits, grades, teacher = torch.tensor([LOGITS]), torch.tensor([GRADES]), torch.tensor([LOGITS[::-1]])
    mask = torch.ones(1, 5).bool()
    both = mixture({"kl": 1.0, "ranknet": 0.1}, parameters={"kl": {"temperature": 2.0}})
    expected = value("kl", LOGITS, LOGITS[::-1], temperature=2.0) + 0.1 * value("ranknet", LOGITS, GRADES)
    assert float(both(logits, grades, mask, teacher)) == pytest.approx(expected, rel=1e-6)


def test_a_part_of_a_mixture_can_be_told_to_read_the_teacher() -> None:
    taught = mixture({"mse": 1.0}, targets={"mse": "teacher"})
    assert taught.reads("teacher")
    assert not taught.reads("grades")
    loss = taught(torch.tensor([LOGITS]), torch.full((1, 5), nan), torch.ones(1, 5).bool(), torch.tensor([LOGITS]))
    assert loss == 0


def test_unjudged_lists_reach_only_the_part_that_reads_the_teacher() -> None:
    both = mixture({"kl": 1.0, "ranknet": 1.0})
    loss = both(torch.tensor([LOGITS]), torch.full((1, 5), nan), torch.ones(1, 5).bool(), torch.tensor([LOGITS[::-1]]))
    assert float(loss) == pytest.approx(value("kl", LOGITS, LOGITS[::-1]), rel=1e-6)


def test_a_mixture_refuses_a_batch_without_the_teacher_that_it_reads() -> None:
    with pytest.raises(ValueError, match="loss kl reads a teacher's scores"):
        mixture({"kl": 1.0})(torch.zeros(1, 2), torch.zeros(1, 2), torch.ones(1, 2).bool())


@pytest.mark.parametrize("spoiled", [{"parameters": {"kl": {}}}, {"targets": {"kl": "teacher"}}], ids=["parameters", "targets"])
def test_a_mixture_refuses_settings_of_a_loss_that_it_does_not_contain(spoiled: dict[str, dict[str, object]]) -> None:
    with pytest.raises(ValueError, match="given for kl"):
        mixture({"ranknet": 1.0}, **spoiled)  # type: ignore[arg-type]


def test_an_empty_mixture_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one loss"):
        mixture({})
