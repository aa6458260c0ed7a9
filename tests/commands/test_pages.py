"""What people see: two pages side by side."""

from __future__ import annotations

import io

from rich.console import Console, RenderableType

from cluster.compare import Comparison, Hit, Page, Summary
from cluster.pages import figures, not_applied, side_by_side


def printed(table: RenderableType) -> str:
    out = io.StringIO()
    Console(file=out, width=160).print(table)
    return out.getvalue()


def line_with(text: str, first_cell: str) -> str:
    return next(line for line in text.splitlines() if line.strip("│ ").startswith(first_cell))


FIRST = Page((Hit("case", "Case"), Hit("phone", "Phone")), 5)


def test_a_hit_shows_how_far_it_moved() -> None:
    text = printed(side_by_side(Comparison("phone", FIRST, Page((Hit("phone", "Phone"), Hit("case", "Case")), 50, True))))

    assert "↑1" in line_with(text, "1")
    assert "↓1" in line_with(text, "2")


def test_a_hit_from_beyond_the_first_page_is_new() -> None:
    text = printed(side_by_side(Comparison("phone", FIRST, Page((Hit("other", "Other"),), 50, True))))

    assert "new" in line_with(text, "1")


def test_grades_stand_beside_the_hits_and_unjudged_ones_have_none() -> None:
    text = printed(side_by_side(Comparison("phone", FIRST, FIRST), {"phone": 3}))

    assert [cell.strip() for cell in line_with(text, "1").split("│")][2] == "-"
    assert [cell.strip() for cell in line_with(text, "2").split("│")][2] == "3"


def test_a_query_that_was_read_otherwise_says_how() -> None:
    text = printed(side_by_side(Comparison("phnoe", FIRST, Page(FIRST.hits, 50, True, read_as="phone"))))

    assert "“phnoe”, read as “phone”" in text
    assert "read as" not in printed(side_by_side(Comparison("phone", FIRST, FIRST)))


def test_a_page_in_first_pass_order_is_never_headed_reranked() -> None:
    text = printed(side_by_side(Comparison("phone", FIRST, Page(FIRST.hits, 50, False, "deadline"))))

    assert "NOT re-ranked: deadline" in text


def test_a_page_that_says_nothing_of_re_ranking_is_not_headed_reranked() -> None:
    text = printed(side_by_side(Comparison("phone", FIRST, Page(FIRST.hits, 50))))

    assert "not annotated" in text
    assert "re-ranked" not in text


def test_figures_have_a_line_for_each_kind_of_request() -> None:
    text = printed(figures({"match": Summary(60, 0.5, 0.75, 4, 40, 0)}))

    assert [cell.strip() for cell in line_with(text, "match").split("│")][2:-1] == ["60", "0.500", "0.750", "4", "40"]


def test_pages_left_in_first_pass_order_are_counted_by_reason() -> None:
    late = Comparison("phone", FIRST, Page(FIRST.hits, 50, False, "deadline"))
    reranked = Comparison("phone", FIRST, Page(FIRST.hits, 50, True))

    assert not_applied([late, reranked, late]) == "2 of 3 pages came back in first-pass order (deadline 2)"
    assert not_applied([reranked]) == ""
