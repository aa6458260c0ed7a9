"""The words of a text in memory; that a node answers the same is told by tests/integration/test_mappings.py."""

from __future__ import annotations

import numpy as np
import pytest

from training.distil.analysis import words
from training.distil.retrievers import Bm25Retriever


@pytest.mark.parametrize(
    ("text", "stems"),
    [
        pytest.param("iPhone 8's Cases", ["iphon", "8", "s", "case"], id="words of one character stay"),
        pytest.param("women\u2019s boots and the women's", ["women", "boot", "women"], id="possessives and stop words go"),
        pytest.param("Crème brûlée für Łódź, Straße", ["creme", "brule", "fur", "lodz", "strass"], id="accents fold"),
        pytest.param("हिन्दी किताब 日本", ["हिन्दी", "किताब", "日", "本"], id="other scripts keep their signs"),
        pytest.param("3.5mm wi-fi 1,000", ["3.5mm", "wi", "fi", "1,000"], id="words end where Unicode says"),
        pytest.param("technology assembly ably", ["technolog", "assembl", "abli"], id="stems are Lucene's"),
        pytest.param("<p>Soft &amp; warm</p><br>5 < 6 <script>x()</script>", ["soft", "warm", "5", "6"], id="markup goes"),
        pytest.param("… -- !", [], id="no word"),
    ],
)
def test_a_text_is_read_as_the_index_reads_it(text, stems):
    assert words(text) == stems


def test_bm25_tells_models_apart_by_one_character():
    phones = {model: {"title": f"iPhone {model} case, clear"} for model in ("7", "8", "X")}
    assert [list(phones)[int(row.argmax())] for row in Bm25Retriever(phones).scores(["iphone 8 case", "iphone x case"])] == ["8", "X"]


@pytest.mark.parametrize("catalogue", [{}, {"p": {"title": "…"}}], ids=["no document", "no word"])
def test_bm25_over_a_catalogue_without_words_finds_nothing(catalogue):
    scores = Bm25Retriever(catalogue).scores(["lamp", ""])
    assert scores.shape == (2, len(catalogue))
    assert not np.any(scores)
