"""A weighted sum of named losses, each told whether it reads grades or a teacher's scores.

Invariant: a part sees only its own target; a hit without a finite target is masked for that part alone, so one batch may hold
judged lists, lists scored by a teacher, and both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Literal, Protocol

import torch
from torch import Tensor

from training.losses.registry import TEACHER_LOSSES, Loss, Need, named, need

Target = Literal["grades", "teacher"]
_CALLED: Mapping[Target, str] = {"grades": "grades", "teacher": "a teacher's logits"}
_REMEDY: Mapping[Target, str] = {
    "grades": "name a loss that reads grades (`losses: {softmax: {weight: 1.0}}`) for judged lists",
    "teacher": "name one that reads a teacher (`losses: {kl: {weight: 1.0}}`) for lists that `rerank distil` has labelled",
}


class Labelled(Protocol):
    """What is known of a list's hits."""

    @property
    def grades(self) -> Sequence[float] | None: ...

    @property
    def teacher(self) -> Sequence[float] | None: ...


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

    def skipped(self, lists: Iterable[Labelled]) -> dict[str, int]:
        """By name of loss: how many of these lists hold nothing that it reads.

        Raises ValueError where no loss that weighs anything can read any list: such a run would train nothing.
        """
        counts = dict.fromkeys((part.name for part in self.parts), 0)
        total = 0
        for total, item in enumerate(lists, start=1):  # noqa: B007 - the count is read after the loop
            held: dict[Target, frozenset[Need]] = {"grades": _held(item.grades), "teacher": _held(item.teacher)}
            for part in self.parts:
                counts[part.name] += need(part.name) not in held[part.target]
        if not any(part.weight > 0 and counts[part.name] < total for part in self.parts):
            raise ValueError(self._nothing_to_read(total))
        return counts

    def _nothing_to_read(self, total: int) -> str:
        parts = ", ".join(
            f"{part.name} (weight {part.weight:g}) reads {_CALLED[part.target]}, {need(part.name)} or more of a list" for part in self.parts
        )
        remedies = "; ".join(_REMEDY.values())
        return f"none of the {total} training lists holds what the losses read, so nothing would be learnt: {parts}. In `losses` {remedies}"

    def __call__(self, logits: Tensor, grades: Tensor, mask: Tensor, teacher: Tensor | None = None) -> Tensor:
        """The weighted sum: logits, grades, mask and teacher scores [lists, hits] -> scalar."""
        total = torch.zeros((), device=logits.device)
        for part in self.parts:
            total = total + part.weight * part.loss(logits, _target(part, grades, teacher), mask)
        return total


def mixture(
    weights: Mapping[str, float],
    *,
    parameters: Mapping[str, Mapping[str, bool | float]] | None = None,
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


def _held(values: Sequence[float] | None) -> frozenset[Need]:
    """Which needs these values of a list's hits meet."""
    found = [value for value in values or () if isfinite(value)]
    met: dict[Need, bool] = {"a hit": bool(found), "two hits": len(found) > 1, "two different ones": len(set(found)) > 1}
    return frozenset(each for each, holds in met.items() if holds)


def _default_target(name: str) -> Target:
    return "teacher" if name in TEACHER_LOSSES else "grades"


def _target(part: Part, grades: Tensor, teacher: Tensor | None) -> Tensor:
    if part.target == "grades":
        return grades
    if teacher is None:
        raise ValueError(f"loss {part.name} reads a teacher's scores, and the batch has none")
    return teacher
