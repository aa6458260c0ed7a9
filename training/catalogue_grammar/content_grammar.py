"""`content_types.yaml` → frozen kinds of content and their topics, validated once like the product grammar."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from training.catalogue_grammar.catalogue import FOLDER, GrammarError, read_yaml


@dataclass(frozen=True)
class Topic:
    """A subject: its names, what it is about in words that do not repeat them, and the group of its siblings."""

    names: tuple[str, ...]
    about: str
    group: tuple[str, int]


@dataclass(frozen=True)
class Kind:
    """A kind of content: recipe, news story, movie; `wishes` are what a search asks of it beside the topic."""

    name: str
    sets: tuple[str, ...]
    creators: str
    category: tuple[str, ...]
    wishes: Mapping[str, tuple[str, ...]]
    titles: tuple[str, ...]
    queries: tuple[str, ...]
    abstracts: tuple[str, ...]


@dataclass(frozen=True)
class ContentGrammar:
    """All kinds, topics by set, and the names of invented people, outlets and works."""

    kinds: tuple[Kind, ...]
    topics: Mapping[str, tuple[Topic, ...]]
    creators: Mapping[str, tuple[str, ...]]
    invented: Mapping[str, tuple[str, ...]]

    def of_kind(self, kind: Kind) -> tuple[Topic, ...]:
        """The topics that a kind may have."""
        return tuple(topic for key in kind.sets for topic in self.topics[key])


def parse_topic(text: str, group: tuple[str, int]) -> Topic:
    """`name | other name ; what it is about`."""
    names, _, about = text.partition(";")
    return Topic(tuple(name.strip() for name in names.split("|")), about.strip(), group)


def _kind(entry: Mapping[str, Any], topics: Mapping[str, object]) -> Kind:
    if lost := set(entry["topics"]) - set(topics):
        raise GrammarError(f"{entry['name']}: unknown topics {sorted(lost)}")
    return Kind(
        name=entry["name"],
        sets=tuple(entry["topics"]),
        creators=entry["creators"],
        category=tuple(entry["category"]),
        wishes={key: tuple(values) for key, values in entry["wishes"].items()},
        titles=tuple(entry["titles"]),
        queries=tuple(entry["queries"]),
        abstracts=tuple(entry["abstracts"]),
    )


@cache
def load_content(folder: Path = FOLDER) -> ContentGrammar:
    """Read and validate the content grammar."""
    raw = read_yaml(folder / "content_types.yaml")
    topics = {
        key: tuple(parse_topic(text, (key, index)) for index, group in enumerate(groups) for text in group)
        for key, groups in raw["topics"].items()
    }
    kinds = tuple(_kind(entry, topics) for entry in raw["kinds"])
    creators = {key: tuple(names) for key, names in raw["creators"].items()}
    return ContentGrammar(kinds, topics, creators, {key: tuple(words) for key, words in raw["invented"].items()})
