"""Training lists hold judged hits, hard and random negatives, within their caps, the same for one seed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.training.logs import log
from training.data.build import ListSettings, graded_lists, to_qrels, training_lists
from training.data.engine import Engine
from training.data.grading import grade_by_type
from training.data.lists import QueryList

CATALOGUE = [f"d{i:03}" for i in range(200)]
JUDGED = QueryList("q", "lamp", ("d000", "d001", "d002"), (3.0, 1.0, 0.0), "shop")
RUN = {"q": {f"d{i:03}": 100.0 - i for i in range(50)} | {"gone": 1000.0}}
NONE = ListSettings(hard_negatives=0, random_negatives=0)


def graded(item: QueryList) -> dict[str, float]:
    return dict(zip(item.doc_ids, item.grades, strict=True))


def test_hard_negatives_come_from_the_first_pass_below_its_top() -> None:
    (item,), _ = training_lists([JUDGED], CATALOGUE, RUN, ListSettings(hard_negatives=5, hard_below=10, random_negatives=0))
    hard = graded(item).keys() - graded(JUDGED).keys()
    assert len(hard) == 5
    # Rank 10 of the run, which begins with a document that the catalogue lacks, is d009.
    assert all("d009" <= doc_id < "d050" for doc_id in hard)
    assert all(graded(item)[doc_id] == 0.0 for doc_id in hard)


def test_random_negatives_come_from_the_whole_catalogue() -> None:
    (item,), _ = training_lists([JUDGED], CATALOGUE, RUN, ListSettings(hard_negatives=0, random_negatives=20, max_hits=40))
    drawn = graded(item).keys() - graded(JUDGED).keys()
    assert len(drawn) == 20
    assert any(doc_id > "d050" for doc_id in drawn)


def test_a_document_that_was_judged_without_a_grade_is_no_negative_of_its_query() -> None:
    settings = ListSettings(hard_negatives=50, random_negatives=200, max_hits=300)
    looked_at = CATALOGUE[20:25] + CATALOGUE[100:105]
    (item,), _ = training_lists([JUDGED], CATALOGUE, RUN, settings, {"q": looked_at, "other": CATALOGUE[30:35]})
    assert set(CATALOGUE) - set(item.doc_ids) == set(looked_at)


def test_judged_hits_keep_their_grades() -> None:
    (item,), _ = training_lists([JUDGED], CATALOGUE, RUN)
    assert graded(JUDGED).items() <= graded(item).items()
    assert (item.query_id, item.query, item.source) == ("q", "lamp", "shop")


def test_a_long_list_keeps_every_grade_before_it_thins_one() -> None:
    judged = QueryList("q", "lamp", tuple(CATALOGUE[:40]), (3.0, 1.0, *[0.0] * 38), "shop")
    (item,), _ = training_lists([judged], CATALOGUE, settings=ListSettings(0, 10, 2, max_hits=8))
    assert len(item.doc_ids) == 8
    assert sorted(graded(item)[doc_id] for doc_id in ("d000", "d001")) == [1.0, 3.0]


def test_lists_without_an_order_are_dropped_and_counted() -> None:
    flat = QueryList("flat", "desk", ("d001", "d002"), (1.0, 1.0), "shop")
    gone = QueryList("gone", "rug", ("x", "y"), (1.0, 0.0), "shop")
    lists, (report, _) = training_lists([JUDGED, flat, gone], CATALOGUE, settings=NONE)
    assert [item.query_id for item in lists] == ["q"]
    assert report.dropped == {"all hits have one grade": 1, "no judged hit is in the catalogue": 1}
    assert (report.rows, report.kept) == (3, 1)


def test_judged_hits_that_are_not_in_the_catalogue_are_counted() -> None:
    judged = QueryList("q", "lamp", ("d000", "d001", "gone"), (3.0, 1.0, 2.0), "shop")
    _, (_, hits) = training_lists([judged], CATALOGUE, settings=NONE)
    assert (hits.rows, hits.dropped) == (3, {"not in the catalogue": 1})


def test_judged_hits_that_a_list_has_no_room_for_are_counted() -> None:
    judged = QueryList("q", "lamp", tuple(CATALOGUE[:40]), (3.0, 1.0, *[0.0] * 38), "shop")
    _, (_, hits) = training_lists([judged], CATALOGUE, settings=ListSettings(0, 10, 2, max_hits=8))
    assert hits.dropped == {"no room in a list of 8 hits": 34}


def test_the_hits_of_a_list_that_is_left_out_are_counted() -> None:
    flat = QueryList("flat", "desk", ("d001", "d002"), (1.0, 1.0), "shop")
    _, (_, hits) = training_lists([flat], CATALOGUE, settings=NONE)
    assert (hits.kept, hits.dropped) == (0, {"in a list that is left out": 2})


def test_single_grade_lists_can_be_kept_for_losses_over_single_hits() -> None:
    flat = QueryList("flat", "desk", ("d001", "d002"), (1.0, 1.0), "shop")
    lists, _ = training_lists([flat], CATALOGUE, settings=ListSettings(0, 10, 0, keep_single_grade=True))
    assert lists == [flat]


def test_a_list_depends_on_the_seed_and_its_own_query_alone() -> None:
    other = QueryList("other", "desk", ("d005", "d006"), (1.0, 0.0), "shop")
    (alone,), _ = training_lists([JUDGED], CATALOGUE, RUN)
    (_, beside), _ = training_lists([other, JUDGED], CATALOGUE, RUN)
    (reseeded,), _ = training_lists([JUDGED], CATALOGUE, RUN, ListSettings(seed=1))
    assert alone == beside
    assert alone != reseeded


@given(st.integers(1, 12), st.integers(0, 6), st.integers(0, 6), st.integers(2, 20), st.integers(3, 30))
def test_lists_never_exceed_their_cap_and_never_repeat_a_hit(judged: int, hard: int, rand: int, cap: int, size: int) -> None:
    catalogue = CATALOGUE[:size]
    item = QueryList("q", "lamp", tuple(CATALOGUE[:judged]), tuple(float(i % 3) for i in range(judged)), "shop")
    lists, (by_list, by_hit) = training_lists([item], catalogue, RUN, ListSettings(hard, 2, rand, cap))
    assert (by_list.rows, by_hit.rows) == (1, judged)
    assert by_hit.kept == sum(len(set(found.doc_ids) & set(item.doc_ids)) for found in lists)
    for found in lists:
        assert len(found.doc_ids) <= cap
        assert set(found.doc_ids) <= set(catalogue)


def test_grades_of_interactions_become_lists_and_qrels(engine: Engine) -> None:
    rows = log({"query": "Lamp", "item_id": "a", "type": "purchase"}, {"query": "lamp", "item_id": "b"})
    lists = graded_lists(grade_by_type(engine, rows).rows, "log")
    assert lists == [QueryList("lamp", "lamp", ("a", "b"), (3.0, 1.0), "log")]
    assert to_qrels(lists) == {"lamp": {"a": 3, "b": 1}}


def test_scores_are_no_qrels() -> None:
    with pytest.raises(ValueError, match=r"grade 0\.5 is not whole"):
        to_qrels([QueryList("q", "lamp", ("a",), (0.5,), "shop")])
