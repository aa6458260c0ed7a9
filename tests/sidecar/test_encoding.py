"""The document is truncated, never the query; a document's tokens depend on itself alone."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer, models

from sidecar.encoding import TextEncoder, field_text
from sidecar.manifest import read_manifest
from tests.sidecar.tiny import VOCABULARY, encoder, template

MODEL = Path("sidecar/models/fast")
ID = {word: number for number, word in enumerate(VOCABULARY)}


def ids(text: str) -> list[int]:
    return [ID.get(word, ID["[UNK]"]) for word in text.split()]


def test_fields_are_read_in_the_templates_order_with_a_separator_between():
    found = encoder().encode_document({"description": "large", "title": "red shoe", "unknown": "blue"})
    assert found.tolist() == ids("red shoe | large")


def test_a_field_takes_no_more_than_its_budget():
    found = encoder().encode_document({"brand": "acme acme acme", "title": "shoe"})
    assert found.tolist() == ids("shoe | acme acme")


def test_a_document_takes_no_more_than_its_budget():
    assert len(encoder().encode_document({"title": "red " * 50, "description": "blue " * 50})) == 16


def test_a_plain_text_may_take_the_whole_document_budget():
    reader = encoder()
    text = reader.template.compose_text("red " * 50)
    assert reader.encode_composed([text])[0].tolist() == ids("red " * 16)


def untrimmed(reader: TextEncoder, document: tuple[str, ...]) -> list[int]:
    """The tokens of a document whose texts are tokenized to their ends."""
    parts = [
        np.asarray(reader.encode_prefix(text)[window], dtype=np.int64)
        for window, text in zip(reader.template.windows(document), document, strict=True)
    ]
    return reader.join(parts).tolist()


def words(rng: random.Random) -> str:
    """A text of short, long and very long words, accents, signs, and letters that are tokens of their own."""
    kinds = (
        "a",
        "red",
        "internationalization",
        "x" * rng.randint(20, 130),
        "Größe",
        "3.5-inch",
        "鞋子",
        "\u0301",
        "www.shop.example/a/b?c=d",
        "&",
    )
    return " ".join(rng.choice(kinds) for _ in range(rng.choice((0, 1, 3, 30, 200))))


@pytest.mark.parametrize("seed", range(4))
def test_a_long_text_is_read_no_further_than_its_tokens_need_and_gives_the_same_ones(seed):
    rng = random.Random(seed)
    manifest = read_manifest(MODEL)
    reader = TextEncoder(Tokenizer.from_file(str(MODEL / "tokenizer.json")), manifest.template.text_template())
    documents = [reader.template.compose({field.role: words(rng) for field in reader.template.fields}) for _ in range(12)]
    documents += [reader.template.compose_text(words(rng)) for _ in range(5)]
    found = reader.encode_documents(documents)
    assert [document.ids.tolist() for document in found] == [untrimmed(reader, document) for document in documents]
    expected = [
        min(len(reader.encode_prefix(document[0])[reader.template.windows(document)[0]]), reader.template.max_document_tokens)
        for document in documents
    ]
    assert [document.title for document in found] == expected


def test_the_title_is_the_first_fields_share_of_the_tokens():
    reader = encoder()
    documents = reader.encode_documents([("red shoe", "acme", ""), ("", "acme", "")])
    assert [document.title for document in documents] == [2, 0]


def test_a_query_is_cut_at_its_own_budget():
    assert encoder().encode_query("red blue green shoe phone").tolist() == ids("red blue green shoe")


def test_a_pair_has_the_query_first_and_types_that_tell_them_apart():
    reader = encoder()
    found, types = reader.pair(np.array(ids("red")), np.array(ids("blue shoe")))
    assert found.tolist() == ids("[CLS] red [SEP] blue shoe [SEP]")
    assert types.tolist() == [0, 0, 0, 1, 1, 1]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        ("<b>red</b>  shoe<br/><!-- x -->", "red shoe"),
        ("<5 kg, >10 cm", "<5 kg, >10 cm"),
        ("Black &amp; Decker&nbsp;caf&eacute; &lt;b&gt; AT&T &bogus;", "Black & Decker café <b> AT&T &bogus;"),
        (["a", ["b", "c"], None], "a, b, c"),
        (["&lt;b&gt; and &amp;amp;", "<i>c</i>"], "<b> and &amp;, c"),
        (3.0, "3"),
        (2.5, "2.5"),
        (True, "yes"),
        ({"a": "b"}, ""),
    ],
    ids=["missing", "markup", "signs", "entities", "list", "entities in a list", "whole number", "number", "boolean", "object"],
)
def test_a_fields_value_becomes_one_line_of_text(value, text):
    assert field_text(value) == text


def test_a_query_s_signs_are_no_markup():
    assert encoder().encode_query("red <blue and> shoe").tolist() == encoder().encode_query("red < blue and > shoe").tolist()


def test_an_encoder_needs_special_tokens_it_knows():
    with pytest.raises(ValueError, match="special tokens"):
        TextEncoder(Tokenizer(models.WordLevel({"a": 0}, unk_token="a")), template().text_template())
