"""The losses by name, as run files and commands know them.

Invariant: every loss has one signature, `(logits, grades, mask) -> scalar`, over [lists, hits]; further parameters are keywords.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Literal, Protocol, cast

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
_SINGLE_HIT_LOSSES = frozenset({"bce", "mse"})
# What a list has to hold of the values that a loss reads, for the loss to say anything about it.
Need = Literal["a hit", "two hits", "two different ones"]


def need(name: str) -> Need:
    """What the loss of this name needs of a list: all but those over single hits and a teacher's are over an order."""
    return "a hit" if name in _SINGLE_HIT_LOSSES else "two hits" if name in TEACHER_LOSSES else "two different ones"


def named(name: str, **parameters: object) -> Loss:
    """The loss of this name with its keyword parameters bound: `named("approx_ndcg", temperature=0.5)`.

    Raises ValueError for an unknown name or parameter, and for a value that is not of the kind of the parameter's default (a whole number,
    a number, true or false) or not above zero.
    """
    if name not in LOSSES:
        raise ValueError(f"there is no loss {name!r}; there are {', '.join(LOSSES)}")
    defaults = {p.name: p.default for p in inspect.signature(LOSSES[name]).parameters.values() if isinstance(p.default, bool | int | float)}
    unknown = sorted(parameters.keys() - defaults.keys())
    if unknown:
        raise ValueError(f"loss {name} has no parameter {', '.join(unknown)}; it has {', '.join(defaults) or 'none'}")
    bound = {key: _value(f"loss {name}: {key}", value, defaults[key]) for key, value in parameters.items()}
    return partial(cast(Callable[..., Tensor], LOSSES[name]), **bound)


def _value(what: str, value: object, default: float) -> float:
    """The value as the parameter takes it: all of them but switches are counts, temperatures and scales, which are above zero."""
    if isinstance(default, bool) or isinstance(value, bool):
        if isinstance(default, bool) and isinstance(value, bool):
            return value
        raise ValueError(f"{what} is {value!r}: give {'true or false' if isinstance(default, bool) else 'a number'}")
    whole = isinstance(default, int)
    if not isinstance(value, int | float) or not 0 < value < math.inf or (whole and value != int(value)):
        raise ValueError(f"{what} is {value!r}: give a {'whole number' if whole else 'number'} above 0")
    return int(value) if whole else float(value)
