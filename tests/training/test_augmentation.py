"""Hard negatives differ in the one attribute that the query names."""

from __future__ import annotations

import random

import pytest

from sidecar.encoding import Fields
from training.batches import TrainingList
from training.data.augmentation import swap_attribute, with_swaps, write_swapped
from training.training_set import read_documents, read_lists, write_documents, write_lists

SHIRT: Fields = {"title": "Red Shirt, red cotton", "color": "red", "tags": ["red", "shirt"], "year": 2020, "brand": "Redline"}
SHOES: dict[str, Fields] = {"a": {"title": "red shoe", "color": "red"}, "b": {"title": "blue shoe", "color": "blue"}}


def test_a_swapped_attribute_changes_wherever_the_text_says_it() -> None:
    swapped = swap_attribute(SHIRT, "color", ["Red", "blue"], random.Random(0))
    assert swapped == {"title": "blue Shirt, blue cotton", "color": "blue", "tags": ["blue", "shirt"], "year": 2020, "brand": "Redline"}


@pytest.mark.parametrize(("role", "values"), [("color", ["RED"]), ("size", ["M", "L"]), ("color", [])])
def test_without_another_value_there_is_no_hard_negative(role: str, values: list[str]) -> None:
    assert swap_attribute(SHIRT, role, values, random.Random(0)) is None


@pytest.mark.parametrize("value", ["red rose", "Dark-RED", "red/blue"])
def test_a_value_that_shares_a_word_with_the_own_one_is_no_other_value(value: str) -> None:
    assert swap_attribute(SHIRT, "color", [value], random.Random(0)) is None
    assert swap_attribute(SHIRT, "color", [value, "infrared"], random.Random(0)) is not None


def test_an_attribute_is_swapped_where_the_query_names_it() -> None:
    lists = [TrainingList("red shoe", ("a", "b"), (3.0, 0.0)), TrainingList("shoe", ("a",), (3.0,))]
    longer, made = with_swaps(lists, SHOES)
    assert made == {"swapped 0 0": {"title": "blue shoe", "color": "blue"}}
    assert longer[0].grades == (3.0, 0.0, 0.0)
    assert longer[1] == lists[1]


def test_what_the_query_names_too_is_no_wrong_value() -> None:
    documents = {"a": {"title": "white shoe", "color": "white"}, "b": {"title": "black shoe", "color": "black"}}
    lists = [TrainingList("black or white shoe", ("a", "b"), (2.0, 2.0))]
    assert with_swaps(lists, documents) == (lists, {})


@pytest.mark.parametrize(
    "item",
    [TrainingList("red shoe", ("a", "b"), None, teacher=(1.0, 0.0)), TrainingList("red shoe", ("a", "b"), (3.0, 0.0), teacher=(1.0, 0.0))],
    ids=["without grades", "with a teacher"],
)
def test_a_list_whose_copies_could_not_be_labelled_stays(item: TrainingList) -> None:
    assert with_swaps([item], SHOES) == ([item], {})


def test_a_set_is_written_again_with_its_swapped_copies(tmp_path) -> None:
    write_documents(tmp_path / "set", SHOES)
    write_lists(tmp_path / "set", [TrainingList("red shoe", ("a", "b"), (3.0, 0.0))])
    assert write_swapped(tmp_path / "set", tmp_path / "swapped") == 1
    assert set(read_documents(tmp_path / "swapped")) == {"a", "b", "swapped 0 0"}
    assert read_lists(tmp_path / "swapped")[0].doc_ids == ("a", "b", "swapped 0 0")


def test_a_set_that_was_swapped_before_keeps_its_copies() -> None:
    longer, made = with_swaps([TrainingList("red shoe", ("a", "b"), (3.0, 0.0))], SHOES)
    again, more = with_swaps(longer, {**SHOES, **made})
    assert not made.keys() & more.keys()
    assert again[0].doc_ids == (*longer[0].doc_ids, *more)
