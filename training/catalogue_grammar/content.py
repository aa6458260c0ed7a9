"""Graded lists for content searches: the topic asked is exact, its sibling near, another subject irrelevant.

As with products, the grade follows from what the search asks (kind, topic, wishes) and the piece says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from random import Random

from training.catalogue_grammar.content_grammar import ContentGrammar, Kind, Topic
from training.catalogue_grammar.roles import FieldValue, GradedList
from training.catalogue_grammar.wording import mistype, sentence, titled

LEAST, MOST = 12, 20
TYPO_SHARE = 0.05


@dataclass(frozen=True)
class Piece:
    """A piece of content: what it is about and which wishes it states. The search itself has the same shape."""

    kind: Kind
    topic: Topic
    wishes: Mapping[str, str] = field(default_factory=dict)


def grade_piece(asked: Piece, piece: Piece) -> int:
    """3 topic and wishes, 2 a wish or the kind missed, 1 a sibling topic or several misses, 0 another subject."""
    if piece.topic.group != asked.topic.group:
        return 0
    if piece.topic != asked.topic:
        return 1
    misses = sum(piece.wishes.get(key) != value for key, value in asked.wishes.items())
    misses += piece.kind is not asked.kind
    return max(1, 3 - misses)


def content_list(grammar: ContentGrammar, rng: Random) -> GradedList:
    """One search among articles, films, recipes, support pages."""
    kind = rng.choice(grammar.kinds)
    topic = rng.choice(grammar.of_kind(kind))
    keys = rng.sample(list(kind.wishes), min(rng.choices((0, 1, 2), (35, 50, 15))[0], len(kind.wishes)))
    asked = Piece(kind, topic, {key: rng.choice(kind.wishes[key]) for key in keys})
    pieces = _draw_pieces(asked, grammar, rng)
    documents = tuple(write_piece(piece, grammar, rng) for piece in pieces)
    return GradedList(write_search(asked, rng), documents, tuple(grade_piece(asked, piece) for piece in pieces))


def _draw_pieces(asked: Piece, grammar: ContentGrammar, rng: Random) -> list[Piece]:
    found = [_with_chance(asked, rng) for _ in range(rng.randint(3, 5))]
    for key, value in asked.wishes.items():
        others = [other for other in asked.kind.wishes[key] if other != value]
        found += [_with_chance(replace(asked, wishes={**asked.wishes, key: rng.choice(others)}), rng) for _ in range(2)]
        found.append(replace(asked, wishes={k: v for k, v in asked.wishes.items() if k != key}))
    topics = grammar.of_kind(asked.kind)
    siblings = [topic for topic in topics if topic.group == asked.topic.group and topic != asked.topic]
    found += [_with_chance(replace(asked, topic=topic), rng) for topic in rng.sample(siblings, min(3, len(siblings)))]
    kinds = [kind for kind in grammar.kinds if kind is not asked.kind and set(kind.sets) & set(asked.kind.sets)]
    for kind in rng.sample(kinds, min(2, len(kinds))):
        if asked.topic in grammar.of_kind(kind):
            found.append(Piece(kind, asked.topic))
    found += [_with_chance(replace(asked, topic=rng.choice(topics)), rng) for _ in range(3)]
    size = rng.randint(LEAST, MOST)
    while len(found) < size:
        kind = rng.choice(grammar.kinds)
        found.append(_with_chance(Piece(kind, rng.choice(grammar.of_kind(kind))), rng))
    found = found[:size]
    rng.shuffle(found)
    return found


def _with_chance(piece: Piece, rng: Random) -> Piece:
    """The piece with wishes of chance beside those it must state."""
    extra = {key: rng.choice(values) for key, values in piece.kind.wishes.items() if rng.random() < 0.35}
    return replace(piece, wishes={**extra, **piece.wishes})


def _words(pattern: str, name: str, wishes: list[str], rng: Random, invented: str) -> str:
    text = pattern.format(topic=name, wishes=" ".join(wishes), n=rng.randrange(2, 300), invented=invented)
    return " ".join(text.replace("()", "").split()).strip(" ,:-").replace(" :", ":").replace(" ,", ",").replace("( ", "(")


def write_search(asked: Piece, rng: Random) -> str:
    """The typed words."""
    name = rng.choice(asked.topic.names)
    text = _words(rng.choice(asked.kind.queries), name, list(asked.wishes.values()), rng, "")
    return mistype(text, rng) if rng.random() < TYPO_SHARE else text.lower()


def write_piece(piece: Piece, grammar: ContentGrammar, rng: Random) -> Mapping[str, FieldValue]:
    """The fields of a piece; topic and wishes are each said in the title, the tags or the abstract."""
    invented = " ".join(rng.choice(grammar.invented[key]) for key in ("first", "second"))
    titled_wishes = [value for value in piece.wishes.values() if rng.random() < 0.6]
    pattern = rng.choice(piece.kind.titles)
    name = rng.choice(piece.topic.names)
    text = _words(pattern, name, titled_wishes, rng, invented)
    shown = titled_wishes if "{wishes}" in pattern else []
    rest = [value for value in piece.wishes.values() if value not in shown]
    named = "{topic}" in pattern
    fields: dict[str, FieldValue] = {"title": titled(text) if rng.random() < 0.5 else sentence(text)}
    if rng.random() < 0.8:
        fields["creator"] = rng.choice(grammar.creators[piece.kind.creators])
    if rng.random() < 0.5:
        fields["year"] = rng.randrange(1978, 2027)
    fields["category"] = list(piece.kind.category)
    # A work is often found by what it is about, without the topic's name anywhere on its page.
    described = not named and bool(piece.topic.about) and rng.random() < 0.5
    tags = [] if described or (named and rng.random() < 0.7) else [rng.choice(piece.topic.names)]
    told = rest if rng.random() < 0.5 else []
    tags += [value for value in rest if value not in told]
    if tags:
        fields["tags"] = tags
    if abstract := _abstract(piece, told, named, rng):
        fields["description"] = abstract
    return fields


def _abstract(piece: Piece, told: list[str], named: bool, rng: Random) -> str:
    if named and not told and rng.random() < 0.3:
        return ""
    parts = [f"{sentence(piece.topic.about)}."] if piece.topic.about and (not named or rng.random() < 0.7) else []
    parts += [f"{sentence(value)}." for value in told]
    if rng.random() < 0.6:
        parts.append(rng.choice(piece.kind.abstracts))
    return " ".join(parts)
