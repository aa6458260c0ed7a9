"""A weighted sum of named losses, each told whether it reads grades or a teacher's scores.

Invariant: a part sees only its own target; a hit without a finite target is masked for that part alone, so one batch may hold
judged lists, lists scored by a teacher, and both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from training.losses.registry import TEACHER_LOSSES, Loss, named

Target = Literal["grades", "teacher"]


@dataclass(frozen=True, slots=True)
class Part:
    """One loss of a mixture, its weight and the target that it reads."""

    name: str
    loss: Loss
    weight: float
    target: Target


@dataclass(frozen=True, slots=True)
class Mixture:
    """Weighted losses over one batch of logits."""

    parts: tuple[Part, ...]

    def reads(self, target: Target) -> bool:
        """Whether any part needs this target."""
        return any(part.target == target for part in self.parts)

    def __call__(self, logits: Tensor, grades: Tensor, mask: Tensor, teacher: Tensor | None = None) -> Tensor:
        """The weighted sum: logits, grades, mask and teacher scores [lists, hits] -> scalar."""
        total = torch.zeros((), device=logits.device)
        for part in self.parts:
            total = total + part.weight * part.loss(logits, _target(part, grades, teacher), mask)
        return total


def mixture(
    weights: Mapping[str, float],
    *,
    parameters: Mapping[str, Mapping[str, float]] | None = None,
    targets: Mapping[str, Target] | None = None,
) -> Mixture:
    """A mixture of registered losses by name and weight: `mixture({"kl": 1.0, "ranknet": 0.1})`.

    `parameters` holds keyword parameters by name of loss. Distillation losses read the teacher and all others the grades, unless
    `targets` says otherwise: `targets={"mse": "teacher"}`.
    """
    if not weights:
        raise ValueError("a mixture needs at least one loss")
    strangers = sorted(((parameters or {}).keys() | (targets or {}).keys()) - weights.keys())
    if strangers:
        raise ValueError(f"parameters or targets are given for {', '.join(strangers)}, which the mixture does not contain")
    return Mixture(
        tuple(
            Part(name, named(name, **(parameters or {}).get(name, {})), weight, (targets or {}).get(name, _default_target(name)))
            for name, weight in weights.items()
        )
    )


def _default_target(name: str) -> Target:
    return "teacher" if name in TEACHER_LOSSES else "grades"


def _target(part: Part, grades: Tensor, teacher: Tensor | None) -> Tensor:
    if part.target == "grades":
        return grades
    if teacher is None:
        raise ValueError(f"loss {part.name} reads a teacher's scores, and the batch has none")
    return teacher
