"""Fields -> text -> tokens: the one place that composes documents, so serving and training read them alike.

Invariants: a document is truncated, never the query; a document's tokens depend on the template and its own fields alone,
never on the query or on its neighbours, so they can be cached by text.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

FieldValue = str | int | float | Sequence[str] | None
Fields = Mapping[str, FieldValue]
Tokens = npt.NDArray[np.int64]

# Shops store markup in descriptions; a tag is noise to the model and costs tokens. `<5 kg and >10 cm` is none.
_MARKUP = re.compile(r"<[a-zA-Z/!?][^<>]{0,199}>")
# A token has at least one character and rarely more than ten: longer text would be truncated anyway.
_CHARS_PER_TOKEN = 12
# What English takes at the most, on average: so much text is tried first, because tokenizing is most of the cost of an unknown document.
_LIKELY_CHARS_PER_TOKEN = 6
_NO_TOKENS: Tokens = np.empty(0, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class TemplateField:
    """One role of the text template and the most tokens it may take, from the text's head or from its tail.

    A category path is broad first: its tail says what the thing is.
    """

    role: str
    tokens: int
    tail: bool = False

    def cut(self, text: str) -> str:
        """The characters that its tokens can come from."""
        limit = self.tokens * _CHARS_PER_TOKEN
        return text[-limit:] if self.tail else text[:limit]


@dataclass(frozen=True, slots=True)
class DocumentTokens:
    """A document as the models read it: token ids without special tokens; the first `title` of them are its first field's."""

    ids: Tokens
    title: int


@dataclass(frozen=True, slots=True)
class TextTemplate:
    """Which fields make a document's text, in which order, within which budgets (all in tokens, special tokens excluded)."""

    fields: tuple[TemplateField, ...]
    max_document_tokens: int
    max_query_tokens: int
    separator: str = "|"

    def compose(self, fields: Fields) -> tuple[str, ...]:
        """The text of each template field, in order; empty where the document has none."""
        return tuple(field.cut(field_text(fields.get(field.role))) for field in self.fields)

    def compose_text(self, text: str) -> tuple[str, ...]:
        """A document that is one plain text of no particular field: it may take the whole document budget."""
        return (field_text(text)[: self.max_document_tokens * _CHARS_PER_TOKEN],)

    def windows(self, document: tuple[str, ...]) -> tuple[slice, ...]:
        """Which tokens are kept of each text of a composed document."""
        return tuple(slice(-field.tokens, None) if field.tail else slice(field.tokens) for field in self._fields_of(document))

    def likely(self, document: tuple[str, ...]) -> tuple[str, ...]:
        """The heads of a composed document's texts that its tokens probably come from; each ends before a space, or is whole.

        Tokens never span a space, so those of a head are the first tokens of the text. Every word has a token at least: that bounds
        what the texts before leave to one.
        """
        left, heads = self.max_document_tokens, []
        for field, text in zip(self._fields_of(document), document, strict=True):
            heads.append(text if field.tail else _head(text, min(field.tokens, max(left, 0)) * _LIKELY_CHARS_PER_TOKEN))
            if text:
                left -= min(text.count(" ") + 1, field.tokens)
        return tuple(heads)

    def suffices(self, heads: tuple[str, ...], document: tuple[str, ...], parts: Sequence[Tokens]) -> bool:
        """Whether the tokens of these heads, within their budgets, make the same document as those of the whole texts."""
        total = 0
        for field, head, text, ids in zip(self._fields_of(document), heads, document, parts, strict=True):
            total += len(ids)
            if total >= self.max_document_tokens:
                return True
            if len(head) < len(text) and len(ids) < field.tokens:
                return False
        return True

    def _fields_of(self, document: tuple[str, ...]) -> tuple[TemplateField, ...]:
        """The fields of a composed document's texts; a plain text is one field that may take everything."""
        return self.fields if len(document) > 1 else (TemplateField("text", self.max_document_tokens),)


def _head(text: str, chars: int) -> str:
    """At most so many characters of the text, up to a space; all of it where its first word is longer than that."""
    if len(text) <= chars:
        return text
    end = text.rfind(" ", 0, chars + 1) if chars else 0
    return text[:end] if end >= 0 else text


def field_text(value: FieldValue) -> str:
    """One line of plain text for a field's value: without markup, its entities read (`&amp;`), lists joined by commas; whole numbers lose
    their `.0`, objects are no text."""
    if value is None or isinstance(value, Mapping):
        return ""
    if isinstance(value, str):
        # Looking for a tag first halves the time: most texts have none.
        text = _MARKUP.sub(" ", value) if "<" in value else value
        # After the tags: `&lt;b&gt;` is meant to be read.
        return " ".join((html.unescape(text) if "&" in text else text).split())
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return f"{value:g}" if abs(value) < 1e6 and value != int(value) else str(int(value))
    return ", ".join(text for item in value if (text := field_text(item)))


class TextEncoder:
    """Turns queries and documents into token arrays with a model's own tokenizer and template. Thread-safe."""

    def __init__(self, tokenizer: Tokenizer, template: TextTemplate) -> None:
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self._tokenizer = tokenizer
        self.template = template
        self.cls = _token_id(tokenizer, "[CLS]", "<s>")
        self.sep = _token_id(tokenizer, "[SEP]", "</s>")
        self.pad = _token_id(tokenizer, "[PAD]", "<pad>")
        self._unknown = next((found for name in ("[UNK]", "<unk>") if (found := tokenizer.token_to_id(name)) is not None), None)
        self._separator = np.asarray(self._ids([template.separator])[0], dtype=np.int64)

    def encode_query(self, text: str) -> Tokens:
        """Token ids of a query, at most `max_query_tokens`, without special tokens: shape [tokens], int64."""
        limit = self.template.max_query_tokens
        # What people type holds no markup: `tv <$500 >50 inch` is all meant.
        ids = self._ids([" ".join(text.split())[: limit * _CHARS_PER_TOKEN]])[0]
        return np.asarray(ids[:limit], dtype=np.int64)

    def knows(self, words: Sequence[str]) -> list[bool]:
        """Whether the vocabulary has each word as one token."""
        return [len(ids) == 1 and ids[0] != self._unknown for ids in self._ids(words)]

    def encode_prefix(self, text: str) -> Tokens:
        """Token ids of a text that a bi-encoder sets before another: shape [tokens], int64, untruncated."""
        return np.asarray(self._ids([text])[0] if text else [], dtype=np.int64)

    def encode_document(self, fields: Fields) -> Tokens:
        """Token ids of one document, at most `max_document_tokens`, without special tokens: shape [tokens], int64."""
        return self.encode_composed([self.template.compose(fields)])[0]

    def encode_composed(self, documents: Sequence[tuple[str, ...]]) -> list[Tokens]:
        """Token ids of documents already composed by the template: one array a document."""
        return [self.join(parts) for parts in self._sufficient(documents)]

    def encode_documents(self, documents: Sequence[tuple[str, ...]]) -> list[DocumentTokens]:
        """The same, each with the length of its first field, which the overlap features need (sidecar.fusion)."""
        limit = self.template.max_document_tokens
        return [DocumentTokens(self.join(parts), min(len(parts[0]), limit)) for parts in self._sufficient(documents)]

    def encode_fields(self, documents: Sequence[Fields]) -> list[tuple[Tokens, ...]]:
        """Token ids of documents field by field, in the template's order, each within its own budget: for `join`."""
        return list(self._parts([self.template.compose(fields) for fields in documents]))

    def join(self, parts: Iterable[Tokens]) -> Tokens:
        """One document's token ids from its fields': separated, empty fields left out, cut at `max_document_tokens`."""
        joined: list[Tokens] = []
        for ids in parts:
            if len(ids):
                joined += [self._separator, ids] if joined else [ids]
        return np.concatenate(joined)[: self.template.max_document_tokens] if joined else _NO_TOKENS

    def pair(self, query: Tokens, document: Tokens) -> tuple[Tokens, Tokens]:
        """`[CLS] query [SEP] document [SEP]` and its token types (0 query, 1 document): two int64 arrays of one length."""
        ids = np.concatenate([[self.cls], query, [self.sep], document, [self.sep]])
        types = np.zeros(len(ids), dtype=np.int64)
        types[len(query) + 2 :] = 1
        return ids, types

    def single(self, tokens: Tokens) -> Tokens:
        """`[CLS] text [SEP]`, for encoders that read one text: int64 [tokens + 2]."""
        return np.concatenate([[self.cls], tokens, [self.sep]])

    def _sufficient(self, documents: Sequence[tuple[str, ...]]) -> list[tuple[Tokens, ...]]:
        """Tokens of each document's fields, as many as `join` keeps: of likely heads first, of whole texts where those fell short."""
        heads = [self.template.likely(document) for document in documents]
        found = list(self._parts(heads))
        short = [
            place
            for place, (head, document, parts) in enumerate(zip(heads, documents, found, strict=True))
            if not self.template.suffices(head, document, parts)
        ]
        for place, parts in zip(short, self._parts([documents[place] for place in short]), strict=True):
            found[place] = parts
        return found

    def _parts(self, documents: Sequence[tuple[str, ...]]) -> Iterator[tuple[Tokens, ...]]:
        texts = [text for document in documents for text in document if text]
        encoded = iter(self._ids(texts) if texts else [])
        for document in documents:
            yield tuple(
                np.asarray(next(encoded)[window], dtype=np.int64) if text else _NO_TOKENS
                for window, text in zip(self.template.windows(document), document, strict=True)
            )

    def _ids(self, texts: Sequence[str]) -> list[list[int]]:
        return [encoding.ids for encoding in self._tokenizer.encode_batch_fast(texts, add_special_tokens=False)]


def _token_id(tokenizer: Tokenizer, *names: str) -> int:
    for name in names:
        found = tokenizer.token_to_id(name)
        if found is not None:
            return int(found)
    raise ValueError(f"the tokenizer has none of the special tokens {names}: only BERT- and RoBERTa-type ones are supported")
