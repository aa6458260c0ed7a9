"""What the sidecar is given of a catalogue's documents: what the plugin sends of the same documents as hits, in bounded requests."""

from __future__ import annotations

import json

from cluster.sent import MAX_FIELD_CHARS, as_hit, requests_of


def test_texts_are_cut_where_the_plugin_cuts_them() -> None:
    assert as_hit({"title": "  Kettle ", "description": "a" * 3000}) == {"title": "Kettle", "description": "a" * MAX_FIELD_CHARS}


def test_the_values_of_a_list_share_one_budget() -> None:
    assert as_hit({"tags": ["a" * 1500, "b" * 1500, "c"]})["tags"] == ["a" * 1500, "b" * 500]


def test_an_emoji_that_the_cut_would_part_is_left_out_whole() -> None:
    assert as_hit({"title": "a" * (MAX_FIELD_CHARS - 1) + "\U0001f600"})["title"] == "a" * (MAX_FIELD_CHARS - 1)
    assert as_hit({"title": "a" * (MAX_FIELD_CHARS - 2) + "\U0001f600"})["title"].endswith("\U0001f600")


def test_numbers_stay_and_what_is_empty_goes() -> None:
    assert as_hit({"year": 1999, "none": None, "empty": {}, "size": [40, None]}) == {"year": 1999, "size": [40]}


def test_numbers_among_several_values_are_texts_as_in_the_plugin() -> None:
    assert as_hit({"size": [38.5, 39.0, 40], "sizes": [1, None, "b"]}) == {"size": ["38.5", "39.0", "40"], "sizes": ["1", "b"]}


def test_an_object_stands_for_the_values_in_it_as_in_the_plugin() -> None:
    assert as_hit({"maker": {"name": "Acme", "city": "Bern"}}) == {"maker": ["Acme", "Bern"]}
    assert as_hit({"maker": {"name": "Acme"}, "mixed": [1, {"a": 2}, "b"]}) == {"maker": "Acme", "mixed": ["1", "2", "b"]}


def test_a_request_has_at_most_so_many_documents_and_so_many_bytes() -> None:
    small = [{"title": str(number)} for number in range(5)]
    assert [len(part) for part in requests_of(small, 2)] == [2, 2, 1]
    # Sixty long texts each, six bytes a character as JSON.
    large = [{f"text {column}": "é" * 5000 for column in range(60)} for _ in range(16)]
    parts = list(requests_of(large, 16))
    assert len(parts) > 1
    assert sum(map(len, parts)) == 16
    assert all(len(json.dumps(part)) < 5 << 20 for part in parts)
    assert list(requests_of([], 16)) == []
