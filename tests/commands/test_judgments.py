"""Judgments in the ESCI and Quepid shape."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from cluster.errors import InvalidCatalogue
from cluster.judgments import JudgedQuery, read_judgments


def file_of(path: Path, ratings: dict[str, object]) -> Path:
    judged = [{"docId": doc, "rating": rating} for doc, rating in ratings.items()]
    content = json.dumps({"judgmentRatings": [{"query": "kettle", "ratings": judged}]}).encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def test_ratings_become_grades(tmp_path: Path) -> None:
    path = file_of(tmp_path / "j.json", {"a": 100, "b": 10, "c": 1, "d": 0})

    assert read_judgments(path) == [JudgedQuery("kettle", {"a": 3, "b": 2, "c": 1, "d": 0})]


def test_ratings_may_be_texts_and_the_file_gzipped(tmp_path: Path) -> None:
    path = file_of(tmp_path / "j.json.gz", {"a": "100.000"})

    assert read_judgments(path) == [JudgedQuery("kettle", {"a": 3})]


def test_grades_are_read_as_written_where_a_rating_is_none_of_escis(tmp_path: Path) -> None:
    path = file_of(tmp_path / "j.json", {"a": 3, "b": "2.0", "c": 1, "d": 0})

    assert read_judgments(path) == [JudgedQuery("kettle", {"a": 3, "b": 2, "c": 1, "d": 0})]


def test_a_file_that_mixes_ratings_and_grades_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidCatalogue, match="rating 3 is none of 100, 10, 1, 0"):
        read_judgments(file_of(tmp_path / "j.json", {"a": 100, "b": 3}))


def test_a_rating_of_another_scale_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidCatalogue, match="rating 5 is none of 100, 10, 1, 0"):
        read_judgments(file_of(tmp_path / "j.json", {"a": 5}))


def test_a_file_of_another_shape_is_refused_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "j.json"
    path.write_text("[]")

    with pytest.raises(InvalidCatalogue, match=str(path)):
        read_judgments(path)


def test_a_file_that_was_cut_off_is_refused_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "cut.json.gz"
    path.write_bytes(gzip.compress(b'{"judgmentRatings": []}')[:-9])
    with pytest.raises(InvalidCatalogue, match=r"cut\.json\.gz"):
        read_judgments(path)
