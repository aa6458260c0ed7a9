"""First passes become lists of candidates in one order, fused by reciprocal rank, and shuffled the same at every run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from sidecar.encoding import Fields
from training.data.lists import QueryList
from training.evaluate.candidates import BM25, KNN, RANDOM, RRF, SIMILARITY, Retrieved, Scores, reciprocal_rank_fusion, retrieve

QUERY = QueryList("q", "red shoe", ("a", "d", "e"), (3.0, 0.0, 2.0), "test")
WORDS = {"a": 3.0, "b": 2.0, "c": 1.0}
VECTORS = {"a": 0.1, "b": 0.4, "c": 0.9, "d": 0.8, "e": 0.2}


class FixedSource:
    """Answers from two tables; `e` is judged, and in no index."""

    documents = 4

    def describe(self) -> str:
        return "fixed"

    def search(self, _query: str, depth: int) -> Mapping[str, Scores]:
        found = {BM25: WORDS, KNN: {doc_id: score for doc_id, score in VECTORS.items() if doc_id != "e"}}
        return {name: dict(sorted(scores.items(), key=lambda hit: -hit[1])[:depth]) for name, scores in found.items()}

    def score(self, _query: str, doc_ids: Sequence[str]) -> Mapping[str, Scores]:
        return {
            BM25: {doc_id: WORDS[doc_id] for doc_id in doc_ids if doc_id in WORDS},
            KNN: {doc_id: VECTORS[doc_id] for doc_id in doc_ids},
        }

    def fields(self, doc_ids: Sequence[str]) -> Mapping[str, Fields]:
        return {doc_id: {"title": doc_id} for doc_id in doc_ids if doc_id != "e"}


def found(depth: int = 4, *, window: int = 4, seed: int = 0) -> Retrieved:
    return retrieve(FixedSource(), QUERY, depth=depth, window=window, seed=seed)


def test_fusion_sums_the_reciprocals_of_sixty_and_the_rank() -> None:
    fused = reciprocal_rank_fusion([{"a": 9.0, "b": 1.0}, {"b": 5.0}])

    assert fused == pytest.approx({"a": 1 / 61, "b": 1 / 62 + 1 / 61})


def test_equal_scores_are_ranked_by_id_in_fusion() -> None:
    assert reciprocal_rank_fusion([{"b": 1.0, "a": 1.0}]) == pytest.approx({"a": 1 / 61, "b": 1 / 62})


def test_every_pass_and_their_fusion_and_random_order_are_there() -> None:
    assert set(found().full) == {BM25, KNN, RRF, RANDOM}
    assert set(found().judged) == {BM25, KNN, RRF, RANDOM}


def test_no_pass_gives_more_than_the_depth() -> None:
    assert all(len(candidates.doc_ids) <= 2 for candidates in found(2).full.values())


def test_candidates_of_words_carry_their_similarity_by_vectors() -> None:
    assert found().full[BM25].dense == (0.1, 0.4, 0.9)


def test_a_judged_document_that_a_pass_does_not_find_comes_last_and_has_no_score() -> None:
    candidates = found().judged[BM25]

    assert candidates.doc_ids == ("a", "d")
    assert candidates.scores == (3.0, None)


def test_a_judged_document_that_is_nowhere_is_not_ordered() -> None:
    assert all("e" not in candidates.doc_ids for candidates in found().judged.values())


def test_random_order_is_the_same_for_a_seed_and_holds_the_window_of_the_fusion() -> None:
    first, again = found(window=3).full, found(window=3).full

    assert first[RANDOM].doc_ids == again[RANDOM].doc_ids
    assert set(first[RANDOM].doc_ids) == set(first[RRF].doc_ids[:3])


def test_random_order_differs_between_seeds() -> None:
    assert len({found(seed=seed).full[RANDOM].doc_ids for seed in range(20)}) > 1


class OwnSource(FixedSource):
    """A search of the shop's own beside words, or alone."""

    def __init__(self, *others: str) -> None:
        self._others = others

    def search(self, query: str, depth: int) -> Mapping[str, Scores]:
        found = super().search(query, depth)
        return {"shop": {"c": 2.0, "a": 1.0}, **{name: found[name] for name in self._others}}

    def score(self, query: str, doc_ids: Sequence[str]) -> Mapping[str, Scores]:
        found = super().score(query, doc_ids)
        others = {name: found[name] for name in self._others}
        return {"shop": {"a": 1.0}, **others, **({} if KNN in others else {SIMILARITY: dict.fromkeys(doc_ids, 0.5)})}


def test_a_search_of_the_shops_own_is_no_part_of_the_fusion() -> None:
    fused = retrieve(OwnSource(BM25, KNN), QUERY, depth=4, window=4).full[RRF]

    assert fused == found().full[RRF]
    assert set(retrieve(OwnSource(BM25), QUERY, depth=4, window=4).full) == {"shop", BM25, RANDOM}


def test_similarity_without_knn_is_no_pass_and_goes_along_with_hits() -> None:
    retrieved = retrieve(OwnSource(), QUERY, depth=4, window=4)

    assert set(retrieved.full) == set(retrieved.judged) == {"shop", RANDOM}
    assert retrieved.full["shop"].dense == (0.5, 0.5)
    assert retrieve(OwnSource(), QUERY, depth=4, window=4, similarity=False).full["shop"].dense == (None, None)


def test_random_order_is_of_the_shops_own_window_where_nothing_else_ran() -> None:
    assert set(retrieve(OwnSource(), QUERY, depth=4, window=4).full[RANDOM].doc_ids) == {"a", "c"}


def test_similarities_are_those_of_the_query_as_it_is_read_and_passes_get_it_as_it_was_typed() -> None:
    class Asked(OwnSource):
        def __init__(self) -> None:
            super().__init__()
            self.searched: list[str] = []

        def search(self, query: str, depth: int) -> Mapping[str, Scores]:
            self.searched.append(query)
            return super().search(query, depth)

        def score(self, query: str, doc_ids: Sequence[str]) -> Mapping[str, Scores]:
            similarity = {"red shoe": 0.5, "red shoes": 0.75}[query]
            return {**super().score(query, doc_ids), SIMILARITY: dict.fromkeys(doc_ids, similarity)}

    def read(found: Mapping[str, Sequence[str]]) -> str:
        assert dict(found) == {"shop": ["c", "a"]}
        return "red shoes"

    source = Asked()
    retrieved = retrieve(source, QUERY, depth=4, window=4, read=read)

    assert source.searched == ["red shoe"]
    assert retrieved.read_as == "red shoes"
    assert retrieved.full["shop"].dense == (0.75, 0.75)
    assert retrieve(source, QUERY, depth=4, window=4).full["shop"].dense == (0.5, 0.5)
