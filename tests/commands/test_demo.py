"""What the demo finds and picks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cluster.compare import Comparison, Hit, Page
from cluster.demo import find_catalogue, most_changed, summaries
from cluster.errors import InvalidCatalogue
from cluster.judgments import JudgedQuery

JUDGED = [JudgedQuery("kettle", {"a": 3}), JudgedQuery("toaster", {"b": 3})]


def page(*ids: str) -> Page:
    return Page(tuple(Hit(each, each) for each in ids), 1.0, applied=True)


BETTER = Comparison("kettle", page("x", "a"), page("a", "x"))
SAME = Comparison("toaster", page("b"), page("b"))


def test_a_folder_with_gzipped_files_is_a_catalogue(tmp_path: Path) -> None:
    for name in ("products.jsonl.gz", "judgments.json.gz"):
        (tmp_path / name).touch()

    found = find_catalogue(tmp_path)

    assert (found.products.name, found.judgments and found.judgments.name) == ("products.jsonl.gz", "judgments.json.gz")


def test_a_folder_without_judgments_is_a_catalogue_too(tmp_path: Path) -> None:
    (tmp_path / "products.csv").touch()

    assert find_catalogue(tmp_path).judgments is None


def test_a_folder_without_products_is_none(tmp_path: Path) -> None:
    with pytest.raises(InvalidCatalogue, match=r"products\.jsonl"):
        find_catalogue(tmp_path)


def test_queries_held_back_from_training_have_figures_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "products.jsonl").touch()
    (tmp_path / "split.json").write_text(json.dumps({"train": ["kettle"], "test": ["toaster"]}))

    found = summaries({"match": [BETTER, SAME]}, JUDGED, find_catalogue(tmp_path).test_queries)

    assert {label: each.queries for label, each in found.items()} == {"match": 2, "match, test queries": 1}


def test_the_pages_that_changed_most_come_first_whether_better_or_worse() -> None:
    worse = Comparison("kettle", page("a", "x"), page("x", "y"))

    assert most_changed([SAME, BETTER, worse], JUDGED, 2) == [worse, BETTER]
