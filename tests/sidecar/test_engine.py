"""Ranking without HTTP: caches, equal documents, fusion, transform."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

from sidecar.errors import NotReady, ScoringFailed, UnknownProfile, Unprocessable
from sidecar.manifest import Fusion
from sidecar.ranking import RankRequest, sigmoid
from tests.sidecar.fakes import FakeScorer, make_engine


def asked(*documents, query: str = "red shoe", first_pass=None, profile: str | None = None) -> RankRequest:
    unknown = [None] * len(documents)
    return RankRequest(query, documents, first_pass or unknown, unknown, profile, time.monotonic() + 5)


def title(text: str) -> dict[str, str]:
    return {"title": text}


def test_scores_are_aligned_with_the_documents():
    ranking = make_engine(FakeScorer()).rank(asked(title("shoe"), title("large red shoe"), title("red")))
    assert ranking.scores == [8.0, 17 + 5 + 8, 5.0]


def test_no_documents_make_no_scores():
    assert make_engine(FakeScorer()).rank(asked()).scores == []


def test_a_repeated_query_is_answered_from_the_cache():
    scorer = FakeScorer()
    engine = make_engine(scorer)
    first = engine.rank(asked(title("shoe"), title("red")))
    again = engine.rank(asked(title("shoe"), title("red")))
    assert (again.scores, again.cached, sum(scorer.scored)) == (first.scores, [True, True], 2)


def test_a_changed_document_never_meets_an_old_score():
    scorer = FakeScorer()
    engine = make_engine(scorer)
    engine.rank(asked(title("shoe")))
    assert engine.rank(asked(title("red shoe"))).cached == [False]


def test_another_query_never_meets_an_old_score():
    engine = make_engine(FakeScorer())
    engine.rank(asked(title("shoe")))
    assert engine.rank(asked(title("shoe"), query="blue shoe")).cached == [False]


def test_the_same_text_in_another_field_is_another_document():
    engine = make_engine(FakeScorer())
    engine.rank(asked({"title": "acme"}))
    assert engine.rank(asked({"brand": "acme"})).cached == [False]


def test_equal_documents_of_one_request_are_scored_once():
    scorer = FakeScorer()
    ranking = make_engine(scorer).rank(asked(title("shoe"), title("shoe"), title("shoe")))
    assert (ranking.scores, sum(scorer.scored)) == ([8.0] * 3, 1)


def test_a_score_that_is_not_finite_is_not_remembered():
    bad = FakeScorer(lambda documents: np.full(len(documents), np.nan, dtype=np.float32))
    engine = make_engine(bad)
    with pytest.raises(ScoringFailed):
        engine.rank(asked(title("shoe")))
    bad.answer = lambda documents: np.ones(len(documents), dtype=np.float32)
    assert engine.rank(asked(title("shoe"))).cached == [False]


def test_a_fusion_orders_by_its_weighted_features_though_logits_come_from_the_cache():
    engine = make_engine(FakeScorer(), fusion=Fusion({"first_pass": 1.0, "title_overlap": 10.0}))
    documents = (title("shoe"), title("phone"))
    assert engine.rank(asked(*documents, first_pass=[1.0, 3.0])).scores == pytest.approx([-1 + 5, 1])
    assert engine.rank(asked(*documents, first_pass=[3.0, 1.0])).scores == pytest.approx([1 + 5, -1])


def test_a_kind_of_query_that_the_manifest_turns_off_keeps_the_first_pass_and_costs_no_scoring():
    scorer = FakeScorer()
    engine = make_engine(scorer, fusion=Fusion({"cross_encoder": 1.0}, off=("negated",)))
    documents = (title("shoe"), title("phone"))
    assert engine.rank(asked(*documents, query="shoe without laces", first_pass=[1.0, 3.0])).scores == [-1.0, 1.0]
    assert scorer.scored == []


def test_a_turned_off_kind_is_scored_where_a_hit_has_no_first_pass_score_or_the_asker_measures():
    engine = make_engine(FakeScorer(), fusion=Fusion({"cross_encoder": 1.0}, off=("negated",)))
    asked_for = asked(title("shoe"), title("phone"), query="shoe without laces", first_pass=[1.0, None])
    measured = replace(asked_for, first_pass=[1.0, 3.0], own=False)
    assert engine.rank(asked_for).scores == engine.rank(measured).scores == [8.0, 10.0]


def test_the_manifests_transform_is_monotone_and_the_raw_score_is_kept():
    ranking = make_engine(FakeScorer(), transform="sigmoid").rank(asked(title("shoe")))
    assert (ranking.scores, ranking.raw) == ([pytest.approx(1 / (1 + np.exp(-8.0)))], [8.0])


def test_the_sigmoid_stays_finite_at_both_ends():
    assert sigmoid(np.array([-1e4, 0.0, 1e4])).tolist() == [0.0, 0.5, 1.0]


def test_a_query_without_text_cannot_be_ranked():
    with pytest.raises(Unprocessable, match="query is empty"):
        make_engine(FakeScorer()).rank(asked(title("shoe"), query="  "))


def test_an_unknown_profile_is_named_with_those_there_are():
    with pytest.raises(UnknownProfile, match=r"'best'.*'fast'"):
        make_engine(FakeScorer()).rank(asked(title("shoe"), profile="best"))


def test_a_draining_engine_is_not_ready_and_still_ranks():
    engine = make_engine(FakeScorer())
    engine.check_ready()
    engine.drain()
    with pytest.raises(NotReady):
        engine.check_ready()
    assert engine.rank(asked(title("shoe"))).scores == [8.0]


def test_an_engine_without_embedder_says_so():
    with pytest.raises(NotReady, match="embedder"):
        make_engine(FakeScorer()).embed(["shoe"], query=True, profile=None, deadline=time.monotonic() + 5)
