"""Documents on their way to a model, known by a digest of their text.

A document that came as JSON before is recognised by those bytes: its text is composed, and even its JSON read, only when a model has
to read it. Invariant: equal digests mean equal texts under one way of reading (tokenizer and template).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence, Set
from functools import lru_cache
from hashlib import blake2b

import msgspec

from sidecar.cache import Cache
from sidecar.encoding import Fields, TextTemplate
from sidecar.errors import InvalidRequest, Unprocessable

# Fields by role, the same still as JSON, or one plain text of no particular field.
Document = Fields | msgspec.Raw | str
ComposedText = tuple[str, ...]

# Of the names that a message repeats: they came from outside.
_MOST_SHOWN = 10
_LONGEST_SHOWN = 50

_decoder = msgspec.json.Decoder(dict[str, object])


@lru_cache(maxsize=1024)
def whole(word: str) -> re.Pattern[str]:
    """Finds a word that stands by itself, in capitals or not."""
    return re.compile(rf"(?<![^\W_]){re.escape(word)}(?![^\W_])", re.IGNORECASE)


class Candidate:
    """A document's digest, and its composed text for whoever needs it."""

    __slots__ = ("_document", "_template", "_text", "digest")

    def __init__(self, digest: bytes, template: TextTemplate, document: Document, text: ComposedText | None = None) -> None:
        self.digest = digest
        self._template = template
        self._document = document
        self._text = text

    @property
    def text(self) -> ComposedText:
        """The text of each template field."""
        if self._text is None:
            self._text = _composed(self._template, self._document)
        return self._text

    def mentions(self, word: str) -> bool:
        """Whether a lower-case word stands anywhere in the document, read or still JSON, where escaped letters hide it."""
        texts = [str(bytes(self._document), "utf-8", "replace")] if isinstance(self._document, msgspec.Raw) else self.text
        # Looking for the letters first is many times faster: they are rarely there without the word.
        return any(word in text and whole(word).search(text) is not None for text in map(str.lower, texts))

    def kept(self) -> Candidate:
        """The same for longer than its request: a document's JSON is a view that holds the whole body in memory."""
        document = self._document
        return Candidate(self.digest, self._template, document.copy() if isinstance(document, msgspec.Raw) else document, self._text)


class Recognizer:
    """Makes candidates of documents; `seen` maps the digest of a document's JSON to that of its text."""

    def __init__(self, seen: Cache[bytes]) -> None:
        self._seen = seen

    def candidates(self, template: TextTemplate, reading: bytes, documents: Sequence[Document]) -> list[Candidate]:
        """One candidate a document; `reading` keys the digests: who reads texts otherwise has other digests."""
        json = [_digest(bytes(document), reading) if isinstance(document, msgspec.Raw) else b"" for document in documents]
        known = self._seen.get_many([digest for digest in json if digest])
        remaining = iter(known)
        found = [next(remaining) if digest else None for digest in json]
        made = [_candidate(template, reading, document, digest) for document, digest in zip(documents, found, strict=True)]
        self._seen.put_many(
            (digest, candidate.digest) for digest, before, candidate in zip(json, found, made, strict=True) if digest and not before
        )
        return made

    def check_read(self, template: TextTemplate, reading: bytes, documents: Sequence[Document], candidates: Sequence[Candidate]) -> None:
        """Raise Unprocessable where documents have fields and none is of a role that the template reads: the roles are misnamed."""
        nothing = _digest(_joined(template.compose({})), reading)
        # One document that reads as anything ends the check: no other work is done for a request as it should be.
        if any(candidate.digest != nothing for candidate in candidates):
            return
        read = [field.role for field in template.fields]
        given = {name for document in documents for name in _names(document)}
        if given and given.isdisjoint(read):
            raise Unprocessable(f"no hit has a field of a role that the model reads: it reads {', '.join(read)}; hits have {_told(given)}")


def _candidate(template: TextTemplate, reading: bytes, document: Document, digest: bytes | None) -> Candidate:
    if digest is not None:
        return Candidate(digest, template, document)
    text = _composed(template, document)
    return Candidate(_digest(_joined(text), reading), template, document, text)


def _joined(text: ComposedText) -> bytes:
    return "\x1f".join(text).encode()


def _names(document: Document) -> Iterable[str]:
    return () if isinstance(document, str) else _fields(document) if isinstance(document, msgspec.Raw) else document


def _told(names: Set[str]) -> str:
    """Some of the names, as a message shows them."""
    shown = [name[:_LONGEST_SHOWN] for name in sorted(names)[:_MOST_SHOWN]]
    return ", ".join([*shown, "..."] if len(names) > len(shown) else shown)


def _composed(template: TextTemplate, document: Document) -> ComposedText:
    if isinstance(document, str):
        return template.compose_text(document)
    return template.compose(_fields(document) if isinstance(document, msgspec.Raw) else document)


def _fields(document: msgspec.Raw) -> Fields:
    try:
        return _decoder.decode(document)  # type: ignore[return-value] # field_text reads any JSON value
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(f"a hit's fields: {error}") from error


def _digest(content: bytes, reading: bytes) -> bytes:
    return blake2b(content, digest_size=16, key=reading).digest()
