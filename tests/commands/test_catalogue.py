"""Catalogue files: every row becomes a document or is named by file and line."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest

from cluster.catalogue import BadRow, Document, FieldNames, count_rows, read_catalogue
from cluster.errors import InvalidCatalogue


def rows(path: Path, names: FieldNames | None = None) -> list[Document | BadRow]:
    return list(read_catalogue(path, names or FieldNames()))


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_a_json_line_becomes_a_document_with_its_line_number(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", '{"id": "p1", "title": "Kettle"}\n\n{"id": "p2", "title": "Toaster"}\n')

    assert rows(path) == [
        Document("p1", {"id": "p1", "title": "Kettle"}, 1),
        Document("p2", {"id": "p2", "title": "Toaster"}, 3),
    ]


def test_the_metadata_id_names_the_document_and_is_no_part_of_its_body(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", '{"_id": 7, "title": "Kettle", "brand": null}\n')

    assert rows(path) == [Document("7", {"title": "Kettle"}, 1)]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        pytest.param("{", "not a JSON object", id="broken JSON"),
        pytest.param("[1]", "not a JSON object", id="not an object"),
        pytest.param('{"title": "Kettle"}', "no id", id="no id"),
        pytest.param('{"id": "", "title": "Kettle"}', "no id", id="empty id"),
        pytest.param('{"id": 1.5}', "id must be a text or a whole number", id="an id that is a fraction"),
        pytest.param('{"id": true}', "id must be a text or a whole number", id="an id that is a truth value"),
    ],
)
def test_a_bad_json_row_is_named_by_its_line_and_the_next_is_read(tmp_path: Path, row: str, reason: str) -> None:
    path = written(tmp_path / "a.jsonl", f'{row}\n{{"id": "p2"}}\n')

    bad, good = rows(path)

    assert isinstance(bad, BadRow)
    assert str(bad).startswith(f"{path}:1: {reason}")
    assert good == Document("p2", {"id": "p2"}, 2)


def test_a_gzipped_file_reads_like_a_plain_one(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"id": "p1"}\n'))

    assert rows(path) == [Document("p1", {"id": "p1"}, 1)]


def test_csv_columns_become_fields_and_empty_cells_are_left_out(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", 'id,title,price\np1,"Kettle, 1.7 l",29.90\np2,Toaster,\n')

    assert rows(path) == [
        Document("p1", {"id": "p1", "title": "Kettle, 1.7 l", "price": "29.90"}, 2),
        Document("p2", {"id": "p2", "title": "Toaster"}, 3),
    ]


def test_a_csv_row_is_named_by_the_line_that_it_starts_on(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", 'id,title\np1,"two\nlines"\np2,x,y\n')

    assert rows(path)[1] == BadRow(path, 4, "3 cells under 2 columns")


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_a_csv_is_split_where_its_first_line_is(tmp_path: Path, delimiter: str) -> None:
    """As spreadsheets write it where the comma is the decimal sign, and WANDS its tables."""
    path = tmp_path / "shop.csv"
    path.write_text(f'id{delimiter}title{delimiter}"price, EUR"\n1{delimiter}Lamp, red{delimiter}9,90\n')
    assert [row.body for row in rows(path) if isinstance(row, Document)] == [{"id": "1", "title": "Lamp, red", "price, EUR": "9,90"}]
    assert count_rows(path) == 1


def test_tab_separated_files_are_read_by_their_name(tmp_path: Path) -> None:
    path = written(tmp_path / "a.tsv", "id\ttitle\np1\tKettle\n")

    assert rows(path) == [Document("p1", {"id": "p1", "title": "Kettle"}, 2)]


@pytest.mark.parametrize(
    ("row", "body"),
    [
        pytest.param({"name": "Kettle"}, {"title": "Kettle"}, id="another name"),
        pytest.param({"name": "K", "title": "Kettle"}, {"name": "K", "title": "Kettle"}, id="our name is there"),
        pytest.param({"description": "a", "bullet_points": "b"}, {"description": "a b"}, id="texts of two columns"),
        pytest.param({"description": "", "bullet_points": "b"}, {"description": "b"}, id="one of two is empty"),
        pytest.param({"description": "", "bullet_points": ""}, {}, id="both are empty"),
        pytest.param(
            {"director": "D", "actors": list("ABCDEF")},
            {"creator": ["D", "A", "B", "C", "D", "E"], "actors": list("ABCDEF")},
            id="a column taken in part",
        ),
    ],
)
def test_columns_of_public_catalogues_make_the_fields_that_training_reads(row: dict[str, object], body: dict[str, object]) -> None:
    assert FieldNames().document({"id": "p1", **row}, 1) == Document("p1", {"id": "p1", **body}, 1)


def test_a_recognised_column_that_is_a_field_of_the_mapping_stays_beside_the_role_that_it_makes() -> None:
    names = FieldNames(own=frozenset({"product_name", "description"}))

    body = names.document({"id": "p1", "product_name": "Kettle", "description": "a", "bullet_points": "b"}, 1).body

    assert body == {"id": "p1", "product_name": "Kettle", "title": "Kettle", "description": "a b"}


def test_several_sources_of_one_target_are_joined_in_their_order() -> None:
    names = FieldNames({"summary": "description", "details": "description"})

    assert names.document({"id": "p1", "details": "steel", "summary": "A kettle."}, 1).body == {
        "id": "p1",
        "description": "A kettle. steel",
    }


def test_sources_in_another_order_are_other_rules() -> None:
    one, other = FieldNames({"a": "description", "b": "description"}), FieldNames({"b": "description", "a": "description"})

    assert one.rules() == FieldNames({"a": "description", "b": "description"}).rules() != other.rules()


def test_chosen_names_go_before_recognised_ones(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", '{"sku": "p1", "name": "short", "long_name": "long"}\n')

    names = FieldNames({"long_name": "title", "name": "label"}, id_field="sku")

    assert rows(path, names) == [Document("p1", {"sku": "p1", "label": "short", "title": "long"}, 1)]


@pytest.mark.parametrize("target", ["id", "_id"])
def test_a_column_that_is_renamed_to_the_id_names_the_document(target: str) -> None:
    names = FieldNames({"sku": target})

    assert names.document({"_id": 7, "id": 8, "sku": "p1"}, 1).id == "p1"


def test_several_columns_of_the_id_are_joined_as_in_the_body() -> None:
    names = FieldNames({"shop": "id", "number": "id"})

    assert names.document({"shop": "de", "number": 7}, 1) == Document("de 7", {"id": "de 7"}, 1)


def test_a_row_without_the_column_that_is_renamed_to_the_id_takes_no_other(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", '{"id": 8, "title": "Kettle"}\n')

    assert rows(path, FieldNames({"sku": "id"})) == [BadRow(path, 1, "no id: expected a value in sku")]


def test_a_row_without_an_id_names_the_option_that_chooses_another_column(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", '{"sku": "p1"}\n')

    assert rows(path) == [BadRow(path, 1, "no id: expected a value in _id or id (--id-field names another column)")]


_WHOLE = gzip.compress(b'{"id": "p1"}\n' * 1000)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b'{"id": "p1"}\n', id="a plain file"),
        pytest.param(_WHOLE[:-12], id="cut off"),
        pytest.param(_WHOLE[:10] + b"\xff" * 20, id="garbage inside"),
    ],
)
def test_a_broken_gzip_file_is_refused_by_its_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(content)

    with pytest.raises(InvalidCatalogue, match=r"a\.jsonl\.gz cannot be read: .*take \.gz off"):
        rows(path)
    with pytest.raises(InvalidCatalogue, match=r"a\.jsonl\.gz cannot be read: .*take \.gz off"):
        count_rows(path)


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidCatalogue, match=r"\.jsonl"):
        rows(written(tmp_path / "a.xlsx", ""))


def test_a_table_without_column_names_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidCatalogue, match="must name the columns"):
        rows(written(tmp_path / "a.csv", ""))


def test_a_first_line_that_is_no_row_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "broken.csv"
    path.write_text('"id"x,title\n1,red\n')
    with pytest.raises(InvalidCatalogue, match="the first line does not name the columns"):
        list(read_catalogue(path, FieldNames()))


def test_rows_are_counted_without_blank_lines_and_header(tmp_path: Path) -> None:
    assert count_rows(written(tmp_path / "a.jsonl", '{"id": 1}\n\n{"id": 2}\n')) == 2
    assert count_rows(written(tmp_path / "a.csv", "id\n1\n2\n3\n")) == 3
    assert count_rows(written(tmp_path / "empty.csv", "")) == 0


@pytest.mark.parametrize("text", ['id,text\np1,"two\nlines\n\nand more"\np2,x\n', 'id,text\np1,"12 inch pan\np2,"two\nlines"\n\np3\n'])
def test_as_many_rows_are_counted_as_are_read(tmp_path: Path, text: str) -> None:
    path = written(tmp_path / "a.csv", text)

    assert count_rows(path) == len(rows(path)) > 1


@pytest.mark.parametrize(("name", "mark"), [("a.csv", ","), ("a.tsv", "\t")])
def test_an_inch_mark_that_opens_a_cell_costs_its_own_row_alone(tmp_path: Path, name: str, mark: str) -> None:
    lines = ["id,title", 'p1,"12 inch pan', "p2,Pot", 'p3,"19 inch rack', "p4,Lid", 'p5,"A ""red"" lid"', "p6,Cup"]
    path = written(tmp_path / name, "\n".join(lines).replace(",", mark) + "\n")

    assert [(row.id, row.line) for row in rows(path) if isinstance(row, Document)] == [("p2", 3), ("p4", 5), ("p5", 6), ("p6", 7)]
    assert [row.line for row in rows(path) if isinstance(row, BadRow)] == [2, 4]


def test_a_cell_may_hold_a_whole_article(tmp_path: Path) -> None:
    article = "A paragraph, with a comma\n" * 20_000
    path = written(tmp_path / "a.csv", f'id,text\np1,x\np2,"{article}"\np3,y\n')

    assert [(row.id, row.line) for row in rows(path) if isinstance(row, Document)] == [("p1", 2), ("p2", 3), ("p3", 20_004)]


def test_an_id_that_opensearch_would_refuse_is_named_and_costs_no_other_row(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", '{"id": "' + "é" * 257 + '"}\n{"id": "' + "é" * 256 + '"}\n')

    assert rows(path) == [
        BadRow(path, 1, "id has 514 bytes: OpenSearch takes ids of at most 512"),
        Document("é" * 256, {"id": "é" * 256}, 2),
    ]


@pytest.mark.parametrize(("name", "text"), [("a.jsonl", '{"id": "p1", "title": "Kettle"}\n'), ("a.csv", "id,title\np1,Kettle\n")])
def test_a_renamed_column_that_no_row_has_is_refused_with_those_that_there_are(tmp_path: Path, name: str, text: str) -> None:
    path = written(tmp_path / name, text)

    with pytest.raises(InvalidCatalogue, match="no row has the column titel; the rows have id, title"):
        rows(path, FieldNames({"titel": "title"}))
    assert rows(path, FieldNames({"title": "title", "titel": "title"}))


def test_a_table_without_a_renamed_column_is_refused_before_its_first_row(tmp_path: Path) -> None:
    reading = read_catalogue(written(tmp_path / "a.csv", "id,title\np1,Kettle\n"), FieldNames({"titel": "title"}))

    with pytest.raises(InvalidCatalogue, match="no row has the column titel"):
        next(reading)


def test_a_renamed_column_may_be_empty_in_all_rows(tmp_path: Path) -> None:
    assert rows(written(tmp_path / "a.csv", "id,maker\np1,\n"), FieldNames({"maker": "brand"})) == [Document("p1", {"id": "p1"}, 2)]


@pytest.mark.parametrize(
    ("row", "creator"),
    [
        ({"author": {"name": "Ann", "age": 40}}, "Ann"),
        ({"author.name": "Ann"}, "Ann"),
        ({"author": [{"name": "Ann"}, {"name": "Bo"}]}, ["Ann", "Bo"]),
        ({"author": {"age": 40}}, None),
    ],
)
def test_a_path_into_an_object_is_indexed_and_the_object_stays(row: dict[str, Any], creator: Any) -> None:
    body = FieldNames({"author.name": "creator"}).document({"id": "p1", **row}, 1).body

    assert body.get("creator") == creator
    assert body.get("author") == row.get("author")
    assert "author.name" not in body


def test_a_path_keeps_the_types_of_what_it_leads_to() -> None:
    names = FieldNames({"stock.left": "left", "stock.sold": "sold"}, id_field="codes.sku")

    document = names.document({"codes": {"sku": 7}, "stock": {"left": True, "sold": [1.5, 2]}}, 1)

    assert (document.id, document.body["left"], document.body["sold"]) == ("7", True, [1.5, 2])


def test_a_path_that_leads_nowhere_in_any_row_is_refused_with_the_columns_that_there_are(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", '{"id": "p1", "author": {"nam": "Ann"}}\n')

    with pytest.raises(InvalidCatalogue, match=r"no row has the column author\.name; the rows have author, id"):
        rows(path, FieldNames({"author.name": "creator"}))
    assert rows(path, FieldNames({"author.nam": "creator"}))
