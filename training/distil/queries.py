"""Queries for a catalogue that has none: what shoppers and readers would type to find its documents.

Each query keeps its source document, which is known to answer it. Deterministic by seed.
"""

from __future__ import annotations

import random
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cluster.delimited import delimited_rows
from sidecar.encoding import Fields, field_text
from training.batches import with_typo
from training.data.files import open_text
from training.data.lists import Catalogue

# Vowel signs and other marks of many scripts are no letters to `re`, and end no word.
_MARKS = "".join(chr(code) for code in range(0x10000) if unicodedata.category(chr(code)).startswith("M"))
_WORD = re.compile(rf"[^\W_](?:[^\W_]|[{_MARKS}'./-])*")
_STOP = frozenset("a an and are as at be by for from has in is it its of on or that the this to was were will with you your".split())  # noqa: SIM905 (a list of 28 strings reads worse)
_TABLES = {".csv": ",", ".tsv": "\t"}
_LINKS = ("for", "with", "without", "in", "and")


@dataclass(frozen=True, slots=True)
class GeneratedQuery:
    """A query and the document it was made from."""

    query: str
    doc_id: str


def generate_queries(catalogue: Catalogue, *, count: int, seed: int, typo: float = 0.05) -> list[GeneratedQuery]:
    """`count` distinct queries from the catalogue's documents, drawn evenly over them; fewer where the catalogue gives no more."""
    rng = random.Random(seed)
    doc_ids = list(catalogue)
    seen: set[str] = set()
    made: list[GeneratedQuery] = []
    # Short titles repeat themselves: a bounded number of tries, not an endless search.
    for _ in range(count * 4):
        if len(made) == count:
            break
        doc_id = rng.choice(doc_ids)
        query = _query(catalogue[doc_id], rng)
        if len(query) < 3 or query in seen:
            continue
        seen.add(query)
        made.append(GeneratedQuery(with_typo(query, rng) if rng.random() < typo else query, doc_id))
    return made


def _query(fields: Fields, rng: random.Random) -> str:
    ways = [way for way, weight in _WAYS for _ in range(weight)]
    words = rng.choice(ways)(fields, rng)
    return " ".join(words[:9]).lower()


def words_of(text: str) -> list[str]:
    """The words of a text, punctuation left out."""
    # A letter and its accent as one character: apart, the accent would end the word.
    return [word.strip("'./-") for word in _WORD.findall(unicodedata.normalize("NFC", text))]


def _words(fields: Fields, role: str) -> list[str]:
    return [word for word in words_of(field_text(fields.get(role))) if word]


def _items(fields: Fields, role: str) -> list[list[str]]:
    value = fields.get(role)
    items = [value] if isinstance(value, str) else list(value) if isinstance(value, Sequence) else []
    return [words for item in items if (words := words_of(item))]


def _content(words: Sequence[str]) -> list[str]:
    return [word for word in words if word.lower() not in _STOP]


def _title_start(fields: Fields, rng: random.Random) -> list[str]:
    return _words(fields, "title")[: rng.randint(2, 6)]


def _title_span(fields: Fields, rng: random.Random) -> list[str]:
    title = _words(fields, "title")
    length = rng.randint(2, 5)
    start = rng.randint(0, max(0, min(len(title), 16) - length))
    return _trim(title[start : start + length])


def _title_picks(fields: Fields, rng: random.Random) -> list[str]:
    title = _content(_words(fields, "title"))[:14]
    kept = sorted(rng.sample(range(len(title)), min(len(title), rng.randint(2, 4))))
    return [title[index] for index in kept]


def _whole_title(fields: Fields, _: random.Random) -> list[str]:
    return _words(fields, "title")[:8]


def _kind(fields: Fields, rng: random.Random) -> list[str]:
    """What the thing is: the narrowest category, or the title's own words."""
    categories = _items(fields, "category")
    if categories and rng.random() < 0.7:
        return categories[-1] if rng.random() < 0.75 else rng.choice(categories)
    return _title_span(fields, rng)


def _with(role: str) -> Callable[[Fields, random.Random], list[str]]:
    def words(fields: Fields, rng: random.Random) -> list[str]:
        items = _items(fields, role)
        extra = rng.choice(items)[:3] if items else []
        kind = _kind(fields, rng)
        return [*extra, *kind] if rng.random() < 0.75 else [*kind, *extra]

    return words


def _described(fields: Fields, rng: random.Random) -> list[str]:
    """The kind and a phrase of the description, linked as shoppers link them."""
    description = _words(fields, "description")[:120]
    if len(description) < 5:
        return _title_picks(fields, rng)
    start = rng.randrange(len(description) - 3)
    phrase = _trim(description[start : start + rng.randint(1, 3)])
    link = [rng.choice(_LINKS)] if rng.random() < 0.4 else []
    return [*_kind(fields, rng), *link, *phrase]


def _phrase(fields: Fields, rng: random.Random) -> list[str]:
    """Words of the description alone: how people look for a film or an article whose name they forgot."""
    description = _words(fields, "description")[:120]
    start = rng.randrange(max(1, len(description) - 5))
    phrase = _content(description[start : start + rng.randint(4, 8)])
    return phrase or _title_start(fields, rng)


def _link_spans(fields: Fields, rng: random.Random) -> list[str]:
    title = _content(_words(fields, "title"))
    if len(title) < 3:
        return title
    return [*title[-2:], rng.choice(("for", "with", "without", "no")), rng.choice(title[:-2])]


def _two_attributes(fields: Fields, rng: random.Random) -> list[str]:
    found = [item for role in ("color", "size", "brand", "attributes", "tags", "creator", "year") for item in _items(fields, role)]
    rng.shuffle(found)
    return [word for item in found[:2] for word in item[:3]] + (_kind(fields, rng) if rng.random() < 0.8 else [])


def _trim(words: Sequence[str]) -> list[str]:
    """Without stop words at either end."""
    kept = list(words)
    while kept and kept[0].lower() in _STOP:
        kept.pop(0)
    while kept and kept[-1].lower() in _STOP:
        kept.pop()
    return kept


_WAYS: tuple[tuple[Callable[[Fields, random.Random], list[str]], int], ...] = (
    (_title_start, 4),
    (_title_span, 5),
    (_title_picks, 5),
    (_whole_title, 1),
    (_kind, 2),
    (_with("brand"), 3),
    (_with("color"), 2),
    (_with("creator"), 2),
    (_with("tags"), 2),
    (_with("attributes"), 1),
    (_described, 3),
    (_phrase, 1),
    (_link_spans, 1),
    (_two_attributes, 2),
)


def read_queries(path: Path) -> list[str]:
    """Queries of a file, plain or .gz, stripped and duplicates once: the column `query` of a .csv or .tsv whose first line has one, the
    texts of a .tsv of `ID<TAB>TEXT`, else one a line; `#10 envelopes` is a query, and no line a comment. Raises ValueError for a
    broken row.
    """
    kind = Path(path.stem).suffix if path.suffix == ".gz" else path.suffix
    with open_text(path) as file:
        lines = file.readlines()
    found = _of_table(path, lines, _TABLES[kind]) if kind in _TABLES else lines
    return list(dict.fromkeys(query for text in found if (query := text.strip())))


def _of_table(path: Path, lines: Sequence[str], delimiter: str) -> Sequence[str]:
    """The cells that hold queries; the lines as they are where the first one names no column `query`."""
    rows = delimited_rows(lines, delimiter)
    _, header = next(rows, (1, ""))
    names = [] if isinstance(header, str) else [name.strip().casefold() for name in header]
    if "query" in names:
        found = []
        for line, cells in rows:
            if isinstance(cells, str) or len(cells) != len(names):
                raise ValueError(f"{path}:{line}: {cells if isinstance(cells, str) else f'{len(cells)} cells under {len(names)} columns'}")
            found.append(cells[names.index("query")])
        return found
    if delimiter == "\t" and all(line.count("\t") == 1 for line in lines if line.strip()):
        return [line.partition("\t")[2] for line in lines]
    return lines
