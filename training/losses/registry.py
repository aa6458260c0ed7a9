"""The losses by name, as run files and commands know them.

Invariant: every loss has one signature, `(logits, grades, mask) -> scalar`, over [lists, hits]; further parameters are keywords.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Protocol, cast

from torch import Tensor

from training.losses.distillation import kl, margin_mse, rank_distil
from training.losses.listwise import approx_ndcg, listmle, listnet, neural_ndcg, p_listmle, softmax
from training.losses.pairwise import lambdarank, ndcg_loss1, ndcg_loss2, ndcg_loss2pp, ranknet
from training.losses.pointwise import bce, mse


class Loss(Protocol):
    """Raw logits, grades (or a teacher's scores) and the mask of real hits, all [lists, hits] -> a scalar to minimise."""

    def __call__(self, logits: Tensor, grades: Tensor, mask: Tensor) -> Tensor: ...


LOSSES: Mapping[str, Loss] = MappingProxyType(
    {
        "ranknet": ranknet,
        "lambdarank": lambdarank,
        "ndcg_loss1": ndcg_loss1,
        "ndcg_loss2": ndcg_loss2,
        "ndcg_loss2pp": ndcg_loss2pp,
        "listnet": listnet,
        "softmax": softmax,
        "listmle": listmle,
        "p_listmle": p_listmle,
        "approx_ndcg": approx_ndcg,
        "neural_ndcg": neural_ndcg,
        "margin_mse": margin_mse,
        "kl": kl,
        "rank_distil": rank_distil,
        "bce": bce,
        "mse": mse,
    }
)
# Those that read a teacher's scores unless told otherwise.
TEACHER_LOSSES = frozenset({"margin_mse", "kl", "rank_distil"})


def named(name: str, **parameters: object) -> Loss:
    """The loss of this name with its keyword parameters bound: `named("approx_ndcg", temperature=0.5)`."""
    if name not in LOSSES:
        raise ValueError(f"there is no loss {name!r}; there are {', '.join(LOSSES)}")
    known = [p.name for p in inspect.signature(LOSSES[name]).parameters.values() if p.kind is p.KEYWORD_ONLY]
    unknown = sorted(parameters.keys() - set(known))
    if unknown:
        raise ValueError(f"loss {name} has no parameter {', '.join(unknown)}; it has {', '.join(known) or 'none'}")
    return partial(cast(Callable[..., Tensor], LOSSES[name]), **parameters)
