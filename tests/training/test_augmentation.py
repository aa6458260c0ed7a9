"""Augmentation changes little, repeatably, and never what makes a query or a document itself."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.encoding import Fields
from training.data.augmentation import augment, field_dropout, swap_attribute, typos, word_dropout

SHIRT: Fields = {"title": "Red Shirt, red cotton", "color": "red", "tags": ["red", "shirt"], "year": 2020, "brand": "Redline"}


def test_field_dropout_spares_the_title() -> None:
    assert augment("q", SHIRT, [field_dropout(1.0)], 0) == ("q", {"title": SHIRT["title"]})
    assert augment("q", SHIRT, [field_dropout(0.0)], 0) == ("q", SHIRT)


def test_fields_are_dropped_about_as_often_as_asked() -> None:
    dropped = sum("color" not in augment("q", SHIRT, [field_dropout(0.3)], seed)[1] for seed in range(1000))
    assert dropped == pytest.approx(300, abs=60)


@given(st.text(), st.floats(0, 1), st.integers())
def test_word_dropout_keeps_a_word_of_every_query_that_has_one(query: str, rate: float, seed: int) -> None:
    changed, _ = augment(query, {}, [word_dropout(rate)], seed)
    assert set(changed.split()) <= set(query.split())
    assert bool(changed) == bool(query.split())


def test_a_typo_is_one_slip_in_one_long_word() -> None:
    seen = {augment("red lampshade 12v", {}, [typos(1.0)], seed)[0] for seed in range(300)}
    assert len(seen) > 10
    for query in seen:
        first, word, last = query.split()
        assert (first, last) == ("red", "12v")
        assert word != "lampshade"
        assert word[0] == "l"
        assert abs(len(word) - len("lampshade")) <= 1


@pytest.mark.parametrize("query", ["", "red tv", "12345 x2000z", "aaa"])
def test_short_words_and_numbers_are_never_misspelt(query: str) -> None:
    assert augment(query, {}, [typos(1.0)], 3)[0] == query


def test_a_swapped_attribute_changes_wherever_the_text_says_it() -> None:
    swapped = swap_attribute(SHIRT, "color", ["Red", "blue"], random.Random(0))
    assert swapped == {"title": "blue Shirt, blue cotton", "color": "blue", "tags": ["blue", "shirt"], "year": 2020, "brand": "Redline"}


@pytest.mark.parametrize(("role", "values"), [("color", ["RED"]), ("size", ["M", "L"]), ("color", [])])
def test_without_another_value_there_is_no_hard_negative(role: str, values: list[str]) -> None:
    assert swap_attribute(SHIRT, role, values, random.Random(0)) is None


def test_one_seed_gives_one_change_and_the_input_stays() -> None:
    before = dict(SHIRT)
    changes = [field_dropout(0.5), word_dropout(0.5), typos(0.5)]
    first = augment("large red shirts for summer", SHIRT, changes, (1, 2, "q"))
    assert first == augment("large red shirts for summer", SHIRT, changes, (1, 2, "q"))
    assert any(first != augment("large red shirts for summer", SHIRT, changes, (1, epoch, "q")) for epoch in range(3, 9))
    assert before == SHIRT
