"""Two pages of one request, and their figures."""

from __future__ import annotations

from typing import Any

import pytest

from cluster.compare import Comparison, Hit, Page, compare, fail_unless_reranked, mean_ndcg, summarize
from cluster.errors import ServiceFailed
from cluster.judgments import JudgedQuery


def page(*ids: str, wait_ms: float = 1.0, applied: bool | None = True, reason: str = "") -> Page:
    return Page(tuple(Hit(each, each.upper()) for each in ids), wait_ms, applied, reason)


class RecordingClient:
    """Answers every search with one hit and keeps what it was asked."""

    def __init__(self, ext: dict[str, Any], title: Any = "A") -> None:
        self.asked: list[dict[str, Any]] = []
        self._ext = ext
        self._title = title

    def search(self, **request: Any) -> dict[str, Any]:
        self.asked.append(request)
        return {"hits": {"hits": [{"_id": "a", "_source": {"title": self._title}}]}, "ext": self._ext}


def test_the_requests_differ_in_the_pipeline_alone() -> None:
    client = RecordingClient({})

    compare(client, "products", "kettle", {"size": 10})

    *_, first, second = client.asked
    assert first == {"index": "products", "body": {"size": 10}, "params": {"search_pipeline": "_none"}}
    assert second == {"index": "products", "body": {"size": 10}, "params": {}}


def test_a_page_says_whether_it_was_reranked() -> None:
    client = RecordingClient({"rerank": {"applied": False, "reason": "deadline"}})

    reranked = compare(client, "products", "kettle", {}).reranked

    assert (reranked.applied, reranked.reason) == (False, "deadline")


@pytest.mark.parametrize(("title", "shown"), [(["Kettle", "Bouilloire"], "Kettle, Bouilloire"), (1984, "1984"), (None, "")])
def test_titles_are_shown_as_text_whatever_they_are(title: Any, shown: str) -> None:
    assert compare(RecordingClient({}, title), "products", "kettle", {}).first_pass.hits[0].title == shown


def test_a_title_is_read_where_the_caller_says_that_it_lies() -> None:
    (hit,) = compare(RecordingClient({}, {"en": "Kettle"}), "products", "kettle", {}, "title.en").first_pass.hits

    assert hit.title == "Kettle"


def test_ndcg_has_gains_of_two_to_the_grade_less_one() -> None:
    judged = [JudgedQuery("kettle", {"a": 3, "b": 1})]

    reversed_order = (1 + 7 / 1.5849625007211562) / (7 + 1 / 1.5849625007211562)

    assert mean_ndcg({"kettle": page("a", "b")}, judged) == pytest.approx(1.0)
    assert mean_ndcg({"kettle": page("b", "a")}, judged) == pytest.approx(reversed_order)


def test_a_query_without_a_hit_counts_nothing() -> None:
    judged = [JudgedQuery("kettle", {"a": 3}), JudgedQuery("toaster", {"b": 3})]

    assert mean_ndcg({"kettle": page("a"), "toaster": page()}, judged) == pytest.approx(0.5)


def test_a_summary_holds_means_medians_and_the_pages_left_alone() -> None:
    judged = [JudgedQuery("kettle", {"a": 3}), JudgedQuery("toaster", {"b": 3})]
    comparisons = [
        Comparison("kettle", page("x", wait_ms=2), page("a", wait_ms=20)),
        Comparison("toaster", page("b", wait_ms=4), page("b", wait_ms=40, applied=False)),
    ]

    summary = summarize(comparisons, judged)

    assert (summary.queries, summary.not_applied) == (2, 1)
    assert (summary.first_pass_ndcg, summary.reranked_ndcg) == pytest.approx((0.5, 1.0))
    assert (summary.first_pass_ms, summary.reranked_ms) == (3, 30)


def test_comparing_pages_that_were_never_reranked_is_a_failure() -> None:
    left_alone = Comparison("kettle", page("a"), page("a", applied=False, reason="connection"))

    with pytest.raises(ServiceFailed, match="no page was re-ranked: connection"):
        fail_unless_reranked([left_alone])


def test_one_reranked_page_is_enough_to_compare() -> None:
    fail_unless_reranked([Comparison("kettle", page("a"), page("a", applied=False)), Comparison("toaster", page("a"), page("a"))])
