"""Pages of whole pipelines are compared with those of the same search as it is, and their lines say how many were re-ranked in time."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from cluster.served_pages import ServedPage
from training.data.lists import QueryList
from training.evaluate.as_served import served_rows

QUERIES = [
    QueryList("q1", "red shoe", ("good", "bad"), (3, 0), "test"),
    QueryList("q2", "blue shoe", ("good", "bad"), (3, 0), "test"),
]
BAD_FIRST, GOOD_FIRST = ("bad", "good"), ("good", "bad")


class Pages:
    """A node on which `rerank` turns the pages of one query round, in 300 of its 200 ms, and misses its sidecar on the other."""

    searches = ("bm25", "shop")
    pipelines: Mapping[str, int] = {"rerank": 200}

    def page(self, search: str, query: str, size: int, pipeline: str | None) -> ServedPage:
        assert (search in self.searches, size) == (True, 10)
        if pipeline is None:
            return ServedPage(BAD_FIRST)
        if query == "red shoe":
            return ServedPage(GOOD_FIRST, applied=True, neighbours=3, added_ms=300)
        return ServedPage(BAD_FIRST, reason="unreachable")


def test_every_search_has_a_line_without_and_one_with_each_pipeline() -> None:
    rows = served_rows(Pages(), QUERIES, lambda _: None)

    assert [(row.search, row.pipeline) for row in rows] == [("bm25", None), ("bm25", "rerank"), ("shop", None), ("shop", "rerank")]


def test_a_line_says_what_the_pipeline_is_worth_and_how_many_pages_it_made_in_time() -> None:
    plain, served = served_rows(Pages(), QUERIES, lambda _: None)[:2]

    assert plain.ndcg == pytest.approx(0.6309, abs=1e-4)
    assert plain.difference is None
    assert served.ndcg == pytest.approx((1 + 0.6309) / 2, abs=1e-4)
    assert served.difference is not None
    assert served.difference.difference == pytest.approx(served.ndcg - plain.ndcg)
    assert (served.pages, served.reranked, served.reasons, served.neighbours) == (2, 1, {"unreachable": 1}, 1.5)
    assert (served.median_ms, served.deadline_ms, served.late) == (300, 200, 1)


def test_progress_is_told_of_every_query() -> None:
    done: list[int] = []

    served_rows(Pages(), QUERIES, done.append)

    assert done == [1, 1]
