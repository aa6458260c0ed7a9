"""The linear ranker's features, each by its definition."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sidecar.encoding import DocumentTokens
from sidecar.errors import InvalidModel
from sidecar.fusion import check_fusion, features, fuse, overlaps, z_normalised
from sidecar.manifest import Fusion


def document(*tokens: int, title: int = 0) -> DocumentTokens:
    return DocumentTokens(np.array(tokens, dtype=np.int64), title)


def test_z_normalised_values_have_mean_0_and_deviation_1():
    assert z_normalised([1, 2, 3]).tolist() == pytest.approx([-math.sqrt(1.5), 0, math.sqrt(1.5)])


def test_a_hit_without_a_first_pass_score_is_neutral_and_does_not_count():
    assert z_normalised([1.0, None, 3.0]).tolist() == [-1.0, 0.0, 1.0]


@pytest.mark.parametrize(
    "values",
    [[], [None, None], [2.0], [5.0, 5.0], [1e308, 1e308], [1e200, -1e200]],
    ids=["empty", "unknown", "one", "equal", "too large to add", "too large to square"],
)
def test_a_list_that_tells_nothing_is_neutral_throughout(values):
    assert z_normalised(values).tolist() == [0.0] * len(values)


def test_overlap_is_the_share_of_the_querys_distinct_tokens():
    title, text = overlaps(np.array([7, 8, 8]), [document(7, 7, 9, 8, title=3), document(1), document()])
    assert (title.tolist(), text.tolist()) == ([0.5, 0, 0], [1.0, 0, 0])


def test_overlap_of_a_list_equals_that_of_each_document_alone():
    random = np.random.default_rng(0)
    query = random.integers(0, 9, 4)
    documents = [document(*random.integers(0, 9, length), title=length // 2) for length in (0, 1, 5, 12)]
    wanted = set(query.tolist())
    _, text = overlaps(query, documents)
    assert text.tolist() == [len(wanted & set(each.ids.tolist())) / len(wanted) for each in documents]


def test_a_query_without_tokens_overlaps_nothing():
    assert overlaps(np.array([], dtype=np.int64), [document(1)])[1].tolist() == [0.0]


def test_the_fused_score_is_the_bias_and_the_weighted_features():
    columns = features([2.0, 4.0], title_overlap=[1, 0], text_overlap=[0, 0], first_pass=[None, None], dense=[0.1, 0.3])
    scores = fuse(Fusion({"cross_encoder": 0.5, "title_overlap": 3.0, "dense": 2.0}, bias=1.0), columns)
    assert scores.tolist() == pytest.approx([1 + 1 + 3 - 2, 1 + 2 + 0 + 2])


def test_few_similarities_count_less_than_many():
    def dense(*values):
        zeros = [0.0] * len(values)
        return features(zeros, title_overlap=zeros, text_overlap=zeros, first_pass=zeros, dense=values)["dense"].tolist()

    assert dense(0.901, 0.897) == pytest.approx([1, -1])
    assert dense(0.901, 0.897, None, None) == pytest.approx([0.25, -0.25, 0, 0])
    assert dense() == []


def test_a_manifest_that_weighs_an_unknown_feature_is_refused():
    with pytest.raises(InvalidModel, match="moon_phase"):
        check_fusion(Fusion({"moon_phase": 1.0}))
