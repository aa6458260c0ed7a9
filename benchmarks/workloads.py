"""Real texts -> what every contestant is given: queries with a hundred documents each, as plain texts within one token budget.

Invariant: a text is cut here, by the model's own tokenizer, so that no contestant cuts it in another place and all compute the same pairs.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from cluster.catalogue import Document, FieldNames, read_catalogue
from cluster.demo import find_catalogue
from cluster.errors import InvalidCatalogue
from cluster.judgments import JudgedQuery, read_judgments
from sidecar.encoding import TextTemplate, field_text

# [CLS] query [SEP] document [SEP]
_SPECIAL = 3
_PASSAGE_TOKENS = 110
_PASSAGE_ROLES = ("title", "attributes", "description")


@dataclass(frozen=True, slots=True)
class Pairs:
    """One query and the documents that are scored against it; `tokens` of all pairs together."""

    query: str
    documents: tuple[str, ...]
    tokens: int


@dataclass(frozen=True, slots=True)
class Workload:
    """Requests of one kind."""

    name: str
    requests: tuple[Pairs, ...]

    @property
    def mean_tokens(self) -> float:
        """Tokens of a pair."""
        return sum(each.tokens for each in self.requests) / sum(len(each.documents) for each in self.requests)


@dataclass(frozen=True, slots=True)
class Shop:
    """A catalogue with judged queries: product bodies by id, under the names of the template's roles."""

    products: Mapping[str, dict[str, Any]]
    judged: tuple[JudgedQuery, ...]


def read_shop(folder: Path) -> Shop:
    """The catalogue and judgments of a data folder (`esci`); raises InvalidCatalogue where either is missing."""
    found = find_catalogue(folder)
    if found.judgments is None:
        raise InvalidCatalogue(f"{folder} holds no judgments.json: its queries are needed")
    rows = read_catalogue(found.products, FieldNames())
    products = {row.id: row.body for row in rows if isinstance(row, Document)}
    return Shop(products, tuple(read_judgments(found.judgments)))


class Cutter:
    """Cuts texts at token counts with a model's tokenizer."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        # A published tokenizer may bring a fixed length with it: its padding would be counted as text.
        tokenizer.no_padding()
        tokenizer.no_truncation()
        self._tokenizer = tokenizer

    def cut(self, text: str, tokens: int) -> str:
        """The longest beginning of the text of at most so many tokens."""
        ends = [end for _, end in self._tokenizer.encode(text, add_special_tokens=False).offsets]
        return text if len(ends) <= tokens else text[: ends[tokens - 1]] if tokens else ""

    def cut_front(self, text: str, tokens: int) -> str:
        """The longest end of the text of at most so many tokens."""
        starts = [start for start, _ in self._tokenizer.encode(text, add_special_tokens=False).offsets]
        return text if len(starts) <= tokens else text[starts[-tokens] :] if tokens else ""

    def count(self, text: str) -> int:
        """Its tokens, without special ones."""
        return len(self._tokenizer.encode(text, add_special_tokens=False))


def product_hits(shop: Shop, template: TextTemplate, cutter: Cutter, *, hits: int, queries: int, seed: int = 7) -> Workload:
    """Judged products of real queries, filled up with others to the window: the texts as the shipped template composes them."""

    chosen = _candidates(shop, hits, queries, random.Random(seed), allowed=lambda _: True)
    texts = ((query, (product_text(body, template, cutter) for body in bodies)) for query, bodies in chosen)
    return Workload("product hits", tuple(_pairs(query, documents, cutter) for query, documents in texts))


def product_text(body: Mapping[str, Any], template: TextTemplate, cutter: Cutter) -> str:
    """A product as one text, each field and the whole within the template's budgets."""
    cuts = ((cutter.cut_front if field.tail else cutter.cut, field) for field in template.fields)
    parts = (cut(field_text(body.get(field.role)), field.tokens) for cut, field in cuts)
    return cutter.cut(f" {template.separator} ".join(part for part in parts if part), template.max_document_tokens)


def passages(shop: Shop, cutter: Cutter, *, limit: int, hits: int, queries: int, seed: int = 7) -> Workload:
    """Titles, bullet points and descriptions as prose, cut so that a pair has about 110 tokens and at most `limit`."""

    def prose(body: Mapping[str, Any]) -> str:
        return " ".join(filter(None, (field_text(body.get(role)) for role in _PASSAGE_ROLES)))

    def long_enough(body: Mapping[str, Any]) -> bool:
        return len(prose(body)) > 6 * _PASSAGE_TOKENS

    chosen = _candidates(shop, hits, queries, random.Random(seed), allowed=long_enough)
    return Workload(
        "passages",
        tuple(
            _pairs(
                query, (cutter.cut(prose(body), min(_PASSAGE_TOKENS, limit) - cutter.count(query) - _SPECIAL) for body in bodies), cutter
            )
            for query, bodies in chosen
        ),
    )


def distinct_queries(shop: Shop, extra: Iterable[str], seed: int = 7) -> Iterator[str]:
    """Queries that never repeat: the judged ones, then `extra`, then openings of product titles, three words and longer."""
    rng = random.Random(seed)
    asked = [query.text for query in shop.judged] + list(extra)
    titles = [field_text(body.get("title")).split() for body in shop.products.values()]
    rng.shuffle(asked)
    rng.shuffle(titles)
    openings = (" ".join(title[:length]) for length in (3, 4, 5, 6) for title in titles if len(title) >= length)
    seen: set[str] = set()
    for query in (*asked, *openings):
        if query.lower() not in seen:
            seen.add(query.lower())
            yield query


def _candidates(shop: Shop, hits: int, queries: int, rng: random.Random, *, allowed: Any) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Queries with the most judged products, each with its products and others at random up to `hits`."""
    everything = sorted(doc_id for doc_id, body in shop.products.items() if allowed(body))
    if len(everything) < hits:
        raise InvalidCatalogue(f"the catalogue has {len(everything)} products of the wanted kind, {hits} are needed")
    ranked = sorted(shop.judged, key=lambda each: (-len(each.grades), each.text))
    for judged in ranked[:queries]:
        own = [doc_id for doc_id in judged.grades if doc_id in shop.products and allowed(shop.products[doc_id])][:hits]
        others = [doc_id for doc_id in rng.sample(everything, hits) if doc_id not in own]
        ids = (own + others)[:hits]
        rng.shuffle(ids)
        yield judged.text, [shop.products[doc_id] for doc_id in ids]


def _pairs(query: str, documents: Iterable[str], cutter: Cutter) -> Pairs:
    texts = tuple(documents)
    extra = cutter.count(query) + _SPECIAL
    return Pairs(query, texts, sum(cutter.count(text) + extra for text in texts))


def repetition(ids: Sequence[str], queries: Iterator[str]) -> Iterator[str]:
    """A stream of queries that repeats as `ids` do: every new id is the next query."""
    known: dict[str, str] = {}
    for identity in ids:
        if identity not in known:
            following = next(queries, None)
            if following is None:
                return
            known[identity] = following
        yield known[identity]
