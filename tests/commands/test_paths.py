"""A dotted path leads to the same values in a document as the plugin reads there."""

from __future__ import annotations

from typing import Any

import pytest

from cluster.paths import at_path, texts_at
from cluster.served_fields import read_roles


@pytest.mark.parametrize(
    ("source", "path", "value"),
    [
        ({"author": {"name": "Ann"}}, "author.name", "Ann"),
        ({"author.name": "Ann"}, "author.name", "Ann"),
        ({"author": {"name.full": "Ann"}}, "author.name.full", "Ann"),
        ({"author": [{"name": "Ann"}, {"name": "Bo"}, {"age": 4}]}, "author.name", ["Ann", "Bo"]),
        ({"author": {"name": ["Ann"]}}, "author.name", ["Ann"]),
        ({"author": {"name": {"first": "Ann", "last": "Lee"}, "age": 4}}, "author.name", ["Ann", "Lee"]),
        ({"author.name": "Ann"}, "author", "Ann"),
        ({"author": {"name": {"first": "Ann"}}}, "author.name", "Ann"),
        ({"offer": {"price": 9.5}}, "offer.price", 9.5),
        ({"author": "Ann"}, "author.name", None),
        ({"author": {"name": ["", None, []]}}, "author.name", None),
        ({"authors": {"name": "Ann"}}, "author.name", None),
    ],
)
def test_objects_arrays_and_keys_with_dots_lead_to_the_same_place(source: dict[str, Any], path: str, value: Any) -> None:
    assert at_path(source, path) == value


def test_what_models_are_sent_of_several_values_is_texts() -> None:
    assert texts_at({"offers": [{"price": 9.5}, {"price": True}]}, "offers.price") == ["9.5", "yes"]
    assert texts_at({"offer": {"price": 9.5}}, "offer.price") == 9.5


def test_a_path_through_a_list_of_objects_gives_the_value_of_each() -> None:
    source = {"offers": [{"colour": "red"}, {"colour": "blue"}, {"size": 4}], "empty": []}

    assert read_roles(source, {"color": "offers.colour", "size": "empty"}) == {"color": ["red", "blue"]}
