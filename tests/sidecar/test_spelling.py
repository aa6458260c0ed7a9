"""A mistyped word is read as its hits spell it; every other word, and every other query, stays as it is."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import msgspec
import pytest

from sidecar.cache import Cache
from sidecar.candidates import Document, Recognizer
from sidecar.ranking import RankRequest
from sidecar.spelling import nearest, respelt
from tests.sidecar.fakes import FakeScorer, make_engine
from tests.sidecar.tiny import encoder

KNOWN = {"film", "space", "case", "with"}


def read(query: str, *titles: str, fields: Sequence[Document] = ()) -> str:
    """The query as it is read among documents of these titles."""
    documents = [*({"title": title} for title in titles), *fields]
    candidates = Recognizer(Cache(10**6, len)).candidates(encoder().template, b"key", documents)
    return respelt(query, candidates, lambda words: [word in KNOWN for word in words])


@pytest.mark.parametrize("slip", ["inceptoin", "incption", "inceptiion", "inceptiom", "Inceptoin"])
def test_a_word_one_slip_away_from_a_word_of_the_hits_is_read_as_that_word(slip: str) -> None:
    assert read(f"{slip} film", "Inception", "Interstellar") == "inception film"


LEFT = {
    "two edits of a short word": ("incpton film", "Inception, Inception"),
    "a hit has the word": ("spacd film", "Spaced film, spacd cut"),
    "its only kin has three letters": ("tvx case", "Tvs"),
    "another first letter": ("film caze", "Maze"),
    "the vocabulary has it": ("film", "Firm"),
    "two letters": ("tv", "Tvos"),
    "a number": ("film abcd2", "Abcde2, abcd"),
    "a script without capitals": ("運動靴男性", "運動靴女性"),
}


@pytest.mark.parametrize(("query", "title"), LEFT.values(), ids=list(LEFT))
def test_a_word_that_may_be_meant_stays(query: str, title: str) -> None:
    assert read(query, title) == query


def test_a_short_word_may_have_lost_a_letter() -> None:
    assert read("drk knight", "The Dark Knight") == "dark knight"


def test_two_words_without_their_space_are_read_as_two() -> None:
    assert read("runningshoes case", "Men's Running Shoes") == "running shoes case"
    assert read("runningshoes", "Running in light shoes") == "runningshoes"


def test_a_word_that_only_stands_inside_others_is_read_as_one_that_stands_alone() -> None:
    assert read("prat film", "Chris Pratt", "Sprat, the film") == "pratt film"


def test_a_word_inside_another_of_the_query_is_not_touched() -> None:
    assert read("Inceptoin, (inceptoin) inceptoins-x", "Inception", "Inceptions") == "inception, (inception) inceptions-x"


def test_a_text_that_nobody_typed_into_a_search_box_stays() -> None:
    assert read("runnign " * 40, "running") == "runnign " * 40
    gibberish = " ".join(f"xk{letter}z" for letter in "abcdefghi")
    assert read(f"{gibberish} runnign", "running") == f"{gibberish} runnign"


def test_a_query_that_needs_nothing_keeps_its_very_spelling() -> None:
    assert read("USB-C  Case, With ÜBER", "case") == "USB-C  Case, With ÜBER"


def test_every_mistyped_word_is_read_otherwise() -> None:
    assert read("qentin tarantno", "Quentin Tarantino") == "quentin tarantino"


def test_a_word_is_found_in_any_field_and_in_documents_that_are_json_still() -> None:
    json = msgspec.Raw(msgspec.json.encode({"title": "Film", "description": "by Christopher Nolan"}))

    assert read("nollan film", fields=[json]) == "nolan film"
    assert read("nolan film", "nollan", fields=[json]) == "nolan film"


def test_escaped_letters_of_json_do_not_hide_a_word() -> None:
    assert read("amélie", "amelie", fields=[msgspec.Raw(b'{"title": "Am\\u00e9lie"}')]) == "amélie"


def test_the_nearest_word_wins_then_the_one_that_most_hits_have() -> None:
    assert nearest("headphnoes", {"headphones": 1, "headphone": 9}) == "headphones"
    assert nearest("shose", {"shoes": 3, "shone": 2}) == "shoes"
    assert nearest("shose", {"shoes": 2, "shore": 2}) == "shoes"


def test_two_slips_are_believed_of_a_long_word_that_several_hits_have() -> None:
    assert nearest("headfone", {"headphone": 2}) == "headphone"
    assert nearest("headfone", {"headphone": 1}) is None
    assert nearest("hedfone", {"headphone": 2}) is None


def asked(query: str, *titles: str) -> RankRequest:
    unknown = [None] * len(titles)
    return RankRequest(query, [{"title": title} for title in titles], unknown, unknown, None, time.monotonic() + 5)


def test_a_mistyped_query_is_ranked_as_the_right_one_and_says_so() -> None:
    engine = make_engine(FakeScorer())
    right = engine.rank(asked("running shoe", "running shoe", "blue shoe"))
    wrong = engine.rank(asked("runnign shoe", "running shoe", "blue shoe"))

    assert (wrong.query, right.query) == ("running shoe", "running shoe")
    assert wrong.cached == [True, True]
    assert wrong.features["text_overlap"].tolist() == right.features["text_overlap"].tolist()


def test_who_measures_a_model_is_answered_for_the_query_as_it_is_spelt() -> None:
    ranking = make_engine(FakeScorer()).rank(replace(asked("runnign shoe", "running shoe"), own=False))

    assert ranking.query == "runnign shoe"


def test_the_setting_leaves_queries_alone() -> None:
    engine = make_engine(FakeScorer(), spelling=False)

    assert engine.rank(asked("runnign shoe", "running shoe")).query == "runnign shoe"
    assert engine.read("runnign", [{"title": "running"}], profile="fast") == "runnign"
