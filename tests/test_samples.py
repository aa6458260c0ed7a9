"""The sample catalogue holds together: the demo and the integration tests rely on its ids, grades and traps."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

SAMPLES = Path(__file__).parents[1] / "samples"
COLUMNS = {"id", "title", "brand", "color", "size", "category", "description", "price", "rating", "attributes"}
GRADES = {100, 10, 1, 0}
TRAPS = {
    "accessory",
    "brand-in-passing",
    "compatibility",
    "negation",
    "plain",
    "spelling",
    "synonym",
    "units",
    "word-in-another-name",
    "wrong-colour",
    "wrong-size",
}

Row = dict[str, Any]


@pytest.fixture(scope="module")
def products() -> list[Row]:
    lines = (SAMPLES / "products.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def judged() -> list[Row]:
    judgments: Row = json.loads((SAMPLES / "judgments.json").read_text(encoding="utf-8"))
    return list(judgments["judgmentRatings"])


def grades(entry: Row) -> list[int]:
    return [rating["rating"] for rating in entry["ratings"]]


def rated_ids(entry: Row) -> list[str]:
    return [rating["docId"] for rating in entry["ratings"]]


def test_product_ids_are_unique(products: list[Row]) -> None:
    assert len({product["id"] for product in products}) == len(products)


def test_the_catalogue_has_at_least_four_hundred_products(products: list[Row]) -> None:
    assert len(products) >= 400


def test_the_catalogue_spans_at_least_nine_departments(products: list[Row]) -> None:
    assert len({product["category"][0] for product in products}) >= 9


def test_every_product_has_exactly_the_documented_columns(products: list[Row]) -> None:
    assert [product["id"] for product in products if set(product) != COLUMNS] == []


def test_every_product_has_a_title_a_category_and_a_price(products: list[Row]) -> None:
    assert [product["id"] for product in products if not (product["title"] and product["category"] and product["price"] > 0)] == []


def test_a_rating_is_between_one_and_five_or_missing(products: list[Row]) -> None:
    given = [product["rating"] for product in products if product["rating"] is not None]
    assert all(1 <= rating <= 5 for rating in given)


def test_some_descriptions_are_empty_and_some_are_long(products: list[Row]) -> None:
    lengths = [len(product["description"]) for product in products]
    assert min(lengths) == 0
    assert sum(length > 400 for length in lengths) >= 10


def test_products_that_share_a_title_differ_in_colour_or_size(products: list[Row]) -> None:
    looks = Counter((product["title"].lower(), product["color"], product["size"]) for product in products)
    assert [look for look, count in looks.items() if count > 1] == []


def test_products_that_share_a_title_are_of_one_brand_and_category(products: list[Row]) -> None:
    makers: dict[str, set[tuple[str, ...]]] = {}
    for product in products:
        makers.setdefault(product["title"].lower(), set()).add((product["brand"], *product["category"]))
    assert [title for title, of in makers.items() if len(of) > 1] == []


def test_there_are_sixty_different_queries(judged: list[Row]) -> None:
    assert len(judged) == len({entry["query"] for entry in judged}) == 60


def test_every_rated_id_is_a_product(products: list[Row], judged: list[Row]) -> None:
    known = {product["id"] for product in products}
    assert [name for entry in judged for name in rated_ids(entry) if name not in known] == []


def test_no_query_rates_a_product_twice(judged: list[Row]) -> None:
    assert [entry["query"] for entry in judged if len(set(rated_ids(entry))) != len(entry["ratings"])] == []


def test_every_query_rates_eight_to_sixteen_products(judged: list[Row]) -> None:
    assert [entry["query"] for entry in judged if not 8 <= len(entry["ratings"]) <= 16] == []


def test_every_grade_is_one_of_the_four(judged: list[Row]) -> None:
    assert {grade for entry in judged for grade in grades(entry)} == GRADES


def test_every_query_has_an_exact_product_and_another_grade(judged: list[Row]) -> None:
    assert [entry["query"] for entry in judged if 100 not in grades(entry) or len(set(grades(entry))) < 2] == []


def test_every_query_has_a_tempting_product_that_is_not_what_was_asked_for(judged: list[Row]) -> None:
    assert [entry["query"] for entry in judged if min(grades(entry)) > 1] == []


def test_every_kind_of_trap_is_set_at_least_three_times(judged: list[Row]) -> None:
    counts = Counter(entry["trap"] for entry in judged)
    assert set(counts) == TRAPS
    assert min(counts.values()) >= 3
