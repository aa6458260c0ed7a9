"""Ranking losses: pure functions `(logits, grades, mask) -> scalar`, all in float32, finite on any finite input.

    data -> lists -> model -> logits -> losses -> gradient

Grades are labels (0 = irrelevant); distillation losses read a teacher's scores in their place.
"""

from training.losses.mixture import Mixture, Part, Target, mixture
from training.losses.registry import LOSSES, TEACHER_LOSSES, Loss, named

__all__ = ["LOSSES", "TEACHER_LOSSES", "Loss", "Mixture", "Part", "Target", "mixture", "named"]
