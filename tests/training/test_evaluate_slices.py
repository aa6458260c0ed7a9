"""Queries are told apart by what they are, never by how well a system answered them."""

from __future__ import annotations

import pytest

from sidecar.query_kinds import negated
from training.data.lists import QueryList
from training.evaluate.candidates import Retrieved
from training.evaluate.evidence import Evidence
from training.evaluate.slices import kinds_of, slice_rows

ACME = {"title": "Shoe", "brand": "Acme", "category": ["Clothing", "Shoes"]}
OTHER = {"title": "Cup", "brand": "Zed", "category": ["Kitchen"]}


def evidence(query: str, **grades: float) -> Evidence:
    item = QueryList(query, query, tuple(grades), tuple(grades.values()), "test")
    return Evidence(item, Retrieved({}, {}, item.query), {"a": ACME, "b": OTHER}, {}, {})


@pytest.mark.parametrize(
    "query",
    [
        "desk chair without wheels",
        "batteries not included",
        "sugar-free gum",
        "sugar free gum",
        "brushless motor",
        "phone -case",
        "don't panic",
    ],
)
def test_a_query_that_says_what_it_does_not_want_is_negated(query: str) -> None:
    assert negated(query)


@pytest.mark.parametrize("query", ["stainless steel pan", "wireless mouse", "cordless drill", "t-shirt", "nothing phone", "notebook"])
def test_a_query_that_only_looks_so_is_not_negated(query: str) -> None:
    assert not negated(query)


def test_a_brand_is_named_where_the_query_holds_the_words_of_a_judged_documents_brand() -> None:
    kinds = kinds_of([evidence("acme shoe", a=3), evidence("acmes shoe", a=3), evidence("zed cup", a=3)])

    assert kinds["brand"] == {"acme shoe": "brand named", "acmes shoe": "no brand named", "zed cup": "no brand named"}


def test_queries_split_into_head_and_tail_at_the_median_of_their_exact_hits() -> None:
    kinds = kinds_of([evidence("one", a=3, b=2), evidence("two", a=3, b=3), evidence("three", a=3, b=0)])

    assert kinds["exact hits"] == {"one": "tail: at most 1", "two": "head: more than 1", "three": "tail: at most 1"}


def test_departments_of_few_queries_become_one() -> None:
    found = [evidence(f"shoe {number}", a=3) for number in range(5)] + [evidence("cup", b=3)]

    assert kinds_of(found)["category"]["shoe 0"] == "Clothing"
    assert kinds_of(found)["category"]["cup"] == "other"


def test_a_slice_that_tells_no_queries_apart_is_left_out() -> None:
    assert "negation" not in kinds_of([evidence("shoe", a=3), evidence("cup", b=3)])


def test_kinds_of_fewer_than_five_queries_have_no_row() -> None:
    found = [evidence(f"shoe {colour}", a=3) for colour in ("red", "blue", "green", "black", "white")] + [evidence("a b c d e f", a=3)]
    values = {name: {each.query.query_id: quality for each in found} for name, quality in (("bm25", 0.5), ("fast", 0.75))}

    (row,) = slice_rows(found, values, "bm25", ["fast"])

    assert (row.slice, row.value, row.queries) == ("query length", "1-2 words", 5)
    assert row.means == {"bm25": 0.5, "fast": 0.75}
    assert row.differences == {"fast": (0.25, 0.25, 0.25)}
