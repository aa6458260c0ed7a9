"""A report says what looks like a mistake of its caller, and nothing where all is in order."""

from __future__ import annotations

from collections.abc import Mapping

from sidecar.encoding import Fields
from training.data.lists import QueryList
from training.evaluate.candidates import RANDOM, Candidates, Retrieved
from training.evaluate.evidence import Evidence
from training.evaluate.notes import found_nothing, untitled


def evidence(*found: str, fields: Mapping[str, Fields] | None = None) -> Evidence:
    """What a shop's own search found for a query, and the fields that models read."""
    query = QueryList("q1", "shoe", ("p1",), (1,), "shop")
    candidates = Candidates(found, (1.0,) * len(found), (None,) * len(found))
    nothing = Candidates((), (), ())
    return Evidence(query, Retrieved({"shop": candidates, RANDOM: nothing}, {}, "shoe"), fields or {}, {}, {})


def test_a_search_that_finds_nothing_for_any_query_is_told_with_what_to_look_at() -> None:
    assert found_nothing([evidence(), evidence()]) == ("shop found nothing for 2 of 2 queries: does it look into fields that are there?",)


def test_queries_that_find_nothing_are_counted() -> None:
    assert found_nothing([evidence("p1"), evidence()]) == ("shop found nothing for 1 of 2 queries",)


def test_searches_that_find_something_get_no_note() -> None:
    assert found_nothing([evidence("p1")]) == ()


def test_documents_read_without_a_title_are_told_with_what_is_read() -> None:
    (note,) = untitled([evidence("p1", fields={"p1": {"attributes": "red", "brand": "Acme"}})])

    assert note.startswith("models read no title of any document, only attributes, brand: ")


def test_one_title_is_enough() -> None:
    assert untitled([evidence("p1", "p2", fields={"p1": {"title": "Shoe"}, "p2": {"brand": "Acme"}})]) == ()


def test_documents_of_which_nothing_is_known_get_no_note() -> None:
    assert untitled([evidence()]) == ()
