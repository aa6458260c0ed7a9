"""Texts and queries that contestants are given."""

from __future__ import annotations

from itertools import islice

import pytest

from benchmarks.workloads import Cutter, Shop, distinct_queries, passages, product_hits, product_text, repetition
from cluster.errors import InvalidCatalogue
from cluster.judgments import JudgedQuery
from tests.sidecar import tiny

TEMPLATE = tiny.template().text_template()
CUTTER = Cutter(tiny.tokenizer())
SHOP = Shop(
    {
        str(number): {"title": f"red shoe {number}", "brand": "acme", "description": "running shoes for large " + "cable " * 200}
        for number in range(12)
    },
    (JudgedQuery("red shoe", {"1": 3, "2": 0, "gone": 2}), JudgedQuery("usb cable", {"3": 1})),
)


def test_a_text_is_cut_at_a_token() -> None:
    assert CUTTER.cut("red shoe for running", 2) == "red shoe"


def test_a_tokenizer_of_fixed_length_counts_no_padding() -> None:
    padded = tiny.tokenizer()
    padded.enable_padding(length=12)
    padded.enable_truncation(3)
    cutter = Cutter(padded)

    assert cutter.count("red shoe for running shoes") == 5
    assert cutter.cut("red shoe", 4) == "red shoe"


def test_a_text_may_lose_its_front_instead() -> None:
    assert CUTTER.cut_front("red shoe for running", 2) == "for running"


@pytest.mark.parametrize("tokens", [4, 9])
def test_a_short_text_stays_whole(tokens: int) -> None:
    assert CUTTER.cut("red shoe for running", tokens) == "red shoe for running"


def test_a_product_keeps_to_the_template() -> None:
    text = product_text(SHOP.products["1"], TEMPLATE, CUTTER)

    assert text.startswith("red shoe 1 | acme | running shoes")
    assert CUTTER.count(text) <= TEMPLATE.max_document_tokens


def test_product_hits_fill_the_window_with_distinct_products() -> None:
    workload = product_hits(SHOP, TEMPLATE, CUTTER, hits=10, queries=2)

    assert [request.query for request in workload.requests] == ["red shoe", "usb cable"]
    assert [len(set(request.documents)) for request in workload.requests] == [10, 10]


def test_tokens_of_a_request_count_the_query_and_special_tokens_of_each_pair() -> None:
    (request,) = product_hits(SHOP, TEMPLATE, CUTTER, hits=3, queries=1).requests

    assert request.tokens == sum(CUTTER.count(text) + 2 + 3 for text in request.documents)


def test_passages_keep_to_the_longest_pair() -> None:
    (request,) = passages(SHOP, CUTTER, limit=40, hits=5, queries=1).requests

    assert request.tokens == 5 * 40


def test_a_catalogue_that_is_too_small_is_refused() -> None:
    with pytest.raises(InvalidCatalogue, match="12 products"):
        product_hits(SHOP, TEMPLATE, CUTTER, hits=13, queries=1)


def test_distinct_queries_never_repeat() -> None:
    queries = list(distinct_queries(SHOP, ["sofa", "Red Shoe"]))

    assert len({query.lower() for query in queries}) == len(queries)
    assert {"red shoe", "usb cable", "sofa"} <= {query.lower() for query in queries}


def test_a_repeating_stream_repeats_as_its_ids_do() -> None:
    assert list(repetition(["a", "b", "a", "c", "b"], iter(["x", "y", "z"]))) == ["x", "y", "x", "z", "y"]


def test_a_repeating_stream_ends_where_the_queries_do() -> None:
    assert list(islice(repetition(["a", "b", "c"], iter(["x", "y"])), 5)) == ["x", "y"]
