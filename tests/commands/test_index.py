"""What `rerank index` tells before it begins; what it does is in tests/integration/test_index_command.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster.catalogue import FieldNames
from cluster.indexing import Job
from cluster.workspace import CHECKOUT
from scripts.index import _tell_unread


def test_a_catalogue_of_which_models_read_nothing_is_told_before_it_is_embedded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def told(text: str) -> str:
        file = tmp_path / "shop.csv"
        file.write_text(text)
        _tell_unread(Job(file, "shop", CHECKOUT / "mappings" / "products.json", FieldNames(), None))
        return capsys.readouterr().err

    assert "models read no field of the first rows" in told("id,Titel,Body\n1,Red shoes,Soft\n")
    assert "the rows have Body, Titel, id. Name them by --field" in told("id, Titel, Body\n1,Red shoes,Soft\n")
    assert told("id, title\n1,Red shoes\n") == ""
