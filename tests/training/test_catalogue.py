"""Catalogue rows become the fields that the text template knows."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from training.data.catalogue import ESCI, MSRD, PRESETS, CatalogueColumns, catalogue_columns, document, read_catalogue

SHOP = CatalogueColumns("sku", {"title": "name", "brand": "maker.name", "category": "path", "size": "size"})


def test_columns_become_roles_and_empty_ones_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "shop.jsonl.gz"
    path.write_bytes(
        gzip.compress(b'{"sku": 7, "name": "Lamp", "maker": {"name": "Lux"}, "path": ["Home", null, "Lamps"], "size": ""}\n\n')
    )
    catalogue, report = read_catalogue([path], SHOP)
    assert catalogue == {"7": {"title": "Lamp", "brand": "Lux", "category": ["Home", "Lamps"]}}
    assert (report.rows, report.kept) == (1, 1)


@pytest.mark.parametrize(("name", "mark"), [("shop.csv", ","), ("shop.tsv", "\t")])
def test_a_delimited_catalogue_may_span_lines(tmp_path: Path, name: str, mark: str) -> None:
    path = tmp_path / name
    path.write_text(f'sku{mark}name\n1{mark}"Lamp,\n""red"""\n2{mark}Desk\n')
    catalogue, _ = read_catalogue([path], CatalogueColumns("sku", {"title": "name"}))
    assert catalogue == {"1": {"title": 'Lamp,\n"red"'}, "2": {"title": "Desk"}}


def test_rows_that_are_no_documents_are_named_by_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "shop.jsonl"
    path.write_text('{"sku": 1, "name": "a"}\n{"name": "b"}\nnot json\n[1]\n{"sku": 1, "name": "c"}\n{"sku": 2}\n')
    catalogue, report = read_catalogue([path], SHOP)
    assert list(catalogue) == ["1"]
    assert {(row.line, row.reason) for row in report.examples} == {
        (2, "no sku"),
        (3, "not a JSON object"),
        (4, "not a JSON object"),
        (5, "sku repeats"),
        (6, "none of title, brand, category, size"),
    }
    assert (report.rows, report.kept) == (6, 1)


def test_a_short_row_of_a_csv_is_named_by_the_line_that_it_starts_on(tmp_path: Path) -> None:
    path = tmp_path / "shop.csv"
    path.write_text('sku,name\n1,"two\nlines"\n2\n3,c\n')
    catalogue, report = read_catalogue([path], CatalogueColumns("sku", {"title": "name"}))
    assert list(catalogue) == ["1", "3"]
    assert [row.line for row in report.examples] == [4]


def test_a_quote_that_is_never_closed_takes_no_other_row_away(tmp_path: Path) -> None:
    path = tmp_path / "shop.csv"
    path.write_text('sku,name\n1,a\n2,"19 inch tv\n' + "".join(f"{number},b\n" for number in range(3, 903)))
    catalogue, report = read_catalogue([path], CatalogueColumns("sku", {"title": "name"}))
    assert list(catalogue) == ["1", *map(str, range(3, 903))]
    assert [(row.line, row.reason) for row in report.examples] == [(3, "not a row: unexpected end of data")]


def test_a_header_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "shop.csv"
    path.write_text('sku,"name"s\n1,a\n')
    with pytest.raises(ValueError, match="does not name the columns"):
        read_catalogue([path], CatalogueColumns("sku", {"title": "name"}))


def test_a_cell_that_no_catalogue_has_costs_no_later_row(tmp_path: Path) -> None:
    path = tmp_path / "shop.csv"
    path.write_text('sku,name\n1,"' + "a lamp\n" * 30_000 + "2,b\n")
    catalogue, report = read_catalogue([path], CatalogueColumns("sku", {"title": "name"}))
    assert list(catalogue) == ["2"]
    assert report.rows > 1


def test_a_named_role_whose_column_no_row_has_is_refused_with_those_that_there_are(tmp_path: Path) -> None:
    path = tmp_path / "shop.jsonl"
    path.write_text('{"sku": 1, "name": "a", "facts": {"maker": ""}}\n')
    with pytest.raises(ValueError, match=r"brand=brnd: no row has it; the rows have facts, name, sku"):
        read_catalogue([path], catalogue_columns(None, ["title=name", "brand=brnd"], "sku"))
    assert read_catalogue([path], catalogue_columns(None, ["title=name", "brand=brnd,facts.maker"], "sku"))[0]


@pytest.mark.parametrize("preset", [None, "products"])
def test_an_id_column_that_no_row_has_is_refused_with_those_that_there_are(tmp_path: Path, preset: str | None) -> None:
    path = tmp_path / "shop.csv"
    path.write_text("sku,title\n1,lamp\n")
    with pytest.raises(ValueError, match=r"the id's column 'id': name it by --id-column or --preset; the rows have sku, title"):
        read_catalogue([path], catalogue_columns(preset, [], None))
    assert list(read_catalogue([path], catalogue_columns(preset, [], "sku"))[0]) == ["1"]


def test_a_preset_with_an_id_column_of_the_shops_own_reads_that_column() -> None:
    assert catalogue_columns("products", [], "sku").doc_id == "sku"
    assert catalogue_columns("esci", [], None) == PRESETS["esci"]
    assert catalogue_columns("esci", [], "id").doc_id == "id"


def test_a_role_that_is_named_goes_before_the_presets() -> None:
    columns = catalogue_columns("esci", ["title=name", "size=fit"], None)

    assert columns.roles == {**PRESETS["esci"].roles, "title": ["name"], "size": ["fit"]}


def test_a_role_may_join_several_columns() -> None:
    row = {"director": "D", "actors": ["a", "b", "c", "d", "e", "f"], "short": "s", "long": "l"}
    columns = CatalogueColumns("id", {"creator": ("director", "actors[:2]"), "description": ("short", "gone", "long")})
    assert document(row, columns) == {"creator": ["D", "a", "b"], "description": "s l"}


def test_a_separator_splits_texts_into_lists() -> None:
    assert document({"genres": "Action|Comedy"}, PRESETS["movielens"]) == {"category": ["Action", "Comedy"]}


def test_a_catalogue_of_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "shop.xml").write_text("<shop/>")
    with pytest.raises(ValueError, match=r"ends in \.jsonl"):
        read_catalogue([tmp_path / "shop.xml"], SHOP)


def test_the_real_catalogues_are_read_whole(real_data: Path) -> None:
    esci, esci_report = read_catalogue([real_data / "esci" / "products.jsonl.gz"], ESCI)
    msrd, msrd_report = read_catalogue([real_data / "msrd" / "movies-corpus.jsonl.gz"], MSRD)
    assert (len(esci), esci_report.dropped) == (6_764, {})
    assert (len(msrd), msrd_report.dropped) == (9_750, {})
    assert msrd["436270"]["creator"][:2] == ["Jaume Collet-Serra", "Sarah Shahi"]  # type: ignore[index]
    assert len(msrd["436270"]["creator"]) == 6  # type: ignore[arg-type]
    assert str(esci["B07CXG6C9W"]["description"]).startswith("The thinnest, lightest Kindle")


def test_a_dotted_path_leads_through_arrays_and_to_a_column_with_dots(tmp_path: Path) -> None:
    columns = catalogue_columns(None, ["title=name", "creator=author.name"], "codes.sku")
    rows = [
        '{"codes": {"sku": 1}, "name": "a", "author": [{"name": "Ann"}, {"name": "Bo"}]}',
        '{"codes.sku": 2, "name": "b", "author.name": "Cy"}',
    ]
    (tmp_path / "shop.jsonl").write_text("\n".join(rows))
    catalogue, _ = read_catalogue([tmp_path / "shop.jsonl"], columns)
    assert catalogue == {"1": {"title": "a", "creator": ["Ann", "Bo"]}, "2": {"title": "b", "creator": "Cy"}}
    (tmp_path / "shop.csv").write_text("codes.sku,name,author.name\n1,a,Ann\n")
    assert read_catalogue([tmp_path / "shop.csv"], columns)[0] == {"1": {"title": "a", "creator": "Ann"}}
