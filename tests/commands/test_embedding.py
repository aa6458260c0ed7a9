"""What a document's vector is made of."""

from __future__ import annotations

from cluster.embedding import passage_text


def test_a_passage_is_the_roles_in_reading_order() -> None:
    body = {"description": "Boils.", "brand": "Acme", "title": "Kettle", "category": ["Kitchen", "Kettles"], "price": 20}

    assert passage_text(body) == "Kettle | Acme | Kitchen, Kettles | Boils."


def test_empty_fields_leave_no_separators() -> None:
    assert passage_text({"title": "Kettle", "brand": "", "attributes": []}) == "Kettle"
