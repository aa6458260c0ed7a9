"""Trained networks as teachers: their logits on training lists, mixed and written beside the grades.

Logits of one list are centred before they are mixed, so that a teacher's offset says nothing. Networks trained on one target share its
scale; several that were not (RankNet's logits are wider than KL's) are brought to one, so that their weights alone decide.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import sqrt
from typing import Literal

import torch
from torch import nn
from torch.utils.data import DataLoader

from training.batches import ListDataset, TrainingList
from training.models.cross_encoder import inference_device
from training.networks import Collate
from training.sampling import BudgetSampler
from training.trainer import list_logits

Logits = tuple[float, ...]
Normalise = Literal["centre", "standard"]
# Logits that vary less are constant: what varies is the last digit of their sum.
_LEAST_VARIANCE = 1e-12


@torch.inference_mode()
def score_lists(
    network: nn.Module,
    dataset: ListDataset,
    collate: Collate,
    *,
    max_hits: int = 512,
    workers: int = 0,
    advance: Callable[[int], None] = lambda _: None,
) -> list[Logits]:
    """The network's logits for every hit of every list, in the data set's order; `advance` is told of lists scored."""
    device = inference_device()
    network.to(device).eval()
    sampler = BudgetSampler(dataset, max_hits=max_hits, shuffle=False)
    batches = sampler.batches()
    loader = DataLoader(dataset, batch_sampler=batches, collate_fn=collate, num_workers=workers)
    scored: dict[int, Logits] = {}
    for indices, batch in zip(batches, loader, strict=True):
        on_device = {name: tensor.to(device) for name, tensor in batch.items()}
        with torch.autocast(device.type, dtype=torch.bfloat16):
            logits = list_logits(network, on_device).float().cpu()
        for index, row in zip(indices, logits, strict=True):
            scored[index] = tuple(row[: len(dataset.lists[index].doc_ids)].tolist())
        advance(len(indices))
    return [scored[index] for index in range(len(dataset))]


def mix_logits(parts: Mapping[str, tuple[Logits, float]], normalise: Normalise = "centre") -> Logits:
    """The weighted mean of several teachers' logits for one list, each centred, or each brought to the teachers' common deviation."""
    total = sum(weight for _, weight in parts.values())
    weighed = list(parts.values()) if normalise == "centre" else _common_scale(list(parts.values()))
    centred = [[(value - sum(logits) / len(logits)) * weight / total for value in logits] for logits, weight in weighed]
    return tuple(round(sum(values), 4) for values in zip(*centred, strict=True))


def _common_scale(parts: Sequence[tuple[Logits, float]]) -> list[tuple[Logits, float]]:
    """The logits with one deviation, the weighted mean of all that vary. (With 1 in its place every list would be
    as flat a target for KL as any other, however sure the teachers are.)

    A teacher that cannot tell the hits apart says nothing, neither of their order nor of the scale.
    """
    deviations = [_deviation(logits) for logits, _ in parts]
    varying = sum(weight for deviation, (_, weight) in zip(deviations, parts, strict=True) if deviation)
    weighted = sum(deviation * weight for deviation, (_, weight) in zip(deviations, parts, strict=True))
    common = weighted / varying if varying else 0.0
    return [
        (tuple(value * common / deviation if deviation else 0.0 for value in logits), weight)
        for deviation, (logits, weight) in zip(deviations, parts, strict=True)
    ]


def _deviation(logits: Logits) -> float:
    mean = sum(logits) / len(logits)
    variance = sum((value - mean) ** 2 for value in logits) / len(logits)
    return sqrt(variance) if variance >= _LEAST_VARIANCE else 0.0


def with_teachers(
    lists: Sequence[TrainingList],
    scored: Sequence[tuple[Sequence[Logits], float]],
    *,
    own_weight: float,
    normalise: Normalise = "centre",
) -> list[TrainingList]:
    """The lists with mixed teacher logits; a list that already had some keeps them with `own_weight`."""
    mixed = []
    for index, item in enumerate(lists):
        parts = {str(number): (logits[index], weight) for number, (logits, weight) in enumerate(scored)}
        if item.teacher is not None and own_weight > 0:
            parts["own"] = (item.teacher, own_weight)
        mixed.append(replace(item, teacher=mix_logits(parts, normalise)))
    return mixed
