"""The linear ranker over a list's features: cross-encoder logit, first pass, word overlap, dense similarity.

Training fits `manifest.fusion` with `features`, serving applies it with `fuse`: one definition of every feature. Invariant: a
feature that a hit does not carry has its neutral value, so a list without first-pass scores still gets an order.

| feature | value of one hit | neutral |
|---|---|---|
| `cross_encoder` | the model's logit, as it is | - |
| `first_pass` | its first-pass score, z-normalised over the hits of the list that have one | 0 |
| `title_overlap` | the share of the query's distinct tokens that are among the tokens of the document's first field | 0 |
| `text_overlap` | the share of the query's distinct tokens that are among all of the document's tokens | 0 |
| `dense` | its similarity to the query by vectors, z-normalised over the hits that have one, times their share of the list squared | 0 |

z-normalised: minus the mean, over the population's standard deviation; 0 throughout where all values are equal, or too large for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from sidecar.encoding import DocumentTokens, Tokens
from sidecar.errors import InvalidModel
from sidecar.manifest import Fusion
from sidecar.query_kinds import KINDS

Column = npt.NDArray[np.float64]
Features = Mapping[str, Column]

CROSS_ENCODER = "cross_encoder"
FIRST_PASS = "first_pass"
TITLE_OVERLAP = "title_overlap"
TEXT_OVERLAP = "text_overlap"
DENSE = "dense"
NAMES = (CROSS_ENCODER, FIRST_PASS, TITLE_OVERLAP, TEXT_OVERLAP, DENSE)


def features(
    logits: Sequence[float] | npt.NDArray[np.floating],
    *,
    title_overlap: Sequence[float] | npt.NDArray[np.floating],
    text_overlap: Sequence[float] | npt.NDArray[np.floating],
    first_pass: Sequence[float | None],
    dense: Sequence[float | None],
) -> dict[str, Column]:
    """All features of one list, each a float64 column of one value a hit."""
    return {
        CROSS_ENCODER: np.asarray(logits, dtype=np.float64),
        FIRST_PASS: z_normalised(first_pass),
        TITLE_OVERLAP: np.asarray(title_overlap, dtype=np.float64),
        TEXT_OVERLAP: np.asarray(text_overlap, dtype=np.float64),
        DENSE: z_normalised(dense) * _share_known(dense) ** 2,
    }


def fuse(fusion: Fusion, columns: Features) -> Column:
    """bias + sum of weight x feature, one score a hit."""
    scores = np.full(len(columns[CROSS_ENCODER]), fusion.bias, dtype=np.float64)
    for name, weight in fusion.weights.items():
        scores += weight * columns[name]
    return scores


def check_fusion(fusion: Fusion) -> None:
    """Raise InvalidModel where the manifest weighs a feature, or turns off a kind of query, that this version does not know."""
    unknown = sorted(set(fusion.weights) - set(NAMES))
    if unknown:
        raise InvalidModel(f"the manifest's fusion weighs unknown features {unknown}: known are {list(NAMES)}")
    strange = sorted(set(fusion.off) - set(KINDS))
    if strange:
        raise InvalidModel(f"the manifest's fusion turns off unknown kinds of queries {strange}: known are {list(KINDS)}")


def _share_known(values: Sequence[float | None]) -> float:
    """The share of values that are there. Of two similarities in a hundred hits one is always +1 and the other -1, however near they are:
    few tell less, and count less. The square of the share orders half-known windows best among its powers.
    """
    return sum(value is not None for value in values) / len(values) if values else 0.0


def z_normalised(values: Sequence[float | None]) -> Column:
    """Values minus their mean over their standard deviation; unknown ones are 0."""
    column = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    known = np.isfinite(column)
    if not known.any():
        return np.zeros(len(column))
    with np.errstate(over="ignore", invalid="ignore"):
        mean, deviation = column[known].mean(), column[known].std()
    # Values beyond what a float can square have no spread that could be told.
    if not 1e-9 <= deviation < np.inf:
        return np.zeros(len(column))
    return np.where(known, (column - mean) / deviation, 0.0)


def overlaps(query: Tokens, documents: Sequence[DocumentTokens]) -> tuple[Column, Column]:
    """`title_overlap` and `text_overlap` of every document, computed for the whole list at once."""
    wanted = np.unique(query)
    if not len(wanted) or not documents:
        return np.zeros(len(documents)), np.zeros(len(documents))
    lengths = np.array([len(document.ids) for document in documents])
    tokens = np.concatenate([document.ids for document in documents])
    rows = np.repeat(np.arange(len(documents)), lengths)
    places = np.arange(len(tokens)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    in_title = places < np.array([document.title for document in documents])[rows]
    columns = np.minimum(np.searchsorted(wanted, tokens), len(wanted) - 1)
    found = wanted[columns] == tokens
    return (
        _distinct_share(rows[found & in_title], columns[found & in_title], len(documents), len(wanted)),
        _distinct_share(rows[found], columns[found], len(documents), len(wanted)),
    )


def _distinct_share(rows: npt.NDArray[np.intp], columns: npt.NDArray[np.intp], height: int, width: int) -> Column:
    present = np.zeros((height, width), dtype=bool)
    present[rows, columns] = True
    share: Column = present.mean(axis=1)
    return share
