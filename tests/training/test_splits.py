"""Splits are stable, and parts that share a query or a moment are refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.training.logs import log
from training.data.build import query_lists
from training.data.engine import Engine
from training.data.judgments import MSRD_COLUMNS, read_judgments, read_quepid
from training.data.lists import QueryList
from training.data.splits import (
    Leakage,
    canonical,
    check_leakage,
    check_time_leakage,
    named_parts,
    part_of,
    split_by_names,
    split_by_query,
    split_by_time,
    split_without_leaks,
    without_leaks,
)


def lists(*queries: str) -> list[QueryList]:
    return [QueryList(query, query, ("d",), (1.0,), "shop") for query in queries]


# CRC-32 modulo 10, computed apart: table 0, door 1, lamp 4.
@pytest.mark.parametrize(("query", "part"), [("table", "test"), ("TABLE", "test"), ("DOOR", "validation"), ("lamp", "train")])
def test_a_querys_part_follows_the_checksum_of_its_lower_cased_text(query: str, part: str) -> None:
    assert part_of(query) == part


def test_a_split_by_query_loses_no_list() -> None:
    parts = split_by_query(lists("table", "door", "lamp", "desk"))
    assert {part: [item.query for item in found] for part, found in parts.items()} == {
        "train": ["lamp", "desk"],
        "validation": ["door"],
        "test": ["table"],
    }


def test_a_named_split_must_name_every_query_once() -> None:
    parts = split_by_names(lists("a", "b"), {"train": ["a"], "test": ["b"]})
    assert [item.query for item in parts["test"]] == ["b"]
    with pytest.raises(ValueError, match="does not name the query 'c'"):
        split_by_names(lists("c"), {"train": ["a"]})
    with pytest.raises(Leakage, match="names a query twice"):
        split_by_names(lists("a"), {"train": ["a"], "test": ["a"]})


def test_a_split_file_without_validation_gives_it_a_fifth_of_train_and_one_with_it_is_kept() -> None:
    queries = [f"lamp {number}" for number in range(100)]
    derived = split_by_names(lists(*queries, "door"), {"train": queries, "test": ["door"]})
    named = split_by_names(lists(*queries, "door"), {"train": queries, "validation": ["door"]})

    assert 10 <= len(derived["validation"]) <= 30
    assert len(derived["train"]) + len(derived["validation"]) == 100
    assert [len(found) for found in named.values()] == [100, 1, 0]


@pytest.mark.parametrize("spelling", ["{} LAMP!", " {}-lamp", "{}  Lamp?"], ids=["case", "hyphen", "spaces"])
def test_spellings_of_one_query_validate_together(spelling: str) -> None:
    numbers = range(50)
    parts = named_parts({"train": [text.format(number) for number in numbers for text in ("{} lamp", spelling)], "test": []})
    assert all(parts[f"{number} lamp"] == parts[spelling.format(number)] for number in numbers)
    assert set(parts.values()) == {"train", "validation"}


def test_a_refusal_says_what_to_edit_in_the_split_file() -> None:
    with pytest.raises(Leakage, match="Name all spellings of a query in one part of the split file, or leave the file out"):
        check_leakage({"train": lists("lamp"), "test": lists("Lamp!")})


@pytest.mark.parametrize("spelling", ["Red LAMP", " red  lamp ", "red-lamp!", "\uff52ed lamp"])
def test_a_query_in_two_parts_is_refused_in_any_spelling(spelling: str) -> None:
    with pytest.raises(Leakage, match=r"1 queries are in two parts: .* \(train and test\)"):
        check_leakage({"train": lists("red lamp", "desk"), "test": lists(spelling)})


def test_parts_without_a_common_query_pass() -> None:
    check_leakage({"train": lists("red lamp", "Red Lamp"), "validation": lists("blue lamp"), "test": lists("red lamps")})


def test_leaking_queries_can_be_dropped_from_training_and_are_counted() -> None:
    kept, dropped = without_leaks(lists("red lamp", "Desk", "desk!", "rug"), lists("desk"), lists("RUG"))
    assert [item.query for item in kept] == ["red lamp"]
    assert dropped == 3
    check_leakage({"train": kept, "test": lists("desk", "RUG")})


def test_words_of_other_alphabets_stay_apart() -> None:
    assert canonical("Żółta-LAMPA") == "żółta lampa"
    assert canonical("红灯") != canonical("蓝灯")


def test_the_past_trains_and_the_future_tests() -> None:
    rows = log(*({"item_id": str(moment), "timestamp_ms": moment} for moment in (1, 9, 10, 19, 20, 30)), {"item_id": "undated"})
    split = split_by_time(rows, 10, 20)
    found = [sorted(part.item_id.to_pyarrow().to_pylist()) for part in (split.train, split.validation, split.test)]
    assert found == [["1", "9"], ["10", "19"], ["20", "30"]]
    assert split.undated == 1
    check_time_leakage(split.train, split.test)


def test_training_on_the_future_is_refused() -> None:
    past, future = (log({"item_id": "a", "timestamp_ms": moment}) for moment in (10, 20))
    with pytest.raises(Leakage, match="would see the future"):
        check_time_leakage(future, past)
    with pytest.raises(Leakage, match="would see the future"):
        check_time_leakage(past, past)
    with pytest.raises(ValueError, match="validation starts after test"):
        split_by_time(past, 20, 10)


def test_the_real_splits_do_not_leak_once_other_spellings_are_dropped(engine: Engine, real_data: Path) -> None:
    esci, _ = query_lists(read_quepid(real_data / "esci" / "judgments.json.gz").rows, "esci")
    named = split_by_names(esci, json.loads((real_data / "esci" / "split.json").read_text()))
    assert {part: len(found) for part, found in named.items()} == {"train": 79, "validation": 21, "test": 50}
    check_leakage(named)
    msrd, _ = query_lists(read_judgments(engine, [real_data / "msrd" / "movies-judgments.tsv.gz"], MSRD_COLUMNS).rows, "msrd")
    parts, report = split_without_leaks(msrd)
    check_leakage(parts)
    assert report.dropped == {"another spelling is in a later part": 4}
